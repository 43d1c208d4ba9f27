"""Feedback: what a person thought of an answer.

Belongs here: the record of one vote (spec workflow §"피드백 수집 전략"). Does not belong here: what is learned from it.
"""

from dataclasses import dataclass
from typing import Literal

FeedbackType = Literal["thumbs_up", "thumbs_down"]


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote on one answer. ``doc_id`` is set when one of its hits was meant; ``created_at`` is ISO 8601 UTC."""

    recommendation_id: str
    feedback_type: FeedbackType
    created_at: str
    doc_id: str | None = None
    user_id: str | None = None
    feedback_score: int | None = None
    feedback_text: str | None = None
