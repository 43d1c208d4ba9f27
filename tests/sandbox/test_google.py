"""The stand-in for Google, asked as its documentation says: bare HTTP, and gspread as it comes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from domain.workbook_layout import FAQ, LAYOUT
from sandbox.google import masked
from sandbox.serve import Sandbox


class Caller:
    """A client with a token; ``sheet`` is the address of its company's spreadsheet."""

    def __init__(self, sandbox: Sandbox, company: str) -> None:
        from google.auth.transport.requests import Request
        from google.oauth2.service_account import Credentials

        self.sandbox, self.company = sandbox, company
        info = json.loads(sandbox.google_key(company))
        made: Any = Credentials.from_service_account_info(info, scopes=["https://www.googleapis.com/auth/spreadsheets"])
        self.session = requests.Session()
        made.refresh(Request(self.session))
        self.session.headers["Authorization"] = f"Bearer {made.token}"
        self.id = sandbox.sheet_url(company).split("/d/")[1].split("/")[0]
        self.sheet = f"{sandbox.google_url}/v4/spreadsheets/{self.id}"

    def get(self, path: str = "", **parameters: Any) -> Any:
        return self.session.get(f"{self.sheet}{path}", params=parameters, timeout=10)

    def batch(self, *batch: Any) -> Any:
        return self.session.post(f"{self.sheet}:batchUpdate", json={"requests": batch}, timeout=10)

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.google_admin(self.company, action, **given)


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(companies=(), generated={"made": 1}) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def signed_in(running: Sandbox) -> Iterator[Caller]:
    made = Caller(running, "plain")
    yield made
    made.session.close()


@pytest.fixture
def caller(signed_in: Caller) -> Caller:
    signed_in.admin("reset")
    return signed_in


def test_a_request_without_a_token_is_unauthenticated(running: Sandbox, caller: Caller) -> None:
    answer = requests.get(caller.sheet, timeout=10)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")


def test_a_token_is_given_for_a_signature_only(running: Sandbox, caller: Caller) -> None:
    given = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    answer = requests.post(f"{running.google_url}/token", data=given, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_metadata_has_the_fields_of_the_mask(caller: Caller) -> None:
    told = caller.get(fields="properties.title,sheets(properties(title,gridProperties.rowCount))").json()
    assert set(told) == {"properties", "sheets"}
    assert told["sheets"][0] == {"properties": {"title": FAQ, "gridProperties": {"rowCount": 1000}}}


def test_masks() -> None:
    value = {"a": {"b": 1, "c": 2}, "d": [{"e": 1, "f": 2}, {"f": 3}]}
    assert masked(value, "a.b,d(e)") == {"a": {"b": 1}, "d": [{"e": 1}, {}]}
    assert masked(value, "a(b,c)") == {"a": {"b": 1, "c": 2}}


def test_values_leave_out_what_is_empty_at_the_end(caller: Caller) -> None:
    caller.admin("edit", tab=FAQ, row=4, column=2, value="x")
    told = caller.get("/values:batchGet", ranges=[f"'{FAQ}'!A1:B", "담당자"]).json()["valueRanges"]
    assert told[0]["values"] == [LAYOUT[FAQ].header[:2], ["FAQ-HR-001", "인사"], [], ["", "x"]]
    assert told[1]["values"][0] == LAYOUT["담당자"].header


def test_a_batch_is_done_as_a_whole_or_not_at_all(caller: Caller) -> None:
    good = {"addSheet": {"properties": {"title": "새 탭"}}}
    answer = caller.batch(good, {"deleteSheet": {"sheetId": 99}})
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert "새 탭" not in caller.admin("sheet")
    assert caller.batch(good).status_code == 200


@pytest.mark.parametrize(
    "request_",
    [
        {"nonsense": {}},
        {"addSheet": {"properties": {"title": FAQ}}},
        {"updateCells": {"start": {"sheetId": 0, "rowIndex": 1000}, "rows": [{}], "fields": "note"}},
        {"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 1000}}},
        {"appendCells": {"sheetId": 0, "rows": [{}], "fields": "nonsense"}},
        {"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 10_000_000}},
    ],
)
def test_what_google_refuses_is_refused(caller: Caller, request_: Any) -> None:
    assert caller.batch(request_).status_code == 400


def test_a_checkbox_that_nobody_ticked_is_data(caller: Caller) -> None:
    area = {"sheetId": 0, "startRowIndex": 1, "startColumnIndex": 7, "endColumnIndex": 8}
    assert caller.batch({"setDataValidation": {"range": area, "rule": {"condition": {"type": "BOOLEAN"}}}}).ok
    cell = {"values": [{"userEnteredValue": {"stringValue": "below them all"}}]}
    assert caller.batch({"appendCells": {"sheetId": 0, "rows": [cell], "fields": "userEnteredValue"}}).ok
    assert caller.admin("sheet")[FAQ]["rows"][1000] == ["below them all", "", "", "", "", "", "", "FALSE"]


def test_the_quota_of_a_minute(caller: Caller) -> None:
    caller.admin("quota", reads=3, minute_seconds=60)
    answers = [caller.get(fields="properties.title") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert answers[3].json()["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert caller.batch({"addSheet": {"properties": {"title": "writes have their own"}}}).ok


def test_drive_tells_a_version_that_grows(caller: Caller) -> None:
    def version() -> int:
        url = f"{caller.sandbox.google_url}/drive/v3/files/{caller.id}"
        return int(caller.session.get(url, params={"fields": "version"}, timeout=10).json()["version"])

    before = version()
    assert version() == before
    caller.admin("edit", tab=FAQ, row=2, column=1, value="x")
    assert version() > before


def test_what_is_not_shared(caller: Caller) -> None:
    caller.admin("share", role="none")
    refused = caller.get().json()["error"]
    assert (refused["code"], refused["status"]) == (403, "PERMISSION_DENIED")
    drive = caller.session.get(f"{caller.sandbox.google_url}/drive/v3/files/{caller.id}", timeout=10)
    assert drive.status_code == 404


def test_a_document_of_headings_and_paragraphs(caller: Caller) -> None:
    made = caller.admin("doc", title="취업규칙", paragraphs=[["HEADING_1", "제1장"], ["NORMAL_TEXT", "본문"]])
    url = f"{caller.sandbox.google_url}/v1/documents/{made['id']}"
    told = caller.session.get(url, timeout=10).json()
    paragraphs = [one["paragraph"] for one in told["body"]["content"] if "paragraph" in one]
    assert told["title"] == "취업규칙" and told["revisionId"] == "rev-2"
    assert [one["paragraphStyle"]["namedStyleType"] for one in paragraphs] == ["HEADING_1", "NORMAL_TEXT"]
    assert paragraphs[1]["elements"][0]["textRun"]["content"] == "본문\n"
