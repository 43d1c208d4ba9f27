"""What every helpdesk adapter gives: pages of documents, and the neutral form of each.

Belongs here: the contract between an adapter and the collection (``collect``).
Does not belong here: any platform's field, address or status number.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from domain.article import Article
from domain.errors import DocumentError
from domain.ticket import Satisfaction, Ticket

Json = dict[str, Any]
ARCHIVED = "archived"
"""The version of a document that the source has put away: it is in no list, and no audit asks for it again.
It sorts behind all versions that are times."""


@contextmanager
def known_shape(what: str = "ticket") -> Iterator[None]:
    """What goes wrong inside because a record is not as its source's are, told without the record's text."""
    try:
        yield
    except KeyError as missing:
        raise DocumentError(f"The {what} has an unknown shape.", f"It lacks {missing}.") from None
    except (TypeError, ValueError, AttributeError, RecursionError, OverflowError) as odd:
        # Not chained: Dagster keeps the chain, and a ValueError quotes what it could not read.
        raise DocumentError(f"The {what} has an unknown shape.", f"({type(odd).__name__})") from None


class Stored(Protocol):
    """What is here already of some documents."""

    def versions(self, doc_ids: Sequence[str]) -> dict[str, str]:
        """The ``version`` of each that is stored live under today's options; the others are left out."""
        ...

    def payloads(self, doc_ids: Sequence[str]) -> dict[str, Json]:
        """The stored payload of each that is live, so that what cannot have changed need not be fetched again."""
        ...


class Nothing:
    """A store that is empty."""

    def versions(self, doc_ids: Sequence[str]) -> dict[str, str]:
        return {}

    def payloads(self, doc_ids: Sequence[str]) -> dict[str, Json]:
        return {}


@dataclass(frozen=True, slots=True)
class Unread:
    """What a document is stored without: why a file's text is not there. ``passing``: it may be next time."""

    reason: str
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One document as the source gave it, cleaned of what no store takes.

    ``payload`` is the source's own JSON (a ticket with its list ``conversations``). ``content_hash`` covers what
    the document says (no signed addresses, clocks, counters, times of touching); ``version`` is the source's own
    mark that moves with every touch, so that an unmoved one need not be fetched again; versions sort as the walk goes.
    ``replaced`` counts NUL bytes and lone surrogates that became U+FFFD.
    """

    doc_id: str
    payload: Json
    content_hash: str
    version: str
    replaced: int = 0
    unread: Unread | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A document that the source could not give, or that could not be read. It goes to the queue."""

    doc_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Page:
    """A chunk of a walk. ``cursor`` is JSON; it is stored in the same transaction as the documents,
    so a walk that is killed goes on from the last committed page.

    ``seen`` are the ids that the chunk showed, the unchanged ones included. ``gone`` are the ids that the source
    says are deleted or spam. ``walked_all`` on the last page of a walk that has shown every document there is
    (since its first page): where absence proves it, what it did not show is gone.
    """

    documents: Sequence[Document]
    seen: Sequence[str]
    cursor: Json
    gone: Sequence[str] = ()
    unreadable: Sequence[Unreadable] = ()
    walked_all: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What ``check`` learned. ``per_minute`` is the source's request limit a minute (None: it has none);
    ``tickets`` how many it holds, or at most holds (None: it does not tell)."""

    name: str
    per_minute: float | None = None
    tickets: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a walk: ``requests``, ``credits`` (what the rate limit counts) and ``minutes`` at that limit.
    ``exact`` is False where the source does not tell how many tickets there are, and ``basis`` says what of."""

    requests: int
    credits: int
    minutes: float
    exact: bool = True
    basis: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of the changes a walk takes. ``until`` (ISO 8601 UTC, or "": to the end) is where it ends; ``stop`` is
    asked before every list: after True it gives out what was listed, and no more."""

    until: str = ""
    stop: Callable[[], bool] = field(default=lambda: False)


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of versions, low <= version < high, with all ids that the source shows in it. ``is_last``: the source shows
    nothing behind it."""

    low: str
    high: str
    ids: set[str]
    is_last: bool = False


Whereabouts = Literal["here", "archived", "gone"]


class Source(Protocol):
    """Documents of one kind, at one source. Every call may raise ``SourceRefused`` or ``SourceUnavailable``."""

    @property
    def made_by(self) -> str:
        """Version of the adapter and of the options that shape a payload; when it moves, everything is walked again."""
        ...

    @property
    def notes(self) -> list[str]:
        """What a walk had to do without, in words for a person: an address that the key may not read."""
        ...

    @property
    def absent_is_gone(self) -> bool:
        """Whether a document that a whole walk did not show is gone; else ``audit`` finds those, in slices."""
        ...

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        ...

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """Walk what changed since ``cursor`` (None: everything), oldest change first, ready to be killed at any page."""
        ...

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """Fetch one document again (a queued one, or ``sync --doc``); None when the source no longer has it.
        ``kept`` is what is stored of it."""
        ...


class Tickets(Source, Protocol):
    """The tickets of one helpdesk."""

    @property
    def names(self) -> Json:
        """What the account calls its own numbers, as it was learned: to be kept, and given back before the next use."""
        ...

    @names.setter
    def names(self, known: Json) -> None: ...

    def neutral(self, payload: Json) -> Ticket:
        """The platform-neutral form of a stored payload. Pure. Raises ``DocumentError`` when it cannot be read."""
        ...

    def start(self, since: str) -> Json:
        """The cursor of a walk from a moment on (ISO 8601 UTC)."""
        ...

    def size(self) -> int | None:
        """How many tickets a first walk will show, at most; None when nobody tells. A request or two."""
        ...

    def audit(self, since: str) -> Iterator[Slice]:
        """All ids that the source lists, in the order of their versions, from a version on."""
        ...

    def whereabouts(self, doc_id: str) -> Whereabouts:
        """Where a ticket is that no list shows."""
        ...


class Articles(Source, Protocol):
    """The articles of one help centre."""

    @property
    def absence_is_certain(self) -> bool:
        """Whether nothing can hide an article from a whole walk; else each absent one is asked for before it goes."""
        ...

    def neutral(self, payload: Json) -> Article:
        """The platform-neutral form of a stored payload. Pure. Raises ``DocumentError`` when it cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Rating:
    """How content a customer was with a ticket. ``id`` is the source's."""

    id: str
    ticket_id: str
    said: Satisfaction


@dataclass(frozen=True, slots=True)
class Ratings:
    """A page of ratings. ``cursor`` is stored with them."""

    ratings: Sequence[Rating]
    cursor: Json


class Helpdesk(Tickets, Protocol):
    """One company's helpdesk: its tickets, and what else it has."""

    @property
    def platform(self) -> str: ...

    @property
    def version(self) -> str:
        """Of the neutral form: moves whenever the same payload would give another one."""
        ...

    @property
    def articles(self) -> Articles | None:
        """Its knowledge base; None where the platform has none."""
        ...

    def check(self) -> Account:
        """Prove address, key and rights with as few requests as can be."""
        ...

    def plan(self, account: Account) -> Estimate:
        """The cost of a first walk."""
        ...

    def ratings(self, cursor: Json | None) -> Iterable[Ratings]:
        """Ratings that came in since ``cursor``; none where a ticket itself holds them."""
        ...

    def ratings_of(self, ticket_id: str) -> Sequence[Rating]:
        """All ratings of one ticket that ``ratings`` gives, whenever they came in; none where a ticket holds them."""
        ...

    def close(self) -> None:
        """End what it has running."""
        ...
