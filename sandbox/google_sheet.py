"""A spreadsheet of the stand-in for Google: tabs, cells, and what ``spreadsheets.batchUpdate`` does to them.

Belongs here: the state, the requests that change it, how a value is shown. Does not belong here: HTTP, who may do what and
how often (``google_account``, ``google``).

A formula is kept, not computed: it shows what a person's edit said that it comes to, else nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]
MOST_CELLS = 10_000_000


class Invalid(Exception):
    """What Google refuses with 400 INVALID_ARGUMENT."""


@dataclass(slots=True)
class Cell:
    """``value`` is an ExtendedValue as the API has it, ``result`` what a formula comes to."""

    value: Json = field(default_factory=dict[str, Any])
    note: str = ""
    validation: Json | None = None
    format: Json | None = None
    result: Any = None

    def shown(self) -> str:
        """FORMATTED_VALUE, of a cell that is no checkbox."""
        value = self.value
        if "formulaValue" in value:
            return _shown(self.result)
        return _shown(next(iter(value.values()))) if value else ""

    def entered(self) -> Any:
        """FORMULA and UNFORMATTED_VALUE."""
        return next(iter(self.value.values()), "")


@dataclass(slots=True)
class Sheet:
    """One tab: rows of cells, as far as there are any, on a grid. ``rules``: the validation of a whole column, from a row
    on."""

    sheet_id: int
    title: str
    rows: list[list[Cell]] = field(default_factory=list[list[Cell]])
    row_count: int = 1000
    column_count: int = 26
    frozen: int = 0
    merges: list[Json] = field(default_factory=list[Json])
    protected: list[Json] = field(default_factory=list[Json])
    charts: list[Json] = field(default_factory=list[Json])
    rules: dict[int, tuple[int, Json]] = field(default_factory=dict[int, tuple[int, Json]])

    def copy(self) -> "Sheet":
        rows = [[replace(cell) for cell in row] for row in self.rows]
        lists = {name: list(getattr(self, name)) for name in ("merges", "protected", "charts")}
        return replace(self, rows=rows, rules=dict(self.rules), **lists)

    def cell(self, row: int, column: int) -> Cell:
        """The cell at a place, from 0; made where there is none yet."""
        if not (0 <= row < self.row_count and 0 <= column < self.column_count):
            raise Invalid(f"Range ({self.title}!R{row + 1}C{column + 1}) exceeds grid limits.")
        while len(self.rows) <= row:
            self.rows.append([])
        cells = self.rows[row]
        while len(cells) <= column:
            cells.append(Cell())
        return cells[column]

    def shown(self, row: int) -> list[str]:
        """A row's cells as a person sees them. An unticked checkbox that nobody touched is FALSE, too."""
        cells = [cell.shown() for cell in self.rows[row]] if row < len(self.rows) else []
        for column in self._checkboxes(row):
            cells.extend("" for _ in range(column + 1 - len(cells)))
            cells[column] = cells[column] or "FALSE"
        return cells

    def _checkboxes(self, row: int) -> list[int]:
        own = [at for at, cell in enumerate(self.rows[row]) if cell.validation] if row < len(self.rows) else []
        listed = [at for at in own if _is_checkbox(self.rows[row][at].validation)]
        return listed + [at for at, (first, rule) in self.rules.items() if row >= first and _is_checkbox(rule)]

    def height(self) -> int:
        """Rows in which there may be anything to see."""
        has_boxes = any(_is_checkbox(rule) for _, rule in self.rules.values())
        return self.row_count if has_boxes else len(self.rows)

    def values(self) -> list[list[str]]:
        """As a person sees it, without what is empty at the end."""
        rows = [_trimmed(self.shown(row)) for row in range(self.height())]
        while rows and not rows[-1]:
            rows.pop()
        return rows

    def last(self) -> int:
        """Rows with data; a checkbox is data."""
        return len(self.values())

    def metadata(self) -> Json:
        shape: Json = {"rowCount": self.row_count, "columnCount": self.column_count}
        if self.frozen:
            shape["frozenRowCount"] = self.frozen
        told: Json = {
            "properties": {"sheetId": self.sheet_id, "title": self.title, "sheetType": "GRID", "gridProperties": shape}
        }
        listed = (("merges", self.merges), ("protectedRanges", self.protected), ("charts", self.charts))
        return told | {name: value for name, value in listed if value}


