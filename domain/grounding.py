"""Facts that a summary states, looked up in its ticket: numbers, amounts, dates, times, codes, product names, links.

Belongs here: which strings are facts, and when two spellings are one fact (1,200원 and ₩1200, 2024-03-15 and 3월 15일).
Does not belong here: what follows from a fact that is not there (``summary_answer``), personal data (``personal_data``),
figures with their units, as rules have them (``figures``).

A check that cries wolf is worth nothing: what may be a manner of speaking (one, 2 weeks, a word that starts a sentence)
is no fact here, and a fact counts as said when its value occurs anywhere in the ticket, whatever unit stands beside it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.personal_data import plain
from domain.summary_prompt import Kind, clean

Json = dict[str, Any]


def source_text(kind: Kind, document: Json) -> str:
    """All that a document says, one part a line."""
    if kind == "kb":
        return "\n".join((document["title"], *document["path"], document["text"]))
    return "\n".join((document["subject"], *(message["text"] for message in document["messages"])))


def ungrounded(kind: Kind, document: Json, texts: Iterable[str]) -> list[str]:
    """The facts in ``texts`` that do not occur in the document, as the texts spell them, each once, in their order.

    2 ms for a long thread; nothing outside the document is known, so a date that was worked out ("tomorrow" told as a
    day of the month) counts as one that is not there.
    """
    said = normal("\n".join(texts))
    stated = list(_facts(said))
    if not stated:
        return []
    source = _Source(normal(source_text(kind, document)))
    return list(dict.fromkeys(fact.spelled for fact in stated if not source.tells(fact)))


@dataclass(frozen=True, slots=True)
class _Fact:
    """``value`` is compared within its kind: "date" (months and days), "time" (minutes), "number" (canonical digits),
    "code" and "name" (letters and digits only), "link" (host and path)."""

    kind: str
    spelled: str
    values: tuple[str, ...]


_SPACE = re.compile(r"\s+")


def normal(text: str) -> str:
    """A text as all readers here take it: one spelling of each character."""
    return plain(clean(text)).replace("’", "'")


# --- links ------------------------------------------------------------------------------------------------------

_SCHEME = r"(?:[a-z][a-z0-9+.-]{1,20}|hxxps?)://"
_TOP_LEVELS = (
    "com|net|org|info|biz|kr|jp|cn|eu|uk|de|fr|us|ru|edu|gov|co|io|app|dev|ai|xyz|site|online|shop|store|top|club|link"
    "|click|live|cloud|tech|example|test|local|page|me|tv|gg|ly|cc|to"
)
_LINK = re.compile(
    rf"{_SCHEME}[^\s<>\"'\])}}|]{{1,2000}}|(?<![^\W가-힣])www\.[^\s<>\"'\])}}|]{{1,2000}}"
    rf"|(?<![^\W가-힣])(?<![@.])(?:(?:[^\W_가-힣]|-){{1,63}}\.){{1,8}}(?:{_TOP_LEVELS})(?![^\W가-힣]|[@-]|\.[^\W가-힣])(?:[/?#:][^\s<>\"'\])}}|가-힣]{{0,2000}})?",
    re.IGNORECASE,
)
_LINK_START = re.compile(rf"^(?:{_SCHEME})?(?:www\.)?", re.IGNORECASE)
_LINK_TAIL = re.compile(r"(?:[.,;:!?*_~'\"…]|(?:[가-힣]{1,8}))+$")


_DOT = re.compile(
    r" ?[\[({] ?(?:\.|dot|점) ?[\])}] ?|[。｡]"
    r"|(?<=[a-z0-9])(?: dot | 점 | \. ?)(?=(?:com|net|org|io|kr|co\.kr|example|test|ru|cn|xyz|site|online)(?![a-z0-9]))",
    re.IGNORECASE,
)
"""A point of an address, written so that nothing takes it for one."""


def links(text: str) -> list[str]:
    """The web addresses in a text, in lower case, without scheme, "www." and what the sentence glues to their end.

    "hxxps://", "[.]", " dot com" and the like are read as what they stand for."""
    readable = normal(text)
    if not readable.isascii():
        readable = unicodedata.normalize("NFKC", readable)
    return [_link(found) for found in _LINK.findall(_DOT.sub(".", readable))]


def is_link_of(link: str, told: Iterable[str]) -> bool:
    """Whether one of the ``links`` that are told is this one, or leads on from it: a path may be told in part."""
    return any(other == link or other.startswith((f"{link}/", f"{link}?", f"{link}#")) for other in told)


def _link(spelled: str) -> str:
    return _LINK_TAIL.sub("", _LINK_START.sub("", spelled)).rstrip("/").lower()


# --- dates and times --------------------------------------------------------------------------------------------

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"((?:19|20)\d\d)"
_DATES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), order)
    for pattern, order in (
        (rf"(?<!\d){_YEAR}(?: ?[-./] ?)(\d{{1,2}})(?: ?[-./] ?)(\d{{1,2}})(?!\d)\.?", "ymd"),
        (rf"(?:(?<!\d){_YEAR}년 ?)?(?<!\d)(\d{{1,2}})월 ?(\d{{1,2}})일", "ymd"),
        (rf"\b{_MONTH} ?(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? {_YEAR}\b)?", "mdy"),
        (rf"(?<![\d.,])(\d{{1,2}})(?:st|nd|rd|th)?(?: of)?[ -]?{_MONTH}\b(?:,?[ -]{_YEAR}\b)?", "dmy"),
        (r"(?<![A-Za-z0-9./-])(\d{1,2})[./-](\d{1,2})[./-]((?:19|20)?\d\d)(?![\d/-]|\.\d)", "??y"),
        (r"(?<![\d./-])(\d{1,2})/(\d{1,2})(?![\d/]|\.\d)", "??"),
    )
)
_TIME = re.compile(
    r"(?<![\d:.])(\d{1,2})[:.](\d\d)(?::\d\d)?(?: ?([ap])\.?m\b\.?)(?!\w)|(?<![\d:.])(\d{1,2}):(\d\d)(?::\d\d)?(?![\d:])"
    r"|(?<![\d:.])(\d{1,2}) ?([ap])\.?m\b\.?|(?<!\d)(\d{1,2})시(?!간)(?: ?(\d{1,2})분|( ?반))?",
    re.IGNORECASE,
)


def dates(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start, end, and the readings ("2024-03-15", "03-15") of each date."""
    for pattern, order in _DATES:
        for match in pattern.finditer(text):
            if readings := tuple(dict.fromkeys(_readings(match, order))):
                yield match.start(), match.end(), readings


