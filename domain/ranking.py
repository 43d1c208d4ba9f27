"""Joining the two halves of the search: by meaning (dense) and by words (sparse).

Belongs here: the arithmetic that makes one order of two lists of hits, and its measured weights.
Does not belong here: fetching the lists (``query/search``) or what people's feedback adds (``feedback``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SHORT: Final = (8, 0.75)
LONG: Final = (35, 0.45)
"""Different words of a question, and the share of meaning in the score that found most at that length: few words need
their meaning understood, a whole ticket pasted as a question says enough by its words. Measured on tickets, FAQ rows
and paraphrases in English and Korean (``bench/retrieval.py``), where no single share beats both halves on every set."""


CODED: Final = 0.3
"""The share of meaning in a short question that names a code (an error, a part): the case that holds the code is meant,
and models of meaning take one code for another."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each half counts: ``dense`` is the share of meaning in the score, 0 to 1; words have the rest.

    The default is for a whole ticket as a question. Raises ``ValueError`` outside 0..1.
    """

    dense: float = LONG[1]

    def __post_init__(self) -> None:
        if not 0 <= self.dense <= 1:
            raise ValueError(f"the weight dense must be in 0..1, not {self.dense}")


def weights_for(words: int, has_code: bool = False) -> Weights:
    """The weights for a question of so many different words: those of ``SHORT`` (``CODED``, where it names a code) and
    ``LONG``, and a line between."""
    (few, short), (many, long) = SHORT, LONG
    short = CODED if has_code else short
    way = min(max((words - few) / (many - few), 0.0), 1.0)
    return Weights(dense=short + way * (long - short))


@dataclass(frozen=True, slots=True)
class Scored:
    """One hit: the joint ``score`` in 0..1, and the engine's raw scores (None: not in that half's list)."""

    id: str
    score: float
    dense: float | None
    sparse: float | None


def fuse(
    dense: Sequence[tuple[str, float]], sparse: Sequence[tuple[str, float]], weights: Weights = Weights()
) -> list[Scored]:
    """One list of two, best first; equal scores in the order of their ids.

    Each half's scores are first spread over 0..1 (its best hit 1, its last 0), then added by weight. A hit that only
    one half found has 0 from the other.
    """
    by_dense, by_sparse = dict(dense), dict(sparse)
    spread_dense, spread_sparse = _spread(by_dense), _spread(by_sparse)
    hits = [
        Scored(
            id=key,
            score=weights.dense * spread_dense.get(key, 0.0) + (1 - weights.dense) * spread_sparse.get(key, 0.0),
            dense=by_dense.get(key),
            sparse=by_sparse.get(key),
        )
        for key in by_dense.keys() | by_sparse.keys()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))


def _spread(scores: Mapping[str, float]) -> dict[str, float]:
    if not scores:
        return {}
    low, high = min(scores.values()), max(scores.values())
    if high == low:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - low) / (high - low) for key, score in scores.items()}
