"""Stages of documents that are cut into passages: articles of the help centre, regulations.

Belongs here: passages to vectors, and passages with their vectors to the points of a collection. Does not belong here: how a
document is cut, or what a point says of it (``kb_stages``, ``regulation_stages``).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from domain import points, tokens
from domain.derive import Input, Sources, Stage, each
from domain.stage import Arrived, Made
from domain.ticket_stages import COLLECTION_RULE, collection_made_by

Json = dict[str, Any]

EMBEDDED_VERSION = "1"
"""Changes whenever the same passage would be embedded by another text."""
_KEPT = "kept by their hashes"
"""Changes whenever a row has to say more; the vectors themselves are kept, and made again they cost nothing."""
PassageVectors = Callable[[Sequence[tuple[str, list[str]]]], Iterator[Arrived]]
"""From documents, (id, texts of the passages), to their vectors: each result is ``Made`` with all of a document's, one after
the other."""
PassageText = Callable[[Json, Json], str]
"""A passage as it is searched and embedded: of a row of the passages' table, and one of its ``passages``."""


def passage_embeddings(
    source: str, target: str, model_id: str, chars: int, make: PassageVectors, text: PassageText
) -> Stage:
    """Each passage as a vector, of its first ``chars`` characters: title and headings stand first. ``make`` keeps what it
    gets passage by passage, so that a document with one changed passage costs one."""

    def project(rows: Sources) -> Input | None:
        (row,) = rows
        if row is None or not row.payload["passages"]:
            return None
        texts = [text(row.payload, passage)[:chars] for passage in row.payload["passages"]]
        return Input((row.doc_id, texts), [_KEPT, texts])

    return Stage(target, (source,), project, make, made_by=model_id, rule=f"passages-{EMBEDDED_VERSION} {chars}")


def passage_collection(
    target: str,
    sources: tuple[str, ...],
    model_id: str,
    payloads: Callable[[Sequence[Any]], list[Json]],
    text: PassageText,
) -> Stage:
    """The points: vector, words and payload of each passage of the documents that have vectors of this model. The first of
    ``sources`` holds the passages, the second the vectors; ``payloads`` are the points of all their rows."""

    def project(rows: Sources) -> Input | None:
        passages, embedded = rows[:2]
        if passages is None or embedded is None or embedded.made_by != model_id:
            return None
        return Input(rows, [row and row.content_hash for row in rows])

    def make(rows: Sequence[Any]) -> Made:
        passages, embedded = rows[:2]
        made: list[Json] = []
        for payload, passage in zip(payloads(rows), passages.payload["passages"], strict=True):
            indices, values = points.sparse(tokens.terms(text(passages.payload, passage)), points.PASSAGE_LENGTH)
            made.append({"point": payload, "indices": indices, "values": values})
        return Made({"points": made}, embedded.vector)

    return Stage(
        target, sources, project, each(make), made_by=collection_made_by(model_id), rule=COLLECTION_RULE, vectors=True
    )
