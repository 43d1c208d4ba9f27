"""The FAQs' assets behind the table ``faq``: the keyword index, the vectors, and the collection that is searched.

Belongs here: one asset a stage table, and the weekly check of the index. Does not belong here: reading the workbook
(``workbook``), how rows of the index are made (``domain/keyword_index``), or writing the tab (``workbook_tabs``).
"""

import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg

from assets.collections import published
from assets.partitions import companies
from assets.report import result, stage_asset
from assets.summaries import embedded
from domain import faq_stages, keyword_edits, keyword_index, workbook_rows
from domain.faq import Faq
from domain.fingerprint import fingerprint
from domain.keyword_index import SPLIT_AT, KeywordRow, SplitProposal
from domain.keyword_match import match_key
from domain.replace import Content, replace
from domain.stage import Report, Row
from domain.workbook_layout import FAQ_INDEX
from resources.company_run import CompanyRun
from resources.storage.sql import SqlCompanyStore
from resources.workbook.stored import stored_tab

# Checks by partition are "in preview" in this pinned version; people who run commands cannot act on that.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

Run = dg.ResourceParam[CompanyRun]
Result = dg.MaterializeResult[Any]
GROUP = "workbook"
TABLE: Final = "faq_keyword_index"
_MADE_FROM = "faq_keyword_index made from"
_SHOWN_UP_TO = "faq_keyword_index shown"
"""A state: the seq up to which the tab is known to show the rows of the index as they are (``domain/keyword_edits``)."""
_MOST_OPERATIONS, _CHUNK = 20_000, 1_000
_TOLD = 20


_asset = partial(stage_asset, GROUP)


@_asset("faq", "workbook", "operations_log")
def faq_keyword_index(company_run: Run) -> Result:
    """The FAQs that each keyword leads to: from the FAQs, with what people set in the tab. New FAQs' keywords come in with
    every sync, inactive ones leave."""
    if _is_without(company_run):
        return result(company_run, TABLE, Report())
    store = company_run.store
    told = stored_tab(store, FAQ_INDEX)
    made_from = fingerprint(
        [keyword_index.INDEX_VERSION, store.store_id, store.top("faq"), store.top("operations_log"), told]
    )
    count = store.count(TABLE)
    if store.state(_MADE_FROM) == made_from:
        return result(company_run, TABLE, Report(read=count, skipped=count))
    return result(company_run, TABLE, _index(company_run, told, made_from))


def _index(run: CompanyRun, cells: Sequence[Sequence[str]] | None, made_from: str) -> Report:
    store = run.store
    rows = live(store, TABLE)
    known = {doc_id: KeywordRow.from_payload(row.payload) for doc_id, row in rows.items()}
    tab = workbook_rows.keyword_rows(cells) if cells else None
    told = tab.rows if tab and tab.is_readable else None
    up_to = shown_up_to(store.state(_SHOWN_UP_TO) or 0, rows, known, told or {})
    faqs = faqs_of(store)
    wanted = keyword_index.build(
        list(faqs.values()),
        known,
        today=datetime.fromisoformat(run.now).astimezone(ZoneInfo(run.company.setting("time_zone"))).date().isoformat(),
        use=answers_by_faq(store),
        told=told,
        unread=tab.bad.keys() if tab else (),
        shown=[doc_id for doc_id, row in rows.items() if row.seq <= up_to],
    )
    content = Content({keyword: asdict(row) for keyword, row in wanted.items()})
    made_by = f"keyword-index-{keyword_index.INDEX_VERSION}"
    report = replace(store, TABLE, content, made_by=made_by, run_id=run.run_id, now=run.now)
    with store.begin(run.run_id, run.now) as write:
        write.save_state(_SHOWN_UP_TO, up_to)
        write.save_state(_MADE_FROM, made_from)
    report.notes += [one.en for one in tab.problems if one.is_bad][:_TOLD] if tab else []
    report.notes += [_said(one) for one in keyword_index.split_proposals(wanted, faqs)[:_TOLD]]
    return report


def shown_up_to(
    before: int, rows: Mapping[str, Row], known: Mapping[str, KeywordRow], told: Mapping[str, KeywordRow]
) -> int:
    """The seq up to which the tab shows the stored rows: where one row is there as a run made it last, that run's write
    came through, and it writes all or nothing."""
    newer = {doc_id: row for doc_id, row in rows.items() if row.seq > before}
    written = {row.run_id for doc_id, row in newer.items() if keyword_edits.is_witness(known[doc_id], told.get(doc_id))}
    return max([before, *(row.seq for row in newer.values() if row.run_id in written)])


