"""Figures of an answer, looked up in the passages that it is made from: a rule is quoted with its own numbers, or not at all
(spec sheets.ko.md, §"content 작성 규칙": 핵심 수치; issue 7: "figures in an answer must be in the passage").

Belongs here: numbers with their units, and when two spellings are one figure (50만원 and 500,000원, 1년 and 12개월, 제5조 and
Article 5). Does not belong here: facts of summaries, whose small numbers are a manner of speaking (``grounding``, which reads
dates, times and links for both); what follows from a figure that is not there (``query/answer``).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain import grounding

Reading = tuple[str, str]
"""A unit and a value in canonical digits; the unit "" is that of a bare number."""
_Read = tuple[int, int, tuple[Reading, ...]]
"""Start, end and readings of what stands in a text; without readings it is no figure, and no other reader looks at it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """``spelled`` as in the text; ``readings`` are what it can mean, one of which must be said."""

    spelled: str
    readings: frozenset[Reading]


def unsupported(answer: str, passages: Iterable[str]) -> list[str]:
    """The figures of an answer that no passage says, as the answer spells them, each once, in their order.

    Give passages with their titles and headings, where the number of an article stands. A figure without a unit, as in a cell
    of a table, supports any. A passage may say more than the answer does (2026-02-19 says 2월), not less. What is worked out
    ("15일에 1일을 더해 16일") is in no passage, and is named.
    """
    told = figures(answer)
    if not told:
        return []
    known = frozenset(_said("\n".join(passages)))
    bare = {value for unit, value in known if not unit}
    values = {value for unit, value in known if unit not in _WHOLE}

    def is_said(unit: str, value: str) -> bool:
        return (unit, value) in known or value in (values if not unit else bare if _takes_bare(unit) else ())

    return list(dict.fromkeys(one.spelled for one in told if not any(is_said(*reading) for reading in one.readings)))


def figures(text: str) -> list[Figure]:
    """All figures of a text, in its order. Numbers that count its own list or sources ("1.", "[2]") are none."""
    said = _MARK.sub(lambda found: " " * len(found[0]), grounding.normal(text))
    taken = bytearray(len(said))
    found: list[tuple[int, Figure]] = []
    for read in _READERS:
        for start, end, readings in read(said):
            if any(taken[start:end]):
                continue
            taken[start:end] = b"\1" * (end - start)
            if readings:
                found.append((start, Figure(said[start:end].strip(), frozenset(readings))))
    return [figure for _, figure in sorted(found, key=lambda one: one[0])]


_DATE, _TIME, _MONTH, _YEAR = "date", "time", "month of the year", "year of the calendar"
_WHOLE = (_DATE, _TIME)
"""No number alone is one of these."""
_NUMBERED = "제"
"""Begins the unit of what is numbered, not counted: 제5조, 제2항, 제1호."""


def _takes_bare(unit: str) -> bool:
    return unit not in _WHOLE and not unit.startswith(_NUMBERED)


def _said(source: str) -> Iterator[Reading]:
    """All that a source says: its figures, what a date says besides, the numbers of its items, and figures in words."""
    for figure in figures(source):
        for unit, value in figure.readings:
            yield unit, value
            if unit == _DATE:
                yield _DATE, value[-5:]
                yield _MONTH, str(int(value[-5:-3]))
                if len(value) > len("02-19"):
                    yield _YEAR, value[:4]
    text = grounding.normal(source)
    for found in _MARK.finditer(text):
        yield f"{_NUMBERED}호", found[0].strip(" \t>*-.()[]")
    for circled in re.findall("[①-⑳]", text):
        yield f"{_NUMBERED}항", str(ord(circled) - ord("①") + 1)
    for found in _IN_WORDS.finditer(text.lower()):
        yield from _unit_readings(Decimal(_WORDS[found["word"]]), found["unit"])
    for word, reading in _NAMED_SPANS.items():
        if word in text:
            yield reading


_MARK = re.compile(r"(?m)^[ \t>*-]*\(?\d{1,2}[.)](?=\s)|(?<=[.:;)\]다] )(?<!\d\. )\d{1,2}[.)](?=\s)|\[\d{1,2}\](?!\d)")
"""The marker of an item, or the number of a source."""

