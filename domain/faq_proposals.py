"""Proposals for FAQs: what the tab ``FAQ_제안`` holds, and what people decide there (issue 7, "from tickets to FAQ").

Belongs here: the record, one id for one question whatever comes to it, what a person's edit, TRUE or deleted row means, and
the rows that go to the tabs. Does not belong here: what is proposed (``faq_drafts``), or writing a workbook
(``assets/workbook_tabs``).

The way of a proposal: *open* (a row in the tab; what a person writes into it stands) → *accepted* (TRUE: it has its faqId,
and is to be appended to ``FAQ``) → *done* (seen in ``FAQ``; leaves the tab), or *rejected* (its row was deleted). Only the
first two have text. A run that dies at any line says the same thing again: a proposal is seen in ``FAQ`` by the marker in
its source, or by its words.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from domain.faq import Faq
from domain.fingerprint import fingerprint
from domain.workbook_cells import text
from domain.workbook_layout import PROPOSALS
from domain.workbook_rows import ProposalRow, proposal_edits

Kind = Literal["new", "stale"]
Status = Literal["open", "accepted", "done", "rejected"]
Cells = Sequence[Sequence[str]]
"""A tab's rows, the header first."""

SAME: Final = 0.5
"""The share of the smaller evidence that two groups have in common where they are one proposal."""
AGAIN: Final = 2
"""A rejected proposal comes back when so many times as many ask."""
SHOWN_EVIDENCE: Final = 10
"""Tickets and questions that a cell of the tab names; ``count`` has how many there are."""
_CODES: Mapping[str, str] = {"인사": "HR", "총무": "GA", "회계": "FI"}
_NUMBERED = re.compile(r"(.*\D)(\d+)")


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal; its payload in ``faq_proposals`` is ``asdict``. ``evidence`` ("ticket 123", "question ID"; of a stale one
    "faq ID" first) is all there is, the newest first; ``quoted`` is the part of it whose words stand in the texts, ``count``
    how many tickets and questions there are. ``faq_id``: of a new one the id that it gets, of a stale one the FAQ's.
    ``was_seen``: its row was in the tab, so that a missing row was deleted by a person; ``is_edited``: a person changed its
    words. ``decided_at``: the count when a person decided."""

    proposal_id: str
    kind: Kind
    category: str
    sub_category: str
    keywords: tuple[str, ...]
    question: str
    answer: str
    evidence: tuple[str, ...]
    quoted: tuple[str, ...]
    count: int
    last_updated: str
    status: Status = "open"
    faq_id: str = ""
    was_seen: bool = False
    is_edited: bool = False
    decided_at: int = 0

    @property
    def is_shown(self) -> bool:
        return self.status in ("open", "accepted")

    @property
    def marker(self) -> str:
        """What stands in the source of the FAQ that is made of it."""
        return f"{PROPOSALS} {self.proposal_id}"

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Proposal":
        lists: dict[str, Any] = {name: tuple(payload[name]) for name in ("keywords", "evidence", "quoted")}
        return cls(**{**payload, **lists})


def proposal_id(kind: Kind, core: str) -> str:
    """A proposal's id, by the text at its core when it was first proposed."""
    return f"P-{fingerprint([kind, core])[:8]}"


# --- one question, one proposal ---------------------------------------------------------------------------------------


