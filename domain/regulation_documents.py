"""A page of a wiki, or a document, as regulations: one for each section below a heading.

Belongs here: sections by headings, their stable ids, the day from which a document says that it is in force. Does not belong
here: any format's markup (``resources/storage_format``, ``resources/google_docs``), or cutting a section into passages
(``regulation_passages``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from domain import grounding
from domain.fingerprint import fingerprint
from domain.regulation import Regulation

DOCUMENTS_VERSION: Final = "1"
"""Changes whenever the same sections would give other regulations."""


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below one heading: ``path`` are the headings above it, the highest first; ``heading`` is "" for what stands
    before the first one."""

    path: tuple[str, ...]
    heading: str
    text: str


class Outline:
    """A document as it is read: headings and lines in their order."""

    def __init__(self) -> None:
        self._above: list[tuple[int, str]] = []
        self._lines: list[str] = []
        self._sections: list[Section] = []

    def heading(self, level: int, title: str) -> None:
        """A heading; 1 is the highest. One without words is none."""
        words = " ".join(title.split())
        if not words:
            return
        self._end()
        self._above = [*((higher, name) for higher, name in self._above if higher < level), (level, words)]

    def line(self, text: str) -> None:
        self._lines.append(" ".join(text.split()))

    def sections(self) -> list[Section]:
        """Those that say something."""
        self._end()
        return self._sections

    def _end(self) -> None:
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(self._lines)).strip()
        self._lines = []
        if text:
            *path, heading = [name for _, name in self._above] or [""]
            self._sections.append(Section(tuple(path), heading, text))


@dataclass(frozen=True, slots=True)
class Document:
    """One page or document. ``updated`` is a day; ``files`` are the names of what is attached to it."""

    id: str
    category: str
    title: str
    url: str
    updated: str
    sections: Sequence[Section]
    files: Sequence[str] = field(default_factory=tuple)


def regulations(document: Document) -> dict[str, Regulation]:
    """A regulation for each section, by its id: the document's, and the hash of the headings that lead to it, so that an edit
    elsewhere on the page moves no other section."""
    sections = [*document.sections]
    if document.files:
        sections.append(Section((), "첨부 파일", "첨부 파일: " + ", ".join(document.files)))
    since = effective_date("\n".join(section.text for section in sections))
    found: dict[str, Regulation] = {}
    for section in sections:
        place = fingerprint([*section.path, section.heading])[:12]
        number = 1
        while (doc_id := f"{document.id}:{place}" + (f":{number}" if number > 1 else "")) in found:
            number += 1
        found[doc_id] = Regulation(
            regulation_id=doc_id,
            category=document.category,
            title=document.title,
            section=section.heading,
            content=section.text,
            summary="",
            effective_date=since,
            source_url=document.url,
            tags=(),
            last_updated=document.updated,
            path=section.path,
        )
    return found


_SINCE = re.compile(
    r"(?:시행\s?(?:일자?|날짜)\s?[:：]?|effective(?: date| from)?\s?[:：]?)[^\d.\n]{0,9}$", re.IGNORECASE
)
_BEFORE_DATE = 24
_FROM_THEN = re.compile(r"\s?부터 시행")


def effective_date(text: str) -> str:
    """The day from which a document says that it is in force ("시행일: 2025-01-01", "2025년 1월 1일부터 시행한다"), the
    latest of several; "" where it names none. A day without a year is none."""
    said = grounding.normal(text)
    days: list[str] = []
    for start, end, readings in grounding.dates(said):
        before = said[max(0, start - _BEFORE_DATE) : start]
        if len(readings[0]) == len("2025-01-01") and (_SINCE.search(before) or _FROM_THEN.match(said, end)):
            days.append(readings[0])
    return max(days, default="")
