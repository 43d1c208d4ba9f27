"""An account of millions of tickets that nobody stores: each is computed from its number when it is asked for.

Belongs here: the tickets as a function of their number, their orders as arithmetic, and the few that were changed, which
are kept beside. Does not belong here: what a change is (``world``), how it is served (``freshdesk``).

Ticket ``n`` of ``count`` was created at an even pace over the history. Changes came in another order: within blocks of 64
tickets it is shuffled by a fixed permutation, so that the order of ``updated_at`` is not that of the ids, and can still be
computed both ways. No two tickets of the beginning share their second of change, or of creation.

What is not offered: filters by person, the order by status, Zendesk, statuses and fields of its own.
"""

import hashlib
import random
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, overload

import orjson

from sandbox import corpus, generate, shape
from sandbox.shape import Json
from sandbox.world import Order, Place, Ticket, World

MOST = 10_000_000
#: Seconds from a ticket's creation to its last change, give or take its place in the block.
_LAPSE = 3 * 86400
_BLOCK, _STEP, _SHIFT = 64, 37, 11
_BACK = pow(_STEP, -1, _BLOCK)
_FIRST_DAY = int((corpus.PRESENT - corpus.HISTORY).timestamp()) // 86400
_BEGIN = int((corpus.PRESENT - corpus.HISTORY).timestamp())
_SPAN = int(corpus.HISTORY.total_seconds()) - 2 * _LAPSE
#: Every so-manieth ticket has a thread of several pages.
_LONG, _LONG_THREAD = 997, 35
_MESSAGES = (0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 6, 6)
_STATUSES = (2, 3, 4, 4, 5, 5, 5, 5)
_PRIORITIES = (1, 1, 2, 2, 3, 4, 1, 2)
_FIRST_PERSON = shape.FIRST_CONTACT + 50_000_000


def _template(record: Json, **marks: bytes) -> bytes:
    """A record as a pattern for ``%``: each mark stands for the value that is named like it."""
    pattern = orjson.dumps(record).replace(b"%", b"%%")
    for name, form in marks.items():
        mark = b'"@%b@"' % name.encode() if form in (b"%d", b"%b") else b"@%b@" % name.encode()
        if pattern.count(mark) != 1:
            raise AssertionError(f"{name} is {pattern.count(mark)} times in the pattern")
        pattern = pattern.replace(mark, form.strip())
    return pattern


#: A form with a space stands inside a string, one without replaces the whole value.
_INSIDE = b" %b"


