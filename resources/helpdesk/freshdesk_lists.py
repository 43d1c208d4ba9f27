"""Freshdesk's lists of tickets, read so that none is missed.

Belongs here: the order in which lists are asked for, and why nothing slips through. Does not belong here: which of the
listed tickets are fetched, or anything else of the API (``freshdesk``).

Pages by number lose tickets: whatever is edited or deleted meanwhile shifts the rest. So only the first page is ever
read, from ``updated_since`` = the last row seen, in order of ``updated_at``: what changes moves to the end, where the walk
is still to come. A whole page that shares one second (a *tie*) is the exception: it is paged, and swept again until two
sweeps agree, which proves that nothing had shifted in the first.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from domain.errors import SourceUnavailable
from resources.helpdesk.base import Json
from resources.http import Answer, Http, HttpRefused
from resources.rate_budget import Pace

PER_PAGE = 100
#: A list's includes; each costs two credits more. Without ``description`` newer accounts give no text.
INCLUDES = "description,requester,stats"
LIST_COST = 7
#: Lists of tickets a minute, by what the account may send in all; no header tells.
LISTS_A_MINUTE = {200: 20, 400: 100, 700: 200}
#: A list may show a ticket a little after its time, so a walk that reached the present begins this much earlier next time.
LAG = timedelta(minutes=1)

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")

Row = Json
Place = Literal["live", "deleted", "spam"]


@dataclass(frozen=True, slots=True)
class Rows:
    """What one list answer brought that no earlier one did. ``since`` is where the walk stands behind them; ``is_last``: the
    list ends here. ``odd`` are ids of rows that tell no time of change."""

    rows: list[Row]
    since: str
    is_last: bool = False
    odd: Sequence[str] = ()


class TicketLists:
    """The lists of one account. ``http`` is its API; without ``include`` a list is a cheap look. What could not be read whole
    is told in ``notes``."""

    def __init__(self, http: Http, include: str = INCLUDES, notes: list[str] | None = None) -> None:
        self._http, self._include = http, include
        self._notes = [] if notes is None else notes
        self._pace: Pace | None = None

    def walk(
        self, place: Place, since: str, is_news: Callable[[list[Row]], bool], stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Rows]:
        """All tickets of a place changed since then (inclusive), each change once. ``is_news`` tells whether any of some
        rows is other than what is stored; ``stop`` is asked before each list."""
        shown: dict[str, str] = {}
        newest = since
        while not stop():
            answer = self.list(since, place=place)
            rows, odd = _sorted_out(answer.value)
            fresh = [row for row in rows if shown.get(str(row["id"])) != row["updated_at"]]
            last = rows[-1]["updated_at"] if rows else since
            if any(not since <= row["updated_at"] <= last for row in rows):
                raise SourceUnavailable("Freshdesk fails.", f"Its list of {place} tickets is not in order of time.")
            newest = last if rows else newest
            if not answer.more:
                yield Rows(fresh, _next_start(newest, answer.date), True, odd)
                return
            if last > since:
                yield Rows(fresh, last, False, odd)
                shown = {str(row["id"]): last for row in rows if row["updated_at"] == last}
                since = last
            else:
                yield from self._tie(place, since, is_news, set(shown))
                since = moved_by(since, timedelta(seconds=1))

    def _tie(self, place: Place, moment: str, is_news: Callable[[list[Row]], bool], shown: set[str]) -> Iterator[Rows]:
        """The tickets of one second that fill a page or more. Later ones that these pages also show are left to the walk.

        Whatever leaves the second while it is paged lets others slip to a page already read. It was then seen by this
        sweep and is missing from the next: two sweeps that see the same tickets prove the first one whole. A sweep that
        sees only what was stored before this walk needs no proof.
        """
        before: set[str] | None = None
        news = bool(shown)
        while True:
            seen: set[str] = set()
            for rows in self._sweep(place, moment):
                seen.update(str(row["id"]) for row in rows)
                fresh = [row for row in rows if str(row["id"]) not in shown]
                shown.update(seen)
                news = news or is_news(fresh)
                yield Rows(fresh, moment)
            if seen == before or not news:
                return
            before = seen

    def _sweep(self, place: Place, moment: str) -> Iterator[list[Row]]:
        """The tickets changed in this second, page by page, to the end or to the last page that Freshdesk gives (300).

        Where that leaves some out, the same list is read in other orders, from both ends: where the ends meet, all of
        it was shown.
        """
        total = 0
        for axis in ("updated_at", "created_at", "due_by"):
            forward: set[int] = set()
            for direction in ("asc", "desc"):
                for answer in self._numbered_pages(place, moment, (axis, direction)):
                    rows, _ = _sorted_out(answer.value)
                    tied = [row for row in rows if row["updated_at"] == moment]
                    total += len(tied)
                    yield tied
                    ids = {row["id"] for row in rows}
                    is_past = (axis, direction) == ("updated_at", "asc") and len(tied) < len(rows)
                    if is_past or not answer.more or (direction == "desc" and not forward.isdisjoint(ids)):
                        return
                    if direction == "asc":
                        forward |= ids
        self._notes.append(
            f"Freshdesk lists too few of the tickets changed at {moment}: {total} rows of them were read"
        )

    def _numbered_pages(self, place: Place, since: str, order: tuple[str, str]) -> Iterator[Answer]:
        page, more = 1, True
        while more:
            try:
                answer = self.list(since, page, order, place=place)
            except HttpRefused as refused:
                if refused.status == 400 and page > 1:
                    return
                raise
            yield answer
            page, more = page + 1, answer.more

    def list(
        self,
        since: str,
        page: int = 1,
        order: tuple[str, str] = ("updated_at", "asc"),
        *,
        place: Place = "live",
        per_page: int = PER_PAGE,
    ) -> Answer:
        """One page of a list of tickets; ``more`` says that another may follow."""
        params: dict[str, str | int] = {"updated_since": since, "order_by": order[0], "order_type": order[1]}
        params |= {"per_page": per_page, "page": page}
        if place != "live":
            params["filter"] = place
        elif self._include:
            params["include"] = self._include
        self._wait_for_turn()
        answer = self._http.get("/tickets", params, shape=list, cost=LIST_COST if "include" in params else 1)
        rows = [row for row in answer.value if isinstance(row, dict) and type(row.get("id")) is int]
        if len(rows) < len(answer.value):
            if not rows:
                raise SourceUnavailable("Freshdesk fails.", "Its list holds no ticket with a number.")
            self._notes.append("Freshdesk lists a ticket without a number, which nobody can ask for")
        return Answer(rows, answer.more or len(answer.value) >= per_page, answer.headers)

    def _wait_for_turn(self) -> None:
        budget = self._http.budget
        if self._pace is None and (most := LISTS_A_MINUTE.get(int(budget.total or 0))):
            self._pace = Pace(max(1, int(most * budget.share)), budget.window)
        if self._pace:
            self._pace.take(self._http.sleep)


def _next_start(newest: str, server_now: float) -> str:
    """Where the next walk begins: at the newest ticket seen, or ``LAG`` before the present. A time of change that lies in
    the future, by a clock that was wrong, must not hide what changes until then."""
    present = moved_by(datetime.fromtimestamp(server_now, UTC).isoformat(), -LAG)
    return min(newest, present)


def moved_by(moment: str, by: timedelta) -> str:
    """A time (ISO 8601 UTC) so much later."""
    return (datetime.fromisoformat(moment) + by).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sorted_out(listed: list[Row]) -> tuple[list[Row], list[str]]:
    """The rows that say when they changed, and the ids of those that do not: they are fetched again by themselves."""
    rows = [row for row in listed if is_moment(row.get("updated_at"))]
    odd = [str(row["id"]) for row in listed if row not in rows] if len(rows) < len(listed) else []
    if odd and not rows:
        raise SourceUnavailable("Freshdesk fails.", "Its list holds no ticket with a time of change.")
    return rows, odd


def is_moment(value: Any) -> bool:
    """Whether a value is a time as Freshdesk writes it."""
    if not isinstance(value, str) or not _MOMENT.fullmatch(value):
        return False
    try:
        return bool(datetime.fromisoformat(value))
    except ValueError:  # the 30th of February
        return False
