"""One company's store in SQL (``domain.stage.CompanyStore``), for every dialect that has ON CONFLICT.

Belongs here: every query there is. Does not belong here: what differs between backends (``sqlite``, ``postgres``
override what stands under that heading), or deciding what to write (``domain/derive``).

The clock (R1): each write begins by moving the company's clock row and keeps that row locked until it commits, so
commit order is seq order and ``max(seq)`` is a safe mark for readers.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any, ClassVar, TypeVar

import orjson
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from domain.batch import Batch
from domain.company import CompanyId
from domain.errors import InputError
from domain.feedback import Vote
from domain.fingerprint import clean
from domain.stage import (
    NEVER,
    Cursor,
    DataType,
    Head,
    LedgerLine,
    Made,
    Put,
    QueueEntry,
    Row,
    Spent,
    queues_of,
    tables_of,
    type_of,
)
from resources.storage import schema
from resources.storage.exchanges import ExchangeRows, ExchangeWrites
from resources.storage.learned import LearnedRows, LearnedWrites

_INSERT: dict[str, Callable[[sa.Table], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_BIND_LIMIT = 10_000
_EXPORTED = pa.schema(
    [
        ("company_id", pa.string()),
        ("doc_id", pa.string()),
        ("seq", pa.int64()),
        ("content_hash", pa.string()),
        ("source_hash", pa.string()),
        ("made_by", pa.string()),
        ("payload", pa.string()),
        ("vector", pa.list_(pa.float32())),
        ("deleted", pa.bool_()),
        ("run_id", pa.string()),
        ("updated_at", pa.string()),
    ]
)


_KEPT = frozenset(("company_id", "doc_id", "id", "created_at"))
"""What a row keeps from its birth."""
_SAID = ("content_hash", "source_hash", "made_by", "payload", "vector")
"""What a tombstone has not."""
_HEAD = ("doc_id", "content_hash", "source_hash", "made_by", "deleted")
_STANDING = ("doc_id", "seq", "content_hash", "deleted")
_WHOLE = (
    *("doc_id", "seq", "content_hash", "source_hash", "made_by"),
    *("payload", "vector", "deleted", "run_id", "updated_at"),
)
_WITHOUT_VECTOR = tuple(name if name != "vector" else "" for name in _WHOLE)
_NOWHERE = (0, None, True)
_LONGEST_ID = 1000
_QUARTERS = (("00", "15"), ("15", "30"), ("30", "45"))


def _json(value: Any) -> str:
    """JSON that every backend takes: NUL and lone surrogates, which Postgres refuses, become U+FFFD."""
    try:
        text = orjson.dumps(value)
    except TypeError:
        text = orjson.dumps(clean(value)[0])
    if b"\\u0000" in text:
        text = orjson.dumps(clean(value)[0])
    return text.decode()


def check_id(doc_id: str) -> str:
    """An id that every backend can store. Raises ``InputError`` for one that is empty, too long, or holds NUL or a lone
    surrogate."""
    if doc_id and not clean(doc_id)[1] and len(doc_id.encode()) <= _LONGEST_ID:
        return doc_id
    raise InputError(
        "a document's id cannot be stored.",
        f"{doc_id[:40]!r} is empty, longer than {_LONGEST_ID} bytes, or holds characters that no database takes.",
    )


def _possible(doc_ids: Iterable[str]) -> list[str]:
    """Without ids that no row can have: a question about them has an answer, and some drivers raise instead."""
    return [doc_id for doc_id in doc_ids if not clean(doc_id)[1]]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A line of the view ``tickets``; ``status`` is the processing's."""

    id: int
    platform: str
    ticket_id: str
    status: str
    created_at: str
    updated_at: str


_tickets = sa.table(
    "tickets",
    sa.column("id", sa.BigInteger),
    *(sa.column(name, sa.Text) for name in ("company_id", "platform", "ticket_id", "status")),
)

Select = sa.Select[*tuple[Any, ...]]
SqlRow = sa.Row[*tuple[Any, ...]]
Values = tuple[Any, ...]
Item = TypeVar("Item")


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _BIND_LIMIT):
        yield items[start : start + _BIND_LIMIT]


_HOLDING = (schema.paid, schema.queue, schema.votes)
"""Tables beside the stages that hold something of documents."""


def _of_type(table: sa.Table, data_type: DataType) -> sa.ColumnElement[bool]:
    """The condition that a row beside the stages is of a document of this type; what is voted on are tickets."""
    if table is schema.queue:
        return table.c.target.in_(queues_of(data_type))
    if "data_type" in table.c:
        return table.c.data_type == data_type
    return sa.true() if data_type == "ticket" else sa.false()


