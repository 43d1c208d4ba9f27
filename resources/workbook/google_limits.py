"""How often Google may be asked: one limiter for all companies that share a service account.

Belongs here: the numbers, and who shares a limiter. Does not belong here: waiting after a 429 (``google_client``), which is
how several processes stay below the limit together.
"""

import threading
from dataclasses import dataclass

from resources.rate_budget import Pace, Sleep

EACH, PROJECT = 60, 300
"""Reads, and as many writes, that Sheets lets through in a minute: for each user, and for a project (spec sheets.ko.md: 분당
60회; Google's own "Usage limits")."""


@dataclass(frozen=True, slots=True)
class Limiter:
    """The limits of one kind of request that one service account meets."""

    each: Pace
    project: Pace

    def take(self, sleep: Sleep) -> None:
        """Wait until one more may be sent. What ``sleep`` raises passes."""
        self.each.take(sleep)
        self.project.take(sleep)


_LOCK = threading.Lock()
_PACES: dict[tuple[str, ...], Pace] = {}


def limiter(kind: str, email: str, project: str, where: str) -> Limiter:
    """The process's limiter for "read" or "write" requests of a service account, at one address of Google."""
    with _LOCK:
        each = _PACES.setdefault((kind, where, "account", email), Pace(EACH))
        whole = _PACES.setdefault((kind, where, "project", project), Pace(PROJECT))
    return Limiter(each, whole)
