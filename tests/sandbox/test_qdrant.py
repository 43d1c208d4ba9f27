"""The stand-in for a Qdrant server refuses what a server refuses.

Belongs here: bodies, keys and strict mode. Does not belong here: Casebook's use of it (``tests/resources/vector_index``).
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.qdrant import QdrantStandIn

KEY = "made-up"
NEW = {
    "vectors": {"dense": {"size": 2, "distance": "Cosine"}},
    "strict_mode_config": {"enabled": True, "max_query_limit": 10, "unindexed_filtering_retrieve": False},
}


@pytest.fixture(scope="module")
def server() -> Iterator[QdrantStandIn]:
    with QdrantStandIn(KEY) as running:
        yield running


def ask(server: QdrantStandIn, method: str, path: str, body: Any = None, key: str = KEY) -> tuple[int, Any]:
    answer = requests.request(method, server.url + path, json=body, headers={"api-key": key}, timeout=10)
    return answer.status_code, answer.json()


@pytest.fixture
def made(server: QdrantStandIn) -> QdrantStandIn:
    server.clear()
    assert ask(server, "PUT", "/collections/c", NEW) == (200, {"result": True, "status": "ok", "time": 0.0})
    return server


def test_the_key_is_checked(server: QdrantStandIn) -> None:
    assert ask(server, "GET", "/collections", key="")[0] == 401
    assert ask(server, "GET", "/collections", key="other")[0] == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/collections/d", {"vektors": {}}),
        ("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": {}, "pay": {}}]}),
        ("POST", "/collections/c/points/scroll", {"filter": {"musst": []}}),
        ("POST", "/collections/c/points/query/batch", {"searches": [{"query": [1, 0], "using": "dense", "k": 3}]}),
        ("POST", "/collections/aliases", {"actions": [{"create": {"alias_name": "a", "collection_name": "c"}}]}),
        ("POST", "/collections/c/points/scroll", {"limit": 11}),
        ("POST", "/collections/c/points/count", {"filter": {"must": [{"key": "x", "match": {"value": "y"}}]}}),
        ("PUT", "/collections/c/points", {"points": [{"id": 1, "vector": {"dense": [1, 2, 3]}}]}),
    ],
)
def test_what_a_server_would_refuse(made: QdrantStandIn, method: str, path: str, body: Any) -> None:
    status, said = ask(made, method, path, body)
    assert status == 400
    assert said["status"]["error"]


def test_what_is_not_there_and_what_is_there_already(made: QdrantStandIn) -> None:
    assert ask(made, "POST", "/collections/d/points/count", {})[0] == 404
    assert ask(made, "PUT", "/collections/c", NEW)[0] == 409
    action = {"create_alias": {"alias_name": "c", "collection_name": "c"}}
    assert ask(made, "POST", "/collections/aliases", {"actions": [action]})[0] == 409
