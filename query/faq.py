"""Looking an FAQ up: tier 1, the verified answer (spec sheets.ko.md, §"시트 1", §"인덱스 운영 규칙").

Belongs here: which FAQs are looked at for a question (all, those of the keyword index, those of a like meaning), and how
likely it is that each answers. Does not belong here: the FAQs in memory (``faq_hot``), which tier answers (``ask``), or
search as a whole (``search``).

Few FAQs are all looked at; from ``faq_index_rows`` on the keyword index says which, and all are looked at only where no
keyword of the question is in it, or what it leads to hardly answers. Their meaning is asked of every question from
``faq_vector_rows`` on, and below that where words alone find no likely answer: "연차 며칠 남았어?" shares one word with
"연차 남은 일수를 어떻게 확인하나요?", and means the same.
"""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from domain.company import Company
from domain.errors import CasebookError
from domain.faq import Faq
from query.faq_hot import SECONDS, Floats, Hot, HotSet, Led, Places
from query.search import Searcher
from resources.companies import Companies

Path = Literal["scan", "keyword_index", "scan+vectors", "keyword_index+vectors"]
_WITH_MEANING: Final[dict[Path, Path]] = {"scan": "scan+vectors", "keyword_index": "keyword_index+vectors"}

CANDIDATES: Final = 300
"""FAQs that the keywords of a question lead to and that are read: those of the largest share first."""
NEAREST: Final = 30
"""FAQs of the nearest meaning that are read beside them."""
_LIKELY: Final = 0.5
_MEANT: Final = 0.95
"""What a question counts whose synonyms and typos were replaced."""
_SHARED: Final = (0.5, 0.5, 0.3)
"""What counts of what a question and an FAQ have in common (``Hot.overlap``)."""
_NAMED: Final = 0.5
"""What the share of the keywords counts in the score, as far as the FAQ says the question's words, too: one keyword is named
by many questions of other subjects."""
_NAMED_ORDER: Final = 0.4
"""What it counts in the order, whatever else is said. nDCG@10 on Korean FAQs 0.56 without, 0.68 with it."""
_BIAS: Final = -4.2
_SLOPE: Final = 6.8
"""Fitted to the right answers among first hits, on Korean welfare FAQs, ParaKQC and StackFAQ, whole and 100 rows of each,
with questions of other subjects: from 0.5 on 77 to 100 % of them are right, and of questions of other subjects none (short
English ones: 13 %) reach it."""
_LEAST: Final = 0.02


@dataclass(frozen=True, slots=True)
class FaqFound:
    """An FAQ with how likely it is that it answers, 0..1; ``keywords`` of the index that the question names and that lead to
    it; ``words`` and ``meaning`` are that likelihood by either alone (None: not asked)."""

    faq: Faq
    score: float
    path: Path
    keywords: tuple[str, ...] = ()
    words: float = 0.0
    meaning: float | None = None

    @property
    def why(self) -> dict[str, Any]:
        """For people: how it was found, and by what."""
        return {"path": self.path, "keywords": list(self.keywords), "words": self.words, "meaning": self.meaning}


@dataclass(frozen=True, slots=True)
class Lookup:
    """The FAQs that a question may be answered with, best first, and how they were looked up; ``notes`` are for people."""

    found: list[FaqFound]
    path: Path
    notes: tuple[str, ...] = ()


