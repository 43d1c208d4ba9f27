"""What a company was asked to forget: the hashes that keep a later sync from bringing it back.

Belongs here: the one form in which a document's id or a person's address is hashed, and the rule of what is left out.
Does not belong here: erasing (``resources/erase``), or the walk that leaves out (``resources/helpdesk/collect``).

The list holds hashes only (BLAKE2b, with the company in them, so that two companies' lists cannot be compared). Who has
an address in hand can ask whether it is on the list; nobody can read one from it.
"""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parseaddr
from typing import Literal

from domain.fingerprint import canonical, clean
from domain.stage import DataType
from domain.ticket import Person

Kind = Literal["document", "article", "requester"]
_KINDS: dict[DataType, Kind] = {"ticket": "document", "kb": "article"}
"""Of what a source would bring back. FAQs and regulations are forgotten in the workbook itself."""


def kind_of(data_type: DataType) -> Kind:
    """What a document of a type is called on the list: a ticket and an article may have one id."""
    return _KINDS[data_type]


def digest(company: str, kind: Kind, value: str) -> str:
    """64 hex digits: BLAKE2b-256 of company, kind and value. A requester's value is one of ``keys``."""
    return hashlib.blake2b(canonical([company, kind, clean(value)[0]]), digest_size=32).hexdigest()


def address(text: str) -> str:
    """The one form of a mail address: without a name around it, full-width forms folded, lower case, the domain in ASCII
    (RFC 5891). "" where there is none. ``a+b@`` and ``a@`` stay two: whose they are, only their server knows."""
    folded = unicodedata.normalize("NFKC", text).strip().casefold().removeprefix("mailto:")
    found = parseaddr(folded)[1]
    local, _, domain = (found if "@" in found else folded).rpartition("@")
    if not local or not domain:
        return ""
    with suppress(UnicodeError):  # no domain of the internet, but one address all the same
        domain = domain.encode("idna").decode()
    return f"{local.strip()}@{domain.rstrip('.')}"


def keys(person: Person) -> list[str]:
    """By what a requester is known: address, and the helpdesk's id, which stays when the address changes."""
    known = address(person.email)
    return [*([known] if known else []), *([f"id {person.id}"] if person.id else [])]


def requester_key(text: str) -> str:
    """The key of what a person typed: an address, else the helpdesk's id of a requester."""
    return address(text) or f"id {text.strip()}"


def writes(address: str, text: str) -> bool:
    """Whether a text, or its JSON, writes a mail address (of ``address``) that is not a part of a longer one."""
    before, after = r"(?:(?<![a-z0-9_.+-])|(?<=\\[bfnrt]))", r"(?![a-z0-9_-]|\.[a-z0-9])"
    return bool(address) and re.search(f"{before}{re.escape(address)}{after}", text.casefold()) is not None


class Forgotten:
    """The list of one company. ``listed`` maps each digest to when it was forgotten (ISO 8601 UTC); ``data_type`` is that
    of the documents that are asked for."""

    def __init__(self, company: str, listed: Mapping[str, str], data_type: DataType = "ticket") -> None:
        self.company = company
        self.kind: Kind = kind_of(data_type)
        self._listed = listed

    def __bool__(self) -> bool:
        return bool(self._listed)

    def document(self, doc_id: str) -> bool:
        """Whether a document is on the list itself."""
        return digest(self.company, self.kind, doc_id) in self._listed

    def ticket_of(self, person: Person, created_at: str) -> str:
        """The digest for which a ticket is left out: its requester's, for those that they wrote up to the moment of
        forgetting, and those of which nobody says when; else "". What they write later is welcome."""
        digests = (digest(self.company, "requester", key) for key in keys(person))
        listed = ((one, self._listed.get(one)) for one in digests)
        return next((one for one, at in listed if at is not None and created_at <= at), "")

    def vote_of(self, user_id: str, created_at: str) -> bool:
        """Whether a vote goes for who gave it, by the same rule; a vote's user is an address or an id."""
        at = self._listed.get(digest(self.company, "requester", requester_key(user_id)))
        return at is not None and created_at <= at
