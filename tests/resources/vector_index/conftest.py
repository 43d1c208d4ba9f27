"""What tests of one engine share: a company's folder, and its store in files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.company import company_id
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the company ``acme`` has its files."""
    return tmp_path / "acme"


@pytest.fixture
def store(folder: Path) -> Iterator[SqlCompanyStore]:
    with open_store(folder, company_id("acme")) as opened:
        yield opened
