"""The text of attached files: every kind in both languages, and files made to harm who reads them.

Belongs here: ``resources/file_text`` with its real worker processes; hostile files are built here.
Does not belong here: where files come from (``test_download``), or what a ticket does with their text.
"""

import os
import random
import re
import signal
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import docx
import pypdf
import pytest

from domain.errors import CasebookError
from resources.file_text import FileReader, UnreadableFile, is_text_like
from tests.processes import Child

KOREAN = "결제가 실패합니다. 오류 코드 E-4012가 나옵니다.\n다시 시도해도 같습니다."
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PDF = "application/pdf"
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@pytest.fixture(scope="module")
def reader() -> Iterator[FileReader]:
    with FileReader(seconds=10) as running:
        yield running


def refused(reader: FileReader, data: bytes, name: str, content_type: str = "") -> UnreadableFile:
    with pytest.raises(UnreadableFile) as caught:
        reader.text(data, name, content_type)
    assert isinstance(caught.value, CasebookError)
    return caught.value


def worker_of(reader: FileReader) -> int:
    """The process of a reader with one worker."""
    process = reader._workers[0]._process
    assert process
    return process.pid


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(seen: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "it never came to pass"
        time.sleep(0.02)


# -- files -------------------------------------------------------------------------------------------------------------


def pdf(*contents: str, unicode_map: str = "") -> bytes:
    """A PDF with these page contents in Helvetica, or in a font whose codes ``unicode_map`` tells."""
    kids = " ".join(f"{10 + 2 * i} 0 R" for i in range(len(contents)))
    plain = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    composite = "<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/DescendantFonts[4 0 R]/ToUnicode 5 0 R>>"
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}>>",
        3: composite if unicode_map else plain,
        4: "<</Type/Font/Subtype/CIDFontType2/BaseFont/A/CIDSystemInfo<</Registry(A)/Ordering(I)/Supplement 0>>>>",
        5: f"<</Length {len(unicode_map)}>>stream\n{unicode_map}\nendstream",
    }
    for i, content in enumerate(contents):
        packed = zlib.compress(content.encode("latin-1")).decode("latin-1")
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>/Contents {11 + 2 * i} 0 R>>"
        objects[10 + 2 * i] = page
        objects[11 + 2 * i] = f"<</Filter/FlateDecode/Length {len(packed)}>>stream\n{packed}\nendstream"
    body, places = b"%PDF-1.7\n", {}
    for number, text in objects.items():
        places[number] = len(body)
        body += f"{number} 0 obj{text}endobj\n".encode("latin-1")
    last = max(objects) + 1
    table = "".join(f"{places[n]:010d} 00000 n \n" if n in places else "0000000000 65535 f \n" for n in range(last))
    end = f"xref\n0 {last}\n{table}trailer<</Size {last}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + end.encode()


def page(text: str) -> str:
    lines = " ".join(f"({line}) Tj 0 -14 Td" for line in text.split("\n"))
    return f"BT /F 12 Tf 72 720 Td {lines} ET"


def encrypted_pdf(user: str, owner: str) -> bytes:
    writer = pypdf.PdfWriter(clone_from=BytesIO(pdf(page("The seal is SECRETWORD"))))
    writer.encrypt(user, owner, algorithm="AES-256")
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


@cache
def slow_pdf() -> bytes:
    """Half a minute of work, or more, in some kilobytes."""
    return pdf(*["BT /F 9 Tf " + "1 0 0 1 0 0 Tm (a) Tj " * 1_000_000 + "ET"] * 5)


def word(fill: Callable[[Any], None]) -> bytes:
    document, out = docx.Document(), BytesIO()
    fill(document)
    document.save(out)
    return out.getvalue()


def with_member(data: bytes, name: str, content: bytes) -> bytes:
    """A Word file with one member replaced, or one more."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        new.writestr(name, content)
    return out.getvalue()


def document_xml(body: str, before: str = "") -> bytes:
    head = f'<?xml version="1.0" encoding="UTF-8"?>{before}<w:document xmlns:w="{W}"'
    head += ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">'
    return f"{head}<w:body>{body}</w:body></w:document>".encode()


def packed_zeros(megabytes: int) -> bytes:
    """Raw deflate of so many megabytes of zeros, without packing them one by one."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return piece * megabytes + packer.flush(zlib.Z_FINISH)


