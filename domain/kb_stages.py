"""The stages of the knowledge base: for each table from ``kb_summaries`` to ``kb_collection``, what it takes and what it
makes.

Belongs here: ``project`` and ``make``, and the versions that say when rows must be made again.
Does not belong here: the walk over the rows (``derive``), where an article is cut (``passages``), or what passages of any
document become (``passage_stages``).
"""

from collections.abc import Callable, Sequence
from typing import Any

from domain import points
from domain.article import Article
from domain.company import Company
from domain.derive import Input, LeftOut, Sources, Stage, each
from domain.fingerprint import fingerprint
from domain.merge import language_of
from domain.passage_stages import PassageVectors, passage_collection, passage_embeddings
from domain.passages import PASSAGES_VERSION, passages
from domain.stage import Made
from domain.writer import Writer, accepts

Json = dict[str, Any]


def kb_summaries(company: Company, neutral: Callable[[Json], Article], adapter: str, writer: Writer) -> Stage:
    """Summaries of published articles, as of tickets. ``adapter`` is the version of ``neutral``."""
    audience = company.setting("audience")

    def project(rows: Sources) -> Input | LeftOut | None:
        (raw,) = rows
        if raw is None:
            return None
        article = neutral(raw.payload)
        if not article.is_public(audience):
            return LeftOut("not published for this audience")
        text = "\n\n".join("\n".join([*passage["path"][-1:], passage["text"]]) for passage in passages(article))
        if not text.strip():
            return LeftOut("no words")
        language = language_of(f"{article.title}\n{text}")
        return Input({"title": article.title, "path": list(article.path), "language": language, "text": text})

    return Stage(
        "kb_summaries",
        ("raw_kb",),
        project,
        writer.make,
        made_by=writer.made_by,
        rule=fingerprint([audience, PASSAGES_VERSION, adapter, company.setting("old_summaries")]),
        keep=writer.is_paid,
        accepts=accepts(company, writer),
    )


def kb_passages(company: Company, neutral: Callable[[Json], Article], adapter: str) -> Stage:
    """Published articles as passages. What is a draft, or not for this company's audience, never comes here, and leaves
    when it becomes so. ``adapter`` is the version of ``neutral``."""
    audience = company.setting("audience")

    def project(rows: Sources) -> Input | None:
        (raw,) = rows
        if raw is None or not neutral(raw.payload).is_public(audience):
            return None
        return Input(raw.payload, raw.content_hash)

    def make(payload: Json) -> Made:
        article = neutral(payload)
        return Made(
            {
                "article_id": article.id,
                "title": article.title,
                "path": list(article.path),
                "language": article.language,
                "tags": list(article.tags),
                "url": article.url,
                "created_at": article.created_at,
                "updated_at": article.updated_at,
                "passages": passages(article),
            }
        )

    return Stage(
        "kb_passages",
        ("raw_kb",),
        project,
        each(make),
        made_by=f"passages-{PASSAGES_VERSION} {adapter}",
        rule=audience,
    )


def kb_embeddings(model_id: str, chars: int, make: PassageVectors) -> Stage:
    """Each passage of an article as a vector."""
    return passage_embeddings("kb_passages", "kb_embeddings", model_id, chars, make, points.passage_text)


def kb_collection(company: Company, model_id: str) -> Stage:
    """The points: vector, words and payload of each passage of the articles that have vectors of this model."""

    def payloads(rows: Sequence[Any]) -> list[Json]:
        article, _, summarised = rows
        return points.passage_points(company.id, article.payload, summarised and summarised.payload)

    sources = ("kb_passages", "kb_embeddings", "kb_summaries")
    return passage_collection("kb_collection", sources, model_id, payloads, points.passage_text)
