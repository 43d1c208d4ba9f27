"""Summaries of dialogues by any method, scored with one tool: ROUGE, length, facts that the dialogue does not hold.

    python -m bench.summaries score DIALOGUES.jsonl[.gz] [--answers NAME=FILE.jsonl ...] [--words 50] [--facts]

A line of DIALOGUES is ``{"dialog_id", "turns": [{"role": customer|agent, "text"}], "summaries": [people's]}``; a line of
FILE is ``{"dialog_id", ...}`` with "summary" (one text) or the fields of a summary (problem, cause, solution, result).
Always scored beside them: the extractive summaries, and people's, each against the other people's of its dialogue.

A row: ROUGE-1 and ROUGE-L (F1, mean over a dialogue's references, lower-cased words without stemming) of the first
``--words`` words, words on average, the share of summaries with a fact that is not in the dialogue (``domain/grounding``),
the share that ``domain/summary_answer`` would reject for good beside nine other dialogues, and what that check costs.

Belongs here: scoring. Does not belong here: the data, making summaries by a model (``resources/llm``), how fast that is
(``bench/llm_throughput``), the extractive summariser's speed (``bench/extractive``).
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from bench.extractive import dialogues, ticket
from domain.extractive import summarise
from domain.grounding import ungrounded
from domain.merge import merge
from domain.summary_answer import Rejected, accept

Json = dict[str, Any]

FIELDS = ("problem", "cause", "solution", "result")
CALL = 10  # dialogues of one call: a summary is checked against the nine others

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Said:
    """One summary: whose dialogue, its fields, and the texts of people that it is compared with."""

    document: Json
    others: Sequence[Json]
    fields: Json
    references: Sequence[str]

    def text(self, words: int) -> str:
        """The fields as one text of at most ``words`` words."""
        return " ".join(" ".join(filter(None, (self.fields.get(name) for name in FIELDS))).split()[:words])


@dataclass(frozen=True)
class Score:
    """What a method's summaries are worth. Shares are of all summaries; ``milliseconds`` is the median of a check."""

    summaries: int
    rouge_1: float
    rouge_l: float
    words: float
    ungrounded: float
    rejected: float
    milliseconds: float
    facts: Sequence[str]
    faults: Counter[str]


def score(summaries: Iterable[Said], words: int) -> Score:
    """Score one method's summaries, whoever wrote them."""
    ones: list[float] = []
    longest: list[float] = []
    lengths: list[int] = []
    facts: list[list[str]] = []
    faults: Counter[str] = Counter()
    rejected = 0
    times: list[float] = []
    for said in summaries:
        text = tokens(said.text(words))
        references = [tokens(reference) for reference in said.references]
        ones.append(fmean(rouge_1(text, reference) for reference in references))
        longest.append(fmean(rouge_l(text, reference) for reference in references))
        lengths.append(len(text))
        facts.append(ungrounded("ticket", said.document, [said.fields.get(name) or "" for name in FIELDS]))
        started = time.perf_counter()
        try:
            accept("ticket", said.document, said.fields, method="bench", others=said.others, last=True)
        except Rejected as found:
            rejected += 1
            faults.update(found.faults)
        times.append(time.perf_counter() - started)
    return Score(
        summaries=len(ones),
        rouge_1=fmean(ones),
        rouge_l=fmean(longest),
        words=fmean(lengths),
        ungrounded=fmean(map(bool, facts)),
        rejected=rejected / len(ones),
        milliseconds=median(times) * 1000,
        facts=[fact for found in facts for fact in found],
        faults=faults,
    )


# --- ROUGE ------------------------------------------------------------------------------------------------------


def tokens(text: str) -> list[str]:
    """Lower-cased words."""
    return _WORD.findall(text.lower())


def rouge_1(one: Sequence[str], other: Sequence[str]) -> float:
    """F1 of the words that both have (Lin 2004)."""
    shared = sum((Counter(one) & Counter(other)).values())
    return 2 * shared / (len(one) + len(other)) if shared else 0.0


