"""Terms to the sparse half of a point: BM25 in two parts, one in the document, one in the engine.

Belongs here: a term's index, and its weight within one document and one query.
Does not belong here: how rare a term is in the company's collection: the vector engine multiplies by that at query
time (Qdrant's ``Modifier.Idf``), so an added document never changes another one's vector.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from domain.fingerprint import canonical
from domain.merge import language_of
from domain.tokens import is_syllables

SPARSE_VERSION: Final = "3"
"""Changes whenever the same terms would give another vector; part of the index's fingerprint."""

K1: Final = 1.2
"""How soon a repeated term stops to count more (BM25's k1)."""
B: Final = 0.85
"""How much a long document's terms are discounted (BM25's b)."""

CASE_LENGTH: Final = 60.0
"""BM25's average length, in terms, for what has a title: tickets and FAQ rows. A constant, so that a document's vector
depends on that document alone; low, so that a long thread, which has every word, does not win by that."""
PASSAGE_LENGTH: Final = 350.0
"""The same for passages, and for tickets without a subject: cut to one size, their length tells nothing."""
LENGTH_POWER: Final = 0.5
"""A document of four times the length is discounted twice as much, not four times: one constant then serves short FAQ rows,
threads and pages. nDCG@10 of words, 1 and 0.5: Korean pages 0.82 and 0.91, regulations 0.52 and 0.576, Korean FAQ rows 0.71
and 0.70, English ones 0.86 and 0.87, English tickets 0.61 and 0.56, where both halves joined stay what they were."""

SYLLABLES_WEIGHT: Final = 0.5
"""What a pair of syllables counts in a question, a word being 1: it mostly repeats what the word says."""

_DIGITS = 5


def sparse(terms: Mapping[str, int], average_length: float = CASE_LENGTH) -> tuple[list[int], list[float]]:
    """A document's sparse vector: indices in rising order and BM25's term-frequency part as values.

    Two terms that share an index (1 pair in 4 billion) add up their counts.
    """
    length = sum(terms.values())
    norm = K1 * (1 - B + B * (length / average_length) ** LENGTH_POWER)
    counts = _by_index(terms)
    return list(counts), [round(count * (K1 + 1) / (count + norm), _DIGITS) for count in counts.values()]


def sparse_query(terms: Mapping[str, int]) -> tuple[list[int], list[float]]:
    """A question's sparse vector: each term by the square root of its count, for a ticket pasted as a question
    repeats what matters."""
    weights = _by_index(
        {term: count**0.5 * (SYLLABLES_WEIGHT if is_syllables(term) else 1) for term, count in terms.items()}
    )
    return list(weights), [round(weight, _DIGITS) for weight in weights.values()]


def _by_index(terms: Mapping[str, float]) -> dict[int, float]:
    amounts: dict[int, float] = {}
    for term, amount in terms.items():
        index = term_index(term)
        amounts[index] = amounts.get(index, 0) + amount
    return dict(sorted(amounts.items()))


@lru_cache(maxsize=1 << 17)
def term_index(term: str) -> int:
    """A term's index in the sparse vector, 0 to 2^32 - 1: BLAKE2b of its UTF-8 bytes, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "replace"), digest_size=4).digest(), "big")


POINT_VERSION: Final = "2"
"""Changes whenever the same document would give another payload."""

_METADATA = ("priority", "type", "channel", "requester", "created_at", "resolved_at", "custom_fields")
_METADATA_LIMIT = 2000
"""Bytes of JSON that ``original_data`` may take; what is longer is left out field by field."""


def ticket_point(company_id: str, merged: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """A point's payload: the specification's fields (workflow.ko.md, step 3), and those that a search filters on.

    ``original_data`` is metadata only: no message, no private note, bounded in size. ``created_at`` is the ticket's own.
    """
    return {
        "company_id": company_id,
        "data_type": "ticket",
        "doc_id": merged["ticket_id"],
        "ticket_id": merged["ticket_id"],
        "summary": {name: summary[name] for name in ("problem", "cause", "solution", "result", "tags")},
        "original_data": _bounded({name: merged[name] for name in _METADATA if merged.get(name)}),
        "created_at": merged["created_at"],
        "title": merged["subject"],
        "status": merged["status"].lower(),
        "tags": sorted({tag.lower() for tag in (*merged["tags"], *summary["tags"])}),
        "product": merged["product"].lower(),
        "language": merged["language"],
        "updated_at": merged["updated_at"],
        "url": merged["url"],
    }


def passage_points(
    company_id: str, article: Mapping[str, Any], summary: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The payloads of an article's points, one a passage, with its place in the article and its text. ``article`` is a row
    of ``kb_passages``; ``summary`` one of ``kb_summaries``, if there is one."""
    shared = {
        "company_id": company_id,
        "data_type": "kb",
        "doc_id": article["article_id"],
        "ticket_id": article["article_id"],
        "summary": summary and {name: summary[name] for name in ("problem", "cause", "solution", "result", "tags")},
        "original_data": _bounded({"folders": article["path"]} if article["path"] else {}),
        "created_at": article["created_at"],
        "title": article["title"],
        "status": "published",
        "tags": sorted({tag.lower() for tag in (*article["tags"], *(summary["tags"] if summary else ()))}),
        "product": "",
        "language": _language(article),
        "updated_at": article["updated_at"],
        "url": article["url"],
        "parts": len(article["passages"]),
    }
    return [
        {**shared, "part": part, "path": passage["path"], "text": passage["text"]}
        for part, passage in enumerate(article["passages"])
    ]


def _language(article: Mapping[str, Any]) -> str:
    """The language of an article as a search filters on it: the source's own code ("ko", "en-us"), else as it is written."""
    said = article["language"].split("-")[0]
    written = "\n".join((article["title"], *(passage["text"] for passage in article["passages"])))
    return said if said in ("ko", "en") else language_of(written)


def passage_text(article: Mapping[str, Any], passage: Mapping[str, Any]) -> str:
    """A passage as it is searched and embedded: the article's title and the headings above it in its first line."""
    return f"{' '.join(dict.fromkeys((article['title'], *passage['path'])))}\n{passage['text']}"


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    room = _METADATA_LIMIT
    for name, value in fields.items():
        room -= len(canonical(value))
        if room >= 0:
            kept[name] = value
    return kept
