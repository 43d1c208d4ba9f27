"""The house rules that a reader relies on: which way imports point, what the domain may touch, what no file may hold.

Belongs here: rules about the repository as a whole, checked on its text. Does not belong here: what any module does.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("domain", "resources", "query", "assets", "pipelines")
"""In the order of the arrows: each may import itself and those before it (DESIGN §1)."""
OURS = {*ROOMS, "sandbox", "tests", "bench"}
DEMO = {"pipelines/demo_home.py", "pipelines/cli/demo.py", "pipelines/cli/ui.py", "pipelines/cli/app.py"}
"""The demo, and the command that serves its companies: they alone start the sandbox."""

IMPURE = {
    "asyncio", "fileinput", "ftplib", "getpass", "glob", "http", "imaplib", "io", "logging", "mmap", "multiprocessing",
    "os", "pathlib", "pickle", "platform", "poplib", "random", "sched", "secrets", "select", "selectors", "shelve", "shutil",
    "signal", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "sys", "tempfile", "time", "urllib",
}  # fmt: skip
"""What reaches for the network, the disk, the clock or chance."""
PURE_PARTS = {"urllib.parse", "time.perf_counter"}  # a stopwatch is no clock: no result depends on it
PURE_PACKAGES = {"kiwipiepy", "lxml", "numpy", "orjson", "phonenumbers", "pydantic", "snowballstemmer", "stdnum"}
NOW = {"now", "utcnow", "today", "uuid1", "uuid4", "open"}
"""Calls that say another thing each time, or open a file."""

HOME = re.compile(r"(?<![\w./])/(?:home|root|Users|work|opt|tmp)/[\w.-]|file:///\w|[A-Z]:\\+Users\\")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.org|^\s*--(?:extra-)?index-url|^\s*--(?:find-links|trusted-host)",
    re.MULTILINE,
)


def _texts() -> Iterator[Path]:
    """Every text file of the repository; not what Casebook writes, nor what tools leave behind."""
    yield from (path for path in ROOT.iterdir() if path.is_file())
    for room in (*OURS, "deploy", "docs", ".ci", "data/sample"):
        for path in (ROOT / room).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in (".png", ".parquet", ".xlsx"):
                yield path


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


TEXTS = {_named(path): path for path in _texts()}
MODULES = {name: ast.parse(path.read_bytes()) for name, path in TEXTS.items() if path.suffix == ".py"}


def imported(tree: ast.AST, package: str = "") -> set[str]:
    """The full names a module imports anywhere in it: in functions, under ``TYPE_CHECKING``, by a call, relatively."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (above, node.module) if part)
            found.update(f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__") and node.args:
            name = node.args[0]
            found.add(str(name.value) if isinstance(name, ast.Constant) else "a name made up at run time")
    return found


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _imports() -> Iterator[tuple[str, str, str]]:
    """(file, its room, a full name that it imports) for all our code but tests."""
    for name, tree in MODULES.items():
        room = name.split("/")[0]
        if room in (*ROOMS, "sandbox"):
            package = ".".join(Path(name).parent.parts)
            for full in sorted(imported(tree, package)):
                yield name, room, full


IMPORTS = list(_imports())


def _wrong(rule: str, found: Iterator[str]) -> None:
    bad = list(found)
    assert not bad, f"{rule}\n  " + "\n  ".join(bad)


def test_the_rooms_were_found() -> None:
    assert set(ROOMS) <= {name.split("/")[0] for name in MODULES}
    assert len(MODULES) > 50
    assert ("domain/derive.py", "domain", "domain.stage.Cursor") in IMPORTS
    assert any(full.startswith("sandbox.") for name, _, full in IMPORTS if name in DEMO)


@pytest.mark.parametrize(
    ("code", "full"),
    [
        ("import dagster as dg", "dagster"),
        ("def f():\n    from dagster import asset", "dagster.asset"),
        ("if TYPE_CHECKING:\n    import sandbox.serve", "sandbox.serve"),
        ("from importlib import import_module as i, import_module\nimport_module('sandbox.serve')", "sandbox.serve"),
        ("from ..query import search", "pipelines.query.search"),
        ("from . import company", "pipelines.cli.company"),
    ],
)
def test_an_import_is_found_wherever_it_hides(code: str, full: str) -> None:
    assert full in imported(ast.parse(code), "pipelines.cli")


def test_arrows_go_one_way() -> None:
    _wrong(
        "domain ← resources ← query ← assets ← pipelines, and nothing leads into tests or bench:",
        (
            f"{name} imports {full}"
            for name, room, full in IMPORTS
            if room in ROOMS
            and (to := full.split(".")[0]) in OURS - {"sandbox"}
            and to not in ROOMS[: ROOMS.index(room) + 1]
        ),
    )


def test_no_import_is_made_up_at_run_time() -> None:
    _wrong("imports are written down:", (f"{name}" for name, _, full in IMPORTS if full.startswith("a name made up")))


def test_the_sandbox_stands_alone() -> None:
    _wrong(
        "the sandbox imports nothing of ours:",
        (f"{name} imports {full}" for name, room, full in IMPORTS if room == "sandbox" and _is_ours(full)),
    )
    _wrong(
        "only the demo, the commands that start it, and tests use the sandbox:",
        (
            f"{name} imports {full}"
            for name, room, full in IMPORTS
            if room != "sandbox" and full.split(".")[0] == "sandbox" and name not in DEMO
        ),
    )


def _is_ours(full: str) -> bool:
    return full.split(".")[0] in OURS - {"sandbox"}


def test_dagster_stays_in_its_rooms() -> None:
    _wrong(
        "Dagster is imported by assets, pipelines and one file of resources:",
        (
            f"{name} imports {full}"
            for name, room, full in IMPORTS
            if full.split(".")[0].startswith("dagster")
            and room not in ("assets", "pipelines")
            and name != "resources/dagster_resources.py"
        ),
    )


def test_the_domain_is_pure() -> None:
    _wrong(
        "domain knows no network, disk, clock or chance:",
        (
            f"{name} imports {full}"
            for name, room, full in IMPORTS
            if room == "domain"
            and full.split(".")[0] in IMPURE
            and not any(full == part or full.startswith(f"{part}.") for part in PURE_PARTS)
        ),
    )
    _wrong(
        "domain uses few packages, all of them pure:",
        (
            f"{name} imports {full}"
            for name, room, full in IMPORTS
            if room == "domain"
            and (to := full.split(".")[0]) not in sys.stdlib_module_names
            and to not in PURE_PACKAGES | {"domain"}
        ),
    )
    _wrong(
        "times, ids and texts are passed in:",
        (
            f"{name}:{node.lineno} calls {_called(node)}()"
            for name, tree in MODULES.items()
            if name.startswith("domain/")
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and _called(node) in NOW
        ),
    )


def test_every_file_says_what_belongs_in_it() -> None:
    _wrong(
        "a file of Python opens with a docstring (an empty one says it all):",
        (name for name, tree in MODULES.items() if tree.body and not ast.get_docstring(tree)),
    )


@pytest.mark.parametrize(
    ("what", "pattern"),
    [("a path of one machine", HOME), ("a package registry", REGISTRY)],
    ids=["no path", "no registry"],
)
def test_no_file_names_the_machine_it_was_written_on(what: str, pattern: re.Pattern[str]) -> None:
    _wrong(
        f"{what}:",
        (
            f"{name}: {found[0]}"
            for name, path in TEXTS.items()
            if (found := pattern.search(path.read_text("utf-8", "replace")))
        ),
    )


def test_the_patterns_find_what_they_are_for() -> None:
    for folder in ("home", "work", "root", "Users"):
        assert HOME.search(f'path = "/{folder}/me/casebook"')
    assert not HOME.search("https://example.com/home/page and docs/work/page")
    for host in ("pypi", "npmjs"):
        assert REGISTRY.search(f"https://{host}.org/simple")
    assert REGISTRY.search("dagster==1\n  --find-links wheels")
