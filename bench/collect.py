"""What collecting costs and loses: Casebook beside public clients, on the same sandbox, in the same minutes.

    python -m bench.collect [--only SCENARIO,...] [--clients CLIENT,...] [--small] [--rounds 3] [--patience 400]
                            [--venvs FOLDER] [--dlt-source FOLDER] [--json FILE] [--folder FOLDER] [--keep]

Each scenario has a made-up account, served by a sandbox in a process of its own, and lets one client after another loose
on it, each in a process of its own and on a fresh copy. Afterwards what the client has is compared with the truth.
Public clients are installed with pip when they are first needed, each into an environment of its own under ``--venvs``
(``bench/.venvs``, which git ignores); ``bench/clients`` says how each is run. ``--small``: fewer tickets, to try it out.

requests    lists / all that reached the sandbox, killed pulls included; ``credits`` are what the rate limit counts
wall        the client's work without its start and imports, and ``CPU`` of that; ``RSS`` is the process's peak
lost        live tickets that the client does not have; ``kept`` those it has though they were deleted
stale       tickets that it has in an older version
doubled     rows written more than once in the same version; messages: conversations lost / doubled

Belongs here: the scenarios, the measures, and the aims they are held against.
Does not belong here: how a client is run (``bench/clients``); search and storage (the other benches).
"""

import argparse
import dataclasses
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import venv
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.clients import Task, seconds
from sandbox.serve import Sandbox

ROOT = Path(__file__).parents[1]
OURS, LIMIT = "casebook", "bare"
#: In the order of the tables. "dlt" has no conversations, "zenpy" is for Zendesk.
CLIENTS = (OURS, LIMIT, "python_freshdesk", "tap_freshdesk", "airbyte", "dlt", "zenpy")
ACCOUNT = "acme"
LISTS = ("GET /tickets", "GET /incremental/tickets/cursor", "GET /incremental/tickets")


@dataclass
class Result:
    """One pull. ``done`` is "" or what went wrong. None: does not apply, or could not be measured."""

    scenario: str
    step: str
    client: str
    done: str
    lists: int
    requests: int
    credits: int
    refused: int
    wall: float
    cpu: float | None
    process: float
    peak_mb: float | None
    live: int
    got: int
    lost: int
    kept: int
    stale: int
    doubled: int
    messages: int | None
    messages_lost: int | None
    messages_doubled: int | None

    @property
    def whole(self) -> bool:
        """Everything is there, once, as it is now."""
        wrong = (self.lost, self.kept, self.stale, self.doubled, self.messages_lost or 0, self.messages_doubled or 0)
        return not self.done and not any(wrong)


class Client:
    """A client's file, and the interpreter it runs in."""

    def __init__(self, name: str, venvs: Path, dlt_source: str) -> None:
        self.name, self.dlt_source = name, dlt_source
        module = importlib.import_module(f"bench.clients.{name}")
        self.requires: tuple[str, ...] = module.REQUIRES
        self.platforms: list[str] = module.PLATFORM.split()
        self.threads: bool = module.THREADS
        self._folder = venvs / name.replace("_", "-")
        self.python = str(self._folder / "bin" / "python") if self.requires else sys.executable

    def install(self) -> None:
        """Raises ``CalledProcessError`` when a package cannot be had."""
        stamp = self._folder / "installed"
        if not self.requires or (stamp.exists() and stamp.read_text() == "\n".join(self.requires)):
            return
        print(f"installing {', '.join(self.requires)}", flush=True)
        venv.create(self._folder, with_pip=True)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *self.requires]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
        stamp.write_text("\n".join(self.requires))

    def command(self, verb: str, task: Task) -> list[str]:
        return [self.python, "-m", f"bench.clients.{self.name}", verb, json.dumps(dataclasses.asdict(task))]


