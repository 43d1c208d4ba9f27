"""Sessions: who asks, how a conversation is named, when it is over, and how much of it an LLM is told.

Belongs here: the rules of a user's id and of a session's id and end (spec sheets.ko.md, §"시트 6", "멀티턴 대화 이력 관리
규칙"). Does not belong here: keeping conversations (``resources/storage/exchanges``), or understanding a question by the one
before it (``follow_up``).
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from domain.conversation import Exchange, History
from domain.errors import InputError

CONTEXT_EXCHANGES: Final = 3
"""Exchanges of a session that count as its context: 6 turns, the user's 3 and the bot's 3."""
MOST_USER: Final = 128
"""Characters of a user's id."""
_MOST_SESSION = MOST_USER + 24
_BAD = re.compile(r"[\s/\\]")
_SESSION = re.compile(r"(?P<user>.+)_\d{8}T\d{4}(?:-\d{1,3})?", re.DOTALL)


def user_id(text: str) -> str:
    """A user's id as it is kept (NFC, without space around it). It is data from outside, and becomes part of a session's
    id: raises ``InputError`` for an empty or long one, and for space, '/', '\\' or characters that nobody sees in it."""
    said = unicodedata.normalize("NFC", text).strip()
    if not said or len(said) > MOST_USER or not said.isprintable() or _BAD.search(said):
        raise InputError(
            "bad user id.",
            f"It has 1 to {MOST_USER} characters that can be seen, without space, '/' and '\\'.",
            "Give the id that the chat platform gives its user.",
        )
    return said


def user_of(session_id: str) -> str:
    """The user that a session's id names. Raises ``InputError`` for what is no session's id."""
    found = _SESSION.fullmatch(session_id) if len(session_id) <= _MOST_SESSION else None
    if not found:
        raise InputError(
            "bad session id.", "It is not one that an answer gave.", "Leave it out to begin a new session."
        )
    return user_id(found["user"])


def session_id(user: str, at: str, time_zone: str, is_taken: Callable[[str], bool] = lambda _: False) -> str:
    """``{userId}_{YYYYMMDDTHHMM}``, the moment it begins (ISO 8601) in the company's time zone.

    Two sessions of a user begin more than a minute apart, for none ends sooner, so that the minute tells them apart. Only
    where clocks are set back, or the time zone is changed, does a minute come twice: the second then ends in "-2".
    """
    begun = datetime.fromisoformat(at).astimezone(ZoneInfo(time_zone)).strftime("%Y%m%dT%H%M")
    wanted = f"{user}_{begun}"
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, 1000)))
    return next((name for name in names if not is_taken(name)), names[-1])


def is_over(last_asked_at: str, now: str, minutes: int) -> bool:
    """Whether more than ``minutes`` have gone by since the last *user* message ("20분 초과"): at exactly 20 minutes it is
    still the same session. Moments are ISO 8601. A message of a clock that ran ahead is no last one for ever."""
    gone = datetime.fromisoformat(now) - datetime.fromisoformat(last_asked_at)
    return abs(gone) > timedelta(minutes=minutes)


def since(now: str, minutes: int) -> str:
    """The moment (ISO 8601 UTC, to the second) from which on a last question keeps its session alive."""
    return (datetime.fromisoformat(now) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def context(history: History, session: str) -> list[Exchange]:
    """The last 6 turns of this session, oldest first, and of no other."""
    mine = {one.exchange_id: one for one in history if one.session_id == session}
    return sorted(mine.values(), key=lambda one: (one.asked_at, one.exchange_id))[-CONTEXT_EXCHANGES:]
