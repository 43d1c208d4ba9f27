"""The Korean sample company ``hanbit``: enough tickets, well formed, and told in truly different words.

Belongs here: what the demo and the measurements take for granted about ``sandbox/companies/hanbit/*.jsonl``.
Does not belong here: how the sandbox serves these tickets.
"""

import json
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "sandbox" / "companies" / "hanbit"
STATUSES = {"resolved", "closed", "open", "pending", "waiting on customer"}
TYPES = {"Question", "Incident", "Problem", "Feature Request"}
CHANNELS = {"email", "portal", "phone", "chat"}
FORMS = {"plain", "html", "quoted"}
AUTHORS = {"customer", "agent", "note", "system"}
REQUIRED = {
    "key", "problem", "subject", "status", "priority", "type", "channel", "product", "tags", "requester", "body",
    "messages",
}  # fmt: skip
OPTIONAL = {"form", "attachments", "near_duplicate_of"}
MESSAGE_FIELDS = {"author", "text", "attachments", "quoted", "signature"}
SHARED_AT_MOST = 0.6

Ticket = dict[str, Any]


@pytest.fixture(scope="module")
def tickets() -> list[Ticket]:
    lines = [line for path in sorted(FOLDER.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line) for line in lines]


def word_five_grams(ticket: Ticket) -> set[tuple[str, ...]]:
    texts = [ticket["subject"], ticket["body"], *(message["text"] for message in ticket["messages"])]
    words = " ".join(texts).split()
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


def shared_fractions(tickets: list[Ticket]) -> dict[frozenset[str], float]:
    """|A ∩ B| / min(|A|, |B|) of every pair that shares a 5-gram; an inverted index keeps the silent pairs out."""
    size: dict[str, int] = {}
    holders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for ticket in tickets:
        grams = word_five_grams(ticket)
        size[ticket["key"]] = len(grams)
        for gram in grams:
            holders[gram].append(ticket["key"])
    shared = Counter(frozenset(pair) for keys in holders.values() for pair in combinations(keys, 2))
    return {pair: count / min(size[key] for key in pair) for pair, count in shared.items()}


def declared_near_duplicates(tickets: list[Ticket]) -> set[frozenset[str]]:
    return {
        frozenset((ticket["key"], ticket["near_duplicate_of"])) for ticket in tickets if "near_duplicate_of" in ticket
    }


def test_there_is_enough_to_search(tickets: list[Ticket]) -> None:
    assert len(tickets) >= 150
    assert len({ticket["problem"] for ticket in tickets}) >= 40


def test_keys_are_unique(tickets: list[Ticket]) -> None:
    assert [key for key, count in Counter(ticket["key"] for ticket in tickets).items() if count > 1] == []


def test_every_ticket_is_well_formed(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        key = ticket["key"]
        assert ticket.keys() >= REQUIRED, key
        assert ticket.keys() <= REQUIRED | OPTIONAL, key
        assert ticket["status"] in STATUSES, key
        assert ticket["priority"] in {1, 2, 3, 4}, key
        assert ticket["type"] in TYPES, key
        assert ticket["channel"] in CHANNELS, key
        assert ticket.get("form", "plain") in FORMS, key
        assert ticket["subject"].strip() and ticket["body"].strip(), key
        assert ticket["tags"] and all(isinstance(tag, str) for tag in ticket["tags"]), key
        assert ticket["requester"]["name"], key
        assert ticket["requester"]["email"].endswith(("@example.com", "@example.co.kr")), key


def test_every_message_is_well_formed(tickets: list[Ticket]) -> None:
    for ticket in tickets:
        key = ticket["key"]
        assert 2 <= len(ticket["messages"]) <= 7, key
        attached = list(ticket.get("attachments", []))
        for message in ticket["messages"]:
            assert {"author", "text"} <= message.keys() <= MESSAGE_FIELDS, key
            assert message["author"] in AUTHORS, key
            assert message["text"].strip(), key
            attached += message.get("attachments", [])
        for attachment in attached:
            assert attachment["name"] and "/" in attachment["content_type"] and attachment["size"] > 0, key


def test_what_is_solved_has_an_answer(tickets: list[Ticket]) -> None:
    solved = [ticket for ticket in tickets if ticket["status"] in {"resolved", "closed"}]
    assert [t["key"] for t in solved if all(m["author"] != "agent" for m in t["messages"])] == []


def test_every_status_is_there(tickets: list[Ticket]) -> None:
    count = Counter(ticket["status"] for ticket in tickets)
    assert count["resolved"] + count["closed"] >= 110
    assert min(count["resolved"], count["closed"]) >= 20
    assert count["open"] >= 20
    assert count["pending"] >= 8
    assert count["waiting on customer"] >= 5


def test_every_shape_of_message_is_there(tickets: list[Ticket]) -> None:
    messages = [message for ticket in tickets for message in ticket["messages"]]
    assert sum(message.get("quoted", False) for message in messages) >= 20
    assert sum("signature" in message for message in messages) >= 20
    assert sum(message["author"] == "note" for message in messages) >= 25
    assert sum(message["author"] == "system" for message in messages) >= 5
    assert sum(ticket.get("form") == "html" for ticket in tickets) >= 15
    assert sum(1 for part in [*tickets, *messages] if part.get("attachments")) >= 12


def test_no_two_threads_are_told_in_the_same_words(tickets: list[Ticket]) -> None:
    declared = declared_near_duplicates(tickets)
    copied = {
        tuple(sorted(pair)): round(fraction, 2)
        for pair, fraction in shared_fractions(tickets).items()
        if fraction > SHARED_AT_MOST and pair not in declared
    }
    assert copied == {}


def test_declared_near_duplicates_are_nearly_the_same(tickets: list[Ticket]) -> None:
    declared = declared_near_duplicates(tickets)
    problem = {ticket["key"]: ticket["problem"] for ticket in tickets}
    fractions = shared_fractions(tickets)
    assert len(declared) >= 8
    for pair in declared:
        assert len({problem[key] for key in pair}) == 1, pair
        assert fractions.get(pair, 0.0) > SHARED_AT_MOST, pair
