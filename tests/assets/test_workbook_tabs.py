"""The one write to the workbook: what differs, nothing else, and no row lost on its way to the archive.

Belongs here: the asset ``workbook_tabs`` on real workbooks. Does not belong here: the kinds of workbook
(``tests/resources/workbook``), or the tables (``test_conversations``).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assets.conversations import conversation_archive, conversation_log, operations_log
from assets.dashboards import daily_dashboard, monthly_dashboard
from assets.faq import faq_keyword_index
from assets.tickets import SyncConfig
from assets.workbook import faq, workbook
from assets.workbook_tabs import workbook_tabs
from domain.company import company_id
from domain.errors import SourceRefused
from domain.feedback import Vote
from domain.workbook_layout import (
    ARCHIVE,
    CONVERSATIONS,
    DAILY,
    FAQ,
    FAQ_INDEX,
    LAYOUTS,
    MONTHLY,
    OPERATIONS,
    TITLE,
)  # fmt: skip
from resources.settings import Settings
from resources.workbook.base import Append, Change, Overwrite, Plan, SetCells, Workbook
from resources.workbook.charts import CHARTS
from resources.workbook.csv_folder import CsvFolder
from resources.workbook.xlsx import XlsxWorkbook
from tests.assets.conversations_given import NOW, Office, days_before, exchange

TABLES = (
    *(faq_keyword_index, conversation_log, operations_log, conversation_archive, daily_dashboard, monthly_dashboard),
    workbook_tabs,
)


class Desk(Office):
    """An office with a workbook, whose every sync runs all assets of it."""

    def __init__(self, folder: Path, book: Workbook) -> None:
        super().__init__(Settings(home=folder / "home"), workbook=book.place)
        self.book = book

    def sync(self, read: bool = True) -> dict[str, Any]:
        """What ``workbook_tabs`` says of a sync."""
        if read:
            self.run(workbook, faq, config=SyncConfig())
        return self.run(*TABLES)["workbook_tabs"]

    def tab(self, name: str) -> list[list[str]]:
        """The rows below a tab's header."""
        return [list(row) for row in self.book.read().tabs[name].rows[1:]]

    def messages(self, name: str) -> list[str]:
        return [row[4] for row in self.tab(name)]


