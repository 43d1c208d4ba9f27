"""The workbook's assets: what people write in it, as tables.

Belongs here: reading it in one batch, and its frequent questions and contacts as typed rows. Does not belong here: how a
workbook is reached (``resources/workbook``), what a row must have (``domain/workbook_rows``), regulations
(``regulations``), or what Casebook writes into it (``workbook_tabs``).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeVar

import dagster as dg

from assets.report import result, stage_asset
from assets.summaries import remember_pause
from assets.tickets import SyncConfig
from domain import workbook_rows
from domain.errors import SourceError
from domain.replace import GONE_COUNT, Content, replace
from domain.stage import Report
from domain.workbook_layout import CONTACTS, FAQ, FAQ_INDEX, PROPOSALS, READ_WHOLE
from domain.workbook_rows import ROWS_VERSION, Rows
from resources.company_run import CompanyRun
from resources.workbook.base import Workbook
from resources.workbook.stored import REVISION, chunks, stored_tab, stored_tabs

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "workbook"
_STORED = "chunks-1"
_SHOWN = 20
Record = TypeVar("Record")


_asset = partial(stage_asset, GROUP)


@_asset()
def workbook(config: SyncConfig, company_run: Run) -> Result:
    """All tabs of the workbook, read in one batch when its revision has moved. A tab that people write in, and that is
    empty or gone, stays as it was: a slip of the hand deletes nothing."""
    book = company_run.workbook
    if book is None:
        return result(company_run, "workbook", Report())
    try:
        report = _read(company_run, book, config)
    except SourceError as trouble:
        # Tickets go on, and so does what was read before: the outcome's notes tell it.
        report = Report(paused=str(trouble), is_trouble=True, notes=[f"the workbook is left as it is: {trouble}"])
    report.requests = book.requests
    remember_pause(company_run, "workbook", report)
    return result(company_run, "workbook", report, place=book.place)


@_asset("workbook")
def faq(config: SyncConfig, company_run: Run) -> Result:
    """Frequent questions with their verified answers. A row that cannot be read waits in the queue with its reason."""
    return _typed(company_run, config, "faq", FAQ, workbook_rows.faqs)


@_asset("workbook")
def contacts(config: SyncConfig, company_run: Run) -> Result:
    """Whom to ask, by category."""
    return _typed(company_run, config, "contacts", CONTACTS, workbook_rows.contacts)


def _typed(run: CompanyRun, config: SyncConfig, table: str, tab: str, parse: Any) -> Result:
    cells = stored_tab(run.store, tab)
    if cells is None:
        return result(run, table, Report())
    return result(run, table, replaced(run, config, table, parse(cells)))


def replaced(run: CompanyRun, config: SyncConfig, table: str, rows: Rows[Any]) -> Report:
    """Make a table hold these rows; bad ones are queued, and told by tab, row and column. Of a tab that lacks a required
    column nothing is known: what was read before stays."""
    if not rows.is_readable:
        count = run.store.count(table)
        return Report(read=count, skipped=count, notes=[one.en for one in rows.problems])
    content = Content({doc_id: asdict(record) for doc_id, record in rows.rows.items()}, rows.bad)
    report = replace(
        run.store,
        table,
        content,
        made_by=ROWS_VERSION,
        run_id=run.run_id,
        now=run.now,
        accept_deletions=config.accept_deletions,
        is_typed=True,
        command=command(run),
    )
    told = [one.en for one in rows.problems if one.is_bad]
    report.notes += told[:_SHOWN]
    if len(told) > _SHOWN:
        report.notes.append(f"and {len(told) - _SHOWN} more: casebook workbook check {run.company.id}")
    return report


def command(run: CompanyRun) -> str:
    """What agrees to deletions of the workbook: without ``--only`` it would be those of tickets."""
    return f"casebook sync {run.company.id} --only workbook"


@dataclass(frozen=True, slots=True)
class _Kept:
    """The tabs as they are to be stored, what was read of those that were left as they were, and that in words."""

    tabs: Mapping[str, Any]
    held: Mapping[str, Any]
    notes: list[str]


def _read(run: CompanyRun, book: Workbook, config: SyncConfig) -> Report:
    known = run.store.state(REVISION) or {}
    revision = book.revision()
    place = {"place": book.place, "revision": revision}
    # Who agrees to deletions speaks of a reading that was held back: the workbook has not changed since.
    if revision and known == place and not (config.full or config.accept_deletions):
        count = run.store.count("workbook")
        return Report(read=count, skipped=count, notes=["the workbook did not change"])
    snapshot = book.read()
    kept = _kept(run, {name: tab.rows for name, tab in snapshot.tabs.items()}, config)
    report = replace(
        run.store,
        "workbook",
        Content(chunks(kept.tabs, kept.held)),
        made_by=_STORED,
        run_id=run.run_id,
        now=run.now,
    )
    report.notes += kept.notes
    if known != place:  # after the rows: a run that is cut off in between reads them again
        with run.store.begin(run.run_id, run.now) as write:
            write.save_state(REVISION, place)
    return report


def _kept(run: CompanyRun, read: Mapping[str, Any], config: SyncConfig) -> _Kept:
    """The tabs that were read; of those that people write in, what was there where they are empty or gone."""
    stored = stored_tabs(run.store)
    tabs, held, notes = dict(read), dict[str, Any](), list[str]()
    for name in READ_WHOLE:
        rows = stored.get(name, ())
        before = _undecided(run, rows) if name == PROPOSALS else len(_said(rows))
        if not before or _said(read.get(name, ())):
            continue
        if config.accept_deletions >= before:
            if not _said([(), *read.get(name, ())]):  # not even a header: its table is to hear that it has no rows
                tabs[name] = rows[:1]
            continue
        tabs[name], held[name] = rows, read.get(name, ())
        what = "is empty" if name in read else "is gone"
        then = "it is filled again" if name == FAQ_INDEX else f"its {before} rows are left as they were"
        notes.append(
            f"the tab {name} {what}: {then}. If it is to be so, run "
            f"'{command(run)} --accept-deletions {max(before, GONE_COUNT)}'"
        )
    return _Kept(tabs, held, notes)


def _undecided(run: CompanyRun, rows: Any) -> int:
    """How many rows are of proposals that wait for a decision: the others leave the tab by our own hand."""
    found = run.store.get("faq_proposals", sorted(run.store.ids("faq_proposals")))
    waiting = {doc_id for doc_id, row in found.items() if row.payload["status"] in ("open", "accepted")}
    return sum(not waiting.isdisjoint(cell.strip() for cell in row) for row in _said(rows))


def _said(rows: Any) -> list[Any]:
    """The rows below the header that say anything."""
    return [row for row in rows[1:] if any(cell.strip() for cell in row)]
