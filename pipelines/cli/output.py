"""How the commands speak: people's output on stdout through Rich, one JSON document with ``--json``, errors on stderr.

Belongs here: consoles, the form of errors, small tables. Does not belong here: what any command says.
"""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain.errors import CasebookError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = typer.Option(False, "--json", help="Print one JSON document on stdout and nothing else.")


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def harmless(text: str) -> str:
    """A text of somebody else as a terminal may have it: a space for each character that would steer it, or turn the order
    of what is read."""
    return _UNSEEN.sub(" ", text)


def print_json(value: Any) -> None:
    """One JSON document; dataclasses become objects."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=2, default=_plain)
    sys.stdout.write("\n")


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def show_error(error: CasebookError, as_json: bool) -> None:
    """An error in one line, or as the JSON document of the contract."""
    if as_json:
        print_json({"error": {"title": error.title, "detail": error.detail, "remedy": error.remedy}})
    else:
        line = " ".join(str(error).split())  # what other programs say can have many lines
        err.print(f"[bold red]Error:[/] {escape(line)}", soft_wrap=True)


def table(*columns: str, rows: Sequence[Sequence[Any]], title: str = "") -> Table:
    """A plain table; numbers are set to the right."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="dim")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*[escape(str(cell)) for cell in row])
    return made
