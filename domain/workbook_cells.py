"""What people type into a cell, as values: text, words, days, moments, yes and no, numbers.

Belongs here: one cell. Does not belong here: which column has which kind (``workbook_layout``), a row (``workbook_rows``),
or whether it is well written (``workbook_writing``).

Nothing here raises for what is in a cell: what cannot be read is None, and an empty cell is told apart by its caller.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, tzinfo

# --- text ---------------------------------------------------------------------------------------------------------

_JOINERS = "\u200c\u200d"  # in words of some scripts, and inside emoji: kept in text, gone from ids and keywords
_DROPPED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064"
    "\u2066-\u206f\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff]"
)
_BREAK = re.compile("\r\n|[\r\x85\u2028\u2029]")
_BLANK = re.compile(r"[^\S\n\t]")
_SEPARATOR = re.compile(r"[,，、､;；·•ㆍ・‧|\n\t]+")
_QUOTES = "\"'“”‘’#"
_DASH = re.compile("[‐‑‒–—―−﹣－]")


def text(cell: str) -> str:
    """A text of any number of lines: composed (NFC), without control and invisible characters, NBSP as a space, nothing
    around it. Words, spaces and lines inside stay as they were written: answers are given word for word."""
    if cell.isprintable():  # nearly all of them: no control, no invisible character, no other blank than a space
        return unicodedata.normalize("NFC", cell).strip()
    found = _DROPPED.sub("", _BREAK.sub("\n", unicodedata.normalize("NFC", cell)))
    return "\n".join(line.rstrip() for line in _BLANK.sub(" ", found).split("\n")).strip()


def line(cell: str) -> str:
    """The same in one line, with single spaces."""
    return " ".join(text(cell).split())


def plain(cell: str) -> str:
    """One line with full-width letters and digits as the usual ones: what is compared, never what is shown."""
    if cell.isascii():
        return line(cell)
    found = unicodedata.normalize("NFKC", line(cell)).translate(dict.fromkeys(map(ord, _JOINERS)))
    return " ".join(_DASH.sub("-", found).split())


def ident(cell: str) -> str:
    """An id: letters of usual width, one kind of dash, single spaces."""
    return plain(cell)


def words(cell: str) -> tuple[str, ...]:
    """The words of a list, whatever was typed between them (, ， 、 ; · | a new line), each once, in their order."""
    found: dict[str, str] = {}
    for piece in _SEPARATOR.split(text(cell)):
        word = line(piece.translate(dict.fromkeys(map(ord, _JOINERS)))).strip(_QUOTES).strip()
        if word:
            found.setdefault(plain(word).casefold(), word)
    return tuple(found.values())


def idents(cell: str) -> tuple[str, ...]:
    """The ids of a list; spaces part them, too."""
    found = (ident(piece) for word in words(cell) for piece in word.split())
    return tuple(dict.fromkeys(one for one in found if one))


_FORMULA_ERROR = re.compile(
    r"#(?:REF!?|N/A|VALUE!?|NAME\??|DIV/0!?|NUM!?|NULL!?|ERROR!?|SPILL!?|CALC!?|FIELD!?|BLOCKED!?|BUSY!?|CONNECT!?"
    r"|UNKNOWN!?|GETTING_DATA|이름\?)|Err:\d{3}|Loading\.{3}|로드 중(?:\.{3}|…)?"
)
_ERRORS_BEGIN = tuple("#EL로")
_TAGS = (
    "a|abbr|article|audio|b|base|big|blockquote|body|br|button|code|col|div|dl|dt|dd|em|embed|font|footer|form|frame|h[1-6]|head"
    "|header|hr|html|i|iframe|img|input|ins|label|li|link|mark|math|meta|object|ol|option|p|pre|s|script|section|select|small"
    "|span|strike|strong|style|sub|sup|svg|table|tbody|td|textarea|th|thead|title|tr|u|ul|video"
)
_HTML = re.compile(rf"<!--|<!doctype|</?(?:{_TAGS})(?:[\s/][^<>]*)?>|&(?:nbsp|lt|gt|amp|quot|#\d+|#x[0-9a-f]+);", re.I)


def formula_error(cell: str) -> str:
    """What a broken formula left (``#REF!``), "" for any other text."""
    found = cell.strip()
    return found if found[:1] in _ERRORS_BEGIN and _FORMULA_ERROR.fullmatch(found) else ""


def has_html(cell: str) -> bool:
    """Whether a text has HTML tags or entities; a path such as "메뉴 > 설정" has none, nor has "<이름>"."""
    return _HTML.search(cell) is not None


# --- yes and no ---------------------------------------------------------------------------------------------------

_YES_WORDS = (
    "true t yes y 1 1.0 o on v ok active enabled checked 예 네 넵 응 참 맞음 사용 사용함 사용중 활성 활성화 체크 체크됨"
    " 공개 유효 승인 ㅇ ㅇㅇ ○ ◯ ⭕ ● ◎ ✓ ✔ ✅ ☑"
)
_NO_WORDS = (
    "false f no n 0 0.0 x off inactive disabled unchecked 아니오 아니요 아뇨 거짓 틀림 미사용 사용안함 비활성 비활성화 해제"
    " 체크안함 체크해제 비공개 무효 중지 폐지 종료 반려 ㄴ ㄴㄴ × ✕ ✖ ✗ ✘ ❌ ☐"
)
_YES, _NO = frozenset(_YES_WORDS.split()), frozenset(_NO_WORDS.split())


def boolean(cell: str) -> bool | None:
    """Yes or no in the words of people (TRUE, 예, Y, 1, O, 사용, ✓, and their opposites), None for anything else. The letter
    O is yes, the digit 0 is no."""
    word = plain(cell).casefold().replace(" ", "").replace("\ufe0f", "").rstrip("!")
    return True if word in _YES else False if word in _NO else None


# --- numbers ------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"([-+]?)(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(%?)(?:점|회|건|개|원|명|일|ms|초)?")


def number(cell: str) -> float | None:
    """A number: full-width digits, thousands ("1,200"), a share in per cent ("85%" is 0.85), a unit behind it."""
    found = _NUMBER.fullmatch(plain(cell).replace(" ", ""))
    if not found or len(found[2]) > 30:
        return None
    digits = found[2].replace(",", "") if re.search(r",\d{3}(?!\d)", found[2]) else found[2].replace(",", ".")
    value = float(found[1] + digits)
    return value / 100 if found[3] else value


# --- days and moments ---------------------------------------------------------------------------------------------

_SEP = r"\s*[-./]\s*"
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
_NAMED = {name: at for at, name in enumerate(_MONTHS.split(), 1)}
_MONTH = r"(?P<name>[A-Za-z]{3})[a-z]{0,6}\.?"
_YEAR_FIRST = (
    re.compile(
        rf"(?P<y>\d{{4}})(?:{_SEP}|\s*년\s*)(?P<m>\d{{1,2}})(?:{_SEP}|\s*월\s*)(?P<d>\d{{1,2}})(?!\d)(?:\s*일|\.)?"
    ),
    re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})(?!\d)"),
    re.compile(rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+{_MONTH}[\s,-]+(?P<y>\d{{4}})(?!\d)"),
    re.compile(rf"{_MONTH}\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})(?!\d)"),
)
_YEAR_LAST = re.compile(rf"(?P<a>\d{{1,2}}){_SEP}(?P<b>\d{{1,2}}){_SEP}(?P<y>\d{{4}})(?!\d)")
_SHORT = re.compile(
    rf"'?(?P<a>\d{{2}})(?:{_SEP}|\s*년\s*)(?P<b>\d{{1,2}})(?:{_SEP}|\s*월\s*)(?P<c>\d{{1,2}})(?!\d)(?:\s*일|\.)?"
    r"|(?P<aa>\d{2})(?P<bb>\d{2})(?P<cc>\d{2})(?!\d)"
)
_SERIAL = re.compile(r"(\d{5})(?:\.(\d{1,12}))?")
_SERIAL_DAYS = range(18_264, 73_051)  # 1950 to 2099: a five-digit number outside is none
_SERIAL_START = datetime(1899, 12, 30)  # noqa: DTZ001 -- Excel and Google Sheets know no zone
_YEARS = range(1900, 2200)
_REST = re.compile(
    r"[\sT,]*(?:\(?(?:[월화수목금토일](?:요일)?|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*)\)?(?=\W|$))?[\s,]*(?:"
    r"(?P<half>오전|오후|AM|PM)?\s*(?P<h>\d{1,2})(?::|\s*시\s*|(?=\s*[AP]\.?M))(?P<min>\d{1,2})?"
    r"(?:\s*분)?\s*(?::?(?P<s>\d{1,2})(?:[.,]\d{1,9})?\s*초?)?\s*(?P<after>[AP]\.?M\.?)?\s*"
    r"(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?)?\s*(?:부터|시행|기준)?\.?",
    re.IGNORECASE,
)

