"""Moving every company from one storage to another, in any direction; the one code path of ``casebook migrate``.

Belongs here: copying, resuming, comparing, and what a target may hold already. Does not belong here: opening a storage
(``base``), tables (``schema``), or how the command speaks (``pipelines/cli/migrate``).

A table is walked in the order of its key, a portion a transaction: what the target has within the portion's keys and
the source has not is deleted, what differs is replaced, what is missing is inserted. Into an empty target that is a
copy; after a kill it goes on where the marker stands; after a change at the source it carries over the difference.
The marker is a state in the target's store, written in the portion's own transaction. A company's line in the target's
registry comes last, so nothing there runs for a company that is not whole.

Companies are locked one at a time, at both ends, so that the others' nightly syncs go on during a move of hours. What
is written to a company after its turn is seen at the end, by its clock, its counts and its small tables, and carried
over in another round, as is a company that was added meanwhile. (That look does not see rows that were fetched again
and found equal: they keep their seq.)
"""

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
import sqlalchemy as sa

from domain.company import CompanyId, company_id
from domain.errors import CompanyBusy, InputError, StorageError
from resources.settings import Settings
from resources.storage import schema
from resources.storage.base import Storage, open_storage
from resources.storage.sql import SqlCompanyStore

Watch = Callable[[str, str, int, int], None]
"""Told of progress: the company, what is done to it, rows done, rows in all."""
_MARKER = "migration"
_ROUNDS = 3
"""How often companies are looked at again that were written to, or busy, when their turn came."""
_PORTION_ROWS, _PORTION_BYTES, _FETCH = 1000, 4_000_000, 50
_HOLDER = "casebook migrate"
_TABLES = tuple(table for table in schema.store.sorted_tables if table is not schema.clock)
_SMALL = (
    *(schema.cursors, schema.states, schema.queue, schema.forgotten, schema.votes),
    *(schema.batches, schema.batched, schema.judged_queries, schema.reports),
)
_AUDIT = tuple(schema.audit.c[name] for name in ("at", "company_id", "who", "action", "detail"))
"""Its ids are each database's own; the order of lines is kept."""

Key = tuple[Any, ...]
Values = Sequence[Any]


@dataclass(slots=True)
class Migration:
    """What a move came to. ``companies`` has the rows of each table of each company that is whole in the target, as they
    were compared; ``changed`` and ``busy`` name those that must be carried over by another run."""

    source: str
    target: str
    companies: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    copied: dict[str, int] = field(default_factory=dict[str, int])
    audit: int = 0
    changed: list[str] = field(default_factory=list[str])
    busy: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def ok(self) -> bool:
        """Whether the target has everything."""
        return not self.changed and not self.busy


def storage_at(settings: Settings, address: str, option: str) -> Storage:
    """The storage of an address given as ``option``, which its errors name. Raises ``InputError`` for no address."""
    if address in ("file", settings.storage):
        return open_storage(settings.model_copy(update={"storage": address}))
    return _postgres(address, option)


@cache
def _postgres(address: str, option: str) -> Storage:
    """One pool of connections an address and process."""
    from resources.storage.postgres import PostgresStorage, database_url

    return PostgresStorage(database_url(address, option), option)


def migrate(source: Storage, target: Storage, watch: Watch) -> Migration:
    """Make ``target`` what ``source`` is, which stays as it is; safe to repeat after it was cut off at any point.

    Raises ``InputError`` when both are the same, the source is empty, or the target holds anything that this move did
    not bring; ``StorageError`` when either cannot be used, or a copy came out unequal.
    """
    _refuse_same(source, target)
    companies = _companies(source)
    if not companies:
        raise InputError("there is nothing to move.", f"No company is known in {source.place}.")
    _refuse_foreign(source, target, companies)
    _erase_removed(source, target, companies)
    result = Migration(source.place, target.place)
    left = companies
    for _ in range(_ROUNDS):
        for company in left:
            result.busy.pop(company, None)
            try:
                _move(source, target, company, result, watch)
            except CompanyBusy as error:
                result.busy[company] = error.detail
        if added := [company for company in _companies(source) if company not in companies]:
            _refuse_foreign(source, target, companies := companies + added)
        left = [company for company in companies if not _is_current(source, target, company)]
        if not left:
            break
    result.changed = [company for company in left if company not in result.busy]
    result.audit = _move_audit(source, target)
    return result


