"""What every helpdesk adapter gives: pages of documents, and the neutral form of each.

Belongs here: the contract between an adapter and the collection (``collect``).
Does not belong here: any platform's field, address or status number.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain.ticket import Ticket

Json = dict[str, Any]
Known = Callable[[Sequence[str]], dict[str, str]]
"""Given document ids, the ``version`` of each that is stored live already; the others are left out."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document as the source gave it, cleaned of what no store takes.

    ``payload`` is the source's own JSON (a ticket with its list ``conversations``). ``content_hash`` covers what
    the document says (no signed addresses, clocks, counters, times of touching); ``version`` is the source's own
    mark that moves with every touch (``updated_at``), so that an unmoved one need not be fetched again.
    ``replaced`` counts NUL bytes and lone surrogates that became U+FFFD.
    """

    doc_id: str
    payload: Json
    content_hash: str
    version: str
    replaced: int = 0


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
    (since its first page): what it did not show is gone.
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
    ``tickets`` how many it holds (None: it does not tell)."""

    name: str
    per_minute: float | None = None
    tickets: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """The cost of a walk: ``requests``, ``credits`` (what the rate limit counts) and ``minutes`` at that limit.
    ``exact`` is False where the source does not tell how many tickets there are and ``requests`` is per 1,000."""

    requests: int
    credits: int
    minutes: float
    exact: bool = True
    basis: str = ""


class Helpdesk(Protocol):
    """One company's helpdesk. Every call may raise ``SourceRefused`` or ``SourceUnavailable``."""

    platform: str
    version: str
    """Of the adapter: moves whenever the same payload would give another neutral form."""

    made_by: str
    """Version of the adapter and of the options that shape a payload; when it moves, everything is walked again."""

    requests: int
    """Requests sent so far by this object."""

    notes: list[str]
    """What a walk had to do without, in words for a person: an address that the key may not read."""

    absent_is_gone: bool
    """Whether a document that a whole walk did not show is gone; else each missing one is asked for by ``one``."""

    def check(self) -> Account:
        """Prove address, key and rights with as few requests as can be."""
        ...

    def plan(self, account: Account) -> Estimate:
        """The cost of a first walk."""
        ...

    def pages(self, cursor: Json | None, known: Known) -> Iterator[Page]:
        """Walk what changed since ``cursor`` (None: everything), oldest change first, ready to be killed at any page."""
        ...

    def one(self, doc_id: str) -> Document | None:
        """Fetch one document again (a queued one, or ``sync --doc``); None when the source no longer has it."""
        ...

    def neutral(self, payload: Json) -> Ticket:
        """The platform-neutral form of a stored payload. Pure. Raises ``DocumentError`` when it cannot be read."""
        ...