def joined(known: Iterable[Proposal], drafts: Sequence[Proposal]) -> dict[str, Proposal]:
    """What is proposed now, by id: drafts take the id of the known proposal with whose evidence theirs overlaps.

    A known one keeps its words and takes the evidence; one that no draft is about any more goes while it is open, unless a
    person worked on it; a rejected one is open again from ``AGAIN`` times its count on, under an id of its own.
    """
    now = {one.proposal_id: one for one in known}
    free = dict(now)
    for draft in sorted(drafts, key=lambda one: (-one.count, one.proposal_id)):
        same = _same(draft, free.values())
        if same is None:
            fresh = draft if draft.proposal_id not in now else replace(draft, proposal_id=_other_id(draft, now))
            now[fresh.proposal_id] = fresh
            continue
        del free[same.proposal_id]
        if same.status == "rejected" and draft.count >= AGAIN * max(same.decided_at, 1):
            del now[same.proposal_id]
            again = replace(draft, proposal_id=_other_id(draft, {**now, same.proposal_id: same}))
            now[again.proposal_id] = again
        else:
            now[same.proposal_id] = _grown(same, draft)
    for left in free.values():
        if left.status == "open" and not left.is_edited:
            del now[left.proposal_id]
    return now


def _same(draft: Proposal, known: Iterable[Proposal]) -> Proposal | None:
    mine = set(draft.evidence)
    shares = [
        (len(mine & set(one.evidence)) / min(len(mine), len(one.evidence)), one.proposal_id, one)
        for one in known
        if one.kind == draft.kind and one.evidence and (one.kind == "new" or one.faq_id == draft.faq_id)
    ]
    best = max(shares, key=lambda found: (found[0], found[1]), default=None)
    return best[2] if best and best[0] >= SAME else None


def _other_id(draft: Proposal, taken: Collection[str]) -> str:
    tries = (proposal_id(draft.kind, f"{draft.proposal_id} {number}") for number in range(len(taken) + 2))
    return next(one for one in tries if one not in taken)


def _grown(known: Proposal, draft: Proposal) -> Proposal:
    """The known proposal with the evidence there is now. Its words are as they were: a person may be reading them."""
    if set(known.evidence) == set(draft.evidence):
        return replace(known, evidence=draft.evidence)
    if known.status in ("done", "rejected"):
        return replace(known, evidence=draft.evidence, count=draft.count)
    if known.was_seen:
        return replace(known, evidence=draft.evidence, count=draft.count, last_updated=draft.last_updated)
    return replace(draft, proposal_id=known.proposal_id)


def without(proposal: Proposal, gone: Collection[str]) -> Proposal | None:
    """A proposal without evidence that is gone (a forgotten ticket, a deleted question), nothing of whose words may stay;
    None where its texts quote some of it, or nothing is left."""
    kept = tuple(one for one in proposal.evidence if one not in gone)
    if len(kept) == len(proposal.evidence):
        return proposal
    if not any(not one.startswith("faq ") for one in kept) or not set(gone).isdisjoint(proposal.quoted):
        return None
    return replace(proposal, evidence=kept, count=len([one for one in kept if not one.startswith("faq ")]))


# --- what people decided ----------------------------------------------------------------------------------------------


def decided(
    known: Iterable[Proposal], tab: Cells | None, faqs: Cells | None, today: str, written: Collection[str] = ()
) -> tuple[dict[str, Proposal], list[str]]:
    """Proposals after what people did in the tab ``FAQ_제안`` as it was read (None, or without a header that can be read:
    nothing was decided), given the rows of ``FAQ``; and, in English, why a row that says TRUE is no FAQ yet. ``written`` are
    the ids that were in the tab after the last write, which nobody may have read since."""
    rows = proposal_edits(tab) if tab is not None else None
    seen = _Seen(faqs or ())
    after: dict[str, Proposal] = {}
    notes: list[str] = []
    for known_one in sorted(known, key=lambda one: one.proposal_id):
        one = replace(known_one, was_seen=known_one.was_seen or known_one.proposal_id in written)
        if rows is None or faqs is None or not one.is_shown:
            after[one.proposal_id] = one
        elif one.proposal_id not in rows:
            after[one.proposal_id] = _without_row(one, seen)
        else:
            after[one.proposal_id], note = _as_said(one, *rows[one.proposal_id], seen, today)
            notes += [note] if note else []
    return after, notes


