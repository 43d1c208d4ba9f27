"""Attachments: addresses that are signed anew with every answer and die after five minutes.

Belongs here: the marks that stored records carry in place of an address, the signature, the bytes of a file that has
no words. Does not belong here: which ticket has which file, documents with words (``files``).
"""

import hashlib
import itertools
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote

from sandbox.shape import Json

#: Stored in place of ``http://HOST/COMPANY``, of the signed query, and of an inline picture's token.
BASE, SIGNED, TOKEN = b"sandbox://base", b"sandbox-signed", b"sandbox-token"
INLINE_IMAGE = f"{BASE.decode()}/inline/attachment?token={TOKEN.decode()}"
#: Seconds an address lives (``X-Amz-Expires``).
LIFETIME = 300

_SECRET = b"casebook sandbox"
_answers = itertools.count(1)


def mark(attachments: list[Json]) -> None:
    """Give each attachment the address that ``sign`` completes."""
    for file in attachments:
        path = f"attachments/{file['id']}/original/{quote(file['name'])}"
        file["attachment_url"] = f"{BASE.decode()}/{path}?{SIGNED.decode()}"


def sign(body: bytes, base: str) -> bytes:
    """Complete all addresses in an answer; the same record never gets the same address twice."""
    if BASE not in body:
        return body
    date = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    nonce = f"{next(_answers):012x}"
    query = (
        f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SANDBOX%2F{date[:8]}%2Fus-east-1%2Fs3%2Faws4_request"
        f"&X-Amz-Date={date}&X-Amz-Expires={LIFETIME}&X-Amz-SignedHeaders=host&X-Amz-Security-Token={nonce}"
        f"&X-Amz-Signature={_signature(date, nonce)}"
    )
    token = f"eyJhbGciOiJIUzI1NiJ9.{nonce}.{_signature(date, nonce)[:43]}"
    return body.replace(SIGNED, query.encode()).replace(TOKEN, token.encode()).replace(BASE, base.encode())


def valid(query: str) -> bool:
    """Whether the query of an attachment's address was signed here, less than ``LIFETIME`` seconds ago."""
    given = {name: values[0] for name, values in parse_qs(query).items()}
    date, nonce = given.get("X-Amz-Date", ""), given.get("X-Amz-Security-Token", "")
    if given.get("X-Amz-Signature") != _signature(date, nonce):
        return False
    signed = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return 0 <= time.time() - signed.timestamp() <= LIFETIME


def _signature(date: str, nonce: str) -> str:
    return hashlib.blake2b(f"{date}{nonce}".encode(), key=_SECRET, digest_size=32).hexdigest()


#: A picture of one grey dot.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63b87bf72e0004ec027583d0f55a0000000049454e44ae426082"
)
_HEADS = {"image/png": PICTURE, "application/pdf": b"%PDF-1.4\n", "application/zip": b"PK\x03\x04"}


def content(attachment_id: int, content_type: str, size: int) -> bytes:
    """``size`` bytes that look like the type: readable lines for text, the right first bytes for the rest."""
    if content_type.startswith("text/"):
        lines = (f"{number:06d} attachment {attachment_id}: an entry of the log\n" for number in itertools.count(1))
        text = "".join(itertools.islice(lines, size // 30 + 1))
        return text.encode()[:size]
    return _HEADS.get(content_type, b"").ljust(size, b"\0")[:size]
