"""The measures of a ranking against values worked out by hand, and by their rules.

Belongs here: ``domain/metrics``. Does not belong here: how good our search is (``bench``).
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metrics import Figures, compare, figures, names, summary

IDS = st.sampled_from("abcdefghijklmnop")


def test_a_perfect_ranking_has_ones() -> None:
    assert figures(["a", "b", "x"], {"a": 2, "b": 1}) == Figures(1.0, 1.0, 1.0, 1.0)


def test_what_is_not_found_is_nothing() -> None:
    assert figures(["x", "y"], {"a": 1}) == figures([], {"a": 1}) == Figures(0.0, 0.0, 0.0, 0.0)


def test_figures_by_hand() -> None:
    one = figures(["x", "b", "b", "a"], {"a": 2, "b": 1, "c": 1, "no": 0}, k=3)
    ideal = 2 + 1 / math.log2(3) + 1 / 2
    assert one.ndcg == pytest.approx((1 / math.log2(3) + 2 / 2) / ideal, abs=1e-12)
    assert (one.mrr, one.recall, one.hit) == (0.5, pytest.approx(2 / 3), 1.0)
    assert figures(["x", "b"], {"b": 1}, k=1) == Figures(0.0, 0.0, 0.0, 0.0)


def test_more_answers_than_places_can_be_perfect_but_not_complete() -> None:
    one = figures(["a"], {"a": 1, "b": 1}, k=1)
    assert (one.ndcg, one.recall) == (1.0, 0.5)


@pytest.mark.parametrize(("relevant", "k"), [({}, 10), ({"a": 0.0}, 10), ({"a": 1}, 0)])
def test_what_cannot_be_measured_is_refused(relevant: dict[str, float], k: int) -> None:
    with pytest.raises(ValueError):
        figures(["a"], relevant, k)


@given(st.lists(IDS), st.dictionaries(IDS, st.integers(1, 3), min_size=1), st.integers(1, 12))
def test_every_measure_is_a_share(ranked: list[str], relevant: dict[str, int], k: int) -> None:
    one = figures(ranked, relevant, k)
    assert all(0 <= value <= 1 + 1e-12 for value in one.named(k).values())
    assert one.hit >= one.mrr and (one.hit > 0) == (one.ndcg > 0) == (one.recall > 0)
    assert list(one.named(k)) == names(k) == [f"nDCG@{k}", f"MRR@{k}", f"recall@{k}", f"hit@{k}"]


def test_the_same_figures_give_the_same_interval_around_the_mean() -> None:
    measured = [figures(["a", "b"], {"a" if at % 3 else "b": 1}) for at in range(60)]
    told = summary(measured)
    assert told == summary(measured)
    assert told.queries == 60 and told.mean.mrr == pytest.approx(5 / 6)
    low, high = told.interval["mrr"]
    assert 0.75 < low < told.mean.mrr < high < 0.92


def test_only_a_difference_that_chance_does_not_explain_is_better() -> None:
    old = [0.1 * (at % 10) for at in range(100)]
    assert compare([value + 0.05 for value in old], old).is_better
    assert not compare(old, old).is_better
    assert not compare([value + (0.3 if at % 2 else -0.28) for at, value in enumerate(old)], old).is_better
    assert not compare([value - 0.05 for value in old], old).is_better
    for new, other in (([], []), ([1.0], [1.0, 0.0])):
        with pytest.raises(ValueError):
            compare(new, other)
    with pytest.raises(ValueError):
        summary([])