# --- what is refused --------------------------------------------------------------------------------------------------


def _refuse_same(source: Storage, target: Storage) -> None:
    if source.place == target.place or _is_one_database(source, target):
        raise InputError(
            "source and target are the same storage.",
            f"Both are {source.place}.",
            "Say with --to where everything shall go, and with --from where it is if that is not CASEBOOK_STORAGE.",
        )


def _is_one_database(source: Storage, target: Storage) -> bool:
    """Whether two addresses lead to one Postgres database: a lock taken by the one is seen by the other."""
    number = {"key": secrets.randbits(62)}
    take = sa.text("SELECT pg_try_advisory_xact_lock(:key)")
    with source.registry() as one, target.registry() as other:
        if not one.dialect.name == other.dialect.name == "postgresql":
            return False
        return one.execute(take, number).scalar_one() and not other.execute(take, number).scalar_one()


def _refuse_foreign(source: Storage, target: Storage, companies: list[CompanyId]) -> None:
    """Refuse a target with anything that this move did not bring, or that was in use since."""
    registered = _companies(target)
    found = [f"company {name!r}" for name in registered if name not in companies]
    if extra := sum((Counter(_audit(target)) - Counter(_audit(source))).values()):
        found.append(f"{extra} other lines in the audit log")
    for company in companies:
        found.extend(_foreign(source, target, company, registered))
    if found:
        raise InputError(
            "the target is not empty.",
            f"{target.place} has {', '.join(found[:5])}{' and more' if found[5:] else ''}.",
            "Give an empty one; nothing was changed in either.",
        )


def _foreign(source: Storage, target: Storage, company: CompanyId, registered: list[CompanyId]) -> Iterator[str]:
    with target.store(company) as opened:
        side = _Side(target, opened)
        marker = opened.state(_MARKER)
        if marker is None:
            if company in registered or any(side.count(table) for table in _TABLES):
                yield f"company {company!r}"
        elif marker["from"] != source.place:
            yield f"company {company!r}, moved there from {marker['from']}"
        elif marker["done"] and _is_used(side, marker, company, registered):
            yield f"company {company!r}, which was moved before and has been in use there since"


def _is_used(side: "_Side", marker: dict[str, Any], company: CompanyId, registered: list[CompanyId]) -> bool:
    if _look(side) != marker["look"]:
        return True
    return company in registered and _digest(_registration(side.storage, company)) != marker["registration"]


def _erase_removed(source: Storage, target: Storage, companies: list[CompanyId]) -> None:
    """Erase what an unfinished move brought of companies that were removed at the source since; the audit log knows them.

    One that the target's registry has is refused instead: it may live there by now.
    """
    for name in sorted({line[1] for line in _audit(source)} - set(companies) - set(_companies(target))):
        company = company_id(name)
        with target.lock(company, _HOLDER) as open_store:
            with open_store() as store:
                marker = store.state(_MARKER)
                ours = marker is not None and marker["from"] == source.place
                empty = not any(_Side(target, store).count(table) for table in _TABLES)
            if ours or empty:  # looking has made an empty one
                target.erase(company)


