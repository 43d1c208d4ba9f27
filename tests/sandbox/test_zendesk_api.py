"""The stand-in for Zendesk answers as Zendesk documents it: exports, comments, people, limits, refusals."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.serve import Sandbox

COUNT = 250


class Client:
    """A bare ``requests`` client of one account."""

    def __init__(self, sandbox: Sandbox, company: str) -> None:
        self.sandbox, self.company = sandbox, company
        self.session = requests.Session()
        self.session.auth = (f"{sandbox.user(company)}/token", sandbox.key(company))
        self.base = f"{sandbox.url(company, 'zendesk')}/api/v2"

    def get(self, path: str, **parameters: Any) -> requests.Response:
        return self.session.get(f"{self.base}/{path}", params=parameters, timeout=10)

    def json(self, path: str, **parameters: Any) -> Any:
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin(self.company, action, **given)

    def export(self, **parameters: Any) -> tuple[list[Any], str]:
        """All tickets of an export by cursor, and its last cursor."""
        tickets: list[Any] = []
        while True:
            page = self.json("incremental/tickets/cursor.json", **parameters)
            tickets += page["tickets"]
            parameters = {"cursor": page["after_cursor"]} | {
                name: parameters[name] for name in ("per_page", "include") if name in parameters
            }
            if page["end_of_stream"]:
                return tickets, page["after_cursor"]


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(["acme"], generated={"made": COUNT}) as sandbox:
        yield sandbox


@pytest.fixture
def made(running: Sandbox) -> Iterator[Client]:
    client = Client(running, "made")
    client.admin("plan", name="none")
    client.admin("reset")
    yield client
    client.session.close()


def test_an_export_shows_every_ticket_once_in_the_order_of_moves(made: Client):
    tickets, cursor = made.export(start_time=0, per_page=40)
    assert sorted(one["id"] for one in tickets) == list(range(1, COUNT + 1))
    moves = [(one["generated_timestamp"], one["id"]) for one in tickets]
    assert moves == sorted(moves)
    again = made.json("incremental/tickets/cursor.json", cursor=cursor)
    assert (again["tickets"], again["end_of_stream"], again["after_cursor"]) == ([], True, cursor)


def test_what_moved_in_the_last_minute_is_held_back(made: Client):
    _, cursor = made.export(start_time=0)
    edited = made.admin("edit", count=3)["ids"]
    assert made.export(cursor=cursor) == ([], cursor)
    made.admin("clock", advance=60)
    tickets, _ = made.export(cursor=cursor)
    assert sorted(one["id"] for one in tickets) == edited


def test_a_start_must_be_a_minute_old(made: Client):
    refused = made.get("incremental/tickets/cursor.json", start_time=4_000_000_000)
    assert (refused.status_code, refused.json()["error"]) == (400, "StartTimeTooRecent")
    assert made.get("incremental/tickets/cursor.json").status_code == 400
    assert made.get("incremental/tickets/cursor.json", cursor="nonsense").status_code == 400


def test_deleted_and_archived_tickets_are_in_the_export_alone(made: Client):
    made.admin("delete", ids=[1], touch=False)
    made.admin("spam", ids=[2])
    made.admin("archive", ids=[3])
    made.admin("hard_delete", ids=[4])
    made.admin("clock", advance=60)
    tickets, _ = made.export(start_time=0)
    statuses = {one["id"]: one["status"] for one in tickets}
    assert (statuses[1], statuses[2], 4 in statuses) == ("deleted", "deleted", False)
    assert statuses[3] in ("open", "pending", "solved", "closed")
    assert len(made.export(start_time=0, exclude_deleted="true")[0]) == COUNT - 3
    assert {one["id"] for one in made.json("tickets.json", per_page=5)["tickets"]} == {5, 6, 7, 8, 9}
    assert made.json("tickets/count.json")["count"]["value"] == COUNT - 4
    assert [made.get(f"tickets/{number}.json").status_code for number in (1, 2, 3, 4)] == [404, 404, 200, 404]
    assert [made.get(f"tickets/{number}/comments.json").status_code for number in (1, 3)] == [404, 200]
    assert [one["id"] for one in made.json("deleted_tickets.json")["deleted_tickets"]] == [1, 2]
    made.admin("restore", ids=[1], touch=False)
    made.admin("clock", advance=60)
    assert made.export(start_time=0)[0][-1]["id"] == 1


def test_the_older_export_by_time_repeats_the_last_second(made: Client):
    made.admin("same_time", count=20)
    made.admin("clock", advance=60)
    start, seen, end = 0, list[int](), False
    while not end:
        page = made.json("incremental/tickets.json", start_time=start, per_page=30)
        seen += [one["id"] for one in page["tickets"]]
        start, end = page["end_time"], page["end_of_stream"]
    assert len(seen) > len(set(seen)) == COUNT


def test_sideloads(made: Client):
    page = made.json("incremental/tickets/cursor.json", start_time=0, per_page=50, include="users,metric_sets,groups")
    people = {user["id"]: user for user in page["users"]}
    for ticket in page["tickets"]:
        assert people[ticket["requester_id"]]["role"] == "end-user"
        assert people[ticket["assignee_id"]]["role"] in ("agent", "admin")
        assert bool(ticket["metric_set"]["solved_at"]) == (ticket["status"] in ("solved", "closed"))
    assert page["groups"]
    assert "users" not in made.json("incremental/tickets/cursor.json", start_time=0)


def test_comments_are_the_whole_thread_with_the_description_first(made: Client):
    truth = {one["id"]: one for one in made.admin("truth")["tickets"]}
    for number in range(1, 40):
        page = made.json(f"tickets/{number}/comments.json", include="users", **{"page[size]": 100})
        comments, ticket = page["comments"], truth[number]
        assert comments[0]["plain_body"] == ticket["description_text"]
        assert [one["id"] for one in comments[1:]] == [one["id"] for one in ticket["conversations"]]
        assert [one["public"] for one in comments[1:]] == [not one["private"] for one in ticket["conversations"]]
        assert {one["author_id"] for one in comments} == {user["id"] for user in page["users"]}


def test_comments_by_cursor(made: Client):
    for _ in range(7):
        made.admin("edit", ids=[9], what="reply")
    whole = made.json("tickets/9/comments.json")["comments"]
    page, found = made.json("tickets/9/comments.json", **{"page[size]": 3}), list[Any]()
    while True:
        found += page["comments"]
        if not page["meta"]["has_more"]:
            break
        page = made.session.get(page["links"]["next"], timeout=10).json()
    assert found == whole
    assert len(whole) >= 8
    backwards = made.json("tickets/9/comments.json", sort="-created_at", **{"page[size]": 100})["comments"]
    assert backwards == whole[::-1]


def test_people_and_names(made: Client):
    me = made.json("users/me.json")["user"]
    assert (me["role"], me["email"]) == ("admin", made.sandbox.user("made"))
    users = made.json("users.json")
    assert users["count"] > 40
    ids = [user["id"] for user in users["users"][:3]]
    shown = made.json("users/show_many.json", ids=",".join(map(str, ids)))
    assert [user["id"] for user in shown["users"]] == ids
    exported = made.json("incremental/users/cursor.json", start_time=0, per_page=10)
    assert (len(exported["users"]), exported["end_of_stream"]) == (10, False)
    names = {one["id"]: one for one in made.json("custom_statuses.json")["custom_statuses"]}
    for ticket in made.export(start_time=0)[0]:
        assert names[ticket["custom_status_id"]]["status_category"] == ticket["status"].replace("closed", "solved")
    assert {one["type"] for one in made.json("ticket_fields.json")["ticket_fields"]} >= {"subject", "custom_status"}
    assert made.json("satisfaction_ratings.json")["satisfaction_ratings"]
    assert len(made.json("brands.json")["brands"]) == 4
    assert made.json("groups.json")["count"] == 1


def test_an_export_has_a_limit_of_its_own(made: Client):
    made.admin("plan", name="zendesk-team", minute_seconds=60)
    answers = [made.get("incremental/tickets/cursor.json", start_time=0, per_page=1) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert 50 < int(answers[-1].headers["Retry-After"]) <= 60
    other = made.get("users/me.json")
    assert (other.status_code, other.headers["X-Rate-Limit"], other.headers["ratelimit-remaining"]) == (
        200,
        "200",
        "189",
    )
    assert 50 < int(other.headers["ratelimit-reset"]) <= 60


def test_who_may_ask(made: Client):
    url = f"{made.base}/users/me.json"
    bearer = requests.get(url, headers={"Authorization": "Bearer made-key"}, timeout=10)
    assert bearer.status_code == 200
    for auth in (
        ("made-key", "X"),
        ("agent1@made.example.com", "made-key"),
        ("nobody@made.example.com/token", "made-key"),
    ):
        assert requests.get(url, auth=auth, timeout=10).status_code == 401
    made.admin("options", denied=True)
    assert made.get("users/me.json").status_code == 403
    made.admin("options", denied=False)


def test_a_help_center_with_drafts_and_articles_for_agents(made: Client):
    page = made.json("help_center/incremental/articles.json", start_time=0, per_page=5)
    articles = {one["id"]: one for one in page["articles"]}
    while page["next_page"]:
        page = made.session.get(f"{page['next_page']}&per_page=5", timeout=10).json()
        articles |= {one["id"]: one for one in page["articles"]}
    assert len(articles) == 12
    assert sum(one["draft"] for one in articles.values()) == 3
    assert sum(one["user_segment_id"] is not None for one in articles.values()) == 3
    sections = made.json("help_center/en-us/sections.json")["sections"]
    assert {one["section_id"] for one in articles.values()} == {one["id"] for one in sections}
    spoken = [len(made.json(f"help_center/articles/{number}/translations.json")["translations"]) for number in articles]
    assert set(spoken) == {1}  # the authors' companies have translations
    assert made.json("help_center/ko/articles.json")["articles"] == []
    assert made.json("help_center/locales.json") == {"locales": ["en-us", "ko"], "default_locale": "en-us"}
    seen = {one["id"]: one["user_type"] for one in made.json("help_center/user_segments.json")["user_segments"]}
    assert {seen[one["user_segment_id"]] for one in articles.values() if one["user_segment_id"]} == {"staff"}
    made.admin("articles", do="edit", ids=[min(articles)])
    after = made.json("help_center/incremental/articles.json", start_time=0)["articles"][-1]
    assert (after["id"], after["body"] != articles[after["id"]]["body"]) == (min(articles), True)
    for seen, status in (("denied", 403), ("none", 404)):
        made.admin("options", help_center=seen)
        assert made.get("help_center/articles.json").status_code == status
        assert made.get("tickets/1.json").status_code == 200
    with pytest.raises(ValueError, match="help_center is one of"):
        made.admin("options", help_center="open?")


def test_churn_and_faults_reach_it(made: Client):
    made.admin("churn", edit_every=1, count=5, limit=5)
    tickets, cursor = made.export(start_time=0)
    made.admin("clock", advance=60)
    later, _ = made.export(cursor=cursor)
    assert {one["id"] for one in later} <= {one["id"] for one in tickets}
    assert len(later) == 5
    made.admin("faults", rate=1, kinds=["500"])
    assert made.get("users/me.json").status_code == 500
    made.admin("faults", rate=1, kinds=["429"])
    assert made.get("users/me.json").headers["Retry-After"] == "1"


def test_pictures_have_addresses_that_stay(running: Sandbox):
    client = Client(running, "acme")
    truth = client.admin("truth")["tickets"]
    pictured = next(one["id"] for one in truth if "/inline/" in one["description"])
    first, second = (client.json(f"tickets/{pictured}/comments.json")["comments"][0] for _ in range(2))
    assert "/inline/" in first["html_body"]
    assert first["html_body"] == second["html_body"]
    assert [file["content_url"] for file in first["attachments"]] != [
        file["content_url"] for file in second["attachments"]
    ]
    client.session.close()


def test_nobody_lives_at_other_addresses(made: Client):
    assert made.get("nothing.json").json() == {"error": {"title": "InvalidEndpoint", "message": "Not found"}}
    assert (
        requests.get(f"http://127.0.0.1:{made.sandbox.port}/zendesk/none/api/v2/users/me.json", timeout=10).status_code
        == 404
    )
    assert made.get("tickets/99999.json").json()["error"] == "RecordNotFound"
    assert made.get("tickets.json", page=101).status_code == 400
