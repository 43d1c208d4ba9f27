"""FAQs whose answer newer solved tickets contradict: another figure, date or path in the place of the FAQ's.

Belongs here: what of an answer can be contradicted, and when it is. Does not belong here: which tickets are about an FAQ's
question at all (``clusters``), or what people do about it (``faq_proposals``).

A wrong flag costs more than a missed one, so an answer is contradicted only where there is nothing to weigh: the FAQ states
one value of a kind, at least ``LEAST`` newer tickets about its question state one other value of that kind, all of them the
same, and none says the FAQ's.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from domain.anonymous import anonymous
from domain.faq_drafts import Asked, Known, Workbench
from domain.faq_proposals import Proposal, proposal_id
from domain.summary import shorten

STALE_VERSION: Final = "1"
"""Changes whenever the same cases would flag other FAQs."""
LEAST: Final = 3
"""Newer tickets that must say the same."""
ABOUT: Final = 6.0
"""How close a ticket must be to an FAQ to be about its question (``Space.close``)."""
_ANSWER = 500
_UNITS: Final = {
    "원": "won", "won": "won", "krw": "won", "$": "usd", "usd": "usd", "dollars": "usd", "€": "eur", "%": "%", "퍼센트": "%",
    "percent": "%", "일": "day", "day": "day", "days": "day", "영업일": "day", "주": "week", "week": "week", "weeks": "week",
    "개월": "month", "달": "month", "month": "month", "months": "month", "년": "year", "year": "year", "years": "year",
    "시간": "hour", "hour": "hour", "hours": "hour", "분": "minute", "minute": "minute", "minutes": "minute",
    "mb": "mb", "gb": "gb", "kb": "kb", "자": "letter", "characters": "letter", "회": "time", "times": "time", "대": "device",
    "devices": "device", "명": "person",
}  # fmt: skip
_SCALES: Final = {"": 1, "천": 1_000, "만": 10_000, "억": 100_000_000}
_FIGURE = re.compile(
    r"(?<![\w.,-])(?P<before>[$€]?)\s?(?P<number>\d[\d,]*(?:\.\d+)?)\s?(?P<scale>[천만억]?)\s?"
    r"(?P<unit>원|퍼센트|영업일|개월|시간|일|주|달|년|분|자|회|대|명|%"
    r"|(?:won|krw|usd|dollars|percent|days?|weeks?|months?|years?|hours?|minutes?|[kmg]b|characters|times|devices)\b)?",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?<!\d)(?:20\d\d[-./년]\s?)?(?P<month>1[0-2]|0?[1-9])(?:[-/]|월\s?)(?P<day>3[01]|[12]\d|0?[1-9])(?:일|(?!\d))"
)
_STEP = r"[^\s>.,;:!?'\"“”‘’()]+"
_PATH = re.compile(rf"(?<![^\s('\"“‘]){_STEP}(?: {_STEP}){{0,2}}(?:\s?>\s?{_STEP}(?: [A-Z]{_STEP})?){{1,6}}")
_PARTICLE = re.compile(r"(?:에서|으로|에게|로|을|를|의|에|이|가|은|는)$")


@dataclass(frozen=True, slots=True)
class _Said:
    """Values that a text states: of each kind (a unit, "date", "path") those there are."""

    values: dict[str, frozenset[str]]

    def one(self, kind: str) -> str:
        """The only value of a kind; "" where there is none, or more than one."""
        found = self.values.get(kind, frozenset())
        return next(iter(found)) if len(found) == 1 else ""


def stale(bench: Workbench) -> list[Proposal]:
    """A proposal for each FAQ that newer tickets contradict, with the newest of them as answer."""
    about: dict[str, list[Asked]] = defaultdict(list)
    if bench.faqs:
        for one in bench.asked.values():
            if one.solution and (near := bench.space.nearest([one.id])) and near[1] >= ABOUT:
                about[near[0]].append(one)
    found = (_stale(bench, bench.faqs[name], cases) for name, cases in sorted(about.items()))
    return [one for one in found if one]


def _stale(bench: Workbench, known: Known, cases: Sequence[Asked]) -> Proposal | None:
    faq = known.faq
    newer = sorted(
        (one for one in cases if one.at[:10] > faq.last_updated), key=lambda one: (one.at, one.id), reverse=True
    )
    told = _said(faq.answer)
    said = [(one, _said(one.solution)) for one in newer]
    for kind in sorted(told.values):
        agreeing = _contradicting(told.one(kind), kind, said)
        if agreeing and (answer := _answer(bench, agreeing)):
            evidence = (known.seen.id, *(one.id for one in agreeing))
            return Proposal(
                proposal_id=proposal_id("stale", faq.faq_id), kind="stale", category=faq.category,
                sub_category=faq.sub_category, keywords=faq.keywords, question=faq.question, answer=answer,
                evidence=evidence, quoted=(agreeing[0].id,), count=len(agreeing), last_updated=bench.today,
                faq_id=faq.faq_id,
            )  # fmt: skip
    return None


def _contradicting(stated: str, kind: str, said: Sequence[tuple[Asked, _Said]]) -> list[Asked]:
    """The tickets that state one other value of the kind, the newest first; none where there is any doubt."""
    speaking = [(one, values) for one, values in said if values.values.get(kind)]
    others = Counter(values.one(kind) for _, values in speaking)
    if not stated or len(others) != 1 or len(speaking) < LEAST:
        return []
    other = next(iter(others))
    if other in ("", stated) or (kind == "path" and not _is_moved(stated, other)):
        return []
    return [one for one, _ in speaking]


def _is_moved(path: str, other: str) -> bool:
    """Whether two paths lead to the same thing by different ways: one begins, or ends, as the other does, and neither is the
    other's beginning."""
    one, two = path.split(">"), other.split(">")
    shorter = min(len(one), len(two))
    return (
        (one[-1] == two[-1] or one[0] == two[0]) and one[:shorter] != two[:shorter] and one[-shorter:] != two[-shorter:]
    )


def _answer(bench: Workbench, agreeing: Sequence[Asked]) -> str:
    said = bench.quote(agreeing[0].id)
    return shorten(anonymous(said.answer, said.people, bench.people), _ANSWER)


def _said(text: str) -> _Said:
    found: dict[str, set[str]] = defaultdict(set)
    for kind, value in _values(text):
        found[kind].add(value)
    return _Said({kind: frozenset(values) for kind, values in found.items()})


def _values(text: str) -> Iterator[tuple[str, str]]:
    for path in _PATH.findall(text):
        steps = [_PARTICLE.sub("", step.strip().casefold()) for step in path.split(">")]
        yield "path", ">".join([steps[0].split()[-1], *steps[1:]])
    for day in _DATE.finditer(text):
        yield "date", f"{int(day['month'])}-{int(day['day'])}"
    for figure in _FIGURE.finditer(_DATE.sub(" ", text)):
        unit = (figure["unit"] or figure["before"] or "").casefold()
        if unit and unit in _UNITS:
            number = float(figure["number"].replace(",", "")) * _SCALES[figure["scale"] or ""]
            yield _UNITS[unit], f"{number:g}"
