"""The one write to the workbook: every tab that Casebook writes as its table says, and only what differs.

Belongs here: when it is written, and what happens when nobody lets us write. Does not belong here: what differs
(``resources/workbook/bot_tabs``, ``faq_proposals``), or any kind of workbook.
"""

from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

import dagster as dg

from assets.faq_proposals import proposal_changes, proposals_written
from assets.partitions import companies
from assets.summaries import pause_state, remember_pause
from domain.archive import kept_from, month
from domain.errors import CasebookError
from domain.stage import Report
from domain.workbook_layout import FAQ, FAQ_INDEX, PROPOSALS
from resources.company_run import CompanyRun
from resources.workbook.base import Append, Change, DropRows, Overwrite, SetCells, Workbook
from resources.workbook.bot_tabs import BotTabs
from resources.workbook.csv_folder import CsvFolder
from resources.workbook.stored import REVISION, held_tabs, stored_tabs

Run = dg.ResourceParam[CompanyRun]
_SOURCES = (
    *("workbook", "faq_keyword_index", "conversation_log", "conversation_archive", "operations_log"),
    *("daily_dashboard", "monthly_dashboard", "faq_proposals"),
)
_SAME = "workbook_tabs nothing differs"
"""A state: what tables and tabs were when nothing differed."""
_DASHBOARDS = "workbook_tabs dashboards"
"""A state: by tab and period, the hash of the cells that were written last."""
_EDITED = (FAQ, FAQ_INDEX, PROPOSALS)
"""The tabs that people write in, and we do."""


@dg.asset(partitions_def=companies, group_name="workbook", deps=list(_SOURCES), kinds={"table"})
def workbook_tabs(company_run: Run) -> dg.MaterializeResult[Any]:
    """The tabs that Casebook writes, brought up to date by one write; nothing where nothing differs. A workbook that cannot
    be written is told, and stops nothing else."""
    started, run = perf_counter(), company_run
    try:
        book = run.workbook
        report = _written(run, book) if book else Report()
    except CasebookError as trouble:
        # What kept it from being read keeps it from being written, too, and was told by then.
        is_told = run.store.state(pause_state("workbook")) == str(trouble)
        notes = [] if is_told else [f"the workbook was not written: {trouble}"]
        report = Report(paused=str(trouble), is_trouble=True, notes=notes)
    report.seconds = perf_counter() - started
    remember_pause(run, "workbook_tabs", report)
    run.progress("workbook_tabs", report)
    counts = {name: getattr(report, name) for name in ("read", "changed", "skipped", "removed", "failed")}
    more = {"paused": report.paused} if report.paused else {}
    more |= {"requests": report.requests} if report.requests else {}
    notes = {"notes": "\n".join(report.notes)} if report.notes else {}
    return dg.MaterializeResult(metadata={**counts, "seconds": round(report.seconds, 3), **more, **notes})


def _written(run: CompanyRun, book: Workbook) -> Report:
    state = {table: run.store.top(table) for table in _SOURCES} | {"month": _month(run)}
    if run.store.state(_SAME) == state:
        return Report(notes=["nothing differs"])
    notes: list[str] = []
    read = {**stored_tabs(run.store), **held_tabs(run.store)}  # rows have their numbers in the workbook as it is
    tabs = _tabs(run, book, read)
    bot, both = tabs.changes(), [*tabs.keyword_changes(), *proposal_changes(run.store)]
    is_edited = False
    if (bot or both) and _has_moved(run, book):
        now = {name: tab.rows for name, tab in book.read().tabs.items()}
        if is_edited := any(_rows(now.get(name)) != _rows(read.get(name)) for name in _EDITED):
            # What people write in waits for a run that has read it as it is now.
            both = []
            notes.append("the workbook was edited meanwhile: the tabs that people write in wait for the next sync")
        tabs = _tabs(run, book, now)
        bot = tabs.changes()
    changes = [*bot, *both]
    if changes:
        book.write(changes)
    if not is_edited:
        proposals_written(run)
    _save(run, {_DASHBOARDS: tabs.marks, **({_SAME: state} if not changes and not is_edited else {})})
    sizes = [_size(change) for change in changes]
    return Report(changed=sum(sizes), removed=_dropped(changes), requests=book.requests, notes=[*notes, *tabs.lacking])


def _rows(rows: Sequence[Sequence[str]] | None) -> list[list[str]]:
    return [list(row) for row in rows or ()]


def _tabs(run: CompanyRun, book: Workbook, tabs: Mapping[str, Sequence[Sequence[str]]]) -> BotTabs:
    company = run.company
    return BotTabs(
        run.store,
        tabs,
        company.setting("time_zone"),
        run.now,
        company.setting("conversation_retention"),
        not isinstance(book, CsvFolder),
        run.store.state(_DASHBOARDS) or {},
    )


def _size(change: Change) -> int:
    """How many rows, or single cells, a change writes."""
    match change:
        case Append() | Overwrite():
            return len(change.rows)
        case SetCells():
            return len(change.cells)
        case _:
            return 0


def _dropped(changes: Sequence[Change]) -> int:
    return sum(len(change.rows) for change in changes if isinstance(change, DropRows))


def _month(run: CompanyRun) -> str:
    """Formulas become values, and rows are old, by this."""
    zone, days = run.company.setting("time_zone"), run.company.setting("conversation_retention")
    return f"{month(run.now, zone)} {kept_from(run.now, zone, days)[:7]}"


def _has_moved(run: CompanyRun, book: Workbook) -> bool:
    """Whether the workbook is another one than was read: its rows may stand elsewhere now."""
    known = run.store.state(REVISION) or {}
    return not known.get("revision") or {"place": book.place, "revision": book.revision()} != known


def _save(run: CompanyRun, states: Mapping[str, Any]) -> None:
    fresh = {name: value for name, value in states.items() if run.store.state(name) != value}
    if fresh:
        with run.store.begin(run.run_id, run.now) as write:
            for name, value in fresh.items():
                write.save_state(name, value)
