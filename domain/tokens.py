"""Text to search terms, for English and Korean side by side.

Belongs here: how a text is cut into the terms that the sparse (BM25) half of the search counts.
Does not belong here: what a term weighs (``points``), or how the two halves are joined (``ranking``).

Three families of terms, told apart by their first character, so that none is taken for another:

* words, bare: Latin words and numbers, lower-cased, without stop words, stemmed (Porter 2, "snowball"); names like
  NullPointerException give their parts too;
* codes, bare: error numbers, versions, identifiers ("e-4012", "0x80070005", "4.1.45.final", "cve-2019-20444") whole,
  in addition to their parts;
* Korean content morphemes, bare (Hangul never meets a Latin word), and ``#`` + a pair of syllables. The first
  finds 읽어요 by 읽은; the second still finds what the first cuts wrongly: typos, missing spaces, new words.
"""

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final, Protocol, cast

from snowballstemmer.english_stemmer import EnglishStemmer  # pyright: ignore

TOKENS_VERSION: Final = "2"
"""Changes whenever the same text would give other terms; part of the index's fingerprint."""

MAX_CHARS: Final = 100_000
"""Characters of a text that are read, from its start: 20-50 ms of work."""

MAX_KOREAN: Final = 30_000
"""Characters, in lines with Hangul, that are cut into morphemes: 0.6 s of work. What comes after them is still found
by its syllables."""

MAX_QUESTION: Final = 300
"""Characters of a line that is given its spaces back: nobody types more without any."""

TITLE_WEIGHT: Final = 3
"""How often the first line of a text of several lines counts: it is the subject, the question or the heading, and says
more than any later line. Measured: nDCG@10 of BM25 on English tickets 0.58 -> 0.61 (2: 0.605, 4: 0.61)."""

MAX_TERM: Final = 64
"""Longer runs of letters and digits are no words (base64, hashes of logs) and are left out."""

_SYLLABLES_MARK = "#"
_PIECE: Final = 1_000  # Kiwi's time grows faster than a text without spaces: it gets no longer piece of a line
_REPEATED = re.compile(r"(.)\1{4,}")  # ㅋㅋㅋㅋㅋㅋ, =======: Kiwi takes 0.3 s for a thousand
_HANGUL = re.compile("[가-힣]")
_RUN: Final = 9  # syllables without a space between them that are more than one word
_UNSPACED = re.compile(f"[가-힣]{{{_RUN}}}")
_SYLLABLES = re.compile("[가-힣]+|[一-鿿]+|[ぁ-ヿ]+")
LETTER = r"[^\W_가-힣一-鿿ぁ-ヿ]"
"""A character of a word that is not written in syllables, as a pattern."""
_WORD = re.compile(f"{LETTER}+")
_CODE = re.compile(f"(?<!{LETTER}){LETTER}++(?:[-._:/@#]{LETTER}++)+")  # starts at a word, or time grows with n²
_LATIN = re.compile("[A-Za-z]{2,}")
_NAME_PART = re.compile(r"[A-Z]+s?(?![a-z])|[A-Z]?[a-z]+")
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


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802


class _Analyzer(Protocol):
    def tokenize(self, text: str) -> list[_Token]: ...
    def space(self, text: str) -> str: ...


