"""The stages of the knowledge base: what ``kb_passages`` takes and what it makes.

Belongs here: ``project`` and ``make``, and the versions that say when rows must be made again.
Does not belong here: the walk over the rows (``derive``), or where an article is cut (``passages``).
"""

from collections.abc import Callable
from typing import Any

from domain.article import Article
from domain.company import Company
from domain.derive import Input, Sources, Stage, each
from domain.passages import PASSAGES_VERSION, passages
from domain.stage import Made

Json = dict[str, Any]


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