_Made = tuple[date, str]
"""A day, and what stands behind it in the cell."""


def day(cell: str) -> str | None:
    """A day as YYYY-MM-DD, from any form that people type; None where it is none.

    The order of numbers: a year of four digits first is year, month, day; last, it is month, day, year, unless the first
    number is above 12 (day, month, year). A year of two digits is 20YY and comes first (26/02/19), as in Korea, unless that
    gives no date: then month, day, year. ``is_ambiguous`` tells what could be meant otherwise.
    """
    found = moment(cell)
    return found[:10] if found else None


def moment(cell: str, zone: tzinfo | None = None) -> str | None:
    """A moment as "YYYY-MM-DD HH:MM:SS", midnight where no time is said; None where it is none. A time that says how far it
    is from UTC is told in ``zone``, if one is given."""
    said = _DASH.sub("-", plain(cell))
    if serial := _SERIAL.fullmatch(said):
        return _of_serial(serial)
    made = next((found for read in _FORMS if (found := next(read(said), None))), None)
    return _at_time(*made, zone) if made else None


def is_ambiguous(cell: str) -> bool:
    """Whether a date could be another one in another country: 03/02/2026 (read as 2 March), 03/02/05 (2003-02-05)."""
    said = plain(cell)
    return any(len({made[0] for made in read(said)}) > 1 for read in (_year_last, _short))