@dataclass(slots=True)
class Spreadsheet:
    """One file: its tabs in order, and its metadata. ``version`` grows with every change."""

    file_id: str
    title: str
    sheets: list[Sheet] = field(default_factory=list[Sheet])
    developer: dict[int, Json] = field(default_factory=dict[int, Json])
    version: int = 1
    _made: int = 0

    def copy(self) -> "Spreadsheet":
        return replace(
            self,
            sheets=[sheet.copy() for sheet in self.sheets],
            developer={name: dict(value) for name, value in self.developer.items()},
        )

    def sheet(self, title: str) -> Sheet:
        for sheet in self.sheets:
            if sheet.title == title:
                return sheet
        raise Invalid(f"Unable to parse range: {title}")

    def by_id(self, sheet_id: Any) -> Sheet:
        for sheet in self.sheets:
            if sheet.sheet_id == sheet_id:
                return sheet
        raise Invalid(f"No grid with id: {sheet_id}")

    def metadata(self, url: str) -> Json:
        told: Json = {
            "spreadsheetId": self.file_id,
            "properties": {"title": self.title, "locale": "ko_KR", "timeZone": "Asia/Seoul"},
            "sheets": [sheet.metadata() for sheet in self.sheets],
            "spreadsheetUrl": url,
        }
        return told | ({"developerMetadata": list(self.developer.values())} if self.developer else {})

    def add(self, title: str, rows: Sequence[Sequence[Any]] = (), sheet_id: int | None = None) -> Sheet:
        if any(sheet.title == title for sheet in self.sheets):
            raise Invalid(f'A sheet with the name "{title}" already exists. Please enter another name.')
        if sheet_id is None:
            sheet_id = max((sheet.sheet_id for sheet in self.sheets), default=-1) + 1
        if any(sheet.sheet_id == sheet_id for sheet in self.sheets):
            raise Invalid(f"A sheet with id {sheet_id} already exists.")
        sheet = Sheet(sheet_id, title, row_count=max(1000, len(rows) + 100))
        self.sheets.append(sheet)
        for number, row in enumerate(rows):
            sheet.column_count = max(sheet.column_count, len(row))
            for column, value in enumerate(row):
                if value != "":
                    sheet.cell(number, column).value = typed(value)
        return sheet

    def update(self, requests: Sequence[Json], email: str) -> list[Json]:
        """Do a batch for whoever has that e-mail. Raises ``Invalid``; the caller gives a copy, and keeps it if all went
        well: a batch is done as a whole or not at all."""
        replies: list[Json] = []
        for number, request in enumerate(requests):
            if len(request) != 1 or (kind := next(iter(request))) not in KINDS:
                raise Invalid(f"Invalid requests[{number}]: No request set or unknown kind.")
            try:
                replies.append(KINDS[kind](self, request[kind], email) or {})
            except Invalid as wrong:
                raise Invalid(f"Invalid requests[{number}].{kind}: {wrong}") from None
            except (KeyError, TypeError, ValueError) as wrong:
                raise Invalid(f"Invalid requests[{number}].{kind}: {type(wrong).__name__} {wrong}") from None
        if sum(sheet.row_count * sheet.column_count for sheet in self.sheets) > MOST_CELLS:
            raise Invalid(
                "This action would increase the number of cells in the workbook above the limit of 10000000 cells."
            )
        return replies


