"""The bytes behind attachments: documents with real words in them, and files that a reader must survive.

Belongs here: making a PDF, DOCX, CSV ... of lines of text, and the ways a file or its server can be bad.
Does not belong here: addresses and signatures (``attachments``), sending (``downloads``), the words of the sample
companies' files (``companies/ID/files.json``: name → ``{text, encoding?}``).

Everything is made by hand, so that no reader is tested with what its own library wrote.
"""

import html
import io
import itertools
import json
import zipfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from sandbox.shape import Json

Kind = Literal[
    "pdf", "docx", "csv", "csv_cp949", "html", "log",
    "encrypted_pdf", "zip_bomb", "huge", "lying", "slow", "403", "404", "500",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
#: What the metadata of ``huge`` says, truly, and what that of ``lying`` says while it never ends.
HUGE, LIE = 1 << 30, 1024
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

_TYPES: dict[Kind, tuple[str, str]] = {
    "pdf": ("pdf", "application/pdf"),
    "docx": ("docx", DOCX),
    "csv": ("csv", "text/csv"),
    "csv_cp949": ("csv", "text/csv"),
    "html": ("html", "text/html"),
    "log": ("log", "text/plain"),
    "encrypted_pdf": ("pdf", "application/pdf"),
    "zip_bomb": ("docx", DOCX),
    "huge": ("log", "text/plain"),
    "lying": ("log", "text/plain"),
    "slow": ("log", "text/plain"),
    "403": ("log", "text/plain"),
    "404": ("log", "text/plain"),
    "500": ("log", "text/plain"),
}


@dataclass(frozen=True, slots=True)
class File:
    """A file as it is served: ``body`` is empty where the kind is an endless stream or an error."""

    kind: Kind
    name: str
    content_type: str
    size: int
    body: bytes


def make(kind: Kind, lines: list[str], name: str | None = None) -> File:
    """A file of a kind with these lines in it (where the kind has any). Raises ``ValueError`` for an unknown kind."""
    if kind not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}, not {kind!r}")
    ending, content_type = _TYPES[kind]
    body = b"" if kind in ("huge", "lying") else _body(kind, lines)
    size = {"huge": HUGE, "lying": LIE}.get(kind, len(body))
    return File(kind, name or f"{kind}.{ending}", content_type, size, body)


def _body(kind: Kind, lines: list[str]) -> bytes:
    match kind:
        case "pdf":
            return pdf(lines)
        case "encrypted_pdf":
            return encrypted_pdf(lines)
        case "docx":
            return docx(lines)
        case "zip_bomb":
            return zip_bomb()
        case "html":
            shown = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
            return f"<!DOCTYPE html><html><body>{shown}<script>var hidden = 1;</script></body></html>".encode()
        case "csv" | "csv_cp949":
            rows = "".join(f'{number},"{line}"\r\n' for number, line in enumerate(lines, start=1))
            return rows.encode("cp949", "replace") if kind == "csv_cp949" else rows.encode()
        case _:
            return "".join(f"{line}\n" for line in lines).encode()


# -- PDF ---------------------------------------------------------------------------------------------------------------

_LINES_A_PAGE = 45


def pdf(lines: list[str], size: int | None = None) -> bytes:
    """A PDF with a text layer in any script; with ``size``, made that long by an object that nothing shows.

    Characters are two-byte codes with a ToUnicode table, set in one of the Korean fonts that readers know by name.
    Raises ``ValueError`` when the words alone are longer than ``size``.
    """
    made = _pdf(lines, 0)
    if size is None:
        return made
    if len(made) > size:
        raise ValueError(f"the text needs {len(made)} bytes, not {size}")
    pad = size - len(made)
    pad -= len(_pdf(lines, pad)) - size  # the numbers of a longer file are longer
    return _pdf(lines, max(pad, 0)).ljust(size, b"\n")


def _pdf(lines: list[str], padding: int) -> bytes:
    pages = [lines[start : start + _LINES_A_PAGE] for start in range(0, len(lines), _LINES_A_PAGE)] or [[]]
    first = 6 if not padding else 7
    kids = " ".join(f"{first + 2 * number} 0 R" for number in range(len(pages)))
    font = (
        b"<</Type/Font/Subtype/Type0/BaseFont/HYSMyeongJo-Medium/Encoding/UniKS-UCS2-H"
        b"/DescendantFonts[4 0 R]/ToUnicode 5 0 R>>"
    )
    cid = (
        b"<</Type/Font/Subtype/CIDFontType0/BaseFont/HYSMyeongJo-Medium/DW 1000"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Korea1)/Supplement 1>>"
        b"/FontDescriptor<</Type/FontDescriptor/FontName/HYSMyeongJo-Medium/Flags 6/FontBBox[0 -120 1000 880]"
        b"/ItalicAngle 0/Ascent 880/Descent -120/CapHeight 700/StemV 80>>>>"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode(),
        font,
        cid,
        _stream(_to_unicode("".join(lines))),
    ]
    if padding:
        objects.append(_stream(b"%" * padding))
    for number, page in enumerate(pages):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % (first + 2 * number + 1)
        )
        objects.append(_stream(_page(page)))
    return _pdf_file(objects)


