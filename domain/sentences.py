"""Text to sentences, for English and Korean, and how central each is among the others (LexRank).

Belongs here: where one sentence ends and the next begins, and the ranking of sentences by what they share.
Does not belong here: which sentences are worth showing (``extractive``).
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BULLET = re.compile(r"(?:[-*•·▶○●※]|\(?\d{1,2}[.)]|[①-⑳])\s+")
_BOUNDARY = re.compile(
    r"[.!?…。~;][.!?…。~;)\]\"'”’」』]{0,8}\s+"
    r"|(?<=니다|세요|네요|까요|나요|군요|에요|예요|어요|아요|해요|돼요|데요|래요)\s+"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'])(?:e\.g|i\.e|a\.m|p\.m|u\.s|u\.k|approx|etc|vs|mr|mrs|ms|dr|st|no|nr|tel|fig|inc|ltd|corp|co"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|max|min|incl|resp|ver|cont|dept|ext)\.$"
    r"|(?-i:(?:^|[A-Z][a-z]+ )[A-Z]\.$)",  # an initial, but not "24 V."
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z0-9][\w'.:@/-]*[a-z0-9]|[a-z0-9]|[가-힣]+", re.IGNORECASE)

_FUNCTION_WORDS = """
    a an the and or but so if then than that this these those it its i you he she we they me my your our us them his her
    is are was were be been am do does did have has had will would can could should may might must to of in on at by for
    with from as about into not no just very too also there here what which who when where why how all any some
"""
_SILENT = frozenset(_FUNCTION_WORDS.split())


def sentences(text: str) -> list[str]:
    """The sentences of a text, without bullets. A line always ends a sentence.

    Knows abbreviations, decimals, versions and addresses on the web (no space follows their points), and Korean
    sentences that end without a point ("안 됩니다 확인해 주세요"). Time grows with the length of the text only.
    """
    found: list[str] = []
    for raw in text.split("\n"):
        line = raw.strip()
        bullet = _BULLET.match(line)
        start = bullet.end() if bullet else 0
        for boundary in _BOUNDARY.finditer(line):
            if _ends_sentence(line, start, boundary):
                found.append(line[start : boundary.end()].strip())
                start = boundary.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if any(map(str.isalnum, sentence))]


def _ends_sentence(line: str, start: int, boundary: re.Match[str]) -> bool:
    mark, at = boundary.group(), boundary.start()
    if mark[0] in "~;":
        return "가" <= line[at - 1 : at] <= "힣"
    if mark[0] in ".…":
        before = line[max(start, at - 12) : at + 1]
        trails_off = mark[:2] in ("..", "… ") and line[boundary.end() : boundary.end() + 1].islower()
        return not (trails_off or before[:-1].isdigit() or _ABBREVIATION.search(before))
    return True


def content_words(sentence: str) -> list[str]:
    """Lower-cased words that carry meaning: Latin words and numbers without function words, and for Hangul each pair
    of neighbouring syllables, which finds a noun whatever particle follows it."""
    found: list[str] = []
    for word in _WORD.findall(sentence.lower()):
        if "가" <= word[0] <= "힣":
            found += (word[at : at + 2] for at in range(max(1, len(word) - 1)))
        elif word not in _SILENT:
            found.append(word)
    return found


def lexrank(words: Sequence[Sequence[str]], damping: float = 0.85, rounds: int = 20) -> NDArray[np.float64]:
    """How central each sentence is among the others, 1 on average (Erkan & Radev 2004, continuous LexRank).

    ``words`` are each sentence's content words. Sentences that share rare words recommend each other; the scores are
    the stationary distribution of a walk along these recommendations.
    """
    count = len(words)
    columns = {word: at for at, word in enumerate(dict.fromkeys(word for sentence in words for word in sentence))}
    if count < 3 or not columns:
        return np.ones(count)
    frequency = np.zeros((count, len(columns)))
    for row, sentence in enumerate(words):
        for word, times in Counter(sentence).items():
            frequency[row, columns[word]] = times
    weighted = frequency * np.log1p(count / (frequency > 0).sum(axis=0))
    length = np.linalg.norm(weighted, axis=1, keepdims=True)
    unit = weighted / np.where(length == 0, 1, length)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, 0)
    total = similarity.sum(axis=1, keepdims=True)
    step = np.where(total == 0, 1 / count, similarity / np.where(total == 0, 1, total))
    rank = np.full(count, 1 / count)
    for _ in range(rounds):
        rank = (1 - damping) / count + damping * rank @ step
    return rank * count
