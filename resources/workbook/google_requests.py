"""Changes and layouts as the requests of one ``spreadsheets.batchUpdate``.

Belongs here: what is sent for a change, what a new tab gets. Does not belong here: sending (``google``), columns and their
kinds (``domain/workbook_layout``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.workbook_layout import Column, Layout
from resources.workbook.base import Append, Change, Chart, DropRows, Formula, Note, Overwrite, SetCells, Value
from resources.workbook.cells import Area, harmless, header_note, runs

Json = dict[str, Any]
_MOST_TEXT = 50_000
"""Characters that Sheets allows in a cell."""
_NEW_ROWS = 1000
_HEADER = {
    "textFormat": {"bold": True},
    "backgroundColorStyle": {"rgbColor": {"red": 0.91, "green": 0.93, "blue": 0.97}},
}


@dataclass(slots=True)
class Grid:
    """A tab as Google has it: its size, which is not what is filled, and how many rows were filled when it was read."""

    sheet_id: int
    rows: int
    columns: int
    frozen: int = 0
    merges: list[Area] = field(default_factory=list[Area])
    filled: int | None = None


def grid(told: Json) -> Grid:
    """A sheet's metadata."""
    properties = told["properties"]
    shape = properties.get("gridProperties", {})
    merges = [
        Area(one.get("startRowIndex", 0), one.get("startColumnIndex", 0), one["endRowIndex"], one["endColumnIndex"])
        for one in told.get("merges", ())
        if "endRowIndex" in one and "endColumnIndex" in one
    ]
    return Grid(
        properties["sheetId"],
        shape.get("rowCount", 0),
        shape.get("columnCount", 0),
        shape.get("frozenRowCount", 0),
        merges,
    )


def change_requests(change: Change, tab: Grid) -> list[Json]:
    """What is sent for a change; ``tab`` is brought up to date with it."""
    match change:
        case Overwrite():
            room = _room(tab, 1 + len(change.rows), change.rows)
            # The range reaches to the end of the tab: what the rows do not cover is emptied.
            area = {"sheetId": tab.sheet_id, "startRowIndex": 1}
            cells = {"range": area, "rows": _rows(change.rows), "fields": "userEnteredValue"}
            if tab.rows <= 1:
                room += _more(tab, 2 - tab.rows, "ROWS")
            tab.filled = 1 + len(change.rows)
            return [*room, {"updateCells": cells}]
        case Append():
            return _append(change, tab)
        case SetCells():
            needed = max((row for row, _ in change.cells), default=0)
            wide = [[None] * column for _, column in change.cells]
            return _room(tab, needed, wide) + [
                _at(tab, row, column, {"userEnteredValue": _value(value)}, "userEnteredValue")
                for (row, column), value in change.cells.items()
            ]
        case Note():
            room = _room(tab, change.row, [[None] * change.column])
            note = {"note": harmless(change.text, _MOST_TEXT)} if change.text else {}
            return [*room, _at(tab, change.row, change.column, note, "note")]
        case DropRows():
            return _drop(change, tab)


def _append(change: Append, tab: Grid) -> list[Json]:
    """Behind the last row that was read, with the formats and checkboxes of that row. Rows that people typed there since are
    moved down, never written over. (Google's own ``appendCells`` takes checkboxes that nobody ticked for data, and would
    write below a thousand of them.)"""
    if not change.rows:
        return []
    assert tab.filled is not None, "the tab has not been read"
    top = max(tab.filled, 1)
    room = _room(tab, top, change.rows)
    span = {"sheetId": tab.sheet_id, "dimension": "ROWS", "startIndex": top, "endIndex": top + len(change.rows)}
    start = {"sheetId": tab.sheet_id, "rowIndex": top, "columnIndex": 0}
    tab.rows += len(change.rows)
    tab.filled = top + len(change.rows)
    return [
        *room,
        # Not the header's bold letters.
        {"insertDimension": {"range": span, "inheritFromBefore": top > 1}},
        {"updateCells": {"start": start, "rows": _rows(change.rows), "fields": "userEnteredValue"}},
    ]


def _drop(change: DropRows, tab: Grid) -> list[Json]:
    gone = [row for row in change.rows if row <= tab.rows]
    if not gone:
        return []
    # A sheet keeps at least one row that is not frozen.
    room = _more(tab, 1, "ROWS") if tab.rows - len(set(gone)) <= max(tab.frozen, 1) else []
    tab.rows -= len(set(gone))
    if tab.filled is not None:
        tab.filled = max(1, tab.filled - len(set(gone)))
    return room + [
        {
            "deleteDimension": {
                "range": {"sheetId": tab.sheet_id, "dimension": "ROWS", "startIndex": first - 1, "endIndex": last}
            }
        }
        for first, last in runs(gone)
    ]


