"""The first load of a very large company: to its end, killed on the way, in flat memory.

    python -m bench.million [--tickets 1000000] [--minutes 60] [--kill-at 0.3,0.6] [--slice 10000] [--folder FOLDER]

A sandbox in a process of its own serves so many computed tickets with their threads. A child collects and merges them in
slices, as ``casebook sync`` does (without summaries and vectors, which are the processor's business), is killed with
SIGKILL at those shares of the way, and started again. Measured: tickets a second, memory of each child over its
life, requests and credits against the fewest there can be, and afterwards the rows against the sandbox's truth. From the
credits follows what a load of five million takes on each of Freshdesk's plans.

Belongs here: this one measurement. Does not belong here: comparisons with other clients (``bench.collect``).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sandbox.serve import Sandbox

COMPANY, NAME = "million", "big"
PLANS = {"growth": 200, "pro": 400, "enterprise": 700}
SHARE = 0.8
"""Of the plan that a company's setting leaves to Casebook by default."""
SAMPLED_SECONDS = 5.0


def child(folder: str, url: str, key: str, slice_documents: str) -> None:
    """Collect and merge until there is no more; says the rows after every slice."""
    from domain import ticket_stages
    from domain.company import Company, company_id
    from resources import secrets
    from resources.companies import Companies
    from resources.company_run import company_run
    from resources.helpdesk.collect import Collection, Walk
    from resources.settings import Settings

    settings = Settings(home=Path(folder) / "home")
    companies = Companies(settings)
    if not companies.list():
        options: dict[str, object] = {"rate_share": 1.0, "attachments": "threads"}
        companies.add(
            Company(company_id(COMPANY), "freshdesk", url, options, created_at="2026-01-01T00:00:00Z"),
            secrets.seal(settings, key),
        )
    more = True
    while more:
        with company_run(settings, COMPANY, "bench", "bench") as run:
            report = Collection(run.helpdesk, run.store, run.run_id, run.now).run(Walk(most=int(slice_documents)))
            run.derive(ticket_stages.merged_tickets(run.helpdesk.neutral, run.helpdesk.version))
            more = report.more
            print(json.dumps({"read": report.read, "top": run.store.top("raw_tickets")}), flush=True)


class Watched:
    """A child, its memory over time, and how far it says it is."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "bench.million", "--child", *arguments]
        here = {"PYTHONPATH": str(Path(__file__).parents[1])}
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | here)
        self.memory: list[tuple[float, float]] = []
        self.done = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.done += json.loads(line)["read"]

    def sample(self) -> None:
        """Resident memory, MB."""
        try:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return
        resident = next((line for line in status.splitlines() if line.startswith("VmRSS")), None)
        if resident:
            self.memory.append((time.monotonic() - self.started, int(resident.split()[1]) / 1024))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def collected(folder: Path) -> tuple[int, int]:
    """Live rows of both tables."""
    from domain.company import company_id
    from resources.companies import Companies
    from resources.settings import Settings

    with Companies(Settings(home=folder / "home")).store(company_id(COMPANY)) as store:
        return store.count("raw_tickets"), store.count("merged_tickets")


def wrong(folder: Path, sandbox: Sandbox, sample: int = 2000) -> int:
    """Of a sample of the rows that are there, from all over, those that are not what the sandbox has, thread included."""
    from domain.company import company_id
    from resources.companies import Companies
    from resources.settings import Settings

    bad = 0
    with Companies(Settings(home=folder / "home")).store(company_id(COMPANY)) as store:
        there = sorted(map(int, store.ids("raw_tickets")))
        ids = there[:: max(1, len(there) // sample)]
        for start in range(0, len(ids), 100):
            truth = {
                str(one["id"]): one for one in sandbox.admin(NAME, "truth", ids=ids[start : start + 100])["tickets"]
            }
            rows = store.get("raw_tickets", list(truth))
            for doc_id, said in truth.items():
                row = rows.get(doc_id)
                here = row and [one["id"] for one in row.payload["conversations"]]
                bad += (here, row and row.payload["subject"]) != (
                    [one["id"] for one in said["conversations"]],
                    said["subject"],
                )
    return bad


def load(options: argparse.Namespace, folder: Path, sandbox: Sandbox) -> dict[str, Any]:
    """Run the child, kill it and start it again; returns the figures."""
    arguments = [str(folder), sandbox.url(NAME), sandbox.key(NAME), str(options.slice)]
    kills = [float(share) for share in options.kill_at.split(",") if share]
    started, lives = time.monotonic(), [Watched(arguments)]
    ended = False
    while not ended and time.monotonic() - started < options.minutes * 60:
        time.sleep(SAMPLED_SECONDS)
        now = lives[-1]
        now.sample()
        ended = now.process.poll() is not None
        if ended and now.process.returncode:
            raise SystemExit(f"the child failed: exit {now.process.returncode}")
        if not ended and kills and sum(life.done for life in lives) >= kills[0] * options.tickets:
            kills.pop(0)
            now.kill()
            lives.append(Watched(arguments))
    seconds = time.monotonic() - started
    if not ended:
        lives[-1].kill()
    log = sandbox.admin(NAME, "log")
    raw, merged = collected(folder)
    return {
        "tickets": options.tickets,
        "collected": raw,
        "merged": merged,
        "to_the_end": ended,
        "seconds": round(seconds),
        "per_second": round(raw / seconds),
        "kills": len(lives) - 1,
        "requests": log["requests"],
        "fewest_requests": raw + -(-raw // 100),
        "credits": log["credits"],
        "memory_mb": [
            {"first_minute": _most(life.memory, 0, 60), "peak": _most(life.memory, 0, float("inf")), "end": _last(life)}
            for life in lives
        ],
        "wrong_in_sample": wrong(folder, sandbox),
        "disk_mb": round(sum(file.stat().st_size for file in (folder / "home").rglob("*") if file.is_file()) / 1e6),
    }


def _most(memory: list[tuple[float, float]], low: float, high: float) -> float | None:
    return round(max((mb for at, mb in memory if low <= at <= high), default=0.0)) or None


def _last(life: Watched) -> float | None:
    return round(life.memory[-1][1]) if life.memory else None


def projection(figures: dict[str, Any], tickets: int = 5_000_000) -> Table:
    """Days for so many tickets: at each plan's limit by the credits, and what the machine itself would take."""
    table = Table("plan", "credits a minute", f"days for {tickets:,} tickets", "of them our own work")
    own = tickets / figures["per_second"] / 86400
    each = figures["credits"] / figures["collected"]
    for plan, limit in PLANS.items():
        days = tickets * each / (limit * SHARE) / 1440
        table.add_row(plan, f"{limit} x {SHARE}", f"{max(days, own):.1f}", f"{own:.2f}")
    return table


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--tickets", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--kill-at", default="0.3,0.6", help="shares of the way")
    parser.add_argument("--slice", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    console = Console()
    with tempfile.TemporaryDirectory() as made, Sandbox(vast={NAME: options.tickets}, process=True) as sandbox:
        folder = options.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        figures = load(options, folder, sandbox)
    console.print_json(json.dumps(figures))
    console.print(projection(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))
    if figures["wrong_in_sample"] or (figures["to_the_end"] and figures["collected"] != options.tickets):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
