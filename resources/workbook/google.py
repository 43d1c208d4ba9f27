"""A workbook that is a Google Sheets file, shared with a service account.

Belongs here: the address, and which requests a reading, a writing and a making are. Does not belong here: the account, limits
and errors (``google_client``), what is sent for a change (``google_requests``).

Requests of a night: one asks Drive whether anything changed; if so, two more read (the tabs' names and sizes, then all
values); what is to be written is one more.
"""

import logging
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gspread.urls import DRIVE_FILES_API_V3_URL

from domain.errors import InputError, SourceRefused
from resources.workbook.base import MOST_CELLS, Append, Change, Plan, Snapshot
from resources.workbook.cells import check_cells, layout_of, make_tab, ordered
from resources.workbook.charts import CHARTS
from resources.workbook.google_client import GoogleClient, Refused
from resources.workbook.google_requests import Grid, Json, change_requests, grid, new_tab

log = logging.getLogger(__name__)

_ID = re.compile(r"/spreadsheets/(?:u/\d+/)?d/([A-Za-z0-9_-]{10,})(?:/|$)")
_HOST = "docs.google.com"
_MARKS = "developerMetadata(metadataId,metadataValue)"
_SHAPE = "sheetId,title,sheetType,gridProperties(rowCount,columnCount,frozenRowCount)"
_FIELDS = f"properties.title,sheets(properties({_SHAPE}),merges),{_MARKS}"
_MARK, _MARK_ID = "casebook-write", 20_260_219
"""Metadata of the file that says which write was the last: one of which no answer came is not written twice."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the process knows of a sheet: its tabs as they were at a revision. Who finds the same revision need not ask."""

    revision: str
    grids: Mapping[str, Grid]
    mark: str | None


_SEEN: dict[tuple[str, str], _Seen] = {}


