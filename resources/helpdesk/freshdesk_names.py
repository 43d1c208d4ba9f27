"""What a Freshdesk account calls its own numbers: statuses, products, groups, agents, fields.

Belongs here: asking for the names, keeping them, noticing that some are missing. Does not belong here: what is made of a
name (``freshdesk_ticket``).

Names are asked for with the first ticket of a walk that needs them, kept with the company's rows, and asked for again
after a week, or when a ticket has a number that nobody has named yet.
"""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from domain.fingerprint import clean
from resources.helpdesk.base import Json
from resources.http import BadAnswer, Http, HttpRefused

#: Seconds after which names are asked for again.
LIFETIME = 7 * 86400
#: How a ticket refers to what has a name.
REFERENCES = {"statuses": "status", "products": "product_id", "groups": "group_id", "agents": "responder_id"}
_PER_PAGE = 100


class Names:
    """The names of one account. ``known`` is JSON: ``statuses``, ``products``, ``groups``, ``agents`` map a number (as
    text) to a name, ``fields`` a custom field's name to its label; ``notes`` say what the key may not read."""

    def __init__(self, http: Http, clock: Callable[[], float] = time.time) -> None:
        self._http, self._clock = http, clock
        self._lock = threading.Lock()
        self._asked = self._is_in_trouble = False
        self.known: Json = {}

    def learn(self, ticket: Json) -> None:
        """Ask for the names, if this ticket has a number without one, or they are old; once a walk at most."""
        with self._lock:
            if self._asked or not (self._is_old() or self._is_strange(ticket)):
                return
            self._asked = True
            self.known, _ = clean(self._ask())
            self._give_up(ticket)

    def _is_old(self) -> bool:
        return self._clock() - self.known.get("at", 0) > LIFETIME

    def _is_strange(self, ticket: Json) -> bool:
        for kind, reference in REFERENCES.items():
            number = ticket.get(reference)
            if number is not None and kind in self.known and str(number) not in self.known[kind]:
                return True
        fields = self.known.get("fields")
        return fields is not None and not (ticket.get("custom_fields") or {}).keys() <= fields.keys()

    def _give_up(self, ticket: Json) -> None:
        """What this ticket refers to and nobody names, an agent who left for example, is not asked for again."""
        for kind, reference in REFERENCES.items():
            if kind in self.known and ticket.get(reference) is not None:
                self.known[kind].setdefault(str(ticket[reference]), "")
        if "fields" in self.known:
            self.known["fields"] = dict.fromkeys(ticket.get("custom_fields") or (), "") | self.known["fields"]

    def _ask(self) -> Json:
        notes: list[str] = []
        fields = self._list("/ticket_fields", notes, "the names of statuses and fields")
        found: Json = {"at": int(self._clock()), "notes": notes}
        if fields is not None:
            found |= {"statuses": _statuses(fields), "fields": _labels(fields)}
        for kind, what in (("products", "products"), ("groups", "groups"), ("agents", "agents")):
            records = self._list(f"/{kind}", notes, f"the names of {what}")
            if records is not None:
                found[kind] = {str(one["id"]): _name(one) for one in records}
        if self._is_in_trouble:
            found["at"] = 0  # the next walk asks again
        return found

    def _list(self, path: str, notes: list[str], what: str) -> list[Json] | None:
        """All records of an address; None, with a note, where the key may not read them or the plan has none."""
        records: list[Json] = []
        page, more = 1, True
        while more:
            try:
                answer = self._http.get(path, {"per_page": _PER_PAGE, "page": page}, shape=list)
            except HttpRefused as refused:
                if refused.status not in (403, 404):
                    raise
                notes.append(f"{refused.lacking} {what}; tickets are read without")
                return None
            except BadAnswer:
                self._is_in_trouble = True
                notes.append(f"{what} could not be read just now; tickets are read without")
                return None
            fresh = [one for one in answer.value if isinstance(one, dict) and one not in records]
            records += fresh
            # Addresses without pages answer with everything, whatever page was asked for.
            page, more = page + 1, answer.more and bool(fresh)
        return [one for one in records if "id" in one or "name" in one]


def _statuses(fields: Iterable[Json]) -> dict[str, str]:
    """Number → the agents' word, lower case. Choices are a map of numbers to [agents' word, customers' word]."""
    choices: Any = next((one.get("choices") for one in fields if one.get("name") == "status"), None)
    if not isinstance(choices, dict):
        return {}
    named = {number: words[0] if isinstance(words, list) and words else words for number, words in choices.items()}
    return {str(number): str(word).lower() for number, word in named.items() if word}


def _labels(fields: Iterable[Json]) -> dict[str, str]:
    """Name → label of the account's own fields, and of those that depend on them."""
    own = [one for one in fields if not one.get("default")]
    nested = [one.get("nested_ticket_fields") for one in own]
    own += [inner for some in nested if isinstance(some, list) for inner in some if isinstance(inner, dict)]
    return {str(one["name"]): str(one.get("label") or "") for one in own if one.get("name")}


def _name(record: Json) -> str:
    contact = record.get("contact")
    return str((contact if isinstance(contact, dict) else record).get("name") or record.get("id"))
