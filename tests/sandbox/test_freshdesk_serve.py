"""Starting and stopping: files, made-up accounts, the command line, a process of its own."""

import dataclasses
import gzip
import inspect
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from sandbox import admin, faults, files, generate, limits
from sandbox.serve import HOST, Sandbox, accounts
from tests.sandbox.conftest import ALL, Client


def rows(path: Path, count: int, **given: object) -> Path:
    """Write a file of ticket rows as another system would: some fields, and the list of conversations."""
    written = [
        {
            "id": 1000 + number,
            "subject": f"Row {number}",
            "status": 2,
            "description": f"<div>{number}</div>",
            "description_text": str(number),
            "created_at": f"2017-10-0{number + 1}T00:00:00Z",
            "updated_at": f"2017-10-0{number + 1}T01:00:00Z",
            "conversations": [{"id": number, "body_text": "yes", "attachments": []}],
            **given,
        }
        for number in range(count)
    ]
    data = b"\n".join(orjson.dumps(row) for row in written)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_a_file_is_served_with_one_status_for_all(tmp_path: Path, name: str):
    file = rows(tmp_path / name, 5)
    with Sandbox(files={"theirs": file}, all_status="closed") as sandbox:
        client = Client(sandbox, "theirs")
        listed = client.get("tickets", updated_since=ALL, include="description").json()
        assert [one["id"] for one in listed] == [1004, 1003, 1002, 1001, 1000]
        assert {one["status"] for one in listed} == {5}
        assert listed[0]["description_text"] == "4"
        assert client.get("tickets/1002/conversations").json() == [{"id": 2, "body_text": "yes", "attachments": []}]
        assert client.get("tickets").json() == []
        client.session.close()


def test_a_broken_file_is_named_with_its_line(tmp_path: Path):
    file = rows(tmp_path / "rows.jsonl", 2)
    file.write_bytes(file.read_bytes() + b'\n{"id": 3}\n')
    with pytest.raises(ValueError, match=r"rows\.jsonl line 3: not a Freshdesk ticket \(KeyError: 'status'\)"):
        accounts(files={"theirs": file})
    answer = run(f"--account=theirs={file}", "--port=0")
    assert (answer.returncode, len(answer.stderr.splitlines())) == (2, 1)
    assert "line 3" in answer.stderr


def test_made_up_tickets_are_the_same_every_time():
    first, second = (list(generate.helpdesk("made", 300).tickets) for _ in range(2))
    assert first == second
    assert 2.8 < sum(len(one["conversations"]) for one in first) / 300 < 3.4
    assert len({one["description_text"] for one in first}) == 300
    assert list(generate.helpdesk("other", 300).tickets) != first


def test_several_accounts_share_a_port_and_nothing_else():
    with Sandbox(generated={"one": 3, "two": 5}) as sandbox:
        one, two = Client(sandbox, "one"), Client(sandbox, "two")
        assert (len(one.ids()), len(two.ids())) == (3, 5)
        one.admin("edit", ids=[1])
        assert one.get("tickets/1").json()["description"] != two.get("tickets/1").json()["description"]
        address = f"{sandbox.url('two')}/api/v2/tickets"
        assert requests.get(address, auth=(sandbox.key("one"), "X"), timeout=10).status_code == 401
        one.session.close()
        two.session.close()


def test_reset_begins_again():
    with Sandbox(generated={"made": 5}, plan="free") as sandbox:
        client = Client(sandbox, "made")
        before = client.admin("truth")
        client.admin("edit", count=5)
        client.admin("faults", rate=1, kinds=["500"])
        client.get("tickets")
        client.admin("reset")
        assert client.admin("truth") == before
        assert client.admin("log")["requests"] == 0
        assert client.get("tickets").headers["X-RateLimit-Remaining"] == "49"
        client.session.close()


def test_a_process_of_its_own(tmp_path: Path):
    file = rows(tmp_path / "rows.jsonl", 2)
    with Sandbox(["acme"], {"theirs": file}, {"made": 4}, process=True, all_status="resolved", page_cap=1) as sandbox:
        client = Client(sandbox, "made")
        assert len(client.ids()) == 4
        assert client.get("tickets", page=2).status_code == 400
        assert {one["status"] for one in sandbox.admin("theirs", "truth")["tickets"]} == {4}
        assert sandbox.admin("acme", "stories")
        client.session.close()
    with pytest.raises(requests.ConnectionError):
        requests.get(sandbox.url("made"), timeout=10)


def test_a_port_in_use_is_one_clear_line():
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        answer = run(f"--port={port}", "--generate=made=1")
    assert answer.returncode == 2
    assert answer.stderr == f"sandbox: port {port} is in use; give another with --port, or 0 for any free one\n"
    assert answer.stdout == ""


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--company=nobody", "no sample company 'nobody'"),
        ("--account=theirs", "--account takes NAME=FILE, not 'theirs'"),
        ("--account=theirs=/nowhere.jsonl", "/nowhere.jsonl: No such file or directory"),
        ("--generate=made=many", "--generate takes NAME=COUNT, not 'made=many'"),
        ("--generate=acme=3 --company=acme", "account 'acme'"),
        ("--generate=a/b=3", "account 'a/b'"),
        ("--plan=gold", "no plan 'gold'"),
    ],
)
def test_wrong_input_is_one_clear_line(argument: str, reason: str):
    answer = run(*argument.split(), "--port=0")
    assert (answer.returncode, len(answer.stderr.splitlines())) == (2, 1)
    assert reason in answer.stderr


def test_help_says_how_to_reach_it():
    answer = run("--help")
    assert answer.returncode == 0
    for word in ("--port", "--generate", "--account", "--plan", "http://127.0.0.1:PORT/COMPANY", "COMPANY-key"):
        assert word in answer.stdout


def test_help_tells_how_to_test_a_connector():
    said = run("--help").stdout
    for word in ("To test a connector", "admin/ACTION", "faults", "churn", "truth", "docs/sandbox.md", "--vast"):
        assert word in said
    assert any(line.split()[:1] == ["faults"] and '"storm"]}' in line for line in said.splitlines())


def test_the_recipe_works():
    """The code of the documentation, with a connector that reads everything twice and is patient."""

    def my_connector(url: str, key: str, before: object = None) -> dict[int, Any]:
        del before
        found: dict[int, Any] = {}
        since = ALL
        while True:
            query = {"updated_since": since, "order_by": "updated_at", "order_type": "asc", "per_page": 100}
            try:
                answer = requests.get(f"{url}/api/v2/tickets", query, auth=(key, "X"), timeout=10)
                rows = answer.json() if answer.status_code == 200 else None
            except requests.RequestException:
                rows = None
            if rows is None:
                time.sleep(0.02)
                continue
            found |= {row["id"]: row for row in rows}
            if len(rows) < 100:
                return found
            since = rows[-1]["updated_at"]

    text = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    recipe = text.partition("```python\n")[2].partition("```")[0].replace("5000", "800")
    exec(recipe, {"my_connector": my_connector})


def test_the_documentation_names_everything_there_is():
    said = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    options = {name for name in inspect.signature(admin.ACTIONS["POST", "options"]).parameters if name != "account"}
    settings = {field.name for field in dataclasses.fields(faults.Faults) if not field.name.startswith("_")} - {"rows"}
    actions = {name for _, name in admin.ACTIONS}
    for word in actions | options | settings | {*faults.KINDS} | {*files.KINDS} | {*limits.PLANS}:
        assert f"`{word}`" in said or f'"{word}"' in said, word
