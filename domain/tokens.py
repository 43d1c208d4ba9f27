"""Text to search terms, for English and Korean side by side.

Belongs here: how a text is cut into the terms that the sparse (BM25) half of the search counts.
Does not belong here: what a term weighs (``points``), or how the two halves are joined (``ranking``).

Three families of terms, told apart by their first character, so that none is taken for another:

* words, bare: Latin words and numbers, lower-cased, without stop words, stemmed (Porter 2, "snowball");
* codes, bare: error numbers, versions, identifiers ("e-4012", "0x80070005", "4.1.45.final", "cve-2019-20444") whole,
  in addition to their parts;
* Korean content morphemes, bare (Hangul never meets a Latin word), and ``#`` + two neighbouring syllables. The first
  finds 읽어요 by 읽은; the second still finds what the first cuts wrongly: typos, missing spaces, new words.
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final, Protocol, cast

import snowballstemmer  # pyright: ignore[reportMissingTypeStubs]

TOKENS_VERSION: Final = "1"
"""Changes whenever the same text would give other terms; part of the index's fingerprint."""

MAX_CHARS: Final = 100_000
"""Characters of a text that are read, from its start. At most 2 s of work (Korean), 20 ms (English)."""

MAX_TERM: Final = 64
"""Longer runs of letters and digits are no words (base64, hashes of logs) and are left out."""

_LINE: Final = 1_000  # Kiwi's time grows faster than the length of a text without spaces: it gets no longer piece
_HANGUL = re.compile("[가-힣]")
_SYLLABLES = re.compile("[가-힣]+|[一-鿿]+|[ぁ-ヿ]+")
_LETTERS = r"[^\W_가-힣一-鿿ぁ-ヿ]+"
_WORD = re.compile(_LETTERS)
_CODE = re.compile(rf"{_LETTERS}(?:[-._:/@#]{_LETTERS})+")
_CONTENT_TAGS = frozenset({"NNG", "NNP", "NR", "VV", "VA", "XR", "MAG"})

_ENGLISH = """
    a about above after again all also am an and any are as at be because been before being below between both but by
    can could did do does doing down during each few for from further had has have having he her here hers him his how i
    if in into is it its itself just me more most my no nor not now of off on once only or other our out over own same
    she should so some such than that the their them then there these they this those through to too under until up very
    was we were what when where which while who whom why will with would you your
    s t d m re ve ll don doesn didn isn aren wasn weren won couldn shouldn wouldn hasn haven hadn im ive cant dont
    hi hello hey dear thanks thank please regards
"""
_KOREAN = "하 되 있 없 않 같 주 보 알 알리 싶 어떻 어떻게 그렇 이렇 왜 좀 잘 더 또 다 안녕 궁금하 감사"
_NOUN_TAGS = frozenset({"NNG", "NNP", "XPN", "SL"})
_STOP_WORDS = frozenset(_ENGLISH.split())
_STOP_MORPHEMES = frozenset(_KOREAN.split())


class _Token(Protocol):
    form: str
    tag: str
    start: int
    len: int


class _Analyzer(Protocol):
    def tokenize(self, text: str) -> list[_Token]: ...


class _Morphemes:
    """Kiwi, loaded on the first Hangul (1-2 s, 300 MB), once a process; it is not called by two threads at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kiwi: _Analyzer | None = None

    def tokens(self, line: str) -> list[_Token]:
        with self._lock:
            if self._kiwi is None:
                from kiwipiepy import Kiwi

                self._kiwi = cast(_Analyzer, Kiwi(load_multi_dict=False, num_workers=1))
            return self._kiwi.tokenize(line)

    def of(self, line: str) -> list[str]:
        return [
            token.form
            for token in self.tokens(line)
            if token.tag.partition("-")[0] in _CONTENT_TAGS and token.form not in _STOP_MORPHEMES
        ]


_morphemes = _Morphemes()


def terms(text: str) -> Counter[str]:
    """Count the search terms of a text. The same text gives the same terms on every machine.

    Reads the first ``MAX_CHARS`` characters. A text without Hangul never loads Kiwi.
    """
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower()
    found = Counter(_words(folded))
    found.update(_codes(folded))
    if _HANGUL.search(folded):
        for line in _hangul_lines(folded):
            found.update(_morphemes.of(line))
    found.update(_bigrams(folded))
    return found


def korean_nouns(text: str) -> list[str]:
    """Korean nouns as they are written, neighbours in one word joined ("자동" + "결재" + "선"), in the text's order.

    A Latin part is kept where it touches a noun ("SSO인증"). Loads Kiwi as ``terms`` does.
    """
    found: list[str] = []
    for line in _hangul_lines(text[:MAX_CHARS]):
        start = end = 0
        for token in _morphemes.tokens(line):
            if token.tag not in _NOUN_TAGS:
                continue
            if token.start != end:
                found.append(line[start:end])
                start = token.start
            end = token.start + token.len
        found.append(line[start:end])
    return [noun for noun in found if _HANGUL.search(noun)]


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        term = _term(word)
        if term:
            yield term


@lru_cache(maxsize=1 << 17)
def _term(word: str) -> str:
    """The term of one word, or "" for a word that says nothing."""
    if word in _STOP_WORDS or len(word) > MAX_TERM:
        return ""
    if word.isdigit() or len(word) < 3:
        return word
    return _stem(word)


def _codes(text: str) -> Iterator[str]:
    for code in _CODE.findall(text):
        if len(code) <= MAX_TERM and any(map(str.isdigit, code)):
            yield code


def _hangul_lines(text: str) -> Iterator[str]:
    """Lines with Hangul in them: logs and stack traces between Korean lines are not worth Kiwi's time."""
    for line in text.splitlines():
        for start in range(0, len(line), _LINE):
            piece = line[start : start + _LINE]
            if _HANGUL.search(piece):
                yield piece


def _bigrams(text: str) -> Iterator[str]:
    for run in _SYLLABLES.findall(text):
        if len(run) == 1:
            yield "#" + run
        for left, right in pairwise(run):
            yield f"#{left}{right}"


_stemmer = snowballstemmer.stemmer("english")


def _stem(word: str) -> str:
    return cast(str, _stemmer.stemWord(word))
