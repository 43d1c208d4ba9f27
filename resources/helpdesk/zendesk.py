"""Zendesk, API v2: the export of all tickets by cursor, and the comments of those that moved.

Belongs here: Zendesk's addresses and parameters, and the order in which they are asked.
Does not belong here: what the fields mean (``zendesk_ticket``), articles (``zendesk_articles``), sending and retrying
(``resources/http``), pacing (``resources/rate_budget``), what is made of a ticket.

**The walk.** The export shows every ticket at the time it last moved in any way, the deleted ones (with that status) and
the archived ones included, and holds back the last minute, so that its cursor passes nobody by: what changes behind it
moves to the end, where the walk is still to come. The list of tickets would show neither the deleted nor the archived.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from domain.errors import DocumentError, SourceUnavailable
from domain.fingerprint import clean
from domain.ticket import Ticket
from resources.helpdesk.base import (
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
    Whereabouts,
    known_shape,
)
from resources.helpdesk.fetching import Gone, Listed, Moved, Outcome, Step, fetched, moved, settled
from resources.helpdesk.files import File, Files
from resources.helpdesk.zendesk_articles import ZendeskArticles
from resources.helpdesk.zendesk_ticket import Reader
from resources.http import BadAnswer, Http, HttpRefused, basic
from resources.rate_budget import Pace, RateBudget

log = logging.getLogger(__name__)

VERSION = "zendesk-4"
#: Tickets in one answer of the export, comments in one answer; both are Zendesk's most.
PER_PAGE, COMMENTS = 1000, 100
SIDELOADS = "users,groups,metric_sets"
#: Exports a minute, of all who use the account together; the add-on for high volume allows 30, and no header tells.
EXPORTS = 10
#: Above the version of every ticket.
_END = "A"  # behind the digits in the order of every language
#: A start must be a minute old, by Zendesk's clock; twice that allows for ours.
YOUNGEST = 120
#: Addresses of files are of no use later (most need a login), and may differ with every answer.
_ADDRESSES = ("content_url", "mapped_content_url", "url", "thumbnails")


def _authorization(user: str, key: str) -> str:
    """With an agent's address the key is an API token, else an OAuth access token."""
    key = key.strip()
    return basic(f"{user}/token", key) if user else f"Bearer {key}"


