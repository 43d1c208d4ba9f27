"""An article of a regulation as passages: a long one is cut by its items, each with the numbers that lead to it.

Belongs here: where an article is cut, the numbering of a piece, and what editors are told of rows that are too long.
Does not belong here: reading rows (``workbook_rows``), documents into articles (``regulation_documents``), or since when a
rule is in force (``regulation_force``).

"One row, one article; more than 500 characters are split by items" (spec sheets.ko.md, §"content 작성 규칙"). No cut falls
into a number or a sentence, and every character of a row but white space is in one passage or in its heading.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from domain.passages import LONGEST
from domain.regulation import Regulation
from domain.sentences import sentences
from domain.workbook_layout import REGULATIONS

REGULATION_PASSAGES_VERSION: Final = "1"
"""Changes whenever the same article would give other passages."""

MOST: Final = 500
"""Characters of a row that is one passage (spec sheets.ko.md, §"content 작성 규칙")."""
_MOST_ABOVE = 200
"""Characters of an item's opening words that stand above each of its own items."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TooLong:
    """What the editor of a row is told; ``length`` is in characters, ``passages`` how many it was cut into."""

    tab: str
    regulation_id: str
    length: int
    passages: int

    @property
    def ko(self) -> str:
        return (
            f"{self.tab} {self.regulation_id}: 내용이 {self.length:,}자입니다. "
            f"{MOST}자를 넘으면 항목(항·호)별로 행을 나누세요. 지금은 {self.passages}개로 나누어 검색합니다."
        )

    @property
    def en(self) -> str:
        return (
            f"{self.tab} {self.regulation_id}: {self.length:,} characters. "
            f"Over {MOST}, split the row by its items; until then it is searched as {self.passages} passages."
        )


def too_long(regulations: Iterable[Regulation]) -> list[TooLong]:
    """The rows of more than ``MOST`` characters, as their editors are told."""
    return [
        TooLong(
            REGULATIONS.get(one.category, one.category), one.regulation_id, len(one.content.strip()), len(passages(one))
        )
        for one in regulations
        if len(one.content.strip()) > MOST
    ]


def passages(regulation: Regulation) -> list[Json]:
    """``path`` (headings above it, then the article's own, then the opening words of the item that it belongs to), ``text``
    and ``numbering`` ("제5조 ② 1.") of each passage, in order. An article that is all heading is one passage of it."""
    heading, body = _heading(regulation)
    path = [*regulation.path, *([heading] if heading else [])]
    if not body:
        return [{"path": list(regulation.path), "text": heading, "numbering": number_of(regulation)}] if heading else []
    whole = _Piece(tuple(path), body, article_number(regulation))
    return [{"path": list(one.path), "text": one.text, "numbering": one.numbering} for one in _cut(whole)]


# --- the heading and its number -----------------------------------------------------------------------------------

_NUMBER = re.compile(
    r"제\s?\d{1,4}\s?조(?:의\s?\d{1,3})?|(?:Article|Section|Clause|Art\.|Sec\.|§)\s?\d{1,4}(?:\.\d{1,3}){0,3}[A-Z]?(?![\w.]\d)",
    re.IGNORECASE,
)
_HEADING = re.compile(
    rf"\s*({_NUMBER.pattern})(?:\s*(\([^()\n]{{1,80}}\)|\[[^\[\]\n]{{1,80}}\]|【[^】\n]{{1,80}}】))?[.:]?(?=\s|$|[①-⑳])",
    re.IGNORECASE,
)
_TITLE_LINE = re.compile(r"[ \t]*([^\n]{1,80}?)[ \t]*\n")
_ENDS_SENTENCE = (".", "다", ":", ";", ",")


def _heading(regulation: Regulation) -> tuple[str, str]:
    """The article's own heading ("제5조 (연차휴가 부여)"), and what it says below it. A sentence that begins with a
    number ("제5조 및 제6조에 따라") has no heading."""
    content = regulation.content.strip()
    section = " ".join(regulation.section.split())
    found = _HEADING.match(content)
    if found is None:
        return section, content
    end = found.end()
    line = _TITLE_LINE.match(content, end)
    if not found[2] and line and not line[1].endswith(_ENDS_SENTENCE):
        end = line.end()
    elif not found[2] and content[end:].strip() and _tight(found[1]) != _tight(section) and not _leading(content[end:]):
        return section, content
    return " ".join(content[:end].split()).rstrip(".:"), content[end:].strip()


