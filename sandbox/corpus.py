"""The sample companies' threads, as their authors wrote them, become Freshdesk tickets.

Belongs here: reading ``companies/ID/*.jsonl``, and everything a thread lacks: ids, times, people's records, mail
bodies. All of it follows from the thread's own key, so that every start of the sandbox gives the same bytes.
Does not belong here: serving (``freshdesk``) or changing (``world``) what comes out.

A line of such a file: ``key, problem, subject, status, priority 1-4, type, channel, product, tags, requester{name,
email}, body, messages[{author customer|agent|note|system, text, attachments?, quoted?, signature?}]`` and optionally
``form`` html|plain|quoted, ``attachments[{name, content_type, size}]``, ``near_duplicate_of``.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from sandbox import mail, shape
from sandbox.attachments import INLINE_IMAGE
from sandbox.shape import Json

COMPANIES = Path(__file__).parent / "companies"
#: The sandbox's present: nothing in a world is later, until somebody changes the world.
PRESENT = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
#: The oldest tickets are this old; the day is a Monday, as PRESENT is.
HISTORY = timedelta(weeks=34)

_HANGUL = re.compile("[가-힣]")
_FREE_MAIL = {"gmail.com", "naver.com", "daum.net", "hanmail.net", "outlook.com", "hotmail.com", "yahoo.com"}
_AGENTS = {
    "ko": ("정하늘", "한지우", "이준호", "최유진", "박소윤", "오민석"),
    "en": (
        "Priya Raman",
        "Marisol Etxeberria",
        "Keiko Aramaki",
        "Tomas Lindqvist",
        "Owen Fairbanks",
        "Jonas Eberhardt",
    ),
}


@dataclass(frozen=True, slots=True)
class Story:
    """What the authors know of a ticket and Freshdesk does not: for tests that ask whether the right one is found."""

    ticket_id: int
    problem: str
    near_duplicate_of: str | None


@dataclass(slots=True)
class Helpdesk:
    """All that an account holds before anything happens to it. ``stories`` is by the authors' key."""

    name: str
    language: str = "en"
    tickets: Iterable[Json] = ()
    agents: list[Json] = field(default_factory=list[Json])
    groups: list[Json] = field(default_factory=list[Json])
    products: list[Json] = field(default_factory=list[Json])
    contacts: list[Json] = field(default_factory=list[Json])
    companies: list[Json] = field(default_factory=list[Json])
    stories: dict[str, Story] = field(default_factory=dict[str, Story])
    #: The authors' categories, folders and articles (``solutions``).
    articles: list[Json] = field(default_factory=list[Json])
    #: Their words for attached files, by the file's name (``files``).
    files: dict[str, Json] = field(default_factory=dict[str, Json])


def names() -> list[str]:
    """The companies that have threads."""
    return sorted(folder.name for folder in COMPANIES.iterdir() if any(folder.glob("*.jsonl")))


def threads(name: str) -> list[Json]:
    """The threads of one company as written. Raises ``FileNotFoundError`` or, naming file and line, ``ValueError``."""
    files = sorted((COMPANIES / name).glob("*.jsonl"))
    if not files:
        raise FileNotFoundError(f"no sample company {name!r}; there are {', '.join(names())}")
    found: list[Json] = []
    for file in files:
        for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
            if not line.strip():
                continue
            try:
                found.append(json.loads(line))
            except json.JSONDecodeError as broken:
                raise ValueError(f"{file.parent.name}/{file.name} line {number}: {broken}") from broken
    return found


def load(name: str) -> Helpdesk:
    """One company's helpdesk, expanded from its threads."""
    return expand(name, threads(name))


