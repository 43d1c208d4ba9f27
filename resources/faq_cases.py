"""What may become an FAQ, read from the tables: solved tickets, questions that nobody answered, and the FAQs there are.

Belongs here: reading them, bounded, and the vectors of questions, each paid for once. Does not belong here: groups and
proposals (``domain/faq_drafts``), or storing those (``assets/faq_proposals``).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from domain import tokens
from domain.calibration import GOOD
from domain.clusters import Text
from domain.errors import DocumentError
from domain.extractive import summarise
from domain.faq import Faq
from domain.faq_drafts import Asked, Known, Quote
from domain.fingerprint import fingerprint
from domain.points import sparse
from domain.stage import DataType, Made
from domain.summary import Summary
from resources.embedder import PassageEmbedder
from resources.storage.sql import SqlCompanyStore

MOST_CASES: Final = 5_000
MOST_QUESTIONS: Final = 2_000
MOST_FAQS: Final = 20_000
"""The newest of each are looked at: time and memory are bounded whatever a company has."""
TURNS: Final = ("conversation_log", "conversation_archive")
_VECTORS = "faq_proposals"
_EMBEDDED = "faq_proposals embedded"
"""A state: the questions whose vectors are kept."""
_CHUNK = 500
_OWN_WORDS = "extractive"
Item = TypeVar("Item")


@dataclass(eq=False)
class Cases:
    """What was read: ``people`` are the names of everybody in the tickets, casefolded."""

    asked: list[Asked] = field(default_factory=list[Asked])
    faqs: list[Known] = field(default_factory=list[Known])
    people: set[str] = field(default_factory=set[str])


def read_cases(store: SqlCompanyStore, model: PassageEmbedder, run_id: str, now: str) -> Cases:
    """All that may be grouped, by vectors of this model. Raises what the model raises for questions that are new (``Pause``
    among them)."""
    cases = Cases()
    cases.asked += _tickets(store, model.model_id, cases.people)
    cases.asked += _questions(store, model, run_id, now)
    cases.faqs += _faqs(store, model.model_id)
    return cases


def quote(store: SqlCompanyStore, evidence: str) -> Quote:
    """A ticket's own words: what a model wrote about it is left aside."""
    doc_id = evidence.removeprefix("ticket ")
    merged = store.get("merged_tickets", [doc_id])[doc_id].payload
    summary = store.get("ticket_summaries", [doc_id])[doc_id].payload
    people = tuple(filter(None, (merged["requester"]["name"], merged["agent"])))
    if summary["method"].startswith(_OWN_WORDS):
        return Quote(merged["subject"], summary["problem"], summary["solution"], people)
    try:
        said = summarise(merged)
    except DocumentError:  # no words to quote
        return Quote(merged["subject"], "", "", people)
    return Quote(merged["subject"], said.problem, said.solution, people)


def is_there(store: SqlCompanyStore, evidence: Iterable[str]) -> set[str]:
    """Those of the evidence that still are: a forgotten ticket, or a question that was deleted, is not."""
    ids = defaultdict[str, list[str]](list)
    for one in evidence:
        kind, _, doc_id = one.partition(" ")
        ids[kind].append(doc_id)
    tables = {"ticket": ("merged_tickets",), "question": TURNS, "faq": ("faq",)}
    return {
        f"{kind} {doc_id}"
        for kind, doc_ids in ids.items()
        for table in tables[kind]
        for chunk in _chunks(doc_ids)
        for doc_id, head in store.heads(table, chunk).items()
        if not head.deleted
    }


# --- tickets ----------------------------------------------------------------------------------------------------------


def _tickets(store: SqlCompanyStore, model_id: str, people: set[str]) -> Iterator[Asked]:
    newest = store.window("ticket_summaries", 0, store.top("ticket_summaries"), MOST_CASES)
    for chunk in _chunks([doc_id for doc_id, _ in newest]):
        summaries = _live(store, "ticket_summaries", chunk)
        merged, terms = _live(store, "merged_tickets", chunk), _live(store, "ticket_terms", chunk)
        vectors = store.get("ticket_embeddings", chunk, vector=True)
        for doc_id, said in summaries.items():
            row = vectors.get(doc_id)
            if doc_id not in merged or row is None or row.deleted or row.vector is None or row.made_by != model_id:
                continue
            ticket = merged[doc_id]
            names = (" ".join((name or "").split()) for name in (ticket["requester"]["name"], ticket["agent"]))
            people.update(name.casefold() for name in names if len(name) > 2)
            summary = Summary.from_payload(said)
            weights = terms.get(doc_id, {"indices": [], "values": []})
            evidence = f"ticket {doc_id}"
            yield Asked(
                evidence,
                ticket["resolved_at"] or ticket["updated_at"],
                summary.problem,
                summary.solution,
                summary.tags,
                Text(evidence, _floats(row.vector), _words(weights), ticket["product"]),
            )


# --- questions --------------------------------------------------------------------------------------------------------


