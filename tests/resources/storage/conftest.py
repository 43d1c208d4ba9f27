"""Both backends, as the tests of storage get them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.settings import Settings
from tests.postgres_server import PostgresServer, upgraded


@pytest.fixture(params=["file", "postgres"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """The settings of an empty storage, once for each backend."""
    if request.param == "file":
        yield Settings(home=tmp_path / "home")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with upgraded(server, tmp_path / "home") as settings:
        yield settings


@pytest.fixture
def postgres(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Settings]:
    """The settings of an empty, upgraded database."""
    with upgraded(postgres_server, tmp_path / "home") as settings:
        yield settings
