"""What a company was asked and answered is kept, found again, and erased; both backends."""

from collections.abc import Iterator

import pytest

from domain.company import company_id
from domain.judgement import JudgedQuery, RetrievalReport
from domain.recommendation import Recommendation
from resources.settings import Settings
from resources.storage.base import open_storage
from resources.storage.sql import SqlCompanyStore

ACME, BETA = company_id("acme"), company_id("beta")
NOW = "2026-01-01T00:00:00Z"


@pytest.fixture
def store(backend: Settings) -> Iterator[SqlCompanyStore]:
    with open_storage(backend).store(ACME) as opened:
        yield opened


def recommended(
    name: str, *doc_ids: str, at: str = NOW, query: str = "OTP 인증번호", **asked: object
) -> Recommendation:
    hits = [{"doc_id": doc_id, "data_type": "ticket", "score": 0.5, "part": 0} for doc_id in doc_ids]
    return Recommendation(name, at, query, {"kind": "search", "k": 10, **asked}, hits, {"ticket": "m | t"})


def test_a_recommendation_is_found_again_as_it_was(store: SqlCompanyStore, backend: Settings) -> None:
    given = recommended("r1", "7", "8")
    store.keep_recommendations([given, recommended("r2", at="2026-02-01T00:00:00Z")])
    store.keep_recommendations([recommended("r1", "9")])  # an id is given once
    assert store.recommendation("r1") == given
    assert store.recommendation("r3") is None
    assert [one.recommendation_id for one in store.recommendations()] == ["r2", "r1"]
    with open_storage(backend).store(BETA) as other:
        assert (other.recommendation("r1"), other.recommendations()) == (None, [])


def test_old_recommendations_go(store: SqlCompanyStore) -> None:
    store.keep_recommendations([recommended("old"), recommended("new", at="2026-02-01T00:00:00Z")])
    with store.begin("run", NOW) as write:
        assert write.drop_recommendations("2026-01-15T00:00:00Z") == 1
    assert [one.recommendation_id for one in store.recommendations()] == ["new"]


def test_judged_queries_are_replaced_together(store: SqlCompanyStore) -> None:
    first = [JudgedQuery("q2", "프린터", {"1": 1.0}), JudgedQuery("q1", "printer", {"1": 2.0, "2": 1.0})]
    with store.begin("run", NOW) as write:
        write.replace_judged(first)
    assert store.judged() == first[::-1]
    with store.begin("run", NOW) as write:
        write.replace_judged([])
    assert store.judged() == []


def test_reports_come_in_the_order_of_their_time(store: SqlCompanyStore) -> None:
    reports = [RetrievalReport(f"2026-01-0{day}T00:00:00Z", "run", {"m": "1"}, {"ndcg": 0.5}) for day in (1, 2, 3)]
    for report in (*reports, reports[0]):
        with store.begin("run", NOW) as write:
            write.keep_report(report)
    assert store.reports() == reports
    assert store.reports(2) == reports[1:]


def test_what_names_an_erased_document_goes(store: SqlCompanyStore) -> None:
    store.keep_recommendations(
        [
            recommended("shown", "7", "8"),
            recommended("like it", "9", doc_id="7", data_type="ticket"),
            recommended("of an article", "9", doc_id="7", data_type="kb"),
            recommended("says it", "9", query="kim@example.com 의 주문"),
            recommended("other", "70", "9"),
        ]
    )
    with store.begin("run", NOW) as write:
        write.replace_judged([JudgedQuery("a", "x", {"7": 1.0}), JudgedQuery("b", "y", {"9": 1.0})])
    with store.begin("run", NOW) as write:
        write.erase(["7"], says=lambda said: "kim@example.com" in said)
    assert {one.recommendation_id for one in store.recommendations()} == {"of an article", "other"}
    assert [one.query_id for one in store.judged()] == ["b"]
