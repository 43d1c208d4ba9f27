"""Everything that can be said of a workbook, tab by tab: what cannot be read, and what is not written as the guide asks.

Belongs here: which tabs there must be, and which rules apply to which. Does not belong here: any rule (``workbook_reading``,
``workbook_writing``), its words (``workbook_finding``), reading a workbook or writing notes (``pipelines/cli/workbook``).
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, TypeVar

from domain import workbook_rows, workbook_writing
from domain.faq import Faq
from domain.regulation import Regulation
from domain.workbook_cells import formula_error, line
from domain.workbook_finding import Finding, finding
from domain.workbook_header import header, nearest_tab
from domain.workbook_layout import (
    ARCHIVE,
    CATEGORIES,
    CONTACTS,
    CONVERSATIONS,
    DAILY,
    FAQ,
    FAQ_INDEX,
    LAYOUT,
    LAYOUTS,
    MONTHLY,
    OPERATIONS,
    PROPOSALS,
)
from domain.workbook_reading import Cells
from domain.workbook_rows import Rows, regulation_tab
from domain.workbook_writing import Placed

T = TypeVar("T")
_ORDER: Final = {layout.name: at for at, layout in enumerate(LAYOUTS)}


def check(tabs: Mapping[str, Cells]) -> list[Finding]:
    """Everything that is found in the tabs of a workbook (``rows[0]`` is row 1), in the order of tabs, rows, columns and
    rules: the same cells give the same list."""
    found = [*_missing(tabs), *_staff(tabs), *_logs(tabs)]
    return sorted(found, key=lambda one: (_ORDER[one.tab], one.row, one.column, one.rule, one.what_en))


def _missing(tabs: Mapping[str, Cells]) -> Iterator[Finding]:
    left = dict(tabs)
    for layout in LAYOUTS:
        if layout.name not in tabs:
            rule = "missing-tab" if layout.writer == "staff" else "missing-bot-tab"
            near = nearest_tab(layout, left)
            left.pop(near, None)  # it is not suggested twice
            yield finding(rule, layout.name, near=near)


def _staff(tabs: Mapping[str, Cells]) -> Iterator[Finding]:
    """The tabs that people write in."""
    faqs: Rows[Faq] = Rows(is_readable=False)
    if FAQ in tabs:
        faqs = workbook_rows.faqs(tabs[FAQ])
        yield from _told(FAQ, tabs, faqs, workbook_writing.faq_rules)
    if FAQ_INDEX in tabs:
        index = workbook_rows.keyword_rows(tabs[FAQ_INDEX])
        yield from _told(FAQ_INDEX, tabs, index, partial(workbook_writing.index_rules, faqs))
    kept = {category: tab for category in CATEGORIES if (tab := regulation_tab(category)) in tabs}
    regulations = {category: workbook_rows.regulations(category, tabs[tab]) for category, tab in kept.items()}
    for category, rows in regulations.items():
        yield from _told(regulation_tab(category), tabs, rows, workbook_writing.regulation_rules)
    yield from _doubled(regulations)
    count = sum(len(rows.rows) for rows in regulations.values())
    if count >= workbook_writing.REGULATION_VOLUME:
        yield finding("regulation-volume", regulation_tab(CATEGORIES[0]), count=count)
    if CONTACTS in tabs:
        contacts = workbook_rows.contacts(tabs[CONTACTS])
        yield from _told(CONTACTS, tabs, contacts, workbook_writing.contact_rules)
        if contacts.is_readable:
            yield from workbook_writing.somebody_for_each(faqs, contacts)
    if PROPOSALS in tabs:
        yield from _told(PROPOSALS, tabs, workbook_rows.proposals(tabs[PROPOSALS]), workbook_writing.proposal_rules)


def _told(
    tab: str, tabs: Mapping[str, Cells], rows: Rows[T], rules: Callable[[Rows[T], Placed], Iterator[Finding]]
) -> Iterator[Finding]:
    """What was found while reading, and by the tab's rules."""
    yield from rows.problems
    if not rows.is_readable:
        return
    places = header(LAYOUT[tab], tab, tabs[tab]).places
    at = Placed(tab, {name: place + 1 for name, place in places.items()})
    if not rows.rows and not rows.bad and LAYOUT[tab].writer == "staff":
        yield finding("empty-tab", tab)
    yield from workbook_writing.not_examples(tab, at.columns, tabs[tab])
    yield from rules(rows, at)


def _doubled(regulations: Mapping[str, Rows[Regulation]]) -> Iterator[Finding]:
    """An id is used once in all regulation tabs together."""
    first: dict[str, str] = {}
    for category, rows in regulations.items():
        tab = regulation_tab(category)
        for doc_id, number in rows.numbers.items():
            before = first.setdefault(doc_id, tab)
            if before != tab:
                yield finding("id-in-two-tabs", tab, number, id=doc_id, other=before)


def _logs(tabs: Mapping[str, Cells]) -> Iterator[Finding]:
    """The tabs that a bot writes: an empty one is no fault."""
    for tab in (CONVERSATIONS, ARCHIVE):
        if _says(tabs.get(tab, ())):
            turns = workbook_rows.turns(tabs[tab], tab)
            yield from turns.problems
            if tab == CONVERSATIONS and len(turns.records) >= workbook_writing.CONVERSATION_VOLUME:
                yield finding("conversation-volume", tab, count=len(turns.records))
    if _says(tabs.get(OPERATIONS, ())):
        yield from workbook_rows.operations(tabs[OPERATIONS]).problems
    for tab in (DAILY, MONTHLY):
        for row, cells in enumerate(tabs.get(tab, ()), 1):
            for column, cell in enumerate(cells, 1):
                if value := formula_error(cell):
                    name = line(tabs[tab][0][column - 1])
                    yield finding("formula-error", tab, row, column, name=name, value=value)


def _says(rows: Cells) -> bool:
    return any(cell for row in rows for cell in row)
