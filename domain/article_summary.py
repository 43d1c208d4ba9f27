"""A summary of a help centre's article made of its own sentences: no model, no key, no network, nothing invented.

Belongs here: which of an article's sentences tell what it is about and what to do.
Does not belong here: tickets (``extractive``), where a sentence ends (``sentences``), tags (``tags``), passages.
"""

import re
from collections.abc import Sequence
from typing import Any

from domain.cues import is_action, is_aside, is_cause, is_courtesy, is_question, is_request
from domain.errors import DocumentError
from domain.extractive import METHOD
from domain.sentences import content_words, lexrank, sentences
from domain.summary import FIELD_AIM, FIELD_LIMIT, Summary, shorten
from domain.tags import tags_of

Json = dict[str, Any]

_READ = 20_000  # characters of an article that are read
_MOST = 80  # sentences that are weighed
_SOLUTION = 280  # characters; the problem is no more than a title
_SHARE = 0.4  # of the heaviest sentence's weight: what is lighter is left out, even where there is room
_STEP = re.compile(r"(?:\(?\d{1,2}[.)]|[①-⑳]|[-*•·▶])\s+")


def summarise(article: Json) -> Summary:
    """Summarise an article from its ``title``, ``language`` ("ko", "en" or "other") and ``text``.

    The problem is the title, or the first sentence where there is none; the solution is what leads in and the steps,
    the most telling ones in the article's order. A cause is only one that the article states; articles have no result.
    Raises ``DocumentError`` for an article without any words.
    """
    title = " ".join(article["title"].split())
    told = _told(article["text"], title)
    problem = shorten(title, FIELD_AIM) or (told.pop(0)[0] if told else "")
    if not problem:
        raise DocumentError("Nothing to summarise.", "The article has no words.")
    cause = next((text for text, _ in told if is_cause(text) and not _is_talk(text)), None)
    solution = _solution(problem, [one for one in told if one[0] != cause])
    return Summary(
        problem=problem,
        cause=cause and shorten(cause, FIELD_AIM),
        solution=solution,
        result="",
        tags=tags_of(problem, [cause or "", solution]),
        method=METHOD,
        language=article["language"],
    )


def _told(text: str, title: str) -> list[tuple[str, bool]]:
    """The sentences, and whether each is a step of a list; neither headings nor what repeats the title."""
    told: list[tuple[str, bool]] = []
    for line in text[:_READ].split("\n"):
        step = _STEP.match(line.strip()) is not None
        found = sentences(line)
        heading = len(found) == 1 and not step and len(found[0]) < 30 and found[0][-1:].isalnum()
        told += ((one, step) for one in found if not heading and _letters(one) != _letters(title))
    return told[:_MOST] or [(one, False) for one in sentences(text[:_READ])][:_MOST]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _is_talk(text: str) -> bool:
    return is_question(text) or is_request(text) or is_courtesy(text)


def _solution(problem: str, told: Sequence[tuple[str, bool]]) -> str:
    words = [content_words(text) for text, _ in told]
    asked = set(content_words(problem))
    central = lexrank(words)
    weights = [
        min(len(words[at]), 12) / 12
        + sum(word in asked for word in words[at]) / (len(words[at]) + 1)
        + 0.3 * float(central[at])
        + 0.7 * (step or is_action(text))
        + 0.5 * (at == 0)
        - 0.7 * is_courtesy(text)
        - 0.6 * is_aside(text)
        - 0.5 * is_question(text)
        for at, (text, step) in enumerate(told)
    ]
    enough = _SHARE * max(weights, default=0.0)
    room = _SOLUTION
    chosen: dict[int, str] = {}
    for at in sorted(range(len(told)), key=lambda one: (-weights[one], one)):
        if weights[at] < enough:
            break
        text = told[at][0] if chosen else shorten(told[at][0], room)
        if len(text) <= room:
            chosen[at] = text
            room -= len(text) + 1
    texts = [chosen[at] for at in sorted(chosen)]
    return shorten(
        " ".join([f"{text}." if text[-1].isalnum() else text for text in texts[:-1]] + texts[-1:]), FIELD_LIMIT
    )
