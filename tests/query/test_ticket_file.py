"""New tickets as files: what of each kind of file is the question.

Belongs here: ``query/ticket_file``. Does not belong here: the formats themselves (``tests/resources/test_file_text``).
"""

from email.message import EmailMessage
from pathlib import Path

import docx
import pytest

from domain.errors import InputError
from query.ticket_file import ticket_text


def written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


@pytest.mark.parametrize("name", ["new.txt", "new", "NEW.TXT"])
def test_a_text_is_itself(tmp_path: Path, name: str) -> None:
    assert ticket_text(written(tmp_path / name, "로그인이 안 됩니다")) == "로그인이 안 됩니다"


def test_a_korean_text_of_an_old_windows_is_read(tmp_path: Path) -> None:
    assert ticket_text(written(tmp_path / "new.txt", "로그인이 안 됩니다".encode("cp949"))) == "로그인이 안 됩니다"


def test_a_page_is_its_text(tmp_path: Path) -> None:
    page = "<html><script>no()</script><p>Thermostat <b>offline</b></p></html>"
    assert ticket_text(written(tmp_path / "new.html", page)) == "Thermostat offline"


def test_a_document_is_its_text(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Thermostat offline")
    document.save(str(tmp_path / "new.docx"))
    assert ticket_text(tmp_path / "new.docx") == "Thermostat offline"


def test_a_mail_is_its_subject_and_what_its_writer_wrote(tmp_path: Path) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "온도조절기 오프라인", "someone@example.com"
    mail.set_content("It went dark.\n\nOn Mon, 5 Jan 2026 at 10:00, Us <us@example.com> wrote:\n> Is it on?\n")
    mail.add_attachment(b"secret", maintype="application", subtype="octet-stream", filename="log.bin")
    assert ticket_text(written(tmp_path / "new.eml", mail.as_bytes())) == "온도조절기 오프라인\nIt went dark."


def test_a_mail_in_html_only_with_a_wrong_charset_is_read(tmp_path: Path) -> None:
    head = 'Subject: Hi\nMIME-Version: 1.0\nContent-Type: text/html; charset="no-such"\n\n'
    assert ticket_text(written(tmp_path / "new.eml", head + "<p>어두워졌어요</p>")) == "Hi\n어두워졌어요"


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("new.txt", "  \n", "has no text"),
        ("new.eml", "From: x\n\n", "has no text"),
        ("new.zip", b"PK\x03\x04", "cannot be read"),
        ("new.pdf", b"no pdf", "cannot be read"),
    ],
)
def test_what_is_no_ticket_is_refused(tmp_path: Path, name: str, data: bytes | str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        ticket_text(written(tmp_path / name, data))


def test_a_missing_file_and_a_huge_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        ticket_text(tmp_path / "none.txt")
    with (tmp_path / "huge.txt").open("wb") as file:
        file.truncate(20_000_001)
    with pytest.raises(InputError, match="too large"):
        ticket_text(tmp_path / "huge.txt")
