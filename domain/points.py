"""Terms to the sparse half of a point: BM25 in two parts, one in the document, one in the engine.

Belongs here: a term's index, and its weight within one document and one query.
Does not belong here: how rare a term is in the company's collection: the vector engine multiplies by that at query
time (Qdrant's ``Modifier.Idf``), so an added document never changes another one's vector.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

SPARSE_VERSION: Final = "1"
"""Changes whenever the same terms would give another vector; part of the index's fingerprint."""

K1: Final = 1.2
"""How soon a repeated term stops to count more (BM25's k1)."""
B: Final = 0.5
"""How much a long document's terms are discounted (BM25's b)."""
AVERAGE_LENGTH: Final = 100.0
"""Terms in an average document. A constant, so that a document's vector depends on that document alone."""


def sparse(terms: Mapping[str, int]) -> tuple[list[int], list[float]]:
    """A document's sparse vector: indices in rising order and BM25's term-frequency part as values.

    Two terms that share an index (1 pair in 4 billion) add up their counts.
    """
    length = sum(terms.values())
    norm = K1 * (1 - B + B * length / AVERAGE_LENGTH)
    counts = _by_index(terms)
    return list(counts), [count * (K1 + 1) / (count + norm) for count in counts.values()]


def sparse_query(terms: Mapping[str, int]) -> tuple[list[int], list[float]]:
    """A query's sparse vector: each term once, however often it is said."""
    counts = _by_index(terms)
    return list(counts), [1.0] * len(counts)


def _by_index(terms: Mapping[str, int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for term, count in terms.items():
        index = term_index(term)
        counts[index] = counts.get(index, 0) + count
    return dict(sorted(counts.items()))


@lru_cache(maxsize=1 << 17)
def term_index(term: str) -> int:
    """A term's index in the sparse vector, 0 to 2^32 - 1: BLAKE2b of its UTF-8 bytes, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "replace"), digest_size=4).digest(), "big")


POINT_VERSION: Final = "1"
"""Changes whenever the same ticket would give another payload."""

_METADATA = ("priority", "type", "channel", "requester", "created_at", "resolved_at", "custom_fields")
_METADATA_LIMIT = 2000
"""Characters of JSON that ``original_data`` may take; what is longer is left out field by field."""


def ticket_point(company_id: str, merged: Mapping[str, Any], summary: Mapping[str, Any]) -> dict[str, Any]:
    """A point's payload: the specification's fields (workflow.ko.md, step 3), and those that a search filters on.

    ``original_data`` is metadata only: no message, no private note, bounded in size. ``created_at`` is the ticket's own.
    """
    return {
        "company_id": company_id,
        "data_type": "ticket",
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


def _bounded(fields: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    room = _METADATA_LIMIT
    for name, value in fields.items():
        room -= len(json.dumps(value, ensure_ascii=False))
        if room >= 0:
            kept[name] = value
    return kept
