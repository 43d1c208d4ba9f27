"""Freshdesk, API v2: its tickets with their threads and files, and what else an account has.

Belongs here: Freshdesk's addresses and parameters, and the order in which they are asked.
Does not belong here: lists without gaps (``freshdesk_lists``), what the fields mean (``freshdesk_ticket``), the names of
an account's numbers (``freshdesk_names``), articles (``freshdesk_articles``), ratings (``freshdesk_ratings``), sending and
retrying (``resources/http``), pacing (``resources/rate_budget``), what is made of a ticket.

**The walk.** Live tickets by time of change. Deleted and spam tickets are in no list but their own; those are walked the
same way, after the live one. Whether a deletion moves ``updated_at`` is not documented, so what lies there is read again
from its beginning, in turns. Archived tickets are in no list at all, and tickets deleted for good leave no trace: the
audit finds both.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal
from urllib.parse import urlsplit

from domain.fingerprint import clean, fingerprint
from domain.ticket import Ticket
from resources.helpdesk.base import (
    ARCHIVED,
    Account,
    Document,
    Estimate,
    Json,
    Page,
    Rating,
    Ratings,
    Slice,
    Span,
    Stored,
    Unreadable,
    Whereabouts,
    known_shape,
)
from resources.helpdesk.fetching import Gone, Listed, Moved, Outcome, Step, asked_for_alone, fetched, moved, settled
from resources.helpdesk.files import File, Files
from resources.helpdesk.freshdesk_articles import FreshdeskArticles
from resources.helpdesk.freshdesk_lists import LIST_COST, PER_PAGE, Row, TicketLists
from resources.helpdesk.freshdesk_names import Names
from resources.helpdesk.freshdesk_ratings import ratings, ratings_of
from resources.helpdesk.freshdesk_ticket import STATUSES, Reader, drop_signed, file_size
from resources.http import BadAnswer, Http, HttpRefused, basic
from resources.rate_budget import RateBudget

VERSION = "freshdesk-2"
#: Conversations that a ticket's own view brings along.
VIEWED = 10
VIEW_COST = 2
#: Requests of a first walk that are for no list and no ticket.
BESIDE = 8
#: What a sync can do without, where the key may not read it or the plan does not have it.
OPTIONAL = {
    "/ticket_fields": "names of statuses and fields",
    "/products": "names of products",
    "/groups": "names of groups",
    "/agents": "names of agents",
    "/surveys/satisfaction_ratings": "satisfaction ratings",
    "/solutions/categories": "Solutions",
}
EPOCH = "1970-01-01T00:00:00Z"
#: Pages of deleted (spam) tickets read again each time; Freshdesk empties both after 30 days, so most accounts have fewer.
TRASH_PAGES = 10
#: What a version is below that of every archived ticket, and above every time.
_END = "9"

Trash = Literal["deleted", "spam"]
TRASH: tuple[Trash, ...] = ("deleted", "spam")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What one list answer leads to. ``since`` is where the walk stands once the ``steps`` are done; ``is_last``: the list
    ends here. ``stands`` go into the cursor."""

    steps: list[Step]
    since: str
    is_last: bool
    stands: dict[str, str] = field(default_factory=dict[str, str])


def _authorization(key: str) -> str:
    return basic(key.strip(), "X")


