"""What tests of the whole system share: homes, a sandbox of made-up tickets, a home that was synced once."""

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from resources.settings import Settings
from sandbox.serve import Sandbox
from tests.homes import Home, copied, done
from tests.postgres_server import ADMIN, ADMIN_PASSWORD, PostgresServer, upgraded

hypothesis.settings.register_profile("casebook", deadline=None)  # a busy machine is no fault of the code
hypothesis.settings.load_profile("casebook")

TICKETS = 120
"""How many tickets the made-up company has; five in eight of them are resolved."""


def point_at(home: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Make a folder the home of this process."""
    home.mkdir(exist_ok=True)
    for name, value in (("CASEBOOK_HOME", home), ("DAGSTER_HOME", home / "dagster"), ("DAGSTER_DISABLE_TELEMETRY", 1)):
        monkeypatch.setenv(name, str(value))  # the commands set them too; this puts them back afterwards
    monkeypatch.setenv("COLUMNS", "200")
    for name in (
        "CASEBOOK_MASTER_KEY",
        "CASEBOOK_STORAGE",
        "CASEBOOK_STORAGE_ADMIN",
        "CASEBOOK_DAGSTER_STORAGE",
        "CASEBOOK_REDIS_URL",
        "CASEBOOK_QDRANT_URL",
        "CASEBOOK_QDRANT_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    return Home(home)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """An empty home."""
    return point_at(tmp_path / "home", monkeypatch)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One Postgres for all tests; each makes its own database in it."""
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Settings]:
    """The settings of an empty database with all tables."""
    with upgraded(postgres_server, tmp_path / "home") as settings:
        yield settings


@pytest.fixture(params=["file", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The settings of an empty storage, once for each backend."""
    return Settings(home=tmp_path / "home") if request.param == "file" else request.getfixturevalue("postgres")


@pytest.fixture
def postgres_home(
    home: Home, postgres: Settings, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Home]:
    """An empty home whose rows, and Dagster's history, are in Postgres."""
    history = postgres_server.database()
    monkeypatch.setenv("CASEBOOK_STORAGE", postgres.storage)
    monkeypatch.setenv("CASEBOOK_DAGSTER_STORAGE", postgres_server.address(history, ADMIN, ADMIN_PASSWORD))
    yield Home(home.path)
    postgres_server.execute(f"DROP DATABASE {history} WITH (FORCE)")


@pytest.fixture(scope="session")
def helpdesk() -> Iterator[Sandbox]:
    """A sandbox with the account ``made``; tests that need it as new say ``reset``."""
    with Sandbox(generated={"made": TICKETS}) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def first_sync(helpdesk: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose company ``made`` was synced once. Only to be read, or copied."""
    path = tmp_path_factory.mktemp("synced") / "home"
    helpdesk.admin("made", "reset")  # a test before may have moved it
    with pytest.MonkeyPatch.context() as patches:
        point_at(path, patches)
        add(helpdesk, "made")
        done("sync", "made")
        assert done("queue", "made", "--json").json["queue"] == [], "whoever compares with it would blame another"
    return path


def add(sandbox: Sandbox, id: str, *words: str) -> None:
    """Register the account of this name, with the fast embedding model."""
    done(
        *("company", "add", id, "--platform", "freshdesk", "--url", sandbox.url(id), "--key-stdin"),
        *("--set", "embedding_model=use-multi", *words),
        stdin=sandbox.key(id),
    )


@pytest.fixture
def read_only(first_sync: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The home that was synced once, for tests that change nothing in it."""
    return point_at(first_sync, monkeypatch)


@pytest.fixture
def synced(helpdesk: Sandbox, first_sync: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A copy of the home that was synced once, and the sandbox as it was then."""
    helpdesk.admin("made", "reset")
    return point_at(copied(first_sync, tmp_path / "home"), monkeypatch)
