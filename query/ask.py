"""Ask: one question of a user, answered by the first tier that can (spec sheets.ko.md, §"시트 1", "시트 5", "시트 6").

Tier 1 is a verified FAQ, word for word; tier 2 what regulations, articles and past cases say; tier 3 the person to ask.

Belongs here: which tier answers, the category, and what is kept of it. Does not belong here: finding FAQs (``faq``),
searching (``search``), putting tier 2's answer together (``answer``), sessions (``conversation``).
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from domain import escalation
from domain.answer_prompt import NotAnswered
from domain.company import Company
from domain.contact import Contact
from domain.conversation import Exchange, Tier
from domain.errors import InputError, StorageError
from domain.escalation import Language
from domain.fingerprint import clean
from domain.follow_up import Understood, says, understood
from domain.merge import language_of
from domain.stage import DataType
from query.answer import Regulations, Source, sources_of, tell
from query.conversation import Conversations, Place
from query.faq import FaqFound, FaqLookup
from query.recommendations import Recorder, recommendation
from query.search import Searcher
from resources.background import PATIENCE
from resources.clock import utc_now
from resources.companies import Companies
from resources.llm.answerer import Answerer

TIER1_SCORE = 0.5
"""An FAQ answers from this score on, where the company has not set another. ``bench/tiers.py``, 912 Korean FAQs: 94 % of
their own questions are answered, 4 % of another set's and none of CLINC150's out of scope (docs/ask.md)."""
TIER2_SCORE = 0.5
"""The same for regulations, articles and cases: what ``domain/calibration`` calls good."""
MOST_QUESTION = 4_000
"""Characters of a question."""
_TYPES: tuple[DataType, ...] = ("regulation", "kb", "ticket")
_LOOKED_AT = 8
_NEAR = 0.1
"""What scores less says nothing of a question's category."""


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer. ``understood`` is the question as it was looked for; ``contact`` whom tier 3 names; ``score`` the
    source's, or in tier 3 that of the best there was; ``path`` how the FAQs were looked up (``query/faq``); ``exchange_id``
    is also the id of its recommendation, for votes. ``made_by`` is the model and prompt of an LLM's answer, else ""."""

    company: str
    question: str
    understood: str
    answer: str
    tier: Tier
    category: str
    sub_category: str
    sources: list[Source]
    contact: Contact | None
    score: float
    path: str
    user_id: str
    session_id: str
    exchange_id: str
    latency_ms: int
    made_by: str = ""
    notes: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class _Question:
    """A question on its way through the tiers. ``language`` is that of messages, ``written`` its own."""

    company: Company
    text: str
    reading: Understood
    language: Language
    written: str
    day: str
    conversation: list[tuple[str, str]]

    @property
    def is_for_person(self) -> bool:
        """Who is in charge is what the tab of contacts knows."""
        return escalation.asks_for_person(self.text)


@dataclass(slots=True)
class _Found:
    """What the tiers saw and said."""

    tier: Tier = 3
    text: str = ""
    sources: list[Source] = field(default_factory=list[Source])
    contact: Contact | None = None
    category: str = ""
    sub_category: str = ""
    score: float = 0.0
    path: str = ""
    understood: str = ""
    made_by: str = ""
    notes: list[str] = field(default_factory=list[str])


