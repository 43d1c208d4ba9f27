"""Tuning: is there a share of meaning that suits this company's questions better than the one in force?

Belongs here: trying shares on one half of the judged questions, and proving the winner on the other. Does not belong here:
storing the winner (``pipelines/cli/evaluate``), or the measures (``domain/metrics``).

What wins on the questions it was chosen by may win by chance, so it counts for nothing there. It is taken only when it wins
on questions that had no say, by more than chance explains.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from domain.errors import InputError
from domain.judgement import JudgedQuery
from domain.metrics import Comparison, compare, figures
from query.evaluate import silent

Order = Callable[[float | None], Sequence[str]]
"""One question's answer by a share of meaning, None for the measured one of questions of that kind: document ids, best first;
asks no index again."""

SHARES: Final[tuple[float | None, ...]] = (None, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
LEAST_HALF: Final = 20
"""Questions that each half needs; with fewer, chance explains nearly everything."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """``best`` is the share that won on the ``tried_on`` questions, ``current`` the one in force, ``held_back`` what became
    of the first against the second on the others."""

    current: float | None
    best: float | None
    tried_on: int
    tried: dict[str, float]
    """Mean nDCG by share, "measured" for None."""
    held_back: Comparison

    @property
    def is_better(self) -> bool:
        """Whether the winner may be taken."""
        return self.best != self.current and self.held_back.is_better


def tune(
    judged: Sequence[JudgedQuery],
    orders: Iterable[Order],
    current: float | None,
    k: int = 10,
    progress: Callable[[int], None] = silent,
) -> Tuned:
    """Try all ``SHARES`` and the one in force on each question. Raises ``InputError`` when there are too few questions."""
    shares = list(dict.fromkeys((current, *SHARES)))  # of equal ones the first wins: what is in force stays
    gains: dict[float | None, list[float]] = {share: [] for share in shares}
    proof: dict[float | None, list[float]] = {share: [] for share in shares}
    for done, (query, order) in enumerate(zip(judged, orders, strict=True), start=1):
        half = gains if is_for_trying(query) else proof
        for share in shares:
            half[share].append(figures(order(share), query.relevant, k).ndcg)
        progress(done)
    if min(len(gains[current]), len(proof[current])) < LEAST_HALF:
        raise InputError(
            "there are too few judged questions to tune by.",
            f"{len(judged)} are judged; each of two halves needs {LEAST_HALF}.",
            "Judge more questions; nothing was changed.",
        )
    means = {share: sum(values) / len(values) for share, values in gains.items()}
    best = max(shares, key=lambda share: round(means[share], 9))
    return Tuned(
        current,
        best,
        len(gains[current]),
        {share_name(share): mean for share, mean in means.items()},
        compare(proof[best], proof[current]),
    )


def is_for_trying(query: JudgedQuery) -> bool:
    """Which half a question is in: by a hash of its text, so it is the same in every run, and the same question asked
    twice is in one half only."""
    return hashlib.blake2b(" ".join(query.text.split()).lower().encode(), digest_size=1).digest()[0] % 2 == 0


def share_name(share: float | None) -> str:
    """A share in words."""
    return "measured" if share is None else f"{share:g}"