# --- one company ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Side:
    """One company's store at one end; errors are told as those of its own storage."""

    storage: Storage
    store: SqlCompanyStore

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        with self.storage.explained(), self.store.db.begin():
            self.store.enter()
            yield self.store.db

    def mine(self, table: sa.Table) -> sa.ColumnElement[bool]:
        """Which rows of a table are moved."""
        ours = table.c.company_id == self.store.company
        return ours & (table.c.name != _MARKER) if table is schema.states else ours

    def count(self, table: sa.Table) -> int:
        with self.begin() as db:
            return db.execute(sa.select(sa.func.count()).select_from(table).where(self.mine(table))).scalar_one()

    def clock(self) -> tuple[int, str]:
        c = schema.clock.c
        with self.begin() as db:
            row = db.execute(sa.select(c.seq, c.store_id).where(c.company_id == self.store.company)).one()
            return row.seq, row.store_id


def _move(source: Storage, target: Storage, company: CompanyId, result: Migration, watch: Watch) -> None:
    """Make the company whole in the target, and register it there."""
    with ExitStack() as stack:
        open_source = stack.enter_context(source.lock(company, _HOLDER))
        open_target = stack.enter_context(target.lock(company, _HOLDER))
        here = _Side(source, stack.enter_context(open_source()))
        there = _Side(target, stack.enter_context(open_target()))
        look, marker = _look(here), there.store.state(_MARKER)
        whole = marker is not None and marker["done"] and marker["look"] == look
        registration = _registration(source, company)
        named = _digest(registration)
        if not whole or _digest(_registration(target, company)) != named:
            _register(target, company, [])
        if not whole:
            going = marker if marker and marker["look"] == look else None
            result.copied[company] = _copy(here, there, look, going, watch) + result.copied.get(company, 0)
            result.companies[company] = _compare(here, there, watch)
        elif company not in result.companies:
            result.companies[company] = {table.name: there.count(table) for table in _TABLES}
        with there.begin() as db:
            _set_marker(there, db, {"from": source.place, "look": look, "done": True, "registration": named})
        if _digest(_registration(target, company)) != named:
            _register(target, company, registration)


def _copy(here: _Side, there: _Side, look: str, going: dict[str, Any] | None, watch: Watch) -> int:
    """Copy what is not yet as it shall be, from the marker's place on if ``going``; how many rows were written."""
    marker = going or {"from": here.storage.place, "look": look, "done": False, "table": _TABLES[0].name, "after": []}
    if not going:
        seq, store_id = here.clock()
        with there.begin() as db:
            mine = schema.clock.c.company_id == there.store.company
            db.execute(sa.update(schema.clock).where(mine).values(seq=seq, store_id=store_id))
            _set_marker(there, db, marker)
    totals = {table.name: here.count(table) for table in _TABLES}
    names = list(totals)
    seen, written = sum(totals[name] for name in names[: names.index(marker["table"])]), 0
    for table in _TABLES[names.index(marker["table"]) :]:
        after: Key = tuple(marker["after"]) if table.name == marker["table"] else ()
        while True:
            rows, more = _portion(here, table, after)
            until = _key(table, rows[-1]) if more else ()
            with there.begin() as db:
                written += _carry_over(there, db, table, rows, after, until)
                _set_marker(there, db, {**marker, "table": table.name, "after": until})
            seen += len(rows)
            watch(there.store.company, f"copying {table.name}", seen, sum(totals.values()))
            if not more:
                break
            after = until
    return written


def _carry_over(there: _Side, db: sa.Connection, table: sa.Table, rows: list[Values], after: Key, until: Key) -> int:
    """Make the target's rows between two keys equal to ``rows``; how many were written."""
    query = _between(there, table, after, until)
    with db.execute(query.execution_options(yield_per=_FETCH)) as found:
        standing = {_key(table, row): _canonical_hash(row, table) for row in found}
    fresh = [row for row in rows if not standing or standing.get(_key(table, row)) != _canonical_hash(row, table)]
    new = {_key(table, row) for row in fresh}
    _delete(there, db, table, [key for key in standing if key in new] + list(_missing(standing, table, rows)))
    if fresh and "seq" in table.c:  # a number may have gone to another row, which comes later
        numbers = [row[table.c.keys().index("seq")] for row in fresh]
        db.execute(sa.delete(table).where(there.mine(table), table.c.seq.in_(numbers)))
    if fresh:
        there.store.insert_rows(table, fresh)
    return len(fresh)


