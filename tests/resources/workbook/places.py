"""The three kinds of workbook as the contract's tests see them: a place, and a person who edits it."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from resources.workbook.base import Workbook
from resources.workbook.csv_folder import CsvFolder
from resources.workbook.google import GoogleWorkbook
from resources.workbook.xlsx import XlsxWorkbook
from sandbox.serve import Sandbox


class Place:
    """Where a workbook is. ``open`` gives it anew, as another run would."""

    def open(self) -> Workbook:
        raise NotImplementedError

    def type(self, tab: str, row: int, column: int, value: Any) -> None:
        """A person types something into a cell."""
        raise NotImplementedError

    def notes(self, tab: str) -> dict[tuple[int, int], str]:
        """The notes below the header."""
        raise NotImplementedError

    def formulas(self, tab: str) -> list[str]:
        """What a spreadsheet program would compute."""
        raise NotImplementedError


class CsvPlace(Place):
    def __init__(self, folder: Path) -> None:
        self.folder = folder / "workbook"

    def open(self) -> Workbook:
        return CsvFolder(self.folder)

    def rows(self, tab: str) -> list[list[str]]:
        with (self.folder / f"{tab}.csv").open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file))

    def type(self, tab: str, row: int, column: int, value: Any) -> None:
        rows = self.rows(tab)
        rows += [[] for _ in range(row - len(rows))]
        rows[row - 1] += [""] * (column - len(rows[row - 1]))
        rows[row - 1][column - 1] = value
        with (self.folder / f"{tab}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)

    def notes(self, tab: str) -> dict[tuple[int, int], str]:
        path = self.folder / "notes.tsv"
        lines = list(csv.reader(path.read_text("utf-8-sig").splitlines(), delimiter="\t"))[1:] if path.exists() else []
        return {(int(row), int(column)): text for name, row, column, text in lines if name == tab}

    def formulas(self, tab: str) -> list[str]:
        return [cell for row in self.rows(tab) for cell in row if cell[:1] in ("=", "+", "-", "@")]


class XlsxPlace(Place):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "workbook.xlsx"

    def open(self) -> Workbook:
        return XlsxWorkbook(self.path)

    def type(self, tab: str, row: int, column: int, value: Any) -> None:
        book = load_workbook(self.path)
        book[tab].cell(row, column).value = value
        book.save(self.path)

    def notes(self, tab: str) -> dict[tuple[int, int], str]:
        cells = (cell for row in load_workbook(self.path)[tab].iter_rows(min_row=2) for cell in row)
        return {(cell.row, cell.column): cell.comment.text for cell in cells if cell.comment}  # pyright: ignore

    def formulas(self, tab: str) -> list[str]:
        return [
            str(cell.value)
            for row in load_workbook(self.path)[tab].iter_rows()
            for cell in row
            if cell.data_type == "f"
        ]


class GooglePlace(Place):
    """``company``: each has a sheet of its own in the sandbox."""

    def __init__(self, sandbox: Sandbox, company: str) -> None:
        self.sandbox, self.company = sandbox, company
        self.key = sandbox.google_key(company)

    def open(self) -> GoogleWorkbook:
        return GoogleWorkbook(self.sandbox.sheet_url(self.company), self.key, self.sandbox.google_url)

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.google_admin(self.company, action, **given)

    def empty(self) -> None:
        """As a person has it who just made a file and shared it."""
        self.admin("reset")
        for tab in self.admin("sheet"):
            if tab != "FAQ":
                self.admin("tab", do="delete", tab=tab)
        self.admin("tab", do="rename", tab="FAQ", to="시트1")
        self.admin("reset_log")

    def type(self, tab: str, row: int, column: int, value: Any) -> None:
        self.admin("edit", tab=tab, row=row, column=column, value=value)

    def notes(self, tab: str) -> dict[tuple[int, int], str]:
        found = {tuple(map(int, at.split(","))): text for at, text in self.admin("sheet")[tab]["notes"].items()}
        return {(row, column): text for (row, column), text in found.items() if row > 1}

    def formulas(self, tab: str) -> list[str]:
        return list(self.admin("sheet")[tab]["formulas"].values())

    def asked(self) -> list[str]:
        """The kinds of all requests, in order."""
        return [one["kind"] for one in self.admin("log")["log"]]


def rows_of(workbook: Workbook, tab: str) -> list[list[str]]:
    """The rows below the header."""
    return [list(row) for row in workbook.read().tabs[tab].rows[1:]]


def key_with(key: str, **changed: Any) -> str:
    return json.dumps(json.loads(key) | changed)


def without_end(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows without the empty cells at their end."""
    return [list(row[: max((at for at, cell in enumerate(row, 1) if cell), default=0)]) for row in rows]
