"""A throw-away certificate authority, for servers that tests speak TLS with.

Belongs here: making the certificates. Does not belong here: any server.
"""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_authority(folder: Path) -> None:
    """A throw-away authority ``ca.pem`` and a certificate of 127.0.0.1 from it, ``server.pem`` and ``server.key``."""
    now = datetime.now(UTC)
    key_of_ca, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])

    def certificate(name: x509.Name, public: Any, extension: x509.ExtensionType, is_ca: bool) -> bytes:
        signed = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=is_ca)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key_of_ca.public_key()), critical=False)
        )
        if is_ca:
            usage = dict.fromkeys(
                ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
                False,
            ) | dict.fromkeys(("key_cert_sign", "crl_sign"), True)
            signed = signed.add_extension(
                x509.KeyUsage(**usage, encipher_only=False, decipher_only=False), critical=True
            )
        return signed.sign(key_of_ca, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    (folder / "ca.pem").write_bytes(
        certificate(ca_name, key_of_ca.public_key(), x509.BasicConstraints(ca=True, path_length=None), True)
    )
    (folder / "server.pem").write_bytes(certificate(name, key.public_key(), host, False))
    (folder / "server.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
