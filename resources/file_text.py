"""The text of attached files: read in a process of its own, so that a hostile file costs itself and nothing else.

Belongs here: which files are read, what their text is, and the worker that reads them under limits of time and memory.
Does not belong here: fetching them (``resources/download``), or which attachments a ticket has (``resources/helpdesk``).

The upper half of the file runs in the program; the lower half, the reading itself, only in the worker. Between them go
lengths, JSON and UTF-8: a worker that a file has taken over can say nothing but a text. It is given no environment, so no
keys; it can write no file and leaves no core.
"""

import codecs
import json
import os
import queue
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import unicodedata
import warnings
import zipfile
from email.message import Message
from io import BytesIO
from math import ceil
from pathlib import Path, PurePath
from typing import IO, Any, Literal, Self

from domain.errors import CasebookError
from domain.mail_text import html_text

Kind = Literal["text", "json", "html", "pdf", "docx"]

_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_TYPES: dict[str, Kind] = {
    "text/html": "html",
    "application/xhtml+xml": "html",
    "application/pdf": "pdf",
    "application/x-pdf": "pdf",
    _DOCX: "docx",
    "application/json": "json",
    "text/json": "json",
    "application/x-ndjson": "json",
    "application/xml": "text",
    "application/csv": "text",
    "application/yaml": "text",
    "application/x-yaml": "text",
}
_NO_TEXT = ("text/rtf", "text/richtext")
_EXTENSIONS: dict[str, Kind] = {
    **dict.fromkeys((".txt", ".text", ".log", ".csv", ".tsv", ".xml", ".md", ".markdown", ".yaml", ".yml"), "text"),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "json"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".pdf": "pdf",
    ".docx": "docx",
}
_UNTOLD = ("", "application/octet-stream", "binary/octet-stream", "application/x-download")
_PASSING_SIGNALS = {
    -getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
}
_START_SECONDS = 60.0
_TEXT, _REASON, _MEMORY = b"t", b"r", b"m"


class UnreadableFile(CasebookError):
    """Why a file has no text for us: a few words that go on after its name ("is encrypted"), safe to show, never a piece
    of the file or its address. ``passing``: a later try may succeed."""

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


def is_text_like(name: str, content_type: str) -> bool:
    """Whether a file is of a kind whose text is read: text, log, CSV, HTML, JSON, XML, Markdown, PDF, DOCX.

    By its content type; by the extension of its name where the type tells nothing.
    """
    return _kind(name, content_type) is not None


def _kind(name: str, content_type: str) -> Kind | None:
    said = content_type.partition(";")[0].strip().lower()
    by_name = _EXTENSIONS.get(PurePath(name.strip().lower()).suffix)
    if said in _UNTOLD:
        return by_name
    if said == "application/vnd.ms-excel" and name.lower().endswith((".csv", ".tsv")):  # as Windows calls CSV
        return "text"
    if said in _TYPES:
        return _TYPES[said]
    if said.endswith("+json"):
        return "json"
    if said.startswith("text/") or (said.endswith("+xml") and not said.startswith("image/")):
        return None if said in _NO_TEXT else "text"
    return None