class Asker:
    """Answers the questions of one company. Keeps models, indexes and connections open: make one and use it for many
    questions, from several threads if need be. It waits for no sync; settings that change count within seconds."""

    def __init__(self, companies: Companies, company: Company, recorder: Recorder | None = None) -> None:
        self.companies, self.company = companies, company
        self.searcher = Searcher(companies, company)
        self._faqs = FaqLookup(companies, company, self.searcher)
        self._regulations = Regulations(companies, company)
        self._answerer = Answerer(companies, company)
        self._conversations = Conversations(companies, company)
        self._recorder = recorder or Recorder(companies)

    def close(self, seconds: float = PATIENCE) -> bool:
        """Let connections go, and write what waits; whether all of it was written."""
        done = [
            self._conversations.close(seconds),
            self._recorder.close(seconds),
            self._answerer.close(seconds),
            self.searcher.close(),
        ]
        return all(done)

    def ask(self, text: str, user_id: str = "", session_id: str = "", now: str = "") -> Asked:
        """The answer. ``now`` is ISO 8601 UTC, the clock's where it is not given. Raises ``InputError`` for an empty or
        endless question and for bad ids; ``StorageError`` where the company's own store cannot be read."""
        started = time.perf_counter()
        question = checked(text)
        now = now or utc_now()
        company = self.companies.current(self.company.id)
        with self._conversations.place(company, user_id, session_id, now) as place:
            asked = _read(company, question, place, now)
            found = self._answered(asked)
            exchange = Exchange(
                exchange_id=_new_id(),
                session_id=place.session,
                user_id=place.user,
                asked_at=now,
                question=question,
                answered_at=now if now > (at := utc_now()) else at,
                answer=found.text,
                tier=found.tier,
                category=found.category,
                sub_category=found.sub_category,
                source_id=f"{found.sources[0].data_type} {found.sources[0].doc_id}" if found.sources else "",
                score=found.score,
                latency_ms=round((time.perf_counter() - started) * 1000),
                is_escalated=found.contact is not None,
                path=found.path,
                more={"understood": found.understood, "made_by": found.made_by},
            )
            self._conversations.keep(exchange)
        self._recommended(exchange, found)
        return Asked(
            company=self.company.id,
            question=question,
            understood=found.understood,
            answer=found.text,
            tier=found.tier,
            category=found.category,
            sub_category=found.sub_category,
            sources=found.sources,
            contact=found.contact,
            score=found.score,
            path=found.path,
            user_id=place.user,
            session_id=place.session,
            exchange_id=exchange.exchange_id,
            latency_ms=exchange.latency_ms,
            made_by=found.made_by,
            notes=[*place.notes, *found.notes],
        )

    def _answered(self, asked: _Question) -> _Found:
        found = _Found(understood=asked.reading.readings[0])
        in_charge = self._contacts() if asked.is_for_person else []
        faqs = self._tier1(asked, found, is_for_person=bool(in_charge))
        if found.tier == 1:
            return found
        whose = _whose(asked, found, [], faqs, in_charge) if in_charge else ("", "")
        if whose[0] and escalation.contact_for(*whose, in_charge):  # known without a look at what the rules say
            _by_contact(found, asked, whose, in_charge, [], faqs)
            return found
        seen = self._tier2(asked, found)
        if found.tier == 2:
            found.category = found.category or _category(found.sources, faqs)[0]
            return found
        contacts = self._contacts()
        _by_contact(found, asked, _whose(asked, found, seen, faqs, contacts), contacts, seen, faqs)
        return found

    def _tier1(self, asked: _Question, found: _Found, *, is_for_person: bool) -> list[FaqFound]:
        """The FAQs there are to the question, best first; the first that is good enough answers."""
        least = _threshold(asked.company, "tier1_score", TIER1_SCORE)
        near: list[FaqFound] = []
        for reading in asked.reading.readings:
            looked = self._faqs.look(reading)
            hits, found.path = looked.found, looked.path
            found.notes += [note for note in looked.notes if note not in found.notes]
            near += hits
            for hit in hits:
                if hit.score < least:
                    break
                if _answers(hit, asked.reading, is_for_person=is_for_person):
                    _by_faq(found, hit, reading)
                    return near
        near.sort(key=lambda hit: -hit.score)
        return near

    def _tier2(self, asked: _Question, found: _Found) -> list[Source]:
        """The sources there are to the question, best first; those that are good enough answer."""
        least = _threshold(asked.company, "tier2_score", TIER2_SCORE)
        near: list[Source] = []
        for reading in asked.reading.readings:
            sources = self._sources(asked, reading, found)
            near += sources
            good = [one for one in sources if one.score >= least and _says(one, asked.reading)]
            if not good:
                continue
            try:
                told = tell(self._answerer, asked.text, asked.written, asked.language, good, asked.conversation)
            except NotAnswered:
                found.notes.append("The model found no answer in what was found.")
                break
            found.tier, found.text, found.sources, found.made_by = 2, told.text, told.sources, told.made_by
            found.notes += told.notes
            found.score, found.understood = max(one.score for one in told.sources), reading
            break
        return sorted(near, key=lambda one: -one.score)

    def _sources(self, asked: _Question, reading: str, found: _Found) -> list[Source]:
        try:
            built = self.searcher.built()
            types: list[DataType] = [one for one in _TYPES if one in built]
            if not types:
                return []
            answer = self.searcher.search(reading, _LOOKED_AT, data_types=types)
        except StorageError as error:  # a damaged index: a person is still named
            found.notes.append(f"Not searched: {error.title}")
            return []
        found.notes += [note for note in answer.notes if note not in found.notes]
        return sources_of(answer.hits, self._regulations, self.companies, asked.company, asked.day, asked.language)

    def _contacts(self) -> list[Contact]:
        with self.companies.store(self.company.id) as store:
            rows = store.get("contacts", sorted(store.ids("contacts")))
        found = [Contact(**row.payload) for row in rows.values() if not row.deleted]
        return sorted(found, key=lambda one: (one.category, one.sub_category, one.name))  # an id is no order

    def _recommended(self, exchange: Exchange, found: _Found) -> None:
        """Keep the answer for a vote, under the exchange's id."""
        asked = {"kind": "ask", "tier": exchange.tier, "in": sorted({one.data_type for one in found.sources})}
        hits = [asdict(one) for one in found.sources]
        try:
            versions = self.searcher.versions() if self.searcher.built() else {}
        except StorageError:
            versions = {}
        given = recommendation(exchange.exchange_id, exchange.question, asked, hits, versions)
        self._recorder.keep(self.company.id, given)


