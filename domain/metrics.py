"""How well a ranking answers a judged question, and whether one ranking is better than another.

Belongs here: nDCG, MRR, recall and hit rate at k, and what chance makes of their means. Does not belong here: asking the
questions (``query/evaluate``), or what is done with the figures (``query/tuning``, ``assets/retrieval``).

The measures are those of trec_eval (gain = grade, discount = log2(rank + 1)); a document that occurs twice in a ranking
counts once, at its first place; grades of 0 or below are no answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray

SAMPLES, SEED = 1000, 1
"""Resamples of a bootstrap, and its seed: the same figures give the same interval."""

Interval = tuple[float, float]
"""The middle 95 %."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The measures of one question, or their means, each 0 to 1; all at the same k."""

    ndcg: float
    mrr: float
    recall: float
    hit: float

    def named(self, k: int) -> dict[str, float]:
        """By the names that people know: nDCG@10, MRR@10, recall@10, hit@10."""
        return dict(zip(names(k), asdict(self).values(), strict=True))


def names(k: int) -> list[str]:
    """The names of the measures at ``k``, in the order of ``Figures``."""
    return [f"{name}@{k}" for name in ("nDCG", "MRR", "recall", "hit")]


def figures(ranked: Sequence[str], relevant: Mapping[str, float], k: int = 10) -> Figures:
    """The measures of one question: its ranking, best first, against the grades of its answers.

    Raises ``ValueError`` without an answer of a grade above 0, and for ``k`` < 1.
    """
    grades = {doc_id: grade for doc_id, grade in relevant.items() if grade > 0}
    if not grades or k < 1:
        raise ValueError("a question needs an answer of a grade above 0, and k at least 1")
    gains = np.array([grades.get(doc_id, 0.0) for doc_id in list(dict.fromkeys(ranked))[:k]])
    best = np.sort(np.array(list(grades.values())))[::-1][:k]
    found = np.flatnonzero(gains > 0)
    return Figures(
        ndcg=_gain(gains) / _gain(best),
        mrr=1.0 / (int(found[0]) + 1) if len(found) else 0.0,
        recall=len(found) / len(grades),
        hit=float(len(found) > 0),
    )


def _gain(gains: NDArray[np.float64]) -> float:
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


@dataclass(frozen=True, slots=True)
class Summary:
    """The means over all questions, and the interval of each mean by a bootstrap over the questions."""

    queries: int
    mean: Figures
    interval: dict[str, Interval]
    """By the field of ``Figures``."""


def summary(measured: Sequence[Figures]) -> Summary:
    """The means of some questions' figures. Raises ``ValueError`` without any."""
    if not measured:
        raise ValueError("no question was measured")
    table = np.array([list(asdict(one).values()) for one in measured])
    columns = [field.name for field in fields(Figures)]
    low, high = _bootstrap(table)
    return Summary(
        len(measured),
        Figures(*map(float, table.mean(axis=0))),
        {name: (float(low[at]), float(high[at])) for at, name in enumerate(columns)},
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """One ranking minus another over the same questions: the mean difference and its interval."""

    queries: int
    difference: float
    interval: Interval

    @property
    def is_better(self) -> bool:
        """Whether chance does not explain it: the whole interval is above 0."""
        return self.interval[0] > 0


def compare(new: Sequence[float], old: Sequence[float]) -> Comparison:
    """A paired bootstrap: question by question ``new`` minus ``old``. Raises ``ValueError`` when there are none, or not as
    many of one as of the other."""
    if not new or len(new) != len(old):
        raise ValueError("a comparison needs the same questions twice, and one at least")
    difference = np.array(new, float) - np.array(old, float)
    low, high = _bootstrap(difference[:, None])
    return Comparison(len(new), float(difference.mean()), (float(low[0]), float(high[0])))


def _bootstrap(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The 2.5th and the 97.5th percentile of the means of the columns, over resampled rows."""
    dice = np.random.default_rng(SEED)
    means = np.array([table[dice.integers(0, len(table), len(table))].mean(axis=0) for _ in range(SAMPLES)])
    return np.percentile(means, [2.5, 97.5], axis=0)
