"""A recommendation: what was asked and what was answered, kept so that a later vote means something.

Belongs here: the record. Does not belong here: keeping it (``resources/storage``), or the votes (``feedback``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One answer. ``asked`` says how (kind "search" or "similar", k, data types, filters), ``hits`` are
    {doc_id, data_type, score, part} in the order they were shown, ``versions`` what made each collection and the order.
    ``at`` is ISO 8601 UTC."""

    recommendation_id: str
    at: str
    query: str
    asked: Mapping[str, Any]
    hits: Sequence[Mapping[str, Any]]
    versions: Mapping[str, str]
