"""Freshdesk, API v2: a walk over all tickets that loses none, and their threads.

Belongs here: Freshdesk's addresses and parameters, and the order in which they are asked.
Does not belong here: what the fields mean (``freshdesk_ticket``), sending and retrying (``resources/http``), pacing
(``resources/rate_budget``), what is made of a ticket.

**The walk.** Pages by number lose tickets: whatever is edited or deleted meanwhile shifts the rest. So only the first
page is ever read, from ``updated_since`` = the last row seen, in order of ``updated_at``: what changes moves to the
end, where the walk is still to come. A whole page that shares one second (a *tie*) is the exception: it is paged, and
swept again until two sweeps agree, which proves that nothing had shifted in the first.
Deleted and spam tickets are in no list but their own; those are walked the same way, after the live one. Whether a
deletion moves ``updated_at`` is not documented, so what lies there is read again from its beginning, in turns.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Literal
from urllib.parse import urlsplit

from domain.errors import DocumentError, SourceUnavailable
from domain.fingerprint import clean
from domain.ticket import Ticket
from resources.helpdesk.base import Account, Document, Estimate, Json, Known, Page
from resources.helpdesk.fetching import Gone, Listed, Outcome, Step, fetched, settled
from resources.helpdesk.freshdesk_ticket import STATUSES, Reader, known_shape
from resources.http import Answer, BadAnswer, Http, HttpRefused, basic
from resources.rate_budget import RateBudget

log = logging.getLogger(__name__)

VERSION = "freshdesk-1"
PER_PAGE = 100
#: Conversations that a ticket's own view brings along.
VIEWED = 10
#: A list's includes; each costs two credits more. Without ``description`` newer accounts give no text.
INCLUDES = "description,requester,stats"
LIST_COST, VIEW_COST = 7, 2
EPOCH = "1970-01-01T00:00:00Z"
#: A list may show a ticket a little after its time, so a walk that reached the present begins this much earlier next time.
LAG = timedelta(minutes=1)
#: Pages of deleted (spam) tickets read again each time; Freshdesk empties both after 30 days, so most accounts have fewer.
TRASH_PAGES = 10

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")

Row = Json
Place = Literal["live", "deleted", "spam"]
Trash = Literal["deleted", "spam"]
TRASH: tuple[Trash, ...] = ("deleted", "spam")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What one list answer brought. ``since`` is where the walk stands once the ``steps`` are done; ``news`` tells whether
    any of them differs from what is stored; ``is_last``: the list ends here. ``stands`` go into the cursor."""

    steps: list[Step]
    since: str
    news: bool
    is_last: bool
    stands: dict[str, str] = field(default_factory=dict[str, str])


def _authorization(key: str) -> str:
    return basic(key.strip(), "X")