class Freshdesk:
    """One Freshdesk account. ``url`` is ``https://ACCOUNT.freshdesk.com``.

    ``conversations``: whose threads are fetched, of ``all`` tickets or of the ``resolved`` ones, whose status is one of
    ``resolved_statuses`` (in lower case). ``attachments``: metadata of all files (``full``: 2 credits a ticket), of those
    in the thread (``threads``: 1), or ``none`` (1); ``file_texts``: whether files are also read. ``since`` (YYYY-MM-DD):
    tickets untouched since are left out. ``rate_share`` is the part of the account's request limit that may be used.
    ``renewed_key`` is asked for the key as it is now when ``key`` was refused in mid-walk.
    """

    platform = "freshdesk"
    absent_is_gone = False  # archived tickets are in no list

    def __init__(
        self,
        url: str,
        key: str,
        *,
        renewed_key: Callable[[], str] | None = None,
        conversations: Literal["all", "resolved"] = "all",
        attachments: Literal["full", "threads", "none"] = "full",
        file_texts: bool = True,
        since: str = "",
        rate_share: float = 0.8,
        resolved_statuses: Sequence[str] = ("resolved", "closed"),
        workers: int = 8,
    ) -> None:
        self.url = url.rstrip("/")
        self.attachments = attachments
        self.requests = 0
        self._counting = threading.Lock()
        self._reader = Reader(self.url)
        self._files = Files(self.url) if file_texts and attachments != "none" else None
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
        self._names = Names(self._http)
        self._refused: list[str] = []
        self._lists = TicketLists(self._http, notes=self._refused)
        self._resolved = frozenset(resolved_statuses) if conversations == "resolved" else None
        self.articles = FreshdeskArticles(self._http, self.url, lambda: self.requests)
        self._options = {"attachments": attachments, "since": since or "ever"}
        self._options |= {"files": "1"} if self._files else {}

    @property
    def made_by(self) -> str:
        """Where only some threads are wanted, the numbers of their statuses are an option: a status that is named anew may
        be one of them."""
        wanted = "all"
        if self._resolved is not None:
            numbers = {*STATUSES, *(int(number) for number in self.names.get("statuses", ()) if number.isdecimal())}
            wanted = fingerprint([sorted(self._resolved), sorted(filter(self._is_wanted, numbers))])[:12]
        options = {"conversations": wanted, **self._options}
        return " ".join([VERSION, *(f"{name}={value}" for name, value in options.items())])

    @property
    def version(self) -> str:
        """Of the neutral form, which the account's names are part of."""
        return f"{VERSION} {self._reader.version()}".rstrip()

    @property
    def names(self) -> Json:
        return self._names.known

    @names.setter
    def names(self, known: Json) -> None:
        self._names.known = self._reader.names = known

    @property
    def notes(self) -> list[str]:
        return [*self._names.known.get("notes", ()), *self._refused]

    def close(self) -> None:
        if self._files:
            self._files.close()

    # -- what an account is, and what it costs ---------------------------------------------------------------------

    def check(self) -> Account:
        """Whose key it is, the newest ticket, and what else the key may read. Raises ``SourceRefused`` or
        ``SourceUnavailable``."""
        try:
            self._http.get("/agents/me", longest_wait=90)
            tickets = self.size()
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
        notes = [f"the newest ticket is number {tickets}: there are so many at most"] if tickets else []
        notes += filter(None, (self._missing(address, what) for address, what in OPTIONAL.items()))
        return Account(f"{host.netloc}{host.path}", self._http.budget.total, tickets, tuple(notes))

    def _missing(self, address: str, what: str) -> str:
        """What a sync will do without, in words; "" where it may be read."""
        try:
            self._http.get(address, {"per_page": 1}, shape=list, longest_wait=90)
        except HttpRefused as refused:
            return f"{refused.lacking} {what}; a sync does without"
        except BadAnswer:
            return f"{what} cannot be read just now"
        return ""

    def size(self) -> int | None:
        """The newest ticket's number: they are counted from 1, and some were deleted since."""
        newest = TicketLists(self._http, include="").list(EPOCH, order=("created_at", "desc"), per_page=1).value
        return max((row["id"] for row in newest), default=0)

    def plan(self, account: Account) -> Estimate:
        """At most: the API tells the newest ticket's number, not how many are left. Threads over 100 messages cost a
        little more; files cost nothing."""
        each, what = (VIEW_COST, "view with its thread") if self.attachments == "full" else (1, "thread")
        tickets = account.tickets if account.tickets is not None else 1000
        lists = -(-tickets // PER_PAGE)
        cost = lists * LIST_COST + tickets * each + BESIDE
        usable = (account.per_minute or 0.0) * self._http.budget.share
        basis = f"at most {tickets} tickets: {lists} lists of {LIST_COST} credits, a {what} of {each} for each ticket"
        basis += f", some {BESIDE} for names, deleted tickets and ratings; one a folder of articles and language beside"
        if self._resolved is not None:
            basis += "; only the resolved ones' are fetched"
        if self._since != EPOCH:
            basis += f"; less, for those untouched since {self._since[:10]} are left out"
        return Estimate(lists + tickets + BESIDE, cost, cost / usable if usable else 0.0, exact=False, basis=basis)

    # -- the walk --------------------------------------------------------------------------------------------------

    def start(self, since: str) -> Json:
        return {"live": since}

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """Live tickets by time of change, then the deleted ones, then spam; up to a day, the live ones only. The cursor says
        where each list stands."""
        start: dict[str, str] = dict(cursor or {})
        lists: Iterable[_Listed] = self._live(start, stored, span)
        if not span.until:
            lists = chain(lists, *(self._trash(place, start, stored, span) for place in TRASH))
        listed = (Listed(one.steps, one.stands) for one in lists)
        stands = yield from fetched(listed, self._fetch, cursor, workers=self._workers, wake=self._http.wake)
        if cursor is None and not span.stop():
            yield Page((), (), stands, walked_all=not span.until)

    def _live(self, start: Mapping[str, str], stored: Stored, span: Span) -> Iterator[_Listed]:
        def is_news(rows: list[Row]) -> bool:
            versions = stored.versions([str(row["id"]) for row in rows])
            return any(versions.get(str(row["id"])) != row["updated_at"] for row in rows)

        for listed in self._lists.walk("live", start.get("live", self._since), is_news, span.stop):
            rows = [row for row in listed.rows if not span.until or row["updated_at"] <= span.until]
            steps = moved({str(row["id"]): row for row in rows}, lambda row: row["updated_at"], stored)
            steps += [(doc_id, Unreadable(doc_id, "the list does not say when it changed")) for doc_id in listed.odd]
            yield _Listed(steps, listed.since, listed.is_last, {"live": listed.since})
            if span.until and listed.since > span.until:
                return

    def _trash(self, place: Trash, start: Mapping[str, str], stored: Stored, span: Span) -> Iterator[_Listed]:
        """Some pages again, from where the last night stopped; and where those do not reach the end, what is new there."""
        if span.stop():
            return
        # From the beginning of time: what lies there may be stored from before the setting ``since``.
        again = f"{place} again"
        since = begun = start.get(again, EPOCH)
        for number, listed in enumerate(self._thrown(place, begun, stored), 1):
            since = listed.since
            if listed.is_last:
                yield replace(listed, stands={again: EPOCH, place: since})
                return
            yield replace(listed, stands={again: since})
            if number >= TRASH_PAGES and since > begun:
                break
        for listed in self._thrown(place, max(since, start.get(place, EPOCH)), stored):
            yield replace(listed, stands={place: listed.since})

    def _thrown(self, place: Trash, since: str, stored: Stored) -> Iterator[_Listed]:
        def is_news(rows: list[Row]) -> bool:
            return bool(stored.versions([str(row["id"]) for row in rows]))

        for listed in self._lists.walk(place, since, is_news):
            steps: list[Step] = [(str(row["id"]), Gone()) for row in listed.rows]
            yield _Listed(steps, listed.since, listed.is_last)

    def audit(self, since: str) -> Iterator[Slice]:
        """The live tickets' numbers, 1 credit for 100."""
        low = since
        ids: dict[str, str] = {}
        for listed in TicketLists(self._http, include="").walk("live", low, lambda rows: False):
            ids |= {str(row["id"]): row["updated_at"] for row in listed.rows}
            # Only the seconds before the last one are surely shown whole.
            high = _END if listed.is_last else listed.since
            if high > low:
                yield Slice(low, high, set(ids), listed.is_last)
                ids = {doc_id: moment for doc_id, moment in ids.items() if moment >= high}
                low = high

    def whereabouts(self, doc_id: str) -> Whereabouts:
        """One credit, or two: the ticket itself, else the archive."""
        places: tuple[tuple[str, Whereabouts], ...]
        places = (f"/tickets/{doc_id}", "here"), (f"/tickets/archived/{doc_id}", "archived")
        for address, place in places:
            try:
                ticket = self._http.get(address).value
            except HttpRefused as refused:
                if refused.status == 404:
                    continue
                if refused.status == 401:
                    raise
                return "here"  # it may not be read, but it is there
            except BadAnswer:
                return "here"
            return "gone" if _is_removed(ticket) else place
        return "gone"

    # -- one ticket ------------------------------------------------------------------------------------------------

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """View a ticket again, wherever it is kept. Raises ``DocumentError`` when it cannot be read."""
        with asked_for_alone():
            ticket = self._view(doc_id) if doc_id.isdecimal() else None
            if ticket is None or _is_removed(ticket):
                return None
            version = ARCHIVED if ticket.get(ARCHIVED) else ticket["updated_at"]
            return self._document(ticket, version, self._thread(ticket), kept)

    def neutral(self, payload: Json) -> Ticket:
        """Raises ``DocumentError`` for a payload that is no ticket."""
        return self._reader.ticket(payload)

    def ratings(self, cursor: Json | None) -> Iterable[Ratings]:
        return ratings(self._http, cursor, self._since, self._refused)

    def ratings_of(self, ticket_id: str) -> Sequence[Rating]:
        return ratings_of(self._http, ticket_id)

    def _fetch(self, step: Moved) -> Outcome:
        """The document of a listed ticket. A refusal is a deletion only when Freshdesk knows it neither here nor archived."""
        return settled(str(step.row["id"]), lambda: self._fetched(step.row, step.kept), self.one)

    def _fetched(self, row: Row, kept: Json | None) -> Document | Gone:
        ticket = row
        if self.attachments == "full" and self._wants_thread(row):
            view = self._http.get(f"/tickets/{row['id']}", {"include": "conversations"}, cost=VIEW_COST).value
            if view.get("id", row["id"]) != row["id"]:
                raise BadAnswer("Freshdesk fails.", "It gave another ticket than was asked for.")
            ticket = row | view
        if _is_removed(ticket):
            return Gone()
        # The version is the list's, even where the view was newer: the walk then comes by once more.
        return self._document(ticket, row["updated_at"], self._thread(ticket), kept)

    def _view(self, doc_id: str) -> Json | None:
        """A ticket, live or archived, with what a list has of it; None when Freshdesk knows it in neither place."""
        for address, mark in (f"/tickets/{doc_id}", {}), (f"/tickets/archived/{doc_id}", {ARCHIVED: True}):
            try:
                return self._http.get(address, {"include": "requester,stats"}, cost=3).value | mark
            except HttpRefused as refused:
                if refused.status != 404:
                    raise
        return None

    def _wants_thread(self, ticket: Json) -> bool:
        if self._resolved is None:
            return True
        self._learn(ticket)
        return self._is_wanted(ticket.get("status"))

    def _is_wanted(self, status: Any) -> bool:
        return self._resolved is None or self._reader.status(status) in self._resolved

    def _thread(self, ticket: Json) -> list[Json]:
        """A ticket's conversations: those that its view brought, if that can be all of them, else page by page."""
        if not self._wants_thread(ticket):
            return []
        viewed = ticket.get("conversations")
        if isinstance(viewed, list) and len(viewed) < VIEWED:
            return viewed
        address = f"/tickets/{'archived/' if ticket.get(ARCHIVED) else ''}{ticket['id']}/conversations"
        thread: dict[Any, Json] = {}
        page, more = 1, True
        while more:
            answer = self._http.get(address, {"per_page": PER_PAGE, "page": page}, shape=list)
            with known_shape():
                shown = {one["id"]: one for one in answer.value}
            is_new = not shown.keys() <= thread.keys()  # else the server does not turn pages
            thread |= shown
            page, more = page + 1, is_new and (answer.more or len(answer.value) >= PER_PAGE)
        return list(thread.values())

    def _document(self, ticket: Json, version: str, thread: list[Json], kept: Json | None) -> Document:
        self._learn(ticket)
        with known_shape():
            messages = list({one["id"]: one for one in thread}.values())  # one that moved shows on two pages
            messages.sort(key=lambda one: (one.get("created_at") or "", one["id"]))
            whole = ticket | {"conversations": messages}
            if agent := self.names.get("agents", {}).get(str(ticket.get("responder_id"))):
                whole["responder_name"] = agent
            if self.attachments == "threads":
                whole.pop("attachments", None)
            unread = None
            if self._files and (files := list(_files(whole))):
                whole["files"], unread = self._files.read(files, kept)
            payload, replaced = clean(whole)
            for record in (payload, *payload["conversations"]):
                drop_signed(record)
                if self.attachments == "none":
                    record.pop("attachments", None)
            content_hash = self.neutral(payload).content_hash()
            return Document(str(ticket["id"]), payload, content_hash, version, replaced, unread)

    def _learn(self, ticket: Json) -> None:
        self._names.learn(ticket)
        self._reader.names = self._names.known

    def _count(self) -> None:
        with self._counting:
            self.requests += 1


def _is_removed(ticket: Json) -> bool:
    return bool(ticket.get("deleted") or ticket.get("spam"))


def _files(ticket: Json) -> Iterator[File]:
    """All files of a ticket, while their addresses are fresh."""
    for record in (ticket, *ticket["conversations"]):
        files: list[Any] = record.get("attachments") or []
        for file in files:
            address = file.get("attachment_url") or ""
            yield File(
                str(file["id"]), file.get("name") or "", file.get("content_type") or "", file_size(file), address
            )
