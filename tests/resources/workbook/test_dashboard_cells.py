"""Cells of dashboards: formulas over 운영로그 where the sheet can, values else.

Belongs here: ``dashboard_cells``, ``tab_changes`` of dashboards, ``charts``. Does not belong here: what the formulas come to:
LibreOffice gave the same as our values for each cell of a month (docs/conversations.md).
"""

from domain.dashboard import Figures, columns
from domain.workbook_layout import LAYOUT
from resources.workbook.base import Append, Formula, Overwrite, SetCells
from resources.workbook.charts import CHARTS
from resources.workbook.dashboard_cells import dashboard_cells
from resources.workbook.tab_changes import Shown, dashboard_changes

DAY = Figures("2026-02-19", 3, {"1": 2, "3": 1}, {"인사": 3}, 0, 1, 100, 200, 1, 0, {"=연차": 3})
HEADER = LAYOUT["대시보드_일간"].header


def test_counts_are_formulas_over_the_operations_log() -> None:
    (cells,) = dashboard_cells([DAY], "date", as_formulas=True)
    assert cells["questions"] == Formula("=COUNTIFS('운영로그'!$A:$A,\"2026-02-19*\")")
    assert cells["인사"] == Formula("=COUNTIFS('운영로그'!$A:$A,\"2026-02-19*\",'운영로그'!$D:$D,\"인사\")")
    values = {name for name, cell in cells.items() if not isinstance(cell, Formula)}
    assert values == {"date", "latencyP50", "latencyP95", "topKeywords"}


def test_where_the_sheet_cannot_they_are_values() -> None:
    assert dashboard_cells([DAY], "date", as_formulas=False) == [columns(DAY, "date")]


def test_formulas_follow_columns_that_were_moved() -> None:
    header = ["note", *LAYOUT["운영로그"].header]
    (cells,) = dashboard_cells([DAY], "date", as_formulas=True, header=header)
    assert cells["questions"] == Formula("=COUNTIFS('운영로그'!$B:$B,\"2026-02-19*\")")


def test_what_a_user_asked_is_in_no_formula() -> None:
    (cells,) = dashboard_cells([DAY], "date", as_formulas=True)
    assert not any("연차" in cell.text for cell in cells.values() if isinstance(cell, Formula))
    assert cells["topKeywords"] == "=연차 (3)"


def test_a_day_is_written_again_only_when_its_cells_are_others() -> None:
    (cells,) = dashboard_cells([DAY], "date", as_formulas=True)
    tab = Shown("대시보드_일간", [HEADER, ["2026-02-19", *["#REF!"] * (len(HEADER) - 1)]])
    assert dashboard_changes(tab, {"2026-02-19": cells}, {"2026-02-19": "a"}, {"2026-02-19": "a"}, "date") == []
    (change,) = dashboard_changes(tab, {"2026-02-19": cells}, {"2026-02-19": "a"}, {"2026-02-19": "b"}, "date")
    assert isinstance(change, SetCells) and change.cells[2, 2] == cells["questions"]


def test_days_stay_in_order_and_days_that_are_not_ours_stay() -> None:
    wanted = {f"2026-02-{day}": columns(Figures(f"2026-02-{day}", day), "date") for day in (17, 19)}
    known = dict.fromkeys(wanted, "a")
    tab = Shown("대시보드_일간", [HEADER, ["2026-02-18", "7", *[""] * (len(HEADER) - 2)]])
    (change,) = dashboard_changes(tab, wanted, {}, known, "date")
    assert isinstance(change, Overwrite)
    assert [row[:2] for row in change.rows] == [["2026-02-17", 17], ["2026-02-18", 7.0], ["2026-02-19", 19]]
    (later,) = dashboard_changes(tab, {"2026-02-19": wanted["2026-02-19"]}, {}, known, "date")
    assert isinstance(later, Append)


def test_charts_are_of_columns_that_there_are() -> None:
    assert {chart.tab for chart in CHARTS} == {"대시보드_일간", "대시보드_월간"}
    assert all(set(chart.columns) <= set(LAYOUT[chart.tab].header) for chart in CHARTS)