class Pull:
    """A client's process, watched while it runs. Killed with all it started at the end of the ``with`` block."""

    def __init__(self, client: Client, task: Task) -> None:
        self.started = time.perf_counter()
        self.peak_mb: float | None = None
        self.was_killed = self.timed_out = False
        with Path(task.folder, "log").open("ab") as log:
            self._process = subprocess.Popen(
                client.command("pull", task),
                cwd=task.folder,
                env=_environment(task.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watch = threading.Thread(target=self._watch_memory, daemon=True)
        self._watch.start()

    def __enter__(self) -> "Pull":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._watch.join()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait(self, patience: float) -> None:
        try:
            self._process.wait(max(0.1, self.started + patience - time.perf_counter()))
        except subprocess.TimeoutExpired:
            self.timed_out = True
            self._process.kill()
            self._process.wait()
        self.process_seconds = time.perf_counter() - self.started

    def kill(self) -> None:
        self.was_killed = True
        self._process.kill()

    def done(self, patience: float) -> str:
        if self.timed_out:
            return f"> {patience:.0f} s"
        code = self._process.returncode
        return "" if code == 0 else "killed" if self.was_killed else f"exit {code}"

    def _watch_memory(self) -> None:
        """The high-water mark of the process itself: what ``wait`` gives for a child includes this process at the fork."""
        status = Path(f"/proc/{self._process.pid}/status")
        while self.running:
            with suppress(OSError, StopIteration):
                mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
                self.peak_mb = int(mark.split()[1]) / 1024
            time.sleep(0.02)


def _environment(folder: str) -> dict[str, str]:
    """Ours, without settings of this installation, of a virtual environment, or of a proxy; clients report nothing home."""
    prefixes = ("CASEBOOK_", "DAGSTER_", "PYTHON", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    kept |= {"PYTHONPATH": str(ROOT), "HOME": folder, "NO_PROXY": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1"}
    return kept | {"RUNTIME__DLTHUB_TELEMETRY": "false", "DO_NOT_TRACK": "1"}


class Trial:
    """One client in one scenario: pulls one after another on the same account, into the same folder."""

    def __init__(
        self, scenario: "Scenario", client: Client, sandbox: Sandbox, within: Path, small: bool, patience: float
    ):
        self.scenario, self.client, self.sandbox = scenario, client, sandbox
        self.within, self.small, self.patience = within, small, patience
        self.results: list[Result] = []
        self.fresh()

    def fresh(self, attachments: str = "full") -> None:
        """Account and client as before their first pull. ``attachments`` is a setting of Casebook."""
        self.admin("reset")
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.client.name}-", dir=self.within))
        self.task = Task(
            self.sandbox.url(ACCOUNT, self.scenario.platform),
            self.sandbox.key(ACCOUNT),
            self.sandbox.user(ACCOUNT),
            str(self.folder),
            self.scenario.platform,
            self.scenario.threads,
            self.client.dlt_source,
            attachments,
        )

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin(ACCOUNT, action, **given)

    def log(self) -> dict[str, Any]:
        return self.admin("log")

    def pull(
        self, step: str, during: Callable[["Trial", Pull], None] | None = None, *, count_on: bool = False
    ) -> Result:
        """``during`` is called while the client runs. ``count_on``: requests of earlier pulls count, too."""
        if not count_on:
            self.admin("reset_log")
        (self.folder / "seconds").unlink(missing_ok=True)
        with Pull(self.client, self.task) as pull:
            if during:
                during(self, pull)
            pull.wait(self.patience)
        log = self.log()
        self.admin("churn")
        self.admin("faults")
        result = self._compared(step, pull, log)
        self.results.append(result)
        return result

    def _compared(self, step: str, pull: Pull, log: dict[str, Any]) -> Result:
        took = self.folder / "seconds"
        routes = {name: sum(statuses.values()) for name, statuses in log["routes"].items()}
        found = _compare(self.admin("truth"), self._has(), threads=self.scenario.threads and self.client.threads)
        wall, cpu = json.loads(took.read_text()) if took.exists() else (pull.process_seconds, None)
        return Result(
            self.scenario.name,
            step,
            self.client.name,
            pull.done(self.patience),
            sum(routes.get(name, 0) for name in LISTS),
            log["requests"],
            log["credits"],
            log["429s"],
            wall,
            cpu,
            pull.process_seconds,
            pull.peak_mb,
            **found,
        )

    def _has(self) -> dict[str, Any]:
        said = subprocess.run(
            self.client.command("read", self.task),
            cwd=self.folder,
            env=_environment(str(self.folder)),
            capture_output=True,
        )
        if said.returncode:
            sys.stderr.write(said.stderr.decode()[-2000:])
            return {"tickets": {}, "messages": {}}
        return json.loads(said.stdout)


def _compare(truth: dict[str, Any], has: dict[str, Any], *, threads: bool) -> dict[str, Any]:
    live = {str(ticket["id"]): seconds(ticket["updated_at"]) for ticket in truth["tickets"]}
    rows: dict[str, list[int]] = has["tickets"]
    found: dict[str, Any] = {
        "live": len(live),
        "got": len(rows),
        "lost": len(live.keys() - rows.keys()),
        "kept": len(rows.keys() - live.keys()),
        "stale": sum(times[-1] != live[number] for number, times in rows.items() if number in live),
        "doubled": sum(len(times) - len(set(times)) for times in rows.values()),
        "messages": None,
        "messages_lost": None,
        "messages_doubled": None,
    }
    if threads and has["messages"] is not None:
        said = {str(one["id"]) for ticket in truth["tickets"] for one in ticket["conversations"]}
        times = [times for _, times in has["messages"].values()]
        found["messages"] = len(times)
        found["messages_lost"] = len(said - has["messages"].keys())
        found["messages_doubled"] = sum(len(one) - len(set(one)) for one in times)
    return found


# --- scenarios --------------------------------------------------------------------------------------------------------

Results = list[Result]


@dataclass(frozen=True)
class Scenario:
    """``run`` does the pulls; ``aims`` says, of the results of Casebook and of all, what DESIGN §7 asks and whether it is
    so. ``tickets`` and ``small`` are how many tickets the account has."""

    name: str
    what: str
    run: Callable[[Trial], None]
    aims: Callable[["Steps"], list[tuple[str, bool]]]
    tickets: int
    small: int
    platform: str = "freshdesk"
    threads: bool = True
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    small_options: dict[str, Any] = field(default_factory=dict[str, Any])
    rounds: bool = False
    """Whether Casebook and the limit take turns, several times each."""


class Steps:
    """Results by client and step; of several the one in the middle."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def all(self, client: str, step: str) -> Results:
        return [one for one in self.results if (one.client, one.step) == (client, step)]

    def middle(self, client: str, step: str) -> Result | None:
        found = sorted(self.all(client, step), key=lambda one: one.wall)
        return found[len(found) // 2] if found else None

    def ours(self, step: str) -> Result:
        found = self.middle(OURS, step)
        assert found, step
        return found

    def shown(self) -> Results:
        keys = dict.fromkeys((one.client, one.step) for one in self.results)
        return [one for key in keys if (one := self.middle(*key))]


def full(trial: Trial) -> None:
    """Tickets and threads, which is what the others take; files' metadata would make each view a larger one."""
    trial.fresh("threads")
    trial.pull("full pull")
    if trial.client.name == LIMIT:
        return
    half = 50 if not trial.small else 10
    text = trial.admin("edit", count=half, seed=1, what="text")["ids"]
    others = [ticket["id"] for ticket in trial.admin("truth")["tickets"] if ticket["id"] not in set(text)]
    trial.admin("edit", ids=others[:: max(1, len(others) // half)][:half], what="reply")
    trial.pull("after 100 edits" if not trial.small else "after edits")


def full_aims(steps: Steps) -> list[tuple[str, bool]]:
    ours, step = steps.ours("full pull"), steps.results[-1].step
    lists = ceil(ours.live / 100)
    aims = [
        (f"all of it, once: {_said(ours)}", ours.whole),
        (f"{ours.requests} requests, at most {ours.live + lists + 20}", ours.requests <= ours.live + lists + 20),
        (f"{ours.peak_mb or 0:.0f} MB, less than 200", (ours.peak_mb or 0) < 200),
    ]
    if limit := steps.middle(LIMIT, "full pull"):
        mine = ours.live / ours.wall
        bare = ours.live / limit.wall
        said = f"{mine:.0f} tickets/s, {mine / bare:.2f} of the bare loop's {bare:.0f}; aim 0.8"
        cpu = f"its CPU {limit.cpu / ours.cpu:.2f}" if limit.cpu and ours.cpu else ""
        aims.append((f"{said} ({cpu})", mine / bare >= 0.8))
    for step in ("after 100 edits", "after edits"):
        if after := steps.middle(OURS, step):
            most = 105 if step == "after 100 edits" else 25
            aims.append((f"{step}: {after.requests} requests, at most {most}; {_said(after)}",
                         after.requests <= most and after.whole))  # fmt: skip
    return aims


def churn(**what: int) -> Callable[[Trial], None]:
    def run(trial: Trial) -> None:
        trial.admin("churn", count=2, limit=30 if not trial.small else 10, **what)
        trial.pull("while it changes")
        trial.pull("next pull")

    return run


def churn_aims(steps: Steps) -> list[tuple[str, bool]]:
    first, after = steps.ours("while it changes"), steps.ours("next pull")
    return [
        (f"none lost in the walk: {_said(first)}", not first.done and not first.lost),
        (f"all right after the next: {_said(after)}", after.whole),
    ]


def kill(trial: Trial) -> None:
    undisturbed = trial.pull("undisturbed")
    trial.fresh()

    def half_way(trial: Trial, pull: Pull) -> None:
        while pull.running and trial.log()["requests"] < undisturbed.requests // 2:
            time.sleep(0.01)
        pull.kill()

    trial.pull("killed half way", half_way)
    trial.pull("both together", count_on=True)


def kill_aims(steps: Steps) -> list[tuple[str, bool]]:
    whole, both = steps.ours("undisturbed"), steps.ours("both together")
    ratio = both.requests / max(1, whole.requests)
    return [
        (
            f"{ratio:.3f} times the requests, at most 1.02",
            ratio <= 1.02 and steps.ours("killed half way").done == "killed",
        ),
        (f"all of it, once: {_said(both)}", both.whole),
    ]


MIX: dict[str, Any] = {"rate": 0.05, "kinds": ["500", "503", "reset", "cut", "html", "429"]}
STORM_SECONDS = 3.0


def faults(trial: Trial) -> None:
    """5 % of the answers fail, and when a third has been fetched, all are 429 for three seconds."""
    tickets = trial.scenario.small if trial.small else trial.scenario.tickets
    third = (tickets if trial.client.threads else tickets // 100) // 3

    def storm(trial: Trial, pull: Pull) -> None:
        while pull.running and trial.log()["requests"] < third:
            time.sleep(0.02)
        trial.admin("faults", rate=1, kinds=["429"])
        ends = time.monotonic() + STORM_SECONDS
        while pull.running and time.monotonic() < ends:
            time.sleep(0.02)
        trial.admin("faults", seed=2, **MIX)

    trial.admin("faults", seed=1, **MIX)
    trial.pull("5 % faults, a storm", storm)


def faults_aims(steps: Steps) -> list[tuple[str, bool]]:
    ours = steps.ours("5 % faults, a storm")
    return [(f"{ours.wall:.1f} s, less than 30; {_said(ours)}", ours.wall < 30 and ours.whole)]


LIMITED = {"full": ("attachments=full", 2), "threads": ("attachments=threads", 1)}
"""Casebook's setting, the step's name, and what a ticket costs. No other client fetches what ``full`` does."""


def limited(trial: Trial) -> None:
    if trial.client.name != OURS:
        trial.admin("plan", name="growth")
        trial.pull("limited")
        return
    for setting, (step, _) in LIMITED.items():
        trial.fresh(setting)
        trial.admin("plan", name="growth")
        trial.pull(step)


def limited_aims(steps: Steps) -> list[tuple[str, bool]]:
    aims: list[tuple[str, bool]] = []
    for step, cost in LIMITED.values():
        ours = steps.ours(step)
        needed = ours.live * cost + ceil(ours.live / 100) * 7
        least = 60 * (ceil(needed / 200) - 1)  # the last minute's credits need not be waited for
        said = f"{step}: {ours.wall:.1f} s, at most 1.05 of the {least} s that {needed} credits take; {_said(ours)}"
        aims.append((said, ours.wall <= 1.05 * least and ours.whole))
        aims.append((f"{step}: {ours.refused} answers 429, at most 1", ours.refused <= 1))
    return aims


def many(trial: Trial) -> None:
    trial.pull("more than the pages hold")


def same_time(trial: Trial) -> None:
    tickets = trial.scenario.small if trial.small else trial.scenario.tickets
    trial.admin("same_time", count=int(tickets * 0.96), seed=1)
    trial.pull("more at one second")


def many_aims(steps: Steps) -> list[tuple[str, bool]]:
    ours = steps.ours(steps.results[0].step)
    return [(f"none lost: {_said(ours)}", ours.whole)]


def zendesk(trial: Trial) -> None:
    trial.admin("clock", advance=300)  # an export holds the last minute back
    trial.pull("full pull")


def zendesk_aims(steps: Steps) -> list[tuple[str, bool]]:
    ours = steps.ours("full pull")
    return [(f"all of it, once: {_said(ours)}", ours.whole)]


def _said(one: Result) -> str:
    return (
        f"lost {one.lost}, kept {one.kept}, stale {one.stale}, doubled {one.doubled}, messages lost "
        f"{'-' if one.messages_lost is None else one.messages_lost}{f', {one.done}' if one.done else ''}"
    )


SCENARIOS = (
    Scenario("edits", "tickets are edited while the list is walked", churn(edit_every=1), churn_aims, 2000, 600),
    Scenario("deletions", "tickets are deleted while the list is walked", churn(delete_every=1), churn_aims, 2000, 600),
    Scenario("kill", "kill -9 half way, and again", kill, kill_aims, 2000, 600),
    Scenario("full", "everything, and what came next", full, full_aims, 9900, 600, rounds=True),
    Scenario("zendesk", "everything from Zendesk", zendesk, zendesk_aims, 2000, 300, platform="zendesk"),
    Scenario(
        "many", "more tickets than can be paged, tickets only", many, many_aims, 32_500, 2500,
        threads=False, small_options={"page_cap": 20},
    ),
    Scenario(
        "same-time", "more tickets of one second than can be paged, tickets only", same_time, many_aims, 32_500, 2500,
        threads=False, small_options={"page_cap": 20},
    ),
    Scenario("faults", "errors, resets, cut bodies, pages, 429", faults, faults_aims, 2000, 300),
    Scenario("limited", "a plan of 200 calls a minute", limited, limited_aims, 400, 230),
)  # fmt: skip
"""The cheap ones first."""


# --- running and showing ----------------------------------------------------------------------------------------------


def run(scenario: Scenario, clients: Sequence[Client], options: argparse.Namespace, folder: Path) -> Steps:
    count = scenario.small if options.small else scenario.tickets
    served = scenario.options | (scenario.small_options if options.small else {})
    taking = [client for client in clients if scenario.platform in client.platforms]
    turns = list(taking)
    if scenario.rounds:
        pair = [client for client in taking if client.name in (OURS, LIMIT)]
        turns = [one for number in range(options.rounds) for one in (pair if number % 2 else pair[::-1])]
        turns += [client for client in taking if client not in pair]
    results: Results = []
    with Sandbox(generated={ACCOUNT: count}, process=True, **served) as sandbox:
        for client in turns:
            trial = Trial(scenario, client, sandbox, folder, options.small, options.patience)
            scenario.run(trial)
            results += trial.results
            if not options.keep:
                for one in folder.iterdir():
                    shutil.rmtree(one)
    results.sort(key=lambda one: CLIENTS.index(one.client))
    return Steps(results)


def show(console: Console, scenario: Scenario, steps: Steps, count: int) -> list[tuple[str, bool]]:
    table = Table(
        title=f"{scenario.name}: {scenario.what} ({count:,} tickets)",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    columns = ("client", "step", "end", "requests", "credits", "429", "wall s", "CPU s", "RSS MB", "tickets", "lost",
               "kept", "stale", "doubled", "messages")  # fmt: skip
    for at, name in enumerate(columns):
        table.add_column(name, justify="left" if at < 3 else "right", no_wrap=at < 2)
    for one in steps.shown():
        messages = "-" if one.messages is None else f"{one.messages_lost} / {one.messages_doubled}"
        numbers = (one.got, one.lost, one.kept, one.stale, one.doubled)
        table.add_row(
            one.client, one.step, one.done or "ok", f"{one.lists} / {one.requests}", str(one.credits), str(one.refused),
            f"{one.wall:.1f}", _number(one.cpu, 1), _number(one.peak_mb), *map(str, numbers), messages,
        )  # fmt: skip
    console.print(table)
    aims = scenario.aims(steps) if steps.middle(OURS, steps.results[0].step) else []
    for said, is_met in aims:
        console.print(f"  {'met   ' if is_met else 'MISSED'}  {said}", highlight=False)
    console.print()
    return aims


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [one.name for one in SCENARIOS]
    parser.add_argument("--only", type=_some(names), default=names, metavar="SCENARIO,...", help=", ".join(names))
    parser.add_argument(
        "--clients", type=_some(CLIENTS), default=CLIENTS, metavar="CLIENT,...", help=", ".join(CLIENTS)
    )
    parser.add_argument("--small", action="store_true", help="fewer tickets; the aims mean little then")
    parser.add_argument("--rounds", type=int, default=3, help="of Casebook and the bare loop in 'full'; medians count")
    parser.add_argument("--patience", type=float, default=400, help="seconds a pull may take")
    parser.add_argument("--venvs", type=Path, default=ROOT / "bench" / ".venvs", help="where clients are installed")
    parser.add_argument(
        "--dlt-source", default="", help="folder with dlt's 'freshdesk' source; else 'dlt init' gets it"
    )
    parser.add_argument("--json", type=Path, help="all figures into a file")
    parser.add_argument("--folder", type=Path, help="where pulls are kept meanwhile")
    parser.add_argument("--keep", action="store_true", help="and left, with what the clients said")
    said = parser.parse_args()
    console = Console(width=190 if not sys.stdout.isatty() else None)
    clients: list[Client] = []
    for name in said.clients:
        client = Client(name, said.venvs.resolve(), said.dlt_source and str(Path(said.dlt_source).resolve()))
        try:
            client.install()
            clients.append(client)
        except subprocess.CalledProcessError as failure:
            console.print(f"{name} is left out: {' '.join(failure.cmd)} ended with {failure.returncode}")
    load = f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors"
    console.print(load, highlight=False)
    kept: dict[str, Any] = {"load": load, "small": said.small, "scenarios": {}}
    folder = Path(tempfile.mkdtemp(prefix="casebook-collect-", dir=said.folder))
    for scenario in SCENARIOS:
        if scenario.name not in said.only:
            continue
        steps = run(scenario, clients, said, folder)
        if not steps.results:  # none of the clients is for this platform
            continue
        aims = show(console, scenario, steps, scenario.small if said.small else scenario.tickets)
        kept["scenarios"][scenario.name] = {
            "results": [dataclasses.asdict(one) for one in steps.results],
            "aims": [{"aim": aim, "met": is_met} for aim, is_met in aims],
        }
        if said.json:
            said.json.write_text(json.dumps(kept, indent=1))
    if not said.keep:
        folder.rmdir()


def _some(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        wanted = text.split(",")
        if unknown := sorted(set(wanted) - set(known)):
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(known)}")
        return wanted

    return read


if __name__ == "__main__":
    main()
