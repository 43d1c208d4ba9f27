"""Exchanges: what `ask` keeps of each question and answer the moment it was given.

Belongs here: reading and writing that table. Does not belong here: the log and the archive that are made of it
(``assets/conversations``), or answering (``query/ask``).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from itertools import count
from types import MappingProxyType
from typing import Any, Final

import orjson
import sqlalchemy as sa

from domain.company import CompanyId
from domain.conversation import Exchange, Operation, operation_id
from domain.conversation_rows import turns_of
from domain.faq_proposals import Proposal, without
from domain.fingerprint import clean, fingerprint
from domain.stage import DataType, Put
from resources.storage import schema
from resources.storage.erased_tabs import Gone, chunks_without
from resources.workbook.stored import REVISION

TURNS: Final = ("conversation_log", "conversation_archive")
OPERATIONS: Final = "operations_log"
PROPOSALS: Final = "faq_proposals"
WORKBOOK: Final = "workbook"
_DASHBOARDS = ("daily_dashboard", "monthly_dashboard")
_PERIODS = (len("2026-02"), len("2026-02-19"))
_AT_ONCE = 500
"""Ids that one statement names."""
_KEYS = ("exchange_id", "session_id", "user_id", "asked_at")


class ExchangeRows:
    """The part of a company's store that reads them, and keeps them in a commit of their own: whoever answers a question
    holds no lock, for those rows touch nothing else."""

    company: CompanyId
    db: sa.Connection
    insert: Callable[[sa.Table], Any]
    scan: Callable[[str], Iterator[Any]]
    _all: Callable[[Any], Sequence[Any]]
    _among: Callable[[Any, Sequence[str]], Any]
    _transaction: Callable[[], AbstractContextManager[None]]

    def keep_exchanges(self, given: Iterable[Exchange]) -> None:
        """Store exchanges, at once and together; one that is there already is left as it is."""
        rows = [_values(self.company, one) for one in given]
        if rows:
            with self._transaction():
                self.db.execute(self.insert(schema.exchanges).on_conflict_do_nothing(), rows)

    def session(self, session_id: str, limit: int) -> list[Exchange]:
        """The last exchanges of a session, the oldest of them first."""
        c = schema.exchanges.c
        newest = self._read(c.session_id == session_id).order_by(c.asked_at.desc(), c.exchange_id.desc()).limit(limit)
        return [_exchange(row) for row in reversed(self._all(newest))]

    def last_exchange(self, user_id: str, since: str) -> Exchange | None:
        """A user's last exchange from a moment on (ISO 8601 UTC); None where there is none."""
        c = schema.exchanges.c
        mine = self._read(c.user_id == user_id, c.asked_at >= since)
        found = self._all(mine.order_by(c.asked_at.desc(), c.exchange_id.desc()).limit(1))
        return _exchange(found[0]) if found else None

    def exchanges(self, since: str, after: tuple[str, str] = ("", ""), limit: int = 1000) -> list[Exchange]:
        """Exchanges from a moment on, the oldest first, behind the one that is ``after`` (asked_at, exchange_id)."""
        c = schema.exchanges.c
        at, last = after
        behind = sa.or_(c.asked_at > at, sa.and_(c.asked_at == at, c.exchange_id > last))
        query = self._read(c.asked_at >= since, behind).order_by(c.asked_at, c.exchange_id).limit(limit)
        return [_exchange(row) for row in self._all(query)]

    def sessions_of(self, exchange_ids: Collection[str]) -> list[Exchange]:
        """All exchanges of the sessions that these are in, the oldest first; nothing of one that is not there."""
        c = schema.exchanges.c
        sessions: set[str] = set()
        for ids in _parts(exchange_ids):
            sessions.update(row[1] for row in self._all(self._read(self._among(c.exchange_id, ids))))
        rows = [row for ids in _parts(sessions) for row in self._all(self._read(self._among(c.session_id, ids)))]
        return sorted(map(_exchange, rows), key=lambda one: (one.asked_at, one.exchange_id))

    def of_user(self, is_user: Callable[[str], bool]) -> dict[str, int]:
        """How many rows of each table of conversations are of a user of whose id ``is_user`` is true."""
        gone = Gone((), (), (), (), lambda _: False, is_user)
        return {
            "exchanges": sum(is_user(one.user_id) for one in _all_exchanges(self)),
            **{
                table: sum(is_user(row["user_id"]) for _, row in _payloads(self, table))
                for table in (*TURNS, OPERATIONS)
            },
            WORKBOOK: len(chunks_without(_payloads(self, WORKBOOK), gone)),
        }

    def _read(self, *conditions: Any) -> Any:
        c = schema.exchanges.c
        return sa.select(*(c[name] for name in _KEYS), c.said).where(c.company_id == self.company, *conditions)


