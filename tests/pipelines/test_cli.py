"""The console command: what it refuses and how, what it prints, what it leaves behind.

Belongs here: the words and the exit codes. Does not belong here: whether a sync is right (``test_end_to_end``), or a
search (``tests/query``).
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from domain.company import SETTINGS, company_id
from domain.stage import NEVER, OF_THE_WORKBOOK, tables_of
from sandbox.serve import Sandbox
from tests.conftest import TICKETS, add
from tests.homes import ROOT, Home, casebook, done, start
from tests.pipelines.test_llm import add_provider

CASEBOOK = Path(sys.executable).with_name("casebook")
TINY = "ticket_id,subject,description\n1,Wifi drops,My wifi keeps dropping every hour.\n2,Invoice,The total is wrong.\n"
COUNTS = {"read", "changed", "skipped", "removed", "failed", "seconds"}
ASSETS = {
    "raw_tickets",
    "merged_tickets",
    "ticket_summaries",
    "ticket_terms",
    "ticket_embeddings",
    "ticket_collection",
    "published_tables",
    "ticket_ratings",
    "raw_kb",
    "kb_passages",
    "kb_summaries",
    "kb_embeddings",
    "kb_collection",
    "faq_proposals",
    "retrieval_report",
}
OF_A_WORKBOOK = {*OF_THE_WORKBOOK, "workbook_tabs"}
EMPTY = (
    "ticket_ratings",
    "raw_kb",
    "kb_passages",
    "kb_summaries",
    "kb_embeddings",
    "kb_collection",
    "faq_proposals",
    "retrieval_report",
)
"""What a single file of tickets brings nothing for."""


def refused(*words: str, stdin: str = "") -> str:
    """What a command says that must be refused: one line on stderr, nothing else, exit 2."""
    said = casebook(*words, stdin=stdin)
    assert said.code == 2, said
    assert said.out == ""
    lines = said.err.splitlines()
    assert len(lines) == 1, said.err
    assert lines[0].startswith("Error: ")
    return lines[0].removeprefix("Error: ")


def add_export(home: Home, content: str = TINY, name: str = "tiny.csv", id: str = "tiny") -> Path:
    """Register an export file."""
    path = home.path.parent / name
    path.write_text(content)
    done("company", "add", id, "--platform", "export", "--path", str(path), "--set", "embedding_model=use-multi")
    return path


@pytest.fixture
def registered(home: Home) -> Home:
    """A home with the company ``tiny``, never synced."""
    add_export(home)
    return home


# -- bad input: which company ----------------------------------------------------------------------------------------

ON_A_COMPANY = (
    ("sync", "?"),
    ("plan", "?"),
    ("status", "?"),
    ("search", "?", "printer"),
    ("similar", "?", "1"),
    ("explain", "?", "1"),
    ("queue", "?"),
    ("export", "?", "raw_tickets", "--out", "rows.jsonl"),
    ("company", "check", "?"),
    ("company", "show", "?"),
    ("company", "set", "?", "language=ko"),
    ("company", "pause", "?"),
    ("company", "resume", "?"),
    ("company", "set", "?", "--key-stdin"),
    ("company", "remove", "?", "--yes"),
)


@pytest.mark.parametrize("words", ON_A_COMPANY, ids=" ".join)
def test_an_unknown_company_is_refused_with_the_known_ones(registered: Home, words: tuple[str, ...]) -> None:
    before = registered.files()
    said = refused(*("tony" if word == "?" else word for word in words))
    assert said == "unknown company 'tony'. Known: tiny. Add it with 'casebook company add'."
    assert registered.files() == before


def test_without_any_company_the_refusal_says_so(home: Home) -> None:
    assert "None is known yet." in refused("sync", "tony")


BAD_IDS = (
    "",
    "x",
    "Acme",
    "a_b",
    "../etc",
    "a/b",
    "a b",
    " ab",
    "ab\n",
    "한빛",
    "a" * 64,
    "ab\x00",
    "a,b",
    "a|b",
    "a...b",
)


@pytest.mark.parametrize("bad", BAD_IDS)
def test_a_bad_company_id_is_refused_everywhere(registered: Home, bad: str) -> None:
    before = registered.files()
    path = str(registered.path.parent / "tiny.csv")
    for words in (
        ("company", "add", bad, "--platform", "export", "--path", path),
        ("sync", bad),
        ("explain", bad, "1"),
    ):
        assert refused(*words).startswith(f"bad company id. {' '.join(repr(bad).split())} is not 2 to 63 characters")
    assert registered.files() == before


def test_a_taken_id_is_refused(registered: Home) -> None:
    before = registered.files()
    path = str(registered.path.parent / "tiny.csv")
    assert "company 'tiny' exists already." in refused("company", "add", "tiny", "--platform", "export", "--path", path)
    assert registered.files() == before


# -- bad input: the helpdesk -----------------------------------------------------------------------------------------


def freshdesk(url: str, *more: str, stdin: str = "a key") -> str:
    """The refusal of a Freshdesk account."""
    return refused("company", "add", "acme", "--platform", "freshdesk", "--url", url, *more, stdin=stdin)


def test_a_wrong_key_is_refused_and_nothing_is_stored(home: Home, helpdesk: Sandbox) -> None:
    said = freshdesk(helpdesk.url("made"), "--key-stdin", stdin="not-the-key")
    assert said.startswith("Freshdesk refused the key.")
    assert "401" in said
    assert "not-the-key" not in said
    assert done("company", "list", "--json").json == {"companies": []}
    assert set(home.files()) == {"registry.sqlite"}


def test_a_key_comes_in_exactly_one_way(home: Home, helpdesk: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    url = helpdesk.url("made")
    monkeypatch.setenv("SOME_KEY", helpdesk.key("made"))
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    assert "in one way" in freshdesk(url)
    assert "in one way" in freshdesk(url, "--key-stdin", "--key-env", "SOME_KEY")
    assert "NO_SUCH_KEY is not set." in freshdesk(url, "--key-env", "NO_SUCH_KEY")
    assert "no key came on standard input" in freshdesk(url, "--key-stdin", stdin="\n")
    assert done("company", "list", "--json").json == {"companies": []}


def test_a_host_that_does_not_answer_is_refused(home: Home) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        said = freshdesk(url, "--key-stdin")
    assert said.startswith(f"Freshdesk cannot be reached. {url}/api/v2/agents/me: the connection was refused")
    assert set(home.files()) == {"registry.sqlite"}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "--url is missing or not an address."),
        ("acme.freshdesk.com", "--url is missing or not an address."),
        ("ftp://acme.freshdesk.com", "--url is missing or not an address."),
        ("https://", "--url is missing or not an address."),
        ("http://acme.freshdesk.com", "--url is not encrypted."),
    ],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(home: Home, url: str, why: str) -> None:
    assert freshdesk(url, "--key-stdin").startswith(why)


def test_an_address_where_no_freshdesk_is(home: Home, helpdesk: Sandbox) -> None:
    assert freshdesk(helpdesk.url("nobody"), "--key-stdin").startswith("There is no Freshdesk at this address.")


def test_an_unknown_platform(home: Home) -> None:
    assert refused("company", "add", "acme", "--platform", "jira").startswith("unknown platform 'jira'. Known:")


# -- bad input: an export --------------------------------------------------------------------------------------------

BAD_EXPORTS: tuple[tuple[str, bytes, tuple[str, ...]], ...] = (
    ("no column", b"ticket_id,subject,body\n1,a,b\n", ("no column 'description'", "ticket_id, subject, body")),
    ("twice", b"ticket_id,subject,description\n1,a,b\n2,c,d\n1,e,f\n", ("ticket_id '1'", "lines 2 and 4")),
    ("ragged", b"ticket_id,subject,description\n1,a,b\n2,c\n", ("line 3: 2 cells where the header has 3",)),
    ("no id", b"ticket_id,subject,description\n,a,b\n", ("line 2: it has no ticket_id",)),
    ("neither encoding", b"ticket_id,subject,description\n1,\xff\xfe\xfd,b\n", ("neither UTF-8 nor CP949",)),
    ("empty", b"", ("no column 'ticket_id'",)),
)


@pytest.mark.parametrize(("content", "why"), [case[1:] for case in BAD_EXPORTS], ids=[case[0] for case in BAD_EXPORTS])
def test_a_bad_export_is_refused_and_nothing_is_stored(home: Home, content: bytes, why: tuple[str, ...]) -> None:
    path = home.path.parent / "bad.csv"
    path.write_bytes(content)
    said = refused("company", "add", "tiny", "--platform", "export", "--path", str(path))
    assert str(path) in said
    assert all(words in said for words in why), said
    assert done("company", "list", "--json").json == {"companies": []}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("bad.jsonl", b'{"ticket_id": 1, "subject": "a", "description": "b"}\n{"ticket_id": ', "line 2 is not JSON"),
        ("bad.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("bad.parquet", b"PAR1 and then nothing", "cannot be read"),
        ("bad.xls", b"", "none of .csv, .jsonl"),
    ],
)
def test_a_file_that_cannot_be_parsed(home: Home, name: str, content: bytes, why: str) -> None:
    path = home.path.parent / name
    path.write_bytes(content)
    said = refused("company", "add", "tiny", "--platform", "export", "--path", str(path))
    assert str(path) in said
    assert why in said


def test_a_missing_export(home: Home) -> None:
    missing = home.path.parent / "nowhere.csv"
    said = refused("company", "add", "tiny", "--platform", "export", "--path", str(missing))
    assert said.startswith(f"{missing} does not exist.")
    assert refused("company", "add", "tiny", "--platform", "export").startswith("--path is missing.")
    assert done("company", "list", "--json").json == {"companies": []}


def test_an_export_that_went_bad_leaves_everything_as_it_was(registered: Home) -> None:
    done("sync", "tiny")
    path, before = registered.path.parent / "tiny.csv", registered.files()
    path.write_text(TINY + "3,Printer,It prints twice.\n1,Wifi drops,Again.\n")
    # What a run says stays in Dagster's history, so a sync quotes no cell; the check does, to whoever asks.
    assert refused("sync", "tiny").startswith(f"the export cannot be read. {path}")
    assert "ticket_id '1' twice, in lines 2 and 5" in refused("company", "check", "tiny")
    path.unlink()
    said = casebook("sync", "tiny", "--json")
    assert (said.code, said.err) == (2, "")
    assert str(path) in " ".join(said.json["error"].values())
    assert registered.files() == before
    assert done("search", "tiny", "wifi", "--json").json["hits"][0]["doc_id"] == "1"


# -- bad input: words and numbers ------------------------------------------------------------------------------------


def state(home: Home) -> tuple[dict[str, str], dict[str, int]]:
    """The home's files; in place of the store's, which keeps the questions that are asked, how far its tables are."""
    files = {name: digest for name, digest in home.files().items() if not name.endswith("made/casebook.sqlite")}
    return files, home.tops("made")


@pytest.fixture(scope="module")
def as_it_was(first_sync: Path) -> Iterator[Home]:
    """A home in which no file is another one after the tests of this module."""
    home = Home(first_sync)
    before = state(home)
    yield home
    assert state(home) == before


@pytest.fixture
def untouched(as_it_was: Home, read_only: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """The same home, and a working directory into which nothing is written."""
    monkeypatch.chdir(tmp_path)
    yield read_only
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("search", "made", ""), "the text to search for is empty."),
        (("search", "made", " \t "), "the text to search for is empty."),
        (("search", "made"), "the text to search for is empty."),
        (("similar", "made", "--text", "  "), "the text to search for is empty."),
        (("search", "made", "printer", "-k", "0"), "-k 0 asks for nothing."),
        (("search", "made", "printer", "-k", "-3"), "-k -3 asks for nothing."),
        (("similar", "made", "1", "-k", "0"), "-k 0 asks for nothing."),
        (("search", "made", "printer", "-k", "many"), "Invalid value for '-k'"),
        (("search", "made", "printer", "--since", "yesterday"), "bad date for --since. 'yesterday' is not a day"),
        (("search", "made", "printer", "--since", "2026-02-30"), "bad date for --since."),
        (("search", "made", "printer", "--until", "20260131"), "bad date for --until."),
        (
            ("search", "made", "printer", "--in", "tickets"),
            "unknown data type 'tickets'. Known: ticket, kb, faq, regulation.",
        ),
        (("similar", "made"), "say which ticket, in one way."),
        (("similar", "made", "1", "--text", "printer"), "say which ticket, in one way."),
        (("similar", "made", "no-such"), "no ticket 'no-such' in company 'made'."),
        (("similar", "made", "--file", "no-such-file"), "no-such-file cannot be read."),
        (("explain", "made", "no-such"), "no document 'no-such' in company 'made'."),
        (("export", "made", "tickets", "--out", "rows.jsonl"), "unknown table 'tickets'. Known: raw_tickets,"),
        (("export", "made", "raw_tickets", "--out", "rows.xlsx"), "'rows.xlsx' is neither .parquet nor .jsonl."),
        (("search", "made", "--batch", "no-such-file", "--out", "run.jsonl"), "no-such-file cannot be read."),
        (("search", "made", "--batch", "no-such-file"), "--out is missing."),
        (("sync", "made", "--accept-deletions", "-1"), "Invalid value for '--accept-deletions'"),
        (("company", "remove", "made"), "removing 'made' erases all of its data."),
        (("company", "set", "made", "langage=ko"), "unknown setting 'langage'. Did you mean 'language'?"),
        (
            ("company", "set", "made", "nightly_hour=24"),
            "bad value for nightly_hour. '24' is not a number from 0 to 23",
        ),
        (("company", "set", "made", "time_zone=Seoul"), "bad value for time_zone."),
        (("company", "set", "made", "since=2026-02-30"), "bad value for since."),
        (("company", "set", "made", "columns={"), "bad value for columns."),
        (("company", "set", "made", "language=ko", "audience=all"), "bad value for audience."),
        (("company", "set", "made", "language"), "'language' is not KEY=VALUE."),
        (("company", "set", "made"), "nothing to set."),
        (("company", "set"), "Missing argument 'id'."),
        (("searhc", "made"), "No such command 'searhc'."),
        (("search", "made", "--limit", "3"), "No such option: --limit"),
    ],
)
@pytest.mark.usefixtures("untouched")
def test_bad_words_are_refused(words: tuple[str, ...], why: str) -> None:
    assert refused(*words).startswith(why)
    said = casebook(*words, "--json")
    assert (said.code, said.err) == (2, "")
    assert set(said.json) == {"error"}
    assert set(said.json["error"]) == {"title", "detail", "remedy"}
    assert all(isinstance(text, str) for text in said.json["error"].values())
    assert said.json["error"]["title"]


def test_a_bad_date_of_a_new_company(home: Home) -> None:
    path = home.path.parent / "tiny.csv"
    path.write_text(TINY)
    said = refused("company", "add", "tiny", "--platform", "export", "--path", str(path), "--since", "2026-02-30")
    assert said.startswith("bad value for since. '2026-02-30' is not a date such as 2026-01-31")
    assert done("company", "list", "--json").json == {"companies": []}


def test_a_bad_line_of_a_batch_is_named_before_anything_is_answered(read_only: Home, tmp_path: Path) -> None:
    questions, run = tmp_path / "questions.jsonl", tmp_path / "run.jsonl"
    good = '{"query_id": "q1", "text": "printer"}\n'
    for bad, why in (
        ("{", "is no question."),
        ('{"text": "x"}', "is no question."),
        ('{"query_id": 1, "text": " "}', ""),
    ):
        questions.write_text(good + "\n" + bad + "\n")
        said = refused("search", "made", "--batch", str(questions), "--out", str(run))
        assert said.startswith(f"{questions}, line 3")
        assert why in said
    assert list(tmp_path.iterdir()) == [questions]


def test_a_company_that_was_never_synced_has_nothing_to_search(registered: Home) -> None:
    assert refused("search", "tiny", "wifi").startswith("nothing to search yet.")


# -- bad input: files and ports --------------------------------------------------------------------------------------


def damage(path: Path, start: int) -> None:
    """Write noise over a file from a position on."""
    assert path.stat().st_size > start
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(range(256)) * ((path.stat().st_size - start) // 256 + 1))


@pytest.mark.parametrize("start", [0, 4096], ids=["its head", "behind its first page"])
def test_a_damaged_database_is_named(synced: Home, start: int) -> None:
    path = synced.path / "companies" / "made" / "casebook.sqlite"
    damage(path, start)
    before = synced.files()
    for words in (("sync", "made"), ("status",), ("explain", "made", "1")):
        said = refused(*words)
        assert said.startswith("the database cannot be used.")
        assert str(path) in said
    assert synced.files() == before


def test_a_damaged_registry_is_named(registered: Home) -> None:
    path = registered.path / "registry.sqlite"
    damage(path, 0)
    before = registered.files()
    for words in (("company", "list"), ("sync", "tiny"), ("search", "tiny", "wifi")):
        assert str(path) in refused(*words)
    assert registered.files() == before


def test_a_damaged_history_of_dagster_is_named(synced: Home) -> None:
    damage(synced.path / "dagster" / "history" / "runs.db", 0)
    for words in (("sync", "made"), ("status",)):
        said = refused(*words)
        assert said.startswith("the database cannot be used.")
        assert str(synced.path / "dagster") in said


@pytest.mark.parametrize("pattern", ["made_ticket.json", "made_ticket__*/live", "made_ticket__*/gen-*/**/*"])
def test_a_damaged_index_is_told_and_the_next_sync_fills_it_anew(synced: Home, pattern: str) -> None:
    question = ("search", "made", "the printer driver prints twice", "--json")
    before = [hit["doc_id"] for hit in done(*question).json["hits"]]
    for path in (synced.path / "companies/made/index").glob(pattern):
        if path.is_file():
            path.write_bytes(b"noise")
    said = casebook(*question)
    assert (said.code, said.err) == (2, "")
    assert "casebook sync" in said.json["error"]["remedy"]
    assert done("sync", "made", "--json").json["paid"]["calls"] == 0
    assert [hit["doc_id"] for hit in done(*question).json["hits"]] == before


@pytest.mark.parametrize("blocked", ["", "companies", "locks", "dagster"])
def test_a_folder_that_cannot_be_written(
    registered: Home, monkeypatch: pytest.MonkeyPatch, blocked: str, tmp_path: Path
) -> None:
    """Tests may run as root, whom no rights stop: a file stands where the folder should be."""
    if blocked:
        (registered.path / blocked).write_text("in the way")
        where = str(registered.path / blocked)
    else:
        (tmp_path / "file").write_text("in the way")
        monkeypatch.setenv("CASEBOOK_HOME", str(tmp_path / "file" / "home"))
        where = str(tmp_path / "file" / "home")
    said = refused("sync", "tiny")
    assert said.startswith("the folder cannot be written.")
    assert where in said


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_in_use(home: Home, taken_port: int) -> None:
    said = refused("ui", "--port", str(taken_port))
    assert said.startswith(f"port {taken_port} is in use. Stop what listens there, or choose another one with --port.")
    sandbox = casebook("sandbox", "--port", str(taken_port))
    assert (sandbox.code, sandbox.out) == (2, "")
    assert sandbox.err.splitlines() == [
        f"sandbox: port {taken_port} is in use; give another with --port, or 0 for any free one"
    ]
    assert refused("ui", "--port", "70000").startswith("Invalid value for '--port'")


# -- the console script as a process ---------------------------------------------------------------------------------


def test_help_answers_without_loading_what_is_heavy() -> None:
    """What is imported decides how long it takes; a stopwatch would measure the machine."""
    code = (
        "import sys; sys.argv = ['casebook', '--help']\n"
        "from pipelines.cli.app import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'dagster', 'pyarrow', 'numpy', 'qdrant_edge', 'pydantic', 'sqlalchemy', 'requests', 'onnxruntime'}\n"
        "loaded = sorted(heavy & sys.modules.keys())\n"
        "assert not loaded, loaded\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Have we solved this before?" in ran.stdout


def test_a_misspelt_variable_is_noted_and_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEBOOK_STORE", "postgresql://app:s3cret@db/casebook")
    said = done("company", "list", "--json")
    assert said.json == {"companies": []}
    assert said.err == "Note: the environment variable CASEBOOK_STORE is not known; did you mean CASEBOOK_STORAGE?\n"


def test_the_script_itself_refuses_in_one_line(home: Home) -> None:
    ran = subprocess.run([CASEBOOK, "sync", "tony"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "Error: unknown company 'tony'. None is known yet. Add it with 'casebook company add'.\n"


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["for people", "as JSON"])
def test_a_reader_who_has_left_is_not_told_so(registered: Home, form: tuple[str, ...]) -> None:
    words = [CASEBOOK, "company", "list", *form]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ran:
        assert ran.stdout
        assert ran.stderr
        ran.stdout.close()
        assert ran.stderr.read() == b""
    assert ran.returncode == 1


def test_ctrl_c_ends_with_130_and_the_next_sync_goes_on(home: Home, helpdesk: Sandbox, tmp_path: Path) -> None:
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    helpdesk.admin("made", "slow", ms=100)
    running = start(home.path, "sync", "made", output=tmp_path / "said")
    try:
        while not (home.path / "companies/made/casebook.sqlite").exists():
            assert running.is_alive(), (tmp_path / "said").read_text()
            time.sleep(0.02)
        time.sleep(0.5)
        assert running.pid
        os.kill(running.pid, signal.SIGINT)
        running.join(30)
    finally:
        helpdesk.admin("made", "slow", ms=0)
    assert running.exitcode == 130
    said = (tmp_path / "said").read_text()
    assert "Interrupted. What was done is kept; the same command goes on from there." in said
    assert "Traceback" not in said
    assert done("sync", "made", "--json").json["ok"]
    assert len(home.rows("made")["raw_tickets"]) == TICKETS


# -- what the commands print -----------------------------------------------------------------------------------------


def test_company_set_help_prints_the_catalogue() -> None:
    printed = " ".join(done("company", "set", "--help").out.replace("│", " ").split())
    for setting in SETTINGS.values():
        assert setting.name in printed
        assert setting.kind in printed
        assert " ".join(setting.meaning.split()) in printed


def test_a_companys_life(home: Home, helpdesk: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    helpdesk.admin("made", "reset")
    monkeypatch.setenv("MADE_KEY", helpdesk.key("made"))
    words = ("company", "add", "made", "--platform", "freshdesk", "--url", helpdesk.url("made") + "/")
    added = done(*words, "--key-env", "MADE_KEY", "--since", "2020-01-31", "--set", "language=en", "--json").json
    assert (added["company"], added["platform"], added["endpoint"]) == ("made", "freshdesk", helpdesk.url("made"))
    assert TICKETS < added["first_sync"]["requests"] < TICKETS + 20  # one a ticket, some for lists and names
    assert set(added["first_sync"]) == {"requests", "credits", "minutes", "exact", "basis"}

    assert done("company", "check", "made", "--json").json["ok"] is True
    assert [c["company"] for c in done("company", "list", "--json").json["companies"]] == ["made"]
    shown = done("company", "show", "made", "--json").json
    assert set(shown) == {"company", "platform", "endpoint", "paused", "created_at", "settings"}
    assert set(shown["settings"]) == set(SETTINGS)
    assert (shown["settings"]["since"], shown["settings"]["language"]) == ("2020-01-31", "en")
    assert helpdesk.key("made") not in json.dumps(shown)

    changed = done("company", "set", "made", "nightly_hour=4", "time_zone=Asia/Seoul", "since=", "--json").json
    assert (changed["settings"]["nightly_hour"], changed["settings"]["time_zone"]) == (4, "Asia/Seoul")
    assert (changed["settings"]["since"], changed["settings"]["language"]) == ("", "en")
    assert done("company", "pause", "made", "--json").json["paused"] is True
    assert "paused" in done("company", "list").out
    assert done("company", "resume", "made", "--json").json["paused"] is False

    helpdesk.admin("made", "options", key="another-key")
    assert refused("company", "check", "made").startswith("Freshdesk refused the key.")
    assert refused("company", "set", "made", "--key-stdin", stdin="wrong").startswith("Freshdesk refused")
    assert refused("company", "check", "made").startswith("Freshdesk refused the key.")
    done("company", "set", "made", "--key-stdin", stdin="another-key")
    assert done("company", "check", "made").out.startswith("OK made")
    assert not any(b"another-key" in file.read_bytes() for file in home.path.rglob("*") if file.is_file())

    done("sync", "made")
    assert any(name.startswith(("companies/made/", "published/")) for name in home.files())
    said = done("company", "remove", "made", "--yes", "--json").json
    assert said["company"] == "made"
    assert said["removed"]
    assert set(said["left"].values()) == {0}
    assert set(home.files("cache")) == {"registry.sqlite", "master.key"}
    assert refused("sync", "made").startswith("unknown company 'made'.")


def test_a_company_has_a_workbook_and_a_budget(registered: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(registered.path.parent)
    path = str(registered.path.parent / "tiny.csv")
    done("company", "add", "more", "--platform", "export", "--path", path, "--workbook", "faq.xlsx")
    settings = done("company", "show", "more", "--json").json["settings"]
    assert settings["workbook"] == str(registered.path.parent / "faq.xlsx")
    assert settings["budget_monthly"] is None
    done("company", "set", "more", "workbook=https://docs.example.com/d/1", "budget_monthly=12.50")
    shown = done("company", "show", "more").out
    assert "https://docs.example.com/d/1" in shown
    assert "12.5" in shown
    assert "budget_monthly = none" in done("company", "set", "more", "budget_monthly=none").out
    assert refused("company", "set", "more", "budget_monthly=-1").startswith("bad value for budget_monthly.")
    assert refused("company", "set", "more", "budget_monthly=nan").startswith("bad value for budget_monthly.")
    assert refused("company", "set", "more", "workbook=ftp://x/y").startswith("bad value for workbook.")
    assert refused("company", "set", "more", "workbook=https://me:pass@x/y").startswith("bad value for workbook.")


def test_the_first_syncs_cost_is_told_in_words(home: Home, helpdesk: Sandbox) -> None:
    helpdesk.admin("made", "reset")
    helpdesk.admin("made", "plan", name="growth")
    words = ("company", "add", "made", "--platform", "freshdesk", "--url", helpdesk.url("made"), "--key-stdin")
    said = " ".join(done(*words, stdin=helpdesk.key("made")).out.split())
    helpdesk.admin("made", "plan", name="none")
    assert "The first sync costs about 130 requests (262 credits), 2 minutes at the account's limit" in said
    assert said.endswith("Next: casebook sync made")


def test_plan_says_what_each_choice_costs(registered: Home, helpdesk: Sandbox) -> None:
    helpdesk.admin("made", "reset")
    add(helpdesk, "made")
    plan = done("plan", "made", "--json").json
    assert set(plan) == {"company", "account", "tickets", "per_minute", "attachments", "summaries", "embeddings"}
    assert plan["summaries"]["writer"] == "extractive"
    assert set(plan["attachments"]) == {"full", "threads", "none"}
    full, threads, none = (plan["attachments"][way]["credits"] for way in ("full", "threads", "none"))
    assert full > threads >= none > 0
    assert "attachments=full (the setting now)" in done("plan", "made").out
    tiny = done("plan", "tiny", "--json").json
    assert (tiny["tickets"], tiny["attachments"]["full"]["requests"]) == (2, 0)
    assert "The first sync sends no request." in done("plan", "tiny").out


def test_sync_json_is_as_the_contract_says(registered: Home) -> None:
    said = done("sync", "tiny", "--json")
    assert said.err == ""
    outcome = said.json
    # DESIGN §4; on top: what the checks found, notes for people, whether a long walk has more to come, what waits.
    contract = {"company", "run_id", "ok", "seconds", "requests", "assets", "paid"}
    assert set(outcome) == contract | {"checks", "notes", "more", "waiting"}
    assert outcome["more"] is False
    assert (outcome["company"], outcome["ok"], outcome["requests"]) == ("tiny", True, 0)
    assert set(outcome["assets"]) == ASSETS, "nothing of a workbook that is not there"
    assert all(set(counts) == COUNTS for counts in outcome["assets"].values())
    assert {name: counts["changed"] for name, counts in outcome["assets"].items()} == {
        **dict.fromkeys(ASSETS, 2),
        **dict.fromkeys(EMPTY, 0),
        "published_tables": 6,
    }
    assert outcome["paid"] == {"calls": 2, "llm_calls": 0, "tokens": 0, "cost": 0.0}
    assert outcome["checks"] and all(outcome["checks"].values())


def test_sync_tells_people_one_line_an_asset(synced: Home) -> None:
    said = done("sync", "made")
    assert said.err.strip() == ""
    lines = said.out.splitlines()
    assert lines[0].split() == ["asset", "read", "changed", "skipped", "removed", "failed", "seconds"]
    told = {line.split()[0] for line in lines[1:] if line}
    assert told & (ASSETS | OF_A_WORKBOOK) == ASSETS
    assert lines[-1].startswith("Done: made in ")


def test_what_is_in_a_batch_is_told_and_not_planned_again(synced: Home, helpdesk: Sandbox) -> None:
    helpdesk.llm_admin("one", "reset")
    add_provider(helpdesk, "made", "one")
    assert done("sync", "made", "--json").json["waiting"] == 0
    helpdesk.llm_admin("one", "options", batch_polls=None)
    helpdesk.admin("made", "edit", count=40, seed=5)
    said = done("sync", "made", "--batch", "--only", "tickets")
    waiting = [entry for entry in done("queue", "made", "--json").json["queue"] if entry["status"] == "waiting"]
    assert f"{len(waiting)} documents wait for a batch to be answered: casebook cost made" in said.out.splitlines()[-1]
    assert done("sync", "made", "--only", "tickets", "--json").json["waiting"] == len(waiting) > 0
    queue = done("queue", "made").out
    assert "ticket_summaries: wait for a batch" in queue and "could not be made" not in queue

    (batch,) = done("cost", "made", "--json").json["batches"]
    add_provider(helpdesk, "made", "two", "gpt-4.1-nano")  # all is walked again; the batch's model is one of ours still
    planned = done("plan", "made", "--json").json["summaries"]
    stage = planned["stages"]["ticket_summaries"]
    assert (stage["in_batches"], stage["batch_cost"]) == (batch["requests"], batch["cost"])
    assert stage["documents"] + stage["in_batches"] == len(synced.points("made"))
    assert (
        f"    on their way: {batch['requests']} texts in batches, which come to {batch['cost']:.4f} US$ at the most"
        in (planned["lines"])
    )
    assert f"and batches on their way come to {batch['cost']:.4f} US$ at the most" in planned["lines"][-1]
    for name in ("one", "two"):
        helpdesk.llm_admin(name, "reset")


def test_status_counts_and_says_that_no_daemon_runs(read_only: Home) -> None:
    said = done("status", "--json")
    assert said.err == ""
    assert said.json["daemon_runs"] is False
    (state,) = said.json["companies"]
    assert (state["company"], state["state"], state["waiting"]) == ("made", "idle", 0)
    assert state["raw_tickets"] == TICKETS
    assert 0 < state["searchable"] == state["ticket_collection"] == state["ticket_summaries"] < TICKETS
    assert state["last_sync"].endswith("Z")
    assert "No Dagster daemon runs here" in done("status").out
    assert done("status", "made", "--json").json["companies"] == [state]


def test_status_of_a_company_that_was_never_synced(registered: Home) -> None:
    (state,) = done("status", "--json").json["companies"]
    assert (state["last_sync"], state["searchable"], state["raw_tickets"]) == ("never", 0, 0)


HIT = {"doc_id", "data_type", "score", "title", "summary", "text", "url", "updated_at", "why"}


def test_a_hit_is_as_the_contract_says(read_only: Home) -> None:
    said = done("search", "made", "the printer driver prints twice", "-k", "5", "--json")
    assert said.err == ""
    answer = said.json
    told = {"notes", "versions", "by_words_alone", "is_calibrated"}
    assert set(answer) == {"company", "query", "recommendation_id", "hits"} | told
    assert (answer["company"], answer["query"]) == ("made", "the printer driver prints twice")
    assert answer["recommendation_id"]
    assert len(answer["hits"]) == 5
    for hit in answer["hits"]:
        assert hit.keys() == HIT | {"status", "part", "path", "also", "highlights"}
        assert hit["data_type"] == "kb" or set(hit["summary"]) == {"problem", "cause", "solution", "result", "tags"}
        assert hit["why"].keys() == {"meaning", "words", "made_by", "words_found"}
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert "printer driver" in answer["hits"][0]["title"].lower()
    shown = done("search", "made", "the printer driver prints twice", "-k", "1").out
    assert f"1. {answer['hits'][0]['title']}" in shown
    assert "   problem " in shown


def test_a_batch_answers_as_single_questions_do(read_only: Home, tmp_path: Path) -> None:
    texts = {"q1": "invoice export times out", "q2": "VPN client freezes", "q3": "백업이 안 됩니다"}
    questions, run = tmp_path / "questions.jsonl", tmp_path / "run.jsonl"
    questions.write_text("".join(json.dumps({"query_id": key, "text": text}) + "\n" for key, text in texts.items()))
    said = done("search", "made", "--batch", str(questions), "--out", str(run), "-k", "7")
    assert said.out == ""
    answers = [json.loads(line) for line in run.read_text().splitlines()]
    assert [answer["query_id"] for answer in answers] == list(texts)
    for answer in answers:
        hits = done("search", "made", texts[answer["query_id"]], "-k", "7", "--all", "--json").json["hits"]
        assert set(answer) == {"query_id", "ranked", "scores"}
        assert answer["ranked"] == [hit["doc_id"] for hit in hits]
        assert answer["scores"] == [hit["score"] for hit in hits]
    assert set(tmp_path.iterdir()) == {questions, run}


def test_similar_takes_a_ticket_a_text_or_a_file(read_only: Home, tmp_path: Path) -> None:
    text = "the printer driver prints twice"
    (tmp_path / "ticket.txt").write_text(text)
    by_text = done("similar", "made", "--text", text, "--json").json["hits"]
    assert done("similar", "made", "--file", str(tmp_path / "ticket.txt"), "--json").json["hits"] == by_text
    top = by_text[0]["doc_id"]
    by_ticket = done("similar", "made", top, "-k", "3", "--json").json
    assert by_ticket["query"] == by_text[0]["title"]
    assert top not in [hit["doc_id"] for hit in by_ticket["hits"]]


def test_explain_prints_the_whole_way(read_only: Home) -> None:
    doc_id = done("search", "made", "printer", "-k", "1", "--in", "ticket", "--json").json["hits"][0]["doc_id"]
    told = done("explain", "made", doc_id, "--json").json
    assert [step["table"] for step in told["steps"]] == list(tables_of("ticket"))
    absent = [step["table"] for step in told["steps"] if step["state"] != "live"]
    assert absent == [table for table in tables_of("ticket") if doc_id not in read_only.rows("made")[table]]
    assert set(absent) <= {"ticket_ratings"}
    assert told["in_index"] is True
    shown = done("explain", "made", doc_id).out
    assert f"vector: {told['point_id']} is in the index" in shown
    assert str(told["source"]["conversations"]) in shown
    article = min(read_only.rows("made")["raw_kb"])
    assert "is in the index" in done("explain", "made", article, "--in", "kb").out


@pytest.mark.parametrize("table", ["raw_tickets", "merged_tickets", "ticket_embeddings"])
def test_export_writes_a_table_as_it_is(read_only: Home, tmp_path: Path, table: str) -> None:
    lines, parquet = tmp_path / "rows.jsonl", tmp_path / "rows.parquet"
    assert done("export", "made", table, "--out", str(lines), "--json").json["rows"] == len(
        read_only.rows("made")[table]
    )
    done("export", "made", table, "--out", str(parquet))
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines.read_text().splitlines()]
    assert rows == pq.ParquetFile(parquet).read().to_pylist()
    stored = read_only.rows("made")[table]
    assert {row["doc_id"]: json.loads(row["payload"]) for row in rows} == {
        doc_id: payload for doc_id, (_, _, _, payload, _) in stored.items()
    }
    if table == "raw_tickets":
        assert all(isinstance(json.loads(row["payload"])["conversations"], list) for row in rows)
        assert any(json.loads(row["payload"])["conversations"] for row in rows)
    assert set(tmp_path.iterdir()) == {lines, parquet}


def test_export_to_a_folder_that_is_not_there(read_only: Home, tmp_path: Path) -> None:
    said = refused("export", "made", "raw_tickets", "--out", str(tmp_path / "no" / "rows.jsonl"))
    assert "cannot be written" in said


def test_queue_shows_what_failed(registered: Home) -> None:
    assert done("queue", "tiny").out == "Nothing waits in tiny.\n"
    with registered.companies.store(company_id("tiny")) as store, store.begin("a run", "2026-01-01T00:00:00Z") as write:
        write.fail("ticket_summaries", {"7": "it [bold]cannot[/] be read"}, {"7": "2026-01-02T00:00:00Z"})
    (entry,) = done("queue", "tiny", "--json").json["queue"]
    assert (entry["target"], entry["doc_id"], entry["retries"]) == ("ticket_summaries", "7", 0)
    assert (entry["reason"], entry["due"]) == ("it [bold]cannot[/] be read", "2026-01-02T00:00:00Z")
    assert "it [bold]cannot[/] be read" in done("queue", "tiny").out
    assert done("status", "tiny", "--json").json["companies"][0]["waiting"] == 1


def test_queue_says_what_waiting_means(registered: Home) -> None:
    with registered.companies.store(company_id("tiny")) as store, store.begin("a run", "2026-01-01T00:00:00Z") as write:
        write.fail("attachments", {"7": "a.pdf is encrypted"}, {"7": NEVER})
        write.fail("ticket_terms", {"8": "no words"}, {"8": "2026-01-02T00:00:00Z"})
    shown = done("queue", "tiny").out
    assert "9999" not in shown
    assert "attachments: tickets that are here and can be searched" in shown
    assert "ticket_terms: could not be made (the words of the whole thread" in shown
    assert "casebook queue tiny --retry" in shown
    assert done("queue", "tiny", "--json").json["queue"][0]["due"] == NEVER