def _of_serial(found: re.Match[str]) -> str | None:
    """A day as Excel counts them, from 30 December 1899 on; what is behind the point is the time."""
    days = int(found[1])
    if days not in _SERIAL_DAYS:
        return None
    seconds = round(float(f"0.{found[2] or 0}") * 86_400)
    return f"{_SERIAL_START + timedelta(days=days, seconds=seconds):%Y-%m-%d %H:%M:%S}"


def _year_first(said: str) -> Iterator[_Made]:
    for form in _YEAR_FIRST:
        if found := form.match(said):
            parts = found.groupdict()
            month = _NAMED.get(parts["name"].lower(), 0) if "name" in parts else int(parts["m"])
            yield from _day(int(parts["y"]), month, int(parts["d"]), said[found.end() :])


def _year_last(said: str) -> Iterator[_Made]:
    if found := _YEAR_LAST.match(said):
        year, first, second, rest = int(found["y"]), int(found["a"]), int(found["b"]), said[found.end() :]
        yield from _day(year, first, second, rest)
        yield from _day(year, second, first, rest)


def _short(said: str) -> Iterator[_Made]:
    if found := _SHORT.match(said):
        first, second, third = (int(found[name] or found[name * 2]) for name in "abc")
        rest = said[found.end() :]
        yield from _day(2000 + first, second, third, rest)
        if found["a"]:
            yield from _day(2000 + third, first, second, rest)


_FORMS: tuple[Callable[[str], Iterator[_Made]], ...] = (_year_first, _year_last, _short)


def _day(year: int, month: int, of_month: int, rest: str) -> Iterator[_Made]:
    if year in _YEARS and _REST.fullmatch(rest):
        try:
            yield date(year, month, of_month), rest
        except ValueError:
            return


def _at_time(on: date, rest: str, zone: tzinfo | None) -> str | None:
    found = _REST.fullmatch(rest)
    if not found or not found["h"]:
        return f"{on} 00:00:00"
    half = (found["half"] or found["after"] or "").replace(".", "").upper()
    hour = int(found["h"])
    if half in ("오후", "PM") and hour < 12:
        hour += 12
    if half in ("오전", "AM") and hour == 12:
        hour = 0
    try:
        at = datetime(on.year, on.month, on.day, hour, int(found["min"] or 0), int(found["s"] or 0))  # noqa: DTZ001
        if found["zone"] and zone:
            offset = "+00:00" if found["zone"].upper() in ("Z", "UTC", "GMT") else found["zone"]
            at = datetime.fromisoformat(at.isoformat() + offset).astimezone(zone)
    except (ValueError, OverflowError):
        return None
    return f"{at:%Y-%m-%d %H:%M:%S}"