class Zendesk:
    """One Zendesk account. ``url`` is ``https://ACCOUNT.zendesk.com``; ``user`` the address of the agent whose API token
    ``key`` is, "" when it is an OAuth token. Exports are for admins.

    ``conversations``: whose comments are fetched, of ``all`` tickets or of the ``resolved`` ones: those whose status is
    one of ``resolved_statuses`` (in lower case). ``attachments``: ``none`` leaves files' metadata out; it costs nothing here.
    ``file_texts``: whether files are also read.
    ``since`` (YYYY-MM-DD): tickets that did not move since are left out. ``rate_share`` is the part of the account's
    request limit that may be used. ``renewed_key`` is asked for the key as it is now when ``key`` was refused in mid-walk.
    """

    platform = "zendesk"
    version = VERSION
    names: Json = {}  # noqa: RUF012 -- never changed: each ticket carries its names
    absent_is_gone = False  # what moves during a walk is held back

    def __init__(
        self,
        url: str,
        user: str,
        key: str,
        *,
        renewed_key: Callable[[], str] | None = None,
        conversations: Literal["all", "resolved"] = "all",
        attachments: Literal["full", "threads", "none"] = "full",
        file_texts: bool = True,
        since: str = "",
        rate_share: float = 0.8,
        resolved_statuses: Sequence[str] = ("solved", "closed"),
        workers: int = 8,
    ) -> None:
        self.url = url.rstrip("/")
        self.requests = 0
        self.notes: list[str] = []
        self._counting = threading.Lock()
        self._reader = Reader(self.url)
        self._wants_all, self._wants_files = conversations == "all", attachments != "none"
        self._resolved = frozenset(resolved_statuses)
        self._since = _seconds(since) if since else 0
        self._workers = workers
        self._http = Http(
            f"{self.url}/api/v2",
            _authorization(user, key),
            renew=renewed_key and (lambda: _authorization(user, renewed_key())),
            name="Zendesk",
            budget=RateBudget(rate_share),
            on_send=self._count,
            connections=workers,
        )
        reads_files = file_texts and self._wants_files
        self._files = Files(self.url, lambda: self._http.authorization) if reads_files else None
        self.articles = ZendeskArticles(self._http, self.url, lambda: self.requests)
        self._pace = Pace(max(1, int(EXPORTS * rate_share)))
        self._naming = threading.Lock()
        self._known_names: _Names | None = None
        wanted = "all" if self._wants_all else ",".join(sorted(self._resolved))
        options = {"conversations": wanted, "since": since or "ever"}
        options |= {} if self._wants_files else {"attachments": "none"}
        options |= {"files": "1"} if self._files else {}
        self.made_by = " ".join([VERSION, *(f"{name}={value}" for name, value in options.items())])

    # -- what an account is, and what it costs ---------------------------------------------------------------------

    def check(self) -> Account:
        """Five requests: who we are, whether exports are allowed, how many tickets, what solved ones are called, and
        whether there is a Help Center. Raises ``SourceRefused`` or ``SourceUnavailable``."""
        try:
            me = self._http.get("/users/me.json", longest_wait=90).value.get("user") or {}
        except (HttpRefused, BadAnswer) as failure:
            if not failure.foreign:
                raise
            raise HttpRefused(
                404,
                "There is no Zendesk at this address.",
                f"{self.url} answers, but not as Zendesk's API.",
                "The address is https://ACCOUNT.zendesk.com.",
            ) from failure
        if not me.get("id"):  # an anonymous visitor is let in here, and nowhere else
            raise HttpRefused(401, "Zendesk refused the key.", f"{self.url} took us for a visitor.")
        try:
            self._http.get("/incremental/tickets/cursor.json", {"start_time": 0, "per_page": 1}, longest_wait=90)
        except HttpRefused as refused:
            if refused.status != 403:
                raise
            remedy = "Exports are for admins: take the token of one, and give their address with --user."
            raise HttpRefused(403, refused.title, refused.detail, remedy) from refused
        notes: list[str] = []
        counted = self._allowed("/tickets/count.json", notes, "the number of tickets")
        if (number := ((counted or {}).get("count") or {}).get("value")) is not None:
            notes.append(f"{number} tickets; archived ones are not counted")
        named = self._allowed("/custom_statuses.json", notes, "the names of statuses")
        if uncounted := self._uncounted((named or {}).get("custom_statuses") or ()):
            notes.append(f"solved in Zendesk, but not in the setting resolved_statuses: {', '.join(uncounted)}")
        articles = self._allowed("/help_center/articles.json", notes, "the Help Center", {"per_page": 1})
        if articles and articles.get("count"):
            notes.append(f"{articles['count']} articles in the Help Center")
        host = urlsplit(self.url)
        return Account(f"{host.netloc}{host.path}", self._http.budget.total, number, tuple(notes))

    def _uncounted(self, statuses: Iterable[Json]) -> list[str]:
        """The account's names for solved tickets that the company does not count as resolved."""
        solved = (str(one.get("agent_label")).lower() for one in statuses if one.get("status_category") == "solved")
        return sorted(name for name in solved if name not in self._resolved)

    def plan(self, account: Account) -> Estimate:
        """Of the tickets that Zendesk counts, which the archived ones are not among; of 1,000 where it does not. Threads over
        100 comments cost a little more."""
        tickets = account.tickets if account.tickets is not None else 1000
        requests = max(1, -(-tickets // PER_PAGE)) + tickets
        usable = (account.per_minute or 0.0) * self._http.budget.share
        basis = f"{tickets} tickets, archived ones come on top: an export for {PER_PAGE}, the comments of each ticket"
        basis += "; beside that one request for 100 articles in each language"
        if not self._wants_all:
            basis += "; at most, for only the resolved ones' are fetched"
        return Estimate(requests, requests, requests / usable if usable else 0.0, exact=False, basis=basis)

    def size(self) -> int | None:
        """Those that are not archived; None where the key may not count."""
        counted = self._allowed("/tickets/count.json", [], "the number of tickets") or {}
        return (counted.get("count") or {}).get("value")

    def close(self) -> None:
        if self._files:
            self._files.close()

    # -- the walk --------------------------------------------------------------------------------------------------

    def start(self, since: str) -> Json:
        return {"moved": _seconds(since)}

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """All tickets that moved. The cursor holds Zendesk's own, and the second it stands for, should that be refused."""
        lists = (
            Listed(self._steps(rows, stored), stands) for rows, stands, _ in self._exported(dict(cursor or {}), span)
        )
        stands = yield from fetched(lists, self._fetch, cursor, workers=self._workers, wake=self._http.wake)
        if cursor is None and not span.stop():
            yield Page((), (), stands, walked_all=not span.until)

    def audit(self, since: str) -> Iterator[Slice]:
        """The export again: it shows all there are, the archived ones too."""
        begin = int(since.partition(" ")[0]) if since else self._since
        low = f"{begin:010d}"
        ids: dict[str, str] = {}
        for rows, stands, is_last in self._exported({"moved": begin}, Span()):
            ids |= {str(row["id"]): _version(row) for row in rows if row.get("status") != "deleted"}
            high = _END if is_last else f"{stands['moved']:010d}"
            if high > low:
                yield Slice(low, high, set(ids), is_last)
                ids = {doc_id: version for doc_id, version in ids.items() if version >= high}
                low = high

    def whereabouts(self, doc_id: str) -> Whereabouts:
        """One request."""
        try:
            row = self._http.get(f"/tickets/{doc_id}.json").value.get("ticket") or {}
        except HttpRefused as refused:
            if refused.status == 401:
                raise
            return "gone" if refused.status == 404 else "here"
        except BadAnswer:
            return "here"
        return "gone" if row.get("status") == "deleted" else "here"

    def _exported(self, start: Json, span: Span) -> Iterator[tuple[list[Json], Json, bool]]:
        """The tickets of each answer of the export, where the walk stands behind it, and whether it was the last one."""
        after: str | None = start.get("after")
        moved: int = start.get("moved", self._since)
        until = _seconds(span.until) if span.until else None
        while not span.stop():
            try:
                page = self._export(after, moved)
            except HttpRefused as refused:
                if not after or refused.status not in (400, 404, 422):
                    raise
                log.warning("Zendesk refused its own cursor; the walk goes on from the time it stands for")
                after = None
                continue
            rows = _rows(page)
            moved = max([moved, *(row.get("generated_timestamp") or 0 for row in rows)])
            beyond = page.get("after_cursor") or after
            is_last = page.get("end_of_stream", True) or (until is not None and moved > until)
            if until is not None:
                rows = [row for row in rows if (row.get("generated_timestamp") or 0) <= until]
            yield rows, {"after": beyond, "moved": moved}, is_last
            if is_last:
                return
            if beyond == after:
                raise SourceUnavailable("Zendesk fails.", "Its export does not move on.")
            after = beyond

    def _export(self, after: str | None, moved: int) -> Json:
        self._pace.take(self._http.sleep)
        params: dict[str, str | int] = {"per_page": PER_PAGE, "include": SIDELOADS}
        params |= {"cursor": after} if after else {"start_time": max(0, min(moved, int(time.time()) - YOUNGEST))}
        return self._http.get("/incremental/tickets/cursor.json", params).value

    def _steps(self, rows: list[Json], stored: Stored) -> list[Step]:
        latest = {str(row["id"]): row for row in rows}  # should one come twice
        gone = [doc_id for doc_id, row in latest.items() if row.get("status") == "deleted"]
        there = {doc_id: row for doc_id, row in latest.items() if doc_id not in gone}
        return [*((doc_id, Gone()) for doc_id in gone), *moved(there, _version, stored)]

    # -- one ticket ------------------------------------------------------------------------------------------------

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """View a ticket again, archived or not. Raises ``DocumentError`` when it cannot be read."""
        if not doc_id.isdecimal():
            return None
        try:
            page = self._http.get(f"/tickets/{doc_id}.json", {"include": SIDELOADS}).value
            row = page.get("ticket") or {}
            if row.get("status") == "deleted":
                return None
            (row,) = _rows(page | {"tickets": [row]})
            return self._document(row, kept)
        except HttpRefused as refused:
            if refused.status == 401:
                raise
            if refused.status == 404:
                return None
            raise DocumentError(refused.title, refused.detail) from refused
        except (BadAnswer, _NoTicket) as bad:
            raise DocumentError(bad.title, bad.detail) from bad

    def neutral(self, payload: Json) -> Ticket:
        """Raises ``DocumentError`` for a payload that is no ticket."""
        return self._reader.ticket(payload)

    def ratings(self, cursor: Json | None) -> Iterable[Ratings]:
        """None: a ticket itself holds its rating."""
        return ()

    def ratings_of(self, ticket_id: str) -> Sequence[Rating]:
        return ()

    def _fetch(self, step: Moved) -> Outcome:
        """The document of an exported ticket. Refused comments mean a deletion only when the ticket itself is gone, too."""
        return settled(str(step.row["id"]), lambda: self._document(step.row, step.kept), self.one)

    def _document(self, row: Json, kept: Json | None) -> Document:
        names = self._names()
        with known_shape():
            ticket = row | {
                "custom_status": names.statuses.get(row.get("custom_status_id")),
                "brand": names.brands.get(row.get("brand_id")),
                "custom_fields": [
                    field | {"title": names.fields.get(field["id"])} for field in row.get("custom_fields") or ()
                ],
            }
            ticket.pop("fields", None)  # the custom fields again
            thread = self._thread(ticket)
            messages = sorted(thread, key=lambda one: (one.get("created_at") or "", one["id"]))
            whole = ticket | {"conversations": messages}
            unread = None
            if self._files and (files := list(_files(messages))):
                whole["files"], unread = self._files.read(files, kept)
            payload, replaced = clean(whole)
            for comment in payload["conversations"]:
                self._drop_addresses(comment)
            content_hash = self.neutral(payload).content_hash()
            return Document(str(row["id"]), payload, content_hash, _version(row), replaced, unread)

    def _thread(self, ticket: Json) -> list[Json]:
        """All comments of a ticket, each with its author; none where they are not wanted."""
        if not (self._wants_all or self._reader.ticket(ticket).status in self._resolved):
            return []
        thread: list[Json] = []
        people: dict[Any, Json] = {}
        params: dict[str, str | int] = {"include": "users", "page[size]": COMMENTS}
        while True:
            page = self._http.get(f"/tickets/{ticket['id']}/comments.json", params).value
            thread += page["comments"]
            people |= _by_id(page.get("users"))
            paging = page.get("meta") or {}
            if not paging.get("has_more"):
                break
            params["page[after]"] = paging["after_cursor"]
        return [comment | {"author": _about(people.get(comment.get("author_id")), "role")} for comment in thread]

    def _drop_addresses(self, comment: Json) -> None:
        if not self._wants_files:
            comment.pop("attachments", None)
        for file in comment.get("attachments") or ():
            for name in _ADDRESSES:
                file.pop(name, None)

    # -- names -----------------------------------------------------------------------------------------------------

    def _names(self) -> "_Names":
        """The account's own names, asked for with the first ticket of a walk. An account that keeps some of them from us
        is read without those."""
        with self._naming:
            if self._known_names is None:
                statuses = self._allowed("/custom_statuses.json", self.notes, "the names of statuses") or {}
                fields = self._allowed("/ticket_fields.json", self.notes, "the names of fields") or {}
                brands = self._allowed("/brands.json", self.notes, "the names of brands") or {}
                self._known_names = _Names(statuses, fields, brands)
            return self._known_names

    def _allowed(
        self, path: str, notes: list[str], what: str, params: dict[str, str | int] | None = None
    ) -> Json | None:
        """What is there and may be read; else None, with a note that says so."""
        try:
            return self._http.get(path, params).value
        except HttpRefused as refused:
            if refused.status not in (403, 404):
                raise
            why = "this key may not read" if refused.status == 403 else "this account does not have"
            notes.append(f"{why} {what}; tickets are read without")
            return None

    def _count(self) -> None:
        with self._counting:
            self.requests += 1


class _Names:
    """Ids → the account's own words. A brand says something only where there are several."""

    def __init__(self, statuses: Json, fields: Json, brands: Json) -> None:
        self.statuses = {one["id"]: one.get("agent_label") for one in statuses.get("custom_statuses") or ()}
        self.fields = {one["id"]: one.get("title") for one in fields.get("ticket_fields") or ()}
        named = {one["id"]: one.get("name") for one in brands.get("brands") or ()}
        self.brands = named if len(named) > 1 else {}


class _NoTicket(SourceUnavailable):
    """An answer that should hold a ticket and does not."""


def _rows(page: Json) -> list[Json]:
    """The tickets of an answer, each with those beside it that it only refers to. Raises ``_NoTicket``."""
    rows = page.get("tickets")
    if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), int) for row in rows):
        raise _NoTicket("Zendesk fails.", "Its export holds a ticket without number.")
    people, groups = _by_id(page.get("users")), _by_id(page.get("groups"))
    return [
        row
        | {
            "requester": _about(people.get(row.get("requester_id")), "email"),
            "assignee": _about(people.get(row.get("assignee_id")), "role"),
            "group": groups.get(row.get("group_id"), {}).get("name"),
        }
        for row in rows
    ]


def _by_id(records: Any) -> dict[Any, Json]:
    """What stands beside an answer; what cannot be understood there is left out, for it is no reason to lose a ticket."""
    return {one["id"]: one for one in records or () if isinstance(one, dict) and "id" in one}


def _files(thread: Iterable[Json]) -> Iterator[File]:
    """All files of a ticket, but for those that were redacted, or found to be malicious."""
    for comment in thread:
        for file in comment.get("attachments") or ():
            if file.get("deleted") or file.get("malware_scan_result") == "malware_found":
                continue
            name, kind = file.get("file_name") or "", file.get("content_type") or ""
            yield File(str(file["id"]), name, kind, file.get("size") or 0, file.get("content_url") or "")


def _about(user: Json | None, also: str) -> Json | None:
    """What is kept of a person: no more than is needed."""
    return user and {name: user.get(name) for name in ("id", "name", also)}


def _version(row: Json) -> str:
    """Moves with every touch, as the export is sorted: Zendesk's own changes leave ``updated_at`` alone."""
    return f"{row.get('generated_timestamp') or 0:010d} {row.get('updated_at')}"


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
