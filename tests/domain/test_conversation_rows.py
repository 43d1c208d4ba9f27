"""Exchanges as rows and rows as records, with one id on both ways.

Belongs here: ``domain/conversation_rows``. Does not belong here: tables (``tests/assets/test_conversations``).
"""

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain import workbook_rows
from domain.conversation import turn_id
from domain.conversation_rows import (
    MOST_MESSAGE,
    archived_days,
    arranged,
    columns_of,
    first_of,
    operation_cells,
    operation_numbering,
    operation_of,
    operation_rows,
    turn_cells,
    turn_numbering,
    turn_rows,
    turns_of,
)  # fmt: skip
from domain.workbook_layout import ARCHIVE, CONVERSATIONS, LAYOUT, OPERATIONS
from tests.assets.conversations_given import ZONE, exchange

HEADER = LAYOUT[CONVERSATIONS].header
FACTS: dict[str, Any] = {"tier": 3, "is_escalated": True}


def shown(rows: list[list[Any]]) -> list[list[str]]:
    """Cells as they are read again."""
    return [[str(cell).upper() if isinstance(cell, bool) else str(cell) for cell in row] for row in rows]


def test_conversation_columns_are_those_of_the_specification() -> None:
    turn = turns_of(exchange(1), ZONE)[0]
    assert list(turn_cells(turn)) == HEADER
    assert list(turn_cells(turn, "2026-03-01")) == LAYOUT[ARCHIVE].header
    assert list(operation_cells(operation_of(exchange(1), ZONE))) == LAYOUT[OPERATIONS].header


def test_a_turn_and_its_row_have_one_id() -> None:
    turns = turns_of(exchange(1, question="  연차\u200b 며칠?\r\n둘째 줄 ", **FACTS), ZONE)
    rows = [HEADER, *shown(arranged(map(turn_cells, turns), HEADER))]
    read = turn_rows(rows, ZONE)
    assert [turn_id(one) for one in read.records.values()] == [turn_id(one) for one in turns]
    assert list(read.records.values()) == list(turns)


def test_an_operation_and_its_row_have_one_id_whatever_the_vote() -> None:
    ours = operation_of(exchange(1, **FACTS), ZONE)
    header = LAYOUT[OPERATIONS].header
    rows = [header, *shown(arranged([operation_cells(replace(ours, feedback="up"))], header))]
    (found,) = operation_rows(rows, ZONE).identified(operation_numbering())
    assert found == operation_numbering()(ours)


def test_columns_may_stand_in_another_order() -> None:
    turns = turns_of(exchange(1), ZONE)
    header = [*reversed(HEADER), "ours"]
    rows = [header, *shown(arranged(map(turn_cells, turns), header))]
    assert list(turn_rows(rows, ZONE).records.values()) == list(turns)


def test_true_doubles_have_ids_of_their_own_in_every_walk() -> None:
    turn = turns_of(exchange(1), ZONE)[0]
    first, second = turn_numbering(), turn_numbering()
    ids = [first(turn), first(turn)]
    assert ids == [second(turn), second(turn)] == [turn_id(turn), f"{turn_id(turn)}-2"]
    assert first_of(ids[1]) == ids[0]


def test_a_long_message_is_cut_to_what_a_cell_holds() -> None:
    assert len(turns_of(exchange(1, answer="가" * 40_000), ZONE)[1].message) == MOST_MESSAGE


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("timestamp", "어제", "timestamp"),
        ("role", "system", "role"),
        ("tier", "4", "tier"),
        ("message", " ", "message"),
        ("userId", "", "userId"),
    ],
)
def test_a_bad_row_says_why_and_stops_no_other(column: str, cell: str, reason: str) -> None:
    (row,) = shown(arranged([turn_cells(turns_of(exchange(1), ZONE)[0])], HEADER))
    bad = [cell if name == column else value for name, value in zip(HEADER, row, strict=True)]
    read = turn_rows([HEADER, bad, [""] * len(HEADER), row], ZONE)
    assert (list(read.records), list(read.bad)) == ([4], [2])
    assert reason in read.bad[2]


def test_a_tab_without_a_column_it_needs_is_not_guessed_at() -> None:
    read = turn_rows([["sessionId", "message"], ["a", "b"]], ZONE)
    assert not read.records and list(read.bad) == [1]
    assert all(f"there is no column {name}" in read.bad[1] for name in ("userId", "timestamp", "role"))
    assert turn_rows([], ZONE).bad == {}


@pytest.mark.parametrize(("column", "cell", "meant"), [
    ("tier", "tier 1", "1"), ("score", "1.7", 1.0), ("score", "90%", 0.9), ("feedback", "+1", "up"),
    ("feedback", "1", "up"), ("feedback", "글쎄", ""),
])  # fmt: skip
def test_an_operation_is_read_as_the_check_of_a_workbook_reads_it(column: str, cell: str, meant: object) -> None:
    header = LAYOUT[OPERATIONS].header
    row = {name: str(value) for name, value in operation_cells(operation_of(exchange(1), ZONE)).items()} | {
        column: cell
    }
    (read,) = operation_rows([header, list(row.values())], ZONE).records.values()
    assert getattr(read, column) == meant
    assert [read] == list(workbook_rows.operations([header, list(row.values())], ZoneInfo(ZONE)).records.values())


@pytest.mark.parametrize(("role", "meant"), [("직원", "user"), ("질문자", "user"), ("assistant", "bot"), ("봇", "bot")])
def test_who_speaks_is_read_as_the_check_of_a_workbook_reads_it(role: str, meant: str) -> None:
    row = {**turn_cells(turns_of(exchange(1), ZONE)[0]), "role": role, "tier": "Tier 1"}
    (read,) = turn_rows([HEADER, [str(cell) for cell in row.values()]], ZONE).records.values()
    assert (read.role, read.tier) == (meant, "1")


@pytest.mark.parametrize("said", ["#N/A", "#REF!", "Loading..."])
def test_a_message_that_looks_like_a_broken_formula_is_a_message(said: str) -> None:
    row = {**turn_cells(turns_of(exchange(1, question=said), ZONE)[0])}
    (read,) = turn_rows([HEADER, [str(cell) for cell in row.values()]], ZONE).records.values()
    assert read.message == said


def test_a_column_is_read_where_it_is_written() -> None:
    row = [str(cell) for cell in turn_cells(turns_of(exchange(1), ZONE)[0]).values()]
    (read,) = turn_rows([["세션 ID", *HEADER], ["another", *row]], ZONE).records.values()
    assert read.session_id == row[0] and columns_of(["세션 ID", *HEADER])["sessionId"] == 1


def test_the_day_of_archiving_is_read_back() -> None:
    turn = turn_cells(turns_of(exchange(1), ZONE)[0], "2026-03-01")
    header = LAYOUT[ARCHIVE].header
    assert archived_days([header, *shown(arranged([turn], header))]) == {2: "2026-03-01"}
