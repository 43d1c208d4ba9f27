"""Search: "have we solved this before?", answered with the past cases that did, and with what the manual says.

Belongs here: from a question to an answer: its words and vectors, the collections that are asked, one order of their hits.
Does not belong here: what one collection has to a question (``halves``), the records of an answer (``hits``), marking the
words that answer (``marking``), the engine (``resources/vector_index``), printing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import merge as merged_by
from typing import TypeVar, get_args
from uuid import uuid4

from domain import tokens
from domain.company import Company
from domain.errors import InputError, StorageError
from domain.fingerprint import clean, point_id
from domain.merge import thread_text
from domain.ranking import RANKING_VERSION
from domain.stage import DataType, Row
from domain.ticket_stages import model_of
from query.halves import CANDIDATES, Halves, Words
from query.hits import Answer, Hit, grouped
from resources.companies import Companies
from resources.question_embedder import NotEmbedded, QuestionEmbedder
from resources.vector_index.base import EVERYTHING, MOST_HITS, Collection, Filters, open_index

__all__ = ["CANDIDATES", "DATA_TYPES", "EVERYTHING", "Answer", "Hit", "Searcher", "checked"]

DATA_TYPES: tuple[DataType, ...] = get_args(DataType)
_MOST_GROUPED = 1_000
"""So many hits are looked at for those that near-duplicates leave over, or twice as many as were asked for."""
_TOGETHER = 100
"""Questions of many that are embedded at once: a provider takes one request for them."""
_NOT_CALIBRATED = "Scores of this model are not calibrated."

Views = Mapping[DataType, Collection]
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked. ``point`` is the id of the stored ticket that asks, "" for a text; ``without`` its document id."""

    query: str
    words: Words
    filters: Filters = EVERYTHING
    point: str = ""
    without: str = ""

    def filters_for(self, data_type: DataType) -> Filters:
        """An id is one within its type: an article may have the id of the ticket that is left out."""
        return replace(self.filters, without=self.without if data_type == "ticket" else "")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as it was asked of each collection."""

    halves: Sequence[Halves]
    notes: list[str]

    @property
    def by_words_alone(self) -> bool:
        return not all(one.has_meaning for one in self.halves)

    def hits(self, count: int, share: float | None) -> list[Hit]:
        """The best of all collections in one order."""
        found = [one.hits(count, share) for one in self.halves]
        return found[0] if len(found) == 1 else list(merged_by(*found, key=lambda hit: -hit.score))[:count]


class Searcher:
    """Searches one company. Keeps models and indexes open: make one and use it for many questions, from several threads if
    need be. Settings that change meanwhile, and what is published, count from the next question on."""

    def __init__(self, companies: Companies, company: Company) -> None:
        self.companies = companies
        self.company = company
        self.index = open_index(companies.settings, company)
        self.readers = {data_type: self.index.reader(data_type) for data_type in DATA_TYPES}
        self.questions = QuestionEmbedder(companies, company)

    def close(self) -> bool:
        """Let connections go, and write what was paid for questions; whether the ledger has all of it."""
        return self.questions.close()

    def built(self) -> list[DataType]:
        """The data types that something is published of."""
        return [data_type for data_type in DATA_TYPES if self.readers[data_type].is_built()]

    def versions(self) -> dict[str, str]:
        """What answers now: who made each live collection, by data type, the version of the ranking, and the share of meaning
        where the company set it."""
        return self._versions(self._views(DATA_TYPES), self._share())

    @property
    def collection(self) -> Collection:
        """What is published of the tickets now; a question is answered by one and the same."""
        return self.readers["ticket"].current()

    def search(
        self,
        text: str,
        k: int = 10,
        filters: Filters = EVERYTHING,
        data_types: Sequence[DataType] = ("ticket",),
        is_grouped: bool = False,
    ) -> Answer:
        """The ``k`` best hits for a question among the documents of these types, in one order.

        ``is_grouped``: near-duplicates of a better hit are only named in it. Raises ``InputError`` for an empty text or a
        ``k`` outside 1 to ``MOST_HITS``, ``StorageError`` when nothing of these types was built yet.
        """
        said = checked(text, k)
        return self._answer(_Question(text, Words.of(said), filters), k, data_types, is_grouped)

    def answers(
        self,
        texts: Sequence[str],
        k: int = 10,
        filters: Filters = EVERYTHING,
        data_types: Sequence[DataType] = ("ticket",),
    ) -> Iterator[Answer]:
        """Many questions, each as ``search`` answers it, in order."""
        for text in self._embedded_ahead(texts, data_types):
            yield self.search(text, k, filters, data_types)

    def orders(
        self, texts: Sequence[str], k: int, data_types: Sequence[DataType] = ("ticket",)
    ) -> Iterator[Callable[[float | None], list[Hit]]]:
        """For each of many questions its best hits by any share of meaning (None: the measured one); the index is asked
        once for all of them. Raises ``NotEmbedded`` where words alone would find."""
        for text in self._embedded_ahead(texts, data_types):
            yield self._order(_Question(text, Words.of(checked(text, k))), k, data_types)

    def similar(
        self,
        doc_id: str,
        k: int = 10,
        filters: Filters = EVERYTHING,
        data_types: Sequence[DataType] = ("ticket",),
        is_grouped: bool = False,
    ) -> Answer:
        """What is like a stored ticket, which may be an open one, itself left out. Raises ``InputError`` for another."""
        checked("a ticket", k)
        with self.companies.store(self.company.id) as store:
            rows = {table: store.get(table, [doc_id]).get(doc_id) for table in ("merged_tickets", "ticket_terms")}
        merged, terms = rows["merged_tickets"], rows["ticket_terms"]
        if merged is None or merged.deleted:
            raise InputError(
                f"no ticket {doc_id!r} in company {self.company.id!r}.",
                remedy="Its id is the helpdesk's own, as a search shows it.",
            )
        opening = _opening(merged)
        if terms is None or terms.deleted:  # an open ticket is not in the index: it is asked for by its own words
            words = Words.of(opening)
        else:
            indices = terms.payload["indices"]
            words = Words(opening, (indices, [1.0] * len(indices)), len(indices))
        question = _Question(
            merged.payload["subject"], words, filters, point_id(self.company.id, "ticket", doc_id), doc_id
        )
        return self._answer(question, k, data_types, is_grouped)

    def _answer(self, question: _Question, k: int, data_types: Sequence[DataType], is_grouped: bool) -> Answer:
        def answer(views: Views) -> Answer:
            asked, share = self._ask(views, question), self._share()
            hits = _distinct(asked, k, share) if is_grouped else asked.hits(k, share)
            return Answer(
                company=self.company.id,
                query=question.query,
                recommendation_id=uuid4().hex,
                hits=hits,
                notes=asked.notes,
                versions=self._versions(views, share),
                by_words_alone=asked.by_words_alone,
                is_calibrated=all(one.is_calibrated for one in asked.halves),
            )

        return self._retried(data_types, answer)

    def _order(
        self, question: _Question, k: int, data_types: Sequence[DataType]
    ) -> Callable[[float | None], list[Hit]]:
        def ask(views: Views) -> _Asked:
            asked = self._ask(views, question)
            if asked.by_words_alone:
                raise NotEmbedded("a question cannot be asked by meaning now.", " ".join(asked.notes))
            asked.hits(k, self._share())  # now, while what was published last is there
            return asked

        asked = self._retried(data_types, ask)
        return lambda share: asked.hits(k, share)

    def _retried(self, data_types: Sequence[DataType], ask: Callable[[Views], Told]) -> Told:
        """Ask each type's collection, as it is published now. One that vanished meanwhile (a switch dropped it) is asked for
        once more."""
        views = self._views(data_types)
        try:
            return ask(views)
        except StorageError:
            again = self._views(data_types)
            if {view.name for view in again.values()} == {view.name for view in views.values()}:
                raise
            return ask(again)

    def _views(self, data_types: Sequence[DataType]) -> Views:
        """What is published of each type. Raises ``StorageError`` when there is none of any."""
        views: dict[DataType, Collection] = {}
        for data_type in dict.fromkeys(data_types):
            try:
                views[data_type] = self.readers[data_type].current()
            except StorageError:
                if len(data_types) == 1 or self.readers[data_type].is_built():
                    raise
        if not views:
            self.readers[DATA_TYPES[0]].current()
        return views

    def _ask(self, views: Views, question: _Question) -> _Asked:
        """The question with a vector of each collection's model, or without one and a note why."""
        vectors: dict[str, Sequence[float] | None] = {}
        notes: list[str] = []
        halves: list[Halves] = []
        for data_type, collection in views.items():
            model = model_of(collection.made_by)
            if model not in vectors:
                try:
                    vectors[model] = self._vector(question, model, views)
                except NotEmbedded as reason:
                    vectors[model] = None
                    notes.append(f"Found by words alone: {reason}")
            wanted = question.filters_for(data_type)
            halves.append(Halves(self.company.id, collection, question.words, vectors[model], wanted))
        if not all(one.is_calibrated for one in halves):
            notes.append(_NOT_CALIBRATED)
        return _Asked(halves, list(dict.fromkeys(notes)))

    def _vector(self, question: _Question, model: str, views: Views) -> Sequence[float]:
        """A stored ticket has one already, which serves for every collection of the same model. Raises ``NotEmbedded``."""
        if question.point:
            tickets = views.get("ticket") or self._tickets()
            if tickets and model_of(tickets.made_by) == model:
                stored = tickets.vectors([question.point]).get(question.point)
                if stored is not None:
                    return stored
        return self.questions.vector(question.words.text, model)

    def _tickets(self) -> Collection | None:
        try:
            return self.readers["ticket"].current()
        except StorageError:
            return None

    def _embedded_ahead(self, texts: Sequence[str], data_types: Sequence[DataType]) -> Iterator[str]:
        """The same questions; those of a provider's model are embedded some at a time, before they are asked one by one."""
        for start in range(0, len(texts), _TOGETHER):
            part = texts[start : start + _TOGETHER]
            models = {model_of(view.made_by) for view in self._views(data_types).values()}
            for model in sorted(models):
                self.questions.embed_ahead([tokens.spaced(checked(text, 1)) for text in part], model)
            yield from part

    def _share(self) -> float | None:
        """The share of meaning in the score, None for the measured one."""
        return self.companies.current(self.company.id).setting("dense_weight")

    def _versions(self, views: Views, share: float | None) -> dict[str, str]:
        made_by = {str(data_type): view.made_by for data_type, view in views.items()}
        weight = {} if share is None else {"dense_weight": f"{share:g}"}
        return {**made_by, "ranking": RANKING_VERSION, **weight}


def checked(text: str, k: int) -> str:
    """A question as it can be asked. Raises ``InputError`` for an empty one, and for ``k`` outside 1 to ``MOST_HITS``."""
    said, _ = clean(text)
    if not said.strip():
        raise InputError("the text to search for is empty.", remedy="Say what the problem is.")
    if k < 1:
        raise InputError(f"-k {k} asks for nothing.", remedy="Ask for at least one hit.")
    if k > MOST_HITS:
        raise InputError(f"-k {k} asks for too much.", remedy=f"Ask for {MOST_HITS} hits at most.")
    return said


def _distinct(asked: _Asked, k: int, share: float | None) -> list[Hit]:
    """The best hits that are no near-duplicates of better ones, which name them."""
    count, most = k * 2, min(max(_MOST_GROUPED, k * 2), MOST_HITS)
    while True:
        hits = asked.hits(min(count, most), share)
        groups = grouped(hits)
        if len(groups) >= k or count >= most or len(hits) < count:
            return groups[:k]
        count *= 4


def _opening(merged: Row) -> str:
    """A ticket's subject and its whole thread, bounded by what a model reads anyway."""
    return thread_text(merged.payload)[:4000] or merged.payload["subject"] or "-"
