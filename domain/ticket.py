"""A helpdesk ticket in the platform-neutral form that everything after the adapter reads.

Belongs here: the records (ticket, message, attachment, person) and the words for states and authors.
Does not belong here: how one platform's JSON becomes these records (``resources/helpdesk/*``),
or what is made of them (``merge``, ``summary``).
"""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from domain.fingerprint import fingerprint

Author = Literal["customer", "agent", "system"]
AUTHORS: tuple[Author, ...] = ("customer", "agent", "system")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file's metadata, never its signed address. ``size`` is in bytes; ``text`` is what a file of text, a PDF or a
    document says, "" where that was not read."""

    id: str
    name: str
    content_type: str = ""
    size: int = 0
    text: str = ""


Content = Literal["good", "neutral", "bad"]


@dataclass(frozen=True, slots=True)
class Satisfaction:
    """How content the customer was, in their own words in ``comment``."""

    score: Content
    comment: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asked. Empty strings where the helpdesk does not say."""

    id: str = ""
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a ticket's thread, in the source's own words.

    ``html`` and ``text`` are the source's two forms of the body; either may be empty. ``created_at`` is
    ISO 8601 in UTC ("2026-01-31T09:00:00Z") or "". ``private`` marks an agents' note that customers never see.
    """

    id: str
    author: Author
    html: str = ""
    text: str = ""
    created_at: str = ""
    private: bool = False
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Ticket:
    """One ticket with its thread; the description is not among the messages. ``group`` and ``agent`` are names.
    ``merged_into`` is the id of the ticket that holds this one's thread now, or "".

    ``status`` is the helpdesk's own word in lower case ("open", "resolved", "waiting on customer");
    "" means that the source gives none, which counts as resolved. Times as in :class:`Message`.
    """

    id: str
    subject: str = ""
    description: Message | None = None
    messages: tuple[Message, ...] = ()
    status: str = ""
    priority: str = ""
    type: str = ""
    channel: str = ""
    tags: tuple[str, ...] = ()
    product: str = ""
    group: str = ""
    agent: str = ""
    requester: Person = Person()
    created_at: str = ""
    updated_at: str = ""
    resolved_at: str = ""
    url: str = ""
    attachments: tuple[Attachment, ...] = ()
    custom_fields: dict[str, Any] = field(default_factory=dict[str, Any])
    satisfaction: tuple[Satisfaction, ...] = ()
    merged_into: str = ""

    def content_hash(self) -> str:
        """Hash of what the ticket says. A new ``updated_at`` alone is no change (DESIGN §3.2)."""
        return fingerprint(replace(self, updated_at=""))
