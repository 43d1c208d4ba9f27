"""Solutions: folders in folders, articles with languages and states, found page by page, changed by the admin."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox import corpus, solutions
from sandbox.serve import Sandbox
from tests.sandbox.conftest import Client

Json = dict[str, Any]


@pytest.fixture(params=["hanbit", "acme"])
def company(samples: Sandbox, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(samples, request.param)
    yield client
    client.session.close()


def pages(client: Client, path: str, per_page: int = 2) -> list[Json]:
    """All pages of a list, by its links."""
    answer = client.get(path, per_page=per_page)
    found: list[Json] = []
    while True:
        assert answer.status_code == 200, answer.text
        found += answer.json()
        if "next" not in answer.links:
            return found
        answer = client.session.get(answer.links["next"]["url"], timeout=10)


def walk(client: Client, language: str = "") -> list[Json]:
    """Every article, found as a client would: categories, folders, subfolders, articles."""
    found: list[Json] = []

    def below(folders: list[Json]) -> None:
        for folder in folders:
            articles = pages(client, f"solutions/folders/{folder['id']}/articles{language}")
            if not language:
                assert len(articles) == folder["articles_count"]
            found.extend(articles)
            inner = pages(client, f"solutions/folders/{folder['id']}/subfolders{language}")
            assert len(inner) == folder["sub_folders_count"]
            assert {one["parent_folder_id"] for one in inner} <= {folder["id"]}
            below(inner)

    for category in pages(client, "solutions/categories"):
        below(pages(client, f"solutions/categories/{category['id']}/folders"))
    return found


def test_a_walk_finds_every_article_and_its_translations(company: Client):
    truth = company.admin("truth")["articles"]
    own = company.get("settings/helpdesk").json()["primary_language"]
    for language in ("ko", "en"):
        found = walk(company, "" if language == own else f"/{language}")
        expected = {one["id"]: one for one in truth if one["language"] == language}
        assert sorted(one["id"] for one in found) == sorted(expected)
        for one in found:
            told = {name: value for name, value in expected[one["id"]].items() if name not in ("language", "public")}
            assert one | {"attachments": []} == told | {"attachments": []}
    assert 12 <= len({one["id"] for one in truth}) <= 20


def test_there_is_every_kind_of_article(company: Client):
    truth = company.admin("truth")["articles"]
    assert {one["status"] for one in truth} == {1, 2}
    assert {one["type"] for one in truth} == {1, 2}
    assert {one["folder_visibility"] for one in truth} == {1, 2, 3, 4}
    assert max(len(one["hierarchy"]) for one in truth) == 4  # a category, a folder, and two levels below
    assert {one["public"] for one in truth} == {True, False}
    assert not any(one["public"] for one in truth if one["status"] == 1 or one["folder_visibility"] != 1)
    for mark in ("<h2>", "<ol>", "<ul>", "<table>"):
        assert any(mark in one["description"] for one in truth)
    assert not any("<" in one["description_text"] for one in truth)
    assert any(one["attachments"] for one in truth)
    restricted = [one for one in company.admin("truth")["articles"] if one["folder_visibility"] == 4]
    folder = company.get(f"solutions/folders/{restricted[0]['folder_id']}").json()
    assert folder["company_ids"]


def test_what_is_not_there_or_not_translated_is_not_found(company: Client):
    truth = company.admin("truth")["articles"]
    own = company.get("settings/helpdesk").json()["primary_language"]
    other = "en" if own == "ko" else "ko"
    translated = {one["id"] for one in truth if one["language"] == other}
    alone = next(one["id"] for one in truth if one["id"] not in translated)
    there = min(translated)
    assert (
        company.get(f"solutions/articles/{there}/{other}").json()["title"]
        != (company.get(f"solutions/articles/{there}").json()["title"])
    )
    assert company.get(f"solutions/articles/{there}/{own}").json()["id"] == there
    for path in (
        f"articles/{alone}/{other}",
        f"articles/{there}/fr",
        "articles/1",
        "folders/1",
        "folders/1/articles",
        "categories/1/folders",
        "nothing",
    ):
        assert company.get(f"solutions/{path}").status_code == 404, path


def test_a_search_finds_by_its_term(samples: Sandbox):
    client = Client(samples, "hanbit")
    assert [one["title"] for one in client.get("search/solutions", term="E-4012").json()] == [
        "OTP 인증번호가 맞지 않을 때 (E-4012)"
    ]
    client.session.close()


def articles(client: Client) -> dict[int, Json]:
    return {one["id"]: one for one in client.admin("truth")["articles"]}


def test_the_admin_changes_articles(made: Client):
    before = articles(made)
    (edited,) = made.admin("articles", do="edit", count=1, seed=2)["ids"]
    changed = made.get(f"solutions/articles/{edited}").json()
    assert changed["updated_at"] > before[edited]["updated_at"]
    assert changed["description"].startswith(before[edited]["description"])
    assert changed["description_text"] != before[edited]["description_text"]
    made.admin("articles", do="edit", ids=[edited], title="Anew", description="<p>One &amp; two</p>")
    assert articles(made)[edited]["description_text"] == "One & two"
    public = next(number for number, one in before.items() if one["public"])
    made.admin("articles", do="draft", ids=[public])
    assert (articles(made)[public]["status"], articles(made)[public]["public"]) == (1, False)
    made.admin("articles", do="publish", ids=[public])
    assert articles(made)[public]["public"] is True
    made.admin("articles", do="delete", ids=[public])
    assert made.get(f"solutions/articles/{public}").status_code == 404
    new = made.admin("articles", do="create", count=3)["ids"]
    assert set(articles(made)) == (set(before) - {public}) | set(new)
    folder = articles(made)[new[0]]["folder_id"]
    times = {number: one["updated_at"] for number, one in articles(made).items()}
    hidden = made.admin("articles", do="visibility", folder=folder, visibility=3)["ids"]
    assert set(new) <= set(hidden)
    after = articles(made)
    assert not any(after[number]["public"] for number in hidden)
    assert {number: one["updated_at"] for number, one in after.items()} == times
    other = next(one["folder_id"] for one in after.values() if one["folder_id"] != folder)
    made.admin("articles", do="move", ids=new, folder=other)
    assert {articles(made)[number]["folder_id"] for number in new} == {other}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"do": "paint"}, "do is one of create"),
        ({"do": "edit", "ids": [5]}, "no article 5"),
        ({"do": "edit", "ids": [], "colour": 1}, "no colour"),
        ({"do": "visibility", "folder": 1, "visibility": 2}, "id of a folder"),
        ({"do": "move", "ids": [], "folder": 1}, "id of a folder"),
    ],
)
def test_a_wrong_change_says_why(made: Client, given: Json, reason: str):
    with pytest.raises(ValueError, match=reason):
        made.admin("articles", **given)


@pytest.mark.parametrize("name", corpus.names())
def test_the_authors_wrote_every_body_and_nothing_that_is_not_used(name: str):
    folder = corpus.COMPANIES / name / "solutions"
    tree = solutions.read(folder)
    filled = solutions.Solutions("ko" if name == "hanbit" else "en", 1, [2])
    filled.fill(tree)
    written = {file.name for file in folder.glob("*.html")}
    assert len(written) == sum(len(own) for own in filled.articles.values())
    assert all(one["description"].strip() for own in filled.articles.values() for one in own.values())
    times = [one["updated_at"] for own in filled.articles.values() for one in own.values()]
    assert max(times) < corpus.stamp(corpus.PRESENT)
