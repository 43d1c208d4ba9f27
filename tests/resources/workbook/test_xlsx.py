"""A workbook that is an .xlsx file: what cells say, what is kept, damaged and hostile files, writes that are cut off."""

import os
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook as Book
from openpyxl import load_workbook
from openpyxl.chart import LineChart, Reference
from openpyxl.styles import Font
from openpyxl.worksheet.datavalidation import DataValidation

from domain.errors import InputError, SourceRefused, SourceUnavailable
from domain.workbook_layout import CONVERSATIONS, DAILY, FAQ, LAYOUTS, TITLE
from resources.workbook import xlsx
from resources.workbook.base import Append, Chart, DropRows, Overwrite, Plan
from resources.workbook.xlsx import XlsxWorkbook
from tests.processes import Child
from tests.resources.workbook.places import rows_of

PLAN = Plan(TITLE, LAYOUTS, (Chart(DAILY, "질문", ("questions", "tier1")),))


def book_with(path: Path, *rows: tuple[Any, ...]) -> Book:
    book = Book()
    book.worksheets[0].title = FAQ
    book.worksheets[0].append(["header"])
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return book


def formula_with_result(path: Path, formula: bytes, result: bytes) -> None:
    """What a spreadsheet program saves; openpyxl saves no results."""
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    empty = b"<f>" + formula + b"</f><v></v>"
    assert empty in parts[sheet] or empty.replace(b"<v></v>", b"<v />") in parts[sheet]
    for one in (empty, empty.replace(b"<v></v>", b"<v />")):
        parts[sheet] = parts[sheet].replace(one, b"<f>" + formula + b"</f><v>" + result + b"</v>")
    with zipfile.ZipFile(path, "w") as package:
        for name, part in parts.items():
            package.writestr(name, part)


def test_typed_cells_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    book = book_with(path)
    sheet = book[FAQ]
    values = [
        date(2026, 2, 19),
        datetime(2026, 2, 19, 14, 30),  # noqa: DTZ001 -- as a cell has it
        time(9, 5),
        True,
        3.0,
        0.1 + 0.2,
        12345678901,
        None,
        " x ",
    ]
    sheet.append(values)
    sheet.append([7, 0.35, "#REF!"])
    sheet["A3"].number_format, sheet["B3"].number_format = "000", "0%"
    book.save(path)
    assert [row[:9] for row in rows_of(XlsxWorkbook(path), FAQ)] == [
        ["2026-02-19", "2026-02-19 14:30:00", "09:05:00", "TRUE", "3", "0.3", "12345678901", "", " x "],
        ["007", "35%", "#REF!", "", "", "", "", "", ""],
    ]