class SqlCompanyStore(LearnedRows, ExchangeRows):
    """The rows of one company. Holds one connection; use it from one thread at a time."""

    def __init__(self, connection: sa.Connection, company: CompanyId) -> None:
        self.company = company
        self.db = connection
        self.insert = _INSERT[connection.dialect.name]

    # --- what differs between backends -------------------------------------------------------------------------

    dialect: ClassVar[Dialect] = sqlite.dialect(paramstyle="named")
    """Of statements that are written once and sent to the driver itself (``fetch``)."""

    def enter(self) -> None:
        """Called at the beginning of each transaction: puts up the wall, where it is not a file."""

    @staticmethod
    def packed(values: Sequence[str]) -> Any:
        """A list as one parameter, so that a statement is the same for any number of values."""
        return orjson.dumps(values).decode()

    @staticmethod
    def among(column: sa.ColumnElement[str], values: sa.BindParameter[Any]) -> sa.ColumnElement[bool]:
        """``column IN values``, which are ``packed``."""
        return column.in_(sa.select(sa.func.json_each(values).table_valued("value").c.value))

    def fetch(self, statement: str, values: Mapping[str, Any]) -> list[Values]:
        """The rows of one read, past SQLAlchemy, whose own work costs ten times a row that is read by its id."""
        return self.driver.execute(statement, values).fetchall()

    def fetch_few(self, statement: str, values: Mapping[str, Any]) -> list[Values]:
        """The same where the journey takes longer than the rows."""
        return self.fetch(statement, values)

    def write_rows(self, stage: sa.Table, rows: Sequence[dict[str, Any]]) -> None:
        """Insert rows, or replace those of the same id, but for what a row keeps from its birth."""
        with closing(self.driver.cursor()) as cursor:
            cursor.executemany(_upsert(type(self), stage.name), rows)

    @contextmanager
    def durably(self) -> Iterator[None]:
        """What is committed inside survives a power cut, too."""
        self.driver.execute("PRAGMA synchronous=FULL")
        try:
            yield
        finally:
            self.driver.execute("PRAGMA synchronous=NORMAL")

    def insert_rows(self, table: sa.Table, rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows that are not there, in the order of the table's columns; in a transaction."""
        self.db.execute(sa.insert(table), [dict(zip(table.c.keys(), row, strict=True)) for row in rows])

    @property
    def driver(self) -> Any:
        """The driver's own connection, in whatever transaction ``db`` is in."""
        return self.db.connection.dbapi_connection  # also of a detached one, which has no driver_connection

    @staticmethod
    def upsert_from(stage: sa.Table, insert: Any) -> Any:
        """``insert`` with what happens to rows that are there already."""
        fresh = {column.name: insert.excluded[column.name] for column in stage.c if column.name not in _KEPT}
        return insert.on_conflict_do_update(index_elements=["company_id", "doc_id"], set_=fresh)

    # --- identity ----------------------------------------------------------------------------------------------

    @property
    def store_id(self) -> str:
        """Which store this is: another one after the company was removed and added again."""
        return self._one(sa.select(schema.clock.c.store_id).where(schema.clock.c.company_id == self.company))

    # --- reading -----------------------------------------------------------------------------------------------

    def top(self, table: str) -> int:
        stage = schema.stages[table]
        return self._one(sa.select(sa.func.max(stage.c.seq)).where(stage.c.company_id == self.company)) or 0

    def window(self, table: str, low: int, high: int, limit: int) -> list[tuple[str, int]]:
        stage = schema.stages[table]
        query = (
            sa.select(stage.c.doc_id, stage.c.seq)
            .where(stage.c.company_id == self.company, stage.c.seq.between(low, high))
            .order_by(stage.c.seq.desc())
            .limit(limit)
        )
        return [(doc_id, seq) for doc_id, seq in self._all(query)]

    def get(self, table: str, doc_ids: Sequence[str], *, vector: bool = False) -> dict[str, Row]:
        columns = _WHOLE if vector else _WITHOUT_VECTOR
        return {row[0]: _row(row) for row in self._rows(table, columns, doc_ids)}

    def heads(self, table: str, doc_ids: Sequence[str]) -> dict[str, Head]:
        rows = self._rows(table, _HEAD, doc_ids)
        return {doc_id: Head(content, source, made_by, bool(gone)) for doc_id, content, source, made_by, gone in rows}

    def changes(self, table: str, after: int, limit: int) -> list[Row]:
        values = {"company": self.company, "after": after, "count": limit}
        return [_row(row) for row in self.fetch(_changes(type(self), table), values)]

    scan_schema = _EXPORTED

    def scan(self, table: str, *, batch: int = 1000) -> Iterator[pa.RecordBatch]:
        """The live rows in the order of their ids, as Arrow batches; ``payload`` is JSON text, ``vector`` a list."""
        statement, after = _scan(type(self), table), ""
        while rows := self.fetch(statement, {"company": self.company, "after": after, "count": batch}):
            columns = dict(zip(_EXPORTED.names, zip(*rows, strict=True), strict=True))
            columns["vector"] = tuple(_floats(blob) for blob in columns["vector"])
            columns["deleted"] = (False,) * len(rows)
            yield pa.record_batch([pa.array(columns[f.name], f.type) for f in _EXPORTED], schema=_EXPORTED)
            after = columns["doc_id"][-1]

    def ids(self, table: str) -> set[str]:
        """The ids of the live rows."""
        stage = schema.stages[table]
        return set(self._column(sa.select(stage.c.doc_id).where(stage.c.company_id == self.company, ~stage.c.deleted)))

    def orphans(self, table: str, source: str) -> list[str]:
        """The ids of the live rows whose row in ``source`` is a tombstone."""
        mine, theirs = schema.stages[table], schema.stages[source]
        same = sa.and_(theirs.c.company_id == mine.c.company_id, theirs.c.doc_id == mine.c.doc_id)
        query = sa.select(mine.c.doc_id).join_from(mine, theirs, same)
        return self._column(query.where(mine.c.company_id == self.company, ~mine.c.deleted, theirs.c.deleted))

    def ids_between(self, table: str, low: str, high: str) -> set[str]:
        """The ids of the live rows with low <= source_hash < high."""
        stage = schema.stages[table]
        version = stage.c.source_hash
        query = sa.select(stage.c.doc_id).where(stage.c.company_id == self.company, ~stage.c.deleted)
        return set(self._column(query.where(version >= low, version < high)))

    def first_version(self, table: str) -> str:
        """The lowest source_hash of the live rows; "" when there is none."""
        stage = schema.stages[table]
        lowest = sa.select(sa.func.min(stage.c.source_hash)).where(stage.c.company_id == self.company, ~stage.c.deleted)
        return self._one(lowest) or ""

    def count(self, table: str, made_by: str | None = None) -> int:
        """How many rows are live; of one making, if it is named."""
        stage = schema.stages[table]
        query = sa.select(sa.func.count()).where(stage.c.company_id == self.company, ~stage.c.deleted)
        return self._one(query if made_by is None else query.where(stage.c.made_by == made_by))

    def cursor(self, target: str, source: str) -> Cursor | None:
        c = schema.cursors.c
        query = sa.select(c.rule, c.top, c.gaps).where(
            c.company_id == self.company, c.target == target, c.source == source
        )
        found = self._all(query)
        if not found:
            return None
        rule, top, gaps = found[0]
        return Cursor(target, source, rule, top, tuple((low, high) for low, high in orjson.loads(gaps)))

    def state(self, name: str) -> Any:
        c = schema.states.c
        value = self._one(sa.select(c.value).where(c.company_id == self.company, c.name == name))
        return None if value is None else orjson.loads(value)

    def queued(self, target: str, doc_ids: Sequence[str]) -> dict[str, int]:
        c = schema.queue.c
        if not self._one(sa.select(c.doc_id).where(c.company_id == self.company, c.target == target).limit(1)):
            return {}  # almost always: the queue is empty
        found: dict[str, int] = {}
        for chunk in _chunks(_possible(doc_ids)):
            query = sa.select(c.doc_id, c.retries).where(
                c.company_id == self.company, c.target == target, self._among(c.doc_id, chunk)
            )
            found.update((doc_id, retries) for doc_id, retries in self._all(query))
        return found

    def due(self, target: str, now: str) -> list[str]:
        c = schema.queue.c
        query = (
            sa.select(c.doc_id)
            .where(c.company_id == self.company, c.target == target, c.due <= now)
            .order_by(c.priority.desc(), c.id, c.doc_id)
        )
        return self._column(query)

    def queue(self) -> list[QueueEntry]:
        """Everything that waits, the most often tried first."""
        c = schema.queue.c
        query = (
            sa.select(*(c.target, c.doc_id, c.reason, c.retries, c.due, c.first_seen, c.last_run, c.priority, c.waits))
            .where(c.company_id == self.company)
            .order_by(c.retries.desc(), c.target, c.doc_id)
        )
        return [QueueEntry(*row) for row in self._all(query)]

    def paid(self, made_by: str, source_hashes: Sequence[str]) -> dict[str, Made]:
        c = schema.paid.c
        found: dict[str, Made] = {}
        for chunk in _chunks(source_hashes):
            query = sa.select(c.source_hash, c.payload, c.vector).where(
                c.company_id == self.company, c.made_by == made_by, self._among(c.source_hash, chunk)
            )
            found.update((row[0], Made(orjson.loads(row[1]), row[2])) for row in self._all(query))
        return found

    # --- what is paid ------------------------------------------------------------------------------------------

    def spent(self, since: str) -> float:
        c = schema.ledger.c
        return self._one(sa.select(sa.func.sum(c.cost)).where(c.company_id == self.company, c.at >= since)) or 0.0

    def known_calls(self, call_ids: Sequence[str]) -> set[str]:
        """Those of the calls that are in the ledger already."""
        c = schema.ledger.c
        query = sa.select(c.call_id).where(c.company_id == self.company)
        return {one for chunk in _chunks(call_ids) for one in self._column(query.where(self._among(c.call_id, chunk)))}

    def paid_calls(self, run_id: str, at: str) -> tuple[int, int]:
        """The calls of a run that began at a moment, and the documents that it asked for the first time (purpose "first":
        not those of a batch, nor what is asked again for a good answer)."""
        c = schema.ledger.c
        first = sa.case((c.purpose == "first", c.documents), else_=0)
        query = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(first), 0))
        calls, documents = self._all(query.where(c.company_id == self.company, c.at == at, c.run_id == run_id))[0]
        return int(calls), int(documents)

    def written_by(self, run_id: str, table: str) -> int:
        """How many live rows of a stage table a run wrote last; it looks at all of them."""
        stage = schema.stages[table]
        mine = (stage.c.company_id == self.company, stage.c.run_id == run_id, ~stage.c.deleted)
        return self._one(sa.select(sa.func.count()).where(*mine))

    def ledger(self, since: str = "", until: str = "9") -> list[LedgerLine]:
        """What was paid from one moment to before another (ISO 8601 UTC), by quarters of an hour, the oldest first."""
        c = schema.ledger.c
        by = (_quarter(c.at), c.stage, c.provider, c.model, c.purpose)
        sums = (sa.cast(sa.func.sum(c[name]), sa.BigInteger) for name in ("documents", "tokens_in", "tokens_out"))
        unpriced = sa.func.sum(sa.case((c.cost.is_(None), 1), else_=0))
        query = (
            sa.select(*by, sa.func.count(), *sums, sa.func.coalesce(sa.func.sum(c.cost), 0.0), unpriced)
            .where(c.company_id == self.company, c.at >= since, c.at < until)
            .group_by(*by)
            .order_by(*by)
        )
        return [LedgerLine(*row) for row in self._all(query)]

    def batches(self, stage: str) -> list[Batch]:
        c = schema.batches.c
        query = sa.select(*(c[name] for name in Batch.__slots__)).where(
            c.company_id == self.company, c.stage == stage, c.state != "ended"
        )
        return [Batch(*row) for row in self._all(query.order_by(c.created_at, c.id))]

    def in_batch(self, batches: Collection[str], source_hashes: Sequence[str]) -> set[str]:
        """Those of the inputs that one of these batches is to answer."""
        c = schema.batched.c
        if not batches:
            return set()
        query = sa.select(c.source_hash).where(c.company_id == self.company, c.batch.in_(batches))
        chunks = _chunks(source_hashes)
        return {one for chunk in chunks for one in self._column(query.where(self._among(c.source_hash, chunk)))}

    def batch_inputs(self, batch: str) -> set[str]:
        """The hashes of all inputs that a batch is to answer."""
        c = schema.batched.c
        return set(self._column(sa.select(c.source_hash).where(c.company_id == self.company, c.batch == batch)))

    def waits(self, target: str) -> bool:
        """Whether anything in the queue of ``target`` waits for an answer."""
        c = schema.queue.c
        query = sa.select(c.doc_id).where(c.company_id == self.company, c.target == target, c.waits)
        return self._one(query.limit(1)) is not None

    def waiting(self) -> int:
        """How many documents wait for an answer, in all queues."""
        c = schema.queue.c
        return self._one(sa.select(sa.func.count()).where(c.company_id == self.company, c.waits))

    def forgotten(self) -> dict[str, str]:
        """The hashes of what must not come back (``domain/forgotten``), each with when it was forgotten."""
        c = schema.forgotten.c
        return {row[0]: row[1] for row in self._all(sa.select(c.digest, c.at).where(c.company_id == self.company))}

    def named(self, data_type: DataType = "ticket") -> set[str]:
        """The ids of all documents of a type that any table still holds something of; of a tombstone nothing is left but
        its id."""
        found: set[str] = set().union(*(self.ids(table) for table in tables_of(data_type)))
        for table in _HOLDING:
            ids = sa.select(table.c.doc_id).where(table.c.company_id == self.company, _of_type(table, data_type))
            found.update(self._column(ids.distinct()))
        return found - {None}

    def traces(
        self,
        doc_ids: Sequence[str],
        texts: Sequence[str],
        says: Callable[[str], bool] = lambda text: False,
        data_type: DataType = "ticket",
    ) -> dict[str, int]:
        """How many rows of each table hold anything of these documents, or one of these texts; or are of no document and
        ``says`` is true of something in them. Looks at every row."""
        others = set(schema.stages) - set(tables_of(data_type))
        return {
            table.name: self._traces(table, () if table.name in others else doc_ids, texts, data_type)
            + self._saying(table, says)
            for table in schema.store.sorted_tables
        }

    def _saying(self, table: sa.Table, says: Callable[[str], bool]) -> int:
        said = [column for column in table.c if column.type in (schema.Text, schema.Json)]
        if not said:
            return 0
        query = sa.select(*said).where(table.c.company_id == self.company)
        if "doc_id" in table.c:
            query = query.where(table.c.doc_id.is_(None))
        return sum(any(value and says(value) for value in row) for row in self._all(query))

    def _traces(self, table: sa.Table, doc_ids: Sequence[str], texts: Sequence[str], data_type: DataType) -> int:
        total = sa.select(sa.func.count()).where(table.c.company_id == self.company)
        found = 0
        if "doc_id" in table.c:
            kept = _of_type(table, data_type)
            if "deleted" in table.c:
                kept = sa.or_(~table.c.deleted, *(table.c[name].is_not(None) for name in _SAID))
            for chunk in _chunks(_possible(doc_ids)):
                found += self._one(total.where(kept, self._among(table.c.doc_id, chunk)))
        said = [sa.cast(column, sa.Text) for column in table.c if column.type in (schema.Text, schema.Json)]
        quoted = [column.contains(text, autoescape=True) for column in said for text in texts]
        return found + (self._one(total.where(sa.or_(*quoted))) if quoted else 0)

    def votes(self) -> list[Vote]:
        """All feedback, the oldest first."""
        c = schema.votes.c
        query = sa.select(*(c[name] for name in Vote.__slots__)).where(c.company_id == self.company).order_by(c.id)
        return [Vote(*row) for row in self._all(query)]

    def tickets(self, status: str = "", since: str = "", until: str = "", limit: int = 100) -> list[Ticket]:
        """Tickets as the view ``tickets`` has them, the newest change first; ``status`` is pending, processed, failed or
        skipped, ``since`` and ``until`` are days (ISO 8601) of the last change, both included; "" leaves a filter out."""
        shown, raw = _tickets.c, schema.stages["raw_tickets"].c
        query = (
            sa.select(shown.id, shown.platform, shown.ticket_id, shown.status, raw.created_at, raw.updated_at)
            .join_from(
                _tickets,
                schema.stages["raw_tickets"],
                sa.and_(raw.company_id == shown.company_id, raw.doc_id == shown.ticket_id),
            )
            .where(shown.company_id == self.company)
            .order_by(raw.updated_at.desc(), shown.id.desc())
            .limit(limit)
        )
        if status:
            query = query.where(shown.status == status)
        if since:
            query = query.where(raw.updated_at >= since)
        if until:
            query = query.where(raw.updated_at < (date.fromisoformat(until) + timedelta(days=1)).isoformat())
        return [Ticket(*row) for row in self._all(query)]

    def ticket_statuses(self) -> dict[str, int]:
        """How many tickets have each processing status."""
        c = _tickets.c
        query = sa.select(c.status, sa.func.count()).where(c.company_id == self.company).group_by(c.status)
        return {row[0]: row[1] for row in self._all(query)}

    # --- writing -----------------------------------------------------------------------------------------------

    @contextmanager
    def begin(self, run_id: str, now: str) -> Iterator["SqlTransaction"]:
        with self._transaction():
            transaction = SqlTransaction(self, run_id, now)
            transaction.lock()
            yield transaction

    def keep_paid(
        self,
        stage: str,
        made_by: str,
        results: Sequence[tuple[str, str, Made]],
        spent: Sequence[Spent],
        run_id: str,
        now: str,
    ) -> None:
        rows = [
            {
                "company_id": self.company,
                "made_by": made_by,
                "source_hash": source_hash,
                "doc_id": doc_id,
                "payload": _json(made.payload),
                "vector": made.vector,
                "tokens": made.tokens,
                "cost": made.cost,
                "run_id": run_id,
                "created_at": now,
                "data_type": type_of(stage) or stage,
            }
            for source_hash, doc_id, made in results
        ]
        calls = [
            {"company_id": self.company, "stage": stage, "at": now, "run_id": run_id, **asdict(one)} for one in spent
        ]
        with self.durably() if spent else nullcontext(), self._transaction():
            for table, values in ((schema.paid, rows), (schema.ledger, calls)):
                if values:
                    self.db.execute(self.insert(table).on_conflict_do_nothing(), values)

    # --- how a statement is sent -------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self.db.begin():
            self.enter()
            yield

    def _all(self, query: Select) -> Sequence[SqlRow]:
        if self.db.in_transaction():
            return self.db.execute(query).all()
        with self._transaction():  # a read outside a write must not leave a transaction open behind it
            return self.db.execute(query).all()

    def _column(self, query: Select) -> list[Any]:
        return [row[0] for row in self._all(query)]

    def _one(self, query: Select) -> Any:
        rows = self._all(query)
        return rows[0][0] if rows else None

    def standing(self, table: str, doc_ids: Sequence[str]) -> dict[str, tuple[int, str | None, bool]]:
        """What decides whether a write moves a row: its seq, its content's hash, and whether it is a tombstone."""
        return {row[0]: (row[1], row[2], bool(row[3])) for row in self._rows(table, _STANDING, doc_ids)}

    def delete_among(self, table: sa.Table, column: Any, values: Sequence[str], *conditions: Any) -> None:
        """Delete the company's rows whose column is among values; in a transaction."""
        ours = table.c.company_id == self.company
        self.db.execute(sa.delete(table).where(ours, self._among(column, values), *conditions))

    def _rows(self, table: str, columns: tuple[str, ...], doc_ids: Sequence[str]) -> Iterator[Values]:
        possible = _possible(doc_ids)
        if len(possible) == 1:  # a server keeps no plan for lists, which takes longer than the read
            yield from self.fetch_few(_by_id(type(self), table, columns), {"company": self.company, "id": possible[0]})
            return
        for chunk in _chunks(possible):
            values = {"company": self.company, "ids": self.packed(chunk)}
            yield from self.fetch(_by_ids(type(self), table, columns), values)

    def _among(self, column: sa.ColumnElement[str], values: Sequence[str]) -> sa.ColumnElement[bool]:
        return self.among(column, sa.bindparam(None, self.packed(values)))


