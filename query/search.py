"""Search: "have we solved this before?", answered with the past cases that did.

Belongs here: from a question to hits: embed, find by meaning and by words, join, tell why.
Does not belong here: the arithmetic of joining (``domain/ranking``), the engine (``resources/vector_index``), printing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import numpy as np

from domain import points, tokens
from domain.company import Company
from domain.errors import InputError, StorageError
from domain.fingerprint import clean, point_id
from domain.merge import thread_text
from domain.ranking import Scored, Weights, fuse, weights_for
from domain.stage import Row
from domain.ticket_stages import model_of
from resources.cache.base import open_cache
from resources.companies import Companies
from resources.embedder import Embedder, open_embedder
from resources.vector_index.base import Collection, Filters
from resources.vector_index.edge import EdgeReader

DATA_TYPES = ("ticket",)
CANDIDATES = 200
"""How many hits of each half are joined; more changes nothing on the measured sets."""
MOST_HITS = 10_000
EVERYTHING = Filters()
_WHY_DIGITS = 4
_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Hit:
    """One past case. ``score`` is 0..1; ``why`` holds the two halves' raw scores and what made the point."""

    doc_id: str
    data_type: str
    score: float
    title: str
    summary: dict[str, Any] | None
    text: str
    url: str
    updated_at: str
    status: str
    why: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits to one question, best first; ``recommendation_id`` names this answer for a later vote."""

    company: str
    query: str
    recommendation_id: str
    hits: list[Hit]


class Searcher:
    """Searches one company. Keeps model and index open: make one and use it for many questions. Settings that change
    meanwhile count from the next question on."""

    def __init__(self, companies: Companies, company: Company) -> None:
        self.companies = companies
        self.company = company
        self.collection: Collection = EdgeReader(companies.settings.index_folder(company.id), company.id, "ticket")
        self.cache = open_cache(companies.settings)

    @property
    def embedder(self) -> Embedder:
        """The model that made the collection which is live now, whatever the settings ask for next."""
        return open_embedder(model_of(self.collection.made_by))

    def search(self, text: str, k: int = 10, filters: Filters = EVERYTHING) -> Answer:
        """The ``k`` best cases for a question. Raises ``InputError`` for an empty text or ``k`` < 1, ``StorageError``
        when nothing was built yet."""
        return self._answer(text, self._rank(checked(text, k), filters, k), k)

    def similar(self, doc_id: str, k: int = 10, filters: Filters = EVERYTHING) -> Answer:
        """Cases like a stored ticket, which may be an open one, itself left out. Raises ``InputError`` when there is none."""
        checked("a ticket", k)
        others = replace(filters, without=doc_id)
        with self.companies.store(self.company.id) as store:
            rows = {table: store.get(table, [doc_id]).get(doc_id) for table in ("merged_tickets", "ticket_terms")}
        merged, terms = rows["merged_tickets"], rows["ticket_terms"]
        if merged is None or merged.deleted:
            raise InputError(
                f"no ticket {doc_id!r} in company {self.company.id!r}.",
                remedy="Its id is the helpdesk's own, as a search shows it.",
            )
        query = merged.payload["subject"]
        vector = self.collection.vector(point_id(self.company.id, "ticket", doc_id))
        if vector is None or not _live(terms):
            # An open ticket is not in the index: it is asked for by its own words.
            return self._answer(query, self._rank(_opening(merged), others, k), k)
        indices = terms.payload["indices"] if terms else []
        ranked = self.collection.rank(vector, (indices, [1.0] * len(indices)), others, max(CANDIDATES, k))
        return self._answer(query, fuse(*ranked, self._weights(len(indices))), k)

    def _rank(self, text: str, filters: Filters, k: int) -> list[Scored]:
        said = tokens.terms(text)
        ranked = self.collection.rank(self._meaning(text), points.sparse_query(said), filters, max(CANDIDATES, k))
        return fuse(*ranked, self._weights(tokens.words(said), tokens.has_code(text)))

    def _meaning(self, text: str) -> list[float]:
        """The question's vector. A question that was asked within a day needs no model."""
        embedder = self.embedder
        read = text[: embedder.max_chars]

        def embed(_: list[str]) -> list[bytes]:
            return [embedder.embed([read], "query")[0].astype("<f4").tobytes()]

        key = f"{embedder.model_id} {read}"
        [vector] = self.cache.get_or_make(self.company.id, "query-embedding", [key], embed, _DAY)
        return np.frombuffer(vector, "<f4").tolist()

    def _weights(self, words: int, has_code: bool = False) -> Weights:
        """How much meaning and words count: as the company wants it, else as measured for questions of this kind."""
        share = self.companies.current(self.company.id).setting("dense_weight")
        return weights_for(words, has_code) if share is None else Weights(dense=share)

    def _answer(self, query: str, scored: Sequence[Scored], k: int) -> Answer:
        best = scored[:k]
        stored = {point.point_id: point.payload for point in self.collection.points([hit.id for hit in best])}
        made_by = self.collection.made_by
        if any(payload.get("company_id") != self.company.id for payload in stored.values()):
            raise StorageError(
                "the index holds another company's cases.",
                f"{self.company.id}: its files were mixed up with another's; nothing of them is shown.",
                "Remove the company's folder 'index' and run 'casebook sync': it fills a new one.",
            )
        hits = [_hit(hit, stored[hit.id], made_by) for hit in best if hit.id in stored]
        return Answer(self.company.id, query, uuid4().hex, hits)


def checked(text: str, k: int) -> str:
    """A question as it can be asked. Raises ``InputError`` for an empty one, and for ``k`` < 1."""
    said, _ = clean(text)
    if not said.strip():
        raise InputError("the text to search for is empty.", remedy="Say what the problem is.")
    if k < 1:
        raise InputError(f"-k {k} asks for nothing.", remedy="Ask for at least one hit.")
    if k > MOST_HITS:
        raise InputError(f"-k {k} asks for too much.", remedy=f"Ask for {MOST_HITS} hits at most.")
    return said


def _live(row: Row | None) -> bool:
    return row is not None and not row.deleted


def _opening(merged: Row) -> str:
    """A ticket's subject and its whole thread, bounded by what a model reads anyway."""
    return thread_text(merged.payload)[:4000] or merged.payload["subject"] or "-"


def _hit(scored: Scored, payload: dict[str, Any], made_by: str) -> Hit:
    summary = payload["summary"]
    said = (summary["problem"], summary["cause"], summary["solution"], summary["result"])
    return Hit(
        doc_id=payload["ticket_id"],
        data_type=payload["data_type"],
        score=round(scored.score, _WHY_DIGITS),
        title=payload["title"],
        summary=summary,
        text="\n".join(part for part in said if part),
        url=payload["url"],
        updated_at=payload["updated_at"],
        status=payload["status"],
        why={
            "meaning": None if scored.dense is None else round(scored.dense, _WHY_DIGITS),
            "words": None if scored.sparse is None else round(scored.sparse, _WHY_DIGITS),
            "made_by": made_by,
        },
    )
