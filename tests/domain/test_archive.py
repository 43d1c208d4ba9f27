"""When conversations are archived, and which (spec sheets.ko.md, §"시트 6", "데이터 볼륨").

Belongs here: ``domain/archive``. Does not belong here: moving them (``tests/assets/test_conversations``).
"""

import pytest

from domain import archive

SEOUL = "Asia/Seoul"


def test_the_first_run_of_a_month_archives_and_no_other() -> None:
    assert archive.is_time("2026-03-01T00:00:00Z", SEOUL, "2026-02", 5)
    assert not archive.is_time("2026-03-02T00:00:00Z", SEOUL, "2026-03", 5)


def test_a_month_begins_in_the_companys_time_zone() -> None:
    assert archive.month("2026-02-28T15:00:00Z", SEOUL) == "2026-03"
    assert archive.month("2026-02-28T15:00:00Z", "UTC") == "2026-02"


@pytest.mark.parametrize(("rows", "is_time"), [(9_999, False), (10_000, True)])
def test_10000_rows_are_archived_at_once(rows: int, is_time: bool) -> None:
    assert archive.is_time("2026-03-02T00:00:00Z", SEOUL, "2026-03", rows) == is_time


def test_what_was_said_7_days_ago_or_earlier_is_due() -> None:
    before = archive.days_ago("2026-03-01T00:00:00Z", SEOUL, 7)
    assert before == "2026-02-22 09:00:00"
    said_at = {"new": "2026-02-22 09:00:01", "old": "2026-02-22 09:00:00", "older": "2026-01-01 00:00:00"}
    assert archive.due(said_at, before) == ["older", "old"]


def test_a_log_that_is_full_of_new_turns_gives_up_its_oldest() -> None:
    said_at = {
        f"{number:05}": f"2026-02-28 {number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
        for number in range(10_005)
    }
    assert archive.due(said_at, "2026-02-22 09:00:00") == [f"{number:05}" for number in range(6)]


def test_retention_keeps_whole_days() -> None:
    assert archive.kept_from("2026-03-01T00:00:00Z", SEOUL, 31) == "2026-01-29"
    assert archive.kept_from("2026-03-01T16:00:00Z", SEOUL, 31) == "2026-01-30", "it is the 2nd there"
