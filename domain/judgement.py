"""Judged queries of a company, and the reports on how well they are answered.

Belongs here: the records. Does not belong here: the measures (``metrics``), or asking (``query/evaluate``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A question whose answers are known: ``relevant`` has a grade above 0 by document id."""

    query_id: str
    text: str
    relevant: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """What was measured at a time (ISO 8601 UTC), by which versions (collections, weights, judged queries)."""

    at: str
    run_id: str
    versions: Mapping[str, str]
    figures: Mapping[str, Any]
