"""The sample companies' workbooks: what a business-support team keeps in its spreadsheet (spec sheets.ko.md).

Belongs here: reading ``companies/ID/workbook/TAB.csv`` (the tabs that people write) and playing a month of conversations
from ``companies/ID/questions.json``, up to the day before a given one. Does not belong here: serving a workbook as Google
Sheets (``google``), or what Casebook itself writes: the dashboards, proposals and archive are absent until its first run.

``questions.json`` is a list of sessions; a session is a list of turns ``[question, answered by, answer?]``. Answered by is
an FAQ's id (tier 1: its answer), a regulation's id (tier 2: then the answer stands in the file) or "category/subCategory"
(tier 3: the person of the contacts tab is named).
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sandbox.corpus import COMPANIES, PRESENT

Rows = list[list[str]]

FAQ, CONTACTS, CONVERSATIONS, OPERATIONS = "FAQ", "담당자", "대화이력", "운영로그"
REGULATIONS = ("규정_인사", "규정_총무", "규정_회계")
TABS = (FAQ, "FAQ_키워드인덱스", *REGULATIONS, CONTACTS, CONVERSATIONS, OPERATIONS)
"""What a company's workbook has before Casebook has written to it, in the layout's order."""

HISTORY = timedelta(days=30)
_TODAY = PRESENT.date()
_OPENS, _MINUTES_OPEN = time(9, 0), 500
_COLLEAGUES = 36
_LATENCY = {"1": (60, 420), "2": (1_300, 4_200), "3": (500, 1_600)}
_SCORE = {"1": (0.82, 0.99), "2": (0.46, 0.74), "3": (0.05, 0.31)}
_LIKED = {"1": 0.22, "2": 0.16, "3": 0.0}
_DISLIKED = {"1": 0.02, "2": 0.06, "3": 0.14}
_HANGUL = re.compile("[가-힣]")
_ESCALATION = {
    "ko": "죄송합니다. 해당 문의는 정확한 확인이 필요한 사항입니다.\n\n📋 담당 부서: {team}\n👤 담당자: {name}\n"
    "📞 연락처: {contact}\n\n위 담당자에게 직접 문의해주시면 빠르게 안내받으실 수 있습니다.",
    "en": "Sorry, this question needs to be checked by the person in charge.\n\n📋 Team: {team}\n"
    "👤 Contact person: {name}\n📞 Contact: {contact}\n\nPlease ask them directly, and you will be helped quickly.",
}


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    category: str
    tier: str
    source: str = ""


def names() -> list[str]:
    """The sample companies that have a workbook."""
    return sorted(folder.parent.name for folder in COMPANIES.glob("*/workbook"))


def tabs(company: str, today: date = _TODAY) -> dict[str, Rows]:
    """The workbook as it is on the morning of a day, the header first in every tab; the same day gives the same rows.
    Raises ``FileNotFoundError`` for a company without one."""
    folder = COMPANIES / company / "workbook"
    written = {tab: _read(folder / f"{tab}.csv") for tab in TABS}
    for tab in REGULATIONS:
        written[tab] = _in_time(written[tab], today)
    sessions = json.loads((folder.parent / "questions.json").read_text(encoding="utf-8"))
    for turns, operation in _Month(company, written).play(sessions, today):
        written[CONVERSATIONS] += turns
        written[OPERATIONS].append(operation)
    for tab, column in ((CONVERSATIONS, 2), (OPERATIONS, 0)):
        written[tab][1:] = sorted(written[tab][1:], key=lambda row, at=column: row[at])
    return written


def write_folder(company: str, path: Path, today: date = _TODAY) -> None:
    """One CSV file a tab, UTF-8, as a company keeps its workbook in a folder. Raises ``OSError``."""
    path.mkdir(parents=True, exist_ok=True)
    for tab, rows in tabs(company, today).items():
        with (path / f"{tab}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)


def records(rows: Rows) -> list[dict[str, str]]:
    """The rows below the header, by column."""
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _in_time(rows: Rows, today: date) -> Rows:
    """What was not yet in force in the sandbox's present comes with the next year, whenever the sandbox is started."""
    column = rows[0].index("effectiveDate")
    next_year = date(today.year + 1, 1, 1).isoformat()
    return [
        [*row[:column], next_year, *row[column + 1 :]]
        if row is not rows[0] and row[column] > _TODAY.isoformat()
        else row
        for row in rows
    ]