# --- dates, times and what is no figure: as summaries read them ---------------------------------------------------


_ADDRESS = re.compile(r"(?<!\S)\S{1,200}@\S{1,200}|https?://\S{1,2000}")
_CODE = re.compile(r"(?<![A-Za-z0-9_-])(?!(?:USD|KRW|EUR|JPY)\d)[A-Za-z][A-Za-z0-9_-]{0,60}")


def _no_figures(text: str) -> Iterator[_Read]:
    """The digits of addresses and codes."""
    for found in _ADDRESS.finditer(text):
        yield found.start(), found.end(), ()
    for found in _CODE.finditer(text):
        if any(map(str.isdigit, found[0])):
            yield found.start(), found.end(), ()


def _dates(text: str) -> Iterator[_Read]:
    for start, end, readings in grounding.dates(text):
        yield start, end, tuple((_DATE, reading) for reading in readings)


def _times(text: str) -> Iterator[_Read]:
    for start, end, values in grounding.times(text):
        yield start, end, tuple((_TIME, value) for value in values)


def _calendar(text: str) -> Iterator[_Read]:
    """2026년, 3월: of the calendar, not spans."""
    for found in re.finditer(r"(?<![\d.,])(?:((?:19|20)\d\d)년(?!간)|(\d{1,2})월)", text):
        yield found.start(), found.end(), ((_YEAR, found[1]) if found[1] else (_MONTH, str(int(found[2]))),)


# --- numbers of articles ------------------------------------------------------------------------------------------

_REFERENCE = re.compile(
    r"제\s?(\d{1,4})\s?(조|항|호|장|절|관|편)(?:의\s?(\d{1,3}))?|(?<![\d.,])(\d{1,4})(조|항)(?:의\s?(\d{1,3}))?(?!\s?원|\s?\d[\d,]*\s?억)"
    r"|(?:article|section|clause|art\.|sec\.|§)\s?(\d{1,4}(?:\.\d{1,3})*)",
    re.IGNORECASE,
)


def _references(text: str) -> Iterator[_Read]:
    for found in _REFERENCE.finditer(text):
        number, kind, of = (found[1] or found[4] or found[7]), (found[2] or found[5] or "조"), (found[3] or found[6])
        yield found.start(), found.end(), ((f"{_NUMBERED}{kind}", f"{number}-{of}" if of else number),)


# --- numbers with units -------------------------------------------------------------------------------------------

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_SCALE = r"(?:[십백천]?만|[십백천]?억|천|백(?=\s?(?:만|억|원|명|달러))|[십백천]?조(?=\s?원|\s?\d[\d,]*\s?억))"
_SCALES: Mapping[str, int] = {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12}
_UNITS: tuple[tuple[str, str, str], ...] = (
    (r"원|won\b|krw\b", "KRW", "1"),
    (r"달러|dollars?\b|usd\b|us\$", "USD", "1"),
    (r"유로|euros?\b|eur\b|€", "EUR", "1"),
    (r"엔(?![가-힣])|yen\b|jpy\b", "JPY", "1"),
    (r"%|퍼센트|프로(?![가-힣])|percent\b|per cent\b", "%", "1"),
    (r"배(?![우달송정점포당])", "%", "100"),
    (r"개?년|years?\b|yrs?\b", "month", "12"),
    (r"개월|달(?!러)|months?\b", "month", "1"),
    (r"영업일|근무일|(?:business|working) days?\b", "working day", "1"),
    (r"주일|주간|주(?![가-힣])|weeks?\b", "day", "7"),
    (r"일(?![부반정체괄용급시])|days?\b", "day", "1"),
    (r"시간|hours?\b|hrs?\b", "minute", "60"),
    (r"분(?![의기류할실야리쟁])|minutes?\b|mins?\b", "minute", "1"),
    (r"명|인(?![사정턴원증천터감지수상하계])|사람|people\b|persons?\b|employees\b|staff\b", "person", "1"),
    (r"회|번(?!호)|차례|times\b", "time of many", "1"),
    (r"세(?![가-힣])|살(?![가-힣])", "year of age", "1"),
)
_UNIT = "|".join(f"(?P<u{at}>{pattern})" for at, (pattern, _, _) in enumerate(_UNITS))
_NUMBER = re.compile(
    rf"(?P<before>[$€£¥₩]|\b(?:KRW|USD|EUR|JPY)\s?)?(?<![A-Za-z0-9_.,])"
    rf"(?P<number>{_DIGITS}(?:\s?{_SCALE}(?:\s?{_DIGITS}(?=\s?(?:{_SCALE}|원)))?)*)"
    rf"(?P<scale> ?(?:thousand|million|billion)\b|[km](?![a-z]))?(?:[ -]?(?P<unit>{_UNIT}))?",
    re.IGNORECASE,
)
_BEFORE: Mapping[str, str] = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₩": "KRW"}
_LATIN: Mapping[str, int] = {"k": 1000, "thousand": 1000, "m": 10**6, "million": 10**6, "billion": 10**9}


