"""Recommendations: every answer that a person was given is kept, so that a vote on it later means something.

Belongs here: what is kept of an answer, and a recorder that makes nobody wait for it (``resources/background``). Does not
belong here: the table (``resources/storage``), or what is learned from votes.

A question that is asked by ``--batch`` or by ``evaluate`` is no recommendation: nobody will vote on it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from domain.company import Company, CompanyId
from domain.recommendation import Recommendation
from resources.background import PATIENCE, BackgroundWriter
from resources.clock import utc_now
from resources.companies import Companies

MOST_QUERY = 4_000
"""Characters of a question that are kept: a whole file can be asked with."""


def recommendation(
    recommendation_id: str,
    query: str,
    asked: Mapping[str, Any],
    hits: Sequence[Mapping[str, Any]],
    versions: Mapping[str, str],
) -> Recommendation:
    """An answer as it is kept, given now: of a hit its identity, score and part, never its text; of the question the first
    ``MOST_QUERY`` characters. ``versions`` are the answer's own."""
    kept = [{name: hit.get(name) for name in ("doc_id", "data_type", "score", "part")} for hit in hits]
    return Recommendation(recommendation_id, utc_now(), query[:MOST_QUERY], asked, kept, versions)


def expired(company: Company, now: str) -> str:
    """The moment (ISO 8601 UTC) before which the company's recommendations are no longer kept."""
    kept = timedelta(days=company.setting("recommendation_days"))
    return (datetime.fromisoformat(now) - kept).strftime("%Y-%m-%dT%H:%M:%SZ")


class Recorder:
    """Keeps recommendations of any company in the background: who answers a question never waits for a sync that writes.
    What cannot be written after some tries is dropped and told in the log: an answer is worth more than its record."""

    def __init__(self, companies: Companies, most_waiting: int = 10_000) -> None:
        self._companies = companies
        self._writer = BackgroundWriter[Recommendation](
            "recommendations", lambda store, given: store.keep_recommendations(given), most_waiting=most_waiting
        )

    @property
    def dropped(self) -> int:
        return self._writer.dropped

    def keep(self, company: CompanyId, given: Recommendation) -> None:
        """Keep an answer, soon. Never blocks and never raises."""
        self._writer.keep(self._companies, company, given)

    def close(self, seconds: float = PATIENCE) -> bool:
        """Write what waits; whether all of it was written. Can be used again afterwards."""
        return self._writer.close(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
