"""The dashboards' assets: figures of each day and each month, as rows and as pictures on Dagster's page.

Belongs here: reading the tables that figures are reckoned from, and only for days that changed. Does not belong here: the
figures (``domain/dashboard``), drawing (``plots``), or their tabs (``workbook_tabs``).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from time import perf_counter
from typing import Any

import dagster as dg

from assets.plots import bars, lines
from assets.report import result, stage_asset
from domain.archive import kept_from
from domain.conversation import Operation
from domain.dashboard import DASHBOARD_VERSION, Figures, figures, next_period, share, top_keywords
from domain.replace import Content, replace
from resources.company_run import CompanyRun
from resources.conversations import ARCHIVE, LOG, OPERATIONS

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
_SHOWN = 31
_PAGE = 5_000


_asset = partial(stage_asset, "conversations", OPERATIONS, ARCHIVE)


@_asset()
def daily_dashboard(company_run: Run) -> Result:
    """Each day of the company's time zone: questions, who answered and how fast, what they were about, and votes."""
    return _dashboard(company_run, "daily_dashboard", lambda timestamp: timestamp[:10])


@_asset()
def monthly_dashboard(company_run: Run) -> Result:
    """The same of each month."""
    return _dashboard(company_run, "monthly_dashboard", lambda timestamp: timestamp[:7])


def _dashboard(run: CompanyRun, table: str, period_of: Callable[[str], str]) -> Result:
    started, store = perf_counter(), run.store
    zone, days = run.company.setting("time_zone"), run.company.setting("conversation_retention")
    first_day = kept_from(run.now, zone, days)
    rows = {id_: row.payload for id_, row in store.get(table, sorted(store.ids(table))).items()}
    state, top = f"{table} reckoned from", store.top(OPERATIONS)
    known = store.state(state) or {}
    after = known.get("seq", 0) if known.get("version") == DASHBOARD_VERSION else 0
    moved = _moved(run, after, period_of)
    # Of a period whose first days have left the tables already, the figures stay as they were.
    fresh = {
        period for period in moved if period >= period_of(first_day) and (period >= first_day or period not in rows)
    }
    for period in sorted(fresh):
        rows[period] = asdict(_figures(run, period))
    content = Content(rows)
    report = replace(store, table, content, made_by=DASHBOARD_VERSION, run_id=run.run_id, now=run.now)
    if after != top:  # after the rows: a run that is cut off in between reckons again
        with store.begin(run.run_id, run.now) as write:
            write.save_state(state, {"seq": top, "version": DASHBOARD_VERSION})
    report.seconds = perf_counter() - started
    shown = sorted(rows)[-_SHOWN:] if report.changed else []  # the page of a night before has the same pictures
    return result(run, table, report, **_pictures([Figures(**rows[period]) for period in shown]))


def _moved(run: CompanyRun, after: int, period_of: Callable[[str], str]) -> set[str]:
    """The periods of operations that changed since; one that left takes nothing from its period."""
    periods: set[str] = set()
    while rows := run.store.changes(OPERATIONS, after, _PAGE):
        periods |= {period_of(row.source_hash) for row in rows if row.source_hash}
        after = rows[-1].seq
    return periods


def _figures(run: CompanyRun, period: str) -> Figures:
    store, end = run.store, next_period(period)
    lines_ = store.get(OPERATIONS, sorted(store.ids_between(OPERATIONS, period, end))).values()
    said = {
        id_: row.payload
        for table in (ARCHIVE, LOG)
        for id_, row in store.get(table, sorted(store.ids_between(table, period, end))).items()
    }
    questions = [
        (turn["user_id"] or turn["session_id"], turn["message"]) for turn in said.values() if turn["role"] == "user"
    ]
    return figures(period, [Operation(**row.payload) for row in lines_], top_keywords(questions))


def _pictures(rows: Sequence[Figures]) -> dict[str, Any]:
    """The last periods, drawn."""
    if not rows:
        return {}
    periods = [row.period[5:] if len(row.period) > 7 else row.period for row in rows]
    tiers = {f"tier {tier}": [share(row.tiers.get(tier, 0), row.questions) for row in rows] for tier in "123"}
    times = {period: row.latency_p95 / 1000 for period, row in zip(periods, rows, strict=True)}
    return {
        "questions": bars("questions", "questions", {p: row.questions for p, row in zip(periods, rows, strict=True)}),
        "tiers": lines("share of each tier", periods, tiers, {}),
        "latency": bars("time to an answer, 95 % are faster", "seconds", times),
    }
