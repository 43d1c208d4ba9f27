"""Stage tables: the one shape in which every asset keeps its rows, and what a store must do for them.

Belongs here: the records that travel between ``derive`` and a store, and the store's contract.
Does not belong here: SQL (``resources/storage``), or what any one stage makes (the module of its subject).

The rules R1-R11 named below: one writer a company (R11) takes numbers from one clock (R1); a row's ``seq`` moves only
when its content does (R2); what readers have seen is a ``Cursor`` of a top and the gaps below it (R6).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from domain.batch import Batch
from domain.company import CompanyId
from domain.fingerprint import fingerprint

DataType = Literal["ticket", "kb", "faq", "regulation"]
"""What is searched: an id is one within its type."""

TABLES: dict[str, str] = {
    "raw_tickets": "tickets with their threads, as the helpdesk gave them",
    "ticket_ratings": "how content customers were, where the helpdesk keeps that apart from the ticket",
    "merged_tickets": "ticket, thread and attachments as one document",
    "ticket_summaries": "problem, cause, solution, result and tags of resolved tickets",
    "ticket_embeddings": "the summary as a vector",
    "ticket_terms": "the words of the whole thread that a search can find",
    "ticket_collection": "the points of the vector collection",
    "raw_kb": "articles of the help centre, as the helpdesk gave them, drafts included",
    "kb_summaries": "problem, cause, solution, result and tags of published articles",
    "kb_passages": "published articles, cut by their headings",
    "kb_embeddings": "the passages as vectors",
    "kb_collection": "the points of the articles' vector collection",
    "workbook": "the tabs of the workbook, as they were read",
    "faq": "frequent questions with their verified answers, the inactive ones included",
    "faq_keyword_index": "the FAQs that a keyword leads to",
    "faq_embeddings": "the questions of active FAQs as vectors",
    "faq_collection": "the points of the FAQs' vector collection",
    "regulations": "the company's regulations, article by article",
    "regulation_passages": "articles of regulations, long ones cut by their items",
    "regulation_embeddings": "the passages of regulations as vectors",
    "regulation_collection": "the points of the regulations' vector collection",
    "contacts": "whom to ask, by category",
    "conversation_log": "what users asked and what they were answered, the last days of it",
    "conversation_archive": "the same, of the months before",
    "operations_log": "each answer's tier, source, score and time",
    "daily_dashboard": "figures of a day",
    "monthly_dashboard": "figures of a month",
    "faq_proposals": "questions that people ask and no FAQ answers, each with an answer to be verified",
}
"""Every stage table, in the order the data flows. The asset has the table's name."""

OF_THE_WORKBOOK = tuple(TABLES)[tuple(TABLES).index("workbook") : tuple(TABLES).index("faq_proposals")]
"""Those that hold nothing where a company has no workbook and was asked nothing: a sync leaves their assets out."""

COLLECTIONS: Mapping[DataType, str] = {
    "ticket": "ticket_collection",
    "kb": "kb_collection",
    "faq": "faq_collection",
    "regulation": "regulation_collection",
}
"""The tables that a vector index follows, by the data type that is searched in them."""

ATTACHMENTS = "attachments"
"""In the queue: tickets that are stored without the text of a file that could not be read."""

NEVER = "9999-12-31T00:00:00Z"
"""When that is due again which no later try would change; a person can ask for it (``sync --doc``)."""


def tables_of(data_type: DataType) -> tuple[str, ...]:
    """The stage tables of a data type: a document's id is one only within its type."""
    return tuple(name for name in TABLES if type_of(name) == data_type)


_TYPES: Mapping[str, DataType] = {
    **{name: "ticket" for name in TABLES if "ticket" in name},
    **{name: "kb" for name in TABLES if "kb" in name.split("_")},
    **dict.fromkeys(("faq", "faq_keyword_index", "faq_embeddings", "faq_collection"), "faq"),
    **{name: "regulation" for name in TABLES if name.startswith("regulation")},
}


def type_of(table: str) -> DataType | None:
    """The data type of a stage table's documents; None where its rows are no documents that are searched."""
    return _TYPES.get(table)


def queues_of(data_type: DataType) -> tuple[str, ...]:
    """In the queue: the targets whose documents are of a data type."""
    return (*tables_of(data_type), *([ATTACHMENTS] if data_type == "ticket" else []))


@dataclass(frozen=True, slots=True)
class Head:
    """What decides whether a row must be made again; a row without its payload."""

    content_hash: str | None
    source_hash: str | None
    made_by: str | None
    deleted: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands. ``payload`` is JSON; ``vector`` is little-endian float32; a tombstone has neither."""

    doc_id: str
    seq: int
    content_hash: str | None
    source_hash: str | None
    made_by: str | None
    payload: Any
    vector: bytes | None
    deleted: bool
    run_id: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Put:
    """A live row to write."""

    doc_id: str
    payload: Any
    content_hash: str
    source_hash: str
    made_by: str
    vector: bytes | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a ``make`` gave for one input. ``tokens`` and ``cost`` (US dollars) say what was paid for it."""

    payload: Any
    vector: bytes | None = None
    tokens: int = 0
    cost: float = 0.0

    def content_hash(self) -> str:
        """Hash of payload and vector."""
        return fingerprint([self.payload, self.vector.hex() if self.vector else None])