class _Month:
    """A month of questions and answers; the dice are seeded with the company's name alone."""

    def __init__(self, company: str, written: dict[str, Rows]) -> None:
        self._dice = Random(f"workbook of {company}")
        self._company = company
        self._faqs = {faq["faqId"]: faq for faq in records(written[FAQ])}
        self._contacts = records(written[CONTACTS])
        self._categories = {_code(faq_id): faq["category"] for faq_id, faq in self._faqs.items()}

    def play(self, sessions: list[Any], today: date) -> Iterator[tuple[Rows, list[str]]]:
        """Of every exchange its two rows of the conversations and its line of the operations log."""
        days = [day for back in range(HISTORY.days, 0, -1) if (day := today - timedelta(days=back)).weekday() < 5]
        sessions = self._dice.sample(sessions, len(sessions))
        for number, day in enumerate(days):
            share = sessions[number * len(sessions) // len(days) : (number + 1) * len(sessions) // len(days)]
            for session, colleague in zip(share, self._dice.sample(range(_COLLEAGUES), len(share)), strict=True):
                start = datetime.combine(day, _OPENS) + timedelta(minutes=self._dice.randrange(_MINUTES_OPEN))
                yield from self._session(session, f"{self._company}{colleague + 101}", start)

    def _session(self, session: list[list[str]], user: str, start: datetime) -> Iterator[tuple[Rows, list[str]]]:
        session_id, asked = f"{user}_{start:%Y%m%dT%H%M}", start + timedelta(seconds=self._dice.randrange(60))
        for question, by, *words in session:
            answer = self._answer(question, by, words)
            latency = self._dice.randint(*_LATENCY[answer.tier])
            answered = asked + timedelta(milliseconds=latency, seconds=1)
            escalated = str(answer.tier == "3").upper()
            tail = [answer.category, answer.tier, escalated]
            yield (
                [
                    [session_id, user, str(asked), "user", question, *tail],
                    [session_id, user, f"{answered:%Y-%m-%d %H:%M:%S}", "bot", answer.text, *tail],
                ],
                [
                    f"{answered:%Y-%m-%d %H:%M:%S}",
                    session_id,
                    user,
                    answer.category,
                    answer.tier,
                    answer.source,
                    f"{self._dice.uniform(*_SCORE[answer.tier]):.2f}",
                    str(latency),
                    escalated,
                    self._feedback(answer.tier),
                ],
            )
            asked = answered.replace(microsecond=0) + timedelta(seconds=self._dice.randint(25, 180))

    def _answer(self, question: str, by: str, words: Iterable[str]) -> _Answer:
        if by in self._faqs:
            return _Answer(self._faqs[by]["answer"], self._faqs[by]["category"], "1", f"faq {by}")
        if by.startswith("REG-"):
            return _Answer("\n".join(words), self._categories[_code(by)], "2", f"regulation {by}")
        category, sub_category = by.split("/")
        contact = next(
            one
            for wanted in (sub_category, "")
            for one in self._contacts
            if (one["category"], one["subCategory"]) == (category, wanted)
        )
        language = "ko" if _HANGUL.search(question) else "en"
        return _Answer(_ESCALATION[language].format_map(contact), category, "3")

    def _feedback(self, tier: str) -> str:
        drawn = self._dice.random()
        return "up" if drawn < _LIKED[tier] else "down" if drawn > 1 - _DISLIKED[tier] else ""


def _code(document: str) -> str:
    """The category's letters in an id: "HR" of "FAQ-HR-001" and of "REG-HR-001"."""
    return document.split("-")[1]
