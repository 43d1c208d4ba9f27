"""Keywords in what a person types: with and without spaces, in compounds, behind particles, and with one letter wrong.

Belongs here: a keyword's normal form, and which keywords a text names. Does not belong here: which FAQs they lead to
(``keyword_index``), or scores (``query/faq``).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from domain.tokens import term_of

MAX_KEYWORD: Final = 64
"""Characters; what is longer is a sentence."""
MAX_TEXT: Final = 600
"""Characters of a question in which keywords are looked for."""

How = Literal["exact", "typo"]
_LONGEST: Final = 14  # atoms (syllables, Latin words) of a keyword that is looked for
_LEAST_TYPO: Final = 5  # letters (jamo) of a word that may have one wrong
_MOST_TYPO: Final = 24
_TRIES: Final = 6  # syllables of a word, from its start, that may be a keyword with a letter wrong
_WORDS = re.compile(r"[^\W_]+")
_ATOMS = re.compile("[가-힣一-鿿ぁ-ヿ]|[^\\W_가-힣一-鿿ぁ-ヿ]+")
_SYLLABLE = re.compile("[가-힣一-鿿ぁ-ヿ]")
_INNER_SPACE = re.compile("(?<=[가-힣一-鿿ぁ-ヿ]) +| +(?=[가-힣一-鿿ぁ-ヿ])")
_EDGES = re.compile(r"^[^\w#+]+|[^\w+#%]+$")
_PARTICLES = {
    "에서": None,
    "에게": None,
    "까지": None,
    "부터": None,
    "를": False,
    "는": False,
    "으로": True,
    "을": True,
    "은": True,
}
"""Particles that nouns do not end in, and whether the syllable before has a final consonant: 을 stays in 마을. 이, 가, 로,
도, 만, 과, 와 and 의 do end nouns (휴가, 평가, 결과) and are never cut off."""


def folded(text: str) -> str:
    """Full-width and decomposed letters as one, without case."""
    return unicodedata.normalize("NFKC", text).casefold()


def normal(keyword: str) -> str:
    """A keyword's normal form, which is its id: Unicode's, without case, without spaces next to Hangul (법인 카드 is
    법인카드), without marks around it, and without a Korean particle where that is safe. "" where it is no keyword: no
    letter, or longer than ``MAX_KEYWORD``."""
    said = _EDGES.sub("", " ".join(folded(keyword).split()))
    said = _without_particle(_INNER_SPACE.sub("", said))
    return said if 0 < len(said) <= MAX_KEYWORD and _WORDS.search(said) else ""


def _without_particle(word: str) -> str:
    for particle, wants_final in _PARTICLES.items():
        stem = word.removesuffix(particle)
        if stem == word or len(stem) < 2 or not "가" <= stem[-1] <= "힣":
            continue
        has_final = (ord(stem[-1]) - ord("가")) % 28 > 0
        if wants_final in (None, has_final):
            return stem
    return word


def match_key(text: str) -> str:
    """What two spellings of one keyword share: no spaces or marks, Latin words by their stems."""
    return "".join(atom.text for atom in _atoms(normal(text) or folded(text)))


@dataclass(frozen=True, slots=True)
class _Atom:
    """A syllable, or a Latin word by its stem."""

    text: str
    start: int
    end: int
    starts_word: bool
    ends_word: bool
    is_syllable: bool

    @property
    def is_keyword(self) -> bool:
        """Whether it may be a keyword alone."""
        return not self.is_syllable or (self.starts_word and self.ends_word)


def _atoms(text: str) -> list[_Atom]:
    atoms: list[_Atom] = []
    for word in _WORDS.finditer(text):
        for found in _ATOMS.finditer(word[0]):
            is_syllable = bool(_SYLLABLE.match(found[0]))
            said = found[0] if is_syllable else term_of(found[0]) or found[0]
            first, last = found.start() == 0, found.end() == len(word[0])
            at = word.start()
            atoms.append(_Atom(said, at + found.start(), at + found.end(), first, last, is_syllable))
    return atoms


@dataclass(frozen=True, slots=True)
class Named:
    """A keyword that a text names: its place in the list, the stretch of the folded text, and how."""

    place: int
    start: int
    end: int
    how: How


class Keywords:
    """Many keywords, looked for at once. ``keywords`` are as people write them; equal ``match_key``s are all found."""

    def __init__(self, keywords: Sequence[str]) -> None:
        self._places: dict[str, int | list[int]] = {}
        for place, keyword in enumerate(keywords):
            self._add(match_key(keyword), place)
        self._typos: _Typos | None = None

    def _add(self, key: str, place: int) -> None:
        there = self._places.get(key) if key else None
        if not key:
            return
        if there is None:
            self._places[key] = place
        elif isinstance(there, list):
            there.append(place)
        else:
            self._places[key] = [there, place]

    def find(self, text: str) -> list[Named]:
        """The keywords that a text names, in its order, longer ones first. A word without any is tried with one letter
        wrong."""
        atoms = _atoms(folded(text[:MAX_TEXT]))
        found: list[Named] = []
        for first, last in _stretches(atoms):
            key = "".join(atom.text for atom in atoms[first:last])
            start, end = atoms[first].start, atoms[last - 1].end
            found += [Named(place, start, end, "exact") for place in self._at(key)]
        covered = {at for one in found for at in range(one.start, one.end)}
        for word in _words(atoms):
            if covered.isdisjoint(range(word[0].start, word[-1].end)):
                found += self._mistyped(word)
        return sorted(found, key=lambda one: (one.start, -one.end, one.place))

    def _at(self, key: str) -> Sequence[int]:
        there = self._places.get(key)
        return () if there is None else there if isinstance(there, list) else (there,)

    def _mistyped(self, word: Sequence[_Atom]) -> Iterator[Named]:
        """The longest beginning of a word that is one letter away from keywords."""
        if self._typos is None:
            self._typos = _Typos(list(self._places))
        for last in range(min(len(word), _TRIES), 0, -1):
            said = "".join(atom.text for atom in word[:last])
            if keys := self._typos.near(said):
                for key in keys:
                    for place in self._at(key):
                        yield Named(place, word[0].start, word[last - 1].end, "typo")
                return


def _stretches(atoms: Sequence[_Atom]) -> Iterator[tuple[int, int]]:
    """Where a keyword may stand: within a word anywhere, over a space from the beginning of a word on. A Latin word is never
    cut (each is one atom); a single syllable is a keyword only where it is a word."""
    for first in range(len(atoms)):
        crosses = False
        for last in range(first + 1, min(first + _LONGEST, len(atoms)) + 1):
            if last - 1 > first and atoms[last - 1].starts_word:
                crosses = True
            if crosses and not atoms[first].starts_word:
                break
            if last - first > 1 or atoms[first].is_keyword:
                yield first, last


def _words(atoms: Sequence[_Atom]) -> Iterator[list[_Atom]]:
    word: list[_Atom] = []
    for atom in atoms:
        if atom.starts_word and word:
            yield word
            word = []
        word.append(atom)
    if word:
        yield word


class _Typos:
    """Keys by what is left of them without one letter: two that share such a rest are one letter apart, or two swapped.
    Hashes in sorted arrays: a million rests take 12 MB, a dictionary ten times that."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys
        hashes: list[int] = []
        owners: list[int] = []
        for place, key in enumerate(keys):
            letters = _letters(key)
            if _LEAST_TYPO <= len(letters) <= _MOST_TYPO and not _has_digit(key):
                for rest in _rests(letters):
                    hashes.append(hash(rest))
                    owners.append(place)
        made = np.array(hashes, np.int64)
        order = np.argsort(made, kind="stable")
        self._hashes: NDArray[np.int64] = made[order]
        self._owners: NDArray[np.int32] = np.array(owners, np.int32)[order]

    def near(self, word: str) -> list[str]:
        letters = _letters(word)
        if not _LEAST_TYPO <= len(letters) <= _MOST_TYPO or _has_digit(word):
            return []
        asked = np.array([hash(rest) for rest in _rests(letters)], np.int64)
        low, high = np.searchsorted(self._hashes, asked), np.searchsorted(self._hashes, asked, "right")
        places = {int(place) for a, b in zip(low, high, strict=True) for place in self._owners[a:b]}
        return sorted(key for key in (self._keys[place] for place in places) if is_typo(letters, _letters(key)))


def _letters(word: str) -> str:
    """A word letter by letter: Hangul by its jamo (결재 and 결제 are one apart)."""
    return unicodedata.normalize("NFD", word)


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _rests(letters: str) -> Iterable[str]:
    return {letters, *(letters[:at] + letters[at + 1 :] for at in range(len(letters)))}


def is_typo(left: str, right: str) -> bool:
    """Whether two words, letter by letter, begin alike and are one letter apart, or two swapped."""
    if left[0] != right[0] or abs(len(left) - len(right)) > 1:
        return False
    shorter = min(len(left), len(right))
    same = next((at for at in range(shorter) if left[at] != right[at]), shorter)
    left, right = left[same:], right[same:]
    swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return swapped or left[1:] == right[1:] or left[1:] == right or left == right[1:]