def zip_file(packed: bytes, declared: int, directory_entries: int = 1) -> bytes:
    """A zip with one member and as many directory entries for it as asked (PKWARE APPNOTE 4.3.7, 4.3.12, 4.3.16)."""
    name = b"word/document.xml"
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), declared, len(name), 0)
    local = b"PK\x03\x04" + common + name + packed
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name
    directory = entry * directory_entries
    sizes = (0, 0, directory_entries, directory_entries, len(directory), len(local), 0)
    return local + directory + b"PK\x05\x06" + struct.pack("<HHHHIIH", *sizes)


def laughs(declaration: str, reference: str = "&z;") -> bytes:
    """A Word file whose text is an entity."""
    doctype = f"<!DOCTYPE w:document [{declaration}]>"
    xml = document_xml(f"<w:p><w:r><w:t>before {reference} after</w:t></w:r></w:p>", doctype)
    return with_member(word(lambda document: None), "word/document.xml", xml)


# -- which files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content_type", "is_read"),
    [
        ("a.txt", "text/plain", True),
        ("a", "text/plain; charset=euc-kr", True),
        ("서버.log", "application/octet-stream", True),
        ("A.CSV", "", True),
        ("a.csv", "application/vnd.ms-excel", True),
        ("a.xls", "application/vnd.ms-excel", False),
        ("a.md", "text/markdown", True),
        ("a.json", "application/json", True),
        ("a", "application/problem+json", True),
        ("a.html", "text/html", True),
        ("a.xml", "application/xml", True),
        ("a.svg", "image/svg+xml", False),
        ("a.pdf", "application/pdf", True),
        ("보고서.docx", "application/octet-stream", True),
        ("a", WORD, True),
        ("a.rtf", "text/rtf", False),
        ("a.txt", "image/png", False),
        ("a.png", "image/png", False),
        ("a.zip", "application/zip", False),
        ("a.exe", "application/octet-stream", False),
        ("", "", False),
    ],
)
def test_which_files_are_read(name: str, content_type: str, is_read: bool) -> None:
    assert is_text_like(name, content_type) is is_read


def test_another_file_is_refused(reader: FileReader) -> None:
    assert refused(reader, b"GIF89a", "a.gif", "image/gif").title == "is of a type that is not read"


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "euc-kr", "utf-16", "utf-32"])
@pytest.mark.parametrize("text", [KOREAN, "plain words,\nand numbers 123"], ids=["Korean", "English"])
def test_encodings(reader: FileReader, encoding: str, text: str) -> None:
    assert reader.text(text.encode(encoding), "a.txt", "text/plain") == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [KOREAN, "plain words,\nand numbers 123"], ids=["Korean", "English"])
def test_utf_16_without_a_mark(reader: FileReader, encoding: str, text: str) -> None:
    assert reader.text(text.encode(encoding), "a.txt", "text/plain") == text


@pytest.mark.parametrize(
    "text", ["Änderung der Größe", "café – déjà vu", "señor ¿qué?", "naïve “quoted” text", "£5 for Åse", "é"]
)
def test_western_text_is_not_taken_for_korean(reader: FileReader, text: str) -> None:
    assert reader.text(text.encode("cp1252"), "a.txt", "text/plain") == text


def test_rare_korean_syllables_of_cp949(reader: FileReader) -> None:
    text = "똠방각하 펲시 콜라를 주문했는데 배송이 오지 않습니다"
    assert reader.text(text.encode("cp949"), "a.txt", "text/plain") == text


def test_a_file_says_its_encoding(reader: FileReader) -> None:
    japanese = "決済に失敗しました。もう一度お試しください。"
    page = f'<html><head><meta charset="shift_jis"></head><p>{japanese}</p>'.encode("shift_jis")
    assert reader.text(page, "a.html", "text/html") == japanese
    assert reader.text(japanese.encode("euc_jp"), "a", "text/plain; charset=EUC-JP") == japanese
    xml = f'<?xml version="1.0" encoding="shift_jis"?><a>{japanese}</a>'
    assert reader.text(xml.encode("shift_jis"), "a.xml", "text/xml") == xml


