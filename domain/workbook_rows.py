"""From a tab's cells to typed rows.

Belongs here: which columns make which record, and its document id. Does not belong here: walking over a tab and what makes a
row a bad one (``workbook_reading``), what a cell says (``workbook_cells``), the rules of writing well
(``workbook_writing``), files.

Nothing here raises for what is in a sheet. A bad row never stops the others; a tab whose header lacks a required column
gives no rows, and says so (``Rows.is_readable``), so that nothing is taken for deleted.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from domain import workbook_cells as cells
from domain.contact import Contact
from domain.conversation import Operation, Turn
from domain.faq import Faq
from domain.fingerprint import fingerprint
from domain.keyword_index import KeywordRow, normal
from domain.regulation import Regulation
from domain.workbook_finding import Finding
from domain.workbook_layout import CONTACTS, CONVERSATIONS, FAQ, FAQ_INDEX, OPERATIONS, PROPOSALS, REGULATIONS
from domain.workbook_reading import Cells, Lines, Row, Rows, Tab, each, read, read_lines

__all__ = [
    "ROWS_VERSION",
    "Lines",
    "Problem",
    "ProposalRow",
    "Rows",
    "contact_id",
    "contacts",
    "faqs",
    "keyword_rows",
    "operations",
    "proposal_edits",
    "proposals",
    "regulation_tab",
    "regulations",
    "turns",
]

ROWS_VERSION: Final = "workbook-rows-2"
"""Raise it whenever the same cells would give another row."""
Problem = Finding


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """One row of FAQ_제안 as a person left it. ``kind``: "new" or "stale"; ``evidence``: tickets and questions."""

    proposal_id: str
    is_accepted: bool
    category: str
    sub_category: str
    keywords: tuple[str, ...]
    question: str
    answer: str
    evidence: tuple[str, ...]
    count: int
    kind: str
    last_updated: str


def faqs(rows: Cells) -> Rows[Faq]:
    """The tab FAQ. An empty ``isActive`` is active: the tab holds verified answers, and the column is there to switch one
    off; what can be read as neither yes nor no is taken as off, and told."""
    return read(Tab(FAQ, rows), _faq, lambda faq: faq.faq_id, "faqId")


def regulations(category: str, rows: Cells) -> Rows[Regulation]:
    """The regulation tab of a category. A date of effect that cannot be read makes a bad row."""
    return read(
        Tab(regulation_tab(category), rows), lambda row: _regulation(category, row), lambda one: one.regulation_id,
        "regulationId",
    )  # fmt: skip


def contacts(rows: Cells) -> Rows[Contact]:
    """The tab 담당자: a person once for each category and sub-category. What is told of a doubled one does not name it: it
    goes where names do not belong."""
    return read(
        Tab(CONTACTS, rows), _contact, contact_id, "name", lambda one: f"({one.category}/{one.sub_category})"
    )  # fmt: skip


def turns(rows: Cells, tab: str = CONVERSATIONS, zone: tzinfo | None = None) -> Lines[Turn]:
    """The tab 대화이력, or its archive. ``zone``: that of the company, for times that name another one."""
    return read_lines(Tab(tab, rows), lambda row: _turn(row, zone))


def operations(rows: Cells, zone: tzinfo | None = None) -> Lines[Operation]:
    """The tab 운영로그, likewise. A vote that cannot be read is none."""
    return read_lines(Tab(OPERATIONS, rows), lambda row: _operation(row, zone))


def keyword_rows(rows: Cells) -> Rows[KeywordRow]:
    """The tab FAQ_키워드인덱스. A document is a normal keyword; a weight that is not said is 0."""
    return read(Tab(FAQ_INDEX, rows), _keyword_row, lambda one: one.keyword, "keyword")


def proposals(rows: Cells) -> Rows[ProposalRow]:
    """The tab FAQ_제안."""
    return read(Tab(PROPOSALS, rows), _proposal, lambda one: one.proposal_id, "proposalId")


def proposal_edits(rows: Cells) -> dict[str, tuple[ProposalRow, frozenset[str]]] | None:
    """What people left of proposals in FAQ_제안, by id: also of a row that lacks a required cell, for what stands beside it
    stands. With each the columns that say something; None where the tab cannot be read, so that nothing is known."""
    tab = Tab(PROPOSALS, rows)
    if not tab.header.is_readable:
        return None
    found: dict[str, tuple[ProposalRow, frozenset[str]]] = {}
    for row, said in each(tab, _proposal):
        if said.proposal_id:
            found.setdefault(said.proposal_id, (said, frozenset(filter(row.says, tab.header.places))))
    return found


def regulation_tab(category: str) -> str:
    """The tab of a category's regulations, also of one that the specification does not have."""
    return REGULATIONS.get(category, f"규정_{category}")