def _missing(standing: Iterable[Key], table: sa.Table, rows: list[Values]) -> set[Key]:
    return set(standing) - {_key(table, row) for row in rows}


def _delete(there: _Side, db: sa.Connection, table: sa.Table, keys: list[Key]) -> None:
    if keys:
        columns = _key_columns(table)
        match = [column == sa.bindparam(f"key_{at}") for at, column in enumerate(columns)]
        db.execute(
            sa.delete(table).where(there.mine(table), *match),
            [{f"key_{at}": value for at, value in enumerate(key)} for key in keys],
        )


def _set_marker(there: _Side, db: sa.Connection, marker: dict[str, Any]) -> None:
    values = {"company_id": there.store.company, "name": _MARKER, "value": orjson.dumps(marker).decode()}
    write = there.store.insert(schema.states).values(values)
    db.execute(
        write.on_conflict_do_update(index_elements=["company_id", "name"], set_={"value": write.excluded["value"]})
    )


# --- reading, and what makes rows equal -------------------------------------------------------------------------------


def _key_columns(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.primary_key if column.name != "company_id"]


def _key(table: sa.Table, row: Values) -> Key:
    columns = table.c.keys()
    return tuple(row[columns.index(column.name)] for column in _key_columns(table))


def _between(side: _Side, table: sa.Table, after: Key, until: Key = ()) -> sa.Select[*tuple[Any, ...]]:
    """A table's rows after one key and up to another, in the order of keys; () is no bound."""
    columns = _key_columns(table)
    query = sa.select(*table.c).where(side.mine(table)).order_by(*columns)
    if after:
        query = query.where(sa.tuple_(*columns) > after)
    return query.where(sa.tuple_(*columns) <= until) if until else query


def _portion(side: _Side, table: sa.Table, after: Key) -> tuple[list[Values], bool]:
    """The next rows after a key, so many as memory bears, and whether there may be more."""
    query = _between(side, table, after).limit(_PORTION_ROWS).execution_options(yield_per=_FETCH)
    rows: list[Values] = []
    size = 0
    with side.begin() as db, db.execute(query) as found:
        for part in found.partitions():
            for row in part:
                rows.append(tuple(row))
                size += sum(len(value) for value in row if isinstance(value, str | bytes))
            if size > _PORTION_BYTES:
                return rows, True
    return rows, len(rows) == _PORTION_ROWS


def _compare(here: _Side, there: _Side, watch: Watch) -> dict[str, int]:
    """Read both ends once more: rows of each table. Raises ``StorageError`` when they are not equal."""
    counts: dict[str, int] = {}
    done = 0
    for table in _TABLES:
        watch(here.store.company, f"comparing {table.name}", done, done)
        one, other = _sum(here, table), _sum(there, table)
        if one != other or here.clock() != there.clock():
            with there.begin() as db:  # the next run walks all of it again
                first = {"look": "", "done": False, "table": _TABLES[0].name, "after": []}
                _set_marker(there, db, {"from": here.storage.place, **first})
            raise StorageError(
                "a copy is not equal to its source.",
                f"Table {table.name} of company {here.store.company!r} has {one[0]} rows here and {other[0]} there.",
                "Somebody may have written to it without its lock. Run the command again: it carries over what differs.",
            )
        counts[table.name] = one[0]
        done += one[0]
    return counts


def _sum(side: _Side, table: sa.Table) -> tuple[int, str]:
    """How many rows a table has, and a hash of all of them in the order of their keys."""
    digest, count = hashlib.blake2b(), 0
    after: Key = ()
    more = True
    while more:
        rows, more = _portion(side, table, after)
        for row in rows:
            digest.update(_canonical(row, table))
        count += len(rows)
        after = _key(table, rows[-1]) if more else ()
    return count, digest.hexdigest()


