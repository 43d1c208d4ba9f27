"""Failures on purpose: which requests of an account fail, and how.

Belongs here: drawing the next fault, reproducibly. Does not belong here: doing it to a connection (``freshdesk``).
"""

import random
from dataclasses import dataclass, field
from typing import Literal, get_args

#: ``reset`` drops the connection unanswered, ``cut`` stops half way through the body, ``html`` is a proxy's page
#: with status 200, ``429`` comes without reason, ``slow`` answers late.
Fault = Literal["500", "503", "reset", "cut", "html", "429", "slow"]
KINDS: tuple[Fault, ...] = get_args(Fault)


@dataclass(slots=True)
class Faults:
    """A share ``rate`` of the requests gets one of ``kinds``; the same seed gives the same sequence.

    ``limit`` ends it after so many faults; ``slow_ms`` is how late ``slow`` is.
    """

    rate: float = 0.0
    kinds: tuple[Fault, ...] = KINDS
    seed: int = 1
    limit: int | None = None
    slow_ms: int = 500
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds must be some of {', '.join(KINDS)}, not {', '.join(self.kinds) or 'none'}")
        self._random = random.Random(self.seed)

    def draw(self) -> Fault | None:
        if not self.rate or self.limit == 0 or self._random.random() >= self.rate:
            return None
        if self.limit is not None:
            self.limit -= 1
        return self._random.choice(self.kinds)
