"""Sessions by the specification's rules (sheets.ko.md, "멀티턴 대화 이력 관리 규칙")."""

import pytest

from domain.conversation import Exchange
from domain.errors import InputError
from domain.sessions import CONTEXT_EXCHANGES, MOST_USER, context, is_over, session_id, since, user_id, user_of

SEOUL = "Asia/Seoul"


def exchange(at: int, session: str = "s") -> Exchange:
    return Exchange(
        f"e{at:03}", session, "u", f"2026-02-19T05:{at:02}:00Z", f"q{at}", f"2026-02-19T05:{at:02}:01Z", "a", 1
    )


def test_session_id_is_the_user_and_the_minute_it_began_in_the_companys_time_zone() -> None:
    assert session_id("user123", "2026-02-19T05:30:59Z", SEOUL) == "user123_20260219T1430"
    assert session_id("user123", "2026-02-19T15:30:00Z", SEOUL) == "user123_20260220T0030"  # the next day there
    assert session_id("user123", "2026-02-19T05:30:00Z", "UTC") == "user123_20260219T0530"


def test_a_minute_that_comes_twice_gives_two_sessions() -> None:
    """Berlin, 2026-10-25: 02:30 comes twice."""
    first = session_id("u", "2026-10-25T00:30:00Z", "Europe/Berlin")
    second = session_id("u", "2026-10-25T01:30:00Z", "Europe/Berlin", {first}.__contains__)
    assert (first, second) == ("u_20261025T0230", "u_20261025T0230-2")
    assert user_of(second) == "u"


@pytest.mark.parametrize(
    ("now", "over"),
    [
        ("2026-02-19T05:49:59Z", False),
        ("2026-02-19T05:50:00Z", False),  # 20 minutes are not more than 20 ("20분 초과")
        ("2026-02-19T05:50:01Z", True),
        ("2026-02-19T05:29:00Z", False),  # a clock that was set back
    ],
)
def test_a_session_ends_more_than_20_minutes_after_the_last_user_message(now: str, over: bool) -> None:
    assert is_over("2026-02-19T05:30:00Z", now, 20) is over
    assert (since(now, 20) > "2026-02-19T05:30:00Z") is over


def test_context_is_the_last_6_turns_of_this_session_only() -> None:
    history = [exchange(at) for at in range(9, 0, -1)] + [exchange(30, "another")]
    assert CONTEXT_EXCHANGES * 2 == 6
    assert [one.question for one in context(history, "s")] == ["q7", "q8", "q9"]
    assert context(history, "none") == []
    assert [one.question for one in context([exchange(1), exchange(1)], "s")] == ["q1"]  # in the store and waiting


@pytest.mark.parametrize(
    "user", ["user123", "hong@company.com", "홍길동", "a_b_20260219T1430", "x" * MOST_USER, "=1+1"]
)
def test_a_users_id_comes_back_from_the_session(user: str) -> None:
    assert user_of(session_id(user_id(f" {user} "), "2026-02-19T05:30:00Z", SEOUL)) == user


@pytest.mark.parametrize(
    "user", ["", "  ", "a b", "a/b", "..\\b", "x" * (MOST_USER + 1), "a\nb", "a\x00", "\x1b[2J", "a\u202eb"]
)
def test_a_users_id_that_is_none_is_refused(user: str) -> None:
    with pytest.raises(InputError):
        user_id(user)


@pytest.mark.parametrize(
    "session", ["", "u", "u_2026", "_20260219T1430", "../x_20260219T1430", "u_20260219T1430\n", "u" * 999]
)
def test_a_session_that_is_none_is_refused(session: str) -> None:
    with pytest.raises(InputError):
        user_of(session)
