"""Dialogues to extractive summaries, for ROUGE: each dialogue becomes a ticket, is merged and summarised.

    python bench/extractive.py DIALOGUES.jsonl[.gz] SUMMARIES.jsonl [--words 50]

A line of DIALOGUES is ``{"dialog_id", "turns": [{"role": customer|agent, "text"}]}`` and, if there is one, "subject"; a
line of SUMMARIES is ``{"dialog_id", "summary"}``: problem, cause, solution and result, joined and cut at so many words.
Prints tickets a second, and how often each field is there. Belongs here: this one measurement. Does not belong here:
the data, or the score (whatever reads SUMMARIES computes it).
"""

import argparse
import gzip
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.extractive import summarise
from domain.merge import merge
from domain.summary import joined
from domain.ticket import Message, Ticket


def dialogues(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a JSONL file, gzipped or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, filter(str.strip, lines))


def ticket(dialogue: dict[str, Any]) -> Ticket:
    """The first turn is the description, the others are the thread."""
    first, *others = (Message(str(at), turn["role"], text=turn["text"]) for at, turn in enumerate(dialogue["turns"]))
    return Ticket(dialogue["dialog_id"], dialogue.get("subject", ""), first, tuple(others))


def main() -> None:
    """Read, summarise, write, report."""
    parser = argparse.ArgumentParser(description="Extractive summaries of dialogues.")
    parser.add_argument("dialogues", type=Path)
    parser.add_argument("summaries", type=Path)
    parser.add_argument("--words", type=int, default=50)
    given = parser.parse_args()

    tickets = [ticket(dialogue) for dialogue in dialogues(given.dialogues)]
    summarise(merge(tickets[0]))  # loads what is loaded once
    started = time.perf_counter(), time.process_time()
    summaries = [summarise(merge(one)) for one in tickets]
    wall, processor = time.perf_counter() - started[0], time.process_time() - started[1]

    with given.summaries.open("w", encoding="utf-8") as out:
        for one, summary in zip(tickets, summaries, strict=True):
            words = joined(summary).split()[: given.words]
            out.write(json.dumps({"dialog_id": one.id, "summary": " ".join(words)}, ensure_ascii=False) + "\n")
    there = Counter(
        name for summary in summaries for name in ("cause", "solution", "result", "tags") if getattr(summary, name)
    )
    print(
        f"{len(tickets)} tickets, {len(tickets) / wall:.0f} a second ({len(tickets) / processor:.0f} a processor second)"
    )
    print(", ".join(f"{name} in {count / len(tickets):.0%}" for name, count in there.items()))


if __name__ == "__main__":
    main()
