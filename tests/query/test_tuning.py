"""Tuning: a share of meaning is taken only when it wins on questions that had no say.

Belongs here: ``query/tuning`` on answers made up here. Does not belong here: the command (``tests/pipelines/test_evaluate``).
"""

import random
from collections.abc import Callable

import pytest

from domain.errors import InputError
from domain.judgement import JudgedQuery
from query.tuning import is_for_trying, tune

QUESTIONS = [JudgedQuery(str(at), f"question {at}", {"right": 1.0}) for at in range(200)]

Order = Callable[[float | None], list[str]]


def answers(place: Callable[[str, float | None], int], count: int = len(QUESTIONS)) -> list[Order]:
    """For each question the right document at a place that depends on the question and the share."""

    def order(text: str) -> Order:
        return lambda share: [f"w{at}" for at in range(place(text, share))] + ["right"]

    return [order(query.text) for query in QUESTIONS[:count]]


def test_a_share_that_is_better_everywhere_is_taken() -> None:
    tuned = tune(QUESTIONS, answers(lambda _, share: 0 if share == 0.3 else 3), None)
    assert (tuned.best, tuned.is_better) == (0.3, True)
    assert tuned.tried["0.3"] == 1.0 > tuned.tried["measured"]
    assert tuned.tried_on + tuned.held_back.queries == len(QUESTIONS)


def test_what_wins_only_where_it_was_chosen_is_not_taken() -> None:
    trying = {query.text for query in QUESTIONS if is_for_trying(query)}
    tuned = tune(QUESTIONS, answers(lambda text, share: 0 if share == 0.3 and text in trying else 3), None)
    assert (tuned.best, tuned.is_better) == (0.3, False)


def test_chance_is_not_taken() -> None:
    def by_chance(text: str, share: float | None) -> int:
        return random.Random(f"{text} {share}").randrange(4)

    tuned = tune(QUESTIONS, answers(by_chance), 0.5)
    assert tuned.best != 0.5 and not tuned.is_better


def test_what_is_in_force_stays_where_nothing_is_better() -> None:
    for current in (None, 0.37):
        tuned = tune(QUESTIONS, answers(lambda _text, _share: 1), current)
        assert (tuned.best, tuned.is_better) == (current, False)


def test_the_halves_are_the_same_in_every_run_and_do_not_share_a_question() -> None:
    assert is_for_trying(JudgedQuery("a", "Same  question", {})) == is_for_trying(JudgedQuery("b", "same question", {}))
    assert 70 < sum(map(is_for_trying, QUESTIONS)) < 130


def test_too_few_questions_are_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        tune(QUESTIONS[:30], answers(lambda _text, _share: 0, 30), None)
