"""The workbook as it was read last: tabs to rows of the table ``workbook``, and back.

Belongs here: cutting a tab into chunks, putting it together, and how a tab that was emptied looked itself. Does not belong
here: reading the workbook (its kinds), which tabs keep what they had (``assets/workbook``), or what rows mean
(``domain/workbook_rows``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.stage import CompanyStore

CHUNK = 500
"""Rows of a tab that one row of the table holds: a small edit writes little."""
REVISION = "workbook revision"
"""A state: the place and the revision of the workbook that was read last."""
_FIRST = "#0001"
Cells = Sequence[Sequence[str]]


def chunks(tabs: Mapping[str, Cells], held: Mapping[str, Cells] | None = None) -> dict[str, dict[str, Any]]:
    """Payloads {tab, rows} by document id ("FAQ#0001"); an empty tab has one without rows. Of tabs whose rows are those of
    an earlier reading, ``held`` says what was read now: the first payload has it as ``as_read``, so that no crash parts the
    two."""
    made: dict[str, dict[str, Any]] = {
        f"{name}#{number:04}": {"tab": name, "rows": [list(row) for row in rows[start : start + CHUNK]]}
        for name, rows in tabs.items()
        for number, start in enumerate(range(0, max(len(rows), 1), CHUNK), start=1)
    }
    for name, rows in (held or {}).items():
        made[name + _FIRST]["as_read"] = [list(row) for row in rows]
    return made


def stored_tabs(store: CompanyStore) -> dict[str, list[list[str]]]:
    """All tabs as they were read last, the header first; a tab that is held back with the rows it had before."""
    tabs: dict[str, list[list[str]]] = {}
    live = store.get("workbook", sorted(store.ids("workbook")))
    for doc_id in sorted(live):
        payload = live[doc_id].payload
        tabs.setdefault(payload["tab"], []).extend(payload["rows"])
    return tabs


def stored_tab(store: CompanyStore, name: str) -> list[list[str]] | None:
    """One tab as it was read last, the header first; None when there is none of this name."""
    ids = sorted(doc_id for doc_id in store.ids("workbook") if doc_id.rpartition("#")[0] == name)
    live = store.get("workbook", ids)
    return [row for doc_id in ids for row in live[doc_id].payload["rows"]] if ids else None


def held_tabs(store: CompanyStore) -> dict[str, list[list[str]]]:
    """The tabs that are held back, as they really are: empty or, without any row, gone. Row numbers of what is stored of
    them mean nothing in the workbook."""
    firsts = store.get("workbook", sorted(doc_id for doc_id in store.ids("workbook") if doc_id.endswith(_FIRST)))
    return {row.payload["tab"]: row.payload["as_read"] for row in firsts.values() if "as_read" in row.payload}


def tab_hashes(store: CompanyStore, *names: str) -> list[tuple[str, str | None]]:
    """What changes with the content of these tabs, and with nothing else."""
    ids = sorted(doc_id for doc_id in store.ids("workbook") if doc_id.rpartition("#")[0] in names)
    return [(doc_id, head.content_hash) for doc_id, head in sorted(store.heads("workbook", ids).items())]
