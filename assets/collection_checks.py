"""Checks of what is searched: each collection is its table, holds its own company alone, and shows nobody else's canary.

Belongs here: statements about an index that must hold after a sync. Does not belong here: the tables (``checks``).
"""

import warnings
from collections import Counter
from collections.abc import Iterator

import dagster as dg

from assets.partitions import companies
from domain.errors import StorageError
from domain.stage import COLLECTIONS, DataType
from resources.company_run import CompanyRun
from resources.vector_index.base import Collection, Filters, open_index
from resources.vector_index.canaries import leaks

# Checks by partition are "in preview" in this pinned version; people who run commands cannot act on that.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

Run = dg.ResourceParam[CompanyRun]
_SHOWN = 20


def _spec(data_type: DataType, name: str, description: str) -> dg.AssetCheckSpec:
    """A check of one collection. Its name is unique, for a sync tells how all of them ended by their names."""
    return dg.AssetCheckSpec(
        name if data_type == "ticket" else f"{data_type}_{name}",
        asset=COLLECTIONS[data_type],
        partitions_def=companies,
        description=description,
    )


def _collection_checks(data_type: DataType) -> dg.AssetChecksDefinition:
    """The checks of one collection: one step, for it reads all points, and once."""
    ids = _spec(data_type, "ids_unique", "The index holds the documents of its table, each once.")
    foreign = _spec(data_type, "no_foreign_company", "Every point belongs to the company.")
    unseen = _spec(data_type, "canary_unseen", "No other company's canary is found.")

    @dg.multi_asset_check(name=f"{COLLECTIONS[data_type]}_checks", specs=[ids, foreign, unseen])
    def collection_checks(company_run: Run) -> Iterator[dg.AssetCheckResult]:
        live = _live(company_run, data_type)
        yield from _points(company_run, data_type, live, ids.name, foreign.name)
        yield _canaries(company_run, data_type, live, unseen.name)

    return collection_checks


def _points(
    run: CompanyRun, data_type: DataType, live: Collection | None, ids: str, foreign: str
) -> Iterator[dg.AssetCheckResult]:
    """The documents that the index holds are those of the table, and none of their points is there twice. No path leads
    from one company to another: each point names this one."""
    points: Counter[tuple[str, int]] = Counter()
    strange = 0
    for payload in live.payloads(["doc_id", "part", "company_id"], Filters()) if live else ():
        points[str(payload["doc_id"]), payload.get("part", 0)] += 1
        strange += payload.get("company_id") != run.company.id
    twice = sorted({doc_id for (doc_id, _), count in points.items() if count > 1})[:_SHOWN]
    strangers = sorted({doc_id for doc_id, _ in points} ^ run.store.ids(COLLECTIONS[data_type]))[:_SHOWN]
    yield dg.AssetCheckResult(
        check_name=ids,
        passed=not twice and not strangers,
        metadata={"points": len(points), "twice": ", ".join(twice), "not_in_both": ", ".join(strangers)},
    )
    yield dg.AssetCheckResult(check_name=foreign, passed=not strange, metadata={"foreign": strange})


def _canaries(run: CompanyRun, data_type: DataType, live: Collection | None, name: str) -> dg.AssetCheckResult:
    """Other companies' canaries, looked for from this one."""
    others = [other.id for other in run.companies.list() if other.id != run.company.id]
    seen = leaks(live, data_type, others, run.now[:10]) if live else []
    return dg.AssetCheckResult(
        check_name=name, passed=not seen, metadata={"looked_for": len(others), "seen": ", ".join(seen)}
    )


def _live(run: CompanyRun, data_type: DataType) -> Collection | None:
    """What is searched now; None where nothing was built, and nothing is to be."""
    try:
        return open_index(run.settings, run.company).reader(data_type).current()
    except StorageError:
        if run.store.count(COLLECTIONS[data_type]):
            raise
        return None


CHECKS = [_collection_checks(data_type) for data_type in COLLECTIONS]