def contact_id(contact: Contact) -> str:
    """The document of a contact. Ids are seen where no name may be."""
    return fingerprint([contact.category, contact.sub_category, contact.name])[:12]


# --- the records --------------------------------------------------------------------------------------------------


def _faq(row: Row) -> Faq:
    active = row.boolean("isActive")
    if active is None and "isActive" in row.tab.header.places and not row.reasons:
        row.tell("empty-active", "isActive")
    answer = row.text("answer")
    if cells.has_html(answer):
        row.tell("html-in-answer", "answer")
    return Faq(
        faq_id=row.ident("faqId"),
        category=row.line("category"),
        sub_category=row.line("subCategory"),
        keywords=row.words("keywords"),
        question=row.text("question"),
        answer=answer,
        source=row.line("source"),
        is_active=active is not False,
        last_updated=row.day("lastUpdated"),
    )


def _regulation(category: str, row: Row) -> Regulation:
    content = row.text("content")
    if cells.has_html(content):
        row.tell("html-in-answer", "content")
    return Regulation(
        regulation_id=row.ident("regulationId"),
        category=category,
        title=row.line("title"),
        section=row.line("section"),
        content=content,
        summary=row.text("summary"),
        effective_date=row.day("effectiveDate", decides=True),
        source_url=row.line("sourceUrl"),
        tags=row.words("tags"),
        last_updated=row.day("lastUpdated"),
    )


def _contact(row: Row) -> Contact:
    return Contact(*map(row.line, ("category", "subCategory", "team", "name", "contact", "email", "note")))


def _keyword_row(row: Row) -> KeywordRow:
    return KeywordRow(
        keyword=normal(row.line("keyword")),
        faq_ids=row.idents("faqIds"),
        weight=round(row.number_within("weight", 1, 5, 0)),
        synonyms=row.words("synonyms"),
        last_updated=row.day("lastUpdated"),
    )


_ROLES = {
    **dict.fromkeys(("user", "사용자", "직원", "질문자"), "user"),
    **dict.fromkeys(("bot", "봇", "챗봇", "assistant"), "bot"),
}
_TIERS = {form.format(tier): tier for tier in "123" for form in ("{}", "{}.0", "tier {}", "tier{}", "t{}")}
_VOTES = {
    **dict.fromkeys(("up", "thumbs_up", "👍", "좋아요", "+1", "1"), "up"),
    **dict.fromkeys(("down", "thumbs_down", "👎", "싫어요", "-1"), "down"),
}


def _turn(row: Row, zone: tzinfo | None) -> Turn:
    return Turn(
        session_id=row.line("sessionId"),
        user_id=row.line("userId"),
        timestamp=row.moment("timestamp", zone),
        role="bot" if row.choice("role", _ROLES) == "bot" else "user",
        message=row.text("message"),
        category=row.line("category"),
        tier=row.choice("tier", _TIERS),
        is_escalated=row.boolean("isEscalated") is True,
    )


_FOREVER = 1e12


def _operation(row: Row, zone: tzinfo | None) -> Operation:
    return Operation(
        timestamp=row.moment("timestamp", zone),
        session_id=row.line("sessionId"),
        user_id=row.line("userId"),
        category=row.line("category"),
        tier=row.choice("tier", _TIERS),
        source_id=row.line("sourceId"),
        score=round(row.number_within("score", 0, 1, 0), 4),
        latency_ms=round(row.number_within("latencyMs", 0, _FOREVER, 0)),
        is_escalated=row.boolean("isEscalated") is True,
        feedback=row.choice("feedback", _VOTES, severity="warning"),
    )


def _proposal(row: Row) -> ProposalRow:
    answer = row.text("answer")
    if cells.has_html(answer):
        row.tell("html-in-answer", "answer")
    return ProposalRow(
        proposal_id=row.ident("proposalId"),
        is_accepted=row.boolean("isAccepted") is True,
        category=row.line("category"),
        sub_category=row.line("subCategory"),
        keywords=row.words("keywords"),
        question=row.text("question"),
        answer=answer,
        evidence=row.words("evidence"),
        count=round(row.number_within("count", 0, _FOREVER, 0)),
        kind=row.choice("kind", {"new": "new", "stale": "stale"}),
        last_updated=row.day("lastUpdated"),
    )
