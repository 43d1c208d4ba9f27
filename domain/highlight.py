"""Which stretches of a text answer a question's words, and the part of a long text that says most of them.

Belongs here: matching a question's terms on a text by cheap means. Does not belong here: what a term is (``tokens``), or how
a stretch is shown (``pipelines/cli``, the page).

A text is never cut into morphemes: Kiwi takes longer for one text than the search for all of them. The question is, once,
and its morphemes are looked for among the syllables of the text, with the endings that change a stem's last one.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final

from domain import tokens

Span = tuple[int, int]
"""Start and end of a stretch, in characters of the text as it is stored."""

MAX_CHARS: Final = 10_000
"""Characters of a text that are looked at, from its start."""
MOST: Final = 100
"""Stretches of one text that are told, the first ones."""
_MAX_QUERY = 4_000
_LEAST_NUMBER = 3
_WORD = re.compile(f"{tokens.LETTER}{{2,}}")
_INNER_CAPITAL = re.compile("[a-z][A-Z]|[A-Z]{2}[a-z]")

_HANGUL = re.compile("[가-힣]+")
_FIRST, _LAST, _FINALS = 0xAC00, 0xD7A3, 28
_CLOSING = (0, 4, 8, 16, 17, 20)  # no final consonant, ㄴ, ㄹ, ㅁ, ㅂ, ㅆ: what an ending adds to an open stem
_CONTRACTED = {
    20: (6,),
    13: (14,),
    8: (9,),
    18: (4, 0),
    0: (1,),
}  # ㅣ+어=ㅕ, ㅜ+어=ㅝ, ㅗ+아=ㅘ, ㅡ+어=ㅓ or ㅏ, 하+여=해
_FOLLOWS = "은는이가을를에의로도만과와랑부까보처나어아여었았으기지고면니던게네습지질"
"""What may follow a word of one syllable; any other syllable makes another word of it (안 and 안내)."""
_ENDING = re.compile(
    "(?:[습입합됩십]?니[다까]|[았었했됐]?[습]니[다까]|세요|[해어아네나까데가래]요|[는은인한된]데|에서|으로|부터|까지|에게"
    "|하[고는여면지다]|되[고는어면지다]|이[고라]|[았었했됐][는던다어]|하였다|주|않[는은고]"
    "|(?<=[가-힣]{2})[은는이가을를에의로도만과와])+$"
)
_RUN = re.compile("[가-힣]+|[一-鿿]+|[ぁ-ヿ]+")
_CONJOINING = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]")


@dataclass(frozen=True, slots=True)
class Snippet:
    """A stretch of a text, on one line, and the spans within it. Cut ends show "…"."""

    text: str
    spans: list[Span] = field(default_factory=list[Span])


class Marker:
    """One question's terms, ready to be looked for in many texts.

    ``query`` is read to its first 4,000 characters; one without Hangul never loads Kiwi.
    """

    def __init__(self, query: str) -> None:
        asked = unicodedata.normalize("NFKC", query[:_MAX_QUERY])
        codes = list(tokens.code_places(asked))
        self._codes = frozenset(code for code, _, _ in codes)
        self._words = frozenset(_words(_without(asked, codes)))
        # A code's own number (4711 of E-4711) answers, too; not within another code.
        self._numbers = frozenset(
            word for word in _words(asked) if len(word) >= _LEAST_NUMBER and any(map(str.isdigit, word))
        )
        self._latin_like = _prefixed(self._words | self._numbers)
        self._korean = _korean(asked)
        self._pairs = frozenset(_query_pairs(asked))
        self._syllables_like = _in_a_row(self._pairs)

    def spans(self, text: str) -> list[Span]:
        """The stretches of a text that answer the question, in order, none touching another."""
        normal, places = _normal(text[:MAX_CHARS])
        found = sorted([*self._latin(normal), *self._hangul(normal), *self._syllables(normal)])
        merged = _merged(found, normal)[:MOST]
        if places is None:
            return merged
        return _merged(((places[start], places[end]) for start, end in merged), text)

    def _latin(self, text: str) -> Iterator[Span]:
        if not self._latin_like and not self._codes:
            return
        others = bytearray(len(text))
        for code, start, end in tokens.code_places(text) if self._codes or self._numbers else ():
            others[start:end] = b"\1" * (end - start)
            if code in self._codes:
                yield start, end
        if not self._latin_like:
            return
        for word in self._latin_like.finditer(text):
            term = tokens.term_of(word[0].lower())
            if term in self._words or (term in self._numbers and not others[word.start()]):
                yield word.span()
        for term, start, end in tokens.name_places(text) if _INNER_CAPITAL.search(text) else ():
            if term in self._words:
                yield start, end

    def _hangul(self, text: str) -> Iterator[Span]:
        return (found.span() for found in self._korean.finditer(text)) if self._korean else iter(())

    def _syllables(self, text: str) -> Iterator[Span]:
        at = 0
        while self._syllables_like and (found := self._syllables_like.search(text, at)):
            at = found.end()
            while text[at - 1 : at + 1] in self._pairs and at < len(text):
                at += 1
            yield found.start(), at


def highlights(text: str, query: str) -> list[Span]:
    """The stretches of ``text`` that answer the words of ``query``, in order, none touching another.

    English by stem, Korean by morpheme or by three syllables shared, codes whole; what counts as a term is what the search
    counts (``tokens``). At most ``MOST`` of the first ``MAX_CHARS`` characters.
    """
    return _marker(query).spans(text)


@lru_cache(maxsize=64)
def _marker(query: str) -> Marker:
    return Marker(query)


def snippet(text: str, spans: Sequence[Span], width: int = 160) -> Snippet:
    """The stretch of at most ``width`` characters (dots aside) that holds most different marked words, the first of equal
    ones; the start of a text without any. Raises ``ValueError`` for a width below 20."""
    if width < 20:
        raise ValueError(f"a snippet is at least 20 characters wide, not {width}")
    start = _best_start(text, spans, width)
    end = min(len(text), start + width)
    start, end = _whole_words(text, start, end, spans)
    before, after = "…" if text[:start].strip() else "", "…" if text[end:].strip() else ""
    shift = len(before) - start
    inside = [(max(a, start) + shift, min(b, end) + shift) for a, b in spans if a < end and b > start]
    return Snippet(before + re.sub(r"\s", " ", text[start:end]) + after, inside)


def _best_start(text: str, spans: Sequence[Span], width: int) -> int:
    if len(text) <= width or not spans:
        return 0
    best, most = 0, -1
    for at, (first, _) in enumerate(spans):
        inside = {text[a:b].lower(): b - a for a, b in spans[at:] if b <= first + width}
        if (says := sum(min(length, 12) for length in inside.values())) > most:
            best, most = first, says
    return max(0, min(best - width // 5, len(text) - width))


def _whole_words(text: str, start: int, end: int, spans: Sequence[Span]) -> Span:
    """The same stretch without half words at its ends, if those are near and not marked."""
    first = min((a for a, b in spans if b > start), default=end)
    if start and not text[start - 1].isspace():
        gap = re.search(r"\s", text[start : min(first, start + 25)])
        start += gap.end() if gap else 0
    last = max((b for a, b in spans if a < end and b <= end), default=start)
    if end < len(text) and not text[end].isspace():
        gap = text.rfind(" ", max(last, end - 25), end)
        end = gap if gap > start else end
    return start, end


def _merged(found: Iterable[Span], text: str) -> list[Span]:
    """Spans in order as disjoint ones; what only a space or a mark separates stays apart."""
    merged: list[Span] = []
    for start, end in found:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start and text[start:end].strip():
            merged.append((start, end))
    return merged


def _without(text: str, places: Iterable[tuple[str, int, int]]) -> str:
    for _, start, end in places:
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _normal(text: str) -> tuple[str, list[int] | None]:
    """A text as ``tokens`` reads it (NFKC), and where each of its characters, and its end, stands in the original one; None
    when that is the same place, as it nearly always is."""
    if text.isascii() or unicodedata.is_normalized("NFKC", text):
        return text, None
    normal: list[str] = []
    places: list[int] = []
    at = 0
    while at < len(text):
        end = at + 1
        while end < len(text) and (unicodedata.combining(text[end]) or _CONJOINING.match(text[end])):
            end += 1
        piece = unicodedata.normalize("NFKC", text[at:end])
        normal.append(piece)
        places += [at] * len(piece)
        at = end
    places.append(len(text))
    return "".join(normal), places


def _words(text: str) -> Iterator[str]:
    """The terms of a text's Latin words and numbers; one letter says nothing."""
    yield from filter(None, (tokens.term_of(word.lower()) for word in _WORD.findall(text)))
    yield from (term for term, start, end in tokens.name_places(text) if end - start > 1)


