"""From tickets to FAQs: the asset ``faq_proposals``, and what the workbook gets of it.

Belongs here: bringing the table up to date with what people decided and with what is asked now. Does not belong here: reading
the cases (``resources/faq_cases``), the rules (``domain/faq_drafts``, ``stale_answers``, ``faq_proposals``), or the write
itself, which is one for all tabs (``workbook_tabs``).

Nothing is written into the workbook here: a run that dies leaves a table, and the next one says the same again.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from assets.partitions import companies
from assets.report import result, table_metadata
from domain.conversation_rows import arranged
from domain.errors import CasebookError
from domain.faq_drafts import DRAFTS_VERSION, drafts, workbench
from domain.faq_proposals import Proposal, accepted, answers, decided, faq_cells, joined, tab_cells, without
from domain.fingerprint import fingerprint
from domain.replace import Content, replace
from domain.stage import Pause, Report
from domain.stale_answers import STALE_VERSION, stale
from domain.workbook_layout import FAQ, LAYOUT, PROPOSALS
from resources.company_run import CompanyRun
from resources.faq_cases import TURNS, is_there, quote, read_cases
from resources.storage.sql import SqlCompanyStore
from resources.workbook.base import Append, Change, Overwrite, SetCells
from resources.workbook.stored import REVISION, held_tabs, stored_tab, tab_hashes

Run = dg.ResourceParam[CompanyRun]
TABLE = "faq_proposals"
MADE_BY = f"proposals-1.{DRAFTS_VERSION}.{STALE_VERSION}"
_SOURCES = (
    *("ticket_summaries", "ticket_embeddings", "ticket_terms", "faq", "faq_embeddings", "faq_collection"),
    *("conversation_log", "operations_log", "conversation_archive", "workbook"),
)
_READ = "faq_proposals sources"
"""A state: what the table was last made from."""
_WRITTEN = "faq_proposals written"
"""A state: which proposals the workbook got by the last write, and which reading of it that write went by."""


@dg.asset(
    partitions_def=companies,
    group_name="learning",
    deps=list(_SOURCES),
    kinds={"table"},
    metadata=table_metadata(_SOURCES),
)
def faq_proposals(company_run: Run) -> dg.MaterializeResult[Any]:
    """Questions that solved tickets and users share and no active FAQ answers, each with an answer to be verified; and FAQs
    that newer tickets contradict."""
    started, run, store = perf_counter(), company_run, company_run.store
    state = _state(run)
    if store.state(_READ) == state:
        count = store.count(TABLE)
        return result(run, TABLE, Report(read=count, skipped=count, seconds=perf_counter() - started))
    known, notes = decided(
        _stored(store), stored_tab(store, PROPOSALS), stored_tab(store, FAQ), _today(run), _written(store)
    )
    kept = _kept(store, list(known.values()))
    paused = ""
    try:
        kept = joined(kept, _drafts(run)).values()
    except (Pause, CasebookError) as trouble:  # questions could not be embedded: what there is stays as it is
        paused = str(trouble)
    content = Content({one.proposal_id: asdict(one) for one in kept})
    report = replace(store, TABLE, content, made_by=MADE_BY, run_id=run.run_id, now=run.now)
    report.notes += [*notes, *([f"no new proposals: {paused}"] if paused else [])]
    if not paused:
        with store.begin(run.run_id, run.now) as write:
            write.save_state(_READ, state)
    report.seconds = perf_counter() - started
    shown = [one for one in kept if one.is_shown]
    return result(run, TABLE, report, open=len(shown), stale=sum(one.kind == "stale" for one in shown))


def proposal_changes(store: SqlCompanyStore) -> list[Change]:
    """What the workbook's write has to do: accepted proposals behind the last row of ``FAQ``, another answer into a stale
    FAQ, and ``FAQ_제안`` as it should be. Nothing where all is so already, and nothing twice into ``FAQ``, also where the
    workbook could not be read again since the last write. Nothing into a tab that is held back: one row in an emptied
    ``FAQ`` would be all there is of it."""
    proposals, faqs, tab = _stored(store), stored_tab(store, FAQ), stored_tab(store, PROPOSALS)
    held = _left_alone(store)
    changes: list[Change] = []
    if faqs and FAQ not in held:
        last = store.state(_WRITTEN) or {}
        is_read_since = last.get("revision") != store.state(REVISION)
        fresh = [one for one in proposals if is_read_since or one.proposal_id not in last.get("accepted", ())]
        if rows := accepted(fresh, faqs):
            changes.append(Append(FAQ, arranged([faq_cells(one) for one in rows], faqs[0])))
        if cells := answers(fresh, faqs):
            changes.append(SetCells(FAQ, cells))
    if PROPOSALS in held:
        return changes
    header = tab[0] if tab else LAYOUT[PROPOSALS].header
    rows = arranged(tab_cells(proposals), header)
    if [_shown(row) for row in rows] != [_shown(row) for row in (tab or [header])[1:]]:
        changes.append(Overwrite(PROPOSALS, rows))
    return changes


def proposals_written(run: CompanyRun) -> None:
    """To be called when those changes are in the workbook: a row that is missing there from now on was deleted by a
    person. Of a tab that is held back, nothing of it is."""
    shown, held = [one for one in _stored(run.store) if one.is_shown], _left_alone(run.store)
    state = {
        "ids": sorted(one.proposal_id for one in shown if PROPOSALS not in held),
        "accepted": sorted(one.proposal_id for one in shown if one.status == "accepted" and FAQ not in held),
        "revision": run.store.state(REVISION),
    }
    if state != run.store.state(_WRITTEN):
        with run.store.begin(run.run_id, run.now) as write:
            write.save_state(_WRITTEN, state)


def _left_alone(store: SqlCompanyStore) -> set[str]:
    """The tabs that nothing is written into: those that are held back, and those whose first row lacks a column that a
    row must have, by its own name. Such a header is read (``domain/workbook_header``); what is arranged under it is empty."""
    tabs = {name: stored_tab(store, name) for name in (FAQ, PROPOSALS)}
    needed = {name: {one.name for one in LAYOUT[name].columns if one.required} for name in tabs}
    return {name for name, tab in tabs.items() if tab and not needed[name] <= set(tab[0])} | set(held_tabs(store))


def _drafts(run: CompanyRun) -> list[Proposal]:
    model, store = run.embedder, run.store
    cases = read_cases(store, model, run.run_id, run.now)
    bench = workbench(
        model.model_id,
        cases.asked,
        cases.faqs,
        lambda evidence: quote(store, evidence),
        frozenset(cases.people),
        _today(run),
    )
    return [*drafts(bench), *stale(bench)]


def _kept(store: SqlCompanyStore, known: Sequence[Proposal]) -> list[Proposal]:
    """Without what is not there any more: nothing of a forgotten ticket stays."""
    evidence = {one for proposal in known for one in proposal.evidence}
    gone = evidence - is_there(store, evidence)
    return [left for one in known if (left := without(one, gone))]


def _stored(store: SqlCompanyStore) -> list[Proposal]:
    return [Proposal.from_payload(row.payload) for row in store.get(TABLE, sorted(store.ids(TABLE))).values()]


def _written(store: SqlCompanyStore) -> Sequence[str]:
    """The proposals that the workbook had before it was read last."""
    last = store.state(_WRITTEN) or {}
    return last.get("ids", ()) if last.get("revision") != store.state(REVISION) else ()


def _state(run: CompanyRun) -> str:
    """Changes with all that the table is made from. Of the workbook that is what two tabs say: a write of ours moves its
    revision, and decides nothing. A row that was written and deleted before it was ever read leaves the tab as it was."""
    store = run.store
    tops = [store.top(table) for table in (*_SOURCES, *TURNS) if table != "workbook"]
    there = {cell.strip() for row in stored_tab(store, PROPOSALS) or () for cell in row}
    return fingerprint([MADE_BY, tops, tab_hashes(store, FAQ, PROPOSALS), sorted({*_written(store)} - there)])


def _today(run: CompanyRun) -> str:
    return datetime.fromisoformat(run.now).astimezone(ZoneInfo(run.company.setting("time_zone"))).date().isoformat()


def _shown(row: Sequence[Any]) -> list[str]:
    """Cells as they are read back, without the empty ones at the end."""
    said = [str(cell).upper() if isinstance(cell, bool) else str(cell) for cell in row]
    while said and not said[-1]:
        said.pop()
    return said