def _readings(match: re.Match[str], order: str) -> Iterator[str]:
    parts = dict(zip(order.replace("??", "md"), match.groups(), strict=True))
    year = parts.get("y") or ""
    year = f"20{year}" if len(year) == 2 else year
    month, day = _month(parts["m"]), int(parts["d"]) if parts["d"].isdigit() else 0
    pairs = ((month, day), (day, month)) if order.startswith("??") else ((month, day),)
    for month, day in pairs:
        if 1 <= month <= 12 and 1 <= day <= 31:
            yield f"{year}-{month:02}-{day:02}" if year else f"{month:02}-{day:02}"


def _month(spelled: str) -> int:
    return int(spelled) if spelled.isdigit() else list[str](_MONTHS).index(spelled[:3].lower()) + 1


def times(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Start, end, and minutes after noon or midnight: twelve hours are one round, for who wrote a.m. may not repeat it."""
    for match in _TIME.finditer(text):
        groups = match.groups()
        hour = groups[0] or groups[3] or groups[5] or groups[7]
        minute = groups[1] or groups[4] or groups[8] or ("30" if groups[9] else "0")
        if int(hour) <= 24 and int(minute) < 60:
            yield match.start(), match.end(), (str(int(hour) % 12 * 60 + int(minute)),)


# --- numbers ----------------------------------------------------------------------------------------------------

_MANNER_OF_SPEAKING = 12  # numbers up to here are counted, written out, or number a list: no fact without a currency
_NUMBER = re.compile(
    r"(?P<before>[$€£¥₩₹]|\b(?:USD|EUR|GBP|KRW|JPY) ?)?(?<![A-Za-z0-9_.,])"
    r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3}){2,}|\d+(?:[.,]\d+)?)"
    r"(?P<after> ?(?:만|천|백|억)(?: ?\d[\d,]{0,8}(?:천|백)?)?(?= ?원)"
    r"| ?(?:[$€£¥₩₹]|원|달러|dollars?|euros?|pounds?|bucks|usd|eur|krw)"
    r"|[kKmM](?![A-Za-z])|만|천(?=\D))?",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?<![A-Za-z0-9_.-])(?!\d{1,3}(?:\.\d{3})+(?![.\d]))\d+(?:\.\d+){2,}")
_LONG = 7  # digits that may be set apart in groups
_GROUPED = re.compile(r"(?<![\w-])\d+(?:[-/ ]\d+)+(?![\w-])")  # an order, an account: 2024-000123, 4405 1234 9981
_IN_WORDS = {
    name: str(number)
    for number, names in (
        (0, "zero no 영 공"),
        (1, "one once a an single 한 하나 일"),
        (2, "two twice couple both 두 둘 이틀"),
        (3, "three 세 셋 사흘"),
        (4, "four 네 넷 나흘"),
        (5, "five 다섯 닷새"),
        (6, "six 여섯"),
        (7, "seven 일곱 week 일주일"),
        (8, "eight 여덟"),
        (9, "nine 아홉"),
        (10, "ten 열 열흘"),
        (11, "eleven"),
        (12, "twelve dozen"),
        (13, "thirteen"),
        (14, "fourteen fortnight 보름"),
        (15, "fifteen 보름"),
        (16, "sixteen"),
        (18, "eighteen"),
        (20, "twenty 스무 스물"),
        (24, "day 하루 종일"),
        (30, "thirty half month 반 한달"),
        (40, "forty"),
        (45, "forty-five"),
        (48, "이틀"),
        (50, "fifty half 절반"),
        (60, "sixty hour minute"),
        (90, "ninety"),
        (100, "hundred percent 백 전액 전체 all full"),
        (1000, "thousand 천"),
        (10000, "만"),
        (1000000, "million 백만"),
    )
    for name in names.split()
}
_SCALES = {"k": 1000, "m": 1_000_000, "천": 1000, "백": 100, "만": 10_000, "억": 100_000_000}


def _numbers(text: str) -> Iterator[tuple[int, int, tuple[str, ...], bool]]:
    """Start, end, the values it can mean, and whether a currency stands beside it."""
    for match in _NUMBER.finditer(text):
        after = (match["after"] or "").strip().lower()
        values = _values(match["number"], after)
        yield match.start(), match.end(), values, bool(match["before"]) or (bool(after) and after[0] not in _SCALES)


def _values(digits: str, after: str) -> tuple[str, ...]:
    spelled = _canonical(digits)
    scale = _SCALES.get(after[:1]) if after[:1] not in "km" or len(after) == 1 else None
    if scale is None:
        return (spelled,)
    try:
        scaled = round(float(spelled) * scale)
    except (ValueError, OverflowError):
        return (spelled,)
    rest = re.match(r".\s?(\d[\d,]{0,8})([천백]?)", after)
    if rest:
        scaled += int(rest[1].replace(",", "")) * _SCALES.get(rest[2], 1)
    return (str(scaled), spelled)


def _canonical(digits: str) -> str:
    """1,200 → 1200, 12.50 → 12.5, 007 → 7, 1.200.000 → 1200000. A comma before two digits or one is a decimal one."""
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", digits):
        digits = digits.replace(",", "")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    whole, _, part = digits.replace(",", ".").partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


# --- codes and names --------------------------------------------------------------------------------------------

_CODE = re.compile(
    r"(?<![A-Za-z0-9_-])#?(?=[a-z0-9._/:#-]{0,40}\d)(?=[a-z0-9._/:#-]{0,40}[a-z])[a-z0-9]+(?:[-._/:#][a-z0-9]+)*", re.I
)
_QUANTITY = re.compile(
    r"(\d+(?:[.,]\d+)?)(?:st|nd|rd|th|s|x|k|m|h|hrs?|hours?|mins?|sec|days?|d|w|wks?|weeks?|months?|yrs?|years?|am|pm|gb|mb|kb"
    r"|tb|gbps|mbps|mg|kg|g|cm|mm|km|ml|l|w|v|mah|hz|ghz|mhz|p|px|ft|in|lbs?|usd|eur|krw|won|th?)",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![A-Za-z0-9_@#'.-])[A-Z][A-Za-z0-9]*(?:['&-][A-Za-z0-9]+)*(?![A-Za-z0-9_@])")
_SENTENCE_START = re.compile(r"(?:^|[.!?…:;\n\"“”'‘(\[>/*•|-]|\d[.)])\s*$")
_NO_NAMES_TEXT = """
    i i'm i've i'd i'll customer customers client clients agent agents user users support service services team staff
    company representative helpdesk desk care rep department manager engineer technician operator ticket issue problem cause
    solution result resolution status id ids ok okay faq url urls pin pdf csv pc app apps api dm dms sms e-mail email
    emails tv it hr vip asap n/a na tbd mr mrs ms dr sir madam english korean monday tuesday wednesday thursday friday
    saturday sunday mon tue tues wed thu thur thurs fri sat sun january february march april may june july
    august september october november
    december jan feb mar apr jun jul aug sep sept oct nov dec christmas easter the a an in on at for to and or but not
    no yes please thanks thank settings phone account order website web online internet page link wifi wi-fi am pm
    so finally direct message os gps btw also however then is was suggested replied asked advised enquiring assistant
    """
_NO_NAMES = frozenset(_NO_NAMES_TEXT.split())
_IN_HANGUL = {
    "outlook": "아웃룩", "excel": "엑셀", "word": "워드", "powerpoint": "파워포인트", "wifi": "와이파이", "windows": "윈도",
    "android": "안드로이드", "iphone": "아이폰", "ipad": "아이패드", "google": "구글", "chrome": "크롬", "kakao": "카카오",
    "kakaotalk": "카카오톡", "naver": "네이버", "galaxy": "갤럭시", "samsung": "삼성", "apple": "애플", "safari": "사파리",
    "edge": "엣지", "usb": "유에스비", "bluetooth": "블루투스", "zoom": "줌", "teams": "팀즈", "slack": "슬랙", "mac": "맥",
    "explorer": "익스플로러", "microsoft": "마이크로소프트", "facebook": "페이스북", "instagram": "인스타",
    "youtube": "유튜브",
    "vpn": "브이피엔", "server": "서버", "erp": "이알피", "sso": "통합인증", "otp": "일회용", "ip": "아이피", "lan": "랜선",
}  # fmt: skip


def _codes(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    for match in _CODE.finditer(text):
        if not _is_quantity(match[0]):
            yield match.start(), match.end(), (_compact(match[0]),)


def _is_quantity(token: str) -> bool:
    """30min, 10-day, 5-10kg: its number is the fact."""
    parts = re.split("[-/]", token.lower())
    return bool(_QUANTITY.fullmatch(parts[0]) or parts[0].isdigit()) and all(
        part.isdigit() or part.isalpha() or _QUANTITY.fullmatch(part) for part in parts[1:]
    )


def _names(text: str) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Words with a capital where the grammar asks for none; in Korean every one is a name."""
    korean = re.search("[가-힣]", text) is not None
    for match in _NAME.finditer(text):
        name = re.sub("'s?$", "", match[0])
        inner = name[1:] != name[1:].lower() and not name.isupper()  # iCloud's kin: PowerPoint
        if name.lower() in _NO_NAMES or len(name) < 2:
            continue
        if inner or korean or not _SENTENCE_START.search(text[max(0, match.start() - 4) : match.start()]):
            yield match.start(), match.end(), (_compact(name),)


def _compact(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


# --- putting it together ----------------------------------------------------------------------------------------


_Stated = tuple[int, int, tuple[str, ...]]
"""Start, end, and the values of a fact; no values: nothing to look up, and nothing for another reader either."""


def _stated_links(text: str) -> Iterator[_Stated]:
    return ((match.start(), match.end(), (_link(match[0]),)) for match in _LINK.finditer(text))


def _not_facts(text: str) -> Iterator[_Stated]:
    """Mail addresses are another check's; handles and hashtags are nobody's."""
    return ((match.start(), match.end(), ()) for match in re.finditer(r"\S+@\S+|@\w+|#[^\W\d_]\w*", text))


def _versions(text: str) -> Iterator[_Stated]:
    """Versions and addresses of machines: as they are spelled, or not at all."""
    return ((match.start(), match.end(), (match[0],)) for match in _VERSION.finditer(text))


def _stated_groups(text: str) -> Iterator[_Stated]:
    return ((match.start(), match.end(), tuple(re.findall(r"\d+", match[0]))) for match in _GROUPED.finditer(text))


def _stated_numbers(text: str) -> Iterator[_Stated]:
    for start, end, values, money in _numbers(text):
        told = money or not values[0].isdigit() or int(values[0][:9]) > _MANNER_OF_SPEAKING
        yield start, end, values if told else ()


_READERS: tuple[tuple[str, Callable[[str], Iterator[_Stated]]], ...] = (
    ("link", _stated_links),
    ("", _not_facts),
    ("date", dates),
    ("time", times),
    ("code", _codes),
    ("version", _versions),
    ("grouped", _stated_groups),
    ("number", _stated_numbers),
    ("name", _names),
)


def _facts(text: str) -> Iterator[_Fact]:
    """The facts of a summary. What one reader has read no other one reads again."""
    taken = bytearray(len(text))
    for kind, read in _READERS:
        for start, end, values in read(text):
            if any(taken[start:end]):
                continue
            taken[start:end] = b"\1" * (end - start)
            if values:
                yield _Fact(kind, text[start:end].strip(), values)


class _Source:
    """What a document tells, each kind of fact looked for when it is first asked for."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._flat = _SPACE.sub(" ", text.lower())

    def tells(self, fact: _Fact) -> bool:
        return self._spells(fact.spelled) or self._tells_value(fact)

    def _spells(self, spelled: str) -> bool:
        """Whether the document has it letter for letter, not as a part of a longer word or number."""
        wanted = _SPACE.sub(" ", spelled.lower())
        start = self._flat.find(wanted)
        while start >= 0:
            end = start + len(wanted)
            if not (
                _joins(self._flat[max(0, start - 1) : start], wanted[0])
                or _joins(wanted[-1], self._flat[end : end + 1])
            ):
                return True
            start = self._flat.find(wanted, start + 1)
        return False

    @cached_property
    def _links(self) -> list[str]:
        return links(self._text)

    @cached_property
    def _days(self) -> frozenset[str]:
        return frozenset(reading for _, _, readings in dates(self._text) for reading in readings)

    @cached_property
    def _minutes(self) -> frozenset[str]:
        return frozenset(minutes for _, _, values in times(self._text) for minutes in values)

    @cached_property
    def _values(self) -> frozenset[str]:
        """Every number in every reading, also those in words."""
        told = {value for _, _, values, _ in _numbers(self._text) for value in values}
        told.update(_canonical(digits) for digits in re.findall(r"\d+", self._flat))
        told.update(_canonical(digits) for digits in re.findall(r"\d+[.,]\d+", self._flat))
        told.update(_IN_WORDS[word] for word in self._words & _IN_WORDS.keys())
        return frozenset(told)

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(re.findall(r"[a-z]+|[가-힣]+", self._flat))

    @cached_property
    def _codes(self) -> frozenset[str]:
        return frozenset(code for _, _, values in _codes(self._text) for code in values)

    @cached_property
    def _compact(self) -> str:
        return _compact(self._flat)

    @cached_property
    def _initials(self) -> str:
        return "".join(word[0] for word in re.findall("[a-z]+", self._flat))

    def _tells_value(self, fact: _Fact) -> bool:
        match fact.kind:
            case "link":
                return is_link_of(fact.values[0], self._links)
            case "date":
                return any(_is_day(reading, self._days) for reading in fact.values)
            case "time":
                hour, minute = divmod(int(fact.values[0]), 60)
                full_hour = not minute and not {str(hour), str(hour + 12)}.isdisjoint(self._values)
                return full_hour or fact.values[0] in self._minutes
            case "number":
                return not self._values.isdisjoint(fact.values) or (
                    len(fact.values[0]) >= _LONG and self._has_whole(fact.values[0])
                )
            case "grouped":
                return self._has_whole("".join(fact.values)) or self._values.issuperset(map(_canonical, fact.values))
            case "version":
                return False
            case "code":
                return fact.values[0] in self._codes or self._has_whole(fact.values[0])
            case _:
                return self._tells_name(fact.values[0])

    def _has_whole(self, code: str) -> bool:
        """Whether the document has these letters and digits, however they are set apart, and no digit of them more."""
        return re.search(rf"(?<!\d){re.escape(code)}(?!\d)", self._compact) is not None

    def _tells_name(self, name: str) -> bool:
        if name in self._words or (len(name) > 3 and name in self._compact):
            return True
        stem = name[: max(4, len(name) - 2)]  # Canadian of Canada
        if any(word.startswith(stem) for word in self._words):
            return True
        hangul = _IN_HANGUL.get(name)
        return (hangul is not None and hangul in self._compact) or (2 < len(name) < 6 and name in self._initials)


def _is_day(reading: str, told: frozenset[str]) -> bool:
    """Whether a day is told; a year counts only where both name one."""
    if reading in told or reading[-5:] in told:
        return True
    return len(reading) == 5 and any(other.endswith(reading) for other in told)


def _joins(left: str, right: str) -> bool:
    """Whether two neighbours are parts of one word or number; a Korean particle is no part of what it follows."""
    return (left.isdigit() and right.isdigit()) or (
        left.isascii() and right.isascii() and left.isalpha() and right.isalpha()
    )