def _prefixed(words: Iterable[str]) -> re.Pattern[str] | None:
    """The words of a text that may have one of these stems: they begin as it does. A stem of three letters may differ from
    the second on (dying, die)."""
    starts = sorted({re.escape(word[:2] if len(word) > 3 or word[0].isdigit() else word[0]) for word in words})
    if not starts:
        return None
    return re.compile(f"(?<!{tokens.LETTER})(?:{'|'.join(starts)}){tokens.LETTER}+", re.IGNORECASE)


def _korean(query: str) -> re.Pattern[str] | None:
    """The Korean morphemes of a question as one pattern for the syllables of a text."""
    if not _HANGUL.search(query):
        return None
    morphemes = {term for term in tokens.terms(query) if _HANGUL.fullmatch(term)}
    if not morphemes:
        return None
    return re.compile("|".join(_pattern(one) for one in sorted(morphemes, key=len, reverse=True)))


def _pattern(morpheme: str) -> str:
    *stem, last = morpheme
    pattern = "".join(stem) + f"[{''.join(_forms(last))}]"
    if not stem:
        return f"(?<![가-힣]){pattern}(?=[{_FOLLOWS}]|[^가-힣]|$)"
    return pattern


def _forms(syllable: str) -> list[str]:
    """A stem's last syllable as endings change it: 리 is 리, 린, 릴, 림, 립, 렸 and 려."""
    code = ord(syllable) - _FIRST
    if not 0 <= code <= _LAST - _FIRST or code % _FINALS:
        return [syllable]
    initial, vowel = divmod(code // _FINALS, 21)
    forms = [chr(_FIRST + code + final) for final in _CLOSING]
    for other in _CONTRACTED.get(vowel, ()):
        forms += [chr(_FIRST + (initial * 21 + other) * _FINALS + final) for final in _CLOSING]
    return forms


def _query_pairs(query: str) -> Iterator[str]:
    for run in _RUN.findall(query):
        yield from (left + right for left, right in pairwise(_ENDING.sub("", run)))


def _in_a_row(pairs: frozenset[str]) -> re.Pattern[str] | None:
    """Two pairs of Hangul that overlap: one alone is chance (an ending, a part of another word). In other syllables, one."""
    after: dict[str, list[str]] = {}
    for left, right in pairs:
        after.setdefault(left, []).append(right)
    rows = [
        pair + third if _HANGUL.match(pair) else pair
        for pair in pairs
        for third in (after.get(pair[1], ()) if _HANGUL.match(pair) else ("",))
    ]
    return re.compile("|".join(map(re.escape, sorted(rows)))) if rows else None