def test_a_wrong_encoding_is_not_believed(reader: FileReader) -> None:
    for said in ("iso-8859-1", "us-ascii", "no-such-thing", "rot13", "utf-7", "base64", "x" * 99, "; ;\r\n"):
        assert reader.text(KOREAN.encode(), "a.txt", f"text/plain; charset={said}") == KOREAN
        assert reader.text(KOREAN.encode("cp949"), "a.txt", f"text/plain; charset={said}") == KOREAN


def test_a_log_cut_in_the_midst_of_a_character(reader: FileReader) -> None:
    lines = "2026-01-02 결제 서버 응답 없음\n" * 20
    assert reader.text(lines.encode()[13:], "a.log", "text/plain").count("제 서버 응답 없음") == 20
    assert reader.text(lines.encode()[:-3], "a.log", "text/plain").count("결제 서버 응답 없") == 20
    assert reader.text(lines.encode("cp949")[12:], "a.log", "text/plain").endswith("결제 서버 응답 없음")


def test_zeros_that_a_crash_left(reader: FileReader) -> None:
    assert (
        reader.text(bytes(4096) + b"started\n" * 9 + bytes(9999), "a.log", "text/plain") == "started\n" * 8 + "started"
    )


def test_colours_and_control_characters_do_not_come_out(reader: FileReader) -> None:
    log = "\x1b[31;1mERROR\x1b[0m disk full\x07\r\nnext\0line  \r\rend\ud800\uffff".encode("utf-8", "surrogatepass")
    log += b" words" * 100
    text = reader.text(log, "a.log", "text/plain")
    assert text.startswith("ERROR disk full\nnextline\n\nend")
    text.encode()  # no half of a surrogate pair


def test_json_escapes_are_read(reader: FileReader) -> None:
    escaped = rb'{"error": "\uacb0\uc81c \uc2e4\ud328 \ud83d\ude00 \ud800 \u0000"}'
    assert reader.text(escaped, "a.json", "application/json") == '{"error": "결제 실패 😀 \ufffd "}'
    assert reader.text(rb"C:\u0041", "a.txt", "text/plain") == r"C:\u0041"


def test_it_is_nfc(reader: FileReader) -> None:
    assert reader.text("한글".encode(), "a.txt", "") == "한글"


def test_html(reader: FileReader) -> None:
    page = f"<html><script>alert(1)</script><p>{KOREAN}</p><table><tr><td>a<td>b</table>".encode("cp949")
    text = reader.text(page, "a.html", "text/html")
    assert text.startswith("결제가 실패합니다. 오류")
    assert "a b" in text
    assert "alert" not in text


def test_an_empty_file_is_an_empty_text(reader: FileReader) -> None:
    assert reader.text(b"", "a.txt", "text/plain") == ""
    assert reader.text(b"\xef\xbb\xbf \r\n", "a.txt", "text/plain") == ""


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + random.Random(1).randbytes(5000),
        random.Random(2).randbytes(3000),
        zlib.compress(random.Random(3).randbytes(3000)),
        b"\x7fELF" + bytes(range(256)) * 20,
        b"\xff\xfe" + random.Random(4).randbytes(3001),
    ],
    ids=["picture", "noise", "packed", "program", "noise with a mark"],
)
def test_what_only_claims_to_be_text(reader: FileReader, data: bytes) -> None:
    assert refused(reader, data, "a.txt", "text/plain").title == "is no text"


def test_a_large_text_is_cut_at_a_line(reader: FileReader) -> None:
    lines = [f"{number} 줄입니다" for number in range(40_000)]
    text = reader.text("\n".join(lines).encode(), "a.log", "text/plain")
    assert 199_900 < len(text) <= 200_000
    kept = text.split("\n")
    assert kept == lines[: len(kept)]
    assert len(reader.text(b"x" * 1_000_000, "a.txt", "")) == 200_000


def test_thirty_megabytes(reader: FileReader) -> None:
    thirty = b"a line of thirty bytes, no more\n" * 937_500
    unreadable = refused(reader, thirty, "a.log", "text/plain")
    assert unreadable.title == "is larger than the 20 MB that are read"
    assert not unreadable.passing
    with FileReader(most_bytes=40_000_000) as larger:
        text = larger.text(thirty, "a.log", "text/plain")
    assert len(text) == 199_999
    assert text.startswith("a line of thirty bytes")


