"""The sample company `acme` is what the demo and measurements take it for: many tickets, many problems, no templates.

Only the data files are looked at here. How the sandbox serves them is tested beside its server.
"""

import json
import re
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

Ticket = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "sandbox" / "companies" / "acme"
REQUIRED = {
    "key",
    "problem",
    "subject",
    "status",
    "priority",
    "type",
    "channel",
    "product",
    "tags",
    "requester",
    "body",
    "form",
    "messages",
}
OPTIONAL = {"attachments", "near_duplicate_of"}
STATUSES = {"resolved", "closed", "open", "pending", "waiting on customer"}
TYPES = {"Question", "Incident", "Problem", "Feature Request"}
CHANNELS = {"email", "portal", "phone", "chat"}
FORMS = {"html", "plain", "quoted"}
AUTHORS = {"customer", "agent", "note", "system"}
GRAM = 5
MOST_SHARED = 0.6  # the rule: threads that share more of their 5-grams are copies of a template


@pytest.fixture(scope="module")
def tickets() -> list[Ticket]:
    return [
        json.loads(line)
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def grams(ticket: Ticket) -> set[tuple[str, ...]]:
    """The 5-grams of whitespace tokens of all texts of a thread."""
    tokens = " ".join([ticket["subject"], ticket["body"], *(m["text"] for m in ticket["messages"])]).split()
    return {tuple(tokens[i : i + GRAM]) for i in range(len(tokens) - GRAM + 1)}


def shares(tickets: list[Ticket]) -> dict[frozenset[str], float]:
    """The share of the smaller thread's 5-grams that the other has too, for each pair that has any in common."""
    sizes: dict[str, int] = {}
    holders: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
    for ticket in tickets:
        own = grams(ticket)
        sizes[ticket["key"]] = len(own)
        for gram in own:
            holders[gram].append(ticket["key"])
    common = Counter(frozenset(pair) for keys in holders.values() for pair in combinations(keys, 2))
    return {pair: count / min(sizes[key] for key in pair) for pair, count in common.items()}


def declared(tickets: list[Ticket]) -> set[frozenset[str]]:
    return {frozenset((t["key"], t["near_duplicate_of"])) for t in tickets if "near_duplicate_of" in t}


def test_there_is_enough_of_everything(tickets: list[Ticket]) -> None:
    status = Counter(t["status"] for t in tickets)
    messages = [m for t in tickets for m in t["messages"]]
    assert len(tickets) >= 150
    assert len({t["problem"] for t in tickets}) >= 40
    assert set(status) == STATUSES
    assert status["resolved"] + status["closed"] >= 110
    assert status["open"] >= 20
    assert status["pending"] >= 8
    assert status["waiting on customer"] >= 5
    assert sum(bool(m.get("quoted")) for m in messages) >= 20
    assert sum("signature" in m for m in messages) >= 20
    assert sum(m["author"] == "note" for m in messages) >= 25
    assert sum(m["author"] == "system" for m in messages) >= 5
    assert sum(t["form"] == "html" for t in tickets) >= 15
    assert sum("attachments" in item for item in [*tickets, *messages]) >= 12


def test_keys_are_unique(tickets: list[Ticket]) -> None:
    assert [key for key, n in Counter(t["key"] for t in tickets).items() if n > 1] == []


def test_every_ticket_has_the_agreed_fields(tickets: list[Ticket]) -> None:
    for t in tickets:
        where = t["key"]
        assert set(t) >= REQUIRED, where
        assert set(t) <= REQUIRED | OPTIONAL, where
        assert t["status"] in STATUSES, where
        assert t["priority"] in {1, 2, 3, 4}, where
        assert t["type"] in TYPES, where
        assert t["channel"] in CHANNELS, where
        assert t["form"] in FORMS, where
        assert t["subject"].strip() and t["body"].strip() and t["product"].strip(), where
        assert t["requester"]["name"].strip(), where
        assert 2 <= len(t["messages"]) <= 7, where
        for m in t["messages"]:
            assert m["author"] in AUTHORS, where
            assert m["text"].strip(), where
            assert set(m) <= {"author", "text", "attachments", "quoted", "signature"}, where
        for item in [t, *t["messages"]]:
            for a in item.get("attachments", []):
                assert set(a) == {"name", "content_type", "size"} and a["size"] > 0, where


def test_a_finished_ticket_has_an_answer_of_an_agent(tickets: list[Ticket]) -> None:
    finished = [t for t in tickets if t["status"] in {"resolved", "closed"}]
    assert [t["key"] for t in finished if all(m["author"] != "agent" for m in t["messages"])] == []


def test_all_addresses_are_invented_ones(tickets: list[Ticket]) -> None:
    hosts = set(re.findall(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)", json.dumps(tickets)))
    assert {h for h in hosts if h.split(".")[-2:] not in (["example", "com"], ["example", "org"])} == set()


def test_no_two_threads_are_copies_unless_declared(tickets: list[Ticket]) -> None:
    alike = {pair: share for pair, share in shares(tickets).items() if share > MOST_SHARED}
    assert {tuple(sorted(pair)): share for pair, share in alike.items() if pair not in declared(tickets)} == {}


def test_declared_near_duplicates_are_that(tickets: list[Ticket]) -> None:
    pairs = declared(tickets)
    share = shares(tickets)
    problem = {t["key"]: t["problem"] for t in tickets}
    assert len(pairs) >= 8
    for pair in pairs:
        assert share.get(pair, 0.0) > MOST_SHARED, sorted(pair)
        assert len({problem[key] for key in pair}) == 1, sorted(pair)
