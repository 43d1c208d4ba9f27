"""Sparse points: BM25's document half is exact, indices are stable, questions weigh by the root of their counts."""

import math
from collections import Counter
from typing import Any

import pytest

from domain import points
from domain.points import (
    CASE_LENGTH,
    K1,
    LENGTH_POWER,
    PASSAGE_LENGTH,
    SYLLABLES_WEIGHT,
    B,
    sparse,
    sparse_query,
    term_index,
    ticket_point,
)


def test_index_is_the_same_for_ever() -> None:
    assert term_index("printer") == 0x090548D4
    assert term_index("비밀번호") == 0x1F647AF5


def test_document_values_are_bm25() -> None:
    found = dict(zip(*sparse(Counter(printer=2, jam=1)), strict=True))
    norm = K1 * (1 - B + B * (3 / CASE_LENGTH) ** LENGTH_POWER)
    assert found[term_index("printer")] == pytest.approx(2 * (K1 + 1) / (2 + norm), abs=1e-5)
    assert found[term_index("jam")] == pytest.approx(1 * (K1 + 1) / (1 + norm), abs=1e-5)


def test_long_documents_count_less_and_passages_hardly() -> None:
    short, long = Counter(printer=1), Counter(printer=1, rest=99)

    def loss(length: float) -> float:
        return dict(zip(*sparse(long, length), strict=True))[term_index("printer")] / sparse(short, length)[1][0]

    assert loss(CASE_LENGTH) < loss(PASSAGE_LENGTH) < 1


def test_indices_rise_and_are_unique() -> None:
    terms = Counter(f"term{number}" for number in range(1000))
    for indices, values in (sparse(terms), sparse_query(terms)):
        assert indices == sorted(set(indices))
        assert len(indices) == len(values) == 1000
        assert 0 <= indices[0] < indices[-1] < 2**32


def test_collisions_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "term_index", lambda _: 7)
    assert sparse(Counter(a=1, b=2)) == sparse(Counter(c=3))
    assert sparse_query(Counter(a=1, b=4)) == ([7], [3.0])


def test_question_weights() -> None:
    weights = dict(zip(*sparse_query(Counter({"printer": 4, "jam": 1, "#설정": 1})), strict=True))
    assert weights == {term_index("printer"): 2.0, term_index("jam"): 1.0, term_index("#설정"): SYLLABLES_WEIGHT}


def test_nothing_is_an_empty_vector() -> None:
    assert sparse(Counter()) == ([], [])
    assert sparse_query(Counter()) == ([], [])


def test_values_are_finite_for_a_huge_document() -> None:
    _, values = sparse(Counter({f"t{number}": 1 for number in range(100_000)}))
    assert all(math.isfinite(value) and value > 0 for value in values)


MERGED: dict[str, Any] = {
    "ticket_id": "7",
    "subject": "Printer",
    "status": "Resolved",
    "tags": ["Office", "printer"],
    "product": "Print",
    "language": "en",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
    "url": "",
    "priority": "high",
    "requester": {"name": "Kim"},
    "messages": [{"text": "a secret note", "private": True}],
    "custom_fields": {"plan": "x" * 5000},
}
SUMMARY = {"problem": "p", "cause": None, "solution": "s", "result": "r", "tags": ["Jam"], "method": "m"}


def test_payload_has_the_specifications_fields_and_no_message() -> None:
    point = ticket_point("acme", MERGED, SUMMARY)
    assert {"company_id", "data_type", "ticket_id", "summary", "original_data", "created_at"} <= point.keys()
    assert point["tags"] == ["jam", "office", "printer"]
    assert "secret" not in str(point)


def test_metadata_is_bounded() -> None:
    assert ticket_point("acme", MERGED, SUMMARY)["original_data"] == {
        "priority": "high",
        "requester": {"name": "Kim"},
        "created_at": "2026-01-01T00:00:00Z",
    }
