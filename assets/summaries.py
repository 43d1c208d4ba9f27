"""What the assets that may cost money have in common: who writes or embeds, what it cost, and when it cannot go on.

Belongs here: running such a stage and showing its costs. Does not belong here: the assets themselves (``tickets``,
``knowledge_base``), how summaries are written (``domain/extractive``, ``resources/llm``), or texts embedded.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from assets.plots import bars
from assets.report import result
from domain.derive import Stage
from domain.stage import Report
from domain.summary_prompt import Kind
from resources.company_run import CompanyRun
from resources.costs import by_day

_DAYS = 30


class SummaryConfig(dg.Config):
    """What a person can ask of the summaries of one sync; the nightly one asks nothing."""

    batch: bool = False
    """Hand new texts to the providers' Batch API: half the price, and an answer within a day."""


def summarised(run: CompanyRun, kind: Kind, stage: Stage, config: SummaryConfig) -> dg.MaterializeResult[Any]:
    """Bring a summary stage up to date; a pause is a note, and the rest is done by a later run."""
    backfill = run.backfill(kind, is_wanted=config.batch)
    report = backfill.run(stage, run.derive) if backfill else run.derive(stage)
    return _told(run, stage, report, run.learned())


def embedded(run: CompanyRun, stage: Stage) -> dg.MaterializeResult[Any]:
    """Bring a stage of vectors up to date; a pause is a note, and the rest is done by a later run."""
    return _told(run, stage, run.derive(stage), {}, model=run.embedder.model_id)


def _told(
    run: CompanyRun, stage: Stage, report: Report, learned: Mapping[str, Any], **more: Any
) -> dg.MaterializeResult[Any]:
    if report.paused:
        waits = f"casebook tickets {run.company.id} --status pending lists what waits"
        report.notes.append(f"{stage.target}: {report.paused}; the next sync goes on from there ({waits})")
    paused = {paused_run_state(stage.target): run.run_id} if report.paused else {}
    _remember(run, {pause_state(stage.target): report.paused if report.is_trouble else "", **paused, **learned})
    return result(run, stage.target, report, **more, **_costs(run))


def remember_pause(run: CompanyRun, table: str, report: Report) -> None:
    """Keep why a stage stopped for somebody to see to it, or that it did not."""
    _remember(run, {pause_state(table): report.paused if report.is_trouble else ""})


def pause_state(table: str) -> str:
    """The name of the state that says why a stage stopped for somebody to see to it; "" when it did not."""
    return f"{table} pause"


def paused_run_state(table: str) -> str:
    """The name of the state that says which run was the last that did not make all, for whatever reason."""
    return f"{table} paused run"


def _remember(run: CompanyRun, states: Mapping[str, Any]) -> None:
    """Keep what is new; an unchanged night writes nothing."""
    changed = {name: value for name, value in states.items() if value != (run.store.state(name) or type(value)())}
    if changed:
        with run.store.begin(run.run_id, run.now) as write:
            for name, value in changed.items():
                write.save_state(name, value)


def _costs(run: CompanyRun) -> Mapping[str, Any]:
    """The month so far and the last days as a picture, where anything was paid; also on nights that pay nothing, for it is
    the last run that people look at."""
    days = cost_by_day(run) if run.company.all_providers else {}
    if not any(days.values()):
        return {}
    spent = {"spent_this_month": round(run.store.spent(run.company.month_of(run.now)), 6)}
    limit = run.company.setting("budget_monthly")
    budget = {} if limit is None else {"budget_monthly": limit}
    return {**spent, **budget, "cost_by_day": bars("cost by day", "US$", days)}


def cost_by_day(run: CompanyRun) -> dict[str, float]:
    """US$ of each of the last days in the company's time zone, days without any included."""
    today = datetime.fromisoformat(run.now).astimezone(ZoneInfo(run.company.setting("time_zone"))).date()
    days = [(today - timedelta(days=before)).isoformat() for before in reversed(range(_DAYS))]
    paid = dict.fromkeys(days, 0.0)
    for line in by_day(run.company, run.store.ledger(run.company.moments(days[0], "")[0])):
        paid[line.day] = paid.get(line.day, 0.0) + line.cost
    return {day[5:]: paid[day] for day in days}
