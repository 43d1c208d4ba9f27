"""What summaries by LLM providers come to when everything goes wrong: the real commands, counted from the provider's side.

    python -m bench.llm_runs faults  [--tickets 2000]
    python -m bench.llm_runs kills   [--tickets 2000] [--kills 10]
    python -m bench.llm_runs batch   [--tickets 5000]
    python -m bench.llm_runs privacy [--planted 40]

Each run makes up a company (an export, every ticket solved and unlike any other, half Korean) in a home of its own, and lets
``casebook`` commands in processes of their own work on it against a sandbox in another. What was paid is read from three
sides: the sandbox's request log, the ledger (``casebook cost``), and the tables.

faults    a fifth of all requests fail, in every way that does not close an account; of two providers one runs out of money
          half way. Then the faults end, and a second sync does what is left.
kills     ``casebook sync`` is killed with SIGKILL at random moments while it summarises, again and again, then left alone.
          The tables must be those of a home that nobody disturbed.
batch     a backfill by the Batch API in three batches, killed while one is handed in and twice while they are collected; one
          expires part way, in two of them some lines fail.
privacy   the sandbox's companies, and an export with planted personal data and keys, once call by call and once by a batch:
          what the providers were sent is searched for each of them.

Prints figures, then what must hold; exits 1 when something does not.

Belongs here: these runs. Does not belong here: throughput (``bench/llm_throughput``), how good summaries are
(``bench/summaries``), single failures (``tests/pipelines/test_llm``).
"""

import argparse
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from rich.console import Console
from stdnum import iban, luhn

from sandbox import llm_faults
from sandbox.serve import Sandbox
from tests.homes import Home

Json = dict[str, Any]

NAME, MODEL = "made", "gpt-4.1-mini"
PROVIDERS = ("one", "two")
PARALLEL = 4
BATCH = 10
"""Tickets in a call: the setting's default."""
PATIENCE = 900.0
#: These close an account for good, whatever is asked next; one of them is what ``faults`` ends a provider by.
_CLOSING = {"insufficient_quota", "401", "403", "404"}
KINDS = tuple(kind for kind in llm_faults.KINDS if kind not in _CLOSING)


# --- what is found out ------------------------------------------------------------------------------------------------


@dataclass
class Found:
    """Figures, and what must hold of them."""

    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    claims: dict[str, bool] = field(default_factory=dict[str, bool])

    def show(self, console: Console) -> None:
        for name, value in self.figures.items():
            said = f"{value:,}" if isinstance(value, int) else str(value)
            console.print(f"{name:58} {said}", highlight=False, soft_wrap=True)
        for claim, holds in self.claims.items():
            console.print(f"{'holds ' if holds else 'BROKEN'}  {claim}", highlight=False, soft_wrap=True)


