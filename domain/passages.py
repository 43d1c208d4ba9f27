"""Articles cut into passages by their headings: short enough to be quoted, each with the headings that lead to it.

Belongs here: where an article is cut. Does not belong here: reading HTML (``mail_text``), or which articles are published
(``article``).
"""

import re
from collections.abc import Iterator
from typing import Any

from domain.article import Article
from domain.mail_text import MAIL_TEXT_VERSION, html_text

PASSAGES_VERSION = f"1.{MAIL_TEXT_VERSION}"
"""Changes whenever the same article would give other passages."""

LONGEST = 1200
"""Characters of a passage; a longer section is cut between lines."""

# A heading's length is bounded, so that one that is never closed costs no second look at the rest.
_HEADING = re.compile(r"<h([1-6])\b[^>]{0,500}>(.{0,500}?)</h\1\s*>", re.IGNORECASE | re.DOTALL)

Json = dict[str, Any]


def passages(article: Article) -> list[Json]:
    """``path`` (the headings above it, the highest first) and ``text`` of each, in order; sections without text are left
    out. An article without HTML is cut by its length only."""
    return [{"path": list(path), "text": piece} for path, section in _sections(article) for piece in _pieces(section)]


def _sections(article: Article) -> Iterator[tuple[tuple[str, ...], str]]:
    if not article.html:
        yield (), article.text
        return
    above: list[tuple[int, str]] = []
    start = 0
    for found in _HEADING.finditer(article.html):
        yield tuple(title for _, title in above), html_text(article.html[start : found.start()])
        level, title = int(found[1]), " ".join(html_text(found[2]).split())
        above = [*((higher, name) for higher, name in above if higher < level), *([(level, title)] if title else [])]
        start = found.end()
    yield tuple(title for _, title in above), html_text(article.html[start:])


def _pieces(section: str) -> Iterator[str]:
    """A section as pieces of whole lines; a line that is too long itself is cut between words."""
    piece = ""
    for line in _lines(section):
        if piece and len(piece) + len(line) >= LONGEST:
            yield piece
            piece = ""
        piece = f"{piece}\n{line}" if piece else line
    if piece.strip():
        yield piece


def _lines(section: str) -> Iterator[str]:
    for line in section.strip().split("\n"):
        while len(line) > LONGEST:
            cut = line.rfind(" ", 0, LONGEST)
            cut = cut if cut > LONGEST // 2 else LONGEST
            yield line[:cut].rstrip()
            line = line[cut:].lstrip()
        yield line
