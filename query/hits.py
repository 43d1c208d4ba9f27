"""What an answer is made of: the records of a hit and an answer, and how a stored point becomes one.

Belongs here: payloads to hits: a case's four facts, a passage's place in its article. Does not belong here: finding and
ordering them (``search``), or printing them (``pipelines/cli``).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain import near_duplicates
from domain.highlight import Span
from domain.ranking import Scored

_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Hit:
    """One past case, or one passage of an article.

    ``score`` is 0..1: how likely it is that this answers (``domain/calibration``). ``why`` holds the raw scores of both
    halves and what made the point, and, where an answer was ``marked``, ``words_found``: the question's words that it has, as
    they were typed; ``highlights`` are then the stretches of ``title`` and ``text`` that answer them, as [start, end] in
    characters. Of a passage, ``part`` counts from 0, ``path`` are the headings it stands under, and
    ``also`` are parts of the same article that were found, too; of a case, ``also`` are ids of near-duplicates that were
    found and are not shown of their own.
    """

    doc_id: str
    data_type: str
    score: float
    title: str
    summary: dict[str, Any] | None
    text: str
    url: str
    updated_at: str
    status: str
    why: dict[str, Any]
    part: int = 0
    path: list[str] = field(default_factory=list[str])
    also: list[str] = field(default_factory=list[str])
    highlights: dict[str, list[Span]] = field(default_factory=dict[str, list[Span]])


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits to one question, best first; ``recommendation_id`` names this answer for a later vote. ``versions`` is what
    made it: each collection by its data type, "ranking", and "dense_weight" where the company set it. ``notes`` are for the
    person who asked: what could not be looked at as usual. ``by_words_alone``: some collection could not be asked by meaning;
    ``is_calibrated``: the scores say how likely it is that a hit answers (``domain/calibration``)."""

    company: str
    query: str
    recommendation_id: str
    hits: list[Hit]
    notes: list[str] = field(default_factory=list[str])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    by_words_alone: bool = False
    is_calibrated: bool = True


def searched(payload: Mapping[str, Any]) -> str:
    """What a stored point says: its title, its tags and its text, or the summary in its place."""
    summary = payload["summary"] or {}
    said = [summary.get(name) or "" for name in ("problem", "cause", "solution", "result")]
    return "\n".join([payload["title"], *payload["tags"], payload["product"], payload.get("text") or "", *said])


def hit_of(scored: Scored, score: float, payload: dict[str, Any], made_by: str) -> Hit:
    """``payload`` is a point's (``domain/points``), ``score`` the calibrated one."""
    summary = payload["summary"]
    said = [summary[name] for name in ("problem", "cause", "solution", "result")] if summary else []
    return Hit(
        doc_id=payload["doc_id"],
        data_type=payload["data_type"],
        score=round(score, _DIGITS),
        title=payload["title"],
        summary=summary,
        text=payload.get("text") or "\n".join(part for part in said if part),
        url=payload["url"],
        updated_at=payload["updated_at"],
        status=payload["status"],
        why={
            "meaning": None if scored.dense is None else round(scored.dense, _DIGITS),
            "words": None if scored.sparse is None else round(scored.sparse, _DIGITS),
            "made_by": made_by,
        },
        part=payload.get("part", 0),
        path=list(payload.get("path", ())),
    )


def one_a_document(hits: Iterable[Hit]) -> list[Hit]:
    """The best hit of each document, in order; its other parts are named in ``also``."""
    best: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        key = (hit.data_type, hit.doc_id)
        if key not in best:
            best[key] = hit
        else:
            best[key] = replace(best[key], also=[*best[key].also, str(hit.part)])
    return list(best.values())


def grouped(hits: Sequence[Hit]) -> list[Hit]:
    """The hits without near-duplicates of better ones among cases; those are named in ``also``."""
    groups = near_duplicates.group(
        [f"{hit.title}\n{hit.text}" for hit in hits],
        [(hit.data_type, "" if hit.data_type == "ticket" else hit.doc_id) for hit in hits],
    )
    return [replace(hits[led], also=[*hits[led].also, *(hits[at].doc_id for at in rest)]) for led, *rest in groups]
