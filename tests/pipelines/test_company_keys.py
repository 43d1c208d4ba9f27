"""Keys by the command line: given in each way, changed, and the master key rotated; what is refused, and killed."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.request import Request, urlopen

import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet
from moto.server import ThreadedMotoServer

from domain.company import Company, company_id
from resources import audit, key_rotation, secrets
from resources import companies as registry
from resources.companies import Companies
from resources.key_rotation import rotate_master_key
from resources.settings import Settings
from resources.storage.schema import company_secrets
from sandbox.serve import Sandbox
from tests.homes import Home, Said, casebook, done
from tests.processes import Child

KEY = "made-key"


def refused(*words: str, stdin: str = "") -> str:
    said = casebook(*words, stdin=stdin)
    assert (said.code, said.out) == (2, ""), said
    assert said.err.count("\n") == 1
    return said.err.removeprefix("Error: ").strip()


@pytest.fixture
def account(helpdesk: Sandbox) -> Sandbox:
    helpdesk.admin("made", "reset")
    return helpdesk


@pytest.fixture
def made(home: Home, account: Sandbox, backend: Settings, monkeypatch: pytest.MonkeyPatch) -> Companies:
    """The company ``made`` with a sealed key, on each backend."""
    monkeypatch.setenv("CASEBOOK_HOME", str(backend.home))
    monkeypatch.setenv("CASEBOOK_STORAGE", backend.storage)
    add(account, "--key-stdin", stdin=KEY)
    return Companies(backend)


def add(account: Sandbox, *words: str, stdin: str = "") -> Said:
    return done(
        *("company", "add", "made", "--platform", "freshdesk", "--url", account.url("made"), *words), stdin=stdin
    )


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """AWS Secrets Manager on loopback; stores a secret's text under a name."""
    import boto3

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    urlopen(Request(f"http://127.0.0.1:{port}/moto-api/reset", method="POST")).close()
    for name, value in (
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{port}"),
        *(("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "key")),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(secrets, "_aws", secrets.AwsSecrets())
    with closing(boto3.client("secretsmanager", region_name="eu-west-1")) as client:
        names: set[str] = set()

        def put(name: str, text: str) -> None:
            if name in names:
                client.put_secret_value(SecretId=name, SecretString=text)
            else:
                client.create_secret(Name=name, SecretString=text)
            names.add(name)

        yield put
    server.stop()


def actions(companies: Companies) -> list[tuple[str, str]]:
    return [(line.action, line.detail) for line in reversed(audit.entries(companies.storage))]


# --- the three ways ---------------------------------------------------------------------------------------------------


def test_a_key_is_changed_in_every_way(
    made: Companies, account: Sandbox, aws: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stored() -> str:
        return made.stored_secret(made.get("made"))

    assert secrets.is_sealed(stored())
    account.admin("made", "options", key="second")
    assert refused("company", "check", "made").startswith("Freshdesk refused the key.")
    said = done("company", "set", "made", "--key-stdin", stdin="second\n").out
    assert said.startswith("made has another key now: ")
    assert done("company", "check", "made").out.startswith("OK made")

    account.admin("made", "options", key="third")
    monkeypatch.setenv("MADE_KEY", "third")
    done("company", "set", "made", "--key-env", "MADE_KEY")
    assert stored() == "env:MADE_KEY"
    assert done("company", "check", "made").out.startswith("OK made")

    account.admin("made", "options", key="fourth")
    aws("casebook/made", json.dumps({"freshdesk": "fourth"}))
    done("company", "set", "made", "--key-ref", "aws:casebook/made#freshdesk", "nightly_hour=4")
    assert stored() == "aws:casebook/made#freshdesk"
    assert done("company", "check", "made").out.startswith("OK made")
    assert made.get("made").setting("nightly_hour") == 4

    account.admin("made", "options", key="fifth")
    aws("casebook/made", json.dumps({"freshdesk": "fifth"}))
    assert made.secret(made.get("made")) == "fourth"  # kept for a while
    assert made.secret(made.get("made"), fresh=True) == "fifth"

    ways = [detail for action, detail in actions(made) if action == "key changed"]
    assert ways == ["sealed", "env:MADE_KEY", "aws:casebook/made#freshdesk"]
    assert all("made-key" not in detail and "second" not in detail for _, detail in actions(made))


def test_a_company_is_added_with_a_key_in_aws(home: Home, account: Sandbox, aws: Callable[[str, str], None]) -> None:
    aws("made", KEY)
    add(account, "--key-ref", "aws:made")
    assert home.companies.stored_secret(home.company("made")) == "aws:made"
    assert not (home.path / "master.key").exists()


@pytest.mark.parametrize("words", [("--key-stdin",), ("--key-env", "WRONG"), ("--key-ref", "env:WRONG")], ids=" ".join)
def test_a_key_that_the_helpdesk_refuses_is_not_stored(
    home: Home, account: Sandbox, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    add(account, "--key-stdin", stdin=KEY)
    monkeypatch.setenv("WRONG", "not-the-key")
    before = home.files()
    said = refused("company", "set", "made", *words, "nightly_hour=4", stdin="not-the-key")
    assert said.startswith("Freshdesk refused the key.")
    assert "not-the-key" not in said
    assert home.files() == before


BAD_KEYS = (
    (("--key-stdin", "--key-env", "SOME"), "an API key is needed, in one way. Say --key-env VARIABLE"),
    (("--key-stdin", "--key-ref", "aws:made"), "an API key is needed, in one way."),
    (("--key-env", "SOME", "--key-ref", "aws:made"), "an API key is needed, in one way."),
    (("--key-env", "NO_SUCH"), "no key for company 'made'. The environment variable NO_SUCH is not set."),
    (("--key-env", ""), "this is not the name of an environment variable."),
    (("--key-env", "s3cret!"), "this is not the name of an environment variable."),
    (("--key-ref", "s3cret!"), "this is not a reference to a key."),
    (("--key-ref", ""), "this is not a reference to a key."),
    (("--key-stdin",), "no key came on standard input."),
)


@pytest.mark.parametrize(("words", "why"), BAD_KEYS, ids=[" ".join(words) for words, _ in BAD_KEYS])
def test_a_key_that_is_given_badly_is_told_in_one_line(
    home: Home, account: Sandbox, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], why: str
) -> None:
    add(account, "--key-stdin", stdin=KEY)
    monkeypatch.setenv("SOME", KEY)
    before = home.files()
    said = refused("company", "set", "made", *words)
    assert said.startswith(why)
    assert "s3cret" not in said
    assert home.files() == before


def test_an_export_takes_no_key(home: Home, tmp_path: Path) -> None:
    (tmp_path / "tiny.csv").write_text("ticket_id,subject,description\n1,wifi,is gone\n")
    words = ("company", "add", "tiny", "--platform", "export", "--path", str(tmp_path / "tiny.csv"))
    assert refused(*words, "--key-stdin", stdin=KEY).startswith("company 'tiny' needs no key. Its platform is export.")
    done(*words)
    assert refused("company", "set", "tiny", "--key-stdin", stdin=KEY).startswith("company 'tiny' needs no key.")


def test_an_address_and_its_key_change_together(made: Companies, account: Sandbox) -> None:
    account.admin("made", "options", key="second")
    url = account.url("made").replace("127.0.0.1", "localhost")
    assert refused("company", "set", "made", "--url", url).startswith("Freshdesk refused the key.")
    assert made.get("made").endpoint == account.url("made")
    done("company", "set", "made", "--url", url, "--key-stdin", stdin="second")
    assert (made.get("made").endpoint, made.secret(made.get("made"))) == (url, "second")


# --- the master key ---------------------------------------------------------------------------------------------------


def register(companies: Companies, *names: str) -> list[Company]:
    """Companies with a sealed key each."""
    known = [Company(company_id(name), "freshdesk", f"https://{name}.example.com") for name in names]
    for company in known:
        companies.add(company, secrets.seal(companies.settings, f"key of {company.id}"))
    return known


def test_the_master_key_is_rotated(made: Companies) -> None:
    near = register(made, "near")[0]
    refers = Company(company_id("refers"), "freshdesk", "https://refers.example.com")
    made.add(refers, "env:REFERS")
    other = {"company_id": near.id, "name": "llm", "sealed": secrets.seal(made.settings, "another key")}
    with made.storage.registry(near.id) as db:
        db.execute(sa.insert(company_secrets), other)
    key_file = made.settings.root / "master.key"
    old, before = key_file.read_text(), made.stored_secret(near)
    assert done("company", "rotate-key").out.splitlines() == ["Sealed with the new master key: made, near.", ""]
    assert key_file.read_text() != old
    assert key_file.read_text().count("\n") == 1
    assert made.stored_secret(near) != before
    assert made.secret(near) == "key of near"
    assert secrets.open_secret(made.settings, made.stored_secrets(near)["llm"], near.id) == "another key"
    assert made.secret(made.get("made")) == KEY
    assert made.stored_secret(refers) == "env:REFERS"
    assert [action for action, _ in actions(made)].count("master key rotated") == 3
    assert done("company", "check", "made").out.startswith("OK made")


def test_a_key_of_the_environment_is_rotated_in_three_steps(made: Companies, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    monkeypatch.setenv("CASEBOOK_MASTER_KEY", old)
    done("company", "set", "made", "--key-stdin", stdin=KEY)
    stored = made.stored_secret(made.get("made"))
    said = refused("company", "rotate-key")
    assert said.startswith(
        "CASEBOOK_MASTER_KEY holds one key only. Nothing was changed. Set CASEBOOK_MASTER_KEY=NEW,OLD"
    )
    assert made.stored_secret(made.get("made")) == stored
    monkeypatch.setenv("CASEBOOK_MASTER_KEY", f"{new},{old}")
    for resealed in (["made"], []):
        said = done("company", "rotate-key", "--json").json
        assert (said["source"], said["resealed"], said["failed"]) == ("environment", resealed, {})
        assert "to NEW alone" in said["next"]
    monkeypatch.setenv("CASEBOOK_MASTER_KEY", new)
    assert done("company", "check", "made").out.startswith("OK made")


def test_without_a_sealed_key_there_is_nothing_to_rotate(home: Home) -> None:
    assert done("company", "rotate-key").out.startswith("No key is sealed")
    assert done("company", "rotate-key", "--json").json["source"] is None
    assert not (home.path / "master.key").exists()


def test_a_company_whose_key_cannot_be_opened_does_not_block_the_rest(made: Companies) -> None:
    lost = Company(company_id("lost"), "freshdesk", "https://lost.example.com")
    foreign = Fernet(Fernet.generate_key()).encrypt(b"a key").decode()
    made.add(lost, foreign)
    register(made, "near")
    said = casebook("company", "rotate-key")
    assert said.code == 1
    assert "made, near" in said.out
    assert "the key of company 'lost' cannot be opened" in said.err
    assert "near" not in said.err
    assert made.stored_secret(lost) == foreign
    assert (made.settings.root / "master.key").read_text().count("\n") == 1
    assert made.secret(made.get("near")) == "key of near"


def test_a_missing_master_key_is_told(made: Companies) -> None:
    (made.settings.root / "master.key").unlink()
    assert refused("company", "rotate-key").startswith("the master key is missing.")
    assert "'made' is sealed" in refused("company", "check", "made")
    assert not (made.settings.root / "master.key").exists()


def test_the_old_form_of_the_command_names_the_new_one(home: Home) -> None:
    for words in (("made", "--key-stdin"), ("made",), ("made", "--key-env", "MADE_KEY")):
        said = refused("company", "rotate-key", *words)
        assert said.endswith("say: casebook company set made --key-stdin")


def test_a_rotation_that_is_killed_anywhere_is_finished_by_the_next(backend: Settings) -> None:
    companies = Companies(backend)
    register(companies, "acme", "near")
    kills, most_keys, ended = 0, 0, False
    while not ended:
        with Child(rotate_until_killed, backend, 5 + 25 * kills) as child:
            try:
                ended = child.hear()
            except AssertionError:
                assert child.was_killed
                kills += 1
        most_keys = max(most_keys, len(secrets.master_key(backend).keys))
        for company in companies.list():
            assert companies.secret(company) == f"key of {company.id}"
    assert kills >= 5
    assert most_keys > 1
    assert len(secrets.master_key(backend).keys) == 1


def rotate_until_killed(say: Callable[[bool], None], settings: Settings, lines: int) -> None:
    """Kills its process after so many lines of the rotation and the registry; within ``secrets``, their own tests do."""
    companies, left = Companies(settings), lines
    files = {key_rotation.__file__, registry.__file__}

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename not in files:
            return None
        left -= event == "line"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    rotate_master_key(companies)
    sys.settrace(None)
    say(True)
