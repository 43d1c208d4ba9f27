"""``dlt`` with its verified source ``freshdesk``, into DuckDB: tickets only, for the source has no conversations.

The source is no package but a folder of code that ``dlt init freshdesk duckdb`` copies from its public repository; say
with ``--dlt-source`` where it lies, or let that command get it (it needs the internet). It builds its address from a name
and ``.freshdesk.com``; ``redirect`` sends that to the sandbox. On dlt 1.31 the source fails before its first request.

Belongs here: a pipeline that runs the source. Does not belong here: the source.
"""

import importlib
import subprocess
import sys
from pathlib import Path

from bench.clients import Rows, Task, main, redirect

REQUIRES = ("dlt[duckdb]==1.10.0", "duckdb==1.2.2", "setuptools<81")  # dlt imports pkg_resources
PLATFORM = "freshdesk"
THREADS = False
DATASET = "freshdesk_data"


def pull(task: Task) -> None:
    dlt = importlib.import_module("dlt")  # a plain import is this file to a type checker
    source = task.dlt_source
    if not source:
        source = str(Path(sys.executable).parents[1] / "source")
        if not Path(source, "freshdesk").exists():
            Path(source).mkdir(exist_ok=True)
            command = [sys.executable, "-m", "dlt.cli._dlt", "--non-interactive", "init", "freshdesk", "duckdb"]
            subprocess.run(command, cwd=source, check=True)
    sys.path.insert(0, source)
    freshdesk = importlib.import_module("freshdesk")
    redirect(task)
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(task.path("pipelines")),
        destination=dlt.destinations.duckdb(str(task.path("got.duckdb"))),
        dataset_name=DATASET,
    )
    with task.timed():
        pipeline.run(freshdesk.freshdesk_source(endpoints=["tickets"], domain="bench", api_secret_key=task.key))


def read(task: Task) -> Rows:
    import duckdb  # pyright: ignore[reportMissingImports]

    rows = Rows(messages=None)
    if task.path("got.duckdb").exists():
        with duckdb.connect(str(task.path("got.duckdb")), read_only=True) as db:
            tables = {name for (name,) in db.execute("SELECT table_name FROM information_schema.tables").fetchall()}
            if "tickets" in tables:
                found = db.execute(f"SELECT id, epoch(updated_at) FROM {DATASET}.tickets").fetchall()
                for number, moment in found:
                    rows.tickets.setdefault(number, []).append(int(moment))
    return rows


if __name__ == "__main__":
    main(pull, read)