def _page(lines: list[str]) -> bytes:
    shown = [f"<{line.encode('utf-16-be').hex()}> Tj T*".encode() for line in lines]
    return b"\n".join([b"BT /F1 11 Tf 16 TL 50 790 Td", *shown, b"ET"])


def _to_unicode(words: str) -> bytes:
    """The table from codes to characters: each code is the character's own."""
    codes = sorted(set(_units(words)))
    blocks: list[bytes] = []
    for start in range(0, len(codes), 100):
        some = codes[start : start + 100]
        blocks.append(b"%d beginbfchar\n" % len(some))
        blocks += [b"<%04X> <%04X>\n" % (code, code) for code in some]
        blocks.append(b"endbfchar\n")
    head = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n/CMapName /Words def /CMapType 2 def\n"
        b"1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
    )
    return head + b"".join(blocks) + b"endcmap CMapName currentdict /CMap defineresource pop end end"


def _units(words: str) -> list[int]:
    data = words.encode("utf-16-be")
    return [data[at] << 8 | data[at + 1] for at in range(0, len(data), 2)]


def _stream(data: bytes) -> bytes:
    return b"<</Length %d>>stream\n%b\nendstream" % (len(data), data)


def _pdf_file(objects: list[bytes]) -> bytes:
    out, places = io.BytesIO(), list[int]()
    out.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    for number, one in enumerate(objects, start=1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%b\nendobj\n" % (number, one))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    for place in places:
        out.write(b"%010d 00000 n \n" % place)
    out.write(b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def encrypted_pdf(lines: list[str]) -> bytes:
    """A PDF that nobody can open without its password."""
    import pypdf

    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(lines)))
    writer.encrypt("nobody knows it", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


# -- DOCX --------------------------------------------------------------------------------------------------------------

_PARTS = {
    "[Content_Types].xml": (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{DOCX}.main+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    ),
}
_WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def docx(lines: list[str]) -> bytes:
    """A document of one paragraph a line; the last line stands in a table."""
    shown = [f"<w:p><w:r><w:t>{html.escape(line)}</w:t></w:r></w:p>" for line in lines]
    if shown:
        cell = f"<w:tc><w:tcPr/>{shown.pop()}</w:tc>"
        shown.append(f"<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid><w:tr>{cell}</w:tr></w:tbl><w:p/>")
    document = (
        f'<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="{_WORDS}"><w:body>{"".join(shown)}</w:body>'
        "</w:document>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, part in {**_PARTS, "word/document.xml": document}.items():
            packed.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@cache
def zip_bomb() -> bytes:
    """A document of about 1 MB that unpacks to 1 GiB of paragraphs.

    Packed once, a piece is repeated as it is: what follows a full flush does not depend on what came before.
    """
    piece = b"<w:p><w:r><w:t>" + b"A" * ((1 << 20) - 31) + b"</w:t></w:r></w:p>"
    head = f'<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="{_WORDS}"><w:body>'.encode()
    tail, times = b"</w:body></w:document>", 1 << 10
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
    packed += (packer.compress(piece) + packer.flush(zlib.Z_FULL_FLUSH)) * times
    packed += packer.compress(tail) + packer.flush()
    checksum = zlib.crc32(head)
    for _ in range(times):
        checksum = zlib.crc32(piece, checksum)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as small:
        for name, part in _PARTS.items():
            small.writestr(zipfile.ZipInfo(name), part)
        document = zipfile.ZipInfo("word/document.xml")
        document.compress_type, document.CRC = zipfile.ZIP_DEFLATED, zlib.crc32(tail, checksum)
        document.compress_size, document.file_size = len(packed), len(head) + times * len(piece) + len(tail)
        document.header_offset = out.tell()
        out.write(document.FileHeader() + packed)
        small.start_dir = out.tell()
        small.filelist.append(document)
    return out.getvalue()


# -- the sample companies' files ---------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Json]:
    """What the authors wrote for a company's files, by name; empty where there is nothing."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def of_words(words: Json, file: Json) -> bytes:
    """The file that has these words, as long as its metadata says: rows or lines follow until it is full."""
    size, text = file["size"], words["text"]
    if file["content_type"] == "application/pdf":
        return pdf(text.split("\n"), size)
    encoding = words.get("encoding", "utf-8")
    body = text.encode(encoding) + b"\n"
    if len(body) > size:
        raise ValueError(f"{file['name']}: the text needs {len(body)} bytes, not {size}")
    columns = text.split("\n")[-1].count(",") if file["content_type"] == "text/csv" else 0
    for number in itertools.count(1):
        row = f"{number}{',0' * columns}\n" if columns else f"{number:06d} .\n"
        if len(body) + len(row) > size:
            return body.ljust(size, b"\n")
        body += row.encode(encoding.removesuffix("-sig"))
    raise AssertionError
