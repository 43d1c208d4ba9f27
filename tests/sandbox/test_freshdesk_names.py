"""What an account has made its own, who its people are, and what a key or a plan does not let a client see."""

import pytest

from sandbox.serve import Sandbox
from tests.sandbox.conftest import ALL, Client


def test_an_account_is_plain_unless_it_is_asked_otherwise(made: Client):
    truth = made.admin("truth")["tickets"]
    assert {ticket["status"] for ticket in truth} <= {2, 3, 4, 5, 6, 7}
    assert not any(ticket["custom_fields"] for ticket in truth)
    assert all(field["default"] for field in made.get("ticket_fields").json())


def test_custom_statuses_and_fields_have_numbers_names_and_labels(made: Client):
    before = {ticket["id"]: ticket for ticket in made.admin("truth")["tickets"]}
    made.admin("options", custom=True)
    after = {ticket["id"]: ticket for ticket in made.admin("truth")["tickets"]}
    fields = {field["name"]: field for field in made.get("ticket_fields").json()}
    own = {ticket["status"] for ticket in after.values()} - {2, 3, 4, 5, 6, 7}
    assert own == {8, 9, 12}
    assert {int(number) for number in fields["status"]["choices"]} >= {ticket["status"] for ticket in after.values()}
    assert fields["status"]["choices"]["8"] == ["With Engineering", "Being Processed"]
    names = set(fields) | {level["name"] for level in fields["cf_area"]["nested_ticket_fields"]}
    assert (fields["cf_contract"]["label"], fields["cf_contract"]["default"]) == ("Contract", False)
    seen = set[str]()
    for number, ticket in after.items():
        assert ticket["updated_at"] == before[number]["updated_at"]
        values = {name: value for name, value in ticket["custom_fields"].items() if value is not None}
        assert set(ticket["custom_fields"]) <= names
        assert values.get("cf_contract") in (None, *fields["cf_contract"]["choices"])
        if "cf_area_3" in values:
            assert values["cf_area_3"] in fields["cf_area"]["choices"][values["cf_area"]][values["cf_area_2"]]
        seen |= set(values)
    assert seen >= {"cf_contract", "cf_affected", "cf_reproduced", "cf_due_day", "cf_area_3"}
    assert made.put("tickets/1", {"status": 12}).status_code == 200


def test_what_one_account_made_its_own_no_other_has_nor_the_same_one_after_a_reset(made: Client):
    def statuses() -> set[str]:
        (field,) = made.get("ticket_fields", type="default_status").json()
        return set(field["choices"])

    plain = statuses()
    made.admin("options", custom=True)
    assert statuses() > plain
    made.admin("reset")
    assert statuses() == plain


def test_a_sandbox_can_begin_with_them():
    with Sandbox(["hanbit"], custom=True) as sandbox:
        client = Client(sandbox, "hanbit")
        choices = client.get("ticket_fields", type="default_status").json()[0]["choices"]
        assert choices["8"] == ["개발팀 확인 중", "처리 중"]
        rows = client.get("tickets", updated_since=ALL, per_page=100).json()
        assert any(row["custom_fields"]["cf_error_code"] for row in rows)
        assert {row["status"] for row in rows} & {8, 9}
        assert client.get("settings/helpdesk").json() == {
            "primary_language": "ko",
            "supported_languages": ["en"],
            "portal_languages": ["en"],
        }
        client.session.close()


def test_every_requester_is_a_contact(made: Client):
    requesters = {ticket["requester_id"] for ticket in made.admin("truth")["tickets"]}
    found = set[int]()
    answer = made.get("contacts", per_page=50)
    while True:
        found |= {contact["id"] for contact in answer.json()}
        if "next" not in answer.links:
            break
        answer = made.session.get(answer.links["next"]["url"], timeout=10)
    assert found == requesters
    one = made.get(f"contacts/{min(found)}").json()
    assert one["email"].endswith("@example.com")
    (new,) = made.admin("create", count=1, seed=4)["ids"]
    assert made.get(f"contacts/{made.get(f'tickets/{new}').json()['requester_id']}").status_code == 200


@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("ticket_fields", "ticket_fields"),
        ("agents", "agents"),
        ("contacts", "contacts"),
        ("conversations", "tickets/1/conversations"),
        ("satisfaction_ratings", "surveys/satisfaction_ratings"),
        ("satisfaction_ratings", "tickets/1/satisfaction_ratings"),
        ("solutions", "solutions/categories"),
        ("settings", "settings/helpdesk"),
    ],
)
def test_one_kind_of_address_can_be_denied_or_missing(made: Client, family: str, path: str):
    made.admin("options", denied=[family])
    refused = made.get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "access_denied")
    for other in ("tickets/1", "agents/me"):
        assert made.get(other).status_code == 200
    made.admin("options", denied=False, missing=[family])
    refused = made.get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "require_feature")
    made.admin("options", missing={family: 404})
    assert made.get(path).status_code == 404
    made.admin("options", missing=[])
    assert made.admin("options")["missing"] == {}


def test_wrong_rights_are_named(made: Client):
    with pytest.raises(ValueError, match="403 or 404, not 500"):
        made.admin("options", missing={"solutions": 500})


def test_zendesk_knows_the_same_rights_and_names(made: Client):
    made.admin("options", custom=True)
    base = f"{made.sandbox.url('made', 'zendesk')}/api/v2"
    auth = (f"{made.sandbox.user('made')}/token", made.sandbox.key("made"))

    def get(path: str) -> tuple[int, dict[str, object]]:
        answer = made.session.get(f"{base}/{path}", auth=auth, timeout=10)
        return answer.status_code, answer.json()

    statuses = {one["id"]: one for one in get("custom_statuses.json")[1]["custom_statuses"]}  # type: ignore[union-attr]
    tickets = get("incremental/tickets/cursor.json?start_time=0")[1]["tickets"]
    for ticket in tickets:  # type: ignore[union-attr]
        assert statuses[ticket["custom_status_id"]]["status_category"] == ticket["status"].replace("closed", "solved")
    titles = {one["title"] for one in get("ticket_fields.json")[1]["ticket_fields"]}  # type: ignore[union-attr]
    assert {"Contract", "Error code", "Area", "Function"} <= titles
    made.admin("options", denied=["users", "help_center"])
    assert (get("users.json")[0], get("help_center/articles.json")[0]) == (403, 403)
    assert (get("users/me.json")[0], get("tickets/1/comments.json")[0]) == (200, 200)
    made.admin("options", denied=False, missing={"help_center": 404})
    assert get("help_center/articles.json")[0] == 404