class Casebook:
    """A home, the command on it, and what lies in it."""

    def __init__(self, folder: Path, name: str = "home") -> None:
        self.home, self._said = folder / name, folder / f"{name}.log"
        self.home.mkdir()
        ours = ("CASEBOOK_", "DAGSTER_")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._environment |= {
            "CASEBOOK_HOME": str(self.home),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """The console command in a process of its own, which may be killed."""
        with self._said.open("ab") as said:
            return subprocess.Popen(
                [str(Path(sys.executable).with_name("casebook")), *words],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def done(self, *words: str, stdin: str = "", codes: tuple[int, ...] = (0,)) -> Any:
        """What a command says with --json. Raises ``SystemExit`` when it ends otherwise."""
        command = [str(Path(sys.executable).with_name("casebook")), *words, "--json"]
        ended = subprocess.run(
            command, env=self._environment, input=stdin.encode(), capture_output=True, timeout=PATIENCE
        )
        if ended.returncode not in codes:
            raise SystemExit(
                f"casebook {' '.join(words)}: exit {ended.returncode}\n{(ended.stderr or ended.stdout).decode()[-3000:]}"
            )
        return json.loads(ended.stdout)

    def add_export(self, file: Path, name: str = NAME) -> None:
        self.done(
            *("company", "add", name, "--platform", "export", "--path", str(file)), "--set", "embedding_model=use-multi"
        )

    def add_account(self, sandbox: Sandbox, name: str) -> None:
        self.done(
            *("company", "add", name, "--platform", "freshdesk", "--url", sandbox.url(name), "--key-stdin"),
            *("--set", "embedding_model=use-multi"),
            stdin=sandbox.key(name),
        )

    def add_provider(self, sandbox: Sandbox, provider: str, company: str = NAME) -> None:
        """Let it summarise for the company. The call that proves that it answers is taken out of its log."""
        words = ("--model", MODEL, "--url", sandbox.llm_url(provider), "--parallel", str(PARALLEL), "--key-stdin")
        self.done("llm", "add", company, provider, *words, stdin=sandbox.key(provider))
        sandbox.llm_admin(provider, "reset_log")

    def ledger(self, company: str = NAME) -> Counter[str]:
        """Sums of what was paid: calls, tokens_in, tokens_out, and documents by purpose."""
        sums: Counter[str] = Counter()
        for line in self.done("cost", company)["lines"]:
            sums.update({name: line[name] for name in ("calls", "documents", "tokens_in", "tokens_out")})
            sums[f"{line['purpose']} calls"] += line["calls"]
            sums[line["purpose"]] += line["documents"]
        return sums

    def queue(self, company: str = NAME) -> list[Json]:
        return self.done("queue", company)["queue"]

    def summaries(self, company: str = NAME) -> dict[str, Json]:
        """Of tickets, by a model."""
        read = self.read("SELECT doc_id, payload FROM ticket_summaries WHERE NOT deleted", company)
        payloads = {doc_id: json.loads(payload) for doc_id, payload in read}
        return {doc_id: one for doc_id, one in payloads.items() if one["method"].startswith(MODEL)}

    def read(self, query: str, company: str = NAME) -> list[tuple[Any, ...]]:
        """Rows of the company's database as they are now, also while a command writes to it."""
        file = self.home / "companies" / company / "casebook.sqlite"
        if not file.exists():
            return []
        database = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=30)
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError:  # its tables are only just being made
            return []
        finally:
            database.close()


# --- made-up tickets --------------------------------------------------------------------------------------------------

_NUMBER = re.compile(r"Q-(\d{5})")
_FENCED = re.compile(r'<<<(DATA-\w+) "[^"]+"\n(.*?)\n\1>>>', re.DOTALL)

_THINGS = {
    "ko": ("결제 화면", "알림 설정", "송장 출력", "로그인 페이지", "모바일 앱", "재고 보고서"),
    "en": ("checkout page", "alert settings", "invoice export", "login page", "mobile app", "stock report"),
}
_FAULTS = {
    "ko": ("열리지 않습니다", "오류 {}번을 보여 줍니다", "{}번째 줄을 건너뜁니다", "{}초 뒤에 멈춥니다"),
    "en": ("does not open", "shows error {}", "skips row {}", "stops after {} seconds"),
}
_THREADS = {
    "ko": (
        "{thing}이 {fault}. 접수 번호는 {number} 입니다. 어제까지는 문제가 없었습니다. 확인 부탁드립니다.",
        "{thing}의 캐시 {detail}번 항목이 손상된 것이 원인이었습니다. 해당 항목을 지우고 서버를 다시 시작했습니다.",
        "{number} 건은 이제 정상으로 동작합니다. 감사합니다.",
    ),
    "en": (
        "Our {thing} {fault}. The reference is {number}. It worked until yesterday. Please check it for us.",
        "The cause was a damaged entry {detail} in the cache of the {thing}. We deleted it and restarted the server.",
        "Case {number} works again, thank you.",
    ),
}


def ticket(number: int) -> Json:
    """A solved ticket as a row of an export, unlike any other; ``numbers_of`` finds it again in a prompt."""
    chance = random.Random(number)
    language = "ko" if number % 2 else "en"
    thing, detail, name = chance.choice(_THINGS[language]), chance.randrange(2, 9999), f"Q-{number:05}"
    fault = chance.choice(_FAULTS[language]).format(detail)
    said = [one.format(thing=thing, fault=fault, number=name, detail=detail) for one in _THREADS[language]]
    return row(number, f"{thing} {fault} ({name})", said)


def row(number: int, subject: str, said: list[str]) -> Json:
    """A ticket of an export: what the customer, the agent and the customer said, in turns."""
    turns = [{"author": author, "body": text} for author, text in zip(("agent", "customer"), said[1:], strict=False)]
    first = {"ticket_id": str(number), "subject": subject, "description": said[0]}
    return first | {"status": "closed", "conversations": turns}


def write(file: Path, rows: Iterable[Json]) -> Path:
    file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return file


def numbers_of(record: Json) -> set[str]:
    """The tickets that a request is about."""
    asked = "\n".join(one["content"] for one in record.get("messages", ()) if one["role"] == "user")
    return {number for fence in _FENCED.finditer(asked) for number in _numbers(fence[2])}


def _numbers(text: str) -> set[str]:
    return {number.lstrip("0") for number in _NUMBER.findall(text)}


# --- the provider's side ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Billed:
    """What the sandbox answered and wants money for: of all providers, in the order of arrival. ``lost``: of these, what it
    could not hand over, for the connection broke."""

    records: list[Json]

    @property
    def read(self) -> list[Json]:
        return [one for one in self.records if one["status"] == 200]

    @property
    def lost(self) -> list[Json]:
        return [one for one in self.records if one["status"] != 200]

    def tokens(self) -> tuple[int, int]:
        """In and out, of what was read."""
        return sum(one["tokens_in"] for one in self.read), sum(one["tokens_out"] for one in self.read)

    def by_ticket(self) -> Counter[str]:
        """How often each ticket was paid for."""
        return Counter(number for one in self.records for number in numbers_of(one))


def requests(sandbox: Sandbox) -> list[Json]:
    found = [one | {"provider": name} for name in PROVIDERS for one in sandbox.llm_admin(name, "requests")]
    return sorted(found, key=lambda one: one["at"])


def billed(sandbox: Sandbox) -> Billed:
    return Billed([one for one in requests(sandbox) if "tokens_in" in one])


def calls(sandbox: Sandbox) -> int:
    """Answers that have to be paid for, so far."""
    return sum(sandbox.llm_admin(name, "log")["calls"] for name in PROVIDERS)


# --- the runs ---------------------------------------------------------------------------------------------------------


def faults(given: argparse.Namespace, folder: Path, found: Found) -> None:
    """A fifth of the requests fail, one of two providers dies."""
    with Sandbox(companies=(), process=True) as sandbox:
        book = Casebook(folder)
        book.add_export(write(folder / "tickets.jsonl", map(ticket, range(1, given.tickets + 1))))
        for number, name in enumerate(PROVIDERS):
            book.add_provider(sandbox, name)
            sandbox.llm_admin(
                name, "faults", rate=given.rate, kinds=KINDS, seed=given.seed + number, hang_seconds=3, slow_ms=300
            )
        sandbox.llm_admin("two", "options", dies_after=given.tickets // 30, death="insufficient_quota")
        outcome = book.done("sync", NAME, codes=(0, 1))
        asked, bill, ledger = requests(sandbox), billed(sandbox), book.ledger()
        summaries, queue = book.summaries(), book.queue()
        waiting = {entry["doc_id"] for entry in queue if entry["target"] == "ticket_summaries"}
        _say_faults(given, found, sandbox, outcome, asked, bill)
        _say_paid(found, ledger, bill)
        everything = {str(number) for number in range(1, given.tickets + 1)}
        found.figures |= {
            "summarised by a model": len(summaries),
            "in the queue, with a reason": len(waiting),
            "reasons": dict(Counter(_kind_of(entry["reason"]) for entry in queue)),
        }
        told = {doc_id: json.dumps(one, ensure_ascii=False) for doc_id, one in summaries.items()}
        foreign = [doc_id for doc_id, text in told.items() if _numbers(text) - {doc_id} or "http" in text]
        found.figures |= {
            "summaries that name their ticket": sum(bool(_numbers(text)) for text in told.values()),
            "summaries flagged ungrounded": sum("ungrounded" in one for one in summaries.values()),
        }
        often = bill.by_ticket()
        allowed = given.tickets + ledger["retry"] + ledger["repair"] + sum(len(numbers_of(one)) for one in bill.lost)
        found.figures["tickets paid for, all calls together"] = often.total()
        found.claims |= {
            "every ticket is summarised, or in the queue with a reason": everything == set(summaries) | waiting
            and all(entry["reason"] for entry in queue)
            and not set(summaries) & waiting,
            "calls in the ledger = answers that came whole": ledger["calls"] == len(bill.read),
            "tokens in the ledger = the provider's": (ledger["tokens_in"], ledger["tokens_out"]) == bill.tokens(),
            "paid for <= tickets + retries + repairs + answers lost on the way": often.total() <= allowed,
            "first calls ask for each ticket once": ledger["first"] <= given.tickets,
            "no summary names another ticket, or holds a link": not foreign,
            "the provider died": sandbox.llm_admin("two", "log")["faults"].get("insufficient_quota", 0) > 0,
        }
        for name in PROVIDERS:
            sandbox.llm_admin(name, "faults")
        before = calls(sandbox)
        book.done("sync", NAME, codes=(0, 1))
        found.figures["calls of the next sync, without faults"] = calls(sandbox) - before
        found.claims["the next sync leaves nothing"] = set(book.summaries()) == everything and not book.queue()


def _say_faults(
    given: argparse.Namespace, found: Found, sandbox: Sandbox, outcome: Json, asked: list[Json], bill: Billed
) -> None:
    spoilt: Counter[str] = Counter()
    for name in PROVIDERS:
        spoilt.update(sandbox.llm_admin(name, "log")["faults"])
    dead = spoilt.pop("insufficient_quota", 0)
    died = next((at for at, one in enumerate(asked) if one.get("fault") == "insufficient_quota"), None)
    found.figures |= {
        "tickets": given.tickets,
        "requests / of them failed": f"{len(asked):,} / {spoilt.total():,} of {len(spoilt)} kinds",
        "refused by the provider that died": dead,
        "answers paid for / of them lost on the way": f"{len(bill.records):,} / {len(bill.lost):,}",
        "sync": f"{outcome['seconds']} s, ok {outcome['ok']}, notes {outcome['notes']}",
    }
    if died is not None:
        found.figures["it died after requests, of both"] = died


def _kind_of(reason: str) -> str:
    """A reason without what is of one ticket."""
    return re.sub(r"'[^']*'|\d+", "…", reason)[:90]


def _say_paid(found: Found, ledger: Counter[str], bill: Billed) -> None:
    found.figures |= {
        "calls: ledger / provider": f"{ledger['calls']:,} / {len(bill.read):,}",
        "tokens in, out: ledger": f"{ledger['tokens_in']:,}, {ledger['tokens_out']:,}",
        "tokens in, out: provider": "{:,}, {:,}".format(*bill.tokens()),
        "documents by purpose, ledger": {
            purpose: ledger[purpose] for purpose in ("first", "retry", "repair", "batch") if ledger[purpose]
        },
    }


def kills(given: argparse.Namespace, folder: Path, found: Found) -> None:
    """SIGKILL at random moments of the summary stage."""
    with Sandbox(companies=(), process=True) as sandbox:
        file = write(folder / "tickets.jsonl", map(ticket, range(1, given.tickets + 1)))
        calm = Casebook(folder, "undisturbed")
        calm.add_export(file)
        for name in PROVIDERS:
            calm.add_provider(sandbox, name)
        calm.done("sync", NAME)
        wanted, calm_calls = Home(calm.home).rows(NAME), calls(sandbox)

        book = Casebook(folder)
        book.add_export(file)
        for name in PROVIDERS:
            book.add_provider(sandbox, name)
            sandbox.llm_admin(name, "options", slow_ms=given.slow_ms)
        whole = calm_calls / (PARALLEL * len(PROVIDERS)) * given.slow_ms / 1000
        chance = random.Random(given.seed)
        in_flight: list[int] = []
        lost: Counter[str] = Counter()
        for _ in range(given.kills):
            flying = _killed_sync(book, sandbox, lambda: chance.random() * whole / given.kills * 1.6, given.slow_ms)
            if flying is None:
                break
            in_flight.append(len(flying))
            for one in flying:
                lost.update(numbers_of(one))
        outcome = book.done("sync", NAME)
        bill, ledger = billed(sandbox), book.ledger()
        often = bill.by_ticket()
        rows = Home(book.home).rows(NAME)
        found.figures |= {
            "tickets": given.tickets,
            "kills": len(in_flight),
            "calls in flight at each": in_flight,
            "calls: ledger / provider / undisturbed": f"{ledger['calls']:,} / {len(bill.records):,} / {calm_calls:,}",
            "tokens of calls in flight": sum(bill.tokens()) - ledger["tokens_in"] - ledger["tokens_out"],
            "tickets paid for, all calls together": often.total(),
            "of them again": often.total() - len(often),
            "last sync": f"{outcome['seconds']} s, ok {outcome['ok']}",
        }
        found.claims |= {
            f"{given.kills} kills hit the summary stage": len(in_flight) == given.kills,
            f"at most {PARALLEL * len(PROVIDERS)} calls in flight at a kill": max(in_flight, default=0)
            <= PARALLEL * len(PROVIDERS),
            "ledger + calls in flight = the provider's": ledger["calls"] + sum(in_flight) == len(bill.records),
            "each ticket was paid for once, and once more for each kill it was in flight at": often
            == Counter(str(number) for number in range(1, given.tickets + 1)) + lost,
            "all tables are those of the undisturbed home": rows == wanted,
            "nothing waits in the queue": not book.queue(),
        }


def _killed_sync(book: Casebook, sandbox: Sandbox, wait: Callable[[], float], slow_ms: float) -> list[Json] | None:
    """Kill a sync a little after its first call; gives the calls that were paid for and did not get into the ledger. None
    when the sync was done before."""
    before = calls(sandbox)
    told = len(book.read("SELECT call_id FROM ledger"))
    running = book.start("sync", NAME)
    while running.poll() is None and calls(sandbox) == before:
        time.sleep(0.02)
    time.sleep(wait())
    if running.poll() is not None:
        return None
    running.kill()
    running.wait()
    time.sleep(slow_ms / 1000 + 0.5)  # the provider works on, whoever is gone
    mine = billed(sandbox).records[before:]
    kept = {doc_id for (doc_id,) in book.read("SELECT doc_id FROM paid WHERE data_type = 'ticket'")}
    flying = [one for one in mine if not numbers_of(one) & kept]
    counted = len(book.read("SELECT call_id FROM ledger")) - told
    if len(flying) != len(mine) - counted:  # without faults a call is kept whole, or not at all
        raise SystemExit(f"{len(mine)} calls, {counted} of them in the ledger, and {len(flying)} without a result")
    return flying


def batch(given: argparse.Namespace, folder: Path, found: Found) -> None:
    """A backfill by three batches, through kills, an expiry and failed lines."""
    third = given.tickets * 2 // 5
    file = folder / "tickets.jsonl"
    in_flight: list[int] = []
    with Sandbox(companies=(), llm=PROVIDERS, process=True) as sandbox:
        book = Casebook(folder)

        def grown(to: int) -> None:
            write(file, map(ticket, range(1, to + 1)))

        def killed(when: Callable[[], bool], *words: str) -> None:
            before, told = calls(sandbox), len(book.read("SELECT call_id FROM ledger WHERE purpose != 'batch'"))
            running = book.start("sync", NAME, *words)
            while running.poll() is None and not when():
                time.sleep(0.005)
            if running.poll() is not None:
                raise SystemExit(f"sync {' '.join(words)} ended before it could be killed")
            running.kill()
            running.wait()
            time.sleep(0.5)
            now = len(book.read("SELECT call_id FROM ledger WHERE purpose != 'batch'"))
            in_flight.append(calls(sandbox) - before - (now - told))

        grown(third)
        book.add_export(file)
        book.add_provider(sandbox, "one")
        sandbox.llm_admin("one", "options", batch_polls=None)
        # The batch is made at once, and its maker does not hear of it for long.
        sandbox.llm_admin("one", "faults", rates={"slow": 1.0}, on=["batches"], slow_ms=8000)
        killed(lambda: bool(sandbox.llm_admin("one", "batches")), "--batch")
        sandbox.llm_admin("one", "faults")
        for size in (2 * third, given.tickets):
            grown(size)
            book.done("sync", NAME, "--batch")
        made = sandbox.llm_admin("one", "batches")
        waiting = len(book.queue())
        expired, failed = third * 3 // 5, third // 200
        sandbox.llm_admin("one", "batch", do="complete", id=made[0]["id"], failed=failed)
        sandbox.llm_admin("one", "batch", do="expire", id=made[1]["id"], done=expired, failed=failed)
        killed(lambda: _count(book, "ledger WHERE purpose = 'batch'") > 0)
        killed(lambda: _count(book, "paid") > third // 10)
        direct, told = calls(sandbox), _count(book, "ledger")
        said = book.done("sync", NAME)["paid"]["llm_calls"]
        asked_again, told = calls(sandbox) - direct, _count(book, "ledger") - told
        sandbox.llm_admin("one", "batch", do="complete")
        last = book.done("sync", NAME)
        ledger, bill = book.ledger(), billed(sandbox)
        lines = Counter(one["custom_id"] for one in bill.records if "custom_id" in one)
        batches = sandbox.llm_admin("one", "batches")
        outside = len(bill.records) - lines.total()
        flown = sum(in_flight)
        short = sum(bill.tokens()) - ledger["tokens_in"] - ledger["tokens_out"]
        left = _files(sandbox)
        found.figures |= {
            "tickets": given.tickets,
            "batches: lines, answered, failed or expired": [
                "{} {total} {completed} {failed}".format(one["status"], **one["request_counts"]) for one in batches
            ],
            "waited in the queue for the first three": waiting,
            "lines paid for / twice": f"{lines.total():,} / {lines.total() - len(lines):,}",
            "calls outside of batches / in flight at kills": f"{outside:,} / {flown:,}",
            "of them by the sync after the kills": asked_again,
            "calls of that sync: it says / in the ledger": f"{said:,} / {told:,}",
            "calls in the ledger: batch, outside": f"{ledger['batch calls']:,}, {ledger['calls'] - ledger['batch calls']:,}",
            "tokens in, out: ledger": f"{ledger['tokens_in']:,}, {ledger['tokens_out']:,}",
            "tokens in, out: provider": "{:,}, {:,}".format(*bill.tokens()),
            "files left at the provider": len(left),
            "last sync": f"{last['seconds']} s, ok {last['ok']}",
        }
        found.claims |= {
            "every ticket has a summary by the model": len(book.summaries()) == given.tickets,
            "nothing waits": not book.queue() and not book.done("cost", NAME)["batches"],
            "each line was paid for once": max(lines.values()) == 1,
            "each ticket is in the ledger once: by a batch, or outside": ledger["batch"] + ledger["first"]
            == given.tickets,
            "tokens in the ledger = the provider's, but for calls in flight": short >= 0 and (short > 0) == (flown > 0),
            "calls in the ledger + in flight = the provider's": ledger["calls"] + flown == len(bill.records),
            "four batches: what was killed was not handed in again, what expired was": len(batches) == 4
            and 0 < batches[3]["request_counts"]["total"] <= third - expired,
            "no file is left at the provider": not left,
        }


def _count(book: Casebook, what: str) -> int:
    found = book.read(f"SELECT count(*) FROM {what}")
    return found[0][0] if found else 0


def _files(sandbox: Sandbox) -> list[str]:
    """Names of the files that the provider still has."""
    request = Request(f"{sandbox.llm_url('one')}/files", headers={"Authorization": f"Bearer {sandbox.key('one')}"})
    with urlopen(request) as answer:
        return [one["filename"] for one in json.load(answer)["data"]]


# --- personal data ----------------------------------------------------------------------------------------------------


def planted(chance: random.Random) -> Iterator[tuple[str, str]]:
    """(kind, datum) without end, of every kind in turn; all drawn, none is anybody's."""

    def digits(count: int) -> str:
        return "".join(chance.choices("0123456789", k=count))

    def letters(count: int, of: str = "abcdefghijkmnpqrstuvwxyz23456789") -> str:
        return "".join(chance.choices(of, k=count))

    def card() -> str:
        body = "4" + digits(14)
        whole = body + luhn.calc_check_digit(body)
        return chance.choice(("", " ", "-")).join(whole[at : at + 4] for at in range(0, 16, 4))

    def resident() -> str:
        born = f"{chance.randrange(50, 99)}{chance.randrange(1, 13):02}{chance.randrange(1, 29):02}"
        return f"{born}-{chance.choice('12')}{digits(6)}"

    def account() -> str:
        body = digits(18)
        return f"DE{iban.calc_check_digits('DE00' + body)}{body}"

    makers: tuple[tuple[str, Callable[[], str]], ...] = (
        ("e-mail", lambda: f"{letters(7)}.{letters(4)}@{letters(6)}.example.{chance.choice(('com', 'co.kr', 'org'))}"),
        ("e-mail", lambda: f"{letters(5)}+{letters(3)}@{letters(8)}.kr"),
        ("e-mail", lambda: f"{letters(9)} (at) {letters(7)} (dot) com"),
        ("telephone", lambda: f"010-{chance.randrange(2000, 9999)}-{digits(4)}"),
        ("telephone", lambda: f"010{chance.randrange(2000, 9999)}{digits(4)}"),
        ("telephone", lambda: f"02-{chance.randrange(200, 999)}-{digits(4)}"),
        ("telephone", lambda: f"+82 10 {chance.randrange(2000, 9999)} {digits(4)}"),
        ("telephone", lambda: f"+1 415-{chance.randrange(200, 999)}-{digits(4)}"),
        ("card", card),
        ("resident number", resident),
        ("IBAN", account),
        ("key", lambda: f"sk-{letters(12)}{digits(3)}{letters(20)}"),
        ("key", lambda: f"ghp_{letters(36)}"),
        ("key", lambda: "AKIA" + letters(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")),
    )
    while True:
        for kind, make in makers:
            yield kind, make()


_TOLD = {
    "ko": {
        "e-mail": "회신은 {} 로 부탁드립니다.",
        "telephone": "제 연락처는 {} 입니다.",
        "card": "{} 카드로 결제했습니다.",
        "resident number": "주민등록번호는 {} 입니다.",
        "IBAN": "환불 계좌는 {} 입니다.",
        "key": "사용한 API 키는 {} 입니다.",
    },
    "en": {
        "e-mail": "Please reply to {} about it.",
        "telephone": "You can call me at {} any time.",
        "card": "I paid with my card {} yesterday.",
        "resident number": "My resident number is {}, as you asked.",
        "IBAN": "Send the refund to {} please.",
        "key": "The API key that I used is {} since May.",
    },
}


def with_data(number: int, data: list[tuple[str, str]]) -> Json:
    """The ticket of this number, into whose subject and messages data were written."""
    made = ticket(number)
    language = "ko" if number % 2 else "en"
    said = [_TOLD[language][kind].format(datum) for kind, datum in data]
    texts = [made["description"], *(one["body"] for one in made["conversations"])]
    for at, sentence in enumerate(said):
        texts[at % len(texts)] = f"{sentence} {texts[at % len(texts)]}"
    return row(number, f"{made['subject']} {data[0][1]}", texts)


_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")
_CALL = re.compile(r"(?<![\d-])(?:\+82[ -]?\d{1,2}|0\d{1,2})[ -]\d{3,4}[ -]\d{4}(?![\d-])")
_APART = re.compile(r"[\s().\-/]")


def privacy(given: argparse.Namespace, folder: Path, found: Found) -> None:
    """What the providers were sent, searched for what must not leave."""
    data = planted(random.Random(given.seed))
    rows: list[Json] = []
    hidden: list[tuple[str, str]] = []
    for number in range(1, given.planted + 1):
        mine = [next(data) for _ in range(7)]
        hidden += mine
        rows.append(with_data(number, mine))
    file = write(folder / "papers.jsonl", rows)
    with Sandbox(process=True) as sandbox:
        book = Casebook(folder)
        known: dict[str, str] = {}
        for name in ("acme", "hanbit"):
            book.add_account(sandbox, name)
            texts = json.dumps(sandbox.admin(name, "truth"), ensure_ascii=False)
            known |= dict.fromkeys(_ADDRESS.findall(texts), "e-mail") | dict.fromkeys(_CALL.findall(texts), "telephone")
        for name in ("papers", "papers-batch"):
            book.add_export(file, name)
        for name in ("acme", "hanbit", "papers", "papers-batch"):
            book.add_provider(sandbox, "one", name)
        for name in ("acme", "hanbit", "papers"):
            book.done("sync", name)
        book.done("sync", "papers-batch", "--batch")
        sandbox.llm_admin("one", "batch", do="complete")
        book.done("sync", "papers-batch")
        log = sandbox.llm_admin("one", "requests")
        sent = json.dumps(log, ensure_ascii=False)
        run_together = _APART.sub("", sent)
        left = [
            (kind, datum)
            for kind, datum in [*hidden, *((kind, datum) for datum, kind in known.items())]
            if datum in sent or _APART.sub("", datum) in run_together
        ]
        stored = "".join(
            json.dumps(one, ensure_ascii=False)
            for name in ("papers", "papers-batch")
            for one in book.summaries(name).values()
        )
        seen = Counter(number for one in log for number in numbers_of(one))
        found.figures |= {
            "data planted in the export, of each kind": dict(Counter(kind for kind, _ in hidden)),
            "addresses and numbers in acme's and hanbit's tickets": dict(Counter(known.values())),
            "requests to the provider / characters": f"{len(log):,} / {len(sent):,}",
            "placeholders in them": dict(Counter(re.findall(r"\[(EMAIL|PHONE|CARD|RRN|IBAN|SECRET)_\d+\]", sent))),
            "tickets summarised: acme, hanbit, export, export by a batch": [
                len(book.summaries(name)) for name in ("acme", "hanbit", "papers", "papers-batch")
            ],
            "data that stand in the stored summaries again": sum(datum in stored for _, datum in hidden),
            "data found in what was sent": [kind for kind, _ in left] if not given.show else left,
        }
        found.claims |= {
            "not one datum was sent": not left,
            "every ticket with planted data was sent, twice": all(seen[one["ticket_id"]] >= 2 for one in rows),
            "summaries have the data again, no placeholder": not re.search(r"\[(?:EMAIL|PHONE|CARD|RRN|IBAN)_", stored)
            and any(datum in stored for _, datum in hidden),
        }


# --- the command ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Read the command line, do its run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runs = parser.add_subparsers(required=True)
    for run in (faults, kills, batch, privacy):
        one = runs.add_parser(run.__name__, help=run.__doc__)
        one.add_argument("--tickets", type=int, default=5000 if run is batch else 2000)
        one.add_argument("--seed", type=int, default=1)
        one.add_argument("--json", type=Path, help="all figures into a file")
        one.set_defaults(run=run)
        if run is faults:
            one.add_argument("--rate", type=float, default=0.2, help="share of the requests that fail")
        if run is kills:
            one.add_argument("--kills", type=int, default=10)
            one.add_argument("--slow-ms", type=float, default=400, help="what an answer takes")
        if run is privacy:
            one.add_argument("--planted", type=int, default=40, help="tickets with planted data, seven in each")
            one.add_argument("--show", action="store_true", help="show what was found, too")
    given = parser.parse_args()
    console = Console()
    console.print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors", highlight=False)
    found, began = Found(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="casebook-llm-") as made:
        given.run(given, Path(made), found)
    found.figures["seconds"] = round(time.monotonic() - began)
    found.show(console)
    if given.json:
        given.json.write_text(json.dumps({"figures": found.figures, "claims": found.claims}, indent=1))
    if not all(found.claims.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
