"""Checks that say whether the data is right, company by company; they run with every sync.

Belongs here: statements about tables that must hold after a sync. Does not belong here: the index
(``collection_checks``), whether data is fresh, or tests of the code.
"""

import warnings
from collections import Counter

import dagster as dg

from assets.collections import without_vector
from assets.partitions import companies
from assets.summaries import pause_state, paused_run_state
from domain.stage import COLLECTIONS, TABLES
from resources.company_run import EMBEDDED, PAID, CompanyRun

# Checks by partition are "in preview" in this pinned version; people who run commands cannot act on that.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

Run = dg.ResourceParam[CompanyRun]
_LOOKED_AT, _UNGROUNDED = 5_000, 0.05
"""Summaries whose grounding is looked at, and the share of doubtful ones from which on a person should look, too."""


@dg.asset_check(asset="ticket_collection", partitions_def=companies, description="Counts agree from stage to stage.")
def counts_agree(company_run: Run) -> dg.AssetCheckResult:
    """Every document of a stage is in the next one, or waits in the queue, or was left out by a rule."""
    store = company_run.store
    counts = {table: store.count(table) for table in TABLES}
    queued = Counter(entry.target for entry in store.queue())
    waiting = {table: queued[table] for table in TABLES}
    # What the model refused keeps its vector of the model before; and during a change of model collections stand still.
    held = {COLLECTIONS[data_type] for data_type in COLLECTIONS if without_vector(company_run, data_type)}
    refused = {COLLECTIONS[data_type]: waiting[EMBEDDED[data_type]] for data_type in COLLECTIONS}
    steps = (
        ("raw_tickets", "merged_tickets"),
        ("ticket_summaries", "ticket_embeddings"),
        ("ticket_embeddings", "ticket_collection"),
        ("kb_embeddings", "kb_collection"),
        ("faq_embeddings", "faq_collection"),
        ("regulations", "regulation_passages"),
        ("regulation_embeddings", "regulation_collection"),
    )
    wrong = [
        f"{source} {counts[source]}, {target} {counts[target]}, waiting {waiting[target]}"
        for source, target in steps
        if counts[target] > counts[source]
        or (
            target not in held
            and counts[source] > counts[target] + waiting[target] + waiting["ticket_terms"] + refused.get(target, 0)
        )
    ]
    waits = {f"waiting_{table}": count for table, count in waiting.items() if count}
    return dg.AssetCheckResult(passed=not wrong, metadata={**counts, **waits, "wrong": "; ".join(wrong) or "nothing"})


@dg.asset_check(asset="kb_passages", partitions_def=companies, description="Only public articles became passages.")
def drafts_stay_out(company_run: Run) -> dg.AssetCheckResult:
    """No draft, and nothing that is not for the company's audience, went beyond ``raw_kb``."""
    articles, store = company_run.helpdesk.articles, company_run.store
    audience = company_run.company.setting("audience")
    published = store.ids("kb_passages")
    raw = store.get("raw_kb", sorted(published)) if articles else {}
    hidden = [
        doc_id
        for doc_id, row in raw.items()
        if articles and not row.deleted and not articles.neutral(row.payload).is_public(audience)
    ]
    return dg.AssetCheckResult(
        passed=not hidden,
        metadata={
            "articles": store.count("raw_kb"),
            "published": len(published),
            "hidden": ", ".join(sorted(hidden)[:20]),
        },
    )


@dg.asset_check(
    asset="ticket_summaries", partitions_def=companies, description="Nothing was paid for but what changed."
)
def paid_for_changes_only(company_run: Run) -> dg.AssetCheckResult:
    """This run asked for no more documents than it wrote rows, or put into the queue: an unchanged night asks for none.

    Only what was asked for the first time counts: a bad answer is asked for again, and a batch was wanted by another run.
    A run that paused was answered for documents whose window the next one writes.
    """
    store, run_id = company_run.store, company_run.run_id
    calls, documents = store.paid_calls(run_id, company_run.now)
    wanted = 0
    if documents:  # a run's rows are found by looking at all there are: a night that asks for nothing need not
        wanted = sum(store.written_by(run_id, table) for table in PAID)
        wanted += sum(entry.last_run == run_id for entry in store.queue() if entry.target in PAID)
    paused = any(store.state(paused_run_state(table)) == run_id for table in PAID)
    return dg.AssetCheckResult(
        passed=documents <= wanted or paused,
        metadata={
            "llm_calls": calls,
            "documents_asked_for": documents,
            "documents_made_or_waiting": wanted,
            "paused": paused,
        },
    )


@dg.asset_check(
    asset="ticket_summaries", partitions_def=companies, description="Nothing keeps the LLM providers from going on."
)
def providers_answer(company_run: Run) -> dg.AssetCheckResult:
    """No stage stopped for something that somebody must see to: a refused key, no credit, no provider that answers. A
    budget that is used up is no fault."""
    paused = {table: company_run.store.state(pause_state(table)) or "" for table in PAID}
    return dg.AssetCheckResult(
        passed=not any(paused.values()), metadata={table: said or "goes on" for table, said in paused.items()}
    )


@dg.asset_check(
    asset="ticket_summaries", partitions_def=companies, description="Summaries state only what their tickets say."
)
def summaries_grounded(company_run: Run) -> dg.AssetCheckResult:
    """The share of summaries with a number, date, product or address that their ticket does not have."""
    return _grounded(company_run, "ticket_summaries")


@dg.asset_check(
    asset="kb_summaries", partitions_def=companies, description="Summaries state only what their articles say."
)
def article_summaries_grounded(company_run: Run) -> dg.AssetCheckResult:
    """The same of articles."""
    return _grounded(company_run, "kb_summaries")


def _grounded(run: CompanyRun, table: str) -> dg.AssetCheckResult:
    """Looked at are the newest summaries of a table."""
    newest = [doc_id for doc_id, _ in run.store.window(table, 0, run.store.top(table), _LOOKED_AT)]
    rows = [row for row in run.store.get(table, newest).values() if not row.deleted]
    doubtful = sorted(row.doc_id for row in rows if row.payload.get("ungrounded"))
    share = len(doubtful) / len(rows) if rows else 0.0
    return dg.AssetCheckResult(
        passed=share <= _UNGROUNDED,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"looked_at": len(rows), "ungrounded": share, "documents": ", ".join(doubtful[:20])},
    )
