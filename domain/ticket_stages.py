"""The ticket stages: for each table from ``merged_tickets`` to ``ticket_collection``, what it takes and what it makes.

Belongs here: ``project`` and ``make`` of each stage, and the versions that say when rows must be made again.
Does not belong here: the walk over the rows (``derive``), or how a summary or a term is found (their modules).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from domain import cases, merge, points, summary, tokens
from domain.company import Company
from domain.derive import Input, LeftOut, Sources, Stage, each
from domain.fingerprint import fingerprint
from domain.stage import Arrived, Made
from domain.summary import Summary
from domain.ticket import Satisfaction, Ticket
from domain.writer import Writer, accepts

Json = dict[str, Any]
_PRIORITIES: Mapping[str, int] = {"urgent": 3, "긴급": 3, "high": 2, "높음": 2, "medium": 1, "normal": 1, "보통": 1}
"""Which of many is summarised first; all others: 0."""


def merged_tickets(neutral: Callable[[Json], Ticket], adapter: str) -> Stage:
    """Ticket, thread, attachments and ratings as one document. ``adapter`` is the version of ``neutral``."""

    def project(rows: Sources) -> Input | None:
        raw, rated = rows
        if raw is None:
            return None
        return Input((raw.payload, rated and rated.payload), [raw.content_hash, rated and rated.content_hash])

    def make(given: tuple[Json, Json | None]) -> Made:
        payload, rated = given
        ticket = neutral(payload)
        if rated:
            ratings = sorted(rated["ratings"].values(), key=lambda one: one["created_at"])
            ticket = replace(ticket, satisfaction=tuple(Satisfaction(**one) for one in ratings))
        return Made(merge.merge(ticket))

    return Stage(
        "merged_tickets",
        ("raw_tickets", "ticket_ratings"),
        project,
        each(make),
        made_by=f"merge-{merge.MERGE_VERSION} {adapter}",
    )


def ticket_summaries(company: Company, writer: Writer) -> Stage:
    """Summaries of solved cases; an unresolved ticket costs nothing and is not found (the specification's filter)."""

    def project(rows: Sources) -> Input | LeftOut | None:
        (merged,) = rows
        if merged is None:
            return None
        if reason := cases.why_not(company, merged.payload):
            return LeftOut(reason)
        said = {name: merged.payload[name] for name in ("subject", "language")}
        # Only what is said: equal tickets are paid for once, whoever wrote them and when.
        said["messages"] = [
            {**message, "id": merge.DESCRIPTION if message["id"] == merge.DESCRIPTION else "", "created_at": ""}
            for message in merged.payload["messages"]
            if not message["private"]
        ]
        return Input(said, priority=_PRIORITIES.get(merged.payload["priority"].lower(), 0))

    return Stage(
        "ticket_summaries",
        ("merged_tickets",),
        project,
        writer.make,
        made_by=writer.made_by,
        rule=fingerprint([cases.rule(company), company.setting("old_summaries")]),
        keep=writer.is_paid,
        accepts=accepts(company, writer),
    )


def ticket_embeddings(model_id: str, chars: int, make: Callable[[Sequence[str]], Iterator[Arrived]]) -> Stage:
    """The summary as a vector, of its first ``chars`` characters: the subject and the problem stand first.

    ``make`` gives each text's vector (``resources.embedder.PassageEmbedder``); its results are kept.
    """

    def project(rows: Sources) -> Input | None:
        summarised, merged = rows
        if summarised is None or merged is None:
            return None
        text = summary.embedding_text(Summary.from_payload(summarised.payload), merged.payload["subject"])
        return Input(f"{merge.about(merged.payload)} {text}".lstrip()[:chars])

    return Stage(
        "ticket_embeddings",
        ("ticket_summaries", "merged_tickets"),
        project,
        make,
        made_by=model_id,
        rule=f"{summary.EMBEDDING_TEXT_VERSION} {chars}",
        keep=True,
    )


def ticket_terms(company: Company) -> Stage:
    """The words of a solved case's whole thread as a sparse vector; private notes only for agents' eyes."""
    audience = company.setting("audience")

    def project(rows: Sources) -> Input | None:
        (merged,) = rows
        if merged is None or cases.why_not(company, merged.payload):
            return None
        is_titled = bool(merged.payload["subject"].strip())
        return Input((merge.searched_text(merged.payload, audience), is_titled))

    def make(given: tuple[str, bool]) -> Made:
        text, is_titled = given
        length = points.CASE_LENGTH if is_titled else points.PASSAGE_LENGTH
        indices, values = points.sparse(tokens.terms(text), length)
        return Made({"indices": indices, "values": values})

    return Stage(
        "ticket_terms",
        ("merged_tickets",),
        project,
        each(make),
        made_by=f"terms-{tokens.TOKENS_VERSION} sparse-{points.SPARSE_VERSION}",
        rule=fingerprint([cases.rule(company), audience, merge.THREAD_TEXT_VERSION]),
    )


def collection_made_by(model_id: str) -> str:
    """What makes a collection's points; another value means another physical collection. ``model_of`` reads it back."""
    return f"{model_id} | terms-{tokens.TOKENS_VERSION} sparse-{points.SPARSE_VERSION} point-{points.POINT_VERSION}"


COLLECTION_RULE = "2"
"""Changes whenever other documents belong into a collection."""


def model_of(made_by: str) -> str:
    """The model that queries to such a collection must be embedded with."""
    return made_by.split(" | ")[0]


def ticket_collection(company: Company, model_id: str) -> Stage:
    """The points: vector, words and payload of each case that has all of them, its vector of this model."""

    def project(rows: Sources) -> Input | None:
        merged, summarised, embedded, terms = rows
        if merged is None or summarised is None or embedded is None or terms is None:
            return None
        if (
            embedded.made_by != model_id
        ):  # a vector of the model before, under this one's name, would be found by chance
            return None
        return Input((merged, summarised, embedded, terms), [row.content_hash for row in rows if row])

    def make(rows: Sequence[Any]) -> Made:
        merged, summarised, embedded, terms = rows
        point = points.ticket_point(company.id, merged.payload, summarised.payload)
        return Made({"points": [{"point": point, **terms.payload}]}, embedded.vector)

    return Stage(
        "ticket_collection",
        ("merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_terms"),
        project,
        each(make),
        made_by=collection_made_by(model_id),
        rule=COLLECTION_RULE,
        vectors=True,
    )
