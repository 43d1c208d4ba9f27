"""One workbook is one company's, however its place is written."""

from pathlib import Path

import pytest

from domain.company import Company, company_id
from domain.errors import InputError
from resources.companies import Companies
from resources.settings import Settings
from resources.workbook.open import open_workbook
from resources.workbook.place import identity

SHEET = "https://docs.google.com/spreadsheets/d/1aB-c_9/edit"


def company(name: str, workbook: str = "") -> Company:
    settings = {"workbook": workbook} if workbook else {}
    return Company(company_id(name), "export", "tickets.csv", settings, created_at=f"2026-01-01T00:00:0{len(name)}Z")


@pytest.mark.parametrize("other", [f"{SHEET}#gid=7", "https://docs.google.com/spreadsheets/d/1aB-c_9"])
def test_a_sheet_is_the_same_by_every_address(other: str) -> None:
    assert identity(SHEET) == identity(other) != identity("https://docs.google.com/spreadsheets/d/1aB-c_8/edit")


def test_another_companys_workbook_is_refused_at_every_door(tmp_path: Path) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    book, link = tmp_path / "book.xlsx", tmp_path / "link.xlsx"
    link.symlink_to(book)
    companies.add(company("ab", str(book)), "")
    with pytest.raises(InputError, match="another company's"):
        companies.add(company("abc", str(link)), "")
    companies.add(company("abc"), "")
    with pytest.raises(InputError, match="another company's"):
        companies.set(companies.get("abc"), workbook=str(tmp_path / "x" / ".." / "book.xlsx"))
    companies.set(companies.get("ab"), workbook=str(book))  # its own stays its own
    assert [one.setting("workbook") for one in companies.list()] == [str(book), ""]


def test_of_two_that_have_one_already_the_later_one_is_refused(tmp_path: Path) -> None:
    """They may have been registered by a version that did not look."""
    companies = Companies(Settings(home=tmp_path / "home"))
    first, second = company("ab", str(tmp_path / "book.xlsx")), company("abc", str(tmp_path / "book.xlsx"))
    companies.add(first, "")
    assert open_workbook(companies, first)
    with pytest.raises(InputError, match="another company's"):
        open_workbook(companies, second)