def staff(helpdesk: Helpdesk) -> None:
    """Give the helpdesk its agents and their group."""
    since = stamp(PRESENT - HISTORY - timedelta(days=90))
    helpdesk.agents = [
        shape.agent(
            shape.FIRST_AGENT + number,
            agent,
            f"agent{number + 1}@{helpdesk.name}.example.com",
            helpdesk.language,
            since,
        )
        for number, agent in enumerate(_AGENTS[helpdesk.language])
    ]
    group = "고객지원" if helpdesk.language == "ko" else "Customer Support"
    helpdesk.groups = [shape.group(shape.FIRST_GROUP, group, [agent["id"] for agent in helpdesk.agents], since)]


def expand(name: str, written: list[Json]) -> Helpdesk:
    """Turn threads into tickets, the oldest first; ids, times and bodies depend on nothing but the threads."""
    hangul = sum(bool(_HANGUL.search(thread["subject"])) for thread in written)
    helpdesk = Helpdesk(name, language="ko" if hangul * 2 > len(written) else "en")
    staff(helpdesk)
    since = helpdesk.agents[0]["created_at"]
    for product in sorted({thread["product"] for thread in written if thread.get("product")}):
        helpdesk.products.append(shape.product(shape.FIRST_PRODUCT + len(helpdesk.products), product, since))
    ordered = _in_order(written)
    author = _Author(helpdesk)
    helpdesk.tickets = [author.ticket(number, thread, len(ordered)) for number, thread in enumerate(ordered, start=1)]
    helpdesk.stories = {
        thread["key"]: Story(number, thread["problem"], thread.get("near_duplicate_of"))
        for number, thread in enumerate(ordered, start=1)
    }
    helpdesk.contacts = list(author.contacts.values())
    helpdesk.companies = list(author.companies.values())
    return helpdesk


def _in_order(written: list[Json]) -> list[Json]:
    """Mix the problems over time; what is unsolved is recent, and a near-duplicate comes after what it repeats."""
    by_key = {thread["key"]: thread for thread in written}
    if len(by_key) != len(written):
        raise ValueError(f"{len(written) - len(by_key)} threads share their key with another")

    def rank(thread: Json) -> str:
        place, original = draw(thread["key"], "order", 3 << 30), thread.get("near_duplicate_of")
        if thread["status"] not in ("resolved", "closed"):
            place = place // 3 + (2 << 30)
        own = f"{place:08x}"
        return max(own, rank(by_key[original]) + "+") if original in by_key else own

    return sorted(written, key=lambda thread: (rank(thread), thread["key"]))


