"""How well the company's judged questions are answered, night by night, and whether that got worse.

Belongs here: the asset ``retrieval_report`` and its check. Does not belong here: measuring (``query/evaluate``), or judging
(``casebook evaluate --keep``).
"""

import warnings
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import dagster as dg

from assets.partitions import companies
from assets.plots import lines
from domain.errors import StorageError
from domain.judgement import JudgedQuery, RetrievalReport
from domain.stage import Report
from query.evaluate import Unmeasured, evaluate, measured_on, ranked
from query.recommendations import expired
from query.search import Searcher
from resources.company_run import CompanyRun

# Checks by partition are "in preview" in this pinned version; people who run commands cannot act on that.
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

Run = dg.ResourceParam[CompanyRun]
K = 10
_NDCG = f"nDCG@{K}"
_SHOWN, _COMPARED = 60, 10
"""Reports in the picture, and those before the last one that it is held against."""
_NOT_JUDGED = "no judged questions: casebook evaluate ID --queries Q.jsonl --qrels QRELS.tsv --keep"
_NOTHING_BUILT = "nothing is published yet that could be searched"


@dg.asset(
    partitions_def=companies,
    group_name="learning",
    deps=["ticket_collection", "kb_collection"],
    kinds={"qdrant"},
)
def retrieval_report(company_run: Run) -> dg.MaterializeResult[Any]:
    """nDCG, MRR, recall and hit rate of the company's judged questions on what is searched now, and their history; asked
    again only when the collections, the weights or the questions changed. Old recommendations end here, too."""
    started = perf_counter()
    run, store = company_run, company_run.store
    with store.begin(run.run_id, run.now) as write:
        dropped = write.drop_recommendations(expired(run.company, run.now))
    judged = store.judged()
    told, note = _told(run, judged) if judged else (None, "")
    reports = store.reports(_SHOWN)
    is_new = told is not None and not (reports and reports[-1].versions == told.versions)
    if told and is_new:
        with store.begin(run.run_id, run.now) as write:
            write.keep_report(told)
        reports.append(told)
    counts = Report(read=len(judged) if is_new else 0, changed=int(is_new), seconds=perf_counter() - started)
    run.progress("retrieval_report", counts)
    return dg.MaterializeResult(
        metadata={
            **{name: getattr(counts, name) for name in ("read", "changed", "skipped", "removed", "failed")},
            "seconds": round(counts.seconds, 3),
            "recommendations_dropped": dropped,
            **(_figures(reports) if told else {"notes": note} if judged else {"judged": _NOT_JUDGED}),
        }
    )


def _told(run: CompanyRun, judged: Sequence[JudgedQuery]) -> tuple[RetrievalReport | None, str]:
    """The report on what is searched now, the last one where that is what it measured; or a note why there is none."""
    # The settings may have changed since the run began, and the collections have: this is what the next question meets.
    company = run.companies.get(run.company.id)
    searcher = Searcher(run.companies, company)
    try:
        if not (types := searcher.built()):
            return None, _NOTHING_BUILT
        versions = measured_on(run.store, company, judged, searcher.versions())
        last = run.store.reports(1)
        if last and last[-1].versions == versions:
            return last[-1], ""
        told = evaluate(judged, ranked(searcher, judged, K, types), K)
    except (Unmeasured, StorageError) as error:  # an outage is no worse answer: no figures rather than wrong ones
        return None, f"not measured: {error.title} {error.detail}"
    finally:
        searcher.close()
    figures = {"queries": told.queries, "means": told.figures, "intervals": told.intervals}
    return RetrievalReport(run.now, run.run_id, versions, figures), ""


def _figures(reports: Sequence[RetrievalReport]) -> dict[str, Any]:
    """The newest figures, what they were measured on, and their history as a picture."""
    last = reports[-1]
    low, high = last.figures["intervals"][_NDCG]
    history = {name: [one.figures["means"][name] for one in reports] for name in last.figures["means"]}
    band = [tuple(one.figures["intervals"][_NDCG]) for one in reports]
    return {
        "queries": last.figures["queries"],
        **{name.replace("@", "_at_"): round(value, 4) for name, value in last.figures["means"].items()},
        "nDCG_95_percent": f"{low:.3f} to {high:.3f}",
        "measured_at": last.at,
        "measured_on": dg.MetadataValue.json(dict(last.versions)),
        "history": lines(
            "judged questions, the band is nDCG's 95 %", [one.at[:10] for one in reports], history, {_NDCG: band}
        ),
    }


@dg.asset_check(
    asset="retrieval_report", partitions_def=companies, description="Judged questions are answered as well as before."
)
def retrieval_not_worse(company_run: Run) -> dg.AssetCheckResult:
    """The last nDCG is no lower than chance explains: not below the interval of the best of the reports before it on the
    same questions."""
    reports = company_run.store.reports(_SHOWN)
    last = reports[-1] if reports else None
    before = [one for one in reports[:-1] if last and one.versions.get("judged") == last.versions.get("judged")]
    if last is None or not before:
        return dg.AssetCheckResult(passed=True, metadata={"notes": "nothing to compare with yet"})
    best = max(before[-_COMPARED:], key=lambda one: one.figures["means"][_NDCG])
    now, least = last.figures["means"][_NDCG], best.figures["intervals"][_NDCG][0]
    return dg.AssetCheckResult(
        passed=now >= least,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "nDCG": round(now, 4),
            "best_before": round(best.figures["means"][_NDCG], 4),
            "least": round(least, 4),
            "measured_at": best.at,
            "changed_since": ", ".join(
                sorted(name for name in last.versions if last.versions[name] != best.versions.get(name))
            )
            or "nothing",
        },
    )
