"""A small pipeline and a source that changes at random: what the tests of ``derive`` run, and the workers they kill.

``raw_tickets`` holds {"text", "status"}; summaries are paid for and only made of resolved ones, vectors are paid for,
the collection joins them. Every paid call is written to a file before it answers, so no kill can hide one.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.derive import Input, Sources, Stage, derive, each
from domain.fingerprint import fingerprint
from domain.stage import Arrived, CompanyStore, Failed, Later, Made, Pause, Put, Report

NOW = "2026-01-01T00:00:00Z"
LATER = "2026-01-02T00:00:00Z"
"""When even what failed often is due again."""
TABLES = ("merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_collection")


@dataclass
class Rules:
    """What can change between nights besides the source."""

    prompt: int = 1
    resolved: tuple[str, ...] = ("closed",)
    model: int = 1


@dataclass
class Paid:
    """The provider: counts what it is paid for, by what was asked; fails for the texts in ``refused``."""

    ledger: Path | None = None
    calls: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    pauses: random.Random | None = None
    """Now and then it can go on no more; None: never."""
    late: set[str] = field(default_factory=set)
    """The texts whose answer comes later: not before they leave this set."""

    def pay(self, made_by: str, value: Any) -> None:
        key = f"{made_by}:{fingerprint(value)}"
        self.calls.append(key)
        if self.ledger:
            with self.ledger.open("a") as file:
                file.write(key + "\n")


def paying(
    paid: Paid, pause: Callable[[], None], made_by: str, answer: Callable[[Any], Made]
) -> Callable[[Sequence[Any]], Iterator[Arrived]]:
    """A ``make`` that is paid for, and answers in any order."""

    def make(inputs: Sequence[Any]) -> Iterator[Arrived]:
        for position in random.Random(len(inputs)).sample(range(len(inputs)), len(inputs)):
            if paid.pauses and paid.pauses.random() < 0.1:
                raise Pause("no money is left", is_trouble=False)
            if inputs[position] in paid.late:
                yield Arrived([(position, Later("in a batch"))])
                continue
            if inputs[position] in paid.refused:
                yield Arrived([(position, Failed("refused"))])
                continue
            paid.pay(made_by, inputs[position])
            pause()
            yield Arrived([(position, answer(inputs[position]))])

    return make


def stages(rules: Rules, paid: Paid, pause: Callable[[], None] = lambda: None) -> list[Stage]:
    """The four stages under these rules."""

    def merged(rows: Sources) -> Input | None:
        return Input(rows[0].payload, rows[0].content_hash) if rows[0] else None

    def resolved(rows: Sources) -> Input | None:
        return Input(rows[0].payload["text"]) if rows[0] and rows[0].payload["status"] in rules.resolved else None

    def summary(rows: Sources) -> Input | None:
        return Input(rows[0].payload["summary"]) if rows[0] else None

    def joined(rows: Sources) -> Input | None:
        if rows[0] is None or rows[1] is None or rows[2] is None:
            return None
        return Input([rows[0].payload["status"], rows[1].payload["summary"], (rows[2].vector or b"").hex()])

    prompt, model = f"prompt-{rules.prompt}", f"model-{rules.model}"
    return [
        Stage("merged_tickets", ("raw_tickets",), merged, each(lambda value: Made(value)), "merge-1"),
        Stage(
            "ticket_summaries",
            ("merged_tickets",),
            resolved,
            paying(paid, pause, prompt, lambda text: Made({"summary": f"{prompt} {text}"})),
            prompt,
            rule=fingerprint(rules.resolved),
            keep=True,
        ),
        Stage(
            "ticket_embeddings",
            ("ticket_summaries",),
            summary,
            paying(paid, pause, model, lambda text: Made({}, bytes.fromhex(fingerprint([model, text])))),
            model,
            keep=True,
        ),
        Stage(
            "ticket_collection",
            ("merged_tickets", "ticket_summaries", "ticket_embeddings"),
            joined,
            each(lambda value: Made({"joined": value})),
            f"points {model}",
            vectors=True,
        ),
    ]


def write_source(store: CompanyStore, source: dict[str, dict[str, str]]) -> set[str]:
    """Make ``raw_tickets`` equal to the source, as a walk would; returns the ids that left."""
    live = store.ids("raw_tickets")
    heads = store.heads("raw_tickets", list(source))
    changed = [
        Put(doc_id, payload, fingerprint(payload), "v", "test")
        for doc_id, payload in source.items()
        if doc_id not in live or heads[doc_id].content_hash != fingerprint(payload)
    ]
    gone = live - source.keys()
    if changed or gone:
        with store.begin("import", NOW) as write:
            write.upsert("raw_tickets", changed)
            write.delete("raw_tickets", sorted(gone))
            write.forget_paid(sorted(gone))
    return gone


def sync(store: CompanyStore, rules: Rules, paid: Paid, window: int = 1000, **options: Any) -> list[Report]:
    """One night's derivations."""
    pause, now = options.pop("pause", lambda: None), options.pop("now", NOW)
    return [
        derive(stage, store, run_id="run", now=now, window=window, **options) for stage in stages(rules, paid, pause)
    ]


def dump(store: CompanyStore) -> dict[str, dict[str, Any]]:
    """The live rows of every derived table, without when and by which run they were written."""
    rows = {table: store.get(table, sorted(store.ids(table)), vector=True) for table in TABLES}
    return {
        table: {
            doc_id: (row.content_hash, row.source_hash, row.made_by, row.payload, row.vector)
            for doc_id, row in found.items()
        }
        for table, found in rows.items()
    }


def change(rng: random.Random, source: dict[str, dict[str, str]], texts: int = 40) -> None:
    """One thing happens at the helpdesk: an edit, a status, a copy, a deletion, a new or returning ticket."""
    doc_id = f"t{rng.randrange(25)}"
    what = rng.choice(("edit", "edit", "status", "status", "copy", "delete", "create"))
    if what == "delete":
        source.pop(doc_id, None)
    elif what == "copy" and source:
        source[doc_id] = dict(rng.choice(sorted(source.items()))[1])
    elif what == "status" and doc_id in source:
        source[doc_id] = {**source[doc_id], "status": rng.choice(("open", "closed", "solved"))}
    else:
        source[doc_id] = {"text": f"text {rng.randrange(texts)}", "status": rng.choice(("open", "closed", "closed"))}