class _Morphemes:
    """Kiwi, loaded on the first Hangul (1-2 s, 300 MB), once a process; it is not called by two threads at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kiwi: _Analyzer | None = None

    def tokens(self, line: str) -> list[_Token]:
        with self._lock:
            return self._loaded().tokenize(line)

    def space(self, line: str) -> str:
        with self._lock:
            return self._loaded().space(line)

    def _loaded(self) -> _Analyzer:
        if self._kiwi is None:
            from kiwipiepy import Kiwi  # pyright: ignore[reportMissingTypeStubs]

            self._kiwi = cast(_Analyzer, Kiwi(load_multi_dict=False, num_workers=1))
        return self._kiwi

    def of(self, line: str) -> list[str]:
        return [
            token.form
            for token in self.tokens(line)
            if token.tag.partition("-")[0] in _CONTENT_TAGS and token.form not in _STOP_MORPHEMES
        ]


_morphemes = _Morphemes()


def terms(text: str) -> Counter[str]:
    """Count the search terms of a document or a question, its first line ``TITLE_WEIGHT`` times if there are more.

    The same text gives the same terms on every machine. Reads the first ``MAX_CHARS`` characters. A text without
    Hangul never loads Kiwi.
    """
    title, _, rest = text[:MAX_CHARS].strip().partition("\n")
    found = _terms(title)
    if rest:
        for term in found:
            found[term] *= TITLE_WEIGHT
        found.update(_terms(rest))
    return found


def _terms(text: str) -> Counter[str]:
    normal = unicodedata.normalize("NFKC", text)
    folded = normal.lower()
    found = Counter(_words(folded))
    found.update(_codes(folded))
    found.update(_name_parts(normal))
    if _HANGUL.search(folded):
        for line in _hangul_lines(folded):
            found.update(_morphemes.of(line))
    found.update(_bigrams(folded))
    return found


def spaced(text: str) -> str:
    """A question as it is asked: one that was typed without spaces between Korean words gets them back.

    Models of meaning read words: nDCG@10 by meaning on Korean questions whose spaces were taken out 0.87, and 0.94 with
    these. Any other text is returned as it is, and Kiwi is not loaded for it.
    """
    return "\n".join(map(_spaced, text.splitlines())) if _UNSPACED.search(text[:MAX_CHARS]) else text


def _spaced(line: str) -> str:
    syllables = len(_HANGUL.findall(line))
    is_unspaced = len(line) <= MAX_QUESTION and syllables >= _RUN * (line.count(" ") + 1)
    return _morphemes.space(line) if is_unspaced and _UNSPACED.search(line) else line


def korean_nouns(text: str) -> list[str]:
    """Korean nouns as they are written, neighbours in one word joined ("자동" + "결재" + "선"), in the text's order.

    A Latin part is kept where it touches a noun ("SSO인증"). Loads Kiwi as ``terms`` does.
    """
    return ["".join(parts) for parts in korean_compounds(text)]


def korean_compounds(text: str) -> list[list[str]]:
    """The same nouns, each in its parts."""
    found: list[list[str]] = []
    for line in _hangul_lines(text[:MAX_CHARS]):
        end = 0
        for token in _morphemes.tokens(line):
            if token.tag not in _NOUN_TAGS:
                continue
            if token.start != end or not end:
                found.append([])
            end = token.start + token.len
            found[-1].append(line[token.start : end])
    return [parts for parts in found if any(map(_HANGUL.search, parts))]


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        term = term_of(word)
        if term:
            yield term


@lru_cache(maxsize=1 << 17)
def term_of(word: str) -> str:
    """The term of one word, or "" for a word that says nothing."""
    if word in _STOP_WORDS or len(word) > MAX_TERM:
        return ""
    if word.isdigit() or len(word) < 3:
        return word
    return _stem(word)


def surface(text: str) -> frozenset[str]:
    """What a text says as it is written: its words, codes and pairs of syllables, without a look at its morphemes, which
    takes longer than a search. Two texts are compared by it, never with ``terms``."""
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower()
    return frozenset((*_words(folded), *_codes(folded), *_bigrams(folded)))


def codes(text: str) -> frozenset[str]:
    """The codes that a text names, whole, as ``surface`` has them."""
    return frozenset(_codes(unicodedata.normalize("NFKC", text[:MAX_CHARS]).lower()))


def has_code(text: str) -> bool:
    """Whether a text names a code: joined by a mark, with a digit in it (E-4711, ERR_42)."""
    return any(_codes(text))


def _codes(text: str) -> Iterator[str]:
    for code in _CODE.findall(text):
        if len(code) <= MAX_TERM and any(map(str.isdigit, code)):
            yield code


def _name_parts(text: str) -> Iterator[str]:
    for name in _LATIN.findall(text):
        if len(name) <= MAX_TERM and not name[1:].islower() and len(parts := _NAME_PART.findall(name)) > 1:
            yield from filter(None, (term_of(part.lower()) for part in parts))


def name_places(text: str) -> Iterator[tuple[str, int, int]]:
    """The parts of names such as NullPointerException as terms, with where each starts and ends."""
    for name in _LATIN.finditer(text):
        if len(name[0]) <= MAX_TERM and not name[0][1:].islower():
            parts = list(_NAME_PART.finditer(name[0]))
            for part in parts if len(parts) > 1 else ():
                if term := term_of(part[0].lower()):
                    yield term, name.start() + part.start(), name.start() + part.end()


def code_places(text: str) -> Iterator[tuple[str, int, int]]:
    """Each code of a text whole, in lower case, with where it starts and ends."""
    for code in _CODE.finditer(text):
        if len(code[0]) <= MAX_TERM and any(map(str.isdigit, code[0])):
            yield code[0].lower(), code.start(), code.end()


def _hangul_lines(text: str) -> Iterator[str]:
    """Lines with Hangul in them: logs and stack traces between Korean lines are not worth Kiwi's time."""
    room = MAX_KOREAN
    for line in _REPEATED.sub(r"\1\1", text).splitlines():
        for start in range(0, len(line), _PIECE):
            piece = line[start : start + _PIECE][:room]
            if _HANGUL.search(piece):
                yield piece
                room -= len(piece)


def words(terms: Mapping[str, int]) -> int:
    """How many different words there are among the terms: all but the pairs of syllables."""
    return sum(not is_syllables(term) for term in terms)


def is_syllables(term: str) -> bool:
    """Whether a term is a pair of syllables, which a word beside it mostly says already."""
    return term.startswith(_SYLLABLES_MARK)


def _bigrams(text: str) -> Iterator[str]:
    for run in _SYLLABLES.findall(text):
        if len(run) == 1:
            yield _SYLLABLES_MARK + run
        for left, right in pairwise(run):
            yield _SYLLABLES_MARK + left + right


_stemmer = cast(_Stemmer, EnglishStemmer())
_stemming = threading.Lock()  # a stemmer keeps the word it works on in itself


def _stem(word: str) -> str:
    with _stemming:
        return _stemmer.stemWord(word)
