"""A workbook at Google: how often it asks, what refusals are called, writes whose answer is lost."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import InputError, SourceError, SourceRefused, SourceUnavailable, SourceUnreachable
from domain.workbook_layout import CONVERSATIONS, DAILY, FAQ, LAYOUT, LAYOUTS, OPERATIONS, TITLE
from resources.workbook import google_client, google_limits
from resources.workbook.base import MOST_CELLS, Append, Chart, DropRows, Overwrite, Plan
from resources.workbook.google import GoogleWorkbook, sheet_id
from resources.workbook.google_limits import EACH, PROJECT, limiter
from sandbox.serve import Sandbox
from tests.resources.workbook.places import GooglePlace, key_with, rows_of

ROW = ["s", "u", "2026-02-19 14:30:00", "user", "연차?", "인사", "1", False]


@pytest.fixture
def place(google: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[GooglePlace]:
    """A sheet with the tabs of the specification; quotas count from now."""
    monkeypatch.setattr(google_limits, "_PACES", {})
    made = GooglePlace(google, "night")
    made.admin("reset")
    opened = made.open()
    opened.create(Plan(TITLE, LAYOUTS))
    opened.close()
    made.admin("reset_log")
    monkeypatch.setattr(google_limits, "_PACES", {})
    yield made


@pytest.fixture
def workbook(place: GooglePlace) -> Iterator[GoogleWorkbook]:
    opened = place.open()
    yield opened
    opened.close()


def test_a_night_without_changes_is_one_request(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    before = workbook.revision()
    place.admin("reset_log")
    night = place.open()
    assert night.revision() == before
    assert place.asked() == ["drive"] and night.requests == 1
    night.close()


def test_a_night_with_changes_is_four_requests(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    workbook.revision()
    tabs = workbook.read().tabs
    workbook.write(
        [
            Append(CONVERSATIONS, [ROW] * 100),
            Overwrite(DAILY, [["2026-02-19", 3]]),
            Append(OPERATIONS, [["2026-02-19"]]),
        ]
    )
    assert place.asked() == ["drive", "read", "read", "write"] and workbook.requests == 4
    assert len(tabs) == len(LAYOUTS)


def test_another_step_of_the_night_does_not_read_again(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    workbook.revision()
    workbook.read()
    step = place.open()
    step.revision()
    step.write([Append(FAQ, [["FAQ-9"]])])
    assert place.asked() == ["drive", "read", "read", "drive", "write"]
    assert rows_of(step, FAQ)[-1][0] == "FAQ-9"
    place.type(FAQ, 20, 1, "typed")
    step.close()
    later = place.open()
    later.revision()
    later.write([Append(FAQ, [["FAQ-10"]])])
    assert [row[0] for row in rows_of(later, FAQ) if row[0]][-2:] == ["typed", "FAQ-10"]
    later.close()


def test_making_all_tabs_is_two_requests(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.empty()
    workbook.create(Plan(TITLE, LAYOUTS, (Chart(DAILY, "질문", ("questions", "tier1")),)))
    assert place.asked() == ["read", "write"]
    made = place.admin("sheet")
    assert set(made) == {"시트1", *(layout.name for layout in LAYOUTS)}
    for layout in LAYOUTS:
        tab = made[layout.name]
        assert tab["frozen"] == 1
        assert tab["notes"]["1,1"] == "\n".join(layout.columns[0].meaning)
        editors = [one["editors"]["users"] for one in tab["protected"]]
        assert editors == ([[workbook.email]] if layout.writer == "bot" else [])
    assert made[FAQ]["validations"] == {"2": "ONE_OF_LIST", "8": "BOOLEAN"}
    assert [one["spec"]["title"] for one in made[DAILY]["charts"]] == ["질문"]


def test_a_tab_for_the_bot_refuses_another_service_account(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.empty()
    workbook.create(Plan(TITLE, (LAYOUT[CONVERSATIONS],)))
    other = GooglePlace(place.sandbox, "other")
    place.admin("share", role="writer", email=json.loads(other.key)["client_email"])
    stranger = GoogleWorkbook(workbook.place, other.key, place.sandbox.google_url)
    with pytest.raises(SourceRefused, match="protected"):
        stranger.write([Overwrite(CONVERSATIONS, [ROW])])
    stranger.close()


def test_merged_cells_all_have_the_value_of_their_first(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("rows", tab=FAQ, rows=[[f"FAQ-{number}", "인사" if not number else "", "x"] for number in range(3)])
    place.admin("tab", do="merge", tab=FAQ, area=[2, 1, 900, 2])
    assert [row[1] for row in rows_of(workbook, FAQ)] == ["인사"] * len(rows_of(workbook, FAQ))


def test_a_formula_is_read_as_its_result(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("edit", tab=FAQ, row=2, column=6, value="=B2", result="#REF!")
    assert rows_of(workbook, FAQ)[0][5] == "#REF!"


# --- refusals ------------------------------------------------------------------------------------------------------------


def refused_by(workbook: GoogleWorkbook) -> list[SourceError]:
    found: list[SourceError] = []
    for call in (workbook.read, workbook.revision, lambda: workbook.write([Append(CONVERSATIONS, [ROW])])):
        with pytest.raises(SourceError) as refused:
            call()
        found.append(refused.value)
    workbook.close()
    return found


def test_a_sheet_that_is_not_shared_names_the_e_mail_to_share_it_with(place: GooglePlace) -> None:
    place.admin("share", role="none")
    for refused in refused_by(place.open()):
        assert json.loads(place.key)["client_email"] in refused.remedy
        assert refused.exit_code == 2


def test_a_sheet_that_is_shared_for_reading_is_read_and_not_written(
    place: GooglePlace, workbook: GoogleWorkbook
) -> None:
    place.admin("share", role="reader")
    assert workbook.read().tabs
    with pytest.raises(SourceRefused) as refused:
        workbook.write([Append(CONVERSATIONS, [ROW])])
    assert "as an editor" in refused.value.remedy and workbook.email in refused.value.remedy


def test_a_wrong_id_is_said_to_be_one(place: GooglePlace) -> None:
    address = place.open().place.replace("1night-", "2night-")
    workbook = GoogleWorkbook(address, place.key, place.sandbox.google_url)
    for refused in refused_by(workbook):
        assert "id in the address is wrong" in refused.detail


def test_a_project_without_the_api_is_told_to_switch_it_on(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("quota", disabled=["sheets"])
    with pytest.raises(SourceRefused, match="Switch on 'Google Sheets API'"):
        workbook.read()


def test_without_drive_the_revision_is_unknown_and_that_is_said_once(
    place: GooglePlace, workbook: GoogleWorkbook, caplog: pytest.LogCaptureFixture
) -> None:
    place.admin("quota", disabled=["drive"])
    assert [workbook.revision(), workbook.revision()] == ["", ""]
    assert len(caplog.records) == 1 and "Google Drive API" in caplog.text


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("", "There is none"),
        ("not json", "It is no JSON"),
        ('{"installed": {}}', "another kind of key"),
        ('{"type": "service_account", "client_email": "a@b"}', "It lacks private_key, project_id"),
        ('{"type": "service_account", "client_email": "a", "project_id": "b", "private_key": "secret-pem"}', "damaged"),
    ],
)
def test_a_key_that_is_none_is_refused_without_telling_it(key: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        GoogleWorkbook("https://docs.google.com/spreadsheets/d/1234567890abc/edit", key)
    assert "secret-pem" not in str(refused.value)


def test_a_key_of_another_pair_is_not_taken(place: GooglePlace) -> None:
    other = json.loads(GooglePlace(place.sandbox, "other").key)["private_key"]
    forged = GoogleWorkbook(place.open().place, key_with(place.key, private_key=other), place.sandbox.google_url)
    with pytest.raises(InputError, match="does not take the service account's key"):
        forged.read()
    forged.close()


@pytest.mark.parametrize(
    "address",
    [
        "https://docs.google.com/document/d/1234567890abc/edit",
        "https://evil.example/spreadsheets/d/1234567890abc/edit",
        "http://docs.google.com/spreadsheets/d/1234567890abc",
        "https://docs.google.com/spreadsheets/d/",
        "https://x",
    ],
)
def test_an_address_of_something_else_gets_no_key(address: str) -> None:
    with pytest.raises(InputError, match="no Google Sheets address"):
        sheet_id(address)


def test_an_address_is_taken_as_the_browser_has_it() -> None:
    for tail in ("", "/", "/edit", "/edit?gid=0#gid=0", "/view?usp=sharing"):
        assert sheet_id(f"https://docs.google.com/spreadsheets/d/1234567890_a-b{tail}") == "1234567890_a-b"
    assert sheet_id("https://docs.google.com/spreadsheets/u/1/d/1234567890abc/edit") == "1234567890abc"


def test_a_tab_of_five_million_cells_is_refused_before_it_is_read(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("tab", do="resize", tab=FAQ, rows=100_000, columns=50)
    with pytest.raises(SourceRefused, match="Delete its empty rows"):
        workbook.read()
    assert place.asked() == ["read"]


def test_large_grids_that_are_empty_are_read_in_parts(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    for tab in (CONVERSATIONS, DAILY, OPERATIONS):
        place.admin("tab", do="resize", tab=tab, rows=MOST_CELLS // 30, columns=20)
    assert len(workbook.read().tabs) == len(LAYOUTS)
    assert place.asked() == ["read"] * 4


# --- limits and faults ---------------------------------------------------------------------------------------------------


def test_at_most_60_reads_and_60_writes_a_minute_and_300_a_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_limits, "_PACES", {})

    class Waited(Exception):
        pass

    def wait(_: float) -> None:
        raise Waited

    for kind in ("read", "write"):
        for account in range(PROJECT // EACH):
            for _ in range(EACH):
                limiter(kind, f"{account}@p", "p", "").take(wait)
            with pytest.raises(Waited):
                limiter(kind, f"{account}@p", "p", "").take(wait)
        with pytest.raises(Waited):
            limiter(kind, "sixth@p", "p", "").take(wait)
        limiter(kind, "other@q", "q", "").take(wait)


def test_companies_on_one_service_account_share_one_limiter(
    place: GooglePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    shared = limiter("read", json.loads(place.key)["client_email"], "night-project", place.sandbox.google_url)
    monkeypatch.setattr(type(shared), "take", lambda self, sleep: asked.append(str(id(self.each))))
    for _ in range(3):
        company = place.open()
        company.read()
        company.close()
    assert asked == [str(id(shared.each))] * 6


def test_a_429_is_waited_for_as_long_as_it_says(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("quota", reads=2, minute_seconds=0.6, retry_after=0.2)
    for _ in range(2):
        assert workbook.read().tabs
    log = place.admin("log")
    assert log["429s"] >= 1 and log["requests"] <= 4 + 4


def test_a_429_without_retry_after_is_waited_for_too(
    place: GooglePlace, workbook: GoogleWorkbook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_client, "_QUOTA_BACK_OFF", lambda _: 0.1)
    place.admin("quota", reads=2, minute_seconds=0.5)
    workbook.read()
    assert workbook.read().tabs


@pytest.mark.parametrize("kind", ["500", "503", "502", "reset", "cut", "html", "429"])
def test_what_passes_is_tried_again(place: GooglePlace, workbook: GoogleWorkbook, kind: str) -> None:
    place.admin("faults", rate=1.0, kinds=[kind], limit=2, retry_after=0)
    assert workbook.read().tabs[FAQ].rows
    assert workbook.requests == 4


@pytest.mark.parametrize("kind", ["cut", "reset", "500"])
def test_a_write_whose_answer_is_lost_is_done_exactly_once(
    place: GooglePlace, workbook: GoogleWorkbook, kind: str
) -> None:
    """``cut`` is an answer that breaks off: the rows are there. ``reset`` and ``500`` come before: they are not."""
    workbook.read()
    workbook.write([Append(CONVERSATIONS, [ROW])])
    for _ in range(2):
        place.admin("faults", rate=1.0, kinds=[kind], limit=1, on=["write"])
        workbook.write([Append(CONVERSATIONS, [ROW]), DropRows(CONVERSATIONS, [2])])
    assert len(rows_of(workbook, CONVERSATIONS)) == 1
    place.admin("faults", rate=1.0, kinds=[kind], limit=1, on=["write"])
    workbook.write([Append(CONVERSATIONS, [ROW] * 3)])
    assert len(rows_of(workbook, CONVERSATIONS)) == 4


def test_a_source_that_keeps_failing_is_given_up(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("faults", rate=1.0, kinds=["500"])
    with pytest.raises(SourceUnavailable, match="answered 500"):
        workbook.read()


def test_a_google_that_is_not_there_is_unreachable(place: GooglePlace) -> None:
    address = "http://127.0.0.1:9/google"
    workbook = GoogleWorkbook(f"{address}/spreadsheets/d/1234567890abc/edit", place.key, address)
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        workbook.read()
    workbook.close()


def test_closing_ends_the_waiting(place: GooglePlace, workbook: GoogleWorkbook) -> None:
    place.admin("quota", reads=0, retry_after=60)
    ended: list[Any] = []

    def read() -> None:
        with pytest.raises(SourceUnavailable) as stopped:
            workbook.read()
        ended.append(stopped.value)

    thread = threading.Thread(target=read)
    thread.start()
    while not place.admin("log")["429s"]:
        time.sleep(0.01)
    workbook.close()
    thread.join(5)
    assert ended


def test_rows_that_a_person_types_meanwhile_are_never_written_over(
    place: GooglePlace, workbook: GoogleWorkbook
) -> None:
    workbook.read()
    for row in range(3, 6):
        place.type(FAQ, row, 1, f"typed-{row}")
    workbook.write([Append(FAQ, [["FAQ-NEW-1"], ["FAQ-NEW-2"]])])
    assert {row[0] for row in rows_of(workbook, FAQ)} >= {"typed-3", "typed-4", "typed-5", "FAQ-NEW-1", "FAQ-NEW-2"}