@pytest.fixture(params=["csv", "xlsx"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return made(tmp_path, request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Desk:
    return made(tmp_path, "csv")


def made(folder: Path, kind: str) -> Desk:
    book = CsvFolder(folder / "book") if kind == "csv" else XlsxWorkbook(folder / "book.xlsx")
    book.create(Plan(TITLE, LAYOUTS, CHARTS))
    return Desk(folder, book)


def test_new_turns_and_operations_are_appended_and_an_unchanged_night_writes_nothing(desk: Desk) -> None:
    desk.keep(exchange(1, days_before(NOW, 1)), exchange(2))
    desk.sync()
    assert desk.messages(CONVERSATIONS) == [
        "연차 1일 남았어?",
        "네, 1일 남았습니다.",
        "연차 2일 남았어?",
        "네, 2일 남았습니다.",
    ]
    assert [row[:2] for row in desk.tab(OPERATIONS)] == [
        ["2026-02-18 14:30:01", "user1_20260219T1430"],
        ["2026-02-19 14:30:01", "user2_20260219T1430"],
    ]
    assert [row[0] for row in desk.tab(DAILY)] == ["2026-02-18", "2026-02-19"]
    assert [row[0] for row in desk.tab(MONTHLY)] == ["2026-02"]
    desk.sync()
    revision = desk.book.revision()
    assert desk.sync()["changed"] == 0
    assert desk.book.revision() == revision
    desk.keep(exchange(3))
    desk.sync()
    assert len(desk.tab(CONVERSATIONS)) == 6
    assert len(desk.rows("conversation_log")) == 6, "what was read back is no other turn"


def test_a_row_leaves_the_log_only_when_its_copy_was_read_in_the_archive(folder: Desk) -> None:
    folder.now = "2026-02-01T00:00:00Z"
    folder.keep(exchange(1, "2026-01-31T03:00:00Z"))
    folder.sync()
    folder.now = "2026-03-01T00:00:00Z"
    folder.sync()
    assert folder.rows("conversation_log") == {}
    assert len(folder.messages(CONVERSATIONS)) == len(folder.messages(ARCHIVE)) == 2, "in both, until it was read"
    assert {row[-1] for row in folder.tab(ARCHIVE)} == {"2026-03-01"}
    folder.sync()
    assert (len(folder.messages(CONVERSATIONS)), len(folder.messages(ARCHIVE))) == (0, 2)
    folder.sync()
    assert len(folder.rows("conversation_archive")) == 2


def test_a_copy_that_never_came_keeps_the_row_in_the_log(folder: Desk) -> None:
    folder.now = "2026-02-01T00:00:00Z"
    folder.keep(exchange(1, "2026-01-31T03:00:00Z"))
    folder.sync()
    folder.now = "2026-03-01T00:00:00Z"
    folder.sync()
    (Path(folder.book.place) / f"{ARCHIVE}.csv").unlink()
    folder.sync()
    assert len(folder.messages(CONVERSATIONS)) == 2
    assert len(folder.messages(ARCHIVE)) == 2, "it is copied again"
    folder.sync()
    assert folder.messages(CONVERSATIONS) == []


def test_rows_older_than_the_retention_leave_the_archives_tab(folder: Desk) -> None:
    folder.set(conversation_retention=40)
    folder.now = "2026-02-01T00:00:00Z"
    folder.keep(exchange(1, "2026-01-20T03:00:00Z"))
    folder.sync()
    folder.now = "2026-03-10T00:00:00Z"
    folder.sync()
    folder.sync()
    assert folder.messages(ARCHIVE) == folder.messages(CONVERSATIONS) == folder.tab(OPERATIONS) == []
    assert [row[:2] for row in folder.tab(DAILY)] == [["2026-01-20", "1"]], "the day's figures stay"


def test_a_write_that_was_not_believed_is_not_repeated(folder: Desk) -> None:
    """Killed after the write and before anything was noted; then the workbook cannot be read again."""
    folder.keep(exchange(1))
    folder.sync()
    folder.sync(read=False)
    folder.sync(read=False)
    assert len(folder.messages(CONVERSATIONS)) == 2
    assert len(folder.tab(OPERATIONS)) == 1
    assert len(folder.tab(DAILY)) == 1


def test_a_second_copy_of_a_row_is_dropped_and_no_turn(folder: Desk) -> None:
    folder.keep(exchange(1))
    folder.sync()
    rows = folder.tab(CONVERSATIONS)
    folder.book.write([Append(CONVERSATIONS, rows)])
    folder.sync()
    assert folder.tab(CONVERSATIONS) == rows
    assert len(folder.rows("conversation_log")) == 2


def test_rows_of_another_bot_stay_where_they_are(folder: Desk) -> None:
    theirs = ["kim_1", "kim", "2026-02-18 15:10:05", "user", "반차는?", "인사", "1", "FALSE"]
    broken = ["kim_1", "kim", "어제", "user", "반반차는?", "인사", "1", "FALSE"]
    folder.book.write([Append(CONVERSATIONS, [theirs, broken])])
    folder.keep(exchange(1))
    folder.sync()
    folder.sync()
    assert folder.messages(CONVERSATIONS)[:2] == ["반차는?", "반반차는?"]
    assert len(folder.messages(CONVERSATIONS)) == 4


def test_a_later_vote_sets_one_cell(desk: Desk) -> None:
    desk.keep(exchange(1), exchange(2, "2026-02-19T06:00:00Z"))
    desk.sync()
    with desk.companies.store(company_id("acme")) as store, store.begin("vote", NOW) as write:
        write.vote(Vote("x00001", "thumbs_down", NOW))
    desk.sync()
    assert [row[-1] for row in desk.tab(OPERATIONS)] == ["down", ""]


def test_text_of_a_user_is_never_a_formula(desk: Desk) -> None:
    desk.keep(exchange(1, question='=HYPERLINK("http://evil.example","연차")', answer="+1-2", user_id="@user"))
    desk.sync()
    desk.sync()
    assert desk.messages(CONVERSATIONS) == ['=HYPERLINK("http://evil.example","연차")', "+1-2"]
    assert len(desk.rows("conversation_log")) == 2


def test_the_keyword_index_is_written_and_a_persons_edit_stays(folder: Desk) -> None:
    folder.sync()
    keywords = [row[0] for row in folder.tab(FAQ_INDEX)]
    assert {"연차", "잔여연차"} <= set(keywords)
    row = keywords.index("잔여연차") + 2
    folder.book.write([SetCells(FAQ_INDEX, {(row, 3): 5, (row, 4): "남은휴가"})])
    folder.sync()
    folder.sync()
    assert folder.tab(FAQ_INDEX)[row - 2][2:4] == ["5", "남은휴가"]
    revision = folder.book.revision()
    folder.sync()
    assert folder.book.revision() == revision


@pytest.mark.parametrize("slip", ["emptied", "gone"])
def test_a_keyword_index_that_was_emptied_or_lost_is_filled_again(folder: Desk, slip: str) -> None:
    folder.sync()
    row = [one[0] for one in folder.tab(FAQ_INDEX)].index("잔여연차") + 2
    folder.book.write([SetCells(FAQ_INDEX, {(row, 3): 5})])
    folder.sync()
    folder.sync()
    whole = {one[0]: one[2] for one in folder.tab(FAQ_INDEX)}
    if slip == "gone":
        (Path(folder.book.place) / f"{FAQ_INDEX}.csv").unlink()
    else:
        folder.book.write([Overwrite(FAQ_INDEX, [])])
    folder.book.write([SetCells(FAQ, {(2, 4): "연차,남은연차,잔여연차"})])
    folder.sync()
    assert whole.pop("휴가일수") and whole["잔여연차"] == "5"
    assert [one[0] for one in folder.tab(FAQ_INDEX)] == sorted(whole), "each keyword once"
    assert {one[0]: one[2] for one in folder.tab(FAQ_INDEX)} == whole, "a person's weight is there again"
    folder.sync()
    revision = folder.book.revision()
    assert (folder.sync()["changed"], folder.book.revision()) == (0, revision)


def test_keywords_of_a_row_that_was_edited_meanwhile_wait(folder: Desk) -> None:
    folder.sync()
    folder.run(workbook, faq, config=SyncConfig())
    faqs = [
        [
            "FAQ-HR-002",
            "인사",
            "반차",
            "반차,오전반차",
            "반차는 어떻게 쓰나요?",
            "메뉴 > 근태 > 반차",
            "",
            "TRUE",
            "2026-02-19",
        ]
    ]
    folder.book.write([Append(FAQ, faqs)])
    folder.keep(exchange(1))
    told = folder.sync(read=False)
    assert "wait for the next sync" in told["notes"]
    assert len(folder.messages(CONVERSATIONS)) == 2, "what only Casebook writes does not wait"
    assert "반차" not in [row[0] for row in folder.tab(FAQ_INDEX)]
    folder.sync()
    assert "반차" in [row[0] for row in folder.tab(FAQ_INDEX)]


def test_a_workbook_that_cannot_be_written_is_told_and_stops_nothing(
    folder: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: CsvFolder, changes: Sequence[Change]) -> None:
        raise SourceRefused("No permission to write.", "bot@project.example may only read.", "Share it as an editor.")

    folder.keep(exchange(1))
    monkeypatch.setattr(CsvFolder, "write", refuse)
    told = folder.sync()
    assert "bot@project.example" in told["paused"]
    assert len(folder.rows("conversation_log")) == 2
    monkeypatch.undo()
    folder.sync()
    assert len(folder.messages(CONVERSATIONS)) == 2


def test_a_workbook_that_was_damaged_is_told_once_and_what_was_read_stays(tmp_path: Path) -> None:
    desk = made(tmp_path, "xlsx")
    desk.keep(exchange(1))
    desk.sync()
    faqs, place = desk.rows("faq"), tmp_path / "book.xlsx"
    whole = place.read_bytes()
    place.write_bytes(whole[: len(whole) // 2])
    desk.keep(exchange(2))
    told = desk.run(workbook, faq, config=SyncConfig())["workbook"]
    assert "is no Excel workbook, or a damaged one" in told["notes"]
    outcome = desk.sync(read=False)
    assert "is no Excel workbook" in outcome["paused"] and "notes" not in outcome
    assert desk.rows("faq") == faqs and len(desk.rows("conversation_log")) == 4
    place.write_bytes(whole)
    assert "paused" not in desk.sync()
    assert len(desk.tab(CONVERSATIONS)) == 4


def test_a_tab_without_one_of_its_columns_is_left_alone(folder: Desk) -> None:
    place = Path(folder.book.place) / f"{CONVERSATIONS}.csv"
    place.write_text("sessionId,userId,timestamp,role\n", encoding="utf-8-sig")
    folder.keep(exchange(1))
    told = folder.sync()
    assert f"{CONVERSATIONS} has no column message" in told["notes"]
    assert folder.tab(CONVERSATIONS) == []
    assert len(folder.tab(OPERATIONS)) == 1


def test_without_a_workbook_nothing_is_written(tmp_path: Path) -> None:
    office = Office(Settings(home=tmp_path / "home"))
    office.keep(exchange(1))
    told = office.run(conversation_log, operations_log, workbook_tabs)["workbook_tabs"]
    assert (told["changed"], told.get("notes")) == (0, None)
