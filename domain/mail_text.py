"""From a mail's HTML or plain body to what its writer wrote: readable text, no quoted replies, no signature.

Belongs here: reading HTML as lines, and the rules that tell a mail's own words from what mail programs add.
Does not belong here: the order and roles of messages in a thread (``merge``), or greetings (``extractive``).

Every rule looks at one line, or at a few lines joined, of bounded length, so time grows with the size of the body only.
When in doubt a line stays: quoted text that slips through costs a little, a lost answer costs the case.
"""

import html as html_entities
import re
import threading
import unicodedata
from collections.abc import Mapping
from itertools import count
from typing import Any

from lxml import etree

MAIL_TEXT_VERSION = "1"

_DEEPEST = 1000
_PIECE = 1 << 16
_LONGEST_LINE = 400
_LONGEST_SIGNATURE = 12
_TAG = re.compile(r"<[a-zA-Z/!?]")
_ANY_TAG = re.compile(r"<[^<>]*>")
_HIDDEN = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_PREFORMATTED = re.compile(r"white-space\s*:\s*(?:pre|break-spaces)", re.IGNORECASE)
_INVISIBLE = re.compile("[\u00ad\u200b\u200c\u200e\u200f\u2060\ufeff]")

_DROPPED = frozenset({"script", "style", "head", "title", "template", "noscript", "svg", "object", "iframe", "select"})
_BLOCK_NAMES = """
    address article aside blockquote body center dd div dl dt fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr
    li main nav ol p pre section table tbody tfoot thead tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_SIGNATURES = ("gmail_signature", "moz-signature", "Signature")
_CITED_CLASSES = ("gmail_quote", "freshdesk_quote", "zendesk_quote", "yahoo_quoted", "protonmail_quote")


class _TooDeep(Exception):
    """The markup is nested deeper than any mail program writes; libxml2 would need quadratic time for it."""


class _Lines:
    """Parser target: collects visible text as lines, marked as in a plain mail: those of a quoted mail begin with ">",
    and "--" stands above a signature."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forget what was read before."""
        self._lines: list[str] = []
        self._line: list[str] = []
        self._depth = 0
        self._dropped_at = 0
        self._quoted_at = 0
        self._pre_at = 0
        self._links: list[tuple[str, int, int]] = []

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooDeep
        if self._dropped_at:
            return
        style = attributes.get("style", "")
        if tag == "br":
            self._break(blank=True)
        elif tag in _BLOCKS:
            self._break()
        if tag in _DROPPED or (style and _HIDDEN.search(style)):
            self._dropped_at = self._depth
        else:
            self._enter(tag, attributes, style)

    def _enter(self, tag: str, attributes: Mapping[str, str], style: str) -> None:
        if tag in ("td", "th"):
            self._line.append(" ")
        elif tag == "a":
            self._links.append((attributes.get("href", ""), len(self._lines), len(self._line)))
        elif tag == "blockquote" and not self._quoted_at and self._is_cited(attributes):
            self._quoted_at = self._depth
        elif tag == "div" and (attributes.get("class") or attributes.get("id")) in _SIGNATURES:
            self._lines.append("--")
        if not self._pre_at and (tag == "pre" or (style and _PREFORMATTED.search(style))):
            self._pre_at = self._depth

    def end(self, tag: str) -> None:
        self._depth -= 1
        if self._dropped_at:
            if self._depth < self._dropped_at:
                self._dropped_at = 0
            return
        if tag in _BLOCKS:
            self._break()
        elif tag == "a" and self._links:
            self._name_link(*self._links.pop())
        if self._depth < self._quoted_at:
            self._quoted_at = 0
        if self._depth < self._pre_at:
            self._pre_at = 0

    def data(self, text: str) -> None:
        if self._dropped_at:
            return
        if self._pre_at:
            first, *rest = text.split("\n")
            self._line.append(first)
            for line in rest:
                self._break(blank=True)
                self._line.append(line)
        else:
            self._line.append(text)

    def close(self) -> None:
        self._break()

    def text(self) -> str:
        return "\n".join(self._lines)

    def _break(self, blank: bool = False) -> None:
        words = "".join(self._line)
        line = " ".join(words.split())
        self._line.clear()
        if line or blank or "\xa0" in words:  # Outlook's blank line is a paragraph with a no-break space
            self._lines.append(f"> {line}" if self._quoted_at else line)

    def _is_cited(self, attributes: Mapping[str, str]) -> bool:
        if attributes.get("type", "").lower() == "cite":
            return True
        if any(name in attributes.get("class", "") for name in _CITED_CLASSES):
            return True
        before = [line for line in self._lines[-4:] if line]
        return _attribution_length(before[-1:]) > 0 or _attribution_length(before[-2:]) == 2

    def _name_link(self, address: str, lines_before: int, parts_before: int) -> None:
        """Show a link's address only where it has no text of its own (a picture, most often)."""
        if not address.startswith(("http://", "https://")) or len(self._lines) > lines_before:
            return
        if not "".join(self._line[parts_before:]).strip():
            self._line.append(f" {address} ")


