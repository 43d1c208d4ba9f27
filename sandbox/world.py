"""One account as it stands now, and everything that can happen to it.

Belongs here: tickets, where they are (live, deleted, spam, archived), their order, the clock, and every change:
edits, replies, status, deletions, churn. Does not belong here: HTTP (``freshdesk``, ``zendesk``, ``admin``) or the first
content (``corpus``, ``generate``).

Tickets are kept serialised, in the parts that a list or a view joins, because a sandbox is asked thousands of
times a second and changed seldom.
"""

import random
import re
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import orjson

from sandbox import attachments, corpus, shape
from sandbox.custom import STATUSES, apply
from sandbox.files import File
from sandbox.ratings import Ratings
from sandbox.shape import Json
from sandbox.solutions import Solutions

Place = Literal["live", "deleted", "spam", "archived"]
Edit = Literal["text", "status", "touch", "reply"]
Attach = Literal["description", "reply", "note"]
Order = Literal["created_at", "updated_at", "due_by", "status"]
#: What a Zendesk account lets its key see of the Help Center: all, nothing (403), or there is none (404).
HelpCenter = Literal["open", "denied", "none"]

#: What a list gives only on request, and what only a view gives.
_PARTS = ("requester", "stats", "company", "attachments")
_HANGUL = re.compile("[가-힣]")


class Clock:
    """The world's time. It stands still unless it is moved, or told to run at ``rate`` seconds a second."""

    def __init__(self, now: datetime = corpus.PRESENT) -> None:
        self._now, self._since, self.rate = now, time.monotonic(), 0.0

    def now(self) -> datetime:
        return self._now + timedelta(seconds=self.rate * (time.monotonic() - self._since))

    def stamp(self) -> str:
        return corpus.stamp(self.now())

    def set(self, now: datetime, rate: float | None = None) -> None:
        self._now, self._since = now, time.monotonic()
        self.rate = self.rate if rate is None else rate

    def advance(self, seconds: float) -> None:
        self.set(self.now() + timedelta(seconds=seconds))


class Ticket:
    """A ticket as the bytes it is served from, and the few values it is found and ordered by."""

    __slots__ = (
        "company_id",
        "conversations",
        "created",
        "due",
        "id",
        "parts",
        "place",
        "requester_id",
        "responder_id",
        "row",
        "status",
        "text",
        "updated",
    )

    def __init__(self, record: Json) -> None:
        self.place: Place = "live"
        self.fill(record)

    def fill(self, record: Json) -> None:
        """Take over a whole record (``shape.ticket``)."""
        record = dict(record)
        self.id: int = record["id"]
        self.created: str = record["created_at"]
        self.updated: str = record["updated_at"]
        self.due: str = record.get("due_by") or ""
        self.status: int = record["status"]
        self.requester_id: int | None = record.get("requester_id")
        self.responder_id: int | None = record.get("responder_id")
        self.company_id: int | None = record.get("company_id")
        conversations = record.pop("conversations", [])
        for files in (record.setdefault("attachments", []), *(one.get("attachments", []) for one in conversations)):
            attachments.mark(files)
        self.conversations: list[bytes] = [_packed(one) for one in conversations]
        self.parts: dict[str, bytes] = {name: _fields({name: record.pop(name, None)}) for name in _PARTS}
        self.text = _fields({name: record.pop(name, "") for name in ("description", "description_text")})
        self.row = _packed(record)[:-1]

    def record(self) -> Json:
        """The whole record again."""
        whole = orjson.loads(self.row + self.text + b"".join(self.parts.values()) + b"}")
        return whole | {"conversations": [orjson.loads(one) for one in self.conversations]}

    def requester(self) -> Json | None:
        return orjson.loads(b"{" + self.parts["requester"][1:] + b"}")["requester"]


