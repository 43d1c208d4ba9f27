"""Figures of a day or a month: how many questions there were, who answered them and how fast, what they were about.

Belongs here: reckoning them from the operations log and the questions' words, and their columns (``workbook_layout``). Does
not belong here: reading tables (``assets/dashboards``), formulas that say the same (``resources/workbook/dashboard_cells``).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from domain.conversation import Operation
from domain.tokens import korean_nouns, term_of
from domain.workbook_layout import CATEGORIES

DASHBOARD_VERSION: Final = "dashboard-2"
"""Changes whenever the same operations would give other figures."""
MOST_KEYWORDS: Final = 5
LEAST_ASKERS: Final = 2
"""People who used a keyword that is shown: the words of one are that person's question."""
_ENGLISH = re.compile(r"[A-Za-z][A-Za-z'-]*[A-Za-z]")
_NOTHING_WORDS = (
    "방법 경우 문의 질문 확인 안내 부탁 오늘 내일 어제 이번 다음 정도 얼마 언제 어디 무엇 누구 며칠 우리 저희 때문"
)
_SAYS_NOTHING = frozenset(_NOTHING_WORDS.split())


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of a dashboard. ``period`` is a day ("2026-02-19") or a month ("2026-02") of the company's time zone;
    latencies are milliseconds; ``keywords`` are {word: questions that have it}, the most asked first. ``categories`` counts
    all that were asked, by name ("": none was found)."""

    period: str
    questions: int = 0
    tiers: Mapping[str, int] = field(default_factory=dict[str, int])
    categories: Mapping[str, int] = field(default_factory=dict[str, int])
    unanswered: int = 0
    escalated: int = 0
    latency_p50: int = 0
    latency_p95: int = 0
    thumbs_up: int = 0
    thumbs_down: int = 0
    keywords: Mapping[str, int] = field(default_factory=dict[str, int])


def figures(period: str, operations: Sequence[Operation], keywords: Mapping[str, int]) -> Figures:
    """The figures of a period. *Unanswered* is a question that got neither an answer (tiers 1 and 2) nor a person to
    ask."""
    times = [one.latency_ms for one in operations]
    return Figures(
        period,
        len(operations),
        dict(sorted(Counter(one.tier for one in operations).items())),
        dict(sorted(Counter(one.category for one in operations).items())),
        sum(one.tier == "3" and not one.is_escalated for one in operations),
        sum(one.is_escalated for one in operations),
        percentile(times, 0.5),
        percentile(times, 0.95),
        sum(one.feedback == "up" for one in operations),
        sum(one.feedback == "down" for one in operations),
        dict(keywords),
    )


def next_period(period: str) -> str:
    """The day after a day, the month after a month."""
    first = date.fromisoformat(period if len(period) > len("2026-02") else f"{period}-01")
    if len(period) > len("2026-02"):
        return (first + timedelta(days=1)).isoformat()
    return f"{first.replace(day=28) + timedelta(days=4):%Y-%m}"


def percentile(values: Sequence[int], share: float) -> int:
    """The smallest value that so large a share of all does not exceed; 0 of none."""
    return sorted(values)[max(math.ceil(len(values) * share), 1) - 1] if values else 0


def top_keywords(asked: Iterable[tuple[str, str]], most: int = MOST_KEYWORDS) -> dict[str, int]:
    """The words that most questions have, with how many do: Korean nouns, and English words in the form that is used most.
    Numbers and addresses are none, nor are words of fewer than ``LEAST_ASKERS``. ``asked``: who, and the question."""
    counts: Counter[str] = Counter()
    forms: dict[str, Counter[str]] = {}
    askers: dict[str, set[str]] = {}
    for who, question in asked:
        said = {word: word for word in korean_nouns(question) if len(word) > 1 and word not in _SAYS_NOTHING}
        for word in _ENGLISH.findall(_without_addresses(question)):
            if term := term_of(word.lower()):
                said.setdefault(term, word.lower())
        counts.update(said.keys())
        for term, form in said.items():
            forms.setdefault(term, Counter())[form] += 1
            askers.setdefault(term, set()).add(who)
    shown = {term: count for term, count in counts.items() if len(askers[term]) >= LEAST_ASKERS}
    best = sorted(shown.items(), key=lambda item: (-item[1], item[0]))[:most]
    return {min(forms[term], key=lambda form: (-forms[term][form], form)): count for term, count in best}


_ADDRESS = re.compile(r"\S*(?:@|://)\S*")


def _without_addresses(question: str) -> str:
    return _ADDRESS.sub(" ", question)


def columns(row: Figures, first: str) -> dict[str, str | int | float]:
    """A row by the names of the dashboards' columns; ``first`` is "date" or "month"."""
    tiers = {tier: row.tiers.get(tier, 0) for tier in "123"}
    return {
        first: row.period,
        "questions": row.questions,
        **{f"tier{tier}": count for tier, count in tiers.items()},
        **{f"tier{tier}Share": share(count, row.questions) for tier, count in tiers.items()},
        **{category: row.categories.get(category, 0) for category in CATEGORIES},
        "other": row.questions - sum(row.categories.get(category, 0) for category in CATEGORIES),
        "unanswered": row.unanswered,
        "escalated": row.escalated,
        "latencyP50": row.latency_p50,
        "latencyP95": row.latency_p95,
        "thumbsUp": row.thumbs_up,
        "thumbsDown": row.thumbs_down,
        "topKeywords": ", ".join(f"{word} ({count})" for word, count in row.keywords.items()),
    }


def share(part: int, whole: int) -> float:
    """A part of a whole, 0 to 1, to four digits; 0 of nothing."""
    return round(part / whole, 4) if whole else 0.0
