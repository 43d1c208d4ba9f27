"""A tab that people write in and that is emptied or lost: nothing it held is deleted, by whatever is written meanwhile.

Belongs here: the assets ``workbook``, ``faq`` and ``contacts`` on real workbooks, with what the other assets then write.
Does not belong here: what rows mean (``tests/domain/test_workbook_rows``), or writes without such a slip
(``test_workbook_tabs``).
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from assets.regulations import regulations
from assets.tickets import SyncConfig
from assets.workbook import contacts, faq, workbook
from assets.workbook_tabs import workbook_tabs
from domain.company import company_id
from domain.errors import CasebookError
from domain.faq_proposals import Proposal, Status
from domain.stage import Put
from domain.workbook_layout import CONTACTS, FAQ, LAYOUT, PROPOSALS, REGULATIONS
from resources.workbook.base import Append, Overwrite
from resources.workbook.stored import held_tabs, stored_tab
from tests.assets.conversations_given import NOW
from tests.assets.test_workbook_tabs import Desk, made

MANY = [
    [f"FAQ-HR-{n:03}", "인사", "연차", "연차", f"질문 {n}?", f"답 {n}일", "", "TRUE", "2026-02-19"]
    for n in range(10, 30)
]
COMMAND = "casebook sync acme --only workbook --accept-deletions 50"


def desk_of(folder: Path, kind: str = "csv") -> Desk:
    """With 21 FAQs, read and written until nothing differs."""
    desk = made(folder, kind)
    desk.book.write([Append(FAQ, MANY)])
    desk.sync()
    desk.sync()
    assert len(desk.rows("faq")) == 21
    return desk


def propose(desk: Desk, status: Status) -> None:
    one = Proposal(
        *("P-1", "new", "인사", "연차", ("연차",), "며칠?", "3일.", ("question x",), (), 3, "2026-02-19"),
        status=status,
        faq_id="FAQ-HR-099",
        was_seen=True,
    )
    with desk.companies.store(company_id("acme")) as store, store.begin("r", NOW) as write:
        write.upsert("faq_proposals", [Put("P-1", asdict(one), status, status, "m", None)])


def rename(desk: Desk, old: str, new: str) -> None:
    place = Path(desk.book.place)
    if place.is_dir():
        (place / f"{old}.csv").rename(place / f"{new}.csv")
        return
    book = openpyxl.load_workbook(place)
    book[old].title = new
    book.save(place)


def read(desk: Desk, *assets: Any, **config: Any) -> str:
    """Read the workbook, and run assets; the notes of the reading."""
    return desk.run(workbook, *assets, config=SyncConfig(**config))["workbook"].get("notes", "")


def held(desk: Desk) -> set[str]:
    with desk.companies.store(company_id("acme")) as store:
        return set(held_tabs(store))


def stored(desk: Desk, tab: str) -> list[list[str]]:
    with desk.companies.store(company_id("acme")) as store:
        return stored_tab(store, tab) or []


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_renamed_faq_tab_and_an_accepted_proposal_delete_no_faq(tmp_path: Path, kind: str) -> None:
    desk = desk_of(tmp_path, kind)
    propose(desk, "accepted")
    rename(desk, FAQ, "FAQ_old")
    for _ in range(3):
        desk.sync()
        assert len(desk.rows("faq")) == 21
        assert FAQ not in desk.book.read().tabs, "one row would look like all there is of it"
    rename(desk, "FAQ_old", FAQ)
    desk.sync()
    assert len(desk.tab(FAQ)) == 22, "the proposal waited for its tab"
    desk.sync()
    assert len(desk.rows("faq")) == 22


def test_an_emptied_faq_tab_and_an_accepted_proposal_delete_no_faq(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    desk.book.write([Overwrite(FAQ, [])])
    propose(desk, "accepted")
    for _ in range(3):
        desk.sync()
        assert (len(desk.rows("faq")), desk.tab(FAQ)) == (21, [])


def test_a_tab_that_comes_back_with_a_few_rows_asks_first(tmp_path: Path) -> None:
    desk = desk_of(tmp_path)
    desk.book.write([Overwrite(FAQ, [])])
    desk.sync()
    desk.book.write([Append(FAQ, MANY[:3])])
    with pytest.raises(CasebookError, match="--only workbook --accept-deletions 18"):
        desk.sync()
    assert len(desk.rows("faq")) == 21
    read(desk, faq, accept_deletions=18)
    assert len(desk.rows("faq")) == 3


@pytest.mark.parametrize("tab", [FAQ, CONTACTS, REGULATIONS["인사"]])
@pytest.mark.parametrize("slip", ["is gone", "is empty", "is blank"])
def test_the_command_that_is_told_deletes_what_was_held_back(tmp_path: Path, tab: str, slip: str) -> None:
    desk, assets = made(tmp_path, "csv"), (faq, contacts, regulations)
    table = {FAQ: "faq", CONTACTS: "contacts"}.get(tab, "regulations")
    read(desk, *assets)
    place = Path(desk.book.place) / f"{tab}.csv"
    if slip == "is gone":
        place.unlink()
    else:
        place.write_text("" if slip == "is blank" else ",".join(LAYOUT[tab].header) + "\n", "utf-8-sig")
    told = read(desk, *assets)
    assert COMMAND in told and f"{tab} {'is gone' if slip == 'is gone' else 'is empty'}: its 1 rows" in told
    assert (len(desk.rows(table)), held(desk)) == (1, {tab})
    read(desk, *assets, accept_deletions=50)
    assert (desk.rows(table), held(desk)) == ({}, set())
    assert "left as they were" not in read(desk, *assets, full=True)


def test_a_tab_of_proposals_that_was_emptied_is_not_written_and_rejects_nothing(tmp_path: Path) -> None:
    desk = made(tmp_path, "csv")
    propose(desk, "open")
    desk.run(workbook, config=SyncConfig())
    desk.run(workbook_tabs)
    assert [row[0] for row in desk.tab(PROPOSALS)] == ["P-1"]
    read(desk)
    desk.book.write([Overwrite(PROPOSALS, [])])
    assert f"{PROPOSALS} is empty: its 1 rows" in read(desk)
    desk.run(workbook_tabs)
    assert desk.tab(PROPOSALS) == []
    assert len(stored(desk, PROPOSALS)) == 2, "its row waits for the tab: nothing is rejected"
    read(desk, accept_deletions=50)
    assert (len(stored(desk, PROPOSALS)), held(desk)) == (1, set())


def test_a_tab_of_proposals_that_we_emptied_ourselves_is_written_again(tmp_path: Path) -> None:
    desk = made(tmp_path, "csv")
    propose(desk, "open")
    for status in ("open", "done"):
        propose(desk, status)
        read(desk)
        desk.run(workbook_tabs)
    assert desk.tab(PROPOSALS) == []
    assert "left as they were" not in read(desk) and not held(desk)
    propose(desk, "open")
    desk.run(workbook_tabs)
    assert [row[0] for row in desk.tab(PROPOSALS)] == ["P-1"]