def live(store: SqlCompanyStore, table: str) -> dict[str, Row]:
    """The live rows of a table by document id."""
    ids = sorted(store.ids(table))
    parts = (store.get(table, ids[start : start + _CHUNK]) for start in range(0, len(ids), _CHUNK))
    return {doc_id: row for part in parts for doc_id, row in part.items()}


def faqs_of(store: SqlCompanyStore) -> dict[str, Faq]:
    """All FAQs by id, the inactive ones included."""
    return {
        doc_id: Faq(**{**row.payload, "keywords": tuple(row.payload["keywords"])})
        for doc_id, row in live(store, "faq").items()
    }


def answers_by_faq(store: SqlCompanyStore) -> Counter[str]:
    """How often each FAQ was the answer, by the newest lines of the operations log."""
    newest = [doc_id for doc_id, _ in store.window("operations_log", 0, store.top("operations_log"), _MOST_OPERATIONS)]
    counts = Counter[str]()
    for start in range(0, len(newest), _CHUNK):
        for row in store.get("operations_log", newest[start : start + _CHUNK]).values():
            kind, _, faq_id = ("" if row.deleted else row.payload["source_id"]).partition(" ")
            counts.update([faq_id] if kind == "faq" else [])
    return counts


def _is_without(run: CompanyRun) -> bool:
    """Whether there are no FAQs, and never were."""
    return not run.store.top("faq")


def _said(proposal: SplitProposal) -> str:
    """A proposal in words. Keywords are the company's own words: they are told to its people only."""
    parts = ", ".join(f"{name} ({len(ids)})" for name, ids in proposal.parts[:_TOLD])
    return f"the keyword {proposal.keyword} leads to {proposal.faqs} FAQs: split it into {parts or 'narrower ones'}"


@_asset("faq")
def faq_embeddings(company_run: Run) -> Result:
    """Each active FAQ's question as a vector."""
    if _is_without(company_run):
        return result(company_run, "faq_embeddings", Report())
    model = company_run.embedder
    return embedded(company_run, faq_stages.faq_embeddings(model.model_id, model.summary_chars, model.make))


@_asset("faq", "faq_embeddings", kinds={"qdrant"})
def faq_collection(company_run: Run) -> Result:
    """The points of active FAQs, and their collection: published whole, or as it was. Always built; ``faq_vector_rows`` says
    only from when on a question is looked up in it."""
    if _is_without(company_run):
        return result(company_run, "faq_collection", Report())
    return published(company_run, "faq", faq_stages.faq_collection(company_run.company, company_run.embedder.model_id))


@dg.asset_check(
    asset=faq_keyword_index,
    partitions_def=companies,
    description="Each active FAQ is found by each of its keywords, and no keyword leads to too many.",
)
def faq_keywords_lead_to_their_faqs(company_run: Run) -> dg.AssetCheckResult:
    """The weekly check of the specification, made with every sync: the index has the keywords of all active FAQs but for
    those that a person took out, its ids are FAQs, and no keyword leads to ``SPLIT_AT`` of them."""
    rows = [KeywordRow.from_payload(row.payload) for row in live(company_run.store, TABLE).values()]
    faqs = faqs_of(company_run.store)
    active = {faq_id for faq_id, faq in faqs.items() if faq.is_active}
    missing = unreachable([faqs[faq_id] for faq_id in sorted(active)], rows)
    unknown = sorted({faq_id for row in rows for faq_id in row.faq_ids} - active)
    crowded = sorted(row.keyword for row in rows if len(row.faq_ids) >= SPLIT_AT)
    return dg.AssetCheckResult(
        passed=not (missing or unknown or crowded),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "keywords": sum(row.is_visible for row in rows),
            "not_found_by_their_keywords": ", ".join(missing[:_TOLD]),
            "unknown_faqs": ", ".join(unknown[:_TOLD]),
            "to_be_split": ", ".join(crowded[:_TOLD]),
        },
    )


def unreachable(faqs: Collection[Faq], rows: Collection[KeywordRow]) -> list[str]:
    """The FAQs that one of their own keywords does not lead to, without those that a person took out of its row."""
    led: dict[str, set[str]] = {}
    for row in rows:
        led.setdefault(match_key(row.keyword), set()).update(row.faq_ids, row.edits.faq_ids_removed)
    wanted = (
        (faq.faq_id, match_key(keyword)) for faq in faqs for keyword in faq.keywords if keyword_index.normal(keyword)
    )
    return list(dict.fromkeys(faq_id for faq_id, key in wanted if key and faq_id not in led.get(key, set())))
