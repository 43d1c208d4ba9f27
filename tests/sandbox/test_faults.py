"""Every kind of failure does what it says, where it was asked for, and nowhere else."""

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from sandbox.faults import KINDS, SPOILED, Faults
from tests.sandbox.conftest import ALL, Client

Json = dict[str, Any]


def one(client: Client, kind: str, path: str = "tickets/1", **given: Any) -> requests.Response:
    """The answer to one request that gets this fault."""
    client.admin("faults", rate=1, kinds=[kind], limit=1)
    answer = client.session.get(
        f"{client.sandbox.url(client.company)}/api/v2/{path}", params=given, timeout=10, allow_redirects=False
    )
    assert client.admin("log")["faults"][kind] >= 1
    return answer


def test_answers_that_come_instead(made: Client):
    assert one(made, "502").status_code == 502
    empty = one(made, "empty")
    assert (empty.status_code, empty.content) == (200, b"")
    assert (one(made, "204").status_code, one(made, "204").content) == (204, b"")
    moved = one(made, "redirect")
    assert moved.status_code == 302
    made.admin("faults", rate=1, kinds=["redirect"], limit=1)
    page = made.get("tickets/1")
    assert (page.status_code, page.headers["content-type"][:9]) == (200, "text/html")
    assert "Sign in" in page.text


def test_a_request_that_is_never_answered(made: Client):
    made.admin("faults", rate=1, kinds=["timeout"], limit=2, hang_seconds=0.3)
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        made.get("tickets/1")
    assert time.monotonic() - started >= 0.3
    made.admin("faults", rate=1, kinds=["timeout"], limit=1)
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{made.sandbox.url('made')}/api/v2/tickets/1", auth=(made.sandbox.key("made"), "X"), timeout=0.3)
    assert made.get("tickets/1").status_code == 200


def test_a_storm_is_several_429s_in_a_row(made: Client):
    made.admin("faults", rate=1, kinds=["storm"], limit=1, storm=4, retry_after=7)
    answers = [made.get("tickets/1") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [429] * 4 + [200] * 2
    assert {answer.headers["Retry-After"] for answer in answers[:4]} == {"7"}
    assert made.admin("log")["faults"] == {"storm": 4}


def test_bodies_that_cannot_be_read(made: Client):
    good = made.get("tickets/1").content
    with pytest.raises(requests.JSONDecodeError):
        one(made, "json").json()
    broken = one(made, "bytes").content
    assert len(broken) > len(good)
    with pytest.raises(UnicodeDecodeError):
        broken.decode("utf-8")
    mislabelled = one(made, "mislabelled")
    assert (mislabelled.headers["content-type"], mislabelled.content) == ("text/html; charset=utf-8", good)


def test_a_body_with_a_picture_of_a_megabyte(made: Client):
    answer = one(made, "big")
    assert len(answer.content) > 1_000_000
    assert '<img src="data:image/png;base64,' in answer.json()["description"]
    number = next(ticket["id"] for ticket in made.admin("truth")["tickets"] if ticket["conversations"])
    assert len(one(made, "big", f"tickets/{number}/conversations").content) > 1_000_000


def test_rows_come_again_on_the_next_page(made: Client):
    truth = [row["id"] for row in made.get("tickets", updated_since=ALL, per_page=100, order_by="updated_at").json()]
    made.admin("faults", rate=1, kinds=["duplicates"])
    first, second = (
        [
            row["id"]
            for row in made.get("tickets", updated_since=ALL, per_page=10, page=page, order_by="updated_at").json()
        ]
        for page in (1, 2)
    )
    assert first == truth[:10]
    assert second == [*truth[7:10], *truth[10:20]]


def test_values_and_fields_are_taken_away(made: Client):
    made.admin("attach", ids=[1], where="description")
    good = made.get("tickets/1", include="conversations,requester").json()
    null = one(made, "null", include="conversations,requester").json()
    assert set(null) == set(good)
    assert {null[name] for name in ("description", "subject", "requester", "type")} == {None}
    assert null["attachments"][0] | {"attachment_url": ""} == {
        **good["attachments"][0], "attachment_url": "", "name": None, "size": None, "content_type": None,
    }  # fmt: skip
    assert {message["body"] for message in null["conversations"]} == {None}
    absent = one(made, "absent", include="conversations,requester").json()
    assert not {"description", "subject", "requester", "tags"} & set(absent)
    assert {"id", "status", "created_at", "updated_at", "conversations"} <= set(absent)
    assert not {"name", "size"} & set(absent["attachments"][0])


def test_an_old_account_has_other_fields(made: Client):
    made.admin("attach", ids=[1], where="description")
    made.admin("options", old=True)
    row = made.get("tickets", updated_since=ALL).json()[0]
    assert row["description"]
    assert "nr_due_by" not in row
    (file,) = made.get("tickets/1").json()["attachments"]
    assert file["file_size"] > 500
    assert not {"name", "size"} & set(file)
    assert "source_additional_info" not in made.get("tickets/1/conversations", per_page=1).json()[0]


def test_only_some_tickets_or_addresses_can_fail(made: Client):
    made.admin("faults", rate=1, kinds=["500"], ids=[3, 5])
    codes = {number: made.get(f"tickets/{number}/conversations").status_code for number in range(1, 7)}
    assert codes == {1: 200, 2: 200, 3: 500, 4: 200, 5: 500, 6: 200}
    assert made.get("tickets/3").status_code == 500
    assert made.get("tickets", updated_since=ALL).status_code == 200
    made.admin("faults", rate=1, kinds=["500"], on=["ticket_fields", "conversations"])
    assert made.get("ticket_fields").status_code == 500
    assert made.get("tickets/3/conversations").status_code == 500
    assert made.get("tickets/3").status_code == 200


def test_a_clock_that_is_wrong(made: Client):
    def off(answer: requests.Response) -> float:
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()

    assert abs(off(made.get("tickets/1"))) < 3
    made.admin("options", skew=-7200)
    assert abs(off(made.get("tickets/1")) + 7200) < 3
    made.admin("reset")
    assert abs(off(made.get("tickets/1"))) < 3


@pytest.mark.parametrize("kind", ["502", "storm", "empty", "204", *(kind for kind in SPOILED if kind != "old")])
def test_zendesk_fails_in_the_same_ways(made: Client, kind: str):
    auth = (f"{made.sandbox.user('made')}/token", made.sandbox.key("made"))
    address = f"{made.sandbox.url('made', 'zendesk')}/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=3"
    good = made.session.get(address, auth=auth, timeout=10)
    made.admin("faults", rate=1, kinds=[kind])
    bad = [made.session.get(address, auth=auth, timeout=10) for _ in range(2)][1]
    assert (bad.status_code, bad.headers["content-type"] if bad.content else "", bad.content) != (
        good.status_code,
        good.headers["content-type"],
        good.content,
    )


def test_what_is_drawn_without_kinds_is_as_it_was():
    assert Faults().kinds == ("500", "503", "reset", "cut", "html", "429", "slow")
    assert len(KINDS) == len(set(KINDS)) == 21