def _quarter(at: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """The quarter of an hour in which a moment lies: "2026-01-31T09:15". Literals, because Postgres takes an expression
    with parameters in SELECT and GROUP BY for two different ones."""
    minute = sa.func.substr(at, sa.literal_column("15"), sa.literal_column("2"))
    begun = sa.case(
        *((minute < sa.literal_column(f"'{end}'"), sa.literal_column(f"'{begin}'")) for begin, end in _QUARTERS),
        else_=sa.literal_column("'45'"),
    )
    return sa.func.substr(at, sa.literal_column("1"), sa.literal_column("14")).concat(begun)


# --- statements that are written once ---------------------------------------------------------------------------------


def _written(kind: type[SqlCompanyStore], statement: Any) -> str:
    return str(statement.compile(dialect=kind.dialect))


def _reading(stage: sa.Table, columns: Iterable[str]) -> Select:
    """The company's rows; "" is a column that nobody asked for."""
    asked = [stage.c[name] if name else sa.null() for name in columns]
    return sa.select(*asked).where(stage.c.company_id == sa.bindparam("company"))


@cache
def _by_id(kind: type[SqlCompanyStore], table: str, columns: tuple[str, ...]) -> str:
    stage = schema.stages[table]
    return _written(kind, _reading(stage, columns).where(stage.c.doc_id == sa.bindparam("id")))


@cache
def _by_ids(kind: type[SqlCompanyStore], table: str, columns: tuple[str, ...]) -> str:
    stage = schema.stages[table]
    return _written(kind, _reading(stage, columns).where(kind.among(stage.c.doc_id, sa.bindparam("ids"))))


@cache
def _changes(kind: type[SqlCompanyStore], table: str) -> str:
    return _written(kind, _onwards(_reading(schema.stages[table], _WHOLE), schema.stages[table].c.seq))


@cache
def _scan(kind: type[SqlCompanyStore], table: str) -> str:
    stage = schema.stages[table]
    return _written(kind, _onwards(_reading(stage, _EXPORTED.names).where(~stage.c.deleted), stage.c.doc_id))


def _onwards(query: Select, column: sa.ColumnElement[Any]) -> Select:
    """The next ``count`` rows after a value of the column."""
    onwards = query.where(column > sa.bindparam("after")).order_by(column)
    return onwards.limit(sa.bindparam("count")).offset(sa.literal_column("0"))


@cache
def _upsert(kind: type[SqlCompanyStore], table: str) -> str:
    stage = schema.stages[table]
    return _written(kind, kind.upsert_from(stage, _INSERT[kind.dialect.name](stage)))


class SqlTransaction(LearnedWrites, ExchangeWrites):
    """One atomic change (``domain.stage.Transaction``)."""

    def __init__(self, store: SqlCompanyStore, run_id: str, now: str) -> None:
        self._store = store
        self._db = store.db
        self._company = store.company
        self._run_id = run_id
        self._now = now

    def lock(self) -> None:
        """Take the clock row before anything is read, so that no other writer comes between."""
        self._tick(0)

    def upsert(self, table: str, rows: Sequence[Put]) -> int:
        if not rows:
            return 0
        last = {check_id(put.doc_id): put for put in rows}
        standing = self._store.standing(table, list(last))
        # R2: where the content is what it was, seq stays and nothing downstream wakes up.
        moving = [put for put in last.values() if standing.get(put.doc_id, _NOWHERE)[1:] != (put.content_hash, False)]
        seq = self._tick(len(moving))
        seqs = {doc_id: standing_seq for doc_id, (standing_seq, *_) in standing.items()}
        seqs |= {put.doc_id: seq + i for i, put in enumerate(moving, start=1)}
        self._store.write_rows(schema.stages[table], [self._values(put, seqs[put.doc_id]) for put in last.values()])
        return len(moving)

    def delete(self, table: str, doc_ids: Sequence[str]) -> int:
        live = [doc_id for doc_id, head in self._store.heads(table, doc_ids).items() if not head.deleted]
        if not live:
            return 0
        seq = self._tick(len(live))
        stage = schema.stages[table]
        statement = (
            sa.update(stage)
            .where(stage.c.company_id == self._company, stage.c.doc_id == sa.bindparam("key"))
            .values(
                seq=sa.bindparam("new_seq"),
                deleted=True,
                run_id=self._run_id,
                updated_at=self._now,
                **dict.fromkeys(_SAID, sa.null()),
            )
        )
        self._db.execute(statement, [{"key": doc_id, "new_seq": seq + i} for i, doc_id in enumerate(live, start=1)])
        return len(live)

    def save_cursor(self, cursor: Cursor) -> None:
        self._replace(
            schema.cursors,
            {
                "target": cursor.target,
                "source": cursor.source,
                "rule": cursor.rule,
                "top": cursor.top,
                "gaps": _json(cursor.gaps),
            },
        )

    def save_state(self, name: str, value: Any) -> None:
        self._replace(schema.states, {"name": name, "value": _json(value)})

    def fail(
        self,
        target: str,
        failures: Mapping[str, str],
        due: Mapping[str, str],
        priorities: Mapping[str, int] | None = None,
    ) -> None:
        self._enqueue(target, failures, due, priorities or {}, waits=False)

    def wait(self, target: str, reasons: Mapping[str, str], priorities: Mapping[str, int] | None = None) -> None:
        self._enqueue(target, reasons, dict.fromkeys(reasons, NEVER), priorities, waits=True)

    def release(self, target: str) -> int:
        c = schema.queue.c
        theirs = sa.and_(c.company_id == self._company, c.target == target, c.waits)
        return self._db.execute(sa.update(schema.queue).where(theirs).values(due=self._now)).rowcount

    def retry(self, targets: Sequence[str], doc_ids: Sequence[str] = ()) -> int:
        """Whatever failed for these targets is due now, also what was given up, and is tried as often as anything new;
        how many. What waits for an answer goes on waiting."""
        c = schema.queue.c
        theirs = sa.and_(c.company_id == self._company, c.target.in_(targets), ~c.waits)
        statement = sa.update(schema.queue).where(theirs).values(due=self._now, retries=0)
        return self._db.execute(statement.where(c.doc_id.in_(doc_ids)) if doc_ids else statement).rowcount

    def save_batch(self, batch: Batch) -> None:
        self._replace(schema.batches, asdict(batch))
        if batch.state == "ended":
            self._store.delete_among(schema.batched, schema.batched.c.batch, [batch.id])

    def add_to_batch(self, batch: Batch, source_hashes: Iterable[str]) -> None:
        rows = [
            {"company_id": self._company, "made_by": batch.made_by, "source_hash": one, "batch": batch.id}
            for one in source_hashes
        ]
        write = self._store.insert(schema.batched)
        newest = {"batch": write.excluded.batch}
        keys = ["company_id", "made_by", "source_hash"]
        if rows:
            self._db.execute(write.on_conflict_do_update(index_elements=keys, set_=newest), rows)

    def _enqueue(
        self,
        target: str,
        failures: Mapping[str, str],
        due: Mapping[str, str],
        priorities: Mapping[str, int] | None,
        *,
        waits: bool,
    ) -> None:
        """Without ``priorities`` those that are in the queue already keep theirs."""
        if not failures:
            return
        seq = self._tick(len(failures))
        rows = [
            {
                "company_id": self._company,
                "target": target,
                "doc_id": check_id(doc_id),
                "reason": clean(reason)[0],
                "retries": 0,
                "due": due[doc_id],
                "first_seen": self._now,
                "last_run": self._run_id,
                "id": seq + number,
                "priority": 0 if priorities is None else priorities.get(doc_id, 0),
                "waits": waits,
            }
            for number, (doc_id, reason) in enumerate(failures.items(), start=1)
        ]
        write = self._store.insert(schema.queue)
        told = ("reason", "due", "last_run", "waits", *(() if priorities is None else ("priority",)))
        again = {
            **{name: write.excluded[name] for name in told},
            "retries": schema.queue.c.retries + (0 if waits else 1),
        }
        keys = ["company_id", "target", "doc_id"]
        self._db.execute(write.on_conflict_do_update(index_elements=keys, set_=again), rows)

    def settle(self, target: str, doc_ids: Iterable[str]) -> None:
        c = schema.queue.c
        self._delete_where(schema.queue, list(doc_ids), c.doc_id, c.target == target)

    def forget_paid(self, doc_ids: Iterable[str], data_type: DataType = "ticket") -> None:
        of_type = _of_type(schema.paid, data_type)
        self._delete_where(schema.paid, list(doc_ids), schema.paid.c.doc_id, of_type)

    def forget(self, digests: Iterable[str], kind: str) -> None:
        """Remember by its hash what must not come back, as of now. ``kind`` is a ``domain.forgotten.Kind``, or that and
        " of DIGEST" for what is listed because of another."""
        for digest in digests:
            write = self._store.insert(schema.forgotten)
            values = {"company_id": self._company, "digest": digest, "kind": kind, "at": self._now}
            newest = write.on_conflict_do_update(index_elements=["company_id", "digest"], set_={"at": self._now})
            self._db.execute(newest, values)

    def allow(self, digests: Sequence[str]) -> int:
        """Take hashes off the list again, and those that were listed because of them (kind "… of DIGEST")."""
        c = schema.forgotten.c
        before = len(self._store.forgotten())
        self._delete_where(schema.forgotten, digests, c.digest)
        because = [f"{kind} of {one}" for one in digests for kind in ("document", "requester")]
        self._delete_where(schema.forgotten, because, c.kind)
        return before - len(self._store.forgotten())

    def erase(
        self,
        doc_ids: Sequence[str],
        is_theirs: Callable[[Vote], bool] = lambda vote: False,
        data_type: DataType = "ticket",
        says: Callable[[str], bool] = lambda text: False,
        is_user: Callable[[str], bool] = lambda user_id: False,
    ) -> None:
        """Erase all that any table says of documents of a type, the votes of which ``is_theirs`` is true, and the questions
        of whose text ``says``, or of whose user's id ``is_user``, is true. Tombstones stay for the readers that follow a
        table, with nothing but the id. A result that another document paid for goes too where it was made from the same
        text: that one keeps what it has in its own row."""
        recommended = self.erase_learned(data_type, doc_ids, says)
        self.erase_conversations(data_type, doc_ids, recommended, says, is_user)
        sources = {
            head.source_hash
            for table in tables_of(data_type)
            for head in self._store.heads(table, doc_ids).values()
            if head.source_hash
        }
        if data_type == "kb":  # of an article each passage is kept by itself
            for row in self._store.get("kb_embeddings", doc_ids).values():
                sources.update((row.payload or {}).get("kept", ()))
        self._delete_where(schema.paid, sorted(sources), schema.paid.c.source_hash)
        for table in _HOLDING:
            self._delete_where(table, doc_ids, table.c.doc_id, _of_type(table, data_type))
        votes, fields = schema.votes.c, [schema.votes.c[name] for name in Vote.__slots__]
        mine = votes.company_id == self._company
        for number, *said in self._db.execute(sa.select(votes.id, *fields).where(mine)).all():
            if is_theirs(Vote(*said)):
                self._db.execute(sa.delete(schema.votes).where(mine, votes.id == number))
        for table in tables_of(data_type):
            self.delete(table, doc_ids)
        c, gone, others = schema.states.c, set(doc_ids), set(schema.stages) - set(tables_of(data_type))
        for name, value in self._db.execute(sa.select(c.name, c.value).where(c.company_id == self._company)).all():
            # A state that is a list is one of ids, of its table's type; the keys and words of any other are its owner's.
            if isinstance(ids := orjson.loads(value), list) and name.split(" ")[0] not in others:
                kept = [one for one in ids if not (isinstance(one, str) and one in gone)]
                if len(kept) < len(ids):
                    self.save_state(name, kept)

    def vote(self, vote: Vote) -> None:
        """Keep a person's feedback."""
        values = {"company_id": self._company, "id": self._tick(1) + 1, **asdict(vote)}
        self._db.execute(sa.insert(schema.votes), {name: clean(value)[0] for name, value in values.items()})

    def _delete_where(self, table: sa.Table, doc_ids: Sequence[str], column: Any, *conditions: Any) -> None:
        for chunk in _chunks(_possible(doc_ids)):
            self._store.delete_among(table, column, chunk, *conditions)

    def _replace(self, table: sa.Table, values: dict[str, Any]) -> None:
        write = self._store.insert(table).values(company_id=self._company, **values)
        keys = [column.name for column in table.primary_key]
        fresh = {name: write.excluded[name] for name in values if name not in keys}
        self._db.execute(write.on_conflict_do_update(index_elements=keys, set_=fresh))

    def _tick(self, count: int) -> int:
        """Move the clock by ``count`` and return where it stood (R1)."""
        c = schema.clock.c
        statement = (
            sa.update(schema.clock).where(c.company_id == self._company).values(seq=c.seq + count).returning(c.seq)
        )
        return self._db.execute(statement).scalar_one() - count

    def _values(self, put: Put, seq: int) -> dict[str, Any]:
        return {
            "company_id": self._company,
            "doc_id": put.doc_id,
            "seq": seq,
            "content_hash": put.content_hash,
            "source_hash": put.source_hash,
            "made_by": put.made_by,
            "payload": _json(put.payload),
            "vector": put.vector,
            "deleted": False,
            "run_id": self._run_id,
            "updated_at": self._now,
            "id": seq,
            "created_at": self._now,
        }


def _floats(blob: bytes | None) -> list[float] | None:
    return array("f", blob).tolist() if blob else None


def _row(row: Values) -> Row:
    doc_id, seq, content_hash, source_hash, made_by, payload, vector, deleted, run_id, updated_at = row
    decoded = None if payload is None else orjson.loads(payload)
    return Row(doc_id, seq, content_hash, source_hash, made_by, decoded, vector, bool(deleted), run_id, updated_at)
