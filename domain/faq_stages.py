"""The stages of the FAQs that are searched: ``faq_embeddings`` and ``faq_collection``, what each takes and makes.

Belongs here: ``project`` and ``make``, and the versions that say when rows must be made again. Does not belong here: reading
FAQs from a sheet (``workbook_rows``), their keyword index (``keyword_index``), or the walk over the rows (``derive``).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from domain import points, tokens
from domain.company import Company
from domain.derive import Input, Sources, Stage, each
from domain.fingerprint import fingerprint
from domain.merge import language_of
from domain.stage import Arrived, Made
from domain.ticket_stages import COLLECTION_RULE, collection_made_by

Json = dict[str, Any]

EMBEDDED_VERSION: Final = "1"
"""Changes whenever the same FAQ would be embedded by another text."""
POINT_VERSION: Final = "1"
"""Changes whenever the same FAQ would give another payload."""


def embedded_text(faq: Mapping[str, Any]) -> str:
    """What an FAQ means: its sub-category and its question; people ask in the words of questions."""
    return " ".join(filter(None, (faq["sub_category"].strip(), faq["question"].strip())))


def faq_embeddings(model_id: str, chars: int, make: Callable[[Sequence[str]], Iterator[Arrived]]) -> Stage:
    """Each active FAQ's question as a vector, of its first ``chars`` characters. An answer that is edited embeds nothing."""

    def project(rows: Sources) -> Input | None:
        (faq,) = rows
        if faq is None or not faq.payload["is_active"]:
            return None
        return Input(embedded_text(faq.payload)[:chars])

    return Stage(
        "faq_embeddings",
        ("faq",),
        project,
        make,
        made_by=model_id,
        rule=f"faq-{EMBEDDED_VERSION} {chars}",
        keep=True,
    )


def faq_collection(company: Company, model_id: str) -> Stage:
    """The points: vector, words and payload of each active FAQ that has a vector of this model."""

    def project(rows: Sources) -> Input | None:
        faq, embedded = rows
        if faq is None or not faq.payload["is_active"] or embedded is None or embedded.made_by != model_id:
            return None
        return Input((faq, embedded), [faq.content_hash, embedded.content_hash])

    def make(rows: Sequence[Any]) -> Made:
        faq, embedded = rows
        indices, values = points.sparse(tokens.terms(searched_text(faq.payload)))
        point = faq_point(company.id, faq.payload)
        return Made({"points": [{"point": point, "indices": indices, "values": values}]}, embedded.vector)

    return Stage(
        "faq_collection",
        ("faq", "faq_embeddings"),
        project,
        each(make),
        made_by=collection_made_by(model_id),
        rule=fingerprint([COLLECTION_RULE, POINT_VERSION]),
        vectors=True,
    )


def searched_text(faq: Mapping[str, Any]) -> str:
    """An FAQ as its words are searched: question, keywords and sub-category first, then the answer."""
    title = " ".join(filter(None, (faq["question"], faq["sub_category"], *faq["keywords"])))
    return f"{' '.join(title.split())}\n{faq['answer']}"


def faq_point(company_id: str, faq: Mapping[str, Any]) -> Json:
    """A point's payload, with the fields that those of all types have (``points``)."""
    return {
        "company_id": company_id,
        "data_type": "faq",
        "doc_id": faq["faq_id"],
        "ticket_id": faq["faq_id"],
        "summary": None,
        "original_data": {"source": faq["source"]} if faq["source"] else {},
        "created_at": "",
        "title": faq["question"],
        "text": faq["answer"],
        "status": "active",
        "tags": sorted({tag.lower() for tag in (*faq["keywords"], faq["sub_category"]) if tag.strip()}),
        "product": faq["category"].lower(),
        "language": language_of(f"{faq['question']}\n{faq['answer']}"),
        "updated_at": faq["last_updated"],
        "url": "",
    }