class GoogleWorkbook:
    """``Workbook`` (see ``base``) at Google. ``google_url`` is where Google's APIs are, "" for Google. Raises ``InputError``
    for an address that is none, and for a key that is none."""

    def __init__(self, place_url: str, service_account_json: str, google_url: str = "") -> None:
        self._place = place_url.strip()
        self._id = sheet_id(self._place, google_url)
        self._client = GoogleClient(service_account_json, google_url)
        self._grids: dict[str, Grid] = {}
        self._mark: str | None = None
        self._said_drive = False
        self._revision = ""
        self._key = (google_url, self._id)

    @property
    def place(self) -> str:
        return self._place

    @property
    def email(self) -> str:
        """Whom the sheet must be shared with."""
        return self._client.email

    @property
    def requests(self) -> int:
        return self._client.requests

    def revision(self) -> str:
        """Drive's version of the file; "" where the project has no Drive API, which is said once."""
        self._revision = self._version()
        seen = _SEEN.get(self._key)
        if self._revision and seen and seen.revision == self._revision and not self._grids:
            self._grids, self._mark = dict(deepcopy(seen.grids)), seen.mark
        return self._revision

    def _version(self) -> str:
        params: Any = {"fields": "version,modifiedTime", "supportsAllDrives": "true"}
        url = f"{DRIVE_FILES_API_V3_URL}/{self._id}"
        try:
            told = self._client.ask(
                "drive", self._place, lambda: self._client.http.request("get", url, params=params).json()
            )
        except Refused as refused:
            if refused.status != 403:
                raise
            if not self._said_drive:
                self._said_drive = True
                log.warning(
                    "Drive does not tell whether the workbook changed: it is read each time. %s", refused.remedy
                )
            return ""
        version = told if isinstance(told, dict) else {}
        return f"{version.get('version', '')} {version.get('modifiedTime', '')}".strip()

    def read(self) -> Snapshot:
        title = self._look()
        values: dict[str, list[list[str]]] = {}
        counts: dict[str, int] = {}
        for names in self._blocks():
            for name, rows in zip(names, self._values(names), strict=True):
                values[name] = rows
                counts[name] = sum(map(len, rows))
            check_cells(self._place, sum(counts.values()), counts)
        tabs = {name: make_tab(name, rows, self._grids[name].merges) for name, rows in values.items()}
        for name, tab in tabs.items():
            self._grids[name].filled = len(tab.rows)
        if self._revision:
            _SEEN[self._key] = _Seen(self._revision, deepcopy(self._grids), self._mark)
        return Snapshot(title, tabs, self._revision)

    def write(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        self._know(changes)
        requests: list[Json] = []
        for change in ordered(changes):
            if change.tab not in self._grids:
                requests += self._made(change.tab)
            requests += change_requests(change, self._grids[change.tab])
        self._send(requests)

    def create(self, plan: Plan) -> str:
        """The tabs that the shared spreadsheet lacks. A service account has no space of its own to make a file in, so people
        make an empty one and share it; its name is theirs."""
        self._look()
        requests: list[Json] = []
        for layout in plan.layouts:
            if layout.name not in self._grids:
                tab = self._grids[layout.name] = Grid(self._free_id(), 0, 0)
                charts = [chart for chart in plan.charts if chart.tab == layout.name]
                requests += new_tab(layout, tab, self.email, charts)
        self._send(requests)
        return self._place

    def close(self) -> None:
        self._client.close()

    def _know(self, changes: Sequence[Change]) -> None:
        """Learn what the changes need to know: the tabs, and of those that rows are appended to, the last row."""
        tabs = [self._grids.get(change.tab) for change in changes if isinstance(change, Append)]
        if any(tab is not None and tab.filled is None for tab in tabs) or (tabs and not self._grids):
            self.read()
        elif not self._grids:
            self._look()

    def _look(self) -> str:
        """Learn the tabs and their sizes; returns the title."""
        told: Any = self._client.ask(
            "read", self._place, lambda: self._client.http.fetch_sheet_metadata(self._id, {"fields": _FIELDS})
        )
        self._grids = {
            one["properties"]["title"]: grid(one)
            for one in told.get("sheets", ())
            if one["properties"].get("sheetType", "GRID") == "GRID"
        }
        self._mark = _mark(told)
        return told["properties"]["title"]

    def _blocks(self) -> Iterator[list[str]]:
        """The tabs, in as few readings as can be: all of them in one, unless the grids, empty or not, are so large that the
        reading must stop as soon as it is too much. Raises ``SourceRefused`` for a single tab of such size."""
        block: list[str] = []
        cells = 0
        for name, one in self._grids.items():
            size = one.rows * one.columns
            if size > MOST_CELLS:
                raise SourceRefused(
                    f"Tab {name} is too large.",
                    f"It has {one.rows:,} rows and {one.columns:,} columns, empty ones included.",
                    "Delete its empty rows and columns, or move old rows to another workbook.",
                )
            if block and cells + size > MOST_CELLS:
                yield block
                block, cells = [], 0
            block.append(name)
            cells += size
        if block:
            yield block

    def _values(self, names: Sequence[str]) -> list[list[list[str]]]:
        """Each tab's rows as a person sees them."""
        ranges = ["'{}'".format(name.replace("'", "''")) for name in names]
        params: Any = {"valueRenderOption": "FORMATTED_VALUE", "majorDimension": "ROWS"}
        told: Any = self._client.ask(
            "read", self._place, lambda: self._client.http.values_batch_get(self._id, ranges, dict(params))
        )
        return [[[str(cell) for cell in row] for row in one.get("values", ())] for one in told["valueRanges"]]

    def _made(self, name: str) -> list[Json]:
        self._grids[name] = tab = Grid(self._free_id(), 0, 0)
        charts = [chart for chart in CHARTS if chart.tab == name]
        return new_tab(layout_of(name), tab, self.email, charts, examples=False)

    def _free_id(self) -> int:
        taken = {one.sheet_id for one in self._grids.values()}
        return next(number for number in iter(lambda: uuid.uuid4().int % 2_000_000_000, None) if number not in taken)

    def _send(self, requests: list[Json]) -> None:
        """One batch, which Google carries out as a whole or not at all."""
        if not requests:
            return
        mark = uuid.uuid4().hex
        body = {"requests": [*requests, _marking(mark, is_new=self._mark is None)]}
        try:
            self._client.ask(
                "write",
                self._place,
                lambda: self._client.http.batch_update(self._id, body),
                is_done=lambda: self._is(mark),
            )
        except Exception:
            self._grids = {}  # what was sent may not be what is there
            raise
        self._mark, self._revision = mark, ""

    def _is(self, mark: str) -> bool:
        """Whether the write with this mark has been carried out."""
        fields: Any = {"fields": _MARKS}
        told = self._client.ask("read", self._place, lambda: self._client.http.fetch_sheet_metadata(self._id, fields))
        return _mark(told or {}) == mark


def sheet_id(place: str, google_url: str = "") -> str:
    """The id in a sheet's address. Raises ``InputError`` for an address of something else: a key is sent to Google, or to
    where the setting says, and nowhere else."""
    parts = urlsplit(place)
    ours = google_url.rstrip("/")
    found = _ID.search(parts.path)
    is_google = parts.scheme == "https" and parts.hostname == _HOST
    if found and (is_google or (ours and place.startswith(f"{ours}/"))):
        return found[1]
    raise InputError(
        f"{place} is no Google Sheets address.",
        f"It should be https://{_HOST}/spreadsheets/d/ID/edit.",
        "Copy it from the browser while the sheet is open.",
    )


def _mark(told: Mapping[str, Any]) -> str | None:
    return next(
        (one.get("metadataValue") for one in told.get("developerMetadata", ()) if one.get("metadataId") == _MARK_ID),
        None,
    )


def _marking(mark: str, *, is_new: bool) -> Json:
    if is_new:
        made = {
            "metadataId": _MARK_ID,
            "metadataKey": _MARK,
            "metadataValue": mark,
            "location": {"spreadsheet": True},
            "visibility": "DOCUMENT",
        }
        return {"createDeveloperMetadata": {"developerMetadata": made}}
    lookup = [{"developerMetadataLookup": {"metadataId": _MARK_ID}}]
    value = {"metadataValue": mark}
    return {"updateDeveloperMetadata": {"dataFilters": lookup, "developerMetadata": value, "fields": "metadataValue"}}
