"""A new ticket as a file that a person has: a text, a mail, a page, a PDF or Word document.

Belongs here: what of a file is the question. Does not belong here: reading formats (``resources/file_text``,
``domain/mail_text``), or searching with it.
"""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from domain.errors import InputError
from domain.mail_text import message_text
from resources.file_text import FileReader, UnreadableFile

_MAIL = (".eml", ".mht")
_TAKEN = ".txt, .md, .html, .eml, .pdf and .docx"
MOST_BYTES = 20_000_000
"""A larger file is no ticket."""


def ticket_text(path: Path) -> str:
    """The text of a new ticket. Of a mail, its subject as the first line and what its writer wrote, quotations cut; what is
    attached to it is not read. Raises ``InputError`` for a file that cannot be read, or has no text."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is too large.", f"A ticket has {MOST_BYTES // 1_000_000} MB at most.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read.", str(error)) from None
    try:
        text = _mail(data) if path.suffix.lower() in _MAIL else _file(data, path)
    except UnreadableFile as error:
        raise InputError(f"{path} cannot be read.", f"It {error}.", f"Read are {_TAKEN}.") from None
    if not text.strip():
        raise InputError(f"{path} has no text.", remedy="Say what the problem is with --text.")
    return text


def _file(data: bytes, path: Path) -> str:
    with FileReader() as reader:
        return reader.text(data, path.name, "" if path.suffix else "text/plain")


def _mail(data: bytes) -> str:
    mail = message_from_bytes(data, policy=default)
    assert isinstance(mail, EmailMessage)
    html, plain = (_part(mail, kind) for kind in ("html", "plain"))
    subject = " ".join(str(mail.get("Subject", "")).split())
    return "\n".join(part for part in (subject, message_text(html, plain)) if part)


def _part(mail: EmailMessage, kind: str) -> str:
    """The mail's body in one form; "" where it has none. A charset that is wrong, or none, does not stop it."""
    body = mail.get_body((kind,))
    if body is None:
        return ""
    data = body.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    for charset in (body.get_content_charset("utf-8"), "utf-8", "cp949"):
        try:
            return data.decode(charset)
        except (LookupError, UnicodeDecodeError):
            continue
    return data.decode("utf-8", "replace")
