"""Which words of a question a hit has, and where.

Belongs here: an answer for somebody who reads it, marked. Does not belong here: how words are matched (``domain/highlight``),
or how a mark looks (``pipelines/cli``).
"""

import re
from dataclasses import replace

from domain.highlight import Marker
from query.hits import Answer, Hit

_MOST_WORDS, _MOST_CHARS = 30, 4_000
"""Of a question: more are a text, whose words say little one by one."""
_WORD = re.compile(r"[^\s\"'()\[\]{}<>,;!?]+")


def marked(answer: Answer) -> Answer:
    """The same answer with ``highlights`` and ``why.words_found`` in each hit."""
    if not answer.hits:
        return answer
    marker = Marker(answer.query)
    words = {word: Marker(word) for word in _words(answer.query)}
    return replace(answer, hits=[_marked(hit, marker, words) for hit in answer.hits])


def _marked(hit: Hit, marker: Marker, words: dict[str, Marker]) -> Hit:
    texts = {"title": hit.title, "text": hit.text}
    spans = {name: marker.spans(text) for name, text in texts.items()}
    # Only what the whole question marked is looked at again: a few words, whatever the length of the text.
    said = "\n".join(texts[name][start:end] for name in texts for start, end in spans[name])
    found = [word for word, one in words.items() if one.spans(said)] if said else []
    return replace(hit, highlights=spans, why={**hit.why, "words_found": found})


def _words(query: str) -> list[str]:
    """The different words of a question as they were typed, the first ones."""
    words: dict[str, str] = {}
    for found in _WORD.findall(query[:_MOST_CHARS]):
        word = found.strip(".:-_/")
        words.setdefault(word.lower(), word)
    return [word for word in words.values() if word][:_MOST_WORDS]
