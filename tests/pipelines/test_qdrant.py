"""The whole system with its vectors on a Qdrant server: synced, searched, moved between placements, forgotten, removed.

Belongs here: that the commands reach the server and leave nothing there. Does not belong here: the engine itself
(``tests/resources/vector_index``).
"""

from collections.abc import Iterator

import pytest

from sandbox.qdrant import QdrantStandIn
from sandbox.serve import Sandbox
from tests.conftest import add
from tests.homes import Home, casebook, done

KEY = "made-up-key-of-the-stand-in"


@pytest.fixture
def server(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[QdrantStandIn]:
    with QdrantStandIn(KEY) as running:
        monkeypatch.setenv("CASEBOOK_QDRANT_URL", running.url)
        monkeypatch.setenv("CASEBOOK_QDRANT_API_KEY", KEY)
        yield running


def counts(server: QdrantStandIn) -> dict[str, int]:
    return {one.name: server.engine.count(one.name).count for one in server.engine.get_collections().collections}


def found() -> str:
    """The answer to a question, without the number under which it is kept."""
    answer = done("search", "made", "password").out
    assert "ecommendation" in answer
    return answer.partition("ecommendation")[0]


def test_a_company_whose_vectors_are_on_a_server(
    home: Home, server: QdrantStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(generated={"made": 30}) as sandbox:
        add(sandbox, "made")
        done("sync", "made")
        (name,) = [name for name in counts(server) if name.startswith("made_ticket__")]
        first = found()
        assert not list((home.path / "companies/made").glob("index/made_ticket*"))
        done("company", "set", "made", "index_placement=shared")
        done("sync", "made")
        shared = [name for name in counts(server) if name.startswith("shared__ticket__")]
        assert (len(shared), counts(server)[shared[0]]) == (1, counts(server)[name])
        assert found() == first
        assert name in done("index", "list", "made").out
        monkeypatch.setenv("CASEBOOK_QDRANT_API_KEY", "not-the-key")
        refused = casebook("search", "made", "password")
        assert (refused.code, "gives no access" in refused.err) == (2, True)
        assert "not-the-key" not in refused.err
        monkeypatch.setenv("CASEBOOK_QDRANT_API_KEY", KEY)
        done("company", "remove", "made", "--yes")
    assert set(counts(server).values()) <= {0}
    assert not server.engine.get_aliases().aliases
