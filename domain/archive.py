"""When old conversations leave the log, and when they leave altogether (spec sheets.ko.md, §"시트 6" and "데이터 볼륨").

Belongs here: which turns are due, by day and by count; the days that things are kept from. Does not belong here: moving them
(``resources/conversations``), or the rows (``conversation_rows``).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

MOST_ROWS: Final = 10_000
"""Rows of the log from which on it is archived without waiting for the month's end."""
EXCHANGE_DAYS: Final = 31
"""Days that exchanges are kept beside the log: votes and sessions are looked up in them."""


def month(now: str, zone: str) -> str:
    """The calendar month ("2026-02") of a moment (ISO 8601 UTC) in a time zone."""
    return f"{datetime.fromisoformat(now).astimezone(ZoneInfo(zone)):%Y-%m}"


def is_time(now: str, zone: str, last: str, rows: int) -> bool:
    """Whether the log is to be archived: in the first run of a month (``last`` is the month of the archiving before), and
    whenever it has ``MOST_ROWS`` rows."""
    return last != month(now, zone) or rows >= MOST_ROWS


def days_ago(now: str, zone: str, days: int) -> str:
    """The moment so many days ago as rows have it, "YYYY-MM-DD HH:MM:SS" in a time zone."""
    at = datetime.fromisoformat(now) - timedelta(days=days)
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"


def kept_from(now: str, zone: str, days: int) -> str:
    """The first day (YYYY-MM-DD) that is still kept: what is older leaves, day by day and never a part of one."""
    return days_ago(now, zone, days)[:10]


def due(said_at: Mapping[str, str], before: str) -> list[str]:
    """The turns that are archived, the oldest first: those said at ``before`` or earlier, and of a log that has
    ``MOST_ROWS`` even then, its oldest, until it has fewer. ``said_at``: timestamps by turn."""
    oldest = sorted(said_at, key=lambda turn: (said_at[turn], turn))
    old = sum(said_at[turn] <= before for turn in oldest)
    return oldest[: max(old, len(oldest) - (MOST_ROWS - 1))]
