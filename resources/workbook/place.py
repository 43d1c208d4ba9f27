"""Where a workbook lies, whoever writes it and however: one place is one company's.

Belongs here: telling whether two settings name the same workbook. Does not belong here: opening one (``open``), or the
registry that is asked (``resources/companies``).
"""

import re
from collections.abc import Iterable
from pathlib import Path

from domain.company import Company
from domain.errors import InputError

_SHEET = re.compile(r"/spreadsheets/d/([\w-]+)")


def identity(place: str) -> str:
    """The same for every way to write a place: a spreadsheet's id, or a path without links; "" for no place."""
    if not place.startswith(("http://", "https://")):
        return str(Path(place).expanduser().resolve()) if place else ""
    found = _SHEET.search(place)
    return found[1] if found else place


def refuse_shared(company: Company, others: Iterable[Company]) -> None:
    """Raises ``InputError`` where the company's workbook is another's: each would read the other's conversations out of it,
    and write its own into it (DESIGN §3.3)."""
    mine = identity(company.setting("workbook"))
    if mine and any(other.id != company.id and identity(other.setting("workbook")) == mine for other in others):
        raise InputError(
            f"the workbook of {company.id!r} is another company's.",
            f"{company.setting('workbook')} is read and written by one company alone.",
            "Make one of its own: casebook workbook new.",
        )
