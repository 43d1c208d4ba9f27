"""Failures on purpose: which requests of an account fail, and how.

Belongs here: the kinds there are, and drawing the next one, reproducibly. Does not belong here: doing it to an answer
(``spoil``) or to a connection (``answers``).
"""

import random
import re
from dataclasses import dataclass, field
from typing import Literal, get_args

#: What ``kinds`` is without being told. ``reset`` drops the connection unanswered, ``cut`` stops half way through the
#: body, ``html`` is a proxy's page with status 200, ``429`` comes without reason, ``slow`` answers late.
Usual = Literal["500", "503", "reset", "cut", "html", "429", "slow"]
#: Instead of an answer: ``timeout`` never answers, ``storm`` is several 429s in a row, ``empty`` is a 200 without a body,
#: ``204`` has no content, ``redirect`` leads to a login page.
Instead = Literal["502", "timeout", "storm", "empty", "204", "redirect"]
#: Done to the right answer: ``json`` breaks it, ``mislabelled`` calls it HTML, ``duplicates`` repeats rows of the page
#: before, ``bytes`` is not UTF-8, ``big`` has a picture of 1 MB in its text, ``null`` and ``absent`` take values and fields
#: away, ``old`` has the fields of an old account.
Spoiled = Literal["json", "mislabelled", "duplicates", "bytes", "big", "null", "absent", "old"]
Fault = Usual | Instead | Spoiled
USUAL: tuple[Fault, ...] = get_args(Usual)
SPOILED: tuple[Fault, ...] = get_args(Spoiled)
KINDS: tuple[Fault, ...] = (*USUAL, *get_args(Instead), *SPOILED)

_ID = re.compile(r"\b(?:tickets|archived|articles)/(\d+)")


@dataclass(slots=True)
class Faults:
    """A share ``rate`` of the requests gets one of ``kinds``; the same seed gives the same sequence.

    ``limit`` ends it after so many faults (a storm is one). ``ids`` restricts it to the addresses of those tickets or
    articles, ``on`` to those families of addresses (``account.family``). ``slow_ms`` is how late ``slow`` is, ``storm``
    how many 429s come in a row, ``retry_after`` what they say, in seconds, ``hang_seconds`` when ``timeout`` gives up.
    """

    rate: float = 0.0
    kinds: tuple[Fault, ...] = USUAL
    seed: int = 1
    limit: int | None = None
    slow_ms: int = 500
    ids: frozenset[int] | None = None
    on: frozenset[str] | None = None
    storm: int = 5
    retry_after: int = 1
    hang_seconds: float = 600.0
    #: The last rows that ``duplicates`` gave: they come again on the next page.
    rows: list[object] = field(default_factory=list[object])
    _left: int = 0
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")
        if not self.kinds or not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds must be some of {', '.join(KINDS)}, not {', '.join(self.kinds) or 'none'}")
        self._random = random.Random(self.seed)

    def draw(self, path: str = "", family: str = "") -> Fault | None:
        """The fault of the next request, which goes to this address."""
        if self._left:
            self._left -= 1
            return "storm"
        if not self.rate or self.limit == 0 or not self._meets(path, family) or self._random.random() >= self.rate:
            return None
        if self.limit is not None:
            self.limit -= 1
        drawn = self._random.choice(self.kinds)
        if drawn == "storm":
            self._left = self.storm - 1
        return drawn

    def _meets(self, path: str, family: str) -> bool:
        if self.on is not None and family not in self.on:
            return False
        if self.ids is None:
            return True
        named = _ID.search(path)
        return bool(named) and int(named[1]) in self.ids