def typed(value: Any) -> Json:
    """What Google makes of what a person types: USER_ENTERED."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, (int, float)):
        return {"numberValue": value}
    text = str(value)
    if text.startswith("="):
        return {"formulaValue": text}
    if text in ("TRUE", "FALSE"):
        return {"boolValue": text == "TRUE"}
    return {"stringValue": text.removeprefix("'")} if text else {}


def _is_checkbox(rule: Json | None) -> bool:
    return rule is not None and rule["condition"]["type"] == "BOOLEAN"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:.15g}"
    return "" if value is None else str(value)


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    return cells


# --- requests of a batch -----------------------------------------------------------------------------------------------


def _editable(sheet: Sheet, email: str) -> Sheet:
    for one in sheet.protected:
        if not one.get("warningOnly") and email not in one.get("editors", {}).get("users", []):
            raise Invalid("You are trying to edit a protected cell or object. Please contact the spreadsheet owner.")
    return sheet


def _area(sheet: Sheet, given: Json) -> tuple[range, range]:
    rows = range(given.get("startRowIndex", 0), given.get("endRowIndex", sheet.row_count))
    columns = range(given.get("startColumnIndex", 0), given.get("endColumnIndex", sheet.column_count))
    if rows.stop > sheet.row_count or columns.stop > sheet.column_count or rows.start > rows.stop:
        raise Invalid("GridRange exceeds grid limits.")
    return rows, columns


def _add_sheet(book: Spreadsheet, given: Json, _: str) -> Json:
    properties = given["properties"]
    sheet = book.add(properties["title"], (), properties.get("sheetId"))
    shape = properties.get("gridProperties", {})
    sheet.row_count = shape.get("rowCount", sheet.row_count)
    sheet.column_count = shape.get("columnCount", sheet.column_count)
    sheet.frozen = shape.get("frozenRowCount", 0)
    return {"addSheet": sheet.metadata()}


def _delete_sheet(book: Spreadsheet, given: Json, email: str) -> None:
    book.sheets.remove(_editable(book.by_id(given["sheetId"]), email))


def _update_cells(book: Spreadsheet, given: Json, email: str) -> None:
    fields = _fields(given)
    if "range" in given:
        sheet = _editable(book.by_id(given["range"].get("sheetId", 0)), email)
        rows, columns = _area(sheet, given["range"])
        # What the rows do not cover is cleared; only what is there needs it.
        for row in range(rows.start, min(rows.stop, len(sheet.rows))):
            for column in range(columns.start, min(columns.stop, len(sheet.rows[row]))):
                _put(sheet.rows[row][column], {}, fields)
    else:
        start = given["start"]
        sheet = _editable(book.by_id(start.get("sheetId", 0)), email)
        rows = range(start.get("rowIndex", 0), sheet.row_count)
        columns = range(start.get("columnIndex", 0), sheet.column_count)
    data = given.get("rows", [])
    if len(data) > len(rows):
        raise Invalid("Attempting to write row outside of the grid.")
    _write(sheet, rows.start, columns.start, data, fields)


def _append_cells(book: Spreadsheet, given: Json, email: str) -> None:
    sheet = _editable(book.by_id(given.get("sheetId", 0)), email)
    top, data = sheet.last(), given["rows"]
    sheet.row_count = max(sheet.row_count, top + len(data))
    _write(sheet, top, 0, data, _fields(given))


def _fields(given: Json) -> set[str]:
    known = {"userEnteredValue", "note", "dataValidation", "userEnteredFormat"}
    fields = {one.split(".")[0].split("(")[0] for one in given["fields"].split(",")}
    if not fields <= known:
        raise Invalid(f"Invalid field: {', '.join(fields - known)}")
    return fields


def _write(sheet: Sheet, top: int, left: int, data: Sequence[Json], fields: set[str]) -> None:
    for row, one in enumerate(data, top):
        for column, cell in enumerate(one.get("values", []), left):
            _put(sheet.cell(row, column), cell, fields)


def _put(cell: Cell, given: Json, fields: set[str]) -> None:
    if "userEnteredValue" in fields:
        value = given.get("userEnteredValue", {})
        if len(value) > 1 or not set(value) <= {"stringValue", "numberValue", "boolValue", "formulaValue"}:
            raise Invalid(f"Invalid value at 'userEnteredValue': {sorted(value)}")
        if not str(value.get("formulaValue", "=")).startswith("="):
            raise Invalid("A formula begins with '='.")
        if len(str(value.get("stringValue", ""))) > 50_000:
            raise Invalid("Your input contains more than the maximum of 50000 characters in a single cell.")
        cell.value, cell.result = dict(value), None
    if "note" in fields:
        cell.note = given.get("note", "")
    if "dataValidation" in fields:
        cell.validation = given.get("dataValidation")
    if "userEnteredFormat" in fields:
        cell.format = given.get("userEnteredFormat")


def _append_dimension(book: Spreadsheet, given: Json, email: str) -> None:
    sheet = _editable(book.by_id(given.get("sheetId", 0)), email)
    if given["dimension"] == "ROWS":
        sheet.row_count += given["length"]
    else:
        sheet.column_count += given["length"]


def _rows_of(book: Spreadsheet, given: Json, email: str) -> tuple[Sheet, int, int]:
    area = given["range"]
    sheet = _editable(book.by_id(area.get("sheetId", 0)), email)
    if area["dimension"] != "ROWS":
        raise Invalid("The sandbox inserts and deletes rows only.")
    first, last = area["startIndex"], area["endIndex"]
    if not 0 <= first < last:
        raise Invalid("Invalid dimension range.")
    return sheet, first, last


def _insert_dimension(book: Spreadsheet, given: Json, email: str) -> None:
    sheet, first, last = _rows_of(book, given, email)
    if first > sheet.row_count:
        raise Invalid("range.startIndex is outside of the grid.")
    sheet.row_count += last - first
    if first < len(sheet.rows) or given.get("inheritFromBefore"):
        before = sheet.rows[first - 1] if 0 < first <= len(sheet.rows) else []
        while len(sheet.rows) < first:
            sheet.rows.append([])
        made = [[Cell(validation=cell.validation, format=cell.format) for cell in before] for _ in range(first, last)]
        sheet.rows[first:first] = made


def _delete_dimension(book: Spreadsheet, given: Json, email: str) -> None:
    sheet, first, last = _rows_of(book, given, email)
    if last > sheet.row_count:
        raise Invalid("Cannot delete rows outside of the grid.")
    if sheet.row_count - (last - first) <= sheet.frozen:
        raise Invalid("You can't delete all the non-frozen rows.")
    del sheet.rows[first:last]
    sheet.row_count -= last - first


def _set_validation(book: Spreadsheet, given: Json, email: str) -> None:
    sheet = _editable(book.by_id(given["range"].get("sheetId", 0)), email)
    rule = given.get("rule")
    if rule and rule["condition"]["type"] not in ("BOOLEAN", "ONE_OF_LIST", "DATE_IS_VALID"):
        raise Invalid(f"Unknown condition {rule['condition']['type']}")
    rows, columns = _area(sheet, given["range"])
    if rule and "endRowIndex" not in given["range"]:
        sheet.rules.update(dict.fromkeys(columns, (rows.start, rule)))
        return
    for row in rows:
        for column in columns:
            sheet.cell(row, column).validation = rule


def _repeat_cell(book: Spreadsheet, given: Json, email: str) -> None:
    sheet = _editable(book.by_id(given["range"].get("sheetId", 0)), email)
    rows, columns = _area(sheet, given["range"])
    fields = _fields(given)
    if fields == {"userEnteredFormat"} and "endRowIndex" not in given["range"]:
        return  # a column's format, which changes nothing that is shown here
    for row in rows:
        for column in columns:
            _put(sheet.cell(row, column), given.get("cell", {}), fields)


def _protect(book: Spreadsheet, given: Json, email: str) -> Json:
    made = given["protectedRange"]
    sheet = _editable(book.by_id(made["range"].get("sheetId", 0)), email)
    book._made += 1
    sheet.protected.append(made | {"protectedRangeId": book._made})
    return {"addProtectedRange": {"protectedRange": sheet.protected[-1]}}


def _add_chart(book: Spreadsheet, given: Json, _: str) -> Json:
    made = given["chart"]
    anchor = made["position"]["overlayPosition"]["anchorCell"]
    for series in made["spec"]["basicChart"]["series"]:
        for source in series["series"]["sourceRange"]["sources"]:
            book.by_id(source.get("sheetId", 0))
    book._made += 1
    sheet = book.by_id(anchor.get("sheetId", 0))
    sheet.charts.append(made | {"chartId": book._made})
    return {"addChart": {"chart": sheet.charts[-1]}}


def _merge(book: Spreadsheet, given: Json, email: str) -> None:
    sheet = _editable(book.by_id(given["range"].get("sheetId", 0)), email)
    rows, columns = _area(sheet, given["range"])
    for row in rows:
        for column in columns:
            if (row, column) != (rows.start, columns.start):
                sheet.cell(row, column).value = {}
    sheet.merges.append(given["range"])


def _update_properties(book: Spreadsheet, given: Json, email: str) -> None:
    properties = given["properties"]
    sheet = _editable(book.by_id(properties.get("sheetId", 0)), email)
    if "title" in properties and "title" in given["fields"]:
        sheet.title = properties["title"]
    if "frozenRowCount" in given["fields"]:
        sheet.frozen = properties["gridProperties"]["frozenRowCount"]


def _create_developer(book: Spreadsheet, given: Json, _: str) -> Json:
    made = given["developerMetadata"]
    if made["metadataId"] in book.developer:
        raise Invalid("A developer metadata with that id already exists.")
    book.developer[made["metadataId"]] = dict(made)
    return {"createDeveloperMetadata": {"developerMetadata": made}}


def _update_developer(book: Spreadsheet, given: Json, _: str) -> Json:
    wanted = [one["developerMetadataLookup"]["metadataId"] for one in given["dataFilters"]]
    for metadata_id in wanted:
        if metadata_id not in book.developer:
            raise Invalid("No developer metadata matches.")
        book.developer[metadata_id]["metadataValue"] = given["developerMetadata"]["metadataValue"]
    return {"updateDeveloperMetadata": {"developerMetadata": [book.developer[one] for one in wanted]}}


KINDS: Mapping[str, Callable[[Spreadsheet, Json, str], Json | None]] = {
    "addSheet": _add_sheet,
    "deleteSheet": _delete_sheet,
    "updateSheetProperties": _update_properties,
    "updateCells": _update_cells,
    "appendCells": _append_cells,
    "appendDimension": _append_dimension,
    "insertDimension": _insert_dimension,
    "deleteDimension": _delete_dimension,
    "setDataValidation": _set_validation,
    "repeatCell": _repeat_cell,
    "mergeCells": _merge,
    "addProtectedRange": _protect,
    "addChart": _add_chart,
    "createDeveloperMetadata": _create_developer,
    "updateDeveloperMetadata": _update_developer,
}
