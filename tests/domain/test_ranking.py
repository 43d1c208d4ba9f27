"""Fusion: bounded, deterministic, and true to its two lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ranking import LONG, SHORT, Weights, fuse, weights_for

HITS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 50, allow_nan=False)).map(
    lambda hits: list(hits.items())
)
SHARES = st.floats(0, 1)


def ids(dense: list[tuple[str, float]], sparse: list[tuple[str, float]], weight: float = 0.5) -> list[str]:
    return [hit.id for hit in fuse(dense, sparse, Weights(dense=weight))]


def test_scores_are_spread_and_weighed() -> None:
    hits = fuse([("a", 0.9), ("b", 0.7), ("c", 0.5)], [("b", 20.0), ("c", 10.0)], Weights(dense=0.6))
    assert [(hit.id, pytest.approx(hit.score)) for hit in hits] == [("b", 0.7), ("a", 0.6), ("c", 0.0)]
    assert (hits[0].dense, hits[0].sparse) == (0.7, 20.0)
    assert (hits[1].dense, hits[1].sparse) == (0.9, None)


def test_each_half_alone_keeps_its_order() -> None:
    one, other = [("a", 0.9), ("b", 0.8), ("c", 0.1)], [("c", 9.0), ("b", 2.0), ("a", 1.0)]
    assert ids(one, other, 1) == ["a", "b", "c"]
    assert ids(one, other, 0) == ["c", "b", "a"]
    assert ids(one, []) == ["a", "b", "c"]
    assert ids([], other) == ["c", "b", "a"]
    assert ids([], []) == []


def test_equal_scores_stand_in_the_order_of_ids() -> None:
    assert ids([("b", 0.5), ("a", 0.5)], []) == ["a", "b"]


def test_a_single_hit_counts_fully() -> None:
    (hit,) = fuse([("a", 0.2)], [], Weights(dense=0.7))
    assert hit.score == pytest.approx(0.7)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="dense"):
        Weights(dense=share)


def test_the_longer_the_question_the_more_its_words_count() -> None:
    shares = [weights_for(words).dense for words in range(100)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == shares[SHORT[0]] == SHORT[1]
    assert shares[LONG[0]] == shares[99] == pytest.approx(LONG[1])
    assert SHORT[1] > shares[20] > LONG[1]


@given(HITS, HITS, SHARES)
def test_bounded_complete_and_independent_of_order(
    dense: list[tuple[str, float]], sparse: list[tuple[str, float]], share: float
) -> None:
    hits = fuse(dense, sparse, Weights(dense=share))
    assert {hit.id for hit in hits} == {key for key, _ in dense + sparse}
    assert all(0 <= hit.score <= 1 for hit in hits)
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id))
    assert hits == fuse(dense[::-1], sparse[::-1], Weights(dense=share))
