"""Conversations from exchanges to the log and the archive: nothing is lost, nothing is there twice, however it is cut off.

Belongs here: the assets of ``assets/conversations``, run by themselves. Does not belong here: the pure rules
(``tests/domain``), or what is written to the workbook (``test_workbook_tabs``).
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from assets.conversations import conversation_archive, conversation_log, operations_log
from domain import archive
from domain.company import company_id
from domain.feedback import Vote
from domain.stage import Report
from domain.workbook_layout import ARCHIVE, CONVERSATIONS, LAYOUT, OPERATIONS
from resources.conversations import TURNS, Conversations
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from tests.assets.conversations_given import NOW, ZONE, Office, days_before, exchange

TABLES = ("conversation_log", "operations_log", "conversation_archive")
ALL = (conversation_log, operations_log, conversation_archive)
TURN_HEADER = LAYOUT[CONVERSATIONS].header


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(Settings(home=tmp_path / "home"))


def messages(office: Office, table: str = "conversation_log") -> list[str]:
    return sorted(row["message"] for row in office.rows(table).values())


def foreign(session: str, at: str, role: str, message: str) -> list[str]:
    return [session, session.partition("_")[0], at, role, message, "인사", "1", "FALSE"]


def test_an_exchange_is_two_turns_and_one_operation_in_the_companys_time(office: Office) -> None:
    office.keep(exchange(1))
    office.run(*ALL)
    user, bot = sorted(office.rows("conversation_log").values(), key=lambda row: row["timestamp"])
    assert (user["timestamp"], user["role"], user["message"]) == ("2026-02-19 14:30:00", "user", "연차 1일 남았어?")
    assert (bot["timestamp"], bot["role"]) == ("2026-02-19 14:30:01", "bot")
    (line,) = office.rows("operations_log").values()
    assert (line["timestamp"], line["tier"], line["source_id"]) == ("2026-02-19 14:30:01", "1", "faq FAQ-HR-001")


def test_a_second_run_takes_nothing_and_writes_nothing(office: Office) -> None:
    office.keep(*(exchange(number) for number in range(5)))
    office.run(*ALL)
    before = office.tops(*TABLES)
    told = office.run(*ALL)
    assert office.tops(*TABLES) == before
    assert [told[table]["changed"] for table in TABLES] == [0, 0, 0]


def test_a_clock_that_ran_ahead_hides_nothing_that_is_asked_after_it(office: Office) -> None:
    office.keep(exchange(1, "2027-02-19T05:30:00Z"))
    office.run(*ALL)
    office.now = "2026-02-24T05:30:00Z"
    office.keep(exchange(2, office.now))
    office.run(*ALL)
    assert len(office.rows("operations_log")) == 2


def test_an_exchange_that_comes_into_the_store_late_is_taken(office: Office) -> None:
    office.keep(exchange(1))
    office.run(*ALL)
    office.keep(exchange(2, days_before(NOW, 1)))
    office.run(*ALL)
    assert len(office.rows("operations_log")) == 2


def test_two_that_say_the_same_at_the_same_second_stay_two(office: Office) -> None:
    one = exchange(1)
    office.keep(one, exchange(2, question=one.question, answer=one.answer, session_id=one.session_id, user_id="user1"))
    office.run(*ALL)
    office.run(*ALL)
    assert len(office.rows("conversation_log")) == 4
    assert len(office.rows("operations_log")) == 2


def test_a_new_time_zone_takes_nothing_again(office: Office) -> None:
    office.keep(exchange(1))
    office.run(*ALL)
    office.set(time_zone="UTC")
    office.keep(exchange(2, "2026-02-19T06:00:00Z"))
    office.now = "2026-02-19T05:45:00Z"
    office.run(*ALL)
    times = sorted(row["timestamp"] for row in office.rows("operations_log").values())
    assert times == ["2026-02-19 06:00:01", "2026-02-19 14:30:01"]


def test_rows_of_another_bot_are_taken_once_and_ours_are_not_taken_again(office: Office) -> None:
    office.keep(exchange(1))
    office.run(*ALL)
    ours = [
        ["user1_20260219T1430", "user1", "2026-02-19 14:30:00", "user", "연차 1일 남았어?", "인사", "1", "FALSE"],
    ]
    theirs = [
        foreign("kim_1", "2026. 2. 18 오후 3:10:05", "user", "반차는?"),
        foreign("kim_1", "2026-02-18 15:10:06", "봇", "0.5일입니다."),
    ]
    office.show(**{CONVERSATIONS: [TURN_HEADER, *ours, *ours, *theirs]})
    office.run(*ALL)
    office.run(*ALL)
    assert messages(office) == sorted(["연차 1일 남았어?", "네, 1일 남았습니다.", "반차는?", "0.5일입니다."])
    assert {row["timestamp"] for row in office.rows("conversation_log").values()} >= {"2026-02-18 15:10:05"}


def test_a_bad_row_waits_in_the_queue_and_stops_no_other(office: Office) -> None:
    good = foreign("kim_1", "2026-02-18 15:10:05", "user", "반차는?")
    office.show(**{CONVERSATIONS: [TURN_HEADER, foreign("kim_1", "어제쯤", "user", "연차는?"), good]})
    told = office.run(*ALL)
    assert messages(office) == ["반차는?"]
    assert told["conversation_log"]["failed"] == 1
    assert "row 2: timestamp is no date that can be read" in told["conversation_log"]["notes"]
    assert "notes" not in office.run(*ALL)["conversation_log"], "it is told once"
    office.show(**{CONVERSATIONS: [TURN_HEADER, foreign("kim_1", "2026-02-18", "user", "연차는?"), good]})
    office.run(*ALL)
    with office.companies.store(company_id("acme")) as store:
        assert store.queue() == []


def test_a_vote_that_comes_later_sets_the_feedback(office: Office) -> None:
    office.keep(exchange(1, days_before(NOW, 20)), exchange(2))
    office.run(*ALL)
    with office.companies.store(company_id("acme")) as store, store.begin("vote", NOW) as write:
        write.vote(Vote("x00001", "thumbs_up", "2026-02-19T05:00:00Z"))
        write.vote(Vote("x00001", "thumbs_down", "2026-02-19T05:00:01Z"))
        write.vote(Vote("of a search", "thumbs_up", "2026-02-19T05:00:02Z"))
    office.run(*ALL)
    feedback = {row["session_id"]: row["feedback"] for row in office.rows("operations_log").values()}
    assert feedback == {"user1_20260219T1430": "down", "user2_20260219T1430": ""}
    before = office.tops(*TABLES)
    office.run(*ALL)
    assert office.tops(*TABLES) == before


def test_another_bots_row_gets_the_vote_that_it_is_given_later(office: Office) -> None:
    row = ["2026-02-18 15:10:06", "kim_1", "kim", "인사", "2", "reg 1", "0.7", "900", "FALSE", ""]
    office.show(**{OPERATIONS: [LAYOUT[OPERATIONS].header, row]})
    office.run(*ALL)
    office.show(**{OPERATIONS: [LAYOUT[OPERATIONS].header, [*row[:-1], "👍"]]})
    office.run(*ALL)
    assert [one["feedback"] for one in office.rows("operations_log").values()] == ["up"]


def test_a_tab_that_did_not_change_is_not_read_again_and_one_that_was_cut_off_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ["2026-02-18 15:10:06", "kim_1", "kim", "인사", "2", "reg 1", "0.7", "900", "FALSE", "up"]
    office.show(**{OPERATIONS: [LAYOUT[OPERATIONS].header, row, [*row[:4], "9", *row[5:]]]})

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("resources.conversations.keep_mark", killed)
        office.run(operations_log)
    told = office.run(operations_log)["operations_log"]
    assert (told["read"], told["failed"], len(office.rows("operations_log"))) == (2, 1, 1)
    monkeypatch.setattr("resources.conversations.stored_tab", killed)
    told = office.run(operations_log)["operations_log"]
    assert (told["changed"], told["failed"]) == (0, 1)
    monkeypatch.undo()
    office.show(**{OPERATIONS: [LAYOUT[OPERATIONS].header, row, [*row[:4], "3", *row[5:8], "TRUE", "down"]]})
    told = office.run(operations_log)["operations_log"]
    assert told["failed"] == 0


def test_a_vote_reads_the_exchanges_of_its_session_only(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    one = exchange(1)
    double = exchange(2, question=one.question, answer=one.answer, session_id=one.session_id, user_id="user1")
    office.keep(one, double, *(exchange(number) for number in range(3, 6)))
    office.run(*ALL)
    with office.companies.store(company_id("acme")) as store, store.begin("vote", NOW) as write:
        write.vote(Vote("x00002", "thumbs_up", NOW))
    with office.companies.store(company_id("acme")) as store:
        assert [one.exchange_id for one in store.sessions_of(["x00002", "none"])] == ["x00001", "x00002"]
    office.run(*ALL)
    voted = {id_: row["feedback"] for id_, row in office.rows("operations_log").items() if row["feedback"]}
    assert list(voted.values()) == ["up"] and next(iter(voted)).endswith("-2")


def test_turns_older_than_7_days_are_archived_once_a_month(office: Office) -> None:
    office.now = "2026-02-20T00:00:00Z"
    office.run(*ALL)  # the first run of February
    office.keep(exchange(1, "2026-02-01T03:00:00Z"), exchange(2, "2026-02-27T03:00:00Z"))
    office.now = "2026-02-28T00:00:00Z"
    office.run(*ALL)
    assert len(office.rows("conversation_archive")) == 0, "not before the month is over"
    office.now = "2026-03-01T00:00:00Z"
    office.run(*ALL)
    archived = office.rows("conversation_archive").values()
    assert {row["session_id"] for row in archived} == {"user1_20260219T1430"}
    assert {row["archived_at"] for row in archived} == {"2026-03-01"}
    assert {row["session_id"] for row in office.rows("conversation_log").values()} == {"user2_20260219T1430"}


def test_a_log_of_10000_rows_is_archived_without_waiting(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    assert archive.MOST_ROWS == 10_000
    monkeypatch.setattr(archive, "MOST_ROWS", 100)
    office.run(*ALL)
    office.keep(*(exchange(number, days_before(NOW, 8 if number % 2 else 1)) for number in range(49)))
    office.run(*ALL)
    assert (len(office.rows("conversation_log")), len(office.rows("conversation_archive"))) == (98, 0)
    office.keep(exchange(50))
    office.run(*ALL)
    assert (len(office.rows("conversation_log")), len(office.rows("conversation_archive"))) == (52, 48)


def test_what_is_older_than_the_retention_leaves_the_archive_too(office: Office) -> None:
    office.set(conversation_retention=40)
    office.keep(exchange(1, days_before(NOW, 30)), exchange(2))
    office.run(*ALL)
    assert len(office.rows("conversation_archive")) == 2
    office.now = "2026-03-02T05:30:00Z"
    office.run(*ALL)
    assert {row["session_id"] for row in office.rows("conversation_archive").values()} == {"user2_20260219T1430"}
    assert len(office.rows("operations_log")) == 1
    office.run(*ALL)
    assert len(office.rows("conversation_archive")) == 2, "and does not come back"


def test_exchanges_leave_after_31_days_once_the_tables_have_them(office: Office) -> None:
    office.keep(exchange(1, days_before(NOW, 33)), exchange(2, days_before(NOW, 30)))
    office.run(*ALL)
    office.keep(exchange(3, days_before(NOW, 34)))  # too late for the look back, and taken before it goes
    office.run(*ALL)
    with office.companies.store(company_id("acme")) as store:
        assert [one.exchange_id for one in store.exchanges("")] == ["x00002"]
    assert len(office.rows("operations_log")) == 3


def test_an_archive_tab_of_an_older_home_is_taken_over(office: Office) -> None:
    row = [*foreign("kim_1", "2025-12-18 15:10:06", "user", "반차는?"), "2026-01-01"]
    office.show(**{ARCHIVE: [LAYOUT[ARCHIVE].header, row], CONVERSATIONS: [TURN_HEADER, row[:-1]]})
    office.run(*ALL)
    office.run(*ALL)
    assert [one["archived_at"] for one in office.rows("conversation_archive").values()] == ["2026-01-01"]
    assert office.rows("conversation_log") == {}, "a turn is in one of the two"


# --- cut off ------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process died: nothing may catch it."""