class FileReader:
    """Gives the text of files. A context manager; threads may share it.

    A file may have ``most_bytes``, take ``seconds`` and let its worker grow to ``memory_mb`` (where the operating system
    can limit that). ``workers`` are started when they are needed, and kept until the end of the ``with`` block; they end
    by themselves when this process dies.
    """

    def __init__(
        self,
        most_bytes: int = 20_000_000,
        most_chars: int = 200_000,
        seconds: float = 20.0,
        memory_mb: int = 512,
        workers: int = 1,
    ) -> None:
        self.most_bytes, self.most_chars = most_bytes, most_chars
        self._closed = False
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._workers = [_Worker(seconds, memory_mb, most_chars) for _ in range(workers)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        for worker in [self._idle.get() for _ in self._workers]:  # waits for those at work
            worker.stop()

    def text(self, data: bytes, name: str, content_type: str) -> str:
        """The plain text of a file, NFC, lines ended by a newline: at most ``most_chars``, cut at a line. Raises
        ``UnreadableFile``."""
        if self._closed:
            raise ValueError("this reader was closed")
        if len(data) > self.most_bytes:
            raise UnreadableFile(f"is larger than the {self.most_bytes / 1_000_000:g} MB that are read")
        kind = _kind(name, content_type)
        if kind is None:
            raise UnreadableFile("is of a type that is not read")
        worker = self._idle.get()
        try:
            return worker.text(data, kind, _charset(content_type))
        finally:
            self._idle.put(worker)


def _charset(content_type: str) -> str:
    header = Message()
    header["Content-Type"] = " ".join(content_type.split())
    return header.get_content_charset("")


class _Died(Exception):
    """The worker ended, or spoke nonsense, instead of an answer."""


class _Worker:
    """One process that reads files, one after another; started anew when it has ended."""

    def __init__(self, seconds: float, memory_mb: int, most_chars: int) -> None:
        self._seconds, self._memory_mb, self._most_chars = seconds, memory_mb, most_chars
        self._process: subprocess.Popen[bytes] | None = None
        self._is_late = False
        self._files = 0

    def text(self, data: bytes, kind: Kind, charset: str) -> str:
        """Raises ``UnreadableFile``."""
        try:
            status, said = self._ask(data, kind, charset)
            if status == _MEMORY and self._files > 1:  # memory that earlier files have left scattered
                self.stop()
                status, said = self._ask(data, kind, charset)
        except BaseException:  # an interrupt too: half an answer may still come
            self.stop()
            raise
        if status == _TEXT:
            return said
        if status == _MEMORY:
            self.stop()
        raise UnreadableFile(said)

    def _ask(self, data: bytes, kind: Kind, charset: str) -> tuple[bytes, str]:
        process = self._running()
        self._files += 1
        request = {
            "kind": kind, "charset": charset, "most_chars": self._most_chars, "seconds": self._seconds, "size": len(data),
        }  # fmt: skip
        header = json.dumps(request).encode()
        try:
            with _Alarm(self._seconds, self._kill):
                assert process.stdin and process.stdout
                process.stdin.write(struct.pack(">I", len(header)) + header)
                process.stdin.write(data)
                process.stdin.flush()
                answer = _answer(process.stdout, 4 * self._most_chars + 200)
            if self._is_late:  # it rang at the last moment
                self.stop()
            return answer
        except (_Died, OSError):
            pass
        raise self._death(process)

    def _running(self) -> "subprocess.Popen[bytes]":
        """The process, ready to read: what starting takes is no file's fault."""
        if self._process and self._process.poll() is None:
            return self._process
        self.stop()
        self._is_late, self._files = False, 0
        said = b""
        try:
            self._process = process = _start(self._memory_mb)
            with _Alarm(_START_SECONDS, self._kill):
                assert process.stdout
                said = process.stdout.read(1)
        except OSError:  # no process, or no memory, is to be had
            pass
        if said != b"+" or not self._process:
            self.stop()
            raise UnreadableFile("could not be read: the reader of files does not start", passing=True)
        return self._process

    def _kill(self) -> None:
        self._is_late = True
        if self._process:
            self._process.kill()

    def _death(self, process: "subprocess.Popen[bytes]") -> UnreadableFile:
        """Why the worker ended in the midst of a file: its own fault, or that of somebody who stopped it."""
        late = self._is_late
        try:
            code = process.wait(1.0)
        except subprocess.TimeoutExpired:  # it lives, and spoke nonsense
            code = 1
        self.stop()
        if late or code == -getattr(signal, "SIGXCPU", 0):
            return UnreadableFile(f"takes more than {self._seconds:g} seconds to read")
        if code in _PASSING_SIGNALS:
            return UnreadableFile("could not be read: the reader of files was stopped", passing=True)
        return UnreadableFile("breaks the reader of files")

    def stop(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe
            try:
                pipe.close()
            except OSError:  # what was not sent yet cannot be sent any more
                continue


class _Alarm:
    """Calls ``ring`` when the ``with`` block takes longer than ``seconds``."""

    def __init__(self, seconds: float, ring: Any) -> None:
        self._timer = threading.Timer(seconds, ring)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()  # else it could end the worker in the midst of the next file


def _start(memory_mb: int) -> "subprocess.Popen[bytes]":
    ours = Path(__file__).resolve().parents[1]
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    return subprocess.Popen(  # noqa: S603 -- Python itself, and this file
        [sys.executable, "-P", "-B", "-m", "resources.file_text", str(memory_mb)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**environment, "PYTHONPATH": str(ours), "PYTHONUTF8": "1"},
    )


def _answer(pipe: IO[bytes], most: int) -> tuple[bytes, str]:
    head = pipe.read(5)
    if len(head) < 5:
        raise _Died
    status, size = struct.unpack(">cI", head)
    body = pipe.read(size) if size <= most and status in (_TEXT, _REASON, _MEMORY) else b""
    if len(body) != size:
        raise _Died
    try:
        return status, body.decode()
    except UnicodeDecodeError:
        raise _Died from None


# --- the worker -------------------------------------------------------------------------------------------------------

_MOST_PAGES = 500
_MOST_MEMBERS = 5_000
_MOST_UNPACKED = 100_000_000
_MOST_RATIO, _SMALL = 200, 5_000_000
"""Word files are packed 10 to 50 times smaller; what is smaller than ``_SMALL`` does no harm however it was packed."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_COLOURS = re.compile("\x1b\\[[0-9;]{0,20}[A-Za-z]")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_DECLARED = re.compile(
    rb"""(?:<\?xml[^>]{0,100}\sencoding|<meta[^>]{0,200}\bcharset)\s*=\s*["']?([A-Za-z0-9_.:-]{2,40})"""
)
_ENCODINGS = re.compile(
    r"utf-(?:16|32)(?:-[lb]e)?|cp(?!1252)\d+|iso8859-(?!1$)\d+|koi8.*|euc_.*|shift_jis.*|iso2022_.*|gb.*|big5.*|johab"
)
_SAMPLE = 200_000
"""Characters that tell what an encoding is."""
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def serve(memory_mb: int) -> None:
    """Answer requests on stdin until it ends. Whatever a library prints goes nowhere."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the program; it ends us
    import docx  # before memory is limited, so that no file pays for it
    import pypdf

    assert docx and pypdf
    _limit(memory_mb)
    answers.write(b"+")
    answers.flush()
    while head := requests.read(4):
        request: dict[str, Any] = json.loads(requests.read(*struct.unpack(">I", head)))
        data = requests.read(request["size"])
        _limit_cpu(request["seconds"])
        status, said = _outcome(data, request)
        body = said.encode()
        answers.write(struct.pack(">cI", status, len(body)) + body)
        answers.flush()


def _limit(memory_mb: int) -> None:
    try:
        import resource
    except ImportError:  # Windows: time alone is limited, by the program
        return
    most = memory_mb * 1_000_000
    for what, limit in ((resource.RLIMIT_AS, most), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        try:
            resource.setrlimit(what, (limit, limit))
        except (ValueError, OSError):  # macOS does not limit memory
            continue


def _limit_cpu(seconds: float) -> None:
    """End by SIGXCPU when this file needs more: for a program that died and cannot end us."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(time.process_time() + seconds) + 1, hard))


def _outcome(data: bytes, request: dict[str, Any]) -> tuple[bytes, str]:
    try:
        return _TEXT, _cut(
            _read(data, request["kind"], request["charset"], request["most_chars"]), request["most_chars"]
        )
    except UnreadableFile as unreadable:
        return _REASON, unreadable.title
    except MemoryError:
        return _MEMORY, "needs too much memory to read"
    except Exception as error:  # of a library, about a broken file; its words may be the file's
        return _REASON, f"is broken ({type(error).__name__})"


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    at = text.rfind("\n", 0, most + 1)
    return text[: at if at > most // 2 else most].rstrip()


def _read(data: bytes, kind: Kind, charset: str, most_chars: int) -> str:
    if data.lstrip()[:5] == b"%PDF-":
        kind = "pdf"
    if kind == "pdf":
        return _tidy(_pdf(data, most_chars))
    if kind == "docx":
        return _tidy(_docx(data))
    if kind == "html":
        return _tidy(html_text(_decoded(data, charset)))
    text = _decoded(data, charset)[: 2 * most_chars]
    return _tidy(_ESCAPES.sub(_unescaped, text) if kind == "json" else text)


def _unescaped(escapes: re.Match[str]) -> str:
    return json.loads(f'"{escapes[0]}"')


def _tidy(text: str) -> str:
    """NFC, lines without trailing blanks, at most one blank line, nothing that a store refuses."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x0c", "\n")
    text = _CONTROL.sub("", _COLOURS.sub("", text))
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")  # halves that belong together join
    lines: list[str] = []
    for line in unicodedata.normalize("NFC", text).split("\n"):
        line = line.rstrip()
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).rstrip()


# Text


def _decoded(data: bytes, charset: str) -> str:
    """By its mark, as UTF-8, as UTF-16 without a mark, as it says itself, as Korean, else as a Western one. A log may be cut
    in the midst of a character, or hold zeros since a crash. Raises ``UnreadableFile`` for what is no text."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _as_text(data[len(mark) :].decode(encoding, "replace"))
    declared = _DECLARED.search(data[:2048])
    said = (_trusted(charset), _trusted(declared[1].decode() if declared else ""))
    for encoding in ("utf-8", _utf_16(data), *said):
        text = _strictly(data, encoding)
        if text is not None and not _is_binary(text):
            return text
    data = data.strip(b"\0")
    for encoding in ("utf-8", "cp949"):
        text = data.decode(encoding, "replace")
        if _fits(text[:_SAMPLE], encoding):
            return _as_text(text)
    western = _strictly(data, "cp1252")
    return _as_text(data.decode("latin-1") if western is None else western)


def _trusted(charset: str) -> str:
    """Python's name of an encoding that a file says it has, "" for none. As browsers do, the wider one is taken for those
    of Korea and China (WHATWG Encoding, 4.2); the Western ones are what programs say that know nothing."""
    try:
        name = codecs.lookup(charset).name if charset else ""
    except (LookupError, ValueError):
        return ""
    wider = {"euc_kr": "cp949", "gb2312": "gb18030", "gbk": "gb18030"}
    return wider.get(name, name) if _ENCODINGS.fullmatch(name) else ""


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding) if encoding else None
    except ValueError:
        return None


def _utf_16(data: bytes) -> str:
    """The byte order that the zeros of Latin letters and line ends show, "" for none."""
    low, high = data[0::2].count(0), data[1::2].count(0)
    if max(low, high) * 100 < len(data) or min(low, high) * 4 > max(low, high):
        return ""
    return "utf-16-le" if high > low else "utf-16-be"


def _fits(text: str, encoding: str) -> bool:
    """Whether few characters are broken; and for Korean, whether most are syllables and signs of KS X 1001: by its bytes
    "Änderung" begins with a rarer one of CP949, and "Größe" holds a Chinese one."""
    special = [letter for letter in text if letter > "\x7f"]
    broken = special.count("\ufffd")
    if broken > 2 and broken * 20 > len(special):
        return False
    if encoding == "utf-8":
        return broken * 2 <= len(special) - broken or not broken
    raw = "".join(special).encode("cp949", "ignore")
    common = sum(0xA1 <= lead <= 0xC8 and trail >= 0xA1 for lead, trail in zip(raw[::2], raw[1::2], strict=True))
    return common * 10 >= 7 * len(special) and broken * 2 <= common


def _as_text(text: str) -> str:
    if _is_binary(text):
        raise UnreadableFile("is no text")
    return text


def _is_binary(text: str) -> bool:
    """Colours of a terminal and page breaks are text; other control characters are rare in it, and so are characters that
    mean nothing."""
    text = text[:_SAMPLE]
    meaningless = sum(unicodedata.category(letter) in ("Cn", "Co") for letter in text[:2000])
    if meaningless * 20 > len(text[:2000]):
        return True
    strange = len(_CONTROL.findall(_COLOURS.sub("", text.replace("\x0c", "\n"))))
    return strange * 100 > len(text) or text.count("\ufffd") * 10 > len(text)


# PDF


def _pdf(data: bytes, most_chars: int) -> str:
    """The text of the first pages, one line a line of print. A page that cannot be read is left out."""
    import pypdf

    reader = pypdf.PdfReader(BytesIO(data))
    # Without a password of its reader a file only asks not to be printed or changed: everyone can read it.
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableFile("is encrypted")
    texts: list[str] = []
    room = most_chars
    failure: Exception | None = None
    for number in range(min(len(reader.pages), _MOST_PAGES)):
        try:
            texts.append(reader.pages[number].extract_text().strip("\n"))
        except MemoryError:
            raise
        except Exception as error:
            failure = error
            continue
        room -= len(texts[-1])
        if room <= 0:
            break
    text = "\n".join(texts)
    if not text.strip():
        raise failure or UnreadableFile("holds no text (a scan?)")
    return text


# DOCX

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_OTHER_FORM = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def _docx(data: bytes) -> str:
    """Paragraphs and tables in their order (a row is a line, tabs between cells), with what was inserted by a reviewer and
    what stands in text boxes and forms; without what was deleted, headers and notes."""
    if data.startswith(_OLE):  # MS-OFFCRYPTO 2.1: an encrypted package is a stream of this name in a compound file
        encrypted = "EncryptedPackage".encode("utf-16-le") in data
        raise UnreadableFile("is encrypted" if encrypted else "is no Word file of today's format")
    if not zipfile.is_zipfile(BytesIO(data)):
        raise UnreadableFile("is no Word file")
    _refuse_bombs(data)
    import docx
    from lxml import etree

    try:
        body = docx.Document(BytesIO(data)).element
    except (KeyError, ValueError):  # a package of another kind, or without its main part
        raise UnreadableFile("is no Word file") from None
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from error
        raise
    if body.getroottree().docinfo.internalDTD is not None:
        raise UnreadableFile("declares entities, which a Word file must not")  # ISO/IEC 29500-2, 6.2.5
    parts: list[str] = []
    _walk(body, parts)
    return "".join(parts)


def _refuse_bombs(data: bytes) -> None:
    """Unpack everything once in small pieces, keeping nothing: what the directory declares may be a lie, and the libraries
    unpack whole members."""
    with zipfile.ZipFile(BytesIO(data)) as package:
        members = package.infolist()
        declared = sum(member.file_size for member in members)
        if len(members) > _MOST_MEMBERS or _is_bomb(declared, len(data)):
            raise UnreadableFile("unpacks to too much")
        real = 0
        for member in members:
            if member.flag_bits & 1:
                raise UnreadableFile("is encrypted")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # ISO/IEC 29500-2, annex B
                raise UnreadableFile("is packed as no Word file is")
            with package.open(member) as unpacked:
                while piece := unpacked.read(1 << 16):
                    real += len(piece)
                    if _is_bomb(real, len(data)):
                        raise UnreadableFile("unpacks to too much")


def _is_bomb(unpacked: int, packed: int) -> bool:
    return unpacked > _MOST_UNPACKED or (unpacked > _SMALL and unpacked > _MOST_RATIO * packed)


def _walk(element: Any, parts: list[str]) -> None:
    """Append the text below an element. Depth is bounded by the parser's own limit of 256."""
    for child in element:
        tag = child.tag
        if tag == f"{_WORD}t":
            parts.append(child.text or "")
        elif tag == f"{_WORD}tab":
            parts.append("\t")
        elif tag in (f"{_WORD}br", f"{_WORD}cr"):
            parts.append("\n")
        elif tag == f"{_WORD}tc":
            cell: list[str] = []
            _walk(child, cell)
            parts.append(" ".join("".join(cell).split()) + "\t")
        elif tag not in (f"{_WORD}del", f"{_WORD}moveFrom", f"{_WORD}pPr", f"{_WORD}rPr", _OTHER_FORM):
            _walk(child, parts)
            if tag in (f"{_WORD}p", f"{_WORD}tr"):
                parts.append("\n")


if __name__ == "__main__":
    serve(int(sys.argv[1]))