def checked(text: str) -> str:
    """A question as it can be asked. Raises ``InputError`` for an empty or endless one."""
    said, _ = clean(text)
    said = said.strip()
    if not said:
        raise InputError("the question is empty.", remedy="Say what you want to know.")
    if len(said) > MOST_QUESTION:
        raise InputError(
            "the question is too long.", f"It has {len(said)} characters.", f"Ask in {MOST_QUESTION:,} at most."
        )
    return said


def _read(company: Company, question: str, place: Place, now: str) -> _Question:
    before = place.before[-1] if place.before else None
    reading = understood(question, str(before.more.get("understood") or before.question) if before else "")
    written = language_of(question)
    wanted: str = company.setting("language")
    language: Language = "ko" if "ko" in (wanted, written if wanted == "auto" else "") else "en"
    turns = [turn for one in place.before for turn in (("user", one.question), ("bot", one.answer))]
    day = datetime.fromisoformat(now).astimezone(ZoneInfo(company.setting("time_zone"))).date().isoformat()
    return _Question(company, question, reading, language, written, day, turns)


def _threshold(company: Company, name: str, measured: float) -> float:
    wanted: Any = company.setting(name)
    return measured if wanted is None else float(wanted)


def _answers(hit: FaqFound, reading: Understood, *, is_for_person: bool) -> bool:
    """Who is in charge is told by an FAQ only that was asked just that."""
    faq = hit.faq
    if is_for_person and not escalation.asks_for_person(faq.question):
        return False
    return says(" ".join((faq.question, *faq.keywords, faq.sub_category, faq.answer)), reading.new_words)


def _says(source: Source, reading: Understood) -> bool:
    return says(f"{source.title} {source.text}", reading.new_words)


def _by_faq(found: _Found, hit: FaqFound, reading: str) -> None:
    faq = hit.faq
    found.tier, found.text, found.score, found.path, found.understood = 1, faq.answer, hit.score, hit.path, reading
    found.category, found.sub_category = faq.category, faq.sub_category
    found.sources = [Source("faq", faq.faq_id, faq.question, "", hit.score, source=faq.source, category=faq.category)]


def _whose(
    asked: _Question, found: _Found, seen: Sequence[Source], faqs: Sequence[FaqFound], contacts: Sequence[Contact]
) -> tuple[str, str]:
    """Category and sub-category of the question, whoever they are a matter of: by its own words, else by what is near."""
    category, sub_category = escalation.mentioned(found.understood, contacts)
    if not category and asked.is_for_person:
        category, sub_category = escalation.begun(found.understood, contacts)
    return (category, sub_category) if category else _category(seen, faqs)


def _by_contact(
    found: _Found,
    asked: _Question,
    whose: tuple[str, str],
    contacts: Sequence[Contact],
    seen: Sequence[Source],
    faqs: Sequence[FaqFound],
) -> None:
    found.category, found.sub_category = whose
    found.contact = escalation.contact_for(*whose, contacts)
    found.text = escalation.message(found.contact, asked.language)
    found.score = max((0.0, *(one.score for one in seen), *(one.score for one in faqs)))


def _category(sources: Sequence[Source], faqs: Sequence[FaqFound]) -> tuple[str, str]:
    """Category and sub-category by what is nearest, ("", "") where nothing is near."""
    near = [(hit.score, hit.faq.category, hit.faq.sub_category) for hit in faqs]
    near += [(one.score, one.category, "") for one in sources if one.category]
    score, category, sub_category = max(near, key=lambda one: one[0], default=(0.0, "", ""))
    return (category, sub_category) if score >= _NEAR else ("", "")


def _new_id() -> str:
    """32 hexadecimal digits that begin with the time: answers of one second stay in their order."""
    return f"{time.time_ns() // 1_000_000:012x}{uuid4().hex[:20]}"