def _without_row(one: Proposal, seen: "_Seen") -> Proposal:
    """A row that a person deleted says no; of one that was accepted before, that it is not needed any more."""
    if not one.was_seen:
        return one
    return _closed(one, "done" if seen.has(one) else "rejected")


def _closed(one: Proposal, status: Status) -> Proposal:
    """Decided: nothing of its words is kept."""
    faq_id = one.faq_id if one.kind == "stale" or status == "done" else ""
    empty = replace(one, question="", answer="", keywords=(), category="", sub_category="", quoted=())
    return replace(empty, status=status, faq_id=faq_id, decided_at=one.count)


def _as_said(one: Proposal, row: ProposalRow, said: Collection[str], seen: "_Seen", today: str) -> tuple[Proposal, str]:
    """A proposal as its row says: edits stand, TRUE accepts it. A column that says nothing leaves what there was."""
    edited = replace(
        one,
        category=row.category if "category" in said else one.category,
        sub_category=row.sub_category if "subCategory" in said else one.sub_category,
        keywords=row.keywords if "keywords" in said else one.keywords,
        question=row.question if "question" in said else one.question,
        answer=row.answer if "answer" in said else one.answer,
        was_seen=True,
    )
    edited = replace(edited, is_edited=one.is_edited or _said(edited) != _said(one))
    if not row.is_accepted:
        return replace(edited, status="open", faq_id=one.faq_id if one.kind == "stale" else ""), ""
    if lacking := [name for name in ("question", "answer", "category") if not getattr(edited, name)]:
        return replace(edited, status="open"), f"{one.proposal_id} is accepted, but has no {' and no '.join(lacking)}"
    if seen.has(edited):
        return _closed(edited, "done"), ""
    if one.kind == "stale" and one.faq_id not in seen.ids:
        return _closed(edited, "done"), ""
    faq_id = one.faq_id or seen.next_id(edited.category)
    return replace(edited, status="accepted", faq_id=faq_id, last_updated=today), ""


def _said(one: Proposal) -> tuple[str, ...]:
    return (one.category, one.sub_category, *one.keywords, _words(one.question), _words(one.answer))


def _by_id(tab: Cells) -> dict[str, dict[str, str]]:
    """The rows of FAQ by their id; the first of several counts."""
    if not tab:
        return {}
    names = [name.strip() for name in tab[0]]
    found: dict[str, dict[str, str]] = {}
    for row in tab[1:]:
        cells = {name: text(cell) for name, cell in zip(names, row, strict=False)}
        if name := cells.get("faqId"):
            found.setdefault(name, cells)
    return found


class _Seen:
    """The tab ``FAQ`` as it was read: what was accepted stands in it already, and which ids are taken."""

    def __init__(self, faqs: Cells) -> None:
        self._rows = _by_id(faqs)
        self.ids = set(self._rows)
        self._said = {(_words(row.get("question", "")), _words(row.get("answer", ""))) for row in self._rows.values()}

    def has(self, one: Proposal) -> bool:
        if one.kind == "stale":
            return _words(self._rows.get(one.faq_id, {}).get("answer", "")) == _words(one.answer)
        marked = re.compile(rf"{re.escape(one.marker)}(?![0-9a-f])")
        return (_words(one.question), _words(one.answer)) in self._said or any(
            marked.search(row.get("source", "")) for row in self._rows.values()
        )

    def next_id(self, category: str) -> str:
        """The next id of a category by the tab's own numbering: "FAQ-HR-061" after "FAQ-HR-060"."""
        numbered = ((_NUMBERED.fullmatch(one), row.get("category", "")) for one, row in self._rows.items())
        parts = [(found, of) for found, of in numbered if found]
        used = Counter(found[1] for found, of in parts if of == category)
        code = _CODES.get(category) or "".join(filter(str.isascii, re.sub(r"\W", "", category))).upper()[:4] or "GEN"
        prefix = max(used, key=lambda one: (used[one], one)) if used else f"FAQ-{code}-"
        numbers = [found[2] for found, _ in parts if found[1] == prefix]
        width = max(map(len, numbers), default=3)
        fresh = f"{prefix}{max(map(int, numbers), default=0) + 1:0{width}}"
        self._rows[fresh] = {"category": category}  # the next one of this run has another
        self.ids.add(fresh)
        return fresh