# -- Word --------------------------------------------------------------------------------------------------------------


def test_paragraphs_and_tables_in_their_order(reader: FileReader) -> None:
    def fill(document: Any) -> None:
        document.add_heading("오류 보고", 1)
        document.add_paragraph("첫 문단\t탭")
        table = document.add_table(2, 2)
        for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
            cell.text = f"칸 {number}\n둘째 줄"
        document.add_paragraph("last paragraph")
        document.sections[0].header.paragraphs[0].text = "a header"

    expected = "오류 보고\n첫 문단\t탭\n칸 0 둘째 줄\t칸 1 둘째 줄\n칸 2 둘째 줄\t칸 3 둘째 줄\nlast paragraph"
    assert reader.text(word(fill), "a.docx", WORD) == expected


def test_revisions_forms_and_text_boxes(reader: FileReader) -> None:
    def run(text: str, tag: str = "t") -> str:
        return f"<w:r><w:{tag}>{text}</w:{tag}></w:r>"

    body = f"<w:p>{run('said ')}<w:ins>{run('inserted')}</w:ins><w:del>{run('deleted', 'delText')}</w:del></w:p>"
    body += f"<w:sdt><w:sdtContent><w:p>{run('a form')}</w:p></w:sdtContent></w:sdt>"
    box = f"<w:txbxContent><w:p>{run('a box')}</w:p></w:txbxContent>"
    body += "<w:p><w:r><mc:AlternateContent><mc:Choice Requires='wps'>" + box + "</mc:Choice>"
    body += f"<mc:Fallback><w:pict>{box}</w:pict></mc:Fallback></mc:AlternateContent></w:r></w:p>"
    data = with_member(word(lambda document: None), "word/document.xml", document_xml(body))
    assert reader.text(data, "a.docx", WORD).split() == ["said", "inserted", "a", "form", "a", "box"]


def test_a_bomb_of_ten_gigabytes(reader: FileReader) -> None:
    packed = packed_zeros(10 * 1024)
    assert len(packed) < reader.most_bytes
    for declared in (0xFFFFFFF0, 50_000_000, 1000):  # what it declares, and lies
        started = time.monotonic()
        unreadable = refused(reader, zip_file(packed, declared), "bomb.docx", WORD)
        assert unreadable.title in ("unpacks to too much", "is broken (BadZipFile)")
        assert not unreadable.passing
        assert time.monotonic() - started < 5
    assert refused(reader, zip_file(packed, 0xFFFFFFF0), "b.docx", WORD).title == "unpacks to too much"


def test_a_bomb_of_one_member_listed_a_thousand_times(reader: FileReader) -> None:
    data = zip_file(packed_zeros(4), 4 << 20, 1000)
    assert refused(reader, data, "a.docx", WORD).title == "unpacks to too much"


def test_too_many_members(reader: FileReader) -> None:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for number in range(6000):
            package.writestr(f"{number}", b"")
    assert refused(reader, out.getvalue(), "a.docx", WORD).title == "unpacks to too much"


def test_a_nested_bomb_is_never_unpacked(reader: FileReader) -> None:
    bomb = zip_file(packed_zeros(5 * 1024), 0xFFFFFFF0)
    data = with_member(word(lambda document: document.add_paragraph("harmless")), "word/embeddings/b.zip", bomb)
    assert reader.text(data, "a.docx", WORD) == "harmless"


def test_a_part_that_needs_too_much_memory_is_one_file(reader: FileReader) -> None:
    xml = document_xml("".join(f"<w:p><w:r><w:t>{number}</w:t></w:r></w:p>" for number in range(1_200_000)))
    data = with_member(word(lambda document: None), "word/document.xml", xml)
    with FileReader(memory_mb=200) as small:
        assert refused(small, data, "a.docx", WORD).title == "needs too much memory to read"
        assert small.text(b"fine", "a.txt", "") == "fine"