def _numbers(text: str) -> Iterator[_Read]:
    for found in _NUMBER.finditer(text):
        value = _value(found["number"])
        before, scale = (found["before"] or "").strip().upper(), (found["scale"] or "").strip().lower()
        if scale and (before or len(scale) > 1):
            value *= _LATIN[scale]
        if before:
            readings: tuple[Reading, ...] = ((_BEFORE.get(before, before), _canonical(value)),)
        elif found["unit"]:
            readings = tuple(_unit_readings(value, found["unit"]))
        else:
            readings = (("", _canonical(value)),)
        yield found.start(), found.end(), readings


def _unit_readings(value: Decimal, unit: str) -> Iterator[Reading]:
    """The value in the smallest unit of its kind: 1년 is 12 months, 1주 seven days, 1.5배 150 %."""
    for pattern, name, factor in _UNITS:
        if re.match(pattern, unit, re.IGNORECASE):
            yield name, _canonical(value * Decimal(factor))
            return


def _value(spelled: str) -> Decimal:
    """50만 → 500000, 1억 2천만 → 120000000, 1만 5,000 → 15000."""
    total = section = Decimal(0)
    digits: Decimal | None = None
    for token in re.findall(rf"{_DIGITS}|[십백천만억조]", spelled):
        scale = _SCALES.get(token)
        if scale is None:
            digits = Decimal(token.replace(",", ""))
        elif scale < _SCALES["만"]:
            section, digits = section + (digits or 1) * scale, None
        else:
            total, section, digits = total + (section + (digits or 0) or 1) * scale, Decimal(0), None
    return total + section + (digits or 0)


def _canonical(value: Decimal) -> str:
    spelled = format(value, "f")
    return spelled.rstrip("0").rstrip(".") if "." in spelled else spelled


_READERS = (_no_figures, _references, _dates, _calendar, _times, _numbers)
"""In this order: what one has read no other one reads again."""

# --- figures in words, as a source may have them ------------------------------------------------------------------

_WORDS: Mapping[str, str] = {
    word: str(number)
    for number, words in enumerate(
        (
            *(
                "",
                "한 일 one",
                "두 이 two",
                "세 삼 three",
                "네 사 four",
                "다섯 오 five",
                "여섯 육 six",
                "일곱 칠 seven",
            ),
            *("여덟 팔 eight", "아홉 구 nine", "열 십 ten", "열한 eleven", "열두 십이 twelve", "열세 thirteen"),
            *(
                "열네 fourteen",
                "열다섯 십오 fifteen",
                "sixteen",
                "seventeen",
                "eighteen",
                "nineteen",
                "스무 이십 twenty",
            ),
        )
    )
    for word in words.split()
} | {"thirty": "30", "삼십": "30", "sixty": "60", "육십": "60", "ninety": "90"}
_WORD = "|".join(sorted(_WORDS, key=len, reverse=True))
_ANY_UNIT = "|".join(pattern for pattern, _, _ in _UNITS)
_IN_WORDS = re.compile(rf"(?<!\w)(?P<word>{_WORD})[ -]?(?P<unit>{_ANY_UNIT})", re.IGNORECASE)
_NAMED_SPANS: Mapping[str, Reading] = {
    "하루": ("day", "1"),
    "이틀": ("day", "2"),
    "사흘": ("day", "3"),
    "나흘": ("day", "4"),
    "닷새": ("day", "5"),
    "열흘": ("day", "10"),
    "보름": ("day", "15"),
    "반년": ("month", "6"),
    "절반": ("%", "50"),
}