@dataclass(frozen=True, slots=True)
class Failed:
    """Why one document could not be made."""

    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """It was asked for, and the answer comes in hours: the document waits in the queue, and holds up no other."""

    reason: str


@dataclass(frozen=True, slots=True)
class Spent:
    """One call of a paid service, as the ledger keeps it. ``call_id`` is unique in the company, so that a call is counted
    once however often its answer is read. ``cost`` is in US dollars, None where no price is known; ``purpose`` is
    "first" for new documents, "retry" and "repair" for those that a call before left without a good answer, "batch"."""

    call_id: str
    provider: str
    model: str
    purpose: str
    documents: int
    tokens_in: int
    tokens_out: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """What a ``make`` has got: results by the position of their input, and what was paid for them. Stored at once."""

    results: Sequence[tuple[int, "Made | Failed | Later"]]
    spent: Sequence[Spent] = ()


class Pause(Exception):
    """Raised by a ``make`` that cannot go on now: a budget is used up, or no provider answers. What arrived before stays,
    the rest is done by a later run. ``is_trouble``: somebody has to see to it."""

    def __init__(self, reason: str, *, is_trouble: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_trouble = is_trouble


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far ``target`` has read ``source`` (R6): every seq up to ``top`` is read, but for those in ``gaps``.

    ``gaps`` are closed intervals (low, high), the newest first. ``rule`` is the version of the rules that it was
    walked with (R5): under another one nothing counts as read.
    """

    target: str
    source: str
    rule: str
    top: int = 0
    gaps: tuple[tuple[int, int], ...] = ()

    def opened(self, top: int) -> "Cursor":
        """With what came since as one more gap."""
        if top <= self.top:
            return self
        return Cursor(self.target, self.source, self.rule, top, ((self.top + 1, top), *self.gaps))

    def shrunk(self, lowest_read: int | None) -> "Cursor":
        """With the newest gap read down to ``lowest_read`` (None: to its end)."""
        (low, _), *older = self.gaps
        left = [] if lowest_read is None or lowest_read <= low else [(low, lowest_read - 1)]
        return Cursor(self.target, self.source, self.rule, self.top, (*left, *older))


@dataclass(frozen=True, slots=True)
class Written:
    """What a write changed: ``moved`` rows have new content, ``removed`` are new tombstones."""

    moved: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A document that waits: ``target`` could not make it ``retries`` times; it is ``due`` again at that time. Of those
    that are due the one of higher ``priority`` comes first, then the one that came in first."""

    target: str
    doc_id: str
    reason: str
    retries: int
    due: str
    first_seen: str
    last_run: str
    priority: int = 0
    waits: bool = False

    @property
    def status(self) -> Literal["failed", "waiting", "dead"]:
        """*waiting* for an answer that comes by itself, *failed* and tried again, or *dead*: no longer tried."""
        return "waiting" if self.waits else "dead" if self.due == NEVER else "failed"


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """What calls of one kind came to in a quarter of an hour (``quarter`` is "2026-01-31T09:15", UTC): the ledger, added
    up. Every time zone's day begins with one of these quarters, but not every one's with a full hour of UTC."""

    quarter: str
    stage: str
    provider: str
    model: str
    purpose: str
    calls: int
    documents: int
    tokens_in: int
    tokens_out: int
    cost: float
    unpriced: int


@dataclass(slots=True)
class Report:
    """What a stage did in one run: numbers of documents (``seconds`` apart), and what was paid (``calls``, ``tokens``,
    ``cost`` in US dollars; ``made``: results that are kept, whether they cost money or time).

    ``read`` were looked at; of them ``changed`` have new content, ``skipped`` are as they were, ``removed`` left the
    table, ``failed`` are in the queue to be tried again, ``waiting`` until a batch is answered; ``left_out`` counts those
    that a rule leaves out, by its reason. ``notes`` are for people; ``sample`` holds some ids that changed.
    ``total`` is how many there are to be read, where the source tells; ``more``: this was a slice, and more is to come.
    ``paused`` says why not all could be made now; with ``is_trouble`` somebody has to see to it.
    """

    read: int = 0
    changed: int = 0
    skipped: int = 0
    removed: int = 0
    failed: int = 0
    waiting: int = 0
    seconds: float = 0.0
    made: int = 0
    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    requests: int = 0
    total: int | None = None
    more: bool = False
    notes: list[str] = field(default_factory=list[str])
    sample: list[str] = field(default_factory=list[str])
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    paused: str = ""
    is_trouble: bool = False


class Transaction(Protocol):
    """One atomic change of a company's store: all of it is there after a crash, or none."""

    def upsert(self, table: str, rows: Sequence[Put]) -> int:
        """Write rows; returns how many moved (R2: new content, or back from the dead). Of several rows of one document
        the last counts."""
        ...

    def delete(self, table: str, doc_ids: Sequence[str]) -> int:
        """Turn live rows into tombstones (R9); returns how many were live."""
        ...

    def save_cursor(self, cursor: Cursor) -> None: ...

    def save_state(self, name: str, value: Any) -> None:
        """Keep a small JSON value under a name: a source's own cursor, for example."""
        ...

    def fail(
        self,
        target: str,
        failures: Mapping[str, str],
        due: Mapping[str, str],
        priorities: Mapping[str, int] | None = None,
    ) -> None:
        """Put documents (id → reason) into the queue of ``target`` until their time (id → ISO 8601), or count a retry."""
        ...

    def wait(self, target: str, reasons: Mapping[str, str], priorities: Mapping[str, int] | None = None) -> None:
        """Put documents (id → reason) into the queue of ``target`` until ``release``; no retry is counted."""
        ...

    def release(self, target: str) -> int:
        """Whatever waits in the queue of ``target`` is due now; how many."""
        ...

    def save_batch(self, batch: Batch) -> None:
        """Write a batch, or what became of it; the documents of one that has ended are no longer in it."""
        ...

    def add_to_batch(self, batch: Batch, source_hashes: Iterable[str]) -> None:
        """These inputs are in a batch: nothing else may ask for them."""
        ...

    def settle(self, target: str, doc_ids: Iterable[str]) -> None:
        """Take documents out of the queue of ``target`` (R7)."""
        ...

    def forget(self, digests: Iterable[str], kind: str) -> None:
        """Remember by its hash what must not come back (``domain/forgotten``)."""
        ...

    def forget_paid(self, doc_ids: Iterable[str], data_type: DataType = "ticket") -> None:
        """Drop the kept results of documents that the source deleted (R8)."""
        ...


class CompanyStore(Protocol):
    """Everything one company has. No call takes a company: a handle cannot reach another one's rows."""

    @property
    def company(self) -> CompanyId: ...

    def begin(self, run_id: str, now: str) -> AbstractContextManager[Transaction]:
        """Open a write; commits at the end of the ``with`` block, rolls back when it raises."""
        ...

    def top(self, table: str) -> int:
        """The highest seq of a table; 0 when it is empty."""
        ...

    def window(self, table: str, low: int, high: int, limit: int) -> list[tuple[str, int]]:
        """At most ``limit`` (doc_id, seq) with low <= seq <= high, the newest first."""
        ...

    def get(self, table: str, doc_ids: Sequence[str], *, vector: bool = False) -> dict[str, Row]: ...

    def heads(self, table: str, doc_ids: Sequence[str]) -> dict[str, Head]: ...

    def changes(self, table: str, after: int, limit: int) -> list[Row]:
        """At most ``limit`` rows with seq > ``after``, the oldest first, with vectors, tombstones included."""
        ...

    def ids(self, table: str) -> set[str]:
        """The ids of the live rows."""
        ...

    def orphans(self, table: str, source: str) -> list[str]:
        """The ids of the live rows whose row in ``source`` is a tombstone."""
        ...

    def ids_between(self, table: str, low: str, high: str) -> set[str]:
        """The ids of the live rows with low <= source_hash < high; of a raw table, where that is the source's version."""
        ...

    def first_version(self, table: str) -> str:
        """The lowest source_hash of the live rows; "" when there is none."""
        ...

    def count(self, table: str, made_by: str | None = None) -> int:
        """How many rows are live; of one making, if it is named."""
        ...

    def cursor(self, target: str, source: str) -> Cursor | None: ...

    def state(self, name: str) -> Any: ...

    def queue(self) -> list[QueueEntry]:
        """Everything that waits, the most often tried first."""
        ...

    def queued(self, target: str, doc_ids: Sequence[str]) -> dict[str, int]:
        """The retries so far of those of the documents that wait in the queue of ``target``."""
        ...

    def due(self, target: str, now: str) -> list[str]:
        """Documents whose time has come in the queue of ``target``: the highest priority first, then as they came in
        (the newest of a run come in first)."""
        ...

    def paid(self, made_by: str, source_hashes: Sequence[str]) -> dict[str, Made]: ...

    def forgotten(self) -> dict[str, str]:
        """The hashes of what must not come back (``domain/forgotten``), each with when it was forgotten."""
        ...

    def keep_paid(
        self,
        stage: str,
        made_by: str,
        results: Sequence[tuple[str, str, Made]],
        spent: Sequence[Spent],
        run_id: str,
        now: str,
    ) -> None:
        """Store paid results (source_hash, doc_id, what was made) of a stage, and what was paid for them, in one commit of
        their own, at once (R8)."""
        ...

    def spent(self, since: str) -> float:
        """US dollars in the ledger from a moment on (ISO 8601 UTC)."""
        ...

    def batches(self, stage: str) -> list[Batch]:
        """The batches of a stage that have not ended, the oldest first."""
        ...