class Freshdesk:
    """One Freshdesk account. ``url`` is ``https://ACCOUNT.freshdesk.com``.

    ``conversations``: whose threads are fetched, of ``all`` tickets or of the ``resolved`` ones (by ``is_resolved``,
    which is given the status in words). ``attachments``: metadata of all files (``full``: 2 credits a ticket), of those
    in the thread (``threads``: 1), or ``none`` (1). ``since`` (YYYY-MM-DD): tickets untouched since are left out.
    ``rate_share`` is the part of the account's request limit that may be used. ``statuses`` and ``products`` name an
    account's own numbers. ``renewed_key`` is asked for the key as it is now when ``key`` was refused in mid-walk.
    """

    platform = "freshdesk"
    version = VERSION
    absent_is_gone = False  # archived tickets are in no list

    def __init__(
        self,
        url: str,
        key: str,
        *,
        renewed_key: Callable[[], str] | None = None,
        conversations: Literal["all", "resolved"] = "all",
        attachments: Literal["full", "threads", "none"] = "full",
        since: str = "",
        rate_share: float = 0.8,
        is_resolved: Callable[[str], bool] = lambda status: status in ("resolved", "closed"),
        statuses: Mapping[int, str] | None = None,
        products: Mapping[int, str] | None = None,
        workers: int = 8,
    ) -> None:
        self.url = url.rstrip("/")
        self.attachments = attachments
        self.requests = 0
        self.notes: list[str] = []
        self._counting = threading.Lock()
        self._reader = Reader(self.url, STATUSES | dict(statuses or {}), dict(products or {}))
        self._since = f"{since}T00:00:00Z" if since else EPOCH
        self._workers = workers
        self._http = Http(
            f"{self.url}/api/v2",
            _authorization(key),
            renew=renewed_key and (lambda: _authorization(renewed_key())),
            name="Freshdesk",
            budget=RateBudget(rate_share),
            on_send=self._count,
            connections=workers,
        )
        self._wanted: list[int] | None = None
        if conversations == "resolved":
            self._wanted = [number for number, word in sorted(self._reader.statuses.items()) if is_resolved(word)]
        options = {"conversations": self._wanted or conversations, "attachments": attachments, "since": since or "ever"}
        self.made_by = " ".join([VERSION, *(f"{name}={value}" for name, value in options.items())])

    # -- what an account is, and what it costs ---------------------------------------------------------------------

    def check(self) -> Account:
        """Two requests: whose key it is, and the newest ticket. Raises ``SourceRefused`` or ``SourceUnavailable``."""
        try:
            self._http.get("/agents/me", longest_wait=90)
            newest = self._list(EPOCH, order=("created_at", "desc"), include="", per_page=1).value
        except (HttpRefused, BadAnswer) as failure:
            if not failure.foreign:
                raise
            raise HttpRefused(
                404,
                "There is no Freshdesk at this address.",
                f"{self.url} answers, but not as Freshdesk's API.",
                "The address is https://ACCOUNT.freshdesk.com.",
            ) from failure
        host = urlsplit(self.url)
        notes = tuple(f"the newest ticket is number {row['id']}" for row in newest)
        return Account(f"{host.netloc}{host.path}", self._http.budget.total, notes=notes)

    def plan(self, account: Account) -> Estimate:
        """For 1,000 tickets: the API does not tell how many there are. Threads over 100 messages cost a little more."""
        each, what = (VIEW_COST, "view with its thread") if self.attachments == "full" else (1, "thread")
        lists = 1000 // PER_PAGE
        cost = lists * LIST_COST + 1000 * each
        usable = (account.per_minute or 0.0) * self._http.budget.share
        basis = f"per 1,000 tickets: {lists} lists of {LIST_COST} credits, a {what} of {each} for each ticket"
        if self._wanted is not None:
            basis += "; at most, for only the resolved ones' are fetched"
        return Estimate(lists + 1000, cost, cost / usable if usable else 0.0, exact=False, basis=basis)

    # -- the walk --------------------------------------------------------------------------------------------------

    def pages(self, cursor: Json | None, known: Known) -> Iterator[Page]:
        """Live tickets by time of change, then the deleted ones, then spam. The cursor says where each list stands."""
        start: dict[str, str] = dict(cursor or {})
        lists = chain(self._live(start, known), *(self._trash(place, start, known) for place in TRASH))
        listed = (Listed(one.steps, one.stands) for one in lists)
        stands = yield from fetched(listed, self._fetch, cursor, workers=self._workers, wake=self._http.wake)
        if cursor is None:
            yield Page((), (), stands, walked_all=True)

    def _live(self, start: Mapping[str, str], known: Known) -> Iterator[_Listed]:
        for listed in self._walk("live", start.get("live", self._since), known):
            yield replace(listed, stands={"live": listed.since})

    def _trash(self, place: Trash, start: Mapping[str, str], known: Known) -> Iterator[_Listed]:
        """Some pages again, from where the last night stopped; and where those do not reach the end, what is new there."""
        again = f"{place} again"
        since = begun = start.get(again, self._since)
        for number, listed in enumerate(self._walk(place, begun, known), 1):
            since = listed.since
            if listed.is_last:
                yield replace(listed, stands={again: self._since, place: since})
                return
            yield replace(listed, stands={again: since})
            if number >= TRASH_PAGES and since > begun:
                break
        for listed in self._walk(place, max(since, start.get(place, self._since)), known):
            yield replace(listed, stands={place: listed.since})

    def _walk(self, place: Place, since: str, known: Known) -> Iterator[_Listed]:
        """All tickets of a place changed since then (inclusive), each change once."""
        shown: dict[str, str] = {}
        newest = since
        while True:
            answer = self._list(since, place=place)
            rows: list[Row] = answer.value
            fresh = [row for row in rows if shown.get(str(row["id"])) != row["updated_at"]]
            last = rows[-1]["updated_at"] if rows else since
            if any(not since <= row["updated_at"] <= last for row in rows):
                raise SourceUnavailable("Freshdesk fails.", f"Its list of {place} tickets is not in order of time.")
            newest = last if rows else newest
            if not answer.more:
                yield _listed(place, fresh, _next_start(newest, answer.date), known, is_last=True)
                return
            if last > since:
                yield _listed(place, fresh, last, known)
                shown = {str(row["id"]): last for row in rows if row["updated_at"] == last}
                since = last
            else:
                yield from self._tie(place, since, known, set(shown))
                since = _moved(since, timedelta(seconds=1))

    def _tie(self, place: Place, moment: str, known: Known, shown: set[str]) -> Iterator[_Listed]:
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
                listed = _listed(place, [row for row in rows if str(row["id"]) not in shown], moment, known)
                shown.update(seen)
                news = news or listed.news
                yield listed
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
                    rows: list[Row] = answer.value
                    tied = [row for row in rows if row["updated_at"] == moment]
                    total += len(tied)
                    yield tied
                    ids = {row["id"] for row in rows}
                    is_past = (axis, direction) == ("updated_at", "asc") and len(tied) < len(rows)
                    if is_past or not answer.more or (direction == "desc" and not forward.isdisjoint(ids)):
                        return
                    if direction == "asc":
                        forward |= ids
        log.warning("Freshdesk lists too few of the tickets changed at %s; %d rows of them were read", moment, total)

    def _numbered_pages(self, place: Place, since: str, order: tuple[str, str]) -> Iterator[Answer]:
        page, more = 1, True
        while more:
            try:
                answer = self._list(since, page, order, place=place)
            except HttpRefused as refused:
                if refused.status == 400 and page > 1:
                    return
                raise
            yield answer
            page, more = page + 1, answer.more

    def _list(
        self,
        since: str,
        page: int = 1,
        order: tuple[str, str] = ("updated_at", "asc"),
        *,
        place: Place = "live",
        include: str = INCLUDES,
        per_page: int = 0,
    ) -> Answer:
        """One page of a list of tickets; ``more`` says that another may follow."""
        per_page = per_page or PER_PAGE
        params: dict[str, str | int] = {"updated_since": since, "order_by": order[0], "order_type": order[1]}
        params |= {"per_page": per_page, "page": page}
        if place != "live":
            params["filter"] = place
        elif include:
            params["include"] = include
        answer = self._http.get("/tickets", params, shape=list, cost=LIST_COST if "include" in params else 1)
        if not all(_is_row(row) for row in answer.value):
            raise SourceUnavailable("Freshdesk fails.", "Its list holds a ticket without number or time of change.")
        return Answer(answer.value, answer.more or len(answer.value) >= per_page, answer.headers)

    # -- one ticket ------------------------------------------------------------------------------------------------

    def one(self, doc_id: str) -> Document | None:
        """View a ticket again, wherever it is kept. Raises ``DocumentError`` when it cannot be read."""
        try:
            ticket = self._view(doc_id) if doc_id.isdecimal() else None
            if ticket is None or _is_removed(ticket):
                return None
            return self._document(ticket, ticket["updated_at"], self._thread(ticket))
        except HttpRefused as refused:
            if refused.status == 401:
                raise
            raise DocumentError(refused.title, refused.detail) from refused
        except BadAnswer as bad:
            raise DocumentError(bad.title, bad.detail) from bad

    def neutral(self, payload: Json) -> Ticket:
        """Raises ``DocumentError`` for a payload that is no ticket."""
        return self._reader.ticket(payload)

    def _fetch(self, row: Row) -> Outcome:
        """The document of a listed ticket. A refusal is a deletion only when Freshdesk knows it neither here nor archived."""
        return settled(str(row["id"]), lambda: self._fetched(row), self.one)

    def _fetched(self, row: Row) -> Document | Gone:
        ticket = row
        if self.attachments == "full" and self._wants_thread(row):
            ticket = row | self._http.get(f"/tickets/{row['id']}", {"include": "conversations"}, cost=VIEW_COST).value
        if _is_removed(ticket):
            return Gone()
        # The version is the list's, even where the view was newer: the walk then comes by once more.
        return self._document(ticket, row["updated_at"], self._thread(ticket))

    def _view(self, doc_id: str) -> Json | None:
        """A ticket, live or archived, with what a list has of it; None when Freshdesk knows it in neither place."""
        for address, mark in (f"/tickets/{doc_id}", {}), (f"/tickets/archived/{doc_id}", {"archived": True}):
            try:
                return self._http.get(address, {"include": "requester,stats"}, cost=3).value | mark
            except HttpRefused as refused:
                if refused.status != 404:
                    raise
        return None

    def _wants_thread(self, ticket: Json) -> bool:
        return self._wanted is None or ticket.get("status") in self._wanted

    def _thread(self, ticket: Json) -> list[Json]:
        """A ticket's conversations: those that its view brought, if that can be all of them, else page by page."""
        if not self._wants_thread(ticket):
            return []
        viewed = ticket.get("conversations")
        if isinstance(viewed, list) and len(viewed) < VIEWED:
            return viewed
        address = f"/tickets/{'archived/' if ticket.get('archived') else ''}{ticket['id']}/conversations"
        thread: list[Json] = []
        page, more = 1, True
        while more:
            answer = self._http.get(address, {"per_page": PER_PAGE, "page": page}, shape=list)
            thread += answer.value
            page, more = page + 1, answer.more or len(answer.value) >= PER_PAGE
        return thread

    def _document(self, ticket: Json, version: str, thread: list[Json]) -> Document:
        with known_shape():
            messages = sorted(thread, key=lambda one: (one.get("created_at") or "", one["id"]))
            payload, replaced = clean(ticket | {"conversations": messages})
            for record in (payload, *payload["conversations"]):
                _drop_signed(record)
                if self.attachments == "none":
                    record.pop("attachments", None)
            if self.attachments == "threads":
                payload.pop("attachments", None)
            return Document(str(ticket["id"]), payload, self.neutral(payload).content_hash(), version, replaced)

    def _count(self) -> None:
        with self._counting:
            self.requests += 1


