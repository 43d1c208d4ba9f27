"""Tier 2: what regulations, articles and past cases say to a question: an LLM's answer that cites them, or they themselves.

Belongs here: hits to passages, what must be said of a rule that is not in force, the text that is given. Does not belong
here: which tier answers (``ask``), finding (``search``), the prompt (``domain/answer_prompt``), the call
(``resources/llm/answerer``).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.answer_prompt import MOST_PASSAGES, NotAnswered, Passage
from domain.company import Company
from domain.escalation import Language
from domain.masking import redact
from domain.regulation import Regulation
from domain.regulation_force import Force, in_force
from query.hits import Hit
from resources.companies import Companies
from resources.llm.answerer import Answerer, NoAnswer

SHOWN = 3
"""Passages that are given where no model answers."""
_MOST_SHOWN = 500
"""Characters of each."""
_KINDS = {"regulation": "regulation", "kb": "help article", "ticket": "past case"}
_STATES: dict[Language, dict[Force, str]] = {
    "ko": {
        "not_yet": "아직 시행 전인 규정입니다 (시행일 {day})",
        "superseded": "개정되어 더 이상 시행되지 않는 규정입니다",
    },
    "en": {"not_yet": "not in force yet (from {day})", "superseded": "replaced by a later version, no longer in force"},
}
_HEAD = {
    "ko": "관련 규정과 자료에서 찾은 내용입니다.",
    "en": "This is what the rules and documents say:",
}


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer was taken from. ``score`` is how likely it answers, 0 to 1; ``text`` what it says; ``state`` is "" or
    what must be said of it; ``source`` what an FAQ itself names as its basis."""

    data_type: str
    doc_id: str
    title: str
    url: str
    score: float
    text: str = ""
    state: str = ""
    source: str = ""
    part: int = 0
    category: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of tier 2; ``made_by`` is the model and the prompt, "" where passages speak for themselves."""

    text: str
    sources: list[Source]
    notes: list[str]
    made_by: str = ""


class Regulations:
    """What each regulation of a company is on a day; read again when the table has changed. Threads may share it."""

    def __init__(self, companies: Companies, company: Company) -> None:
        self._companies, self._id = companies, company.id
        self._lock = threading.Lock()
        self._read: tuple[int, dict[str, Regulation]] = (-1, {})
        self._force: tuple[int, str, dict[str, Force]] = (-1, "", {})

    def of_day(self, day: str) -> tuple[dict[str, Regulation], dict[str, Force]]:
        """All of them by id, and the force of each on a day (YYYY-MM-DD)."""
        with self._lock:
            with self._companies.store(self._id) as store:
                top = store.top("regulations")
                if top != self._read[0]:
                    rows = store.get("regulations", sorted(store.ids("regulations")))
                    self._read = top, {doc_id: _regulation(row.payload) for doc_id, row in rows.items()}
            known = self._read[1]
            if self._force[:2] != (top, day):
                self._force = top, day, in_force(known.values(), day)
            return known, self._force[2]


def sources_of(
    hits: Sequence[Hit], regulations: Regulations, companies: Companies, company: Company, day: str, language: Language
) -> list[Source]:
    """Hits as sources. Rules in force come before others that score as they may; of a past case, personal data is gone:
    it was another person's."""
    if not hits:
        return []
    known, force = regulations.of_day(day) if any(hit.data_type == "regulation" for hit in hits) else ({}, {})
    products = _products([hit.doc_id for hit in hits if hit.data_type == "ticket"], companies, company)
    made: list[Source] = []
    for hit in hits:
        rule = known.get(hit.doc_id) if hit.data_type == "regulation" else None
        if hit.data_type == "regulation" and rule is None:
            continue  # the index has not followed the table yet: what was deleted is not quoted
        now: Force = force.get(hit.doc_id, "in_force") if rule else "in_force"
        state = "" if now == "in_force" else _STATES[language][now].format(day=rule.effective_date if rule else "")
        made.append(
            Source(
                hit.data_type,
                hit.doc_id,
                _shown(hit, " ".join(dict.fromkeys(part for part in (hit.title, *hit.path) if part))),
                (rule.source_url if rule else "") or hit.url,
                hit.score,
                _shown(hit, hit.text.strip()),
                state,
                part=hit.part,
                category=rule.category if rule else products.get(hit.doc_id, ""),
            )
        )
    return sorted(made, key=lambda one: bool(one.state))


def tell(
    answerer: Answerer,
    question: str,
    written: str,
    language: Language,
    sources: Sequence[Source],
    conversation: Any = (),
) -> Told:
    """The answer from sources, of which there is one at least. ``written`` is the question's own language. Raises
    ``NotAnswered`` when a model finds that they do not answer."""
    sources, notes = list(sources[:MOST_PASSAGES]), list[str]()
    if answerer.is_there():
        passages = [
            Passage(str(at), _KINDS.get(one.data_type, one.data_type), one.title, one.text, one.state)
            for at, one in enumerate(sources, 1)
        ]
        try:
            found = answerer.answer(question, written, passages, conversation)
        except NotAnswered:
            raise
        except NoAnswer as reason:
            notes.append(f"Passages instead of an answer: {reason.detail or reason.title}")
        else:
            cited = [sources[int(one) - 1] for one in found.cited.sources]
            return Told(_with_states(found.cited.text, cited), cited, notes, found.made_by)
    shown = sources[:SHOWN]
    return Told(_passages(shown, language), shown, notes)


def _passages(sources: Sequence[Source], language: Language) -> str:
    said = [
        "\n".join(
            part
            for part in (
                f"{at}. {one.title}{f' [{one.state}]' if one.state else ''}",
                _cut(one.text),
                one.url,
            )
            if part
        )
        for at, one in enumerate(sources, 1)
    ]
    return "\n\n".join([_HEAD[language], *said])


def _with_states(text: str, cited: Sequence[Source]) -> str:
    """The answer, and behind it what must be said of a rule that is not in force, whatever the model made of that."""
    lines = dict.fromkeys(f"※ {one.title}: {one.state}" for one in cited if one.state)
    return "\n\n".join([text, "\n".join(lines)]) if lines else text


def _cut(text: str) -> str:
    if len(text) <= _MOST_SHOWN:
        return text
    cut = text[:_MOST_SHOWN]
    return f"{cut[: max(cut.rfind(' '), _MOST_SHOWN // 2)].rstrip()} …"


def _shown(hit: Hit, text: str) -> str:
    return str(redact(text)) if hit.data_type == "ticket" else text


def _products(doc_ids: Sequence[str], companies: Companies, company: Company) -> dict[str, str]:
    if not doc_ids:
        return {}
    with companies.store(company.id) as store:
        rows = store.get("merged_tickets", doc_ids)
    return {doc_id: row.payload["product"] for doc_id, row in rows.items() if not row.deleted}


def _regulation(payload: Any) -> Regulation:
    return Regulation(**{**payload, "tags": tuple(payload["tags"]), "path": tuple(payload.get("path", ()))})