def _look(side: _Side) -> str:
    """What a company's store looks like at a glance: its clock, its counts, its small tables."""
    parts: list[Any] = [side.clock()]
    parts += [_sum(side, table) for table in _SMALL]
    parts += [(table.name, side.count(table)) for table in _TABLES if table not in _SMALL]
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def _canonical_hash(row: Values, table: sa.Table) -> bytes:
    return hashlib.blake2b(_canonical(row, table), digest_size=16).digest()


def _canonical(row: Values, table: sa.Table) -> bytes:
    """A row as bytes that are the same on every backend: JSON by its value, everything else exactly."""
    parts = [
        _json_value(value) if value is not None and column.type is schema.Json else value
        for value, column in zip(row, table.c, strict=True)
    ]
    return repr(parts).encode()


def _json_value(text: str) -> str:
    """JSON with sorted keys and numbers by their value: Postgres' JSONB keeps 1e5 as 100000."""
    return _ENCODE(_DECODE(text))


def _number(text: str) -> int | float:
    exact = Decimal(text)
    return int(exact) if exact == exact.to_integral_value() else float(text)


_DECODE, _ENCODE = json.JSONDecoder(parse_float=_number).decode, json.JSONEncoder(sort_keys=True).encode


# --- the registry -----------------------------------------------------------------------------------------------------


_REGISTRATION = (schema.companies, schema.company_secrets)
Registration = list[tuple[sa.Table, Values]]


def _companies(storage: Storage) -> list[CompanyId]:
    column = schema.companies.c.company_id
    with storage.registry() as db:
        return [company_id(name) for (name,) in db.execute(sa.select(column).order_by(column))]


def _registration(storage: Storage, company: CompanyId) -> Registration:
    """The company's line and its sealed secrets; empty when it is not registered."""
    with storage.registry(company) as db:
        return [
            (table, tuple(row))
            for table in _REGISTRATION
            for row in db.execute(sa.select(*table.c).where(table.c.company_id == company).order_by(*table.primary_key))
        ]


def _register(target: Storage, company: CompanyId, registration: Registration) -> None:
    """Make the company's line and secrets those given; none takes them away."""
    with target.registry(company) as db:
        for table in _REGISTRATION:
            db.execute(sa.delete(table).where(table.c.company_id == company))
        for table, row in registration:
            db.execute(sa.insert(table), dict(zip(table.c.keys(), row, strict=True)))


def _digest(rows: Registration) -> str:
    """A hash of rows by their meaning."""
    return hashlib.blake2b(b"".join(_canonical(row, table) for table, row in rows), digest_size=16).hexdigest()


def _is_current(source: Storage, target: Storage, company: CompanyId) -> bool:
    """Whether the target has the company as the source has it now."""
    registration = _registration(source, company)
    if not registration:  # removed meanwhile; the next run says that the target has a company too many
        return not _registration(target, company)
    with source.store(company) as one, target.store(company) as other:
        marker = other.state(_MARKER)
        if not marker or not marker["done"] or marker["look"] != _look(_Side(source, one)):
            return False
    return _digest(_registration(target, company)) == _digest(registration)


def _audit(storage: Storage) -> list[tuple[Any, ...]]:
    with storage.registry() as db:
        return [tuple(row) for row in db.execute(sa.select(*_AUDIT).order_by(schema.audit.c.id))]


def _move_audit(source: Storage, target: Storage) -> int:
    """Add the lines that the target has not; how many lines the log has."""
    lines = _audit(source)
    missing = Counter(lines) - Counter(_audit(target))
    fresh: list[dict[str, Any]] = []
    for line in lines:
        if missing[line] > 0:
            missing[line] -= 1
            fresh.append({column.name: value for column, value in zip(_AUDIT, line, strict=True)})
    if fresh:
        with target.registry() as db:
            db.execute(sa.insert(schema.audit), fresh)
    return len(lines)