def test_entities_are_never_resolved(reader: FileReader, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRETWORD")
    lines = ['<!ENTITY a0 "lol">'] + [f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10)]
    for data in (
        laughs("".join(lines), "&a9;"),
        laughs(f'<!ENTITY z SYSTEM "{secret.as_uri()}">'),
        laughs(f'<!ENTITY % p SYSTEM "{secret.as_uri()}"> %p;', ""),
        laughs(f'<!ENTITY z "{"x" * 100_000}">', "&z;" * 1000),
    ):
        started = time.monotonic()
        said = refused(reader, data, "a.docx", WORD).title
        assert said.startswith(("declares entities", "is broken (XML"))
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is no Word file"),
        (b"PK\x03\x04 and no more", "is no Word file"),
        (b"<html>log in first</html>", "is no Word file"),
        (word(lambda document: None)[:-400], "is no Word file"),
        (zip_file(zlib.compress(b"<a/>", wbits=-15), 4), "is broken (BadZipFile)"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "is no Word file of today's format"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "is encrypted"),
    ],
    ids=["empty", "cut", "HTML", "without its end", "bad checksum", "old format", "encrypted"],
)
def test_broken_word_files(reader: FileReader, data: bytes, reason: str) -> None:
    assert refused(reader, data, "a.docx", WORD).title == reason


# -- PDF ---------------------------------------------------------------------------------------------------------------


def test_pages_of_a_pdf(reader: FileReader) -> None:
    assert reader.text(pdf(page("First line\nsecond line"), page("Next page")), "a.pdf", PDF).split("\n") == [
        "First line",
        "second line",
        "Next page",
    ]


def test_a_korean_pdf(reader: FileReader) -> None:
    letters = "결제 실패"
    codes = "".join(f"<{n + 1:04x}> <{ord(letter):04x}>\n" for n, letter in enumerate(letters))
    head = "/CIDInit/ProcSet findresource begin 12 dict begin begincmap\n"
    head += "1 begincodespacerange <0000> <ffff> endcodespacerange\n"
    unicode_map = f"{head}{len(letters)} beginbfchar\n{codes}endbfchar endcmap"
    shown = "".join(f"{n + 1:04x}" for n in range(len(letters)))
    data = pdf(f"BT /F 12 Tf 72 720 Td <{shown}> Tj ET", unicode_map=unicode_map)
    assert reader.text(data, "a.pdf", PDF) == letters


def test_a_pdf_by_another_name(reader: FileReader) -> None:
    assert reader.text(pdf(page("inside")), "a.txt", "text/plain") == "inside"


def test_encrypted_pdfs(reader: FileReader) -> None:
    unreadable = refused(reader, encrypted_pdf("password", "other"), "a.pdf", PDF)
    assert (unreadable.title, unreadable.passing) == ("is encrypted", False)
    assert "SECRETWORD" in reader.text(encrypted_pdf("", "owner"), "a.pdf", PDF)


def test_a_scan(reader: FileReader) -> None:
    assert refused(reader, pdf("q 600 0 0 800 0 0 cm Q", ""), "a.pdf", PDF).title == "holds no text (a scan?)"


def test_broken_pdfs(reader: FileReader) -> None:
    whole = pdf(*(page(f"Page SECRETWORD {number}") for number in range(30)))
    for data in (b"", b"%PDF-1.7\n", b"no PDF at all", whole[:300], b"%PDF-1.4\n" + random.Random(5).randbytes(5000)):
        assert refused(reader, data, "a.pdf", PDF).title.startswith("is broken (")
    assert "SECRETWORD 29" in reader.text(re.sub(rb"startxref\n\d+", b"startxref\n7", whole), "a.pdf", PDF)
    chance = random.Random(6)
    for _ in range(40):  # whatever comes, it is a text or a reason, and the reason says nothing of the file
        data = bytearray(whole)
        for _ in range(60):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            reader.text(bytes(data), "a.pdf", PDF)
        except UnreadableFile as unreadable:
            assert "SECRETWORD" not in str(unreadable)


def test_pages_that_lead_to_themselves(reader: FileReader) -> None:
    data = pdf(page("x")).replace(b"/Kids[10 0 R]", b"/Kids[ 2 0 R]")
    assert refused(reader, data, "a.pdf", PDF).title.startswith("is broken (")