def test_merged_cells_all_have_the_value_of_their_first(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    book = book_with(path, ("인사", "a"), (None, "b"), (None, "c"))
    book[FAQ].merge_cells("A2:A4")
    book.save(path)
    workbook = XlsxWorkbook(path)
    assert rows_of(workbook, FAQ) == [["인사", "a"], ["인사", "b"], ["인사", "c"]]
    workbook.write([Append(FAQ, [["총무", "d"]]), DropRows(FAQ, [4])])
    assert rows_of(workbook, FAQ)[-1] == ["총무", "d"]
    workbook.write([Overwrite(FAQ, [["x"], ["y"], ["z"]])])
    assert rows_of(workbook, FAQ) == [["x"], ["y"], ["z"]]


@pytest.mark.parametrize(("formula", "result", "shown"), [(b"1+1", b"2", "2"), (b"2+3", b"5.5", "5.5")])
def test_a_formula_keeps_its_result_when_something_else_is_written(
    tmp_path: Path, formula: bytes, result: bytes, shown: str
) -> None:
    path = tmp_path / "w.xlsx"
    book_with(path, ("FAQ-1", f"={formula.decode()}"))
    formula_with_result(path, formula, result)
    workbook = XlsxWorkbook(path)
    assert rows_of(workbook, FAQ) == [["FAQ-1", shown]]
    for number in range(2):
        workbook.write([Append(CONVERSATIONS, [[f"s{number}"]])])
    assert rows_of(workbook, FAQ) == [["FAQ-1", shown]]
    assert load_workbook(path)[FAQ]["B2"].value == f"={formula.decode()}"


def test_formats_validations_and_charts_of_people_stay(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    book = book_with(path, ("a", 1), ("b", 2))
    sheet = book[FAQ]
    sheet["A2"].font = Font(bold=True, color="FF0000")
    rule = DataValidation("list", formula1='"a,b"')
    rule.add("A2:A10")
    sheet.add_data_validation(rule)
    chart: Any = LineChart()
    chart.add_data(Reference(sheet, 2, 1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "D2")
    sheet.column_dimensions["A"].width = 44
    book.save(path)
    XlsxWorkbook(path).write([Append(CONVERSATIONS, [["s"]])])
    kept: Any = load_workbook(path)[FAQ]
    assert (kept["A2"].font.b, kept["A2"].font.color.rgb, kept.column_dimensions["A"].width) == (True, "00FF0000", 44)
    assert [one.formula1 for one in kept.data_validations.dataValidation] == ['"a,b"']
    assert len(kept._charts) == 1


def test_a_new_file_has_drop_downs_notes_protection_and_charts(tmp_path: Path) -> None:
    path = tmp_path / "new" / "w.xlsx"
    XlsxWorkbook(path).create(PLAN)
    book: Any = load_workbook(path)
    assert book.properties.title == TITLE
    for layout in LAYOUTS:
        sheet = book[layout.name]
        assert sheet.freeze_panes == "A2"
        assert sheet["A1"].comment.text == "\n".join(layout.columns[0].meaning)
        assert sheet.protection.sheet is (layout.writer == "bot")
    rules = {str(one.sqref): one.formula1 for one in book[FAQ].data_validations.dataValidation}
    assert rules == {"B2:B1048576": '"인사,총무,회계"', "H2:H1048576": '"TRUE,FALSE"'}
    assert len(book[DAILY]._charts) == 1


def test_charts_reach_to_the_last_row(tmp_path: Path) -> None:
    workbook = XlsxWorkbook(tmp_path / "w.xlsx")
    workbook.create(PLAN)
    for days in (5, 9):
        workbook.write([Overwrite(DAILY, [[f"2026-02-{day:02}", day] for day in range(1, days + 1)])])
        chart: Any = load_workbook(tmp_path / "w.xlsx")[DAILY]._charts[0]  # pyright: ignore
        assert [one.val.numRef.f for one in chart.series] == [
            f"'{DAILY}'!$B$2:$B${days + 1}",
            f"'{DAILY}'!$C$2:$C${days + 1}",
        ]


def test_a_file_that_is_open_elsewhere_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    book_with(path, ("a",))
    before = path.read_bytes()
    for lock in (".~lock.w.xlsx#", "~$w.xlsx"):
        (tmp_path / lock).write_text("")
        with pytest.raises(SourceUnavailable, match="open in another program"):
            XlsxWorkbook(path).write([Append(FAQ, [["b"]])])
        assert rows_of(XlsxWorkbook(path), FAQ) == [["a"]]
        (tmp_path / lock).unlink()
    assert path.read_bytes() == before


def test_what_a_person_saves_meanwhile_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.xlsx"
    book_with(path, ("a",))
    saved: list[int] = []
    usual = XlsxWorkbook._check_closed

    def meanwhile(self: XlsxWorkbook) -> None:
        usual(self)
        if not saved:
            saved.append(1)
            book_with(path, ("a",), ("saved meanwhile",))

    monkeypatch.setattr(XlsxWorkbook, "_check_closed", meanwhile)
    XlsxWorkbook(path).write([Append(FAQ, [["b"]])])
    assert rows_of(XlsxWorkbook(path), FAQ) == [["a"], ["saved meanwhile"], ["b"]]


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_a_damaged_file_is_refused_and_nothing_is_made_over_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.xlsx"
    path.write_bytes(content)
    for call in (XlsxWorkbook(path).read, lambda: XlsxWorkbook(path).write([Append(FAQ, [["b"]])])):
        with pytest.raises(SourceRefused, match="damaged"):
            call()
    with pytest.raises(InputError, match="something else"):
        XlsxWorkbook(path).create(PLAN)
    assert path.read_bytes() == content


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "_MOST_BYTES", 1_000_000)
    path = tmp_path / "w.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/worksheets/sheet1.xml", b"<c " * 400_000)
    with pytest.raises(SourceRefused, match="Unpacked"):
        XlsxWorkbook(path).read()


def test_five_million_cells_are_counted_and_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        package.writestr("xl/worksheets/sheet1.xml", b"<c/>" + b'<c r="A1"/>' * 5_000_000)
    with pytest.raises(SourceRefused, match="more than 2,000,000 cells"):
        XlsxWorkbook(path).read()


def test_a_file_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="casebook workbook new"):
        XlsxWorkbook(tmp_path / "w.xlsx").read()
    (tmp_path / "d.xlsx").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        XlsxWorkbook(tmp_path / "d.xlsx").create(PLAN)


