"""The hidden door of the stand-in for Google: what a person would do to a sheet, and what goes wrong.

Belongs here: ``/google/admin/COMPANY/...``, without a key. Does not belong here: what is moved (``google_account``).

    GET  key      the service account's JSON
         log      counters by kind ("read", "write", "drive", "docs"), 429s, faults, and every request
         sheet    every tab: rows as shown, formulas, notes, frozen rows, validations, protection, charts
    POST edit     {tab, row, column, value, result}   as a person types it; "result" is what a formula comes to
         rows     {tab, rows}      append, as typed
         tab      {do add|rename|delete|merge|resize, tab, to, area, rows, columns}
         share    {email, role writer|reader|none}    email: whose key, by default the account's own
         quota    {reads, writes, project, minute_seconds, retry_after, disabled}
         faults   {rate, kinds, limit, on, ...}       {} ends them
         doc      {title, paragraphs: [[style, text], ...]}
         reset {}   reset_log {}
"""

from collections.abc import Callable, Sequence
from typing import Any

import orjson

from sandbox.answers import Answer, as_json
from sandbox.faults import Faults
from sandbox.google_account import GoogleAccount, GoogleWorld, Options, Role
from sandbox.google_sheet import Invalid, Json, Sheet, typed


def administer(world: GoogleWorld, method: str, path: str, body: bytes, base: str) -> Answer:
    """Answer one admin request: 404 for an unknown action, 400 with the reason for wrong input."""
    name, _, action = path.removeprefix("/admin/").partition("/")
    account = world.account(name)
    if (method, action) == ("GET", "key"):
        return as_json(200, {"key": account.key(base)})
    act = ACTIONS.get((method, action))
    if act is None:
        return as_json(404, {"error": f"no such action: {method} {action}"})
    try:
        return as_json(200, act(account, **(orjson.loads(body) if body else {})))
    except (TypeError, ValueError, KeyError, Invalid) as wrong:
        return as_json(400, {"error": f"{type(wrong).__name__}: {wrong}"})


def _told(sheet: Sheet) -> Json:
    formulas: Json = {}
    notes: Json = {}
    validations = {str(column + 1): rule["condition"]["type"] for column, (_, rule) in sheet.rules.items()}
    for number, row in enumerate(sheet.rows, 1):
        for column, cell in enumerate(row, 1):
            at = f"{number},{column}"
            if "formulaValue" in cell.value:
                formulas[at] = cell.value["formulaValue"]
            if cell.note:
                notes[at] = cell.note
    return {
        "rows": sheet.values(),
        "formulas": formulas,
        "notes": notes,
        "validations": validations,
        "frozen": sheet.frozen,
        "protected": sheet.protected,
        "charts": sheet.charts,
        "grid": [sheet.row_count, sheet.column_count],
    }


def _changed(account: GoogleAccount) -> Json:
    account.spreadsheet.version += 1
    return {"version": account.spreadsheet.version}


def _edit(account: GoogleAccount, tab: str, row: int, column: int, value: Any, result: Any = None) -> Json:
    cell = account.spreadsheet.sheet(tab).cell(row - 1, column - 1)
    cell.value, cell.result = typed(value), result
    return _changed(account)


def _rows(account: GoogleAccount, tab: str, rows: Sequence[Sequence[Any]]) -> Json:
    sheet = account.spreadsheet.sheet(tab)
    top = sheet.last()
    sheet.row_count = max(sheet.row_count, top + len(rows))
    for number, row in enumerate(rows, top):
        for column, value in enumerate(row):
            sheet.cell(number, column).value = typed(value)
    return _changed(account)


def _tab(
    account: GoogleAccount,
    do: str,
    tab: str,
    to: str = "",
    area: Sequence[int] = (),
    rows: int = 1000,
    columns: int = 26,
) -> Json:
    """``area``: (top, left, bottom, right) from 0, the last two not included."""
    book = account.spreadsheet
    if do == "add":
        book.add(tab)
    elif do == "rename":
        book.sheet(tab).title = to
    elif do == "delete":
        book.sheets.remove(book.sheet(tab))
    elif do == "resize":
        book.sheet(tab).row_count, book.sheet(tab).column_count = rows, columns
    elif do == "merge":
        names = ("startRowIndex", "startColumnIndex", "endRowIndex", "endColumnIndex")
        merged = {"sheetId": book.sheet(tab).sheet_id} | dict(zip(names, area, strict=True))
        book.update([{"mergeCells": {"range": merged, "mergeType": "MERGE_ALL"}}], account.email)
    else:
        raise ValueError(f"do must be add, rename, delete, merge or resize, not {do}")
    return _changed(account)


def _share(account: GoogleAccount, role: Role, email: str = "") -> Json:
    account.shared[email or account.email] = role
    return {}


def _quota(account: GoogleAccount, **given: Any) -> Json:
    account.options = Options(**given)
    account.windows.clear()
    return {}


def _faults(account: GoogleAccount, **given: Any) -> Json:
    for name in ("ids", "on"):
        if given.get(name) is not None:
            given[name] = frozenset(given[name])
    if "kinds" in given:
        given["kinds"] = tuple(given["kinds"])
    account.faults = Faults(**given)
    return {}


def _doc(account: GoogleAccount, paragraphs: Sequence[tuple[str, str]], title: str = "") -> Json:
    document = account.document
    document["title"] = title or document["title"]
    document["paragraphs"] = list(paragraphs)
    document["revision"] += 1
    return {"id": account.doc_id}


def _reset(account: GoogleAccount) -> Json:
    account.begin()
    return {}


def _reset_log(account: GoogleAccount) -> Json:
    account.requests.clear()
    account.faulted.clear()
    return {}


ACTIONS: dict[tuple[str, str], Callable[..., Any]] = {
    ("GET", "log"): GoogleAccount.log,
    ("GET", "sheet"): lambda account: {sheet.title: _told(sheet) for sheet in account.spreadsheet.sheets},
    ("POST", "edit"): _edit,
    ("POST", "rows"): _rows,
    ("POST", "tab"): _tab,
    ("POST", "share"): _share,
    ("POST", "quota"): _quota,
    ("POST", "faults"): _faults,
    ("POST", "doc"): _doc,
    ("POST", "reset"): _reset,
    ("POST", "reset_log"): _reset_log,
}
