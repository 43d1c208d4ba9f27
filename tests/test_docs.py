"""The pages of ``docs/`` name tests and modules: those that they name are there.

Belongs here: references from pages into the code. Does not belong here: what the pages say.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
_TESTS = re.compile(r"`((?:tests/)?[\w/]*\.py)?::(test_\w+)`")
_MODULE = re.compile(r"`((?:domain|resources|query|assets|pipelines|sandbox)/[\w/]+)(\.py)?`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tests_that_a_page_names_are_there(page: Path) -> None:
    everything = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    missing = [
        name
        for file, name in _TESTS.findall(page.read_text("utf-8"))
        if f"def {name}(" not in everything or (file and file.startswith("tests/") and not (ROOT / file).exists())
    ]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    named = {found[0] for found in _MODULE.findall(page.read_text("utf-8"))}
    assert not [name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()]
