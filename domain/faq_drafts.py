"""What is proposed for the FAQ: questions that solved tickets and users share and no active FAQ answers.

Belongs here: the question, the answer, the keywords and the category of a group. Does not belong here: which texts make a
group (``clusters``), FAQs that tickets contradict (``stale_answers``), ids and decisions (``faq_proposals``).

Nothing is invented: a question is what a person wrote, an answer what an agent did, in their own sentences, without names
and personal data (``anonymous``). A group that nobody answered has none.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from domain.anonymous import anonymous, bare, is_clean
from domain.clusters import CLUSTERS_VERSION, Space, Text
from domain.faq import Faq
from domain.faq_proposals import Proposal, proposal_id
from domain.summary import shorten
from domain.tags import tags_of
from domain.tokens import terms
from domain.workbook_layout import CATEGORIES

DRAFTS_VERSION: Final = f"1.{CLUSTERS_VERSION}"
"""Changes whenever the same cases would give other proposals."""
COVERED: Final = 6.0
"""How close an FAQ must be to a group's members in the mean, where it answers what they ask (``Space.close``)."""
COVERED_UNANSWERED: Final = 8.0
"""The same where all are questions: the FAQs were asked already, and none answered."""
COVERED_ONE: Final = 9.5
"""How close it must be to one of them, as an FAQ is that was made of that one."""
NEAR: Final = 3.5
"""The same for an FAQ of the same category."""
MOST_EVIDENCE: Final = 500
FEWEST_KEYWORDS, MOST_KEYWORDS = 3, 6
_LOOKED_AT = 12
"""Members of a group, from its core on, that are held against FAQs and against each other."""
_ANSWERS = 30
_TRIES = 6
"""Cases that are looked at for one without personal data."""
_QUESTION, _ANSWER = 200, 500
_LEAST_TITLE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A solved ticket or a question that nobody answered. ``id`` is how evidence names it ("ticket 12", "question ID");
    ``text`` the problem or question, ``solution`` "" where there is none, ``at`` when (ISO 8601)."""

    id: str
    at: str
    text: str
    solution: str
    tags: tuple[str, ...]
    seen: Text


@dataclass(frozen=True, slots=True)
class Quote:
    """A person's own words: the question (a ticket's subject, and the problem), the answer an agent gave, and who took
    part."""

    title: str
    problem: str
    answer: str
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """An active FAQ and how a group sees it."""

    faq: Faq
    seen: Text


@dataclass(frozen=True, slots=True, eq=False)
class Workbench:
    """What drafts are made of: a space of cases and FAQs, the words of any ticket (``quote``, by its evidence), the names
    of people (casefolded), the sheet's first category, and today (YYYY-MM-DD)."""

    space: Space
    asked: Mapping[str, Asked]
    faqs: Mapping[str, Known]
    quote: Callable[[str], Quote]
    people: frozenset[str]
    today: str


def workbench(
    model_id: str,
    asked: Sequence[Asked],
    faqs: Sequence[Known],
    quote: Callable[[str], Quote],
    people: frozenset[str],
    today: str,
) -> Workbench:
    space = Space(model_id, (one.seen for one in asked), (one.seen for one in faqs))
    return Workbench(space, {one.id: one for one in asked}, {one.seen.id: one for one in faqs}, quote, people, today)


def drafts(bench: Workbench) -> list[Proposal]:
    """A proposal for each group that no FAQ covers."""
    return [made for group in bench.space.groups() if (made := _draft(bench, group))]


def _draft(bench: Workbench, group: Sequence[str]) -> Proposal | None:
    nearest = bench.space.nearest(group[:_LOOKED_AT])
    if nearest and _covers(bench, group, *nearest):
        return None
    central = _central(bench, group)
    question, asker = _first_clean(central, lambda one: _question(bench, one))
    if not question:
        return None
    answer, answerer = _first_clean(_answerers(bench, group), lambda one: _answer(bench, one))
    category, sub_category = _category(bench, group, nearest)
    by_age = sorted((bench.asked[one] for one in group), key=lambda one: (one.at, one.id), reverse=True)
    return Proposal(
        proposal_id=proposal_id("new", group[0]),
        kind="new",
        category=category,
        sub_category=sub_category,
        keywords=_keywords(bench, group, question),
        question=question,
        answer=answer,
        evidence=tuple(one.id for one in by_age[:MOST_EVIDENCE]),
        quoted=tuple(dict.fromkeys(one for one in (asker, answerer) if one)),
        count=len(group),
        last_updated=bench.today,
    )


