"""One sandbox for all tests of Google Sheets."""

from collections.abc import Iterator

import pytest

from sandbox.serve import Sandbox


@pytest.fixture(scope="session")
def google() -> Iterator[Sandbox]:
    with Sandbox(companies=(), generated={"made": 1}) as sandbox:
        yield sandbox
