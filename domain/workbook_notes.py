"""Notes on the cells of a workbook: what was found there, and which older ones of ours are done with.

Belongs here: the text of a note, and which notes to write and to take away. Does not belong here: finding anything
(``workbook_check``), writing (``resources/workbook``).

Only cells below the header have notes: the header's own say what a column means; and only tabs that people write in. A note
moves with its row when rows are sorted or inserted, so each of ours is remembered with what its row is called (its id, a
contact's name), and is taken away where that row is now.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from domain.workbook_cells import plain
from domain.workbook_finding import Finding
from domain.workbook_header import header
from domain.workbook_layout import CONTACTS, LAYOUT
from domain.workbook_reading import Cells

Language = Literal["ko", "en"]
_MOST_TEXT: Final = 2_000
_MOST_KEY = 200
_SAMPLE = 400
_SIGNED: Final = "[Casebook] "
_COLUMNS: Final = frozenset(name for layout in LAYOUT.values() for name in layout.header)


@dataclass(frozen=True, slots=True)
class NoteOfOurs:
    """A note that we wrote; ``key`` is what its row is called."""

    tab: str
    row: int
    column: int
    key: str
    text: str

    @property
    def place(self) -> tuple[str, int, int]:
        return self.tab, self.row, self.column

    @classmethod
    def from_state(cls, kept: Iterable[Mapping[str, Any]]) -> "list[NoteOfOurs]":
        return [cls(**one) for one in kept]


def language_of(tabs: Mapping[str, Cells]) -> Language:
    """The language of who writes in the workbook: English where their rows hardly have Hangul."""
    said = "".join(
        cell
        for name, rows in tabs.items()
        if name in LAYOUT and LAYOUT[name].writer == "staff"
        for row in rows[1:_SAMPLE]
        for cell in row
    )
    hangul = sum("가" <= char <= "힣" for char in said)
    latin = sum(char.isascii() and char.isalpha() for char in said)
    return "en" if latin > 4 * hangul else "ko"


def wanted(findings: Iterable[Finding], tabs: Mapping[str, Cells], language: Language) -> list[NoteOfOurs]:
    """One note for each cell that something was found in; what concerns a whole row is on its first cell."""
    texts: dict[tuple[str, int, int], list[str]] = {}
    for one in findings:
        if 1 < one.row <= len(tabs.get(one.tab, ())) and LAYOUT[one.tab].writer != "bot":
            said = f"{one.what_ko} {one.remedy_ko}" if language == "ko" else f"{one.what_en} {one.remedy_en}"
            texts.setdefault((one.tab, one.row, one.column or 1), []).append(_SIGNED + _begun(said))
    named_by = {tab: _named_by(tab, tabs[tab]) for tab, _, _ in texts}
    return [
        NoteOfOurs(tab, row, column, _key(tabs[tab][row - 1], named_by[tab]), "\n".join(lines)[:_MOST_TEXT])
        for (tab, row, column), lines in texts.items()
    ]


def _begun(said: str) -> str:
    """A sentence with a capital, unless it begins with a column's name."""
    return said if re.split(r"[^A-Za-z]", said, maxsplit=1)[0] in _COLUMNS else said[:1].upper() + said[1:]


def moved(known: Iterable[NoteOfOurs], tabs: Mapping[str, Cells]) -> Iterator[NoteOfOurs]:
    """Notes of ours where they are now; those whose row is gone went with it."""
    known = list(known)
    at = {tab: _rows_by_key(tab, tabs[tab]) for tab in {note.tab for note in known} & tabs.keys()}
    for note in known:
        rows = at.get(note.tab, {}).get(note.key, [])
        row = note.row if note.row in rows else rows[0] if len(rows) == 1 else 0
        if row:
            yield NoteOfOurs(note.tab, row, note.column, note.key, note.text)


def changed(known: Iterable[NoteOfOurs], wanted: Iterable[NoteOfOurs]) -> tuple[list[NoteOfOurs], list[NoteOfOurs]]:
    """The notes to write, and those to take away. ``known`` are where they are now."""
    before, after = {note.place: note for note in known}, {note.place: note for note in wanted}
    new = [note for place, note in after.items() if place not in before or before[place].text != note.text]
    return new, [note for place, note in before.items() if place not in after]


def _rows_by_key(tab: str, rows: Cells) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    named_by = _named_by(tab, rows)
    for number, row in enumerate(rows[1:], 2):
        found.setdefault(_key(row, named_by), []).append(number)
    return found


def _named_by(tab: str, rows: Cells) -> int:
    """The position of the column that says what a row is called."""
    layout = LAYOUT[tab]
    return header(layout, tab, rows).places.get("name" if tab == CONTACTS else layout.columns[0].name, 0)


def _key(row: Sequence[str], named_by: int) -> str:
    return plain(row[named_by])[:_MOST_KEY] if named_by < len(row) else ""
