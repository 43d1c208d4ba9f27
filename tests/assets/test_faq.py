"""The keyword index as an asset: made with a sync, people's edits kept over runs that die, and its weekly check.

Belongs here: ``assets/faq``. Does not belong here: how rows are made (``tests/domain/test_keyword_index``), or lookups
(``tests/query/test_faq``).
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from assets.faq import faq_keyword_index, faq_keywords_lead_to_their_faqs, live
from domain.company import Company, company_id
from domain.conversation import Operation
from domain.faq import Faq
from domain.keyword_index import KeywordRow, cells
from domain.replace import Content, replace
from domain.workbook_layout import FAQ_INDEX, LAYOUT
from resources.companies import Companies
from resources.company_run import company_run
from resources.settings import Settings
from resources.workbook.stored import chunks

ACME, NOW = company_id("acme"), "2026-02-19T00:00:00Z"
HEADER = LAYOUT[FAQ_INDEX].header


def faq(number: int, *keywords: str, active: bool = True) -> Faq:
    return Faq(f"FAQ-{number:03}", "HR", "", keywords, "?", "See the portal.", "", active, "2026-02-01")


class Office:
    """A company whose workbook is typed in by hand: its FAQs, and the tab as the last snapshot has it."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(home=folder / "home")
        Companies(self.settings).add(Company(ACME, "export", "/nowhere", created_at=NOW), "")

    def put(self, table: str, rows: dict[str, Any]) -> None:
        with company_run(self.settings, ACME, "typing", "a test") as run:
            replace(run.store, table, Content(rows), made_by="test", run_id="typing", now=NOW)

    def faqs(self, *faqs: Faq) -> None:
        self.put("faq", {one.faq_id: asdict(one) for one in faqs})

    def tab(self, rows: Sequence[Sequence[Any]]) -> None:
        self.put("workbook", chunks({FAQ_INDEX: [HEADER, *([str(cell) for cell in row] for row in rows)]}))

    def sync(self, run_id: str = "a run") -> dict[str, Any]:
        with company_run(self.settings, ACME, run_id, "a test") as run:
            result: Any = faq_keyword_index(company_run=run)
        return {name: getattr(value, "value", value) for name, value in (result.metadata or {}).items()}

    @property
    def index(self) -> dict[str, KeywordRow]:
        with Companies(self.settings).store(ACME) as store:
            return {
                name: KeywordRow.from_payload(row.payload) for name, row in live(store, "faq_keyword_index").items()
            }

    def written(self) -> list[list[Any]]:
        """The tab as a sync writes it at its end."""
        return [list(cells(row)) for row in self.index.values() if row.is_visible]

    def check(self) -> tuple[bool, dict[str, Any]]:
        with company_run(self.settings, ACME, "a check", "a test") as run:
            said: Any = faq_keywords_lead_to_their_faqs(company_run=run)
        return said.passed, {name: value.value for name, value in said.metadata.items()}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


def test_without_a_workbook_there_is_nothing(office: Office) -> None:
    assert office.sync()["changed"] == 0
    assert office.check()[0]


def test_a_new_faq_s_keywords_are_in_the_index_with_the_next_sync(office: Office) -> None:
    office.faqs(faq(1, "leave"))
    office.sync()
    office.faqs(faq(1, "leave"), faq(2, "leave", "parking"), faq(3, "badge", active=False))
    assert office.sync()["changed"] == 2
    assert {name: row.faq_ids for name, row in office.index.items()} == {
        "leave": ("FAQ-001", "FAQ-002"),
        "parking": ("FAQ-002",),
    }
    assert office.sync()["changed"] == 0
    assert office.check()[0]


def test_what_people_set_in_the_tab_is_kept(office: Office) -> None:
    office.faqs(faq(1, "leave"), faq(2, "parking"))
    office.sync("first")
    office.tab(office.written())
    office.sync("second")
    rows = {row[0]: row for row in office.written()}
    office.tab(
        [["leave", "FAQ-001,FAQ-002", 2, "vacation", "2026-02-19"], rows["parking"], ["perk", "FAQ-002", 5, "", ""]]
    )
    office.sync("third")
    kept = office.index
    assert (kept["leave"].faq_ids, kept["leave"].weight) == (("FAQ-001", "FAQ-002"), 2)
    assert kept["leave"].synonyms == ("vacation",) and kept["perk"].faq_ids == ("FAQ-002",)
    office.tab(office.written())
    office.faqs(faq(1, "leave"), faq(2, "parking"), faq(3, "leave"))
    office.sync("fourth")
    assert (office.index["leave"].weight, len(office.index["leave"].faq_ids)) == (2, 3)


def test_a_run_that_died_before_the_tab_was_written_leaves_no_edits(office: Office) -> None:
    office.faqs(faq(1, "leave"), faq(2, "parking"))
    office.sync("first")
    office.tab(office.written())
    office.sync("second")
    office.faqs(faq(1, "leave"), faq(3, "leave"))
    office.sync("dies before it writes")
    office.faqs(faq(1, "leave"), faq(3, "leave"), faq(4, "badge"))
    office.sync("next")
    assert office.index["leave"].faq_ids == ("FAQ-001", "FAQ-003")
    assert not office.index["parking"].is_visible
    office.tab(office.written())
    office.sync("last")
    assert office.index.keys() == {"leave", "badge"}
    assert not any(row.edits.is_own or row.edits.faq_ids_added for row in office.index.values())


def test_use_is_counted_from_the_operations_log(office: Office) -> None:
    office.faqs(faq(1, "leave"), faq(2, "parking"))
    lines = {str(n): asdict(Operation(NOW, "s", "u", "HR", "1", "faq FAQ-001", 0.9, 3, False)) for n in range(9)}
    office.put("operations_log", lines)
    office.sync()
    assert office.index["leave"].weight > office.index["parking"].weight


def test_the_weekly_check_warns_of_20_faqs_a_keyword_and_of_lost_keywords(office: Office) -> None:
    office.faqs(*(faq(n, "leave", f"case {n}") for n in range(20)))
    told = office.sync()
    assert "the keyword leave leads to 20 FAQs: split it" in told["notes"]
    passed, said = office.check()
    assert not passed and said["to_be_split"] == "leave"
    office.put("faq_keyword_index", {})
    assert office.check()[1]["not_found_by_their_keywords"].startswith("FAQ-000")
