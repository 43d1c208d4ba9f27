"""Fusion: bounded, deterministic, and true to its two lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ranking import CODED, FEW, MANY, MEANING, OTHER_MEANING, UNTITLED, Weights, fuse, weights_for

HITS = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-1, 50, allow_nan=False)).map(
    lambda hits: list(hits.items())
)
SHARES = st.floats(0, 1)


def ids(dense: list[tuple[str, float]], sparse: list[tuple[str, float]], weight: float = 0.5) -> list[str]:
    return [hit.id for hit in fuse(dense, sparse, Weights(dense=weight))]


def test_scores_are_weighed_in_standard_deviations() -> None:
    hits = fuse([("a", 0.9), ("b", 0.7), ("c", 0.5)], [("b", 20.0), ("c", 10.0)], Weights(dense=0.6))
    edge = 1.5**0.5
    assert [(hit.id, pytest.approx(hit.score)) for hit in hits] == [
        ("b", 0.4),
        ("a", 0.6 * edge - 0.4),
        ("c", -0.6 * edge - 0.4),
    ]
    assert (hits[0].dense, hits[0].sparse) == (0.7, 20.0)
    assert (hits[1].dense, hits[1].sparse) == (0.9, None)


def test_the_half_whose_best_hit_stands_out_counts_more() -> None:
    names = [f"d{at:02}" for at in range(40)]
    alike = [(name, 0.8 - at * 0.001) for at, name in enumerate(names)]
    sure = [("d39", 30.0), *((name, 2.0 - at * 0.01) for at, name in enumerate(names[:39]))]
    assert ids(alike, sure, 0.6)[0] == "d39"


def test_each_half_alone_keeps_its_order() -> None:
    one, other = [("a", 0.9), ("b", 0.8), ("c", 0.1)], [("c", 9.0), ("b", 2.0), ("a", 1.0)]
    assert ids(one, other, 1) == ["a", "b", "c"]
    assert ids(one, other, 0) == ["c", "b", "a"]
    assert ids(one, []) == ["a", "b", "c"]
    assert ids([], other) == ["c", "b", "a"]
    assert ids([], []) == []


def test_equal_scores_stand_in_the_order_of_ids() -> None:
    assert ids([("b", 0.5), ("a", 0.5)], []) == ["a", "b"]


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="dense"):
        Weights(dense=share)


def test_a_model_counts_as_it_was_measured() -> None:
    assert weights_for("minilm-en-1", 5).dense == MEANING["minilm-en-1"]
    assert weights_for("a-provider's", 5).dense == OTHER_MEANING
    assert all(weights_for(model, 5, is_titled=False).dense <= UNTITLED for model in (*MEANING, "other"))


def test_a_code_counts_in_a_short_question() -> None:
    shares = [weights_for("minilm-en-1", words, has_code=True).dense for words in range(100)]
    assert shares == sorted(shares)
    assert shares[0] == shares[FEW] == CODED < shares[20] < shares[MANY] == pytest.approx(shares[99])
    assert weights_for("minilm-en-1", 3, has_code=True, is_titled=False).dense == UNTITLED


@given(HITS, HITS, SHARES)
def test_complete_and_independent_of_order(
    dense: list[tuple[str, float]], sparse: list[tuple[str, float]], share: float
) -> None:
    hits = fuse(dense, sparse, Weights(dense=share))
    assert {hit.id for hit in hits} == {key for key, _ in dense + sparse}
    assert hits == sorted(hits, key=lambda hit: (-hit.score, hit.id))
    assert hits == fuse(dense[::-1], sparse[::-1], Weights(dense=share))
