"""What one collection has to one question: both halves, asked for once, and hits of them in any order of weights.

Belongs here: a question's words, asking the engine, joining its two lists, the calibrated score. Does not belong here: the
arithmetic of joining (``domain/ranking``) and of scores (``domain/calibration``), or several collections (``search``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from domain import calibration, points, tokens
from domain.company import CompanyId
from domain.errors import StorageError
from domain.ranking import Scored, Weights, fuse, weights_for
from domain.ticket_stages import model_of
from query.hits import Hit, hit_of, one_a_document, searched
from resources.vector_index.base import MOST_HITS, Collection, Filters, Ranked, Sparse

CANDIDATES = 200
"""How many hits of each half are joined; more changes nothing on the measured sets."""
_PARTS = 4
"""So many times the hits are read where several may be of one document, and again while that is too few."""
_LOOKED_AT = 10
"""Best hits whose titles tell what kind of documents these are, and whose words are held against the question's."""
_SHORT = 200
"""Characters of a question that a hit may say word for word; longer ones are whole tickets."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a question, the same for every collection: ``text`` as a model of meaning reads it, ``count`` of its
    different words. ``codes`` and ``surface`` are what a hit may say of it word for word; a long text has
    none."""

    text: str
    sparse: Sparse
    count: int
    has_code: bool = False
    codes: frozenset[str] = frozenset()
    surface: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str) -> Self:
        text = tokens.spaced(text)
        said = tokens.terms(text)
        is_short = len(text) <= _SHORT
        codes, surface = (
            (tokens.codes(text), tokens.surface(text)) if is_short else (frozenset[str](), frozenset[str]())
        )
        return cls(text, points.sparse_query(said), tokens.words(said), tokens.has_code(text), codes, surface)

    @property
    def mass(self) -> float:
        """The weight of all its terms."""
        return sum(self.sparse[1]) or 1.0


class Halves:
    """One question to one collection. ``dense`` is its vector, None where words alone must find."""

    def __init__(
        self,
        company: CompanyId,
        collection: Collection,
        words: Words,
        dense: Sequence[float] | None,
        filters: Filters,
    ) -> None:
        self._company, self._collection, self._filters = company, collection, filters
        self._words, self._vector = words, dense
        self._model = model_of(collection.made_by)
        self._limit = 0
        self._dense: Ranked = []
        self._sparse: Ranked = []
        self._stored: dict[str, dict[str, Any]] = {}
        self._said: dict[str, frozenset[str]] = {}
        """What the best hits say word for word: they are ordered more than once."""

    @property
    def has_meaning(self) -> bool:
        return self._vector is not None

    @property
    def is_calibrated(self) -> bool:
        """Whether its scores say how likely it is that a hit answers."""
        return not self.has_meaning or calibration.is_calibrated(self._model)

    def hits(self, count: int, share: float | None) -> list[Hit]:
        """The best hits, one a document; fewer than ``count`` only where there are no more. ``share`` of meaning in the
        score, None for the measured one. The engine is asked again only for more than it was asked for before."""
        self._rank(max(CANDIDATES, count))
        hits = self._ordered(count, share)
        while len(hits) < count and self._has_more():
            self._rank(self._limit * _PARTS)
            hits = self._ordered(count, share)
        return hits

    def _rank(self, limit: int) -> None:
        limit = min(limit, MOST_HITS)
        if limit > self._limit:
            self._dense, self._sparse = self._collection.rank(self._vector, self._words.sparse, self._filters, limit)
            self._limit = limit

    def _has_more(self) -> bool:
        return self._limit < MOST_HITS and max(len(self._dense), len(self._sparse)) >= self._limit

    def _ordered(self, count: int, share: float | None) -> list[Hit]:
        scored = fuse(self._dense, self._sparse, self._weights(share))
        self._read(scored[: max(count, _LOOKED_AT)])
        if share is None and self._are_untitled(scored[:_LOOKED_AT]):
            scored = fuse(self._dense, self._sparse, self._weights(share, is_titled=False))
        read, hits = count, list[Hit]()
        while True:
            self._read(scored[:read])
            hits = one_a_document(
                hit_of(
                    one,
                    likely,
                    self._stored[one.id],
                    self._collection.made_by,
                )
                for one, likely in self._likely([one for one in scored[:read] if one.id in self._stored])
            )
            if read >= len(scored) or (len(hits) >= count and (read > count or not self._has_parts())):
                return hits[:count]
            read *= _PARTS

    def _weights(self, share: float | None, is_titled: bool = True) -> Weights:
        """How much meaning and words count: as the company wants it, else as measured for questions of this kind."""
        if share is not None:
            return Weights(dense=share)
        return weights_for(self._model, self._words.count, self._words.has_code, is_titled)

    def _likely(self, scored: Sequence[Scored]) -> Iterator[tuple[Scored, float]]:
        """The hits with how likely it is that each answers. The first one's is that of the whole collection: by the nearest
        document, whichever came out first. No other is likelier than the one before it."""
        likely = 1.0
        for place, hit in enumerate(scored):
            nearest = self._dense[0][1] if self._dense and place == 0 else hit.dense
            likely = min(likely, self._likelihood(hit, nearest, is_near=place < _LOOKED_AT))
            yield hit, likely

    def _likelihood(self, hit: Scored, cosine: float | None, *, is_near: bool) -> float:
        if not self.has_meaning:
            found = calibration.by_words_alone((hit.sparse or 0.0) / self._words.mass)
        else:
            found = 0.0 if cosine is None else calibration.by_meaning(self._model, cosine)
        if not is_near or not self._words.surface:
            return found
        if hit.id not in self._said:
            self._said[hit.id] = tokens.surface(searched(self._stored[hit.id]))
        said = calibration.by_what_is_said(self._words.surface, self._words.codes, self._said[hit.id])
        return max(found, said)

    def _has_parts(self) -> bool:
        """Whether what was read has passages of longer documents: ``also`` names those that are found near the best."""
        return any(payload.get("parts", 1) > 1 for payload in self._stored.values())

    def _are_untitled(self, hits: Sequence[Scored]) -> bool:
        """Whether most of the best hits have no title: pages, of which a model read the beginning."""
        titles = [bool(self._stored[hit.id]["title"].strip()) for hit in hits if hit.id in self._stored]
        return sum(titles) * 2 < len(titles)

    def _read(self, hits: Sequence[Scored]) -> None:
        """Have their payloads. Raises ``StorageError`` rather than to show another company's."""
        missing = [hit.id for hit in hits if hit.id not in self._stored]
        read: Mapping[str, dict[str, Any]] = (
            {point.point_id: point.payload for point in self._collection.points(missing)} if missing else {}
        )
        if any(payload.get("company_id") != self._company for payload in read.values()):
            raise StorageError(
                "the index holds another company's cases.",
                f"{self._company}: its files were mixed up with another's; nothing of them is shown.",
                "Remove the company's folder 'index' and run 'casebook sync': it fills a new one.",
            )
        self._stored |= read