class Maker:
    """Ticket ``n`` of an account, piece by piece."""

    def __init__(self, count: int, desk: corpus.Helpdesk) -> None:
        if not 1 <= count <= MOST:
            raise ValueError(f"a vast account has up to {MOST:,} tickets, not {count:,}")
        self.count, self.people = count, count // 4 + 1
        self._whole = count // _BLOCK * _BLOCK if count >= 10_000 else 0
        self._agents = [agent["id"] for agent in desk.agents]
        self._products = [product["id"] for product in desk.products]
        days = range(_FIRST_DAY, _FIRST_DAY + corpus.HISTORY.days + 10)
        self._dates = [time.strftime("%Y-%m-%dT", time.gmtime(day * 86400)).encode() for day in days]
        row = shape.ticket(0, "@subject@", "@created@", group_id=shape.FIRST_GROUP)
        row |= {
            name: f"@{name}@" for name in ("id", "priority", "requester_id", "responder_id", "status", "product_id")
        }
        row |= {"type": "@type@", "tags": ["@tag@"], "due_by": "@due@", "updated_at": "@updated@"}
        for name in (
            "description",
            "description_text",
            "requester",
            "stats",
            "company",
            "attachments",
            "conversations",
        ):
            row.pop(name)
        number = b"%d"
        self._row = _template(
            row, priority=number, requester_id=number, responder_id=number, status=number, subject=_INSIDE,
            product_id=number, id=number, type=_INSIDE, due=_INSIDE, created=_INSIDE, updated=_INSIDE, tag=_INSIDE,
        )[:-1]  # fmt: skip
        stats = shape.stats(status_updated_at="@a@")
        self._stats = b',"stats":' + _template(stats, a=_INSIDE)
        self._stats_done = b',"stats":' + _template(stats | {"resolved_at": "@b@"}, a=_INSIDE, b=_INSIDE)
        person = shape.requester(0, "Customer @a@", "customer@b@@example.com") | {"id": "@id@"}
        self._person = b',"requester":' + _template(person, id=number, a=b" %d", b=b" %d")
        said = shape.conversation(0, 0, "@created@", "@body@", "@text@") | {"updated_at": "@updated@"}
        said |= {name: f"@{name}@" for name in ("id", "ticket_id", "user_id", "incoming", "category")}
        self._said = _template(
            said, body=_INSIDE, text=_INSIDE, id=number, incoming=b"%b", user_id=number, category=number,
            created=_INSIDE, updated=_INSIDE, ticket_id=number,
        )  # fmt: skip

    # -- order -----------------------------------------------------------------------------------------------------

    def rank(self, place: int) -> int:
        """The place by change of the ticket at this place by creation, both from 0."""
        block, within = place & ~(_BLOCK - 1), place & (_BLOCK - 1)
        return block + (within * _STEP + _SHIFT) % _BLOCK if place < self._whole else place

    def place(self, rank: int) -> int:
        """The inverse of ``rank``."""
        block, within = rank & ~(_BLOCK - 1), rank & (_BLOCK - 1)
        return block + (within - _SHIFT) * _BACK % _BLOCK if rank < self._whole else rank

    def created_at(self, place: int) -> int:
        """Seconds since 1970."""
        return _BEGIN + place * _SPAN // self.count

    def updated_at(self, rank: int) -> int:
        return _BEGIN + _LAPSE + rank * _SPAN // self.count

    def first(self, moment: int, *, lapse: int) -> int:
        """The first place (rank) whose time is not before the moment."""
        passed = moment - _BEGIN - lapse
        return min(max(-(-passed * self.count // _SPAN), 0), self.count)

    # -- pieces, by the names of ``Ticket``'s attributes -------------------------------------------------------------

    def created(self, number: int) -> str:
        return self._stamp(self.created_at(number - 1)).decode()

    def updated(self, number: int) -> str:
        return self._stamp(self.updated_at(self.rank(number - 1))).decode()

    def due(self, number: int) -> str:
        return self._stamp(self.created_at(number - 1) + 2 * 86400).decode()

    def status(self, number: int) -> int:
        return _STATUSES[_dice(number) & 7]

    def requester_id(self, number: int) -> int:
        return _FIRST_PERSON + self.person(number)

    def person(self, number: int) -> int:
        return (_dice(number) >> 20) % self.people

    def responder_id(self, number: int) -> int:
        return self._agents[(_dice(number) >> 8) % len(self._agents)]

    def company_id(self, number: int) -> None:
        del number

    def pieces(self, number: int) -> tuple[bytes, bytes, dict[str, bytes]]:
        """``row``, ``text`` and ``parts``, in one go: lists are made of them by the hundred thousand."""
        dice, place = _dice(number), number - 1
        subject, tag = _SUBJECTS[(dice >> 24) % _KINDS_OF_SUBJECT]
        status, person = _STATUSES[dice & 7], (dice >> 20) % self.people
        day, second = divmod(_BEGIN + place * _SPAN // self.count, 86400)
        dates, clock = self._dates, _TIMES[second]
        updated = self._stamp(_BEGIN + _LAPSE + self.rank(place) * _SPAN // self.count)
        row = self._row % (
            _PRIORITIES[dice >> 3 & 7],
            _FIRST_PERSON + person,
            self._agents[(dice >> 8) % len(self._agents)],
            status,
            subject,
            self._products[(dice >> 12) % len(self._products)],
            number,
            _TYPES[dice >> 6 & 3],
            dates[day - _FIRST_DAY + 2] + clock,
            dates[day - _FIRST_DAY] + clock,
            updated,
            tag,
        )
        said = b"Our %b (%d). %b Reference %d." % (subject, 2 + (dice >> 15) % 4998, _ASKED[(dice >> 33) % 144], number)
        text = b',"description":"<div dir=\\"ltr\\">' + said + b'</div>","description_text":"' + said + b'"'
        parts = {
            "requester": self._person % (_FIRST_PERSON + person, person, person),
            "stats": (self._stats_done % (updated, updated)) if 4 <= status <= 5 else self._stats % updated,
            "company": b',"company":null',
            "attachments": b',"attachments":[]',
        }
        return row, text, parts

    def conversations(self, number: int) -> list[bytes]:
        dice, count = _dice(number), self.messages(number)
        thing, detail = _THINGS[(dice >> 24) % _KINDS_OF_SUBJECT // len(generate.FAULTS)], 2 + (dice >> 15) % 4998
        start, end = self.created_at(number - 1), self.updated_at(self.rank(number - 1))
        said: list[bytes] = []
        for turn in range(count):
            incoming = turn & 1
            words = (_THANKS if incoming else _ANSWERS)[
                (dice >> 13 + turn) % (len(_THANKS) if incoming else len(_ANSWERS))
            ]
            words = words.replace(b"%s", thing).replace(b"%d", b"%d" % detail)
            moment = self._stamp(start + (end - start) * (turn + 1) // count)
            said.append(
                self._said
                % (
                    b'<div dir=\\"ltr\\">%b (%d.%d)</div>' % (words, number, turn + 1),
                    b"%b (%d.%d)" % (words, number, turn + 1),
                    shape.FIRST_CONVERSATION + 1_000_000_000 + number * 64 + turn,
                    b"true" if incoming else b"false",
                    _FIRST_PERSON + (dice >> 20) % self.people
                    if incoming
                    else self._agents[(dice >> 8) % len(self._agents)],
                    1 if incoming else 3,
                    moment,
                    moment,
                    number,
                )
            )
        return said

    def messages(self, number: int) -> int:
        """How many messages the thread has; 3.1 on average."""
        return _MESSAGES[(_dice(number) >> 45) % len(_MESSAGES)] if number % _LONG else _LONG_THREAD

    def _stamp(self, moment: int) -> bytes:
        day, second = divmod(moment, 86400)
        return self._dates[day - _FIRST_DAY] + _TIMES[second]


#: Every second of a day.
_TIMES = [b"%02d:%02d:%02dZ" % (second // 3600, second // 60 % 60, second % 60) for second in range(86400)]


def _encoded(words: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(one.encode() for one in words)


_THINGS = _encoded(generate.THINGS)
#: Subjects and their tags.
_SUBJECTS = [
    (f"{thing} {fault.replace('%d', str(7 + number))}".encode(), thing.rpartition(" ")[2].encode())
    for thing in generate.THINGS
    for number, fault in enumerate(generate.FAULTS)
]
_KINDS_OF_SUBJECT = len(_SUBJECTS)
_ASKED = _encoded(f"{one} {other}" for one in generate.ASKS for other in generate.ASKS)
_ANSWERS, _THANKS = _encoded(generate.ANSWERS), _encoded(generate.THANKS)
_TYPES = _encoded(shape.TYPES)


def _dice(number: int) -> int:
    """63 bits that look drawn, the same for the same number."""
    drawn = number * 0x9E3779B97F4A7C15 & 0x7FFFFFFFFFFFFFFF
    return (drawn ^ drawn >> 31) * 0x7FB5D329728EA185 & 0x7FFFFFFFFFFFFFFF


class Made(Ticket):
    """A computed ticket. What a list does not need is made when it is looked at."""

    __slots__ = ("_maker",)

    def __init__(self, maker: Maker, number: int) -> None:
        self.id, self.place, self._maker = number, "live", maker
        self.row, self.text, self.parts = maker.pieces(number)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._maker, name)(self.id)
        setattr(self, name, value)
        return value


class Tickets(MutableMapping[int, Ticket]):
    """All tickets by number: ``own`` are those that are stored, because something happened to them."""

    def __init__(self, maker: Maker) -> None:
        self.maker = maker
        self.own: dict[int, Ticket] = {}
        self.gone: set[int] = set()

    def __getitem__(self, number: int) -> Ticket:
        stored = self.own.get(number)
        if stored is not None:
            return stored
        if number in self.gone or not 1 <= number <= self.maker.count:
            raise KeyError(number)
        return Made(self.maker, number)

    def __setitem__(self, number: int, ticket: Ticket) -> None:
        self.own[number] = ticket

    def __delitem__(self, number: int) -> None:
        del self.own[number]
        self.gone.add(number)

    def __len__(self) -> int:
        count = self.maker.count
        return count - sum(number <= count for number in self.gone) + sum(number > count for number in self.own)

    def __iter__(self) -> Iterator[int]:
        for number in range(1, self.maker.count + 1):
            if number not in self.gone:
                yield number
        yield from (number for number in self.own if number > self.maker.count)


class Listed(Sequence[tuple[object, int]]):
    """Tickets in order, counted and never enumerated: places from ``low`` without the ``hidden`` ones, and ``extra`` keys."""

    def __init__(
        self,
        places: tuple[int, int],
        hidden: list[int],
        key: Callable[[int], tuple[str, int]],
        first: Callable[[str], int],
        number: Callable[[int], int],
        extra: list[tuple[str, int]],
        *,
        descending: bool,
    ) -> None:
        self._low, end = places
        self._hidden, self._key, self._number, self._extra = hidden, key, number, extra
        self._descending = descending
        self._base = max(end - self._low - len(hidden), 0)
        self._at: Sequence[int] = range(self._base, self._base + len(extra))
        if extra and end and extra[0] < key(end - 1):
            self._at = [self._before(one, first(one[0]), end) + at for at, one in enumerate(extra)]

    def _before(self, extra: tuple[str, int], place: int, end: int) -> int:
        """How many of the computed ones come before a stored one."""
        if place < end and self._key(place) < extra:
            place += 1
        return max(place - self._low - bisect_left(self._hidden, place), 0)

    def __len__(self) -> int:
        return self._base + len(self._extra)

    @overload
    def __getitem__(self, index: int) -> tuple[object, int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[object, int]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            chosen = range(*index.indices(len(self)))
            if not self._hidden and not self._extra:
                last = self._low + self._base - 1
                places = [last - one if self._descending else self._low + one for one in chosen]
                return [(None, self._number(place)) for place in places]
            return [self[one] for one in chosen]
        index = len(self) - 1 - index if self._descending else index
        at = bisect_left(self._at, index)
        if at < len(self._at) and self._at[at] == index:
            return self._extra[at]
        rest = index - at
        skipped = bisect_right(range(len(self._hidden)), rest, key=lambda one: self._hidden[one] - one - self._low)
        return None, self._number(self._low + rest + skipped)


class People(Sequence[Json]):
    """The contacts of a vast account, made when they are looked at."""

    def __init__(self, count: int, since: str) -> None:
        self._count, self._since = count, since

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Json: ...
    @overload
    def __getitem__(self, index: slice) -> list[Json]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        name, email = f"Customer {index}", f"customer{index}@example.com"
        return shape.contact(_FIRST_PERSON + index, name, email, None, "en", self._since)


class VastWorld(World):
    """A world of ``count`` computed tickets, with those that were changed on top."""

    vast = True

    def __init__(self, name: str, count: int, key: str | None = None, page_cap: int = 300) -> None:
        desk = generate.helpdesk(name, 0)
        super().__init__(desk, key, page_cap)
        self.maker = Maker(count, desk)
        self.tickets = self.made = Tickets(self.maker)
        self._next_ticket = count
        self._contacts = People(self.maker.people, desk.agents[0]["created_at"])
        #: The places and ranks of those that are stored instead of computed.
        self._hidden: dict[str, list[int]] = {"created_at": [], "updated_at": []}

    @property
    def contacts(self) -> Sequence[Json]:
        return self._contacts or ()

    def contact(self, number: int) -> Json | None:
        place = number - _FIRST_PERSON
        return self.contacts[place] if 0 <= place < len(self.contacts) else None

    def stored(self) -> Iterable[Ticket]:
        return self.made.own.values()

    def find(
        self,
        place: Place,
        order_by: Order,
        *,
        descending: bool,
        updated_since: str | None = None,
        keep: Callable[[Ticket], bool] | None = None,
    ) -> Sequence[tuple[object, int]]:
        """As ``World.find``. Raises ``ValueError`` for what cannot be computed: filters by person, the order by status."""
        if place != "live":
            return super().find(place, order_by, descending=descending, updated_since=updated_since, keep=keep)
        if keep is not None or order_by == "status":
            raise ValueError("a vast account has no lists by person or by status")
        oldest = corpus.stamp(self.clock.now() - timedelta(days=30))
        order = "updated_at" if order_by == "updated_at" else "created_at"  # due is two days after created
        low, hidden = self._visible(order, updated_since, oldest)
        extra = [
            key
            for key in (self.shelves["live"].by_updated if order == "updated_at" else self.shelves["live"].by_created)
            if (
                self.tickets[key[1]].updated >= updated_since
                if updated_since
                else self.tickets[key[1]].created >= oldest
            )
        ]
        if order == "updated_at":
            ways = self._updated, self._rank_at, lambda rank: self.maker.place(rank) + 1
        else:
            ways = self._created, self._place_at, lambda place: place + 1
        return Listed((low, self.maker.count), hidden, *ways, extra, descending=descending)

    def _visible(self, order: str, since: str | None, oldest: str) -> tuple[int, list[int]]:
        """The first place in this order that a list shows, and those behind it that it does not."""
        maker, hidden = self.maker, self._hidden[order]
        first = self._rank_at(since) if since else self._place_at(oldest)
        if (order == "updated_at") == bool(since):
            return first, hidden[bisect_left(hidden, first) :]
        # The condition is on the other order: it cuts through one block, in which each place is looked at.
        other = maker.rank if order == "created_at" else maker.place
        low = first & ~(_BLOCK - 1) if first < maker.count else first
        cut = [one for one in range(low, min(low + _BLOCK, maker.count)) if other(one) < first]
        return low, sorted({*hidden[bisect_left(hidden, low) :], *cut})

    def _updated(self, rank: int) -> tuple[str, int]:
        number = self.maker.place(rank) + 1
        return self.maker.updated(number), number

    def _created(self, place: int) -> tuple[str, int]:
        return self.maker.created(place + 1), place + 1

    def _rank_at(self, stamp: str) -> int:
        return self.maker.first(_seconds(stamp), lapse=_LAPSE)

    def _place_at(self, stamp: str) -> int:
        return self.maker.first(_seconds(stamp), lapse=0)

    def ids(self, place: Place) -> list[int]:
        if place == "live":
            raise ValueError("say which tickets of a vast account: ids, or count")
        return super().ids(place)

    def choose(
        self, ids: Sequence[int] | None, count: int | None, seed: int | None, place: Place = "live"
    ) -> list[int]:
        if ids is not None or count is None or place != "live":
            return super().choose(ids, count, seed, place)
        if count > len(self.made) // 2:
            raise ValueError(f"a vast account changes up to half of its tickets, not {count}")
        drawn, dice = set[int](), random.Random(self._changes if seed is None else seed)
        while len(drawn) < count:
            number = dice.randint(1, self._next_ticket)
            if number in self.made and self.made[number].place == "live":
                drawn.add(number)
        return sorted(drawn)

    # -- what is changed is stored first -----------------------------------------------------------------------------

    def _store(self, number: int) -> None:
        computed = self.tickets[number]
        if number in self.made.own:
            return
        stored = self.made.own[number] = Ticket(computed.record())
        self.shelves["live"].add(stored)
        insort(self._hidden["created_at"], number - 1)
        insort(self._hidden["updated_at"], self.maker.rank(number - 1))

    def change(self, number: int, change: Callable[[Json], None], *, touch: bool = True) -> None:
        self._store(number)
        super().change(number, change, touch=touch)

    def put(self, ids: Iterable[int], place: Place, *, touch: bool = True) -> list[int]:
        chosen = [*ids]
        for number in chosen:
            self._store(number)
        return super().put(chosen, place, touch=touch)

    def purge(self, ids: Iterable[int]) -> list[int]:
        chosen = [*ids]
        for number in chosen:
            self._store(number)
        return super().purge(chosen)

    def customise(self) -> None:
        raise ValueError("a vast account has no statuses and fields of its own")

    # -- truth -----------------------------------------------------------------------------------------------------

    def counted(self) -> Json:
        """How many tickets and messages there are, without their names."""
        live = len(self.made) - sum(ticket.place != "live" for ticket in self.made.own.values())
        return {"count": live, "changed": sorted(self.made.own)}

    def each(self) -> Iterator[tuple[int, str, int]]:
        """The live tickets' numbers, ``updated_at`` and messages: a second or two for a million."""
        own, gone, maker = self.made.own, self.made.gone, self.maker
        for number in range(1, maker.count + 1):
            if number not in own and number not in gone:
                yield number, maker.updated(number), maker.messages(number)
        yield from ((one.id, one.updated, len(one.conversations)) for one in own.values() if one.place == "live")


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).astimezone(UTC).timestamp())


def checksum(each: Iterable[tuple[int, str, int]]) -> Json:
    """Of all tickets: their count, their messages, and the sum of BLAKE2b-64 of "ID UPDATED_AT MESSAGES" modulo 2**64."""
    count = messages = total = 0
    for number, updated, said in each:
        digest = hashlib.blake2b(f"{number} {updated} {said}".encode(), digest_size=8).digest()
        total += int.from_bytes(digest)
        count, messages = count + 1, messages + said
    return {"count": count, "messages": messages, "checksum": f"{total % (1 << 64):016x}"}
