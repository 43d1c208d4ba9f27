"""A Casebook home of its own for a test, the real console command on it, and what lies in it afterwards.

Belongs here: what tests of the whole system share. Does not belong here: any test, or the fixtures (``conftest``).
"""

import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TextIO
from unittest.mock import patch

from domain.company import Company, company_id
from domain.fingerprint import point_id
from domain.stage import TABLES
from resources.companies import Companies
from resources.settings import Settings
from resources.sparse_files import blocks
from resources.vector_index.base import Collection, Filters, open_index

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Said:
    """How a command ended: its exit code and both of its outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


def casebook(*words: str, stdin: str = "") -> Said:
    """Run the console script in this process, just as ``.venv/bin/casebook`` calls it."""
    from pipelines.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(sys, "argv", ["casebook", *words]),
        patch.object(sys, "stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
            raise AssertionError("the console script ends by sys.exit")
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return Said(code, out.getvalue(), err.getvalue())


def done(*words: str, stdin: str = "") -> Said:
    """The same for a command that must succeed."""
    said = casebook(*words, stdin=stdin)
    assert said.code == 0, said
    return said


@dataclass
class Home:
    """One home; the environment of this process points at it while the fixture lives."""

    path: Path
    settings: Settings = field(init=False)
    companies: Companies = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(home=self.path)
        self.companies = Companies(self.settings)

    def company(self, id: str) -> Company:
        return self.companies.get(id)

    def rows(self, id: str) -> dict[str, dict[str, Any]]:
        """The live rows of every table, without when and by which run they were written."""
        with self.companies.store(company_id(id)) as store:
            tables = {table: store.get(table, sorted(store.ids(table)), vector=True) for table in TABLES}
        found = {
            table: {
                doc_id: (row.content_hash, row.source_hash, row.made_by, _sorted(row.payload), row.vector)
                for doc_id, row in rows.items()
            }
            for table, rows in tables.items()
        }
        found["faq_proposals"] = {  # says the day in its payload
            doc_id: (None, None, made_by, {**payload, "last_updated": ""}, vector)
            for doc_id, (_, _, made_by, payload, vector) in found["faq_proposals"].items()
        }
        return found

    def differs(self, id: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """By table and document, this home's row and the other's, where they are not the same."""
        mine = self.rows(id)
        return {
            table: found
            for table in TABLES
            if (
                found := {
                    doc_id: (mine[table].get(doc_id), rows[table].get(doc_id))
                    for doc_id in sorted(mine[table].keys() | rows[table].keys())
                    if mine[table].get(doc_id) != rows[table].get(doc_id)
                }
            )
        }

    def tops(self, id: str) -> dict[str, int]:
        """Every table's highest seq: moves with any change of content."""
        with self.companies.store(company_id(id)) as store:
            return {table: store.top(table) for table in TABLES}

    def collection(self, id: str) -> Collection:
        """What is searched now."""
        return open_index(self.settings, self.company(id)).reader("ticket").current()

    def points(self, id: str) -> dict[str, tuple[Any, list[float] | None]]:
        """The published index: payload and vector of every point, by document."""
        collection = self.collection(id)
        fields = [
            "company_id",
            "data_type",
            "doc_id",
            "ticket_id",
            "summary",
            "original_data",
            "created_at",
            "title",
            "status",
        ]
        fields += ["tags", "product", "language", "updated_at", "url"]
        payloads = {payload["ticket_id"]: payload for payload in collection.payloads(fields, Filters())}
        ids = {doc_id: point_id(id, "ticket", doc_id) for doc_id in payloads}
        vectors = collection.vectors(list(ids.values()))
        return {doc_id: (payload, vectors.get(ids[doc_id])) for doc_id, payload in payloads.items()}

    def files(self, *but: str) -> dict[str, str]:
        """Every file below the home with a hash of its content; not Dagster's own, not locks, not how far a run is."""
        found = {
            path.relative_to(self.path).as_posix(): hashlib.blake2b(
                content(path), key=b"%d" % path.stat().st_size
            ).hexdigest()
            for path in self.path.rglob("*")
            if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm"))
        }
        return {
            name: digest
            for name, digest in found.items()
            if name.split("/")[0] not in ("dagster", "locks", "progress", *but)
        }


def _sorted(payload: Any) -> Any:
    """With its keys in order: Postgres has its own, and a difference is to show nothing else."""
    return json.loads(json.dumps(payload, sort_keys=True))


def copied(home: Path, target: Path) -> Path:
    """A copy of a home. Its index is 300 MB of holes around 3 MB: they stay holes."""

    def copy(source: str, to: str) -> None:
        with Path(to).open("wb") as file:
            for offset, block in blocks(Path(source)):
                file.seek(offset)
                file.write(block)
            file.truncate(Path(source).stat().st_size)
        shutil.copystat(source, to)

    return shutil.copytree(home, target, symlinks=True, copy_function=copy, dirs_exist_ok=True)


def content(path: Path) -> bytes:
    """What a file holds, without its holes."""
    return b"".join(block for _, block in blocks(path))


_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.homes", "pipelines.sync_run", "pipelines.cli.app", "query.search"])


def start(home: Path, *words: str, output: Path) -> ForkServerProcess:
    """Run the console script in a process of its own, which can be killed. Its output goes to a file.

    Forked from a server that has imported everything, so that a kill hits the work and not the imports.
    """
    ours = {name: value for name, value in os.environ.items() if name.startswith("CASEBOOK_")}
    process = _forks.Process(target=_console, args=(ours | {"CASEBOOK_HOME": str(home)}, list(words), str(output)))
    process.start()
    return process


def kill_syncs(home: Path, moments: Sequence[str], has_rows: Callable[[str], bool], folder: Path, seed: int) -> None:
    """Start a sync of ``made`` for each moment, and kill -9 it a little after the first row came into that table."""
    chance, kills = random.Random(seed), 0
    for moment in moments:
        running = start(home, "sync", "made", output=folder / moment)
        while running.is_alive() and not has_rows(moment):
            time.sleep(0.005)
        running.join(chance.random() * 0.2)
        kills += running.is_alive()
        running.kill()
        running.join()
        assert "Traceback" not in (folder / moment).read_text()
    assert kills >= len(moments) - 1, "the syncs ended before they could be killed"


def _console(ours: dict[str, str], words: Sequence[str], output: str) -> None:
    for name in [name for name in os.environ if name.startswith("CASEBOOK_")]:
        del os.environ[name]  # the fork server's, of the test that needed it first
    os.environ.update(ours)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job, as CI may be, ignores it
    file = Path(output).open("w")  # noqa: SIM115 -- lives as long as the process
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.argv = ["casebook", *words]
    from pipelines.cli.app import main

    with _flushed(sys.stdout), _flushed(sys.stderr):
        main()


@contextlib.contextmanager
def _flushed(stream: TextIO) -> Iterator[None]:
    try:
        yield
    finally:
        stream.flush()
