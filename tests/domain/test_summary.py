"""The record of a summary: its limits, its JSON form, and the texts made of it."""

from typing import Any

import pytest

from domain.summary import FIELD_LIMIT, Summary, embedding_text, joined, shorten, tidy_tags

PAYLOAD: dict[str, Any] = {
    "problem": "Login fails with E-4012.",
    "cause": None,
    "solution": "Set the clock.",
    "result": "Works.",
    "tags": ["login", "otp"],
    "method": "extractive-v1",
    "language": "en",
}


def summary(**changed: Any) -> Summary:
    return Summary.from_payload({**PAYLOAD, **changed})


def test_the_json_form_comes_back() -> None:
    assert summary().to_payload() == PAYLOAD
    assert summary(cause="The clock.").cause == "The clock."


def test_facts_that_the_ticket_does_not_hold_are_named_where_there_are_any() -> None:
    flagged = {**PAYLOAD, "ungrounded": ["E-9"]}
    assert summary(ungrounded=["E-9"]).to_payload() == flagged
    assert Summary.from_payload(flagged).ungrounded == ("E-9",)
    with pytest.raises(ValueError, match="'ungrounded' must be a list"):
        summary(ungrounded="E-9")


def test_fields_are_one_line_within_their_limit() -> None:
    long = summary(
        problem="one  line\nonly", solution="word " * 200, cause="", tags=["#A", "a", " b  c ", "", "d", "e", "f", "g"]
    )
    assert long.problem == "one line only"
    assert len(long.solution) <= FIELD_LIMIT
    assert long.solution.endswith("word…")
    assert long.cause is None
    assert long.tags == ("a", "b c", "d", "e", "f")


@pytest.mark.parametrize(
    "wrong",
    [
        {"problem": ""},
        {"problem": None},
        {"solution": 3},
        {"cause": []},
        {"tags": "login"},
        {"tags": [1]},
        {"language": None},
    ],
)
def test_what_is_no_summary_is_refused_by_the_name_of_the_field(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        summary(**wrong)


def test_joined_is_problem_cause_solution_result() -> None:
    assert joined(summary()) == "Login fails with E-4012. Set the clock. Works."
    assert joined(summary(cause="C.", result="")) == "Login fails with E-4012. C. Set the clock."


def test_the_subject_is_embedded_unless_the_summary_says_it() -> None:
    assert embedding_text(summary(), "Cannot  log in") == "Cannot log in Login fails with E-4012. Set the clock. Works."
    assert embedding_text(summary(), "login FAILS with E-40") == joined(summary())
    assert embedding_text(summary(), "") == joined(summary())


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        ("one two", 7, "one two"),
        ("one two three", 10, "one two…"),
        ("one two, three", 10, "one two…"),
        ("가나다라마바사", 5, "가나다라…"),
    ],
)
def test_shorten_ends_at_a_word(text: str, limit: int, short: str) -> None:
    assert shorten(text, limit) == short


def test_tags_are_at_most_five_different_ones() -> None:
    assert tidy_tags(["로그인", "Login", "login", "a", "b", "c", "d"]) == ("로그인", "login", "a", "b", "c")
