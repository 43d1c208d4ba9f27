"""Which kind of workbook a company has: by what its setting ``workbook`` says.

Belongs here: the choice, and the keys that it needs. Does not belong here: any kind (``google``, ``xlsx``, ``csv_folder``).
"""

from pathlib import Path

from domain.company import Company
from domain.errors import InputError
from domain.stage import OF_THE_WORKBOOK
from resources.companies import Companies
from resources.workbook.base import Workbook
from resources.workbook.place import refuse_shared

GOOGLE_SECRET = "google"  # noqa: S105 -- the name under which it is kept
"""The company's secret that holds the service account's JSON."""


def open_workbook(companies: Companies, company: Company, key: str = "") -> Workbook | None:
    """The company's workbook, or None where it has none; nothing is read yet. ``key`` is the service account's JSON where it
    is not stored yet. Raises ``InputError`` for a place that is no
    workbook, for a Google address without the service account's key, and for a workbook that another company had first."""
    place: str = company.setting("workbook")
    refuse_shared(
        company, (one for one in companies.list() if (one.created_at, one.id) < (company.created_at, company.id))
    )
    return _opened(companies, company, place, key) if place else None


def has_workbook(companies: Companies, company: Company) -> bool:
    """Whether a sync has anything to do for the assets of a workbook: the company has one, or regulations from elsewhere, or
    had them, or rows of them wait in the queue, or it was asked something."""
    if company.setting("workbook") or company.setting("regulations_from") != "workbook":
        return True
    with companies.store(company.id) as store:
        return (
            any(store.top(table) for table in OF_THE_WORKBOOK)
            or bool(store.exchanges("", limit=1))
            or any(entry.target in OF_THE_WORKBOOK for entry in store.queue())
        )


def _opened(companies: Companies, company: Company, place: str, key: str) -> Workbook:
    if place.startswith(("http://", "https://")):
        from resources.workbook.google import GoogleWorkbook

        return GoogleWorkbook(
            place, key or companies.secret(company, name=GOOGLE_SECRET), companies.settings.google_url
        )
    path = Path(place).expanduser()
    if path.suffix.lower() == ".xlsx":
        from resources.workbook.xlsx import XlsxWorkbook

        return XlsxWorkbook(path)
    if path.suffix:
        raise InputError(
            f"{place} is no workbook.",
            f"A {path.suffix} file is not read.",
            "Name an .xlsx file, a folder or an address.",
        )
    from resources.workbook.csv_folder import CsvFolder

    return CsvFolder(path)
