"""A company on Zendesk through the whole system, beside the same company on Freshdesk."""

from typing import Any

from sandbox.serve import Sandbox
from tests.homes import Home, casebook, done

ZENDESK = "made-too"


def add(helpdesk: Sandbox, user: str, *words: str) -> tuple[str, ...]:
    url = helpdesk.url("made", "zendesk")
    return ("company", "add", ZENDESK, "--platform", "zendesk", "--url", url, "--user", user, "--key-stdin", *words)


def merged(home: Home, id: str) -> dict[str, Any]:
    """The merged documents without what is the platform's own."""
    documents = {doc_id: dict(row[3]) for doc_id, row in home.rows(id)["merged_tickets"].items()}
    for document in documents.values():
        del document["url"], document["product"]
        document["type"] = document["type"].lower().replace("feature request", "task")
        for rating in document["satisfaction"]:
            del rating["created_at"]  # a ticket of Zendesk's does not tell
    return documents


def passages(home: Home, id: str) -> dict[str, Any]:
    """What of the knowledge base is searched, without addresses."""
    rows = home.rows(id)["kb_passages"].items()
    return {doc_id: (row[3]["title"], row[3]["path"], row[3]["passages"]) for doc_id, row in rows}


def test_the_same_company_over_zendesk(helpdesk: Sandbox, synced: Home) -> None:
    user, key = helpdesk.user("made"), helpdesk.key("made")
    said = done(*add(helpdesk, user, "--set", "embedding_model=use-multi", "--json"), stdin=key).json
    assert (said["platform"], said["first_sync"]["exact"]) == ("zendesk", False)
    first = done("sync", ZENDESK, "--json").json
    assert first["ok"]
    assert merged(synced, ZENDESK) == merged(synced, "made")
    assert len(synced.points(ZENDESK)) == len(synced.points("made")) > 50
    assert passages(synced, ZENDESK) == passages(synced, "made")
    assert len(passages(synced, ZENDESK)) == 6  # of twelve articles three are drafts and three for agents
    assert len(synced.rows(ZENDESK)["raw_kb"]) == 12

    helpdesk.admin("made", "edit", count=5, seed=1, what="reply")
    helpdesk.admin("made", "delete", count=4, seed=2)
    helpdesk.admin("made", "clock", advance=60)
    assert done("sync", ZENDESK, "--json").json["assets"]["raw_tickets"]["removed"] == 4
    done("sync", "made")
    assert merged(synced, ZENDESK) == merged(synced, "made")
    assert len(synced.points(ZENDESK)) == len(synced.points("made"))

    before = synced.tops(ZENDESK)
    again = done("sync", ZENDESK, "--json").json
    # One for tickets, one for articles; where midnight just passed, these are all listed.
    assert again["requests"] in (2, 1 + 6)
    assert [again["assets"][name]["changed"] for name in ("raw_tickets", "raw_kb")] == [0, 0]
    assert synced.tops(ZENDESK) == before
    found = done("search", ZENDESK, "invoice export", "--json").json
    assert found["hits"][0]["url"].startswith(f"{helpdesk.url('made', 'zendesk')}/agent/tickets/")


def test_a_company_on_zendesk_is_refused_what_cannot_work(helpdesk: Sandbox, home: Home) -> None:
    helpdesk.admin("made", "reset")
    user, key = helpdesk.user("made"), helpdesk.key("made")
    for words, reason in (
        (add(helpdesk, "nobody@example.com"), "refused the key"),
        (add(helpdesk, "no address"), "bad value for helpdesk_user"),
        (add(helpdesk, user)[:-1], "an API key is needed"),
        (
            ("company", "add", "x1", "--platform", "freshdesk", "--url", helpdesk.url("made"), "--user", user),
            "--user is for",
        ),
    ):
        said = casebook(*words, stdin=key)
        assert said.code != 0
        assert reason in said.err
    assert home.companies.list() == []
    done(*add(helpdesk, user), stdin=key)
    refused = casebook("company", "set", ZENDESK, "--user", "nobody@example.com")
    assert (refused.code, "refused the key" in refused.err) == (2, True)
    assert home.company(ZENDESK).setting("helpdesk_user") == user
    agent = user.replace("agent1", "agent2")
    assert agent in done("company", "set", ZENDESK, "--user", agent).out
    assert done("company", "check", ZENDESK, "--json").json["ok"]
