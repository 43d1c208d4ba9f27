"""The tabs that only Casebook writes, and the keyword index: what each lacks of what its table says.

Belongs here: which rows of a table a tab shows, and how they move between tabs. Does not belong here: the difference
of cells (``tab_changes``), the tab of proposals (``assets/faq_proposals``), or writing (``assets/workbook_tabs``).

A turn moves from 대화이력 to 대화이력_보관 in two runs: one appends it to the archive, and only one that has read it there
takes it out of the log. So no crash, and no write that was half believed, loses a row.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from domain import keyword_index
from domain.archive import kept_from
from domain.conversation import Operation, Turn
from domain.conversation_rows import (
    first_of,
    operation_cells,
    operation_numbering,
    operation_rows,
    turn_cells,
    turn_numbering,
    turn_rows,
)
from domain.dashboard import Figures
from domain.fingerprint import fingerprint
from domain.keyword_index import KeywordRow
from domain.stage import Row
from domain.workbook_layout import ARCHIVE, CONVERSATIONS, DAILY, FAQ_INDEX, LAYOUT, MONTHLY, OPERATIONS
from resources import conversations as tables
from resources.storage.sql import SqlCompanyStore
from resources.workbook.base import Change, Formula
from resources.workbook.dashboard_cells import First, dashboard_cells
from resources.workbook.tab_changes import Cells, Shown, appended, cells_set, dashboard_changes, dropped

MOST_SHOWN: Final = 50_000
"""Rows of the archive, and of the operations log, that their tabs show, the newest: a workbook that nobody could open any
more would help nobody. The tables keep all."""
_CHUNK = 5_000
_FORMULA_DAYS = 62
"""Days back that dashboards are formulas, from the first of a month on: each one reads the whole tab 운영로그."""
Record = TypeVar("Record", Turn, Operation)


@dataclass
class BotTabs:
    """The tabs as they were read against the tables as they are. ``known``: what ``marks`` was after the last write.
    ``lacking`` tells, for people, of tabs without a column of theirs: nothing is written there."""

    store: SqlCompanyStore
    tabs: Mapping[str, Sequence[Sequence[str]]]
    zone: str
    now: str
    retention: int
    as_formulas: bool
    known: Mapping[str, Mapping[str, str]]
    marks: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    lacking: list[str] = field(default_factory=list[str])

    def changes(self) -> list[Change]:
        """All but those of tabs that people write in."""
        return [
            *self._conversations(),
            *self._operations(),
            *self._dashboard(DAILY, "date", "daily_dashboard"),
            *self._dashboard(MONTHLY, "month", "monthly_dashboard"),
        ]

    # --- conversations --------------------------------------------------------------------------------------------

    def _conversations(self) -> list[Change]:
        log, archive = self._tab(CONVERSATIONS), self._tab(ARCHIVE)
        if log is None or archive is None:
            return []
        in_log = turn_rows(log.rows, self.zone).identified(turn_numbering())
        in_archive = turn_rows(archive.rows, self.zone).identified(turn_numbering())
        shown = self._newest(tables.ARCHIVE)
        kept = self.store.ids(tables.ARCHIVE)

        def has_left(doc_id: str) -> bool:
            """Of a turn that is not in the log any more: whether nothing is lost with its row."""
            return doc_id not in shown or doc_id in in_archive

        gone = self._gone(tables.LOG, in_log, also=tables.ARCHIVE)
        return [
            *self._appended(log, tables.LOG, self.store.ids(tables.LOG) - in_log.keys(), _turn_row),
            *dropped(log, {row for doc_id, row in gone.items() if has_left(doc_id)}),
            *self._appended(archive, tables.ARCHIVE, shown - in_archive.keys(), _archived_row),
            *dropped(
                archive,
                {
                    *self._gone(tables.ARCHIVE, in_archive).values(),
                    *(row for doc_id, (row, _) in in_archive.items() if doc_id in kept and doc_id not in shown),
                },
            ),
        ]

    def _gone(self, table: str, found: Mapping[str, tuple[int, Any]], also: str = "") -> dict[str, int]:
        """Rows of a tab that their table had and has no more, and second copies of rows that it has; a row that no table
        ever had stays."""
        live = self.store.ids(table)
        missing = [doc_id for doc_id in found if doc_id not in live]
        asked = [*missing, *map(first_of, missing)]
        known = {*self.store.heads(table, asked), *(self.store.heads(also, asked) if also else ())}
        return {doc_id: found[doc_id][0] for doc_id in missing if doc_id in known or first_of(doc_id) in known}

    # --- operations -----------------------------------------------------------------------------------------------

    def _operations(self) -> list[Change]:
        tab = self._tab(OPERATIONS)
        if tab is None:
            return []
        found = operation_rows(tab.rows, self.zone).identified(operation_numbering())
        shown, live = self._newest(tables.OPERATIONS), self.store.ids(tables.OPERATIONS)
        here = [doc_id for doc_id in found if doc_id in shown]
        votes = {id_: row.payload["feedback"] for id_, row in self._live(tables.OPERATIONS, here).items()}
        told = {
            found[id_][0]: {"feedback": vote} for id_, vote in votes.items() if vote and vote != found[id_][1].feedback
        }
        hidden = {row for doc_id, (row, _) in found.items() if doc_id in live and doc_id not in shown}
        return [
            *cells_set(tab, told),
            *self._appended(tab, tables.OPERATIONS, shown - found.keys(), _operation_row),
            *dropped(tab, {*self._gone(tables.OPERATIONS, found).values(), *hidden}),
        ]

    # --- dashboards -----------------------------------------------------------------------------------------------

    def _dashboard(self, name: str, first: First, table: str) -> list[Change]:
        tab = self._tab(name)
        operations = self._tab(OPERATIONS)
        if tab is None or operations is None:
            return []
        rows = [Figures(**row.payload) for _, row in sorted(self._live(table, self.store.ids(table)).items())]
        since = self._formulas_from()[: len("2026-02-19" if first == "date" else "2026-02")]
        old = [row for row in rows if row.period < since]
        new = [row for row in rows if row.period >= since]
        cells = [
            *dashboard_cells(old, first, as_formulas=False),
            *dashboard_cells(new, first, as_formulas=self.as_formulas, header=operations.header),
        ]
        wanted: dict[str, Cells] = {str(one[first]): one for one in cells}
        self.marks[name] = {period: _mark(one) for period, one in wanted.items()}
        return dashboard_changes(tab, wanted, self.known.get(name, {}), self.marks[name], first)

    def _formulas_from(self) -> str:
        """From which day on dashboards may be formulas: the first of a month, so that it moves once a month; and only where
        the tab 운영로그 has all there was since."""
        limits = [kept_from(self.now, self.zone, _FORMULA_DAYS)]
        limits.append(_month_after(kept_from(self.now, self.zone, self.retention)))
        if self.store.count(tables.OPERATIONS) > MOST_SHOWN:
            shown = self.store.heads(tables.OPERATIONS, sorted(self._newest(tables.OPERATIONS)))
            limits.append(_month_after(min(head.source_hash or "" for head in shown.values())[:10]))
        return max(limit[:8] + "01" for limit in limits)

    # --- the keyword index ----------------------------------------------------------------------------------------

    def keyword_changes(self) -> list[Change]:
        """FAQ_키워드인덱스: rows that say something else, new ones, and those that lead nowhere any more. A row that the
        table does not know was typed since, and stays."""
        tab = self._tab(FAQ_INDEX)
        if tab is None or not self.store.top("faq_keyword_index"):
            return []
        live = self._live("faq_keyword_index", self.store.ids("faq_keyword_index"))
        rows = {id_: KeywordRow.from_payload(row.payload) for id_, row in live.items()}
        names = LAYOUT[FAQ_INDEX].header
        wanted: dict[str, Cells] = {
            id_: dict(zip(names, keyword_index.cells(row), strict=True)) for id_, row in rows.items() if row.is_visible
        }
        found = tab.by_id("keyword", keyword_index.normal)
        heads = self.store.heads("faq_keyword_index", [id_ for id_ in found if id_ not in wanted])
        return [
            *cells_set(tab, {found[id_]: row for id_, row in wanted.items() if id_ in found}),
            # All or none: people's deletions are told from rows that were not written yet by it.
            *appended(tab, [wanted[id_] for id_ in sorted(wanted) if id_ not in found], most=len(wanted)),
            *dropped(tab, {found[id_] for id_ in heads}),
        ]

    # --- what they share ------------------------------------------------------------------------------------------

    def _tab(self, name: str) -> Shown | None:
        tab = Shown(name, self.tabs.get(name, ()))
        if not tab.lacking:
            return tab
        told = f"the tab {name} has no column {', '.join(tab.lacking)}: nothing is written there"
        if told not in self.lacking:
            self.lacking.append(told)
        return None

    def _newest(self, table: str) -> set[str]:
        """The ids of the rows that a tab shows."""
        ids = self.store.ids(table)
        if len(ids) <= MOST_SHOWN:
            return ids
        heads = self.store.heads(table, sorted(ids))
        return set(sorted(ids, key=lambda id_: (heads[id_].source_hash or "", id_))[-MOST_SHOWN:])

    def _appended(self, tab: Shown, table: str, missing: Collection[str], row: Callable[[Any], Cells]) -> list[Change]:
        """The missing rows by their times, a question before its answer."""
        live = self._live(table, missing)
        ordered = sorted(live.values(), key=lambda one: (one.payload["timestamp"], one.payload["session_id"], one.seq))
        return appended(tab, [row(one.payload) for one in ordered])

    def _live(self, table: str, doc_ids: Collection[str]) -> dict[str, Row]:
        ids = sorted(doc_ids)
        parts = (self.store.get(table, ids[start : start + _CHUNK]) for start in range(0, len(ids), _CHUNK))
        return {id_: row for part in parts for id_, row in part.items() if not row.deleted}


def _turn_row(payload: Mapping[str, Any]) -> Cells:
    return turn_cells(Turn(**payload))


def _archived_row(payload: Mapping[str, Any]) -> Cells:
    turn = {name: value for name, value in payload.items() if name != "archived_at"}
    return turn_cells(Turn(**turn), payload["archived_at"])


def _operation_row(payload: Mapping[str, Any]) -> Cells:
    return operation_cells(Operation(**payload))


def _month_after(day: str) -> str:
    """The first day of the next month."""
    year, month = int(day[:4]), int(day[5:7])
    return f"{year + month // 12:04}-{month % 12 + 1:02}-01"


def _mark(cells: Cells) -> str:
    return fingerprint({name: value.text if isinstance(value, Formula) else value for name, value in cells.items()})
