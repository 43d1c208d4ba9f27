"""The report on judged questions: a row only when something changed, and a warning when answers got worse.

Belongs here: ``assets/retrieval``. Does not belong here: measures (``tests/domain``), or keeping questions
(``tests/pipelines/test_evaluate``).
"""

from dataclasses import replace
from typing import Any

import pytest

from assets.retrieval import retrieval_not_worse, retrieval_report
from domain.judgement import JudgedQuery, RetrievalReport
from domain.recommendation import Recommendation
from resources.company_run import company_run
from resources.question_embedder import NotEmbedded, QuestionEmbedder
from tests.homes import Home, done


def run(home: Home) -> dict[str, Any]:
    """Materialise the report; its metadata."""
    with company_run(home.settings, "made", "a run", "a test") as held:
        held.run_id = f"run {len(held.store.reports())}"
        result: Any = retrieval_report(company_run=held)
    return {name: getattr(value, "value", value) for name, value in (result.metadata or {}).items()}


def check(home: Home) -> bool:
    with company_run(home.settings, "made", "a run", "a test") as held:
        return retrieval_not_worse(company_run=held).passed


def judge(home: Home, answered_by: str = "") -> None:
    """Ten questions, each a stored title; answered by its case, or by another document."""
    points = sorted(home.points("made").items())[:10]
    queries = [JudgedQuery(doc_id, payload["title"], {answered_by or doc_id: 1.0}) for doc_id, (payload, _) in points]
    with home.companies.store("made") as store, store.begin("a test", "2026-01-01T00:00:00Z") as write:
        write.replace_judged(queries)


def reports(home: Home) -> list[RetrievalReport]:
    with home.companies.store("made") as store:
        return store.reports()


def test_without_judged_questions_there_is_a_note_and_no_row(synced: Home) -> None:
    told = run(synced)
    assert "casebook evaluate" in told["judged"] and told["changed"] == 0
    assert reports(synced) == [] and check(synced)


def test_a_row_is_kept_only_when_something_changed(synced: Home) -> None:
    judge(synced)
    first = run(synced)
    assert (first["changed"], first["queries"]) == (1, 10)
    assert 0.5 < first["nDCG_at_10"] <= 1
    assert "data:image/png" in first["history"]
    title = next(iter(synced.points("made").values()))[0]["title"]
    assert title not in str(first), "no text of a ticket"
    assert run(synced)["changed"] == 0
    done("company", "set", "made", "dense_weight=0.2")
    assert run(synced)["changed"] == 1
    judge(synced, answered_by="no-such")
    last = run(synced)
    assert (last["changed"], last["nDCG_at_10"]) == (1, 0)
    assert [one.versions["weights"] for one in reports(synced)] == ["measured", "dense 0.2", "dense 0.2"]
    assert check(synced), "other questions are no fall"


def test_an_outage_is_no_worse_answer(synced: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise NotEmbedded("a question cannot be embedded now.")

    judge(synced)
    monkeypatch.setattr(QuestionEmbedder, "vector", refuse)
    told = run(synced)
    assert told["changed"] == 0 and "cannot be embedded" in told["notes"]
    assert reports(synced) == []


@pytest.mark.parametrize(("now", "passes"), [(0.61, True), (0.54, False), (0.9, True)])
def test_a_fall_that_chance_does_not_explain_warns(synced: Home, now: float, passes: bool) -> None:
    def report(at: str, mean: float) -> RetrievalReport:
        figures = {"queries": 10, "means": {"nDCG@10": mean}, "intervals": {"nDCG@10": [mean - 0.1, mean + 0.1]}}
        return RetrievalReport(at, at, {"judged": "j", "weights": at}, figures)

    with synced.companies.store("made") as store, store.begin("a test", "2026-01-01T00:00:00Z") as write:
        for one in (report("2026-01-01", 0.66), report("2026-01-02", 0.6), report("2026-01-03", now)):
            write.keep_report(one)
        write.keep_report(replace(report("2025-12-31", 1.0), versions={"judged": "others"}))
    assert check(synced) == passes


def test_old_recommendations_end(synced: Home) -> None:
    with synced.companies.store("made") as store:
        store.keep_recommendations(
            Recommendation(name, at, "wifi", {}, [], {})
            for name, at in (("old", "2020-01-01T00:00:00Z"), ("new", "2100"))
        )
    assert run(synced)["recommendations_dropped"] == 1
    with synced.companies.store("made") as store:
        assert [one.recommendation_id for one in store.recommendations()] == ["new"]
