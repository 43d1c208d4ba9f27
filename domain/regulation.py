"""An article of a regulation: one row of a regulation tab (spec sheets.ko.md, §"시트 2-4"), or a page elsewhere.

Belongs here: the record. Does not belong here: cutting it (``regulation_passages``), or where it comes from
(``workbook_rows``, ``resources/confluence``, ``resources/google_docs``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Regulation:
    """``category`` is the tab's (인사, 총무, 회계). Days are YYYY-MM-DD, "" where there is none. ``path`` are headings above
    the article, where its source has such."""

    regulation_id: str
    category: str
    title: str
    section: str
    content: str
    summary: str
    effective_date: str
    source_url: str
    tags: tuple[str, ...]
    last_updated: str
    path: tuple[str, ...] = ()
