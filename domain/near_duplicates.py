"""Hits that say the same: a case that was copied, forwarded, or sent twice.

Belongs here: whether two short texts (title and problem) are near-duplicates, and groups of them. Does not belong here:
which hits there are (``query/search``), or how alike two cases are in meaning (``ranking``).

A wrong merge hides an answer and a missed one costs a line, so every doubt parts them: two texts that differ in a number, a
code, a name or a negation are never one, nor two short ones where one word stands in another's place. Nothing here is
learned; thresholds were set on copies made by hand and on the paraphrases of the public sets (``bench``).
"""

import re
import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

MAX_CHARS: Final = 4_000
"""Characters of a text that are compared, from its start."""
LEAST_SHARED: Final = 0.7
"""The share of their words, and of their pairs of neighbours, that two texts must have in common."""
REPLACED: Final = 0.04
"""The share of words that may stand in another's place: one in 25, so none in a short text."""

_WORD = re.compile(r"[^\W_]+(?:[-._:/@#'’][^\W_]+)*")
_FORWARDED = re.compile(r"^\s*(?:(?:re|fwd?|aw|답장|전달|회신)\s*:\s*|\[[^\]\d]{1,20}\]\s*)+", re.IGNORECASE)
_NAME = re.compile(r"(?<=[^\s.!?:;,\"'(\[] )[A-Z][\w-]*")
_NEGATION = re.compile(
    r"n['’]t\b|\b(?:not|no|never|without|cannot|dont|doesnt|didnt|cant|wont|un(?:able|install\w*))\b"
    r"|(?<![가-힣])[안못](?=\s)|[않없]|못(?=[하해한합했])",
    re.IGNORECASE,
)
_ENGLISH = """
    a an the and or i we you it is are was were be to of in on at for with my our your this that please pls hi hello hey
    dear thanks thank regards best urgent asap help kindly team all sir madam again
"""
_KOREAN = "안녕하세요 감사합니다 부탁드립니다 부탁드려요 수고하세요 문의드립니다 긴급 급합니다 빠른 확인 좀"
_SILENT = frozenset([*_ENGLISH.split(), *_KOREAN.split()])
_PARTICLE = re.compile("(?<=[가-힣]{2})(?:은|는|이|가|을|를|에|에서|의|로|으로|도|만|과|와)$")
_LEAST_TYPO = 5


@dataclass(frozen=True, slots=True)
class _Text:
    words: tuple[str, ...]
    names: frozenset[str]
    exact: Hashable
    """What must be equal: numbers and codes, and how often it denies."""


def group(texts: Sequence[str], keys: Sequence[Hashable] | None = None) -> list[list[int]]:
    """The places of ``texts`` in groups of near-duplicates, in the order of their leaders; each group in order, too.

    ``keys``: what must be equal besides, one for each text (its product, its data type). An empty text is alone. Compares
    with leaders only, so a chain of small changes does not join its two ends.
    Raises ``ValueError`` when there are keys, but not as many as texts.
    """
    read = [_read(text) for text in texts]
    groups: list[list[int]] = []
    leaders: dict[Hashable, list[list[int]]] = {}
    for at, (one, key) in enumerate(zip(read, keys or [None] * len(texts), strict=True)):
        near = leaders.setdefault((key, one.exact), [])
        mine = next((led for led in near if _same(read[led[0]], one)), None)
        if mine is None:
            groups.append(mine := [])
            near.append(mine)
        mine.append(at)
    return groups


def _read(text: str) -> _Text:
    text = unicodedata.normalize("NFKC", text[:MAX_CHARS])
    text = "\n".join(_FORWARDED.sub("", line) for line in text.split("\n"))
    names = frozenset(name.lower() for name in _NAME.findall(text)) - _SILENT
    words = [word for word in _WORD.findall(text.lower()) if word not in _SILENT]
    numbers = frozenset(word for word in words if any(map(str.isdigit, word)))
    exact = (numbers, len(_NEGATION.findall(text)))
    return _Text(tuple(_PARTICLE.sub("", word) for word in words), names, exact)


def _same(one: _Text, other: _Text) -> bool:
    first, second = one.words, other.words
    if not first or not second:
        return False
    if first == second:
        return True
    mine, theirs = set(first), set(second)
    if one.names - theirs or other.names - mine:
        return False
    if len(mine & theirs) < LEAST_SHARED * 0.8 * len(mine | theirs):  # typos count against it until they are known
        return False
    second = _as_spelt(second, mine, theirs)
    theirs = set(second)
    shared, both = mine & theirs, mine | theirs
    if len(shared) < LEAST_SHARED * len(both):
        return False
    if min(len(mine - theirs), len(theirs - mine)) > REPLACED * len(both):
        return False
    return _in_order(first, second)


def _in_order(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether the shorter text's neighbours are neighbours in the longer one, too."""
    pairs, others = set(pairwise(first)), set(pairwise(second))
    fewer = min(len(pairs), len(others))
    return len(pairs & others) >= LEAST_SHARED * fewer


def _as_spelt(words: Sequence[str], mine: set[str], theirs: set[str]) -> list[str]:
    """A text with its typos written as the other text spells them."""
    unknown = mine - theirs
    spelt = {
        word: right for word in theirs - mine if (right := next((one for one in unknown if _is_typo(word, one)), None))
    }
    return [spelt.get(word, word) for word in words]


def _is_typo(word: str, other: str) -> bool:
    """Whether two words are one letter apart (Hangul by its jamo: 결재 and 결제), or two swapped. Short ones, ones that begin
    otherwise, and ones with a digit, are different words."""
    left, right = unicodedata.normalize("NFD", word), unicodedata.normalize("NFD", other)
    if left[0] != right[0] or min(len(left), len(right)) < _LEAST_TYPO or abs(len(left) - len(right)) > 1:
        return False
    if any(map(str.isdigit, left + right)):
        return False
    same = next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    left, right = left[same:], right[same:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]