def article_number(regulation: Regulation) -> str:
    """ "제5조", "Article 5": what the section says, or else the heading; a short section of another form as it is."""
    section = " ".join(regulation.section.split())
    found = _NUMBER.match(section)
    if found:
        # "제5조 (연차휴가 부여) ②": what the section adds to its number counts, its title does not.
        return " ".join((_tight(found[0]), *re.findall(r"[①-⑳]|제\s?\d+\s?[항호]", section[found.end() :])))
    if found := _NUMBER.match(_heading(regulation)[0]):
        return _tight(found[0])
    return section if len(section) <= 20 else ""


def number_of(regulation: Regulation) -> str:
    """The same with the item that the row begins with, where editors have given each its own row: "제5조 ②"."""
    body = _heading(regulation)[1]
    return _numbered(article_number(regulation), _leading(body))


def _tight(number: str) -> str:
    return re.sub(r"\s", "", number) if number.startswith("제") else number


def _numbered(above: str, marker: str) -> str:
    return " ".join(part for part in (above, marker) if part)


# --- items --------------------------------------------------------------------------------------------------------

_CIRCLED = "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮⑯⑰⑱⑲⑳㉑㉒㉓㉔㉕㉖㉗㉘㉙㉚㉛㉜㉝㉞㉟"
_SYLLABLES = "가나다라마바사아자차카타파하"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")
_CLOSED = r"(?=\s|$|[가-힣\"'“‘「『(])"
_SPACED = r"(?=\s|$)"
_KINDS: Mapping[str, tuple[re.Pattern[str], Sequence[str]]] = {
    name: (re.compile(rf"(?P<marker>{pattern})"), order)
    for name, pattern, order in (
        ("제N항", r"(?<!조)(?<!조 )제\s?(?P<value>\d{1,3})\s?항(?=\s|\()", ()),
        ("①", rf"(?P<value>[{_CIRCLED}])", _CIRCLED),
        ("1.1", rf"(?<![\d.])(?P<value>\d{{1,3}}(?:\.\d{{1,3}}){{1,3}})\.?{_SPACED}", ()),
        ("1.", rf"(?<![\d.])(?P<value>\d{{1,3}})\.{_CLOSED}", ()),
        ("1)", rf"(?<![\d.(])(?P<value>\d{{1,3}})\){_CLOSED}", ()),
        ("(1)", rf"\((?P<value>\d{{1,3}})\){_CLOSED}", ()),
        ("가.", rf"(?<!\w)(?P<value>[{_SYLLABLES}])\.{_SPACED}", _SYLLABLES),
        ("가)", rf"(?<![\w(])(?P<value>[{_SYLLABLES}])\){_SPACED}", _SYLLABLES),
        ("(가)", rf"\((?P<value>[{_SYLLABLES}])\){_SPACED}", _SYLLABLES),
        ("(i)", rf"\((?P<value>[ivx]{{1,5}})\){_SPACED}", _ROMAN),
        ("(a)", rf"\((?P<value>[a-z])\){_SPACED}", _LETTERS),
        ("a.", rf"(?<![\w.])(?P<value>[a-z])\.{_SPACED}", _LETTERS),
        ("a)", rf"(?<![\w(])(?P<value>[a-z])\){_SPACED}", _LETTERS),
        ("A.", rf"(?<![\w.])(?P<value>[A-Z])\.{_SPACED}", _LETTERS.upper()),
    )
}
"""The markers of items, the outer kinds of Korean rules first; of several that begin at one place the first one counts."""
_ENDS = ".。:;!?)]」』】：；"
"""What stands before an item in the middle of a line, if it is one beyond doubt."""
_DATE_BEFORE = re.compile(r"\d\.?\s*$")


@dataclass(frozen=True, slots=True)
class _Piece:
    path: tuple[str, ...]
    text: str
    numbering: str


@dataclass(frozen=True, slots=True)
class _Item:
    """One item: where its marker begins, and the marker as it is written."""

    start: int
    marker: str