def html_text(html: str) -> str:
    """The visible text of HTML, one line a block, nothing cut but scripts, styles and pictures. Never raises.

    Lines of a block quotation of an earlier mail begin with "> ", and "--" stands above a signature. A body without
    any tag keeps its own line breaks.
    """
    if not _TAG.search(html):
        return _tidy(html_entities.unescape(html))
    body = html.encode("utf-8", "replace")
    parser = _PARSERS.idle.pop() if _PARSERS.idle else _Parser()
    try:
        text = parser.text(body)
    except (_TooDeep, etree.LxmlError):  # this parser is of no use any more
        return _tidy(html_entities.unescape(_ANY_TAG.sub("\n", html)))
    _PARSERS.idle.append(parser)
    return _tidy(text)


class _Parser:
    """A parser that reads one body after another: to make one costs more than a short mail."""

    def __init__(self) -> None:
        self._lines = _Lines()
        # Bytes with a named encoding, so that a <meta charset> or a lone surrogate in the text cannot mislead it.
        target: Any = self._lines
        self._parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)

    def text(self, body: bytes) -> str:
        """Raises ``_TooDeep`` and lxml's errors, and is then of no use any more."""
        self._lines.begin()
        for at in range(0, len(body), _PIECE):  # what a target raises comes out only when its piece has been read
            self._parser.feed(body[at : at + _PIECE])
        self._parser.close()
        return self._lines.text()


class _Parsers(threading.local):
    """Each thread's own."""

    def __init__(self) -> None:
        self.idle: list[_Parser] = []


_PARSERS = _Parsers()


def message_text(html: str, text: str = "") -> str:
    """What the writer of a mail wrote: quoted replies and signature cut, unless that would leave nothing.

    ``html`` is preferred, because plain forms are often flattened by the helpdesk; ``text`` is used where the HTML
    shows nothing. Text between and after quotations (inline replies) stays, and so does a forwarded mail.
    """
    whole = (html_text(html) if html else "") or _tidy(text)
    unquoted = cut_quotes(whole)
    return cut_signature(unquoted) or unquoted or whole


