"""The last step of every flow that is searched: a collection table becomes the vector collection that readers see.

Belongs here: publishing one, and what a run says of it. Does not belong here: what its points are (``domain/*_stages``), or
how an engine publishes (``resources/vector_index``).
"""

from typing import Any

import dagster as dg

from assets.report import result
from domain.derive import Stage, drop_orphans
from domain.stage import COLLECTIONS, DataType
from resources import erase
from resources.company_run import EMBEDDED, CompanyRun
from resources.vector_index.base import Built, VectorIndex, open_index


def published(run: CompanyRun, data_type: DataType, stage: Stage) -> dg.MaterializeResult[Any]:
    """Bring the collection table up to date, then the collection: published whole, or as it was.

    While a change of model is not finished, the collection of the model before serves on, and table and collection stay as
    they are but for what was deleted: without the documents that have no vector yet the new one is not whole."""
    table = COLLECTIONS[data_type]
    index = open_index(run.settings, run.company)
    waiting = without_vector(run, data_type)
    live = _live(index, data_type) if waiting else None
    if live is None:
        report = run.derive(stage)
        writer = index.writer(data_type, stage.made_by, run.embedder.size)
    else:
        report = drop_orphans(stage, run.store, run_id=run.run_id, now=run.now)
        report.paused = f"the change of model is not finished: {waiting} documents have no vector of it yet"
        report.notes.append(f"{table}: {report.paused}; until then {live.name} is searched, as it is")
        writer = index.writer(data_type, live.made_by, live.size)
    done = erase.publish(index, run.store, writer, data_type)
    return result(
        run,
        table,
        report,
        collection=done.collection,
        generation=done.generation,
        documents=done.count,
        points_applied=done.applied,
        documents_dropped=done.dropped,
        switched=done.switched,
        rebuilt=done.rebuilt,
    )


def without_vector(run: CompanyRun, data_type: DataType) -> int:
    """Documents whose vector is of another model than the company's, and that wait in no queue for one: a change of model
    that is not finished. Those that the model refused are in the queue, and hold up nobody."""
    table, model = EMBEDDED[data_type], run.embedder.model_id
    others = run.store.count(table) - run.store.count(table, model)
    if not others:
        return 0
    queued = [entry.doc_id for entry in run.store.queue() if entry.target == table]
    heads = run.store.heads(table, queued).values()
    return others - sum(not head.deleted and head.made_by != model for head in heads)


def _live(index: VectorIndex, data_type: DataType) -> Built | None:
    """The collection that is searched; None where there is none, or none that could be brought up to date."""
    return next((one for one in index.built(data_type) if one.is_live and one.size), None)
