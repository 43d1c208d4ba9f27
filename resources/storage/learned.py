"""What a company learns from being asked: recommendations that were given, judged queries, reports on them.

Belongs here: reading and writing those tables. Does not belong here: what is measured or recommended (``query``).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import orjson
import sqlalchemy as sa

from domain.company import CompanyId
from domain.fingerprint import clean
from domain.judgement import JudgedQuery, RetrievalReport
from domain.recommendation import Recommendation
from domain.stage import DataType
from resources.storage import schema


def _values(company: CompanyId, record: Any) -> dict[str, Any]:
    """A record as columns: whatever is not text is JSON."""
    said, _ = clean(asdict(record))
    return {"company_id": company} | {
        name: value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
        for name, value in said.items()
    }


class LearnedRows:
    """The part of a company's store that reads them, and keeps recommendations in a commit of their own: whoever answers a
    question holds no lock, for those rows touch nothing else."""

    company: CompanyId
    db: sa.Connection
    insert: Callable[[sa.Table], Any]
    _all: Callable[[Any], Sequence[Any]]
    _transaction: Callable[[], AbstractContextManager[None]]

    def keep_recommendations(self, given: Iterable[Recommendation]) -> None:
        """Store answers, at once and together; one that is there already is left as it is."""
        rows = [_values(self.company, one) for one in given]
        if rows:
            with self._transaction():
                self.db.execute(self.insert(schema.recommendations).on_conflict_do_nothing(), rows)

    def recommendation(self, recommendation_id: str) -> Recommendation | None:
        """One answer that was given; None when there is none of this id."""
        c = schema.recommendations.c
        mine = (c.company_id == self.company, c.recommendation_id == recommendation_id)
        found = self._all(_columns(schema.recommendations, Recommendation).where(*mine))
        return _recommendation(found[0]) if found else None

    def recommendations(self, limit: int = 100) -> list[Recommendation]:
        """The newest answers, the newest first."""
        c = schema.recommendations.c
        query = _columns(schema.recommendations, Recommendation).where(c.company_id == self.company)
        return [_recommendation(row) for row in self._all(query.order_by(c.at.desc()).limit(limit))]

    def judged(self) -> list[JudgedQuery]:
        """The company's judged queries, in the order of their ids."""
        c = schema.judged_queries.c
        query = _columns(schema.judged_queries, JudgedQuery).where(c.company_id == self.company).order_by(c.query_id)
        return [JudgedQuery(query_id, text, orjson.loads(relevant)) for query_id, text, relevant in self._all(query)]

    def reports(self, limit: int = 400) -> list[RetrievalReport]:
        """The newest reports, the oldest of them first."""
        c = schema.reports.c
        query = _columns(schema.reports, RetrievalReport).where(c.company_id == self.company)
        found = self._all(query.order_by(c.at.desc(), c.run_id).limit(limit))
        return [
            RetrievalReport(at, run_id, orjson.loads(versions), orjson.loads(figures))
            for at, run_id, versions, figures in reversed(found)
        ]


class LearnedWrites:
    """The part of a transaction that changes them."""

    _db: sa.Connection
    _company: CompanyId
    _store: Any
    _delete_where: Callable[..., None]

    def replace_judged(self, queries: Sequence[JudgedQuery]) -> None:
        """These are the judged queries now, and no others."""
        self._db.execute(sa.delete(schema.judged_queries).where(schema.judged_queries.c.company_id == self._company))
        if queries:
            self._db.execute(sa.insert(schema.judged_queries), [_values(self._company, one) for one in queries])

    def keep_report(self, report: RetrievalReport) -> None:
        """Add a report; a run has one."""
        insert = self._store.insert(schema.reports)
        self._db.execute(insert.on_conflict_do_nothing(), _values(self._company, report))

    def drop_recommendations(self, before: str) -> int:
        """Those given before a moment (ISO 8601 UTC) go; how many."""
        c = schema.recommendations.c
        gone = sa.delete(schema.recommendations).where(c.company_id == self._company, c.at < before)
        return self._db.execute(gone).rowcount

    def erase_learned(self, data_type: DataType, doc_ids: Collection[str], says: Callable[[str], bool]) -> list[str]:
        """Recommendations and judged queries that name one of these documents go, and those of whose text ``says`` is
        true; the ids of the recommendations."""
        gone = {(data_type, doc_id) for doc_id in doc_ids}
        recommended, judged = schema.recommendations.c, schema.judged_queries.c
        query = _columns(schema.recommendations, Recommendation).where(recommended.company_id == self._company)
        named = [
            one.recommendation_id
            for one in map(_recommendation, self._db.execute(query).all())
            if says(one.query) or gone & {(hit.get("data_type"), hit.get("doc_id")) for hit in (*one.hits, one.asked)}
        ]
        self._delete_where(schema.recommendations, named, recommended.recommendation_id)
        about = [
            one.query_id
            for one in self._store.judged()
            if says(one.text) or not one.relevant.keys().isdisjoint(doc_ids)
        ]
        self._delete_where(schema.judged_queries, about, judged.query_id)
        return named


def _columns(table: sa.Table, record: Any) -> Any:
    return sa.select(*(table.c[name] for name in record.__dataclass_fields__))


def _recommendation(row: Sequence[Any]) -> Recommendation:
    recommendation_id, at, query, *rest = row
    return Recommendation(recommendation_id, at, query, *map(orjson.loads, rest))