def _cut(piece: _Piece, outer: frozenset[str] = frozenset()) -> Iterator[_Piece]:
    """A piece, or its items where it is too long. ``outer`` are the kinds of marker that it is an item of."""
    if len(piece.text) <= MOST:
        marker = "" if outer else _leading(piece.text)
        yield replace(piece, numbering=_numbered(piece.numbering, marker))
        return
    kind, items = _items(piece.text, outer)
    if not items:
        yield from (replace(piece, text=text) for text in _by_sentences(piece.text))
        return
    opening = piece.text[: items[0].start].strip()
    above = (*piece.path, opening) if opening and len(opening) <= _MOST_ABOVE else piece.path
    ends = [*(one.start for one in items[1:]), len(piece.text)]
    for at, (item, end) in enumerate(zip(items, ends, strict=True)):
        text = piece.text[item.start : end].strip()
        numbering = _numbered(piece.numbering, item.marker)
        if at == 0 and opening:
            # The words that open a list are found with its first item; alone they say little.
            if len(opening) + len(text) < MOST:
                yield _Piece(piece.path, f"{opening}\n{text}", numbering)
                continue
            yield from (replace(piece, text=part) for part in _by_sentences(opening))
        yield from _cut(_Piece(above, text, numbering), outer | {kind})


def _leading(text: str) -> str:
    """The marker that a row begins with, where it is one item of several rows: it is the only one of its kind."""
    for pattern, order in _KINDS.values():
        if found := pattern.match(text):
            return "" if _value(found["value"], order) == 1 and _sequence(text, pattern, order) else found["marker"]
    return ""


def _items(text: str, outer: frozenset[str]) -> tuple[str, list[_Item]]:
    """The kind of item that begins first in a text, and its items; none when it has no list."""
    best: tuple[str, list[_Item]] = ("", [])
    for name, (pattern, order) in _KINDS.items():
        if name in outer:
            continue
        items = _sequence(text, pattern, order)
        if items and (not best[1] or items[0].start < best[1][0].start):
            best = name, items
    return best


def _sequence(text: str, pattern: re.Pattern[str], order: Sequence[str]) -> list[_Item]:
    """Markers that count up, one by one, at places where items can begin: first those beyond doubt (at the start of a line,
    after a sentence), then, where these make no list, any after a space."""
    found = list(pattern.finditer(text))
    if len(found) < 2:
        return []
    for is_place in (_begins_item, _may_begin_item):
        items: list[_Item] = []
        last: tuple[str, int] | None = None
        for match in found:
            if not is_place(text, match.start()):
                continue
            stem, value = _counted(match["value"], order)
            is_first = last is None and (value == 1 or not text[: match.start()].strip())
            if is_first or last == (stem, value - 1):
                items.append(_Item(match.start(), match["marker"]))
                last = stem, value
        if len(items) > 1:
            return items
    return []


def _begins_item(text: str, at: int) -> bool:
    line = text.rfind("\n", 0, at) + 1
    before = text[line:at].rstrip()
    return not before or (before[-1] in _ENDS and not _is_date(before)) or before.endswith(("다", "함", "음", "것"))


def _may_begin_item(text: str, at: int) -> bool:
    return at == 0 or (text[at - 1].isspace() and not _is_date(text[max(0, at - 12) : at]))


def _is_date(before: str) -> bool:
    """2025. 1. 1.: a number with its point is no end of a sentence."""
    return bool(_DATE_BEFORE.search(before))


def _counted(value: str, order: Sequence[str]) -> tuple[str, int]:
    """What stays the same along a list ("5." of 5.1, 5.2), and the place in it."""
    stem, point, last = value.rpartition(".")
    return stem + point, _value(last, order)


def _value(value: str, order: Sequence[str]) -> int:
    if not order:
        return int(value.rpartition(".")[2])
    return order.index(value) + 1 if value in order else -1


# --- text without items -------------------------------------------------------------------------------------------


def _by_sentences(text: str) -> Iterator[str]:
    """Whole sentences, as many as fit; a sentence of any length stays whole, up to what any passage may have."""
    piece = ""
    for sentence in _sentences(text):
        if piece and len(piece) + len(sentence) > MOST:
            yield piece.strip()
            piece = ""
        piece += sentence
    if piece.strip():
        yield piece.strip()


def _sentences(text: str) -> Iterator[str]:
    """The text itself, cut behind each of its sentences: white space, bullets and all."""
    start = 0
    for sentence in sentences(text):
        end = text.find(sentence, start) + len(sentence)
        yield from _between_words(text[start:end])
        start = end
    if start < len(text):
        yield text[start:]


_BETWEEN_WORDS = re.compile(r"(?<!\d)\s+|\s+(?!\d)")


def _between_words(sentence: str) -> Iterator[str]:
    """What is longer than any passage may be, cut between words, and not between the parts of a number."""
    while len(sentence) > LONGEST:
        places = [found.end() for found in _BETWEEN_WORDS.finditer(sentence, LONGEST // 2, LONGEST)]
        cut = places[-1] if places else LONGEST
        yield sentence[:cut]
        sentence = sentence[cut:]
    yield sentence
