"""``casebook migrate``, the command: what it prints and refuses, and that the system goes on where it was afterwards.

Belongs here: words, exit codes, and a synced company on the other side. Does not belong here: whether every row arrives
(``tests/resources/storage/test_migrate``).
"""

from typing import Any

import pytest

from query.search import Searcher
from resources.companies import Companies
from resources.settings import Settings
from tests.homes import Home, casebook, done


def test_a_synced_company_goes_on_in_postgres_as_if_nothing_was(
    synced: Home, postgres: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = "password reset does not work"
    before, files = hits(question), published(synced)
    assert before
    assert any("/index/" in name for name in files)
    assert any(name.startswith("published/") for name in files)
    said = done("migrate", "--to", postgres.storage, "--json")
    assert said.err == ""  # no bar without a terminal
    result = said.json
    assert result["ok"]
    assert result["companies"]["made"]["raw_tickets"] == result["companies"]["made"]["merged_tickets"] > 0
    assert "app_user" not in said.out  # nor its password

    monkeypatch.setenv("CASEBOOK_STORAGE", postgres.storage)
    assert hits(question) == before
    outcome = done("sync", "made", "--json").json
    assert outcome["ok"]
    assert {name: counts["changed"] for name, counts in outcome["assets"].items() if counts["changed"]} == {}
    assert outcome["paid"]["calls"] == 0
    assert hits(question) == before
    assert done("audit", "--json").json["audit"][-1]["action"] == "company added"

    assert published(synced) == files  # index and Parquet go on, and are not filled anew

    monkeypatch.delenv("CASEBOOK_STORAGE")
    again = done("migrate", "--to", postgres.storage, "--json").json
    assert (again["ok"], again["copied"]) == (True, {})  # the idle sync wrote nothing


def published(home: Home) -> dict[str, str]:
    """What follows the store by its numbers."""
    return {name: digest for name, digest in home.files().items() if "/index/" in name or name.startswith("published/")}


def hits(question: str) -> list[Any]:
    """Asked as ``--batch`` asks: a question that is kept is a write, and a store that was written to is moved again."""
    companies = Companies(Settings())
    return Searcher(companies, companies.get("made")).search(question).hits


def test_it_says_what_to_do_next(synced: Home, postgres: Settings) -> None:
    said = done("migrate", "--to", postgres.storage)
    assert "Now set CASEBOOK_STORAGE to the address given as --to" in said.out
    assert postgres.storage not in said.out
    assert "same storage" in casebook("migrate", "--to", "file").err
    assert "the target is not empty" in casebook("migrate", "--from", postgres.storage, "--to", "file").err


def test_a_wrong_address_is_said_by_the_name_of_its_option(home: Home) -> None:
    said = casebook("migrate", "--to", "mysql://root:secret@nowhere/x")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("Error: --to is no address of a storage.")
    assert "secret" not in said.err
    assert casebook("migrate", "--to", "file", "--from", "nonsense").err.startswith("Error: --from is no address")
