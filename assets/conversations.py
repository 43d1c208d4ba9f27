"""The conversations' assets: what users asked, the operations log with its votes, and the archive.

Belongs here: one asset a table, in the order the data flows. Does not belong here: taking and moving
(``resources/conversations``), the rules (``domain/archive``), or writing the workbook (``workbook_tabs``).
"""

from functools import partial
from time import perf_counter
from typing import Any

import dagster as dg

from assets.report import result, stage_asset
from domain.stage import Report
from resources.company_run import CompanyRun
from resources.conversations import LINES, TURNS, Conversations, import_archive

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "conversations"


_asset = partial(stage_asset, GROUP)


@_asset("workbook")
def conversation_log(company_run: Run) -> Result:
    """Each question and each answer as a turn: new ones that ``ask`` kept, and rows of 대화이력 that another bot wrote."""
    started, report, conversations = perf_counter(), Report(), _conversations(company_run)
    conversations.take(TURNS, report)
    conversations.take_tab(TURNS, report)
    return _result(company_run, "conversation_log", report, started)


@_asset("workbook")
def operations_log(company_run: Run) -> Result:
    """Each answer's tier, source, score, time, and what its reader thought of it; votes that come later are added."""
    started, report, conversations = perf_counter(), Report(), _conversations(company_run)
    conversations.take(LINES, report)
    conversations.take_tab(LINES, report)
    conversations.vote(report)
    return _result(company_run, "operations_log", report, started)


@_asset("conversation_log", "operations_log")
def conversation_archive(company_run: Run) -> Result:
    """Turns older than ``archive_days``, moved here once a month, or when the log has 10,000 rows; nothing is deleted before
    its copy was read back. What is older than ``conversation_retention`` leaves all tables of conversations."""
    started, report, conversations = perf_counter(), Report(), _conversations(company_run)
    import_archive(conversations, report)
    company = company_run.company
    conversations.archive(company.setting("archive_days"), report)
    conversations.expire(company.setting("conversation_retention"), report)
    return _result(company_run, "conversation_archive", report, started)


def _conversations(run: CompanyRun) -> Conversations:
    return Conversations(run.store, run.company.setting("time_zone"), run.run_id, run.now)


def _result(run: CompanyRun, table: str, report: Report, started: float) -> Result:
    report.skipped = max(report.read - report.changed - report.failed, 0)
    report.seconds = perf_counter() - started
    return result(run, table, report)