def test_a_bomb_in_a_pdf(reader: FileReader) -> None:
    packed = zlib.compress(bytes(300_000_000))
    data = pdf("X" * 3).replace(zlib.compress(b"XXX"), packed)
    data = data.replace(b"/Length %d>>" % len(zlib.compress(b"XXX")), b"/Length %d>>" % len(packed))
    assert refused(reader, data, "a.pdf", PDF).title.startswith(("is broken (", "needs too much memory"))


def test_a_pdf_that_takes_for_ever(reader: FileReader) -> None:
    with FileReader(seconds=1) as hasty:
        started = time.monotonic()
        unreadable = refused(hasty, slow_pdf(), "a.pdf", PDF)
        assert time.monotonic() - started < 30
        assert (unreadable.title, unreadable.passing) == ("takes more than 1 seconds to read", False)
        assert hasty.text(b"the next one", "a.txt", "") == "the next one"


# -- the worker --------------------------------------------------------------------------------------------------------


def end_in_the_midst(reader: FileReader, how: int) -> UnreadableFile:
    reader.text(b"started", "a.txt", "")
    pid = worker_of(reader)
    slow = slow_pdf()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(refused, reader, slow, "a.pdf", PDF)
        time.sleep(0.5)
        assert not reading.done()
        os.kill(pid, how)
        unreadable = reading.result(10)
    assert reader.text(b"the next one", "a.txt", "") == "the next one"
    assert worker_of(reader) != pid
    return unreadable


def test_a_worker_that_is_killed_costs_a_try(reader: FileReader) -> None:
    unreadable = end_in_the_midst(reader, signal.SIGKILL)
    assert unreadable.passing
    assert unreadable.title == "could not be read: the reader of files was stopped"


def test_a_worker_that_crashes_costs_a_file(reader: FileReader) -> None:
    unreadable = end_in_the_midst(reader, signal.SIGSEGV)
    assert not unreadable.passing
    assert unreadable.title == "breaks the reader of files"


def test_a_worker_that_dies_between_files_costs_nothing(reader: FileReader) -> None:
    reader.text(b"one", "a.txt", "")
    pid = worker_of(reader)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(pid))
    assert reader.text(b"two", "a.txt", "") == "two"


def test_the_worker_knows_no_keys_and_lives_on(reader: FileReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEBOOK_MASTER_KEY", "SECRETWORD")
    with FileReader() as fresh:
        fresh.text(b"x", "a.txt", "")
        pid = worker_of(fresh)
        assert b"SECRETWORD" not in Path(f"/proc/{pid}/environ").read_bytes()
        for number in range(20):
            fresh.text(b"%d" % number, "a.txt", "")
        assert worker_of(fresh) == pid


@pytest.mark.parametrize("workers", [1, 2])
def test_four_threads_at_once(workers: int) -> None:
    def read(number: int) -> None:
        for turn in range(30):
            said = f"thread {number} turn {turn} " * (1 + 500 * (turn % 3))
            assert reader.text(said.encode(), "a.txt", "text/plain") == said.strip()
            if turn % 10 == 5:
                assert refused(reader, random.Random(turn).randbytes(999), "a.txt", "text/plain").title == "is no text"

    with FileReader(workers=workers) as reader, ThreadPoolExecutor(4) as pool:
        list(pool.map(read, range(4)))
        assert len({worker._process and worker._process.pid for worker in reader._workers}) == workers


def test_no_worker_is_left_at_the_end_of_the_block() -> None:
    before = threading.active_count()
    with FileReader() as reader:
        reader.text(b"x", "a.txt", "")
        pid = worker_of(reader)
        assert is_alive(pid)
    assert not is_alive(pid)
    assert threading.active_count() == before
    with pytest.raises(ValueError, match="closed"):
        reader.text(b"x", "a.txt", "")


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "in the midst of a file"])
def test_no_worker_outlives_a_program_that_is_killed(busy: bool) -> None:
    with Child(_read_and_wait, slow_pdf() if busy else b"") as child:
        pid = child.hear()
        assert is_alive(pid)
        time.sleep(0.3)
        child.kill()
        wait_until(lambda: not is_alive(pid))


def _read_and_wait(say: Callable[[Any], None], data: bytes) -> None:
    reader = FileReader(seconds=2)
    reader.text(b"x", "a.txt", "")
    say(worker_of(reader))
    if data:
        reader.text(data, "a.pdf", PDF)
    time.sleep(60)