def new_tab(
    layout: Layout, tab: Grid, editor: str, charts: Sequence[Chart] = (), *, examples: bool = True
) -> list[Json]:
    """A tab by its layout. ``editor`` is who alone, beside the owner, may edit a bot's tab."""
    columns = layout.columns
    tab.rows, tab.columns, tab.frozen = _NEW_ROWS, max(26, len(columns) + 8), 1
    rows: list[Json] = [{"values": [_header(layout, at) for at in range(len(columns))]}] if columns else []
    given = layout.examples if examples else ()
    rows += [{"values": [_example(column, value) for column, value in zip(columns, row, strict=True)]} for row in given]
    tab.filled = len(rows) or 1
    shape = {"rowCount": tab.rows, "columnCount": tab.columns, "frozenRowCount": 1}
    properties = {"sheetId": tab.sheet_id, "title": layout.name, "gridProperties": shape}
    made: list[Json] = [{"addSheet": {"properties": properties}}]
    if rows:
        start = {"sheetId": tab.sheet_id, "rowIndex": 0, "columnIndex": 0}
        fields = "userEnteredValue,userEnteredFormat,note"
        made.append({"updateCells": {"start": start, "rows": rows, "fields": fields}})
    for at, column in enumerate(columns if layout.writer != "bot" else ()):  # nobody chooses what Casebook writes
        area = {"sheetId": tab.sheet_id, "startRowIndex": 1, "startColumnIndex": at, "endColumnIndex": at + 1}
        made += _rules(column, area)
    if layout.writer == "bot":
        # Protected last: until then it is as free as any other.
        protected = {
            "range": {"sheetId": tab.sheet_id},
            "description": "Casebook",
            "warningOnly": False,
            "editors": {"users": [editor]},
        }
        made.append({"addProtectedRange": {"protectedRange": protected}})
    return made + [_chart(chart, number, layout, tab.sheet_id) for number, chart in enumerate(charts)]


def _rules(column: Column, area: Json) -> list[Json]:
    """What a column offers: others may be typed, and 'workbook check' tells of them. Checkboxes refuse what is not one."""
    if column.kind == "boolean":
        rule: Json = {"condition": {"type": "BOOLEAN"}, "strict": True}
        return [{"setDataValidation": {"range": area, "rule": rule}}]
    if column.choices:
        values = [{"userEnteredValue": choice} for choice in column.choices]
        rule = {"condition": {"type": "ONE_OF_LIST", "values": values}, "strict": False, "showCustomUi": True}
        return [{"setDataValidation": {"range": area, "rule": rule}}]
    if column.kind == "date":
        form = {"userEnteredFormat": {"numberFormat": {"type": "DATE", "pattern": "yyyy-mm-dd"}}}
        return [{"repeatCell": {"range": area, "cell": form, "fields": "userEnteredFormat.numberFormat"}}]
    return []


def _header(layout: Layout, at: int) -> Json:
    name = {"stringValue": layout.columns[at].name}
    return {"userEnteredValue": name, "userEnteredFormat": _HEADER, "note": header_note(layout, at)}


def _example(column: Column, value: str) -> Json:
    return {"userEnteredValue": _value(value == "TRUE" if column.kind == "boolean" else value)}


def _chart(chart: Chart, number: int, layout: Layout, sheet_id: int) -> Json:
    header = layout.header

    def source(name: str) -> Json:
        at = header.index(name)
        # No end: new rows appear in it.
        area = {"sheetId": sheet_id, "startRowIndex": 0, "startColumnIndex": at, "endColumnIndex": at + 1}
        return {"sourceRange": {"sources": [area]}}

    drawn = {
        "chartType": "LINE" if chart.kind == "line" else "COLUMN",
        "legendPosition": "BOTTOM_LEGEND",
        "headerCount": 1,
        "domains": [{"domain": source(header[0])}],
        "series": [{"series": source(name), "targetAxis": "LEFT_AXIS"} for name in chart.columns if name in header],
    }
    anchor = {"sheetId": sheet_id, "rowIndex": 1 + number * 19, "columnIndex": len(header) + 1}
    return {
        "addChart": {
            "chart": {
                "spec": {"title": chart.title, "basicChart": drawn},
                "position": {"overlayPosition": {"anchorCell": anchor}},
            }
        }
    }


def _rows(rows: Sequence[Sequence[Value]]) -> list[Json]:
    return [{"values": [{"userEnteredValue": _value(value)} for value in row]} for row in rows]


def _value(value: Value) -> Json:
    """An ExtendedValue: a string is one, whatever it begins with; nothing is computed from it."""
    match value:
        case None | "":
            return {}
        case Formula():
            return {"formulaValue": value.text}
        case bool():
            return {"boolValue": value}
        case int() | float():
            return {"numberValue": value}
        case str():
            return {"stringValue": harmless(value, _MOST_TEXT)}


def _at(tab: Grid, row: int, column: int, cell: Json, fields: str) -> Json:
    start = {"sheetId": tab.sheet_id, "rowIndex": row - 1, "columnIndex": column - 1}
    return {"updateCells": {"start": start, "rows": [{"values": [cell]}], "fields": fields}}


def _room(tab: Grid, rows: int, wide: Sequence[Sequence[Any]]) -> list[Json]:
    """Make the grid as large as what comes."""
    columns = max(map(len, wide), default=0)
    made = _more(tab, rows - tab.rows, "ROWS") if rows > tab.rows else []
    return made + (_more(tab, columns - tab.columns, "COLUMNS") if columns > tab.columns else [])


def _more(tab: Grid, count: int, dimension: str) -> list[Json]:
    if dimension == "ROWS":
        tab.rows += count
    else:
        tab.columns += count
    return [{"appendDimension": {"sheetId": tab.sheet_id, "dimension": dimension, "length": count}}]