def _questions(store: SqlCompanyStore, model: PassageEmbedder, run_id: str, now: str) -> list[Asked]:
    """Users' questions that were answered by nobody, or badly."""
    turns = _unanswered(store)
    said = {doc_id: " ".join(turn["message"].split())[: model.max_chars] for doc_id, turn in turns.items()}
    vectors = _vectors(store, model, said, run_id, now)
    made: list[Asked] = []
    for doc_id, text in said.items():
        if doc_id not in vectors:
            continue
        indices, values = sparse(tokens.terms(text))
        evidence = f"question {doc_id}"
        words = dict(zip(indices, values, strict=True))
        seen = Text(evidence, _floats(vectors[doc_id]), words, turns[doc_id]["category"])
        made.append(Asked(evidence, turns[doc_id]["timestamp"], text, "", (), seen))
    return made


def _unanswered(store: SqlCompanyStore) -> dict[str, Mapping[str, Any]]:
    """Turns by id: of tier 3, and of tier 2 with a low score or a thumb down."""
    rows: dict[str, Mapping[str, Any]] = {}
    for table in TURNS:
        newest = store.window(table, 0, store.top(table), 4 * MOST_QUESTIONS)
        for chunk in _chunks([doc_id for doc_id, _ in newest]):
            rows |= _live(store, table, chunk)
    asked = {doc_id: turn for doc_id, turn in rows.items() if turn["role"] == "user" and turn["tier"] in ("2", "3")}
    poor = _poor(store) if any(turn["tier"] == "2" for turn in asked.values()) else {}

    def is_open(turn: Mapping[str, Any]) -> bool:
        if turn["tier"] == "3":
            return True
        answers = [bad for at, bad in poor.get(turn["session_id"], ()) if at >= turn["timestamp"]]
        return bool(answers) and answers[0]

    found = [(turn["timestamp"], doc_id) for doc_id, turn in asked.items() if is_open(turn)]
    return {doc_id: asked[doc_id] for _, doc_id in sorted(found, reverse=True)[:MOST_QUESTIONS]}


def _poor(store: SqlCompanyStore) -> Mapping[str, list[tuple[str, bool]]]:
    """By session the moments of its answers, the oldest first, and whether each was a poor one."""
    found = defaultdict[str, list[tuple[str, bool]]](list)
    newest = store.window("operations_log", 0, store.top("operations_log"), 8 * MOST_QUESTIONS)
    for chunk in _chunks([doc_id for doc_id, _ in newest]):
        for line in _live(store, "operations_log", chunk).values():
            is_poor = line["tier"] == "2" and (line["score"] < GOOD or line["feedback"] == "down")
            found[line["session_id"]].append((line["timestamp"], is_poor))
    return {session: sorted(answers) for session, answers in found.items()}


def _vectors(
    store: SqlCompanyStore, model: PassageEmbedder, said: Mapping[str, str], run_id: str, now: str
) -> dict[str, bytes]:
    """Each question's vector; new ones are made, and kept as they arrive. What is no question any more is forgotten."""
    before = set(store.state(_EMBEDDED) or ())
    if before != said.keys():
        with store.begin(run_id, now) as write:
            write.forget_paid(sorted(before - said.keys()), cast("DataType", _VECTORS))
            write.save_state(_EMBEDDED, sorted(said))
    hashes = {doc_id: fingerprint(["question", doc_id, text]) for doc_id, text in said.items()}
    kept = store.paid(model.model_id, sorted(hashes.values()))
    new = [doc_id for doc_id in sorted(said) if hashes[doc_id] not in kept]
    for arrived in model.make([said[doc_id] for doc_id in new]) if new else ():
        results = [(hashes[new[at]], new[at], made) for at, made in arrived.results if isinstance(made, Made)]
        store.keep_paid(_VECTORS, model.model_id, results, arrived.spent, run_id, now)
        kept |= {digest: made for digest, _, made in results}
    found = {doc_id: kept[digest].vector for doc_id, digest in hashes.items() if digest in kept}
    return {doc_id: vector for doc_id, vector in found.items() if vector}


# --- FAQs -------------------------------------------------------------------------------------------------------------


def _faqs(store: SqlCompanyStore, model_id: str) -> Iterator[Known]:
    newest = store.window("faq_collection", 0, store.top("faq_collection"), MOST_FAQS)
    for chunk in _chunks([doc_id for doc_id, _ in newest]):
        said = _live(store, "faq", chunk)
        for doc_id, row in store.get("faq_collection", chunk, vector=True).items():
            made_by = (row.made_by or "").split(" | ")[0]
            if row.deleted or row.vector is None or doc_id not in said or made_by != model_id:
                continue
            faq = Faq(**{**said[doc_id], "keywords": tuple(said[doc_id]["keywords"])})
            words = _words(row.payload["points"][0])
            yield Known(faq, Text(f"faq {doc_id}", _floats(row.vector), words, faq.sub_category or faq.category))


def _live(store: SqlCompanyStore, table: str, doc_ids: Sequence[str]) -> dict[str, Any]:
    return {doc_id: row.payload for doc_id, row in store.get(table, doc_ids).items() if not row.deleted}


def _words(point: Mapping[str, Any]) -> dict[int, float]:
    return dict(zip(point["indices"], point["values"], strict=True))


def _floats(vector: bytes) -> NDArray[np.float32]:
    return np.frombuffer(vector, "<f4")


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
