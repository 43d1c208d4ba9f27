"""What the tests of the LLM clients share: the sandbox's LLM server, and providers, documents and summarisers for it."""

from collections.abc import Iterator

import pytest

from sandbox.serve import Sandbox
from tests.resources.llm.given import OPEN


@pytest.fixture(scope="session")
def llms() -> Iterator[Sandbox]:
    with Sandbox(companies=(), llm=("one", "two")) as sandbox:
        yield sandbox


@pytest.fixture
def llm(llms: Sandbox) -> Sandbox:
    """The sandbox with its LLM accounts as new."""
    for name in ("one", "two"):
        llms.llm_admin(name, "reset")
    return llms


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Connections of clients that a test opened do not outlive it."""
    yield
    while OPEN:
        OPEN.pop().close()