def _covers(bench: Workbench, group: Sequence[str], faq: str, closeness: float) -> bool:
    is_asked_only = all(one.startswith("question ") for one in group)
    closest = max(bench.space.close(one, faq) for one in group[:_LOOKED_AT])
    return closeness >= (COVERED_UNANSWERED if is_asked_only else COVERED) or closest >= COVERED_ONE


def _first_clean(candidates: Sequence[str], text_of: Callable[[str], str]) -> tuple[str, str]:
    """The first text that had no personal data in it, else the first there is; and whose it is."""
    found: list[tuple[str, str]] = []
    for one in candidates[:_TRIES]:
        text = text_of(one)
        if text and is_clean(text):
            return text, one
        found += [(text, one)] if text else []
    return found[0] if found else ("", "")


def _central(bench: Workbench, group: Sequence[str]) -> list[str]:
    """The members, the one first that all others are closest to."""
    held = group[:_LOOKED_AT]

    def closeness(one: str) -> float:
        return math.fsum(bench.space.close(one, other) for other in held if other != one)

    return sorted(held, key=lambda one: (-round(closeness(one), 3), one))


def _question(bench: Workbench, one: str) -> str:
    """A user's question as it is; of a ticket its subject, where that says enough, else the problem."""
    if one.startswith("question "):
        return shorten(anonymous(bench.asked[one].text, (), bench.people), _QUESTION)
    said = bench.quote(one)
    title = anonymous(said.title, said.people, bench.people)
    is_enough = len(title) >= _LEAST_TITLE and len(title.split()) > 1
    return shorten(title if is_enough else anonymous(said.problem, said.people, bench.people), _QUESTION)


def _answer(bench: Workbench, one: str) -> str:
    said = bench.quote(one)
    return shorten(anonymous(said.answer, said.people, bench.people), _ANSWER)


def _answerers(bench: Workbench, group: Sequence[str]) -> list[str]:
    """The solved ones, the one first whose solution the others share most of."""
    solved = [one for one in group if bench.asked[one].solution][:_ANSWERS]
    said = {one: terms(bench.asked[one].solution) for one in solved}
    spread = Counter(word for words in said.values() for word in words)

    def shared(one: str) -> float:
        return sum(spread[word] - 1 for word in said[one]) / (len(said[one]) or 1) ** 0.5

    return sorted(solved, key=lambda one: (-round(shared(one), 6), one))


def _keywords(bench: Workbench, group: Sequence[str], question: str) -> tuple[str, ...]:
    """Words that many of the group say: of the question and the problems, then the tickets' tags."""
    texts = [bare(anonymous(bench.asked[one].text, (), bench.people)) for one in group[:_ANSWERS]]
    tags = Counter(tag for one in group for tag in bench.asked[one].tags)
    shared = [tag for tag, count in sorted(tags.items(), key=lambda found: (-found[1], found[0])) if count > 1]
    words = [*tags_of(bare(question), texts), *shared]
    clean = [word for word in dict.fromkeys(words) if anonymous(word, (), bench.people) == word]
    if len(clean) < FEWEST_KEYWORDS:
        clean += [word.casefold() for word in bare(question).split() if len(word) > 1 and word.isalnum()]
    return tuple(dict.fromkeys(clean))[:MOST_KEYWORDS]


def _category(bench: Workbench, group: Sequence[str], nearest: tuple[str, float] | None) -> tuple[str, str]:
    """Of the nearest FAQ; else of one whose category or sub-category is what most of the tickets have as product; else the
    sheet's first category with that product."""
    if nearest and nearest[1] >= NEAR:
        faq = bench.faqs[nearest[0]].faq
        return faq.category, faq.sub_category
    topics = Counter(topic for one in group if (topic := bench.asked[one].seen.topic))
    topic = min(topics, key=lambda one: (-topics[one], one)) if topics else ""
    for faq in _in_order(bench.faqs):
        if topic and topic.casefold() in (faq.category.casefold(), faq.sub_category.casefold()):
            return faq.category, topic if topic.casefold() == faq.sub_category.casefold() else ""
    first = next(iter(_in_order(bench.faqs)), None)
    return first.category if first else CATEGORIES[0], topic


def _in_order(faqs: Mapping[str, Known]) -> Iterator[Faq]:
    return (faqs[one].faq for one in sorted(faqs))