def draw(key: str, purpose: str, below: int) -> int:
    """A number from 0 to ``below`` - 1 that is always the same for this key and purpose."""
    digest = hashlib.blake2b(f"{purpose}\x1f{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % below


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class WorkingTime:
    """Time at work, in minutes since the beginning of the history: Monday to Friday, 08:30 to 18:30 local time."""

    _DAY = 600

    def __init__(self, language: str) -> None:
        present = PRESENT.astimezone(mail.ZONES[language])
        self._first = (present - HISTORY).replace(hour=8, minute=30, second=0)
        self.present: float = HISTORY.days // 7 * 5 * self._DAY + (present - HISTORY - self._first).total_seconds() / 60

    def moment(self, minutes: float) -> datetime:
        days, minute = divmod(minutes, self._DAY)
        weeks, weekday = divmod(int(days), 5)
        local = self._first + timedelta(weeks=weeks, days=weekday, minutes=minute)
        return local.astimezone(UTC).replace(microsecond=0)

    def created(self, number: int, total: int, key: str) -> float:
        """When the ``number``-th of ``total`` tickets came in: evenly spread, a little shaken."""
        return (number - 1 + draw(key, "created", 1000) / 1000) / total * (self.present - 30)

    def messages(self, key: str, created: float, count: int) -> list[float]:
        """When each message was sent: minutes to hours apart, all before the present."""
        gaps = [5 + draw(f"{key}/{number}", "gap", 300) for number in range(count)]
        scale = min(1.0, (self.present - created) * 0.9 / max(sum(gaps), 1))
        return [created + scale * sum(gaps[: number + 1]) for number in range(count)]


class _Author:
    """Writes the tickets of one helpdesk, one after the other; hands out ids as it goes."""

    def __init__(self, helpdesk: Helpdesk) -> None:
        self.helpdesk = helpdesk
        self.contacts: dict[str, Json] = {}
        self.companies: dict[str, Json] = {}
        self.products = {product["name"]: product["id"] for product in helpdesk.products}
        self.time = WorkingTime(helpdesk.language)
        self.support = f"support@{helpdesk.name}.example.com"
        self.conversation_ids = count(shape.FIRST_CONVERSATION)
        self.attachment_ids = count(shape.FIRST_ATTACHMENT)

    def ticket(self, ticket_id: int, thread: Json, total: int) -> Json:
        key = thread["key"]
        start = self.time.created(ticket_id, total, key)
        times = [self.time.moment(one) for one in self.time.messages(key, start, len(thread["messages"]))]
        created = self.time.moment(start)
        created_at = stamp(created)
        customer = self._contact(thread["requester"], created_at)
        agent = self._agent(thread)
        source = shape.SOURCES[thread["channel"]]
        program = self._program(thread)
        attached = self._attachments(thread, created_at)
        pictures = program != "plain" and any(file["content_type"].startswith("image/") for file in attached)
        own, opening = mail.compose(
            program,
            self.helpdesk.language,
            customer["name"],
            customer["email"],
            created_at,
            thread["body"],
            image=INLINE_IMAGE if pictures else "",
        )
        record = shape.ticket(
            ticket_id,
            thread["subject"],
            created_at,
            group_id=self.helpdesk.groups[0]["id"],
            priority=thread["priority"],
            requester_id=customer["id"],
            responder_id=agent["id"],
            source=source,
            company_id=customer["company_id"],
            status=shape.STATUSES[thread["status"]],
            support_email=self.support if thread["channel"] == "email" else None,
            to_emails=[self.support] if thread["channel"] == "email" else None,
            product_id=self.products.get(thread.get("product")),
            type=thread.get("type"),
            tags=thread.get("tags", []),
            description=opening.html,
            description_text=opening.text if thread["channel"] == "email" else mail.collapse(opening.text),
            attachments=attached,
            requester=shape.requester(customer["id"], customer["name"], customer["email"]),
            company=self._company_of(customer),
        )
        said = own
        if source == shape.WEB_CHAT:
            record["conversations"].append(self._first_chat_message(record))
        for message, moment in zip(thread["messages"], times, strict=True):
            conversation, said = self._message(record, thread, message, stamp(moment), agent, customer, program, said)
            record["conversations"].append(conversation)
        _live_through(record, thread, created, times)
        return record

    def _agent(self, thread: Json) -> Json:
        """Who answers: the agent who signs in the thread, else one drawn by its key."""
        agents = self.helpdesk.agents
        signed = " ".join(one.get("signature", "") for one in thread["messages"] if one["author"] == "agent")
        signing = [one for one in agents if one["contact"]["name"].split()[0] in signed]
        return signing[0] if signing else agents[draw(thread["key"], "agent", len(agents))]

    def _program(self, thread: Json) -> mail.Program:
        """What the customer writes with, by channel, ``form`` and key."""
        form = thread.get("form")
        if thread["channel"] != "email":
            return "editor" if form == "html" else "plain"
        if form == "plain":
            return "plain"
        mailers = mail.MAILERS if form is None else mail.HTML_MAILERS
        return mailers[draw(thread["key"], "program", len(mailers))]

    def _message(
        self,
        record: Json,
        thread: Json,
        message: Json,
        sent_at: str,
        agent: Json,
        customer: Json,
        customers_program: mail.Program,
        answers: mail.Mail,
    ) -> tuple[Json, mail.Mail]:
        """One message of the thread as a conversation, and as the mail that the next one may quote."""
        incoming, private = message["author"] == "customer", message["author"] == "note"
        quoted = bool(message.get("quoted")) or (incoming and thread.get("form") == "quoted")
        name, address = (customer["name"], customer["email"]) if incoming else (agent["contact"]["name"], self.support)
        own, whole = mail.compose(
            customers_program if incoming else "editor",
            self.helpdesk.language,
            name,
            address,
            sent_at,
            message["text"],
            signature=message.get("signature", ""),
            answers=answers if quoted else None,
            to=customer["email"] if answers.address == self.support else self.support,
            subject=thread["subject"],
        )
        reply = not incoming and not private
        conversation = shape.conversation(
            next(self.conversation_ids),
            record["id"],
            sent_at,
            whole.html,
            whole.text,
            incoming=incoming,
            private=private,
            user_id=customer["id"] if incoming else agent["id"],
            support_email=self.support if reply else None,
            to_emails=[] if private else [self.support if incoming else customer["email"]],
            from_email=f"{name} <{address}>" if reply else customer["email"] if incoming else None,
            attachments=self._attachments(message, sent_at),
            has_quoted_text=quoted,
            auto_response=message["author"] == "system",
        )
        return conversation, answers if private else own

    def _first_chat_message(self, record: Json) -> Json:
        return shape.conversation(
            next(self.conversation_ids),
            record["id"],
            record["created_at"],
            record["description"],
            record["description_text"],
            incoming=True,
            user_id=record["requester_id"],
            source=shape.REPLY,
        )

    def _attachments(self, owner: Json, created_at: str) -> list[Json]:
        return [
            shape.attachment(next(self.attachment_ids), file["name"], file["content_type"], file["size"], created_at)
            for file in owner.get("attachments", [])
        ]

    def _contact(self, person: Json, created_at: str) -> Json:
        email = person["email"].lower()
        if email not in self.contacts:
            company = self._company(email.partition("@")[2], created_at)
            self.contacts[email] = shape.contact(
                shape.FIRST_CONTACT + len(self.contacts),
                person["name"],
                email,
                company["id"] if company else None,
                self.helpdesk.language,
                created_at,
            )
        return self.contacts[email]

    def _company(self, domain: str, created_at: str) -> Json | None:
        if domain in _FREE_MAIL:
            return None
        if domain not in self.companies:
            self.companies[domain] = shape.company(
                shape.FIRST_COMPANY + len(self.companies), domain.partition(".")[0].title(), domain, created_at
            )
        return self.companies[domain]

    def _company_of(self, customer: Json) -> Json | None:
        company = next((one for one in self.companies.values() if one["id"] == customer["company_id"]), None)
        return company and {"id": company["id"], "name": company["name"]}


def _live_through(record: Json, thread: Json, created: datetime, times: list[datetime]) -> None:
    """Set what follows from the thread's course: the last change, the clocks of the service agreement, the stats."""
    conversations = record["conversations"]
    last = stamp(times[-1]) if times else record["created_at"]
    by_agent = [one["created_at"] for one in conversations if not one["incoming"] and not one["private"]]
    by_customer = [one["created_at"] for one in conversations if one["incoming"]]
    resolved, closed = record["status"] in (4, 5), record["status"] == 5
    hours = {1: 72, 2: 48, 3: 24, 4: 8}[record["priority"]]
    record["updated_at"] = last
    record["due_by"] = stamp(created + timedelta(hours=hours))
    record["fr_due_by"] = stamp(created + timedelta(hours=hours / 4))
    record["is_escalated"] = not resolved and record["due_by"] < stamp(PRESENT)
    record["stats"] = shape.stats(
        agent_responded_at=by_agent[-1] if by_agent else None,
        requester_responded_at=by_customer[-1] if by_customer else None,
        first_responded_at=by_agent[0] if by_agent else None,
        status_updated_at=last,
        resolved_at=last if resolved else None,
        closed_at=last if closed else None,
        pending_since=last if record["status"] == 3 else None,
    )
