"""Recommendations: kept in the background, never waited for, never lost at the end of a process.

Belongs here: ``query/recommendations`` on real stores. Does not belong here: which commands keep them
(``tests/pipelines/test_search``).
"""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.company import Company, CompanyId, company_id
from domain.recommendation import Recommendation
from query.recommendations import MOST_QUERY, Recorder, expired, recommendation
from resources.companies import Companies
from resources.settings import Settings

ACME = company_id("acme")


@pytest.fixture
def companies(tmp_path: Path) -> Companies:
    made = Companies(Settings(home=tmp_path / "home"))
    for name in (ACME, company_id("other")):
        made.add(Company(name, "export", str(tmp_path)), "")
        with made.store(name):
            pass
    return made


def given(at: int) -> Recommendation:
    hits = [{"doc_id": str(at), "data_type": "ticket", "score": 0.5, "title": "not kept", "text": "not kept"}]
    return recommendation(
        f"r{at}", f"question {at}", {"kind": "search", "k": 10}, hits, {"ticket": "m", "ranking": "1"}
    )


def kept(companies: Companies, company: CompanyId = ACME) -> set[str]:
    with companies.store(company) as store:
        return {one.recommendation_id for one in store.recommendations(10_000)}


@pytest.fixture
def writing(companies: Companies) -> Iterator[sqlite3.Connection]:
    """A sync that is in the middle of its write transaction."""
    file = companies.settings.company_folder(ACME) / "casebook.sqlite"
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    yield connection
    connection.close()


def test_what_is_kept_is_identity_and_score_without_text(companies: Companies) -> None:
    with Recorder(companies) as recorder:
        recorder.keep(ACME, given(1))
    with companies.store(ACME) as store:
        found = store.recommendation("r1")
    assert found is not None and found.query == "question 1"
    assert found.hits == [{"doc_id": "1", "data_type": "ticket", "score": 0.5, "part": None}]
    assert found.versions == {"ticket": "m", "ranking": "1"}


def test_many_threads_and_companies_lose_nothing(companies: Companies) -> None:
    other = company_id("other")
    with Recorder(companies) as recorder:

        def answer(first: int) -> None:
            for at in range(first, first + 50):
                recorder.keep(ACME if at % 2 else other, given(at))

        threads = [threading.Thread(target=answer, args=(first,)) for first in (0, 50, 100, 150)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert kept(companies) == {f"r{at}" for at in range(1, 200, 2)}
    assert kept(companies, other) == {f"r{at}" for at in range(0, 200, 2)}


def test_nobody_waits_for_a_sync_that_writes(companies: Companies, writing: sqlite3.Connection) -> None:
    with Recorder(companies) as recorder:
        recorder.keep(ACME, given(0))
        time.sleep(0.05)  # the thread is at the store now
        start = time.perf_counter()
        for at in range(1, 100):
            recorder.keep(ACME, given(at))
        assert time.perf_counter() - start < 0.5
        assert kept(companies) == set()
        writing.execute("COMMIT")
        assert recorder.close()
    assert kept(companies) == {f"r{at}" for at in range(100)}


def test_a_full_queue_drops_and_says_so(companies: Companies, writing: sqlite3.Connection) -> None:
    recorder = Recorder(companies, most_waiting=10)
    for at in range(30):
        recorder.keep(ACME, given(at))
    assert recorder.dropped >= 10
    writing.execute("COMMIT")
    assert not recorder.close()
    assert len(kept(companies)) == 30 - recorder.dropped


def test_the_end_has_a_bound(companies: Companies, writing: sqlite3.Connection) -> None:
    recorder = Recorder(companies)
    recorder.keep(ACME, given(1))
    assert not recorder.close(0.2)
    writing.execute("COMMIT")


def test_a_removed_company_gets_no_new_store(companies: Companies) -> None:
    companies.remove(companies.get(ACME))
    with Recorder(companies) as recorder:
        recorder.keep(ACME, given(1))
        assert not recorder.close()
        assert recorder.dropped == 1
    assert not companies.settings.company_folder(ACME).exists()


def test_a_question_as_long_as_a_file_is_kept_by_its_beginning() -> None:
    assert len(recommendation("r", "wifi " * 1_000_000, {}, [], {}).query) == MOST_QUERY


def test_they_are_kept_for_days_that_the_company_sets() -> None:
    now = "2026-11-22T00:00:00Z"
    assert expired(Company(ACME, "export", "x"), now) == "2026-05-26T00:00:00Z"
    assert expired(Company(ACME, "export", "x", {"recommendation_days": 1}), now) == "2026-11-21T00:00:00Z"
