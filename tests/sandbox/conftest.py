"""What the sandbox's tests share: a running sandbox, and a client that knows nothing but the address and the key."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.serve import Sandbox

ALL = "2000-01-01T00:00:00Z"


class Client:
    """A bare ``requests`` client of one account."""

    def __init__(self, sandbox: Sandbox, company: str) -> None:
        self.sandbox, self.company = sandbox, company
        self.session = requests.Session()
        self.session.auth = (sandbox.key(company), "X")

    def get(self, path: str, **parameters: Any) -> requests.Response:
        return self.session.get(f"{self.sandbox.url(self.company)}/api/v2/{path}", params=parameters, timeout=10)

    def put(self, path: str, values: Any = None) -> requests.Response:
        return self.session.put(f"{self.sandbox.url(self.company)}/api/v2/{path}", json=values, timeout=10)

    def delete(self, path: str) -> requests.Response:
        return self.session.delete(f"{self.sandbox.url(self.company)}/api/v2/{path}", timeout=10)

    def ids(self, **parameters: Any) -> list[int]:
        answer = self.get("tickets", **{"per_page": 100, "updated_since": ALL} | parameters)
        assert answer.status_code == 200, answer.text
        return [ticket["id"] for ticket in answer.json()]

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin(self.company, action, **given)


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox(generated={"made": 250}) as sandbox:
        yield sandbox


@pytest.fixture
def made(running: Sandbox) -> Iterator[Client]:
    """An account of 250 made-up tickets, as new for each test."""
    client = Client(running, "made")
    client.admin("plan", name="none")
    client.admin("reset")
    yield client
    client.session.close()


@pytest.fixture(scope="session")
def samples() -> Iterator[Sandbox]:
    """The sample companies, for tests that only read."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def llm(running: Sandbox) -> Sandbox:
    """The sandbox with its LLM accounts as new."""
    for name in ("one", "two"):
        running.llm_admin(name, "reset")
    return running