class FaqLookup:
    """One company's FAQs. Keeps them in memory: make one and ask it many questions, from several threads if need be. What is
    synced, and settings, count within ``seconds``. ``searcher``: one that is open already."""

    def __init__(
        self, companies: Companies, company: Company, searcher: Searcher | None = None, seconds: float = SECONDS
    ) -> None:
        self._hot = HotSet(companies, company, seconds)
        self._searcher = searcher or Searcher(companies, company)

    def find(self, text: str, category: str = "", k: int = 10) -> list[FaqFound]:
        """The ``k`` FAQs that are likeliest to answer, best first; of one category only, where it is given."""
        return self.look(text, category, k).found

    def look(self, text: str, category: str = "", k: int = 10) -> Lookup:
        hot, company = self._hot.current()
        if not len(hot) or not text.strip():
            return Lookup([], "scan")
        led = hot.led(text)
        has_many = len(hot) >= company.setting("faq_index_rows") and hot.has_index
        is_asked = len(hot) >= company.setting("faq_vector_rows")
        base: Path = "keyword_index" if has_many else "scan"
        meaning, notes = self._meaning(text) if is_asked else ({}, ())
        if not meaning:
            found, base = _by_words(hot, text, led, category, k, has_many=has_many)
            if is_asked or (found and found[0].score >= _LIKELY):
                return Lookup(found, base, notes)
            meaning, notes = self._meaning(text)
            if not meaning:
                return Lookup(found, base)
        path = _WITH_MEANING[base]
        near = None if base == "scan" else np.union1d(_candidates(led), hot.places(meaning)).astype(np.int32)
        return Lookup(_best(hot, text, led, hot.of_category(near, category), k, path, meaning), path, notes)

    def _meaning(self, text: str) -> tuple[dict[str, float], tuple[str, ...]]:
        """The likelihood of the nearest FAQs by meaning; none, and why, where it cannot be asked."""
        try:
            answer = self._searcher.search(text, NEAREST, data_types=("faq",))
        except CasebookError as failure:
            return {}, (f"FAQs were found by words alone: {failure}",)
        if answer.by_words_alone or not answer.is_calibrated:
            return {}, tuple(answer.notes)
        return {hit.doc_id: hit.score for hit in answer.hits}, tuple(answer.notes)


def _by_words(hot: Hot, text: str, led: Led, category: str, k: int, *, has_many: bool) -> tuple[list[FaqFound], Path]:
    """What words alone find: among those that the index leads to where there are many, else among all."""
    found: list[FaqFound] = []
    if has_many:
        places = hot.of_category(_candidates(led), category)
        found = _best(hot, text, led, places, k, "keyword_index", {})
        if found and found[0].score >= _LIKELY:
            return found, "keyword_index"
    whole = _best(hot, text, led, hot.of_category(None, category), k, "scan", {})
    is_better = not found or (whole and whole[0].score > found[0].score)
    return (whole, "scan") if is_better else (found, "keyword_index")


def _candidates(led: Led) -> Places:
    if len(led.places) <= CANDIDATES:
        return led.places
    return led.places[np.argpartition(-led.shares, CANDIDATES)[:CANDIDATES]]


def evidence(hot: Hot, text: str, led: Led, places: Places | None) -> Floats:
    """What speaks for FAQs (None: all) to answer a question: a line of four figures of 0..1 for each."""
    said = hot.overlap(text, places)
    if led.said:
        said = np.maximum(said, _MEANT * hot.overlap(led.said, places))
    shares = np.zeros(len(hot))
    shares[led.places] = led.shares
    return np.column_stack([said, shares if places is None else shares[places]])


def likelihoods(evidence: Floats) -> tuple[Floats, Floats]:
    """How likely it is that FAQs answer, by the words alone, 0..1; and the same for their order."""
    shared, shares = evidence[:, :3] @ np.array(_SHARED), evidence[:, 3]
    named = _NAMED * shares * (evidence[:, 0] + evidence[:, 1]) / 2
    return _logistic(shared + named), _logistic(shared + _NAMED_ORDER * shares)


def _logistic(value: Floats) -> Floats:
    return 1 / (1 + np.exp(-(_BIAS + _SLOPE * value)))


def _best(
    hot: Hot,
    text: str,
    led: Led,
    places: Places | None,
    k: int,
    path: Path,
    meaning: dict[str, float],
) -> list[FaqFound]:
    words, ranks = likelihoods(evidence(hot, text, led, places))
    likely = words.copy()
    at = np.arange(len(hot)) if places is None else places
    for near in (one for one, place in enumerate(at) if meaning and hot.ids[place] in meaning):
        asked = meaning[hot.ids[at[near]]]
        likely[near], ranks[near] = max(likely[near], asked), max(ranks[near], asked)
    order = np.lexsort((at, -ranks))[:k]
    if not len(order):
        return []
    # The first one's score is that of the best there is; no other is likelier than the one before it.
    scores = np.minimum.accumulate(np.concatenate([[likely.max()], likely[order][1:]]))
    return [
        FaqFound(
            hot.faq(int(at[one])),
            round(float(score), 4),
            path,
            tuple(name for name, places in led.named.items() if at[one] in places),
            round(float(words[one]), 4),
            meaning.get(hot.ids[at[one]]),
        )
        for one, score in zip(order, scores, strict=True)
        if score >= _LEAST
    ]