def armed(store: SqlCompanyStore, statements: int) -> None:
    """Dies at the n-th statement that is sent to the database."""
    left = iter(range(statements - 1))
    write_rows = store.write_rows

    def hit(*_: Any) -> None:
        if next(left, None) is None:
            raise Killed

    def watched(stage: sa.Table, rows: Sequence[dict[str, Any]]) -> None:  # it goes past SQLAlchemy
        hit()
        write_rows(stage, rows)

    event.listen(store.db, "before_cursor_execute", hit)
    store.write_rows = watched  # type: ignore[method-assign]


def test_nothing_is_lost_or_doubled_when_archiving_is_cut_off_at_any_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.conversations._PAGE", 5)
    given = [exchange(number, days_before(NOW, 20 if number < 4 else 1)) for number in range(6)]
    said = Counter(message for one in given for message in (one.question, one.answer))
    with open_store(tmp_path / "given", company_id("acme")) as store:
        store.keep_exchanges(given)
        Conversations(store, ZONE, "run", NOW).take(TURNS, Report())
    deaths = 0
    for statement in range(1, 200):
        shutil.copytree(tmp_path / "given", place := tmp_path / str(statement))
        is_dead = cut_off(place, statement)
        kept = both(place)
        assert Counter({**kept[0], **kept[1]}.values()) == said, "a turn is lost, or there under two ids"
        cut_off(place, 10_000)
        log, archived = both(place)
        assert Counter([*log.values(), *archived.values()]) == said
        assert (len(log), len(archived)) == (4, 8)
        deaths += is_dead
        if not is_dead:
            break
    assert deaths > 20


def cut_off(place: Path, statement: int) -> bool:
    """Archive, and die at a statement; whether it came to that."""
    try:
        with open_store(place, company_id("acme")) as store:
            armed(store, statement)
            Conversations(store, ZONE, "run", NOW).archive(7, Report())
    except Killed:
        return True
    return False


def both(place: Path) -> list[dict[str, str]]:
    """The messages of log and archive, by turn."""
    with open_store(place, company_id("acme")) as store:
        return [live(store, table) for table in ("conversation_log", "conversation_archive")]


def live(store: SqlCompanyStore, table: str) -> dict[str, str]:
    return {id_: row.payload["message"] for id_, row in store.get(table, sorted(store.ids(table))).items()}


def test_a_copy_that_does_not_say_the_same_deletes_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    office.keep(exchange(1, days_before(NOW, 20)))
    office.run(conversation_log, operations_log)
    monkeypatch.setattr("resources.conversations._is_copy", lambda payload, turn: False)
    told = office.run(conversation_archive)
    assert told["conversation_archive"]["failed"] == 2
    assert len(office.rows("conversation_log")) == 2
    monkeypatch.undo()
    office.run(conversation_archive)
    assert (len(office.rows("conversation_log")), len(office.rows("conversation_archive"))) == (0, 2)