def rouge_l(one: Sequence[str], other: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words (Lin 2004)."""
    before = [0] * (len(other) + 1)
    for word in one:
        now = [0]
        for at, against in enumerate(other):
            now.append(before[at] + 1 if word == against else max(before[at + 1], now[at]))
        before = now
    return 2 * before[-1] / (len(one) + len(other)) if before[-1] else 0.0


# --- whose summaries --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Dialogue:
    """A dialogue as the stages know it, the others of its call, and people's summaries of it."""

    id: str
    document: Json
    others: Sequence[Json]
    references: Sequence[str]


def read(path: Path) -> list[Dialogue]:
    """The dialogues of a file, those that people summarised."""
    lines = [line for line in dialogues(path) if line.get("summaries")]
    documents = [merge(ticket(line)) for line in lines]
    calls = [documents[at // CALL * CALL : at // CALL * CALL + CALL] for at in range(len(documents))]
    return [
        Dialogue(
            line["dialog_id"],
            document,
            [other for other in call if other is not document],
            [text if isinstance(text, str) else " ".join(text) for text in line["summaries"]],
        )
        for line, document, call in zip(lines, documents, calls, strict=True)
    ]


def extractive(read: Iterable[Dialogue]) -> list[Said]:
    """The default's summaries."""
    return [Said(one.document, one.others, summarise(one.document).to_payload(), one.references) for one in read]


def people(read: Iterable[Dialogue]) -> list[Said]:
    """People's summaries, each against the others of its dialogue."""
    return [
        Said(one.document, one.others, _text(text), [*one.references[:at], *one.references[at + 1 :]])
        for one in read
        if len(one.references) > 1
        for at, text in enumerate(one.references)
    ]


def answers(read: Iterable[Dialogue], path: Path) -> list[Said]:
    """A method's summaries, out of a file; a dialogue without one counts as an empty one."""
    given = {line["dialog_id"]: _text(line["summary"]) if "summary" in line else line for line in dialogues(path)}
    return [Said(one.document, one.others, given.get(one.id, _text("")), one.references) for one in read]


def _text(text: str) -> Json:
    return {"problem": text, "cause": None, "solution": "", "result": "", "tags": []}


# --- the command ------------------------------------------------------------------------------------------------


def run_score(given: argparse.Namespace) -> None:
    """Score the extractive summaries, people's, and those of the files."""
    found = read(given.dialogues)
    methods = {"extractive": extractive(found), "people": people(found)}
    methods |= {name: answers(found, Path(path)) for name, _, path in (one.partition("=") for one in given.answers)}
    print(f"{'':12} summaries  ROUGE-1  ROUGE-L  words  ungrounded  rejected  check ms")
    for name, summaries in methods.items():
        scored = score(summaries, given.words)
        print(
            f"{name:12} {scored.summaries:9,}  {scored.rouge_1:7.4f}  {scored.rouge_l:7.4f}  {scored.words:5.1f}"
            f"  {scored.ungrounded:10.1%}  {scored.rejected:8.1%}  {scored.milliseconds:8.2f}"
        )
        if given.facts:
            print(json.dumps({"facts": scored.facts, "faults": scored.faults}, ensure_ascii=False))


def main() -> None:
    """Read the command line, run its part."""
    parser = argparse.ArgumentParser(description="Summaries, scored.")
    parts = parser.add_subparsers(required=True)
    part = parts.add_parser("score", help="ROUGE, length and grounding of summaries by any method")
    part.add_argument("dialogues", type=Path)
    part.add_argument("--answers", action="append", default=[], metavar="NAME=FILE")
    part.add_argument("--words", type=int, default=50)
    part.add_argument("--facts", action="store_true", help="also the facts and faults that were found")
    part.set_defaults(run=run_score)
    given = parser.parse_args()
    given.run(given)


if __name__ == "__main__":
    main()