def _listed(place: Place, rows: list[Row], since: str, known: Known, *, is_last: bool = False) -> _Listed:
    ids = [str(row["id"]) for row in rows]
    stored = known(ids)
    if place != "live":
        return _Listed([(doc_id, Gone()) for doc_id in ids], since, bool(stored), is_last)
    steps: list[Step] = [
        (doc_id, None if stored.get(doc_id) == row["updated_at"] else row)
        for doc_id, row in zip(ids, rows, strict=True)
    ]
    return _Listed(steps, since, any(row for _, row in steps), is_last)


def _next_start(newest: str, server_now: float) -> str:
    """Where the next walk begins: at the newest ticket seen, or ``LAG`` before it while that is still the present."""
    is_past = datetime.fromisoformat(newest).timestamp() < server_now - LAG.total_seconds()
    return newest if is_past else _moved(newest, -LAG)


def _moved(moment: str, by: timedelta) -> str:
    return (datetime.fromisoformat(moment) + by).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_row(row: Any) -> bool:
    if not isinstance(row, dict) or not isinstance(row.get("id"), int):
        return False
    return isinstance(row.get("updated_at"), str) and bool(_MOMENT.fullmatch(row["updated_at"]))


def _is_removed(ticket: Json) -> bool:
    return bool(ticket.get("deleted") or ticket.get("spam"))


def _drop_signed(record: Json) -> None:
    """Addresses of files are signed for five minutes: of no use later, and new with every answer."""
    for file in record.get("attachments") or ():
        file.pop("attachment_url", None)
        file.pop("thumb_url", None)
