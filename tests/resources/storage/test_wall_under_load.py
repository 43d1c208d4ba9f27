"""The wall between companies while many write: the short form of ``bench/wall``.

Belongs here: that it holds under load. Does not belong here: single attacks (``test_wall``).
"""

from cryptography.fernet import Fernet

from bench.wall import run
from resources.settings import Settings
from tests.postgres_server import PostgresServer


def test_readers_see_their_own_rows_only_while_everybody_writes(
    postgres_server: PostgresServer, postgres: Settings
) -> None:
    settings = postgres.model_copy(update={"master_key": Fernet.generate_key().decode()})
    result = run(postgres_server, settings, companies=8, seconds=5, writers=1, readers=1)
    assert result.errors == []
    assert result.counts["foreign rows"] == 0
    assert result.deadlocks == 0
    assert result.counts["checks"] > 1000
    assert result.counts["syncs"] >= 8
    assert result.control > 100  # without the wall the same look finds them