def _words(said: str) -> str:
    return " ".join(said.split()).casefold()


# --- what goes to the tabs --------------------------------------------------------------------------------------------


def accepted(proposals: Iterable[Proposal], faqs: Cells) -> list[Faq]:
    """The rows that are to be appended to ``FAQ``: accepted proposals that it does not hold yet. The same again while it
    does not: nothing is appended twice however often this is asked with the tab as it is."""
    seen = _Seen(faqs)
    rows: list[Faq] = []
    for one in sorted(proposals, key=lambda one: one.proposal_id):
        if one.status == "accepted" and one.kind == "new" and not seen.has(one):
            # A person may have given its id to another row since.
            faq_id = one.faq_id if one.faq_id not in seen.ids else seen.next_id(one.category)
            keywords = tuple(one.keywords)
            rows.append(
                Faq(
                    faq_id, one.category, one.sub_category, keywords, one.question, one.answer,
                    one.marker, True, one.last_updated,
                )
            )  # fmt: skip
    return rows


def answers(proposals: Iterable[Proposal], faqs: Cells) -> dict[tuple[int, int], str]:
    """The cells of ``FAQ`` that get another answer: (row, column) from 1 to the text. Stale ones that a person accepted."""
    if not faqs:
        return {}
    names = [name.strip() for name in faqs[0]]
    if "faqId" not in names or "answer" not in names:
        return {}
    wanted = {one.faq_id: one for one in proposals if one.status == "accepted" and one.kind == "stale"}
    changed: dict[tuple[int, int], str] = {}
    for number, row in enumerate(faqs[1:], start=2):
        cells = dict(zip(names, row, strict=False))
        one = wanted.pop(cells.get("faqId", "").strip(), None)
        if one and _words(cells["answer"]) != _words(one.answer):
            changed[number, names.index("answer") + 1] = one.answer
            if "lastUpdated" in names:
                changed[number, names.index("lastUpdated") + 1] = one.last_updated
    return changed


def faq_cells(faq: Faq) -> dict[str, str | bool]:
    """An FAQ's cells by the names of its tab's columns."""
    return {
        "faqId": faq.faq_id, "category": faq.category, "subCategory": faq.sub_category, "keywords": ",".join(faq.keywords),
        "question": faq.question, "answer": faq.answer, "source": faq.source, "isActive": faq.is_active,
        "lastUpdated": faq.last_updated,
    }  # fmt: skip


def tab_cells(proposals: Iterable[Proposal]) -> list[dict[str, str | int | bool]]:
    """The rows of ``FAQ_제안`` by the names of its columns: what is open or accepted, what most ask for first."""
    shown = sorted((one for one in proposals if one.is_shown), key=lambda one: (one.kind, -one.count, one.proposal_id))
    return [
        {
            "proposalId": one.proposal_id, "isAccepted": one.status == "accepted", "category": one.category,
            "subCategory": one.sub_category, "keywords": ",".join(one.keywords), "question": one.question,
            "answer": one.answer, "evidence": ",".join(_told(one.evidence)), "count": one.count, "kind": one.kind,
            "lastUpdated": one.last_updated,
        }
        for one in shown
    ]  # fmt: skip


def _told(evidence: Sequence[str]) -> list[str]:
    """The newest of the evidence, ids of questions as short as they still tell apart."""
    shown = [one[:17] if one.startswith("question ") else one for one in evidence[:SHOWN_EVIDENCE]]
    return [*shown, "…"] if len(evidence) > SHOWN_EVIDENCE else shown
