"""Whom to ask: one row of the tab 담당자 (spec sheets.ko.md, §"시트 5").

Belongs here: the record, and who is the one for a category. Does not belong here: the message that names them
(``escalation``), or reading a sheet (``workbook_rows``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    """``contact`` is an extension or a messenger's name."""

    category: str
    sub_category: str
    team: str
    name: str
    contact: str
    email: str = ""
    note: str = ""
