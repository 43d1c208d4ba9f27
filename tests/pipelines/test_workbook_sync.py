"""Nights of a company whose workbook is a Google sheet: ``casebook sync`` over real HTTP, and the calls that each costs.

Belongs here: whole syncs with a sheet that people edit, and that answers badly. Does not belong here: the assets
(``tests/assets``), the commands (``test_workbook_cli``), single reads and writes (``tests/resources/workbook``).
"""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from domain.workbook_layout import CONTACTS, FAQ, OPERATIONS
from resources.workbook.open import GOOGLE_SECRET
from sandbox.serve import Sandbox
from tests.conftest import point_at
from tests.homes import Home, Said, casebook, done

ID = "hanbit"


@pytest.fixture(scope="module")
def google() -> Iterator[Sandbox]:
    """The sample company's sheet, with what people wrote in it."""
    with Sandbox(companies=(ID,)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def home_of_all(google: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home whose company has that sheet, and one ticket."""
    with pytest.MonkeyPatch.context() as patches:
        home = point_at(tmp_path_factory.mktemp("nights") / "home", patches)
        patches.setenv("CASEBOOK_GOOGLE_URL", google.google_url)
        tickets = home.path.parent / "one.csv"
        tickets.write_text("ticket_id,subject,description\n1,Wifi drops,My wifi keeps dropping every hour.\n")
        done("company", "add", ID, "--platform", "export", "--path", str(tickets), "--set", "embedding_model=use-multi")
        done("workbook", "use", ID, google.sheet_url(ID), "--key-stdin", stdin=google.google_key(ID))
        yield home


@pytest.fixture
def nightly(home_of_all: Home, google: Sandbox) -> Home:
    """That home after as many nights as it takes until nothing happens: what is written is read again, and conversations
    leave their tab only when their copies were seen."""
    for _ in range(4):
        if calls(google) == {"drive": 1}:
            return home_of_all
    raise AssertionError("the nights do not come to rest")


def sync() -> Said:
    said = casebook("sync", ID, "--json")
    assert "Traceback" not in said.err
    return said


def calls(google: Sandbox) -> Counter[str]:
    """What a sync asked Google for, by kind, and only that."""
    google.google_admin(ID, "reset_log")
    said = sync()
    assert said.code == 0, said
    return Counter(one["kind"] for one in google.google_admin(ID, "log")["log"])


def faq(home: Home, question: str) -> str:
    """The answer of tier 1, "" where no FAQ answers."""
    told = done("ask", ID, question, "--json").json
    return told["answer"] if told["tier"] == 1 else ""


def test_a_night_costs_one_call_and_four_of_the_sheets_api_where_something_changed(
    nightly: Home, google: Sandbox
) -> None:
    assert calls(google) == {"drive": 1}
    answer = "휴가 > 잔여일수 화면에서 9월 30일까지 확인하세요."
    google.google_admin(ID, "edit", tab=FAQ, row=2, column=6, value=answer)
    before = google.google_admin(ID, "sheet")
    done("ask", ID, "법인카드 잃어버렸어요", "--user", "kim")
    asked = calls(google)
    assert 1 <= asked["read"] + asked["write"] <= 4, asked
    assert asked["drive"] <= 2
    assert faq(nightly, before[FAQ]["rows"][1][4]) == answer
    rows = google.google_admin(ID, "sheet")[OPERATIONS]["rows"]
    assert len(rows) == len(before[OPERATIONS]["rows"]) + 1 and "kim" in json.dumps(rows[-1])


def test_a_night_without_google_keeps_what_was_read_and_goes_on_with_the_rest(nightly: Home, google: Sandbox) -> None:
    row = google.google_admin(ID, "sheet")[FAQ]["rows"][1]
    before = [nightly.rows(ID)[table] for table in ("faq", "contacts")]
    google.google_admin(ID, "edit", tab=CONTACTS, row=2, column=4, value="새담당")
    google.google_admin(ID, "faults", rate=1.0, kinds=["500"])
    try:
        said = sync()
    finally:
        google.google_admin(ID, "faults")
    assert "raw_tickets" in said.json["assets"], "the helpdesk is read all the same"
    assert [nightly.rows(ID)[table] for table in ("faq", "contacts")] == before
    assert faq(nightly, row[4]) == row[5]
    assert sync().code == 0
    assert "새담당" in {payload[3]["name"] for payload in nightly.rows(ID)["contacts"].values()}


def test_a_key_that_was_revoked_is_told_with_the_address_to_share_with(nightly: Home, google: Sandbox) -> None:
    google.google_admin(ID, "share", role="none")
    try:
        said = casebook("sync", ID)
    finally:
        google.google_admin(ID, "share", role="writer")
    email = json.loads(google.google_key(ID))["client_email"]
    assert email in said.out  # a note: the rest of the night is done
    assert nightly.companies.stored_secret(nightly.company(ID), GOOGLE_SECRET)