def _attached(ticket: Ticket) -> Iterable[Json]:
    """The files of a ticket and of its messages."""
    pieces = (b"{" + ticket.parts["attachments"][1:] + b"}", *ticket.conversations)
    for piece in pieces:
        if b'"attachments":[{' in piece:
            yield from orjson.loads(piece)["attachments"]


def _packed(value: Json) -> bytes:
    """JSON in the memory it needs: what ``orjson.dumps`` returns holds on to a working buffer of kilobytes."""
    return bytes(memoryview(orjson.dumps(value)))


def _fields(values: Json) -> bytes:
    """JSON fields to be joined behind others: ``,"a":1,"b":2``."""
    return b"," + orjson.dumps(values)[1:-1]


class Shelf:
    """The tickets in one place, in the orders they are asked for."""

    def __init__(self) -> None:
        self.by_created: list[tuple[str, int]] = []
        self.by_updated: list[tuple[str, int]] = []

    def fill(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            self.by_created.append((ticket.created, ticket.id))
            self.by_updated.append((ticket.updated, ticket.id))
        self.by_created.sort()
        self.by_updated.sort()

    def add(self, ticket: Ticket) -> None:
        insort(self.by_created, (ticket.created, ticket.id))
        insort(self.by_updated, (ticket.updated, ticket.id))

    def remove(self, ticket: Ticket) -> None:
        for ordered, key in (
            (self.by_created, (ticket.created, ticket.id)),
            (self.by_updated, (ticket.updated, ticket.id)),
        ):
            del ordered[bisect_left(ordered, key)]

    def __len__(self) -> int:
        return len(self.by_created)


class Feed:
    """All tickets, wherever they are, by the second in which they last moved in any way: what Zendesk exports.

    Unlike ``updated_at`` this moves with every deletion and restoring, too.
    """

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        self.moved = {ticket.id: seconds(ticket.updated) for ticket in tickets}
        self._order = sorted((moment, number) for number, moment in self.moved.items())

    def move(self, number: int, moment: int) -> None:
        self.remove(number)
        self.moved[number] = moment
        insort(self._order, (moment, number))

    def remove(self, number: int) -> None:
        moment = self.moved.pop(number, None)
        if moment is not None:
            del self._order[bisect_left(self._order, (moment, number))]

    def between(self, after: tuple[int, int], end: int) -> Sequence[tuple[int, int]]:
        """Moments and ids behind ``after``, up to the second ``end`` (inclusive)."""
        return self._order[bisect_right(self._order, after) : bisect_left(self._order, (end + 1, 0))]


def seconds(stamp: str) -> int:
    """A stored time in seconds since 1970."""
    return int(datetime.fromisoformat(stamp).timestamp())


@dataclass(slots=True)
class Churn:
    """Change tickets that a reader has already been given, while it reads on.

    Every ``edit_every``-th (``delete_every``-th) request of kind ``on`` edits (deletes) ``count`` of them, after it
    was answered, until ``limit`` tickets have changed. No ticket is taken twice.
    """

    edit_every: int = 0
    delete_every: int = 0
    count: int = 1
    on: Literal["list", "conversations"] = "list"
    what: Edit = "text"
    seed: int = 1
    limit: int | None = None
    requests: int = 0
    given: dict[int, None] = field(default_factory=dict[int, None])
    taken: list[int] = field(default_factory=list[int])


class World:
    """One account. All changes stamp ``updated_at`` with the clock, which each of them moves on by ``tick`` seconds.

    ``vast`` says that its tickets are computed (``sandbox.vast``) and are never all enumerated.
    """

    vast = False

    def __init__(
        self, helpdesk: corpus.Helpdesk, key: str | None = None, page_cap: int = 300, *, custom: bool = False
    ) -> None:
        self.name, self.key, self.page_cap = helpdesk.name, key or f"{helpdesk.name}-key", page_cap
        self.helpdesk, self.clock = helpdesk, Clock()
        companies = [company["id"] for company in helpdesk.companies]
        self.solutions = Solutions(helpdesk.language, helpdesk.agents[0]["id"], companies)
        self.solutions.fill(helpdesk.articles)
        self.ratings = Ratings(helpdesk.language)
        self.tickets: MutableMapping[int, Ticket] = {}
        for record in helpdesk.tickets:
            self.ratings.begin(record)
            self.tickets[record["id"]] = Ticket(record)
        self.shelves: dict[Place, Shelf] = {place: Shelf() for place in ("live", "deleted", "spam", "archived")}
        self.shelves["live"].fill(self.tickets.values())
        self.gone: list[int] = []
        self.churn = Churn()
        newest = max((ticket.updated for ticket in self.tickets.values()), default=self.clock.stamp())
        self.clock.set(max(datetime.fromisoformat(newest), self.clock.now()))
        self._next_ticket = max(self.tickets, default=0)
        self._next_conversation = shape.FIRST_CONVERSATION + 50_000_000
        self._changes = 0
        self._feed: Feed | None = None
        self.help_center: HelpCenter = "open"
        self.names_denied = False
        #: Made before 2018-11-30: lists always have the description, and newer fields are absent.
        self.old = False
        self.files: dict[int, File] = {}
        #: Which ticket has which file, as of that change.
        self._holders, self._indexed = dict[int, int](), -1
        self._next_file = shape.FIRST_ATTACHMENT + 50_000_000
        self._contacts: Sequence[Json] | None = None
        self.custom = False
        if custom:
            self.customise()

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(
        self,
        place: Place,
        order_by: Order,
        *,
        descending: bool,
        updated_since: str | None = None,
        keep: Callable[[Ticket], bool] | None = None,
    ) -> Sequence[tuple[object, int]]:
        """Keys and ids of the tickets in a place, in order. Without ``updated_since``: created in the last 30 days.

        ``updated_since`` is inclusive. Tickets that tie are ordered by id.
        """
        shelf, tickets = self.shelves[place], self.tickets
        first_updated = shelf.by_updated[0][0] if shelf.by_updated else ""
        oldest = corpus.stamp(self.clock.now() - timedelta(days=30))
        keys: list[tuple[object, int]]
        if order_by == "updated_at":
            start = bisect_left(shelf.by_updated, (updated_since,)) if updated_since else 0
            keys = [*shelf.by_updated[start:]]
        elif order_by == "created_at":
            start = 0 if updated_since else bisect_left(shelf.by_created, (oldest,))
            keys = [*shelf.by_created[start:]]
        else:
            value = (lambda one: one.due) if order_by == "due_by" else (lambda one: one.status)
            keys = sorted((value(tickets[number]), number) for _, number in shelf.by_created)
        if updated_since is None and order_by != "created_at":
            keys = [key for key in keys if tickets[key[1]].created >= oldest]
        elif updated_since and updated_since > first_updated and order_by != "updated_at":
            keys = [key for key in keys if tickets[key[1]].updated >= updated_since]
        if keep is not None:
            keys = [key for key in keys if keep(tickets[key[1]])]
        if descending:
            keys.reverse()
        return keys

    @property
    def feed(self) -> Feed:
        """Made when it is first asked for: a sandbox that only plays Freshdesk does without."""
        if self._feed is None:
            self._feed = Feed(self.tickets.values())
        return self._feed

    @property
    def contacts(self) -> Sequence[Json]:
        """The helpdesk's contacts, and those requesters that are none (made-up accounts have only those), by id."""
        if self._contacts is None:
            found = {contact["id"]: contact for contact in self.helpdesk.contacts}
            since = self.helpdesk.agents[0]["created_at"]
            for ticket in self.tickets.values():
                if ticket.requester_id not in found and (person := ticket.requester()):
                    language, number = self.helpdesk.language, person["id"]
                    found[number] = shape.contact(number, person["name"], person["email"], None, language, since)
            self._contacts = [found[number] for number in sorted(found)]
        return self._contacts

    def contact(self, number: int) -> Json | None:
        return next((contact for contact in self.contacts if contact["id"] == number), None)

    def stored(self) -> Iterable[Ticket]:
        """The tickets that may have files."""
        return self.tickets.values()

    def each(self) -> Iterable[tuple[int, str, int]]:
        """The live tickets' numbers, ``updated_at`` and how many messages each has."""
        live = (self.tickets[number] for number in self.ids("live"))
        return ((ticket.id, ticket.updated, len(ticket.conversations)) for ticket in live)

    def counted(self) -> Json:
        """How many tickets are live, without their names."""
        return {"count": len(self.shelves["live"])}

    @property
    def statuses(self) -> list[int]:
        """The numbers that a ticket's status can have."""
        own = STATUSES[self.helpdesk.language] if self.custom else {}
        return [*shape.STATUSES.values(), *own]

    def ids(self, place: Place) -> list[int]:
        return sorted(number for _, number in self.shelves[place].by_created)

    def attachment(self, number: int) -> Json | None:
        """A file's metadata, wherever in the account it is attached."""
        for article in self.solutions.articles.values():
            for file in next(iter(article.values()))["attachments"]:
                if file["id"] == number:
                    return file
        found = self._attached(number)
        if found is None and self._indexed != self._changes:
            self._indexed = self._changes
            self._holders = {file["id"]: ticket.id for ticket in self.stored() for file in _attached(ticket)}
            found = self._attached(number)
        return found

    def _attached(self, number: int) -> Json | None:
        holder = self.tickets.get(self._holders.get(number, 0))
        return next((file for file in _attached(holder) if file["id"] == number), None) if holder else None

    # -- changing --------------------------------------------------------------------------------------------------

    def choose(
        self, ids: Sequence[int] | None, count: int | None, seed: int | None, place: Place = "live"
    ) -> list[int]:
        """The tickets meant: those named, or ``count`` drawn from a place. Raises ``ValueError``."""
        if ids is not None:
            if missing := [number for number in ids if number not in self.tickets]:
                raise ValueError(f"no ticket {missing[0]}")
            return list(ids)
        if count is None:
            raise ValueError("say which tickets: ids, or count")
        there = self.ids(place)
        if count > len(there):
            raise ValueError(f"only {len(there)} tickets are {place}, not {count}")
        return sorted(random.Random(self._changes if seed is None else seed).sample(there, count))

    def edit(self, ids: Iterable[int], what: Edit, status: int | None = None, tick: float = 1) -> list[int]:
        """Change what the tickets say (``text``, ``reply``, ``status``) or only their times (``touch``)."""
        change = {"text": self._rewrite, "reply": self._reply, "status": self.restate, "touch": _touch}[what]
        edited: list[int] = []
        for number in ids:
            self.clock.advance(tick)
            self.change(number, (lambda record: self.restate(record, status)) if what == "status" else change)
            edited.append(number)
        return edited

    def change(self, number: int, change: Callable[[Json], None], *, touch: bool = True) -> None:
        """Apply a change to a ticket's record, now; without ``touch`` its ``updated_at`` does not tell."""
        ticket = self.tickets[number]
        record = ticket.record()
        self._changes += 1
        if touch:
            record["updated_at"] = self.clock.stamp()
        change(record)
        self.shelves[ticket.place].remove(ticket)
        ticket.fill(record)
        self.shelves[ticket.place].add(ticket)
        if self._feed:
            self._feed.move(number, int(self.clock.now().timestamp()))

    def attach(
        self, ids: Iterable[int], file: Callable[[int], File], where: Attach, *, touch: bool = True
    ) -> list[int]:
        """Attach a file to each ticket: to its description, or to a new reply or note. Returns the files' ids."""
        attached: list[int] = []
        for ticket in ids:
            self._next_file += 1
            made = self.files[self._next_file] = file(self._next_file)
            self.clock.advance(1)
            now = self.clock.stamp()
            record = shape.attachment(self._next_file, made.name, made.content_type, made.size, now)

            def add(ticket: Json, record: Json = record) -> None:
                if where != "description":
                    self._reply(ticket)
                    ticket["conversations"][-1] |= (
                        {"private": True, "source": shape.NOTE, "category": 2} if where == "note" else {}
                    )
                (ticket if where == "description" else ticket["conversations"][-1])["attachments"].append(record)

            self.change(ticket, add, touch=touch)
            attached.append(self._next_file)
        return attached

    def rate(self, ids: Iterable[int], value: int, feedback: str | None) -> list[int]:
        """Let the customers rate their tickets, now. No ``updated_at`` moves, but Zendesk exports the tickets again."""
        rated: list[int] = []
        for number in ids:
            self.clock.advance(1)
            self.ratings.add(self.tickets[number].record(), value, feedback, self.clock.stamp())
            if self._feed:
                self._feed.move(number, int(self.clock.now().timestamp()))
            rated.append(number)
        return rated

    def rated(self) -> list[Json]:
        """The ratings that can be seen: those of tickets that are neither deleted nor spam, the oldest first."""
        given = self.ratings.by_ticket
        return self.ratings.of(
            number for number in given if number in self.tickets and self.tickets[number].place in ("live", "archived")
        )

    def customise(self) -> None:
        """Make the account one with statuses and fields of its own, as if it had always been; no ``updated_at`` moves."""
        self.custom = True
        for number in self.tickets:
            self.change(number, lambda record: apply(record, self.helpdesk.language), touch=False)

    def put(self, ids: Iterable[int], place: Place, *, touch: bool = True) -> list[int]:
        """Move tickets to another place: delete, restore, mark as spam, archive.

        Whether Freshdesk's deletion moves ``updated_at`` is not documented; a client must survive both (``touch``).
        """

        def marked(record: Json) -> None:
            record["spam"] = place == "spam"

        moved: list[int] = []
        for number in ids:
            ticket = self.tickets[number]
            self.shelves[ticket.place].remove(ticket)
            ticket.place = place
            self.shelves[place].add(ticket)
            self.clock.advance(1)
            self.change(number, marked, touch=touch)
            moved.append(number)
        return moved

    def purge(self, ids: Iterable[int]) -> list[int]:
        """Delete for ever: no list, view or filter knows them any more."""
        purged: list[int] = []
        for number in ids:
            ticket = self.tickets.pop(number)
            self.shelves[ticket.place].remove(ticket)
            if self._feed:
                self._feed.remove(number)
            purged.append(number)
        self.gone.extend(purged)
        return purged

    def merge(self, primary: int, secondaries: Sequence[int]) -> None:
        """Move the secondaries' threads into the primary; they stay behind closed, with a note that says so."""
        moved: list[Json] = []

        def close(record: Json) -> None:
            moved.extend(record["conversations"])
            self.restate(record, 5)
            note = f"This ticket is closed and merged into ticket {primary}"
            body = f"<div>{note}</div>"
            number, user = self._conversation_id(), record["responder_id"]
            record["conversations"] = [
                shape.conversation(number, record["id"], record["updated_at"], body, note, private=True, user_id=user)
            ]

        def gather(record: Json) -> None:
            whole = [*record["conversations"], *({**one, "ticket_id": primary} for one in moved)]
            record["conversations"] = sorted(whole, key=lambda one: (one["created_at"], one["id"]))

        self.clock.advance(1)
        for number in secondaries:
            self.change(number, close)
        self.change(primary, gather)

    def create(self, records: Iterable[Json]) -> list[int]:
        """Let new tickets come in, now; they get the next ids."""
        created: list[int] = []
        if not self.vast:
            self._contacts = None
        for record in records:
            self.clock.advance(1)
            self._next_ticket += 1
            record["id"] = self._next_ticket
            record["created_at"] = record["updated_at"] = now = self.clock.stamp()
            record["due_by"] = corpus.stamp(self.clock.now() + timedelta(days=2))
            done = record["status"] in (4, 5)
            record["stats"] = shape.stats(status_updated_at=now, resolved_at=now if done else None)
            for conversation in record["conversations"]:
                conversation |= {"ticket_id": record["id"], "id": self._conversation_id()}
                conversation |= {"created_at": now, "updated_at": now}
            ticket = Ticket(record)
            self.tickets[ticket.id] = ticket
            self.shelves["live"].add(ticket)
            if self._feed:
                self._feed.move(ticket.id, seconds(now))
            created.append(ticket.id)
        return created

    def given(self, kind: Literal["list", "conversations"], ids: Iterable[int]) -> None:
        """Tell the world what a reader has just been given, so that churn can change it behind the reader's back."""
        churn = self.churn
        if churn.on != kind or not (churn.edit_every or churn.delete_every):
            return
        churn.requests += 1
        churn.given.update(dict.fromkeys(ids))
        if churn.edit_every and churn.requests % churn.edit_every == 0:
            self.edit(self._victims(), churn.what)
        if churn.delete_every and churn.requests % churn.delete_every == 0:
            self.put(self._victims(), "deleted")

    def _victims(self) -> list[int]:
        churn = self.churn
        left = churn.count if churn.limit is None else min(churn.count, churn.limit - len(churn.taken))
        taken = set(churn.taken)
        able = [
            one for one in churn.given if one not in taken and one in self.tickets and self.tickets[one].place == "live"
        ]
        victims = random.Random(churn.seed + churn.requests).sample(able, min(left, len(able)))
        churn.taken.extend(victims)
        return victims

    def _conversation_id(self) -> int:
        self._next_conversation += 1
        return self._next_conversation

    def _rewrite(self, record: Json) -> None:
        said = (
            f"덧붙입니다({self._changes}). 같은 현상이 다시 나타났고 재시작해도 그대로입니다."
            if _HANGUL.search(record["subject"])
            else f"An addition ({self._changes}): it happened again, and a restart did not help."
        )
        record["description"] += f"<div>{said}</div>"
        record["description_text"] = f"{record['description_text']} {said}"

    def _reply(self, record: Json) -> None:
        said = (
            f"확인했습니다({self._changes}). 설정을 초기화한 뒤 다시 로그인해 주세요."
            if _HANGUL.search(record["subject"])
            else f"We looked into it ({self._changes}): please reset the settings and sign in again."
        )
        now = record["updated_at"]
        record["conversations"].append(
            shape.conversation(
                self._conversation_id(),
                record["id"],
                now,
                f'<div dir="ltr">{said}</div>',
                said,
                user_id=record["responder_id"],
                to_emails=[record["requester"]["email"]] if record.get("requester") else [],
            )
        )
        record["stats"] = (record["stats"] or shape.stats()) | {"agent_responded_at": now}

    def restate(self, record: Json, status: int | None = None) -> None:
        """Set the status; without one, reopen what was done and resolve the rest."""
        done = record["status"] in (4, 5)
        new = status if status is not None else 2 if done else 4
        now, stats = record["updated_at"], record["stats"] or shape.stats()
        record["status"] = new
        stats["status_updated_at"] = now
        stats["pending_since"] = now if new == 3 else None
        if new in (4, 5):
            stats["resolved_at"] = stats["resolved_at"] or now
            stats["closed_at"] = now if new == 5 else None
        elif done:
            stats |= {"resolved_at": None, "closed_at": None, "reopened_at": now}
        record["stats"] = stats


def _touch(record: Json) -> None:
    """What moves when nothing is said: service clocks and counters."""
    later = datetime.fromisoformat(record["updated_at"]).astimezone(UTC) + timedelta(days=1)
    record["due_by"] = record["fr_due_by"] = corpus.stamp(later)
    record["is_escalated"] = not record["is_escalated"]
    record["stats"] = (record["stats"] or shape.stats()) | {"status_updated_at": record["updated_at"]}
