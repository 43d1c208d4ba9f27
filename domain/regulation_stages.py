"""The stages of regulations: for each table from ``regulation_passages`` to ``regulation_collection``, what it takes and what
it makes.

Belongs here: ``project`` and ``make``, and the versions that say when rows must be made again. Does not belong here: where an
article is cut (``regulation_passages``), or which version of it counts on a day (``regulation_force``).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain import points
from domain.company import Company
from domain.derive import Input, Sources, Stage, each
from domain.fingerprint import fingerprint
from domain.merge import language_of
from domain.passage_stages import PassageVectors, passage_collection, passage_embeddings
from domain.regulation import Regulation
from domain.regulation_passages import REGULATION_PASSAGES_VERSION, number_of, passages
from domain.stage import Made

Json = dict[str, Any]

_ROW_VERSION: Final = "1"
"""Changes whenever a row of ``regulation_passages`` has to say more."""


def regulation_of(payload: Json) -> Regulation:
    """The record of a row of ``regulations``."""
    fields: Json = {**payload, "tags": tuple(payload["tags"]), "path": tuple(payload.get("path", ()))}
    return Regulation(**fields)


def regulation_passages(replaced_on: Mapping[str, str]) -> Stage:
    """Regulations as passages, each row with the day of its next version (``regulation_force.replaced_on``): whoever answers
    tells by it, and by the effective date, what is in force on that day.

    A version that comes or goes changes what its siblings say, and they are not in the row that moved: with the rule all rows
    are looked at, which is free, and those that say something else now are made.
    """

    def project(rows: Sources) -> Input | None:
        (row,) = rows
        if row is None:
            return None
        day = replaced_on.get(row.doc_id, "")
        return Input((row.payload, day), [row.content_hash, day])

    def make(given: tuple[Json, str]) -> Made:
        payload, day = given
        regulation = regulation_of(payload)
        return Made(
            {
                "regulation_id": regulation.regulation_id,
                "category": regulation.category,
                "title": regulation.title,
                "section": regulation.section,
                "number": number_of(regulation),
                "summary": regulation.summary,
                "effective_date": regulation.effective_date,
                "replaced_on": day,
                "source_url": regulation.source_url,
                "tags": list(regulation.tags),
                "last_updated": regulation.last_updated,
                "language": language_of(f"{regulation.title}\n{regulation.content}"),
                "passages": passages(regulation),
            }
        )

    return Stage(
        "regulation_passages",
        ("regulations",),
        project,
        each(make),
        made_by=f"passages-{REGULATION_PASSAGES_VERSION} row-{_ROW_VERSION}",
        rule=fingerprint(dict(replaced_on)),
    )


def passage_text(row: Json, passage: Json) -> str:
    """A passage as it is searched and embedded: title and headings in its first line, and behind its text what the editors
    wrote for the search: summary and tags."""
    said = (points.passage_text(row, passage), row["summary"], " ".join(row["tags"]))
    return "\n".join(part for part in said if part)


def regulation_embeddings(model_id: str, chars: int, make: PassageVectors) -> Stage:
    """Each passage of a regulation as a vector."""
    return passage_embeddings("regulation_passages", "regulation_embeddings", model_id, chars, make, passage_text)


def regulation_collection(company: Company, model_id: str) -> Stage:
    """The points: vector, words and payload of each passage of the regulations that have vectors of this model."""

    def payloads(rows: Sequence[Any]) -> list[Json]:
        return regulation_points(company.id, rows[0].payload)

    sources = ("regulation_passages", "regulation_embeddings")
    return passage_collection("regulation_collection", sources, model_id, payloads, passage_text)


def regulation_points(company_id: str, row: Json) -> list[Json]:
    """The payloads of a regulation's points, one a passage: those of an article's (``points.passage_points``), with the
    category as product, and what tells whether it is in force. No status is stored: it changes with the day."""
    article = {
        "article_id": row["regulation_id"],
        "title": row["title"],
        "path": [row["category"]],
        "language": row["language"],
        "tags": row["tags"],
        "url": row["source_url"],
        "created_at": row["effective_date"],
        "updated_at": row["last_updated"],
        "passages": row["passages"],
    }
    of_rule = {
        "data_type": "regulation",
        "status": "",
        "product": row["category"].lower(),
        "section": row["section"],
        "effective_date": row["effective_date"],
        "replaced_on": row["replaced_on"],
    }
    return [
        {**point, **of_rule, "numbering": passage["numbering"]}
        for point, passage in zip(points.passage_points(company_id, article, None), row["passages"], strict=True)
    ]
