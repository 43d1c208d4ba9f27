"""The companies' keys: encrypted at rest, read at the moment they are used.

Belongs here: the master key and how a secret is sealed and opened. Does not belong here: where sealed secrets are
kept (``resources/companies``).

A secret is stored as ``env:NAME`` (a reference to an environment variable) or as a Fernet token. The master key comes
from ``CASEBOOK_MASTER_KEY``, else from the file ``master.key`` in the home, made with mode 0600.
"""

import os
from contextlib import suppress

from cryptography.fernet import Fernet, InvalidToken

from domain.errors import InputError
from resources.settings import Settings

_REFERENCE = "env:"


def refer(variable: str) -> str:
    """A reference to an environment variable, to be stored in place of the secret."""
    return _REFERENCE + variable


def seal(settings: Settings, secret: str) -> str:
    return _master(settings).encrypt(secret.encode()).decode()


def open_secret(settings: Settings, sealed: str, company: str) -> str:
    """The secret in clear. Raises ``InputError`` that names the company, never the secret."""
    if sealed.startswith(_REFERENCE):
        variable = sealed.removeprefix(_REFERENCE)
        value = os.environ.get(variable, "")
        if not value:
            raise InputError(
                f"no key for company {company!r}.",
                f"The environment variable {variable} is not set.",
                f"Set {variable}.",
            )
        return value
    try:
        return _master(settings).decrypt(sealed).decode()
    except InvalidToken:
        raise InputError(
            f"the key of company {company!r} cannot be opened.",
            "The master key is another one than when it was stored.",
            "Set CASEBOOK_MASTER_KEY to the old one, or store the key again with 'casebook company rotate-key'.",
        ) from None


def _master(settings: Settings) -> Fernet:
    try:
        return Fernet(settings.master_key or _key_file(settings))
    except ValueError:
        raise InputError(
            "the master key is not one.",
            "It must be 32 bytes in URL-safe base64.",
            "Check CASEBOOK_MASTER_KEY or master.key.",
        ) from None


def _key_file(settings: Settings) -> str:
    """The key in the home. It appears whole, and the first one stays: a second would open nothing."""
    path = settings.root / "master.key"
    if not path.exists():
        draft = path.with_name(f".master.key.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(Fernet.generate_key().decode())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()