def _tidy(text: str) -> str:
    """NFC, no invisible characters, single spaces in a line, at most one blank line."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    lines: list[str] = []
    for raw in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = " ".join(raw.split())
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip()


# --- quoted replies ---------------------------------------------------------------------------------------------

_WROTE = r"(?:wrote|작성|쓴 글|쓰신 글|보낸 글)\s*:"
_ATTRIBUTION = re.compile(
    rf"(?=.*\d)(?:On\b|\d{{4}}\s?[년.\-/]|\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2}}).{{5,300}}{_WROTE}$"
    rf"|.{{2,200}}<[^<>\s]+@[^<>\s]+>.{{0,60}}{_WROTE}$"
)
_ATTRIBUTION_START = re.compile(r"On\b|\d{1,4}\s?[년./-]|.{2,200}<[^<>\s]*$|.{2,200}<[^<>\s]+@")
_SEPARATOR = re.compile(
    r"[-_=*\s\[<]{2,}\s*(?:Original (?:Message|Appointment|E-?mail)|원본 ?(?:메시지|메일)|받은 메일(?: 내용)?|이전 메일)"
    r"\s*[-_=*\s\]>]{2,}$",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"[-\s\[]*(?:Begin forwarded message|Forwarded message|전달된 (?:메시지|메일)(?:를 시작합니다| 시작| 내용)?)"
    r"\s*:?[-\s\]]*$",
    re.IGNORECASE,
)
_FROM = re.compile(r"\*?(?:From|보낸 ?사람|보낸이|발신(?:자|인)?)\s*:", re.IGNORECASE)
_HEADER = re.compile(
    r"\*?(?:From|Sent|Date|To|Cc|Bcc|Subject|Reply-To|보낸 ?사람|보낸이|발신(?:자|인)?|보낸 ?날짜|보낸 ?시간|날짜|일시|발송일"
    r"|받는 ?사람|받는이|수신(?:자|인)?|참조|제목)\s*:",
    re.IGNORECASE,
)
_OTHER_HEADER = re.compile(
    r"(?:^|\s)\*?(Sent|Date|To|Subject|보낸 ?날짜|보낸 ?시간|날짜|일시|발송일|받는 ?사람|받는이|수신(?:자|인)?|제목)\s*:",
    re.IGNORECASE,
)
_REPLY_ABOVE = re.compile(r"##-.{0,120}-##$")


def cut_quotes(text: str) -> str:
    """Leave out quoted replies; "" when all of the text is quoted.

    Lines that begin with ">" go, with the attribution above them. An attribution that no such line follows, a
    separator ("-----Original Message-----") or a header block (From, Sent, To / 보낸 사람, 보낸 날짜) ends the mail's own
    text, except under a "Forwarded message" line or at the very top: there the mail is what was passed on.
    """
    lines = text.split("\n")
    kept: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith(">") or _REPLY_ABOVE.match(line):
            at += 1
        elif length := _attribution_length(lines[at : at + 3]):
            at += length
            if not _next_is_quoted(lines, at):
                break
        elif len(line) <= _LONGEST_LINE and _FORWARDED.match(line):
            at = _after_headers(lines, at + 1)
        elif len(line) <= _LONGEST_LINE and (_SEPARATOR.match(line) or _is_header_block(lines, at)):
            if any(kept):
                break
            at = _after_headers(lines, at + 1 if _SEPARATOR.match(line) else at)
        else:
            kept.append(line)
            at += 1
    while kept and not kept[-1].strip("_-=*"):
        kept.pop()
    return _tidy("\n".join(kept))


def _attribution_length(lines: list[str]) -> int:
    """How many of the first lines are "On … wrote:" or its like, which mail programs fold at 76 columns; 0 if none."""
    if not lines or len(lines[0]) > _LONGEST_LINE or not _ATTRIBUTION_START.match(lines[0]):
        return 0
    joined = ""
    for length, line in zip(count(1), lines, strict=False):
        joined = f"{joined} {line}".strip()
        if not line or line.startswith(">") or len(joined) > _LONGEST_LINE:
            return 0
        if _ATTRIBUTION.match(joined):
            return length
    return 0


def _next_is_quoted(lines: list[str], at: int) -> bool:
    return any(line.startswith(">") for line in lines[at : at + 2])


def _is_header_block(lines: list[str], at: int) -> bool:
    if not _FROM.match(lines[at]):
        return False
    window = " ".join(lines[at : at + 6])[: 4 * _LONGEST_LINE]
    return len({label.lower() for label in _OTHER_HEADER.findall(window)}) >= 2


def _after_headers(lines: list[str], at: int) -> int:
    while at < len(lines) and (not lines[at] or (len(lines[at]) <= _LONGEST_LINE and _HEADER.match(lines[at]))):
        at += 1
    return at


# --- signatures -------------------------------------------------------------------------------------------------

_SENT_FROM = re.compile(
    r"(?:Sent from (?:my|Mail|Outlook|Yahoo|Samsung|AOL)\b.{0,60}|Get Outlook for \w+.{0,60}|Sent via .{1,40}"
    r"|(?:나의|내) .{1,30}에서 (?:보냄|보냈습니다\.?)"
    r"|.{1,40}(?:스마트폰|휴대폰|Galaxy|갤럭시|iPhone|iPad|앱|메일)에서 (?:보냄|보냈습니다\.?|보낸 메일입니다\.?)"
    r"|(?:iOS|Android|안드로이드)용 Outlook.{0,40})$",
    re.IGNORECASE,
)
_DISCLAIMER = re.compile(
    r".{0,400}(?:confidential|intended (?:recipient|only|solely)|addressee)"
    r".{0,400}(?:e-?mail|message|recipient|delete|disclos)"
    r"|.{0,60}본 ?(?:메일|이메일|전자우편).{0,300}(?:기밀|비밀|수신인|수신자|법적)",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"(?:(?:(?:best|kind|warm(?:est)?|many|with) )*(?:regards|wishes|thanks)|thanks(?: again| a lot| so much| in advance)?"
    r"|thank you(?: very much| so much| in advance)?|(?:yours )?(?:sincerely|faithfully|truly)|cheers|best|regards|br"
    r"|(?:대단히 |정말 )?감사합니다|고맙습니다|수고하세요|수고하십시오|.{2,20} (?:드림|올림|배상))[\s,.!~^]*$",
    re.IGNORECASE,
)
_SIGNED = re.compile(r" (?:드림|올림|배상)[\s.]*$")
_SENTENCE_END = re.compile(r"[.!?]$|(?:다|요|까|죠)[~.]*$")
_NAME = re.compile(r"[A-Z][\w.'-]*(?: [A-Z][\w.'-]*){0,3},?$|[가-힣]{2,4}(?: (?:드림|올림|배상))?$")
_CONTACT = re.compile(
    r"(?:tel|t|m|f|e|h\.?p|phone|mobile|cell|fax|office|direct|e-?mail|web|website|address|전화|휴대폰|핸드폰|휴대전화|팩스|이메일|메일|주소|직통)"
    r"\s*[.:|)]|.{0,40}\+?\d[\d\s().-]{7,}\d\b|\S+@\S+\.\w+$|(?:https?://|www\.)\S+$",
    re.IGNORECASE,
)


def cut_signature(text: str) -> str:
    """Leave out what stands under a mail's own text: after the "-- " line, "Sent from my …", legal notices, and a
    block of contact details under a closing ("Best regards", "홍길동 드림"). "" when nothing else is there."""
    lines = [line for line in text.split("\n") if not _is_notice(line)]
    for at in range(max(0, len(lines) - 1 - _LONGEST_SIGNATURE), len(lines)):
        if lines[at] == "--" and all(len(line) <= 80 for line in lines[at:]):
            del lines[at:]
            break
    return _tidy("\n".join(_without_contacts(lines)))


def _is_notice(line: str) -> bool:
    if len(line) <= 100 and _SENT_FROM.match(line):
        return True
    return 60 <= len(line) <= 4000 and bool(_DISCLAIMER.match(line))


def _without_contacts(lines: list[str]) -> list[str]:
    """Cut from the last closing line on, if only names follow, or short lines with a contact detail among them.

    Korean closings with the writer's own name ("홍길동 드림") are followed by nothing but his place of work.
    """
    for at in range(len(lines) - 1, max(-1, len(lines) - 1 - _LONGEST_SIGNATURE), -1):
        if len(lines[at]) <= 60 and _CLOSING.match(lines[at]):
            below = [line for line in lines[at + 1 :] if line]
            names = bool(below) and all(_NAME.match(line) for line in below)
            signed = _SIGNED.search(lines[at]) and not any(_SENTENCE_END.search(line) for line in below)
            contacts = all(len(line) <= 80 for line in below) and any(_CONTACT.match(line) for line in below)
            return lines[:at] if names or signed or contacts else lines
    return lines
