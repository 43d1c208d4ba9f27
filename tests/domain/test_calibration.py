"""Calibrated scores: bounded, rising with the evidence, and told apart where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.calibration import (
    ALL_SAID,
    CODE_NAMED,
    GOOD,
    by_meaning,
    by_what_is_said,
    by_words_alone,
    is_calibrated,
)
from domain.tokens import codes, surface

MODELS = ("minilm-en-1", "e5-multi-1", "use-multi-1", "a-provider's")


@given(st.sampled_from(MODELS), st.floats(-1, 1), st.floats(0, 0.5))
def test_nearer_is_never_less_and_all_is_bounded(model: str, cosine: float, more: float) -> None:
    assert 0 <= by_meaning(model, cosine) <= by_meaning(model, cosine + more) <= 1


def test_a_question_of_its_kind_is_told_from_another() -> None:
    """Medians of StackFAQ's own questions and of CLINC150's among them; of ParaKQC's and of welfare questions there."""
    assert by_meaning("minilm-en-1", 0.683) > GOOD > by_meaning("minilm-en-1", 0.199)
    assert by_meaning("e5-multi-1", 0.935) > GOOD > by_meaning("e5-multi-1", 0.855)


def test_only_models_that_were_measured_are_calibrated() -> None:
    assert [is_calibrated(model) for model in MODELS] == [True, True, True, False]


def test_words_tell_where_there_is_no_vector() -> None:
    assert by_words_alone(0) == 0
    assert by_words_alone(1.0) < GOOD < by_words_alone(3.0)


@pytest.mark.parametrize(
    ("asked", "said", "least"),
    [
        ("E-4711", "카드 결제 오류 E-4711\n단말기를 다시 켭니다.", CODE_NAMED),
        ("e-4712 오류", "카드 결제 오류 E-4711", 0),
        ("Kitchen display is black", "Kitchen display is black\nUnplug it.", ALL_SAID),
        ("비밀번호를 잊어버렸어요", "비밀번호를 잊어버렸어요. 어떻게 하나요?", ALL_SAID),
        ("kitchen display broken", "Kitchen display is black", 0),
        ("wifi", "The wifi drops", 0),  # one word is said by many
        ("", "anything", 0),
    ],
)
def test_a_document_that_says_the_questions_words_is_likely(asked: str, said: str, least: float) -> None:
    assert by_what_is_said(surface(asked), codes(asked), surface(said)) == least