def killed_at(say: Callable[[Any], None], path: Path, step: int) -> None:
    """Append a row and die at the disk's ``step``-th change, as by kill -9."""
    steps = 0

    def dies(work: Callable[..., Any]) -> Callable[..., Any]:
        def once(*given: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > step:
                if work is usual:  # half of the file is there
                    given[0].write_bytes(given[1][: len(given[1]) // 2])
                os.kill(os.getpid(), 9)
            return work(*given, **named)

        return once

    usual = xlsx.write_synced
    xlsx.write_synced = dies(usual)
    Path.replace = dies(Path.replace)  # type: ignore[method-assign]
    xlsx.sync_folder = dies(xlsx.sync_folder)
    XlsxWorkbook(path).write([Append(FAQ, [["new"]])])
    say("done")


@pytest.mark.parametrize(("step", "is_written"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_write_that_is_killed_leaves_the_old_file_or_the_new_one(tmp_path: Path, step: int, is_written: bool) -> None:
    path = tmp_path / "w.xlsx"
    book_with(path, ("old",))
    with Child(killed_at, path, step) as child:
        if step == 3:
            assert child.hear() == "done"
        else:
            with pytest.raises(AssertionError):
                child.hear()
    assert rows_of(XlsxWorkbook(path), FAQ) == [["old"], ["new"]] if is_written else [["old"]]
    XlsxWorkbook(path).write([Append(FAQ, [["next"]])])
    assert rows_of(XlsxWorkbook(path), FAQ)[-1] == ["next"]
    assert [one.name for one in tmp_path.iterdir()] == ["w.xlsx"]


@pytest.mark.parametrize(("row", "column"), [(1_048_576, 16_384), (1_048_576, 3), (200, 16_384)])
def test_a_cell_far_away_is_told_and_takes_no_memory(tmp_path: Path, row: int, column: int) -> None:
    """16,384 cells in each of a million rows, all but one of them empty, were 23 GB."""
    book = book_with(tmp_path / "w.xlsx", *(["an answer"] for _ in range(150)))
    book[FAQ].cell(row, column, "stray")
    book.save(tmp_path / "w.xlsx")
    with pytest.raises(
        SourceRefused, match=rf"The tab FAQ reaches to row {row:,} and to column {column:,}\."
    ) as refused:
        XlsxWorkbook(tmp_path / "w.xlsx").read()
    assert "Ctrl+End" in refused.value.remedy


def test_many_rows_with_a_cell_far_away_take_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.workbook.cells.MOST_CELLS", 100_000)
    book = book_with(tmp_path / "w.xlsx")
    for row in range(2, 1000):
        book[FAQ].cell(row, 16_384, "stray")
    book.save(tmp_path / "w.xlsx")
    tracemalloc.start()
    with pytest.raises(SourceRefused, match=r"The tab FAQ reaches to row [78] "):
        XlsxWorkbook(tmp_path / "w.xlsx").read()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 30e6, "a thousand rows of 16,384 cells are 131 MB"


def test_rows_that_are_not_in_order_take_no_memory_either(tmp_path: Path) -> None:
    path, far = tmp_path / "w.xlsx", b'<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>far</t></is></c></row>'
    book_with(path, ["an answer"])
    with zipfile.ZipFile(path) as package:
        parts = {name: package.read(name) for name in package.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = parts[sheet].replace(b"<sheetData>", b"<sheetData>" + far, 1)
    with zipfile.ZipFile(path, "w") as package:
        for name, part in parts.items():
            package.writestr(name, part)
    with pytest.raises(SourceRefused):
        XlsxWorkbook(path).read()


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xlsx")
    (tmp_path / "device.xlsx").symlink_to("/dev/zero")
    (tmp_path / "folder.xlsx").mkdir()
    for name in ("pipe", "device", "folder"):
        with pytest.raises(SourceRefused, match="is no file"):
            XlsxWorkbook(tmp_path / f"{name}.xlsx").revision()