class ExchangeWrites:
    """The part of a transaction that changes them, and erases what hangs on them."""

    _db: sa.Connection
    _company: CompanyId
    _store: Any
    _delete_where: Callable[..., None]
    delete: Callable[[str, Sequence[str]], int]
    save_state: Callable[[str, Any], None]
    upsert: Callable[[str, Sequence[Put]], int]

    def drop_exchanges(self, before: str) -> int:
        """Those asked before a moment (ISO 8601 UTC) go; how many."""
        c = schema.exchanges.c
        gone = sa.delete(schema.exchanges).where(c.company_id == self._company, c.asked_at < before)
        return self._db.execute(gone).rowcount

    def erase_conversations(
        self,
        data_type: DataType,
        doc_ids: Collection[str],
        recommended: Collection[str],
        says: Callable[[str], bool],
        is_user: Callable[[str], bool],
    ) -> None:
        """Exchanges whose answer rests on one of these documents go (``recommended`` are ids of recommendations that named
        one), those of whose words ``says`` is true, and those of a user of whose id ``is_user`` is, each with its turns in
        log and archive, and what hangs on them: words in the dashboards, evidence of proposals, lines of a user. Other lines
        of the operations log name no such document any more. The stored copy of the workbook is without all that, too; it is
        read anew with the next sync, and its own rows go with it."""
        names = {f"{data_type} {doc_id}" for doc_id in doc_ids}
        lines = dict(_payloads(self._store, OPERATIONS))
        of_user = {doc_id for doc_id, line in lines.items() if is_user(line["user_id"])}
        named = {doc_id: line for doc_id, line in lines.items() if line["source_id"] in names and doc_id not in of_user}
        said = self._erase_exchanges(
            lambda one: (
                one.source_id in names or one.exchange_id in recommended or is_user(one.user_id) or _tells(one, says)
            ),
            is_user,
        )
        answered = {(line["session_id"], line["timestamp"]) for line in named.values()}

        def is_gone(turn: Any) -> bool:
            of_exchange = (turn["session_id"], turn["message"]) in said
            is_answer = turn["role"] == "bot" and (turn["session_id"], turn["timestamp"]) in answered
            return of_exchange or is_answer or is_user(turn["user_id"]) or says(turn["message"])

        turns = {id_: turn for table in TURNS for id_, turn in _payloads(self._store, table) if is_gone(turn)}
        for table in TURNS:
            self.delete(table, list(turns))
        self._delete_where(schema.paid, list(turns), schema.paid.c.doc_id, schema.paid.c.data_type == PROPOSALS)
        self.delete(OPERATIONS, list(of_user))
        self._rename_lines(named)
        proposals = self._erase_evidence(names | {f"question {doc_id}" for doc_id in turns}, says)
        periods = {turn["timestamp"][:length] for turn in turns.values() for length in _PERIODS}
        self._erase_words(periods)
        told = said | {(turn["session_id"], turn["message"]) for turn in turns.values()}
        gone = Gone(told, names, proposals, periods, says, is_user)
        chunks = chunks_without(_payloads(self._store, WORKBOOK), gone)
        self._put_again(WORKBOOK, chunks)
        if chunks or turns or named or of_user or proposals:
            self.save_state(REVISION, None)  # the next sync reads the workbook anew

    def _erase_exchanges(
        self, is_gone: Callable[[Exchange], bool], is_user: Callable[[str], bool]
    ) -> set[tuple[str, str]]:
        """Delete them with their recommendations, a user's with the votes on them; their sessions and messages."""
        gone = [one for one in _all_exchanges(self._store) if is_gone(one)]
        ids, theirs = [one.exchange_id for one in gone], [one.exchange_id for one in gone if is_user(one.user_id)]
        self._delete_where(schema.exchanges, ids, schema.exchanges.c.exchange_id)
        self._delete_where(schema.recommendations, ids, schema.recommendations.c.recommendation_id)
        self._delete_where(schema.votes, theirs, schema.votes.c.recommendation_id)
        return {(turn.session_id, turn.message) for one in gone for turn in turns_of(one, "UTC")}

    def _rename_lines(self, named: Mapping[str, Any]) -> None:
        """Lines of the operations log without their source. Of that a line's id is made, also that of its row in the tab: it
        gets another, or the two would be two lines."""
        taken, ids = self._store.ids(OPERATIONS), dict[str, str]()
        fresh = {doc_id: {**line, "source_id": ""} for doc_id, line in named.items()}
        for doc_id, line in fresh.items():
            plain = operation_id(Operation(**line))
            tries = (plain if number == 1 else f"{plain}-{number}" for number in count(1))
            ids[doc_id] = next(one for one in tries if one not in taken)
            taken.add(ids[doc_id])
        self._put_again(OPERATIONS, fresh, ids)
        self.delete(OPERATIONS, list(named))

    def _erase_evidence(self, evidence: Collection[str], says: Callable[[str], bool]) -> set[str]:
        """Proposals are without this evidence; those whose words quote it go, and are returned."""
        gone, fresh = set[str](), dict[str, Any]()
        for doc_id, payload in _payloads(self._store, PROPOSALS):
            left = without(Proposal.from_payload(payload), evidence)
            if left is None or says(left.question) or says(left.answer):
                gone.add(doc_id)
            elif len(left.evidence) < len(payload["evidence"]):
                fresh[doc_id] = asdict(left)
        self._put_again(PROPOSALS, fresh)
        self.delete(PROPOSALS, list(gone))
        return gone

    def _erase_words(self, periods: Collection[str]) -> None:
        """The dashboards of these periods have no words until the next sync reckons them anew."""
        for table in _DASHBOARDS if periods else ():
            rows = {id_: row for id_, row in _payloads(self._store, table) if id_ in periods}
            self._put_again(table, {id_: {**row, "keywords": {}} for id_, row in rows.items()})
            self.save_state(f"{table} reckoned from", {})

    def _put_again(
        self, table: str, payloads: Mapping[str, Any], ids: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Rows with another payload, and under other ``ids`` where those name them."""
        rows = self._store.get(table, list(payloads))
        self.upsert(
            table,
            [
                Put(ids.get(id_, id_), payload, fingerprint(payload), rows[id_].source_hash, rows[id_].made_by)
                for id_, payload in payloads.items()
            ],
        )


def _tells(one: Exchange, says: Callable[[str], bool]) -> bool:
    kept = [value for value in one.more.values() if isinstance(value, str)]
    return any(map(says, (one.question, one.answer, *kept)))


def _all_exchanges(store: Any) -> Iterator[Exchange]:
    after = ("", "")
    while page := store.exchanges("", after):
        yield from page
        after = (page[-1].asked_at, page[-1].exchange_id)


def _payloads(store: Any, table: str) -> Iterator[tuple[str, Any]]:
    for batch in store.scan(table):
        for doc_id, text in zip(batch.column("doc_id").to_pylist(), batch.column("payload").to_pylist(), strict=True):
            yield doc_id, orjson.loads(text)


def _parts(ids: Collection[str]) -> Iterator[Sequence[str]]:
    ordered = sorted(ids)
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))


def _values(company: CompanyId, exchange: Exchange) -> dict[str, Any]:
    said, _ = clean(asdict(exchange))
    keys = {name: said.pop(name) for name in _KEYS}
    return {"company_id": company, **keys, "said": orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()}


def _exchange(row: Sequence[Any]) -> Exchange:
    *keys, said = row
    return Exchange(**dict(zip(_KEYS, keys, strict=True)), **orjson.loads(said))
