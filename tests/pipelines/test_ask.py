"""``casebook ask``, ``company api-key`` and ``serve`` as commands: people's words, JSON, refusals, a server stopped."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from sandbox.serve import Sandbox
from tests.conftest import point_at
from tests.homes import Home, casebook, copied, done
from tests.query.asking import ID, add_company, fill, sample

CARD = "법인카드 잃어버렸어요"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "home"
    with pytest.MonkeyPatch.context() as patches:
        home = point_at(path, patches)
        add_company(home, ID, path)
        faqs, _, contacts = sample()
        fill(home.settings, ID, faqs, contacts=contacts)
    return path


@pytest.fixture
def home(filled: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    yield point_at(filled, monkeypatch)


def test_ask_shows_the_answer_its_source_its_score_and_its_tier(home: Home) -> None:
    said = done("ask", ID, CARD, "--user", "u")
    assert "카드사에 분실 신고" in said.out
    assert re.search(r"source: FAQ FAQ-AC-006, .*score 0\.\d\d", said.out)
    assert "tier 1: verified FAQ" in said.out and "회계 > 법인카드" in said.out and "session u_" in said.out


def test_ask_json_is_the_record_and_a_conversation_goes_on_between_commands(home: Home) -> None:
    first = done("ask", ID, "연차가 며칠 남았는지 어디서 보나요?", "--user", "two", "--json").json
    assert first["tier"] == 1 and first["sources"][0]["doc_id"] == "FAQ-HR-001"
    second = done("ask", ID, "그럼 반차는?", "--user", "two", "--json").json
    assert second["session_id"] == first["session_id"] and second["sources"][0]["doc_id"] == "FAQ-HR-005"
    third = done("ask", ID, "그럼 반차는?", "--session", first["session_id"], "--json").json
    assert third["user_id"] == "two"


def test_ask_names_the_person_where_nothing_answers(home: Home) -> None:
    said = done("ask", ID, "법인카드로 게임 아이템을 사도 되나요?")
    assert "담당자: 민세아" in said.out and "tier 3" in said.out


def test_all_that_a_chat_user_asked_is_forgotten_and_other_users_are_not(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = point_at(copied(filled, tmp_path / "home"), monkeypatch)
    mine, theirs = "양자컴퓨터 예산은 누가 승인하나요?", "양자컴퓨터 회의실은 어디인가요?"
    (home.path / "tickets.csv").write_text("ticket_id,subject,description\n1,Wifi,It drops.\n")
    home.companies.move(home.company(ID), str(home.path / "tickets.csv"))
    for user, question in (("kim", mine), ("lee", theirs)):
        done("ask", ID, question, "--user", user)
    done("sync", ID)
    (day,) = home.rows(ID)["daily_dashboard"].values()
    assert day[3]["keywords"]["양자컴퓨터"] == 2

    assert "this erases all that a chat user asked" in casebook("forget", ID, "--user", "kim").err
    assert mine in {row[3]["message"] for row in home.rows(ID)["conversation_log"].values()}
    said = done("forget", ID, "--user", "kim", "--yes", "--json").json
    assert set(said["left"].values()) == {0}
    assert [row[3]["keywords"] for row in home.rows(ID)["daily_dashboard"].values()] == [{}]
    users = {row[3]["user_id"] for row in home.rows(ID)["conversation_log"].values()}
    assert "lee" in users and "kim" not in users
    files = [path.read_bytes() for path in home.path.rglob("*") if path.is_file()]
    assert not any("예산은 누가".encode() in held for held in files)
    assert any("회의실은 어디인가요".encode() in held for held in files)

    done("sync", ID)
    (day,) = home.rows(ID)["daily_dashboard"].values()
    assert "양자컴퓨터" not in day[3]["keywords"], "one person's word is nobody's else to see"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ask", "nobody", "q"), "unknown company"),
        (("ask", ID, ""), "empty"),
        (("ask", ID, "q", "--user", "a/b"), "bad user id"),
        (("ask", ID, "q", "--session", "x"), "bad session id"),
        (("company", "api-key", "nobody"), "unknown company"),
        (("serve", "--host", "256.1.1.1"), "nothing can listen"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(home: Home, words: tuple[str, ...], says: str) -> None:
    said = casebook(*words)
    assert said.code == 2 and says in said.err and "Traceback" not in said.err
    as_json = casebook(*words, "--json") if words[0] != "serve" else None
    assert as_json is None or set(as_json.json["error"]) == {"title", "detail", "remedy"}


def test_api_key_is_shown_once_rotated_and_removed(home: Home) -> None:
    first = done("company", "api-key", ID, "--json").json["key"]
    assert first.startswith("cbk_") and len(first) > 40
    assert casebook("company", "api-key", ID).code == 2
    assert done("company", "api-key", ID, "--rotate", "--json").json["key"] != first
    done("company", "api-key", ID, "--remove")
    assert done("company", "api-key", ID).out.startswith("cbk_")
    done("company", "api-key", ID, "--remove")


def test_serve_answers_and_ends_on_a_signal_with_everything_kept(home: Home) -> None:
    key = done("company", "api-key", ID, "--json").json["key"]
    command = [str(Path(sys.executable).with_name("casebook")), "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, line
        body = json.dumps({"text": CARD, "user": "http"}).encode()
        request = Request(f"{found[0]}/v1/{ID}/ask", body, {"authorization": f"Bearer {key}"})
        with urlopen(request, timeout=60) as got:
            said = json.loads(got.read())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert said["tier"] == 1
    assert "Traceback" not in err and CARD not in out + err and key not in out + err
    with home.companies.store(home.company(ID).id) as store:
        assert [one.question for one in store.session(said["session_id"], 5)] == [CARD]


def test_the_commands_import_nothing_heavy() -> None:
    command = [sys.executable, "-c", "import sys; from pipelines.cli import app; print(*sys.modules)"]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not {"fastapi", "uvicorn", "query.ask", "query.service", "dagster", "numpy"} & loaded


def test_a_provider_for_answers_is_added_and_answers(home: Home) -> None:
    with Sandbox(llm=["one"]) as sandbox:
        words = ("--for", "answers", "--model", "gpt-4o-mini", "--url", sandbox.llm_url("one"), "--key-stdin")
        done("llm", "add", ID, "answerer", *words, stdin=sandbox.key("one"))
        assert [one.name for one in home.company(ID).answerers] == ["answerer"]
        assert home.company(ID).providers == []  # it writes no summaries
        done("llm", "remove", ID, "answerer")
