"""A frequent question with its verified answer: one row of the tab FAQ (spec sheets.ko.md, §"시트 1").

Belongs here: the record. Does not belong here: reading it from a sheet (``workbook_rows``), or finding it
(``keyword_index``, ``query/faq``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faq:
    """``last_updated`` is YYYY-MM-DD, "" where the sheet has none. One that is not active is kept and never found."""

    faq_id: str
    category: str
    sub_category: str
    keywords: tuple[str, ...]
    question: str
    answer: str
    source: str
    is_active: bool
    last_updated: str
