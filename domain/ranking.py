"""Joining the two halves of the search: by meaning (dense) and by words (sparse).

Belongs here: the arithmetic that makes one order of two lists of hits, and its measured weights.
Does not belong here: fetching the lists (``query/search``) or what people's feedback adds (``feedback``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from typing import Final, NamedTuple

RANKING_VERSION: Final = "3"
"""Changes whenever the same two lists would give another order or other scores; recommendations and reports name it."""

MEANING: Final[Mapping[str, float]] = {"minilm-en-1": 0.7, "e5-multi-1": 0.55, "use-multi-1": 0.4}
"""The share of meaning in the score by the model that tells it: how much it can be trusted beside the words. Measured on
tickets, FAQ rows and paraphrases in English and Korean, where 0.1 more or less changes nDCG@10 by less than 0.01."""
OTHER_MEANING: Final = 0.7
"""The same for any other model: a provider's, larger than those that come with Casebook."""
UNTITLED: Final = 0.2
"""The share of meaning where documents have no title: models read the beginning of a page only, and it is not about
anything. nDCG@10 on Korean pages 0.91, 0.86 with 0.5."""

FEW: Final = 8
MANY: Final = 35
CODED: Final = 0.3
"""The share of meaning in a short question that names a code (an error, a part): the case that holds the code is meant,
and models of meaning take one code for another."""
_ALIKE = 1e-9


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each half counts: ``dense`` is the share of meaning in the score, 0 to 1; words have the rest.

    Raises ``ValueError`` outside 0..1.
    """

    dense: float = OTHER_MEANING

    def __post_init__(self) -> None:
        if not 0 <= self.dense <= 1:
            raise ValueError(f"the weight dense must be in 0..1, not {self.dense}")


def weights_for(model_id: str, words: int, has_code: bool = False, is_titled: bool = True) -> Weights:
    """The weights for a question of so many different words, to documents whose vectors this model made: a code counts in a
    question of ``FEW`` words, among ``MANY`` it is one of them, and a line between."""
    share = MEANING.get(model_id, OTHER_MEANING)
    if not is_titled:
        share = min(share, UNTITLED)
    if has_code:
        way = min(max((words - FEW) / (MANY - FEW), 0.0), 1.0)
        share = min(share, CODED + way * (share - CODED))
    return Weights(dense=share)


class Scored(NamedTuple):
    """One hit: the joint ``score``, in standard deviations and good for the order of one list alone (``calibration`` makes
    one of it that can be compared), and the engine's raw scores (None: not in that half's list)."""

    id: str
    score: float
    dense: float | None
    sparse: float | None


def fuse(
    dense: Sequence[tuple[str, float]], sparse: Sequence[tuple[str, float]], weights: Weights = Weights()
) -> list[Scored]:
    """One list of two, best first; equal scores in the order of their ids.

    Each half's scores are first counted in standard deviations from their mean: a half whose best hits stand out from the
    rest is sure of them and counts more than one whose hits are all alike. A hit that only one half found has the other's
    lowest. Spreading each half over 0..1 instead found as much or less on the measured sets (by 0 to 0.02), reciprocal ranks
    much less.
    """
    by_dense, by_sparse = dict(dense), dict(sparse)
    spread_dense, spread_sparse = _deviations(by_dense), _deviations(by_sparse)
    least_dense = min(spread_dense.values(), default=0.0)
    least_sparse = min(spread_sparse.values(), default=0.0)
    share = weights.dense
    order = sorted(
        (-share * spread_dense.get(key, least_dense) - (1 - share) * spread_sparse.get(key, least_sparse), key)
        for key in by_dense.keys() | by_sparse.keys()
    )
    return [Scored(key, -lower, by_dense.get(key), by_sparse.get(key)) for lower, key in order]


def _deviations(scores: Mapping[str, float]) -> dict[str, float]:
    if not scores:
        return {}
    mean = fsum(scores.values()) / len(scores)
    spread = (fsum((score - mean) ** 2 for score in scores.values()) / len(scores)) ** 0.5
    if spread < _ALIKE:
        return dict.fromkeys(scores, 0.0)
    return {key: (score - mean) / spread for key, score in scores.items()}
