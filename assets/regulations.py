"""The assets of regulations: from where a company keeps them to the collection that is searched.

Belongs here: one asset a stage table, in the order the data flows, and which of the three sources it is. Does not belong
here: how one is read (``domain/workbook_rows``, ``resources/confluence``, ``resources/google_docs``), or what a stage makes
(``domain/regulation_stages``).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import dagster as dg

from assets.collections import published
from assets.report import result, stage_asset
from assets.summaries import embedded, remember_pause
from assets.tickets import SyncConfig
from assets.workbook import command, replaced
from domain import regulation_stages
from domain.errors import SourceError
from domain.regulation import Regulation
from domain.regulation_force import replaced_on
from domain.regulation_passages import too_long
from domain.replace import GONE_COUNT, Content
from domain.replace import replace as replace_table
from domain.stage import Report
from domain.workbook_layout import REGULATIONS
from domain.workbook_rows import ROWS_VERSION, Rows, regulation_tab
from domain.workbook_rows import regulations as rows_of
from resources.company_run import CompanyRun
from resources.regulation_sources import collected, open_source, sources_state
from resources.workbook.stored import stored_tab

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "workbook"
MANY = 1000
"""Rows from which a sheet is too small for regulations (spec sheets.ko.md, §"Google Sheets 한계 및 대응")."""
_SHOWN = 5
_TAB = "규정_"
_FROM_WORKBOOK = ROWS_VERSION.rpartition("-")[0]


_asset = partial(stage_asset, GROUP)


@_asset("workbook")
def regulations(config: SyncConfig, company_run: Run) -> Result:
    """The company's regulations, article by article: from the workbook's tabs, from Confluence or from Google Docs. What
    cannot be read today stays as it was."""
    try:
        if company_run.company.setting("regulations_from") == "workbook":
            report = _from_workbook(company_run, config)
        else:
            report = _from_outside(company_run, config)
    except SourceError as trouble:
        notes = [f"the regulations are left as they are: {trouble}"]
        report = Report(paused=str(trouble), is_trouble=True, notes=notes)
    remember_pause(company_run, "regulations", report)
    return result(company_run, "regulations", report)


@_asset("regulations")
def regulation_passages(company_run: Run) -> Result:
    """Regulations, long ones cut by their items, each with its numbering and the day of its next version."""
    rows = company_run.store.get("regulations", sorted(company_run.store.ids("regulations"))).values()
    later = replaced_on(regulation_stages.regulation_of(row.payload) for row in rows)
    return result(company_run, "regulation_passages", company_run.derive(regulation_stages.regulation_passages(later)))


@_asset("regulation_passages")
def regulation_embeddings(company_run: Run) -> Result:
    """Each passage as a vector: title and headings first."""
    if _is_without(company_run):
        return result(company_run, "regulation_embeddings", Report())
    model = company_run.embedder
    make = company_run.passage_vectors("regulation_embeddings")
    return embedded(company_run, regulation_stages.regulation_embeddings(model.model_id, model.summary_chars, make))


@_asset("regulation_passages", "regulation_embeddings", kinds={"qdrant"})
def regulation_collection(company_run: Run) -> Result:
    """The points of the regulations' collection, one a passage, and the collection itself: published whole, or as it was."""
    if _is_without(company_run):
        return result(company_run, "regulation_collection", Report())
    model = company_run.embedder.model_id
    return published(company_run, "regulation", regulation_stages.regulation_collection(company_run.company, model))


def _is_without(run: CompanyRun) -> bool:
    """Whether there are no regulations, and never were."""
    return not run.store.top("regulations")


# --- the workbook -------------------------------------------------------------------------------------------------


def _from_workbook(run: CompanyRun, config: SyncConfig) -> Report:
    rows, notes = _kept(run, _read(run), config)
    report = replaced(run, config, "regulations", rows)
    report.notes += notes
    told = too_long(rows.rows.values())
    report.notes += [one.en for one in told[:_SHOWN]]
    if len(told) > _SHOWN:
        report.notes.append(f"and {len(told) - _SHOWN} more rows of over 500 characters")
    if len(rows.rows) >= MANY:
        report.notes.append(
            f"{len(rows.rows)} regulations are many for a sheet: from {MANY} on keep them in Confluence or Google Docs "
            "(regulations_from, docs/regulations.md)"
        )
    return report


def _read(run: CompanyRun) -> dict[str, Rows[Regulation]]:
    """The tabs of regulations that can be read, by their names; a category of the company's own has one, too."""
    names = {doc_id.rpartition("#")[0] for doc_id in run.store.ids("workbook")}
    tabs = [*REGULATIONS.values(), *sorted(name for name in names - {*REGULATIONS.values()} if name.startswith(_TAB))]
    cells = {tab: stored_tab(run.store, tab) for tab in tabs}
    return {tab: rows_of(tab.removeprefix(_TAB), said) for tab, said in cells.items() if said is not None}


def _kept(
    run: CompanyRun, read: Mapping[str, Rows[Regulation]], config: SyncConfig
) -> tuple[Rows[Regulation], list[str]]:
    """All tabs as one; of a tab that is lost, or whose columns are, what was there. An id that an earlier tab has makes a bad
    row."""
    rows: Rows[Regulation] = Rows()
    notes: list[str] = []
    for tab, tabs_rows in read.items():
        for doc_id, one in tabs_rows.rows.items():
            if doc_id in rows.rows:
                first = regulation_tab(rows.rows[doc_id].category)
                rows.bad[f"{doc_id} ({tab})"] = f"the id {doc_id} is also in {first}"
            else:
                rows.rows[doc_id] = one
        rows.bad.update(tabs_rows.bad)
        rows.problems.extend(tabs_rows.problems)
    readable = {tab for tab, one in read.items() if one.is_readable}
    for tab, lost in _stored(run, readable).items():
        if config.accept_deletions < len(lost):
            rows.rows.update({doc_id: one for doc_id, one in lost.items() if doc_id not in rows.rows})
            notes.append(
                f"the tab {tab} cannot be read: its {len(lost)} regulations are left as they were. If they are gone, run "
                f"'{command(run)} --accept-deletions {max(len(lost), GONE_COUNT)}'"
            )
    return rows, notes


def _stored(run: CompanyRun, but: set[str]) -> dict[str, dict[str, Regulation]]:
    """What is stored of the workbook's tabs but these, by tab and id."""
    found: dict[str, dict[str, Regulation]] = {}
    for doc_id, row in run.store.get("regulations", sorted(run.store.ids("regulations"))).items():
        tab = regulation_tab(row.payload["category"])
        if tab not in but and (row.made_by or "").startswith(_FROM_WORKBOOK):
            found.setdefault(tab, {})[doc_id] = regulation_stages.regulation_of(row.payload)
    return found


# --- Confluence, Google Docs --------------------------------------------------------------------------------------


def _from_outside(run: CompanyRun, config: SyncConfig) -> Report:
    source = open_source(run.companies, run.company)
    try:
        given = collected(source, run.store, run.company.setting("regulation_places"), full=config.full)
    finally:
        source.close()
    report = replace_table(
        run.store,
        "regulations",
        Content(given.rows, given.bad),
        made_by=source.made_by,
        run_id=run.run_id,
        now=run.now,
        accept_deletions=config.accept_deletions,
        command=command(run),
    )
    report.notes += given.notes
    report.requests = source.requests
    if given.documents != run.store.state(sources_state()):
        # After the rows: a run that is cut off in between reads these documents again.
        with run.store.begin(run.run_id, run.now) as write:
            write.save_state(sources_state(), given.documents)
    return report
