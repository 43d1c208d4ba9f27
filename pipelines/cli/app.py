"""``casebook``: the root of the command line, and how a command ends.

Belongs here: putting the commands together; exit codes (0 done, 1 failed, 2 bad input, 130 interrupted).
Does not belong here: any command.
"""

import os
import sys
from importlib.metadata import version

import typer

from domain.errors import CasebookError, InputError
from pipelines.cli import (
    ask,
    company,
    cost,
    data,
    demo,
    evaluate,
    forget,
    index,
    llm,
    migrate,
    search,
    serve,
    status,
    storage,
    sync,
    ui,
    workbook,
)
from pipelines.cli.interrupts import heard_always
from pipelines.cli.output import err, out, show_error
from sandbox import serve as sandbox_serve

_INTERRUPTED = 130

app = typer.Typer(
    name="casebook",
    help="Have we solved this before? Past support cases, company by company, fresh every night.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
company.app.command("api-key")(serve.api_key)
app.add_typer(company.app, name="company")
app.add_typer(llm.app, name="llm")
app.add_typer(index.app, name="index")
app.add_typer(workbook.app, name="workbook")
app.command()(sync.plan)
app.command()(sync.sync)
app.command()(status.status)
app.command()(ask.ask)
app.command()(search.search)
app.command()(search.similar)
app.command()(search.explain)
app.command()(evaluate.evaluate)
app.command()(cost.cost)
app.command()(data.tickets)
app.command()(data.queue)
app.command()(data.export)
app.command()(data.audit)
app.command()(forget.forget)
app.add_typer(storage.app, name="storage")
app.command()(migrate.migrate)
app.command()(serve.serve)
app.command()(ui.ui)
app.command("sandbox")(sandbox_serve.command)


def _version(wanted: bool) -> None:
    if wanted:
        out.print(f"casebook {version('casebook')}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    from resources.settings import misspelt_variables

    for name, meant in misspelt_variables(os.environ).items():
        err.print(
            f"[yellow]Note:[/] the environment variable {name} is not known; did you mean {meant}?", soft_wrap=True
        )


def main() -> None:
    """The console script: run a command and end with its exit code."""
    as_json = "--json" in sys.argv
    code = 0
    try:
        _refuse_broken_text(sys.argv[1:])
        with heard_always():
            code = app(standalone_mode=False) or 0
        sys.stdout.flush()  # a reader who has gone is met here, not when Python ends
    except CasebookError as error:
        show_error(error, as_json)
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = _INTERRUPTED
    except typer.TyperException as error:  # a wrong option or argument
        if usage := _usage(error):
            show_error(usage, as_json)
        code = 2
    except BrokenPipeError:  # 'casebook … | head': silence and 1, as Typer and Rich have it when they meet this first
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    if code == _INTERRUPTED:
        sys.stderr.write("\nInterrupted. What was done is kept; the same command goes on from there.\n")
    sys.exit(code)


def _refuse_broken_text(arguments: list[str]) -> None:
    if any(map(_is_broken, arguments)):
        raise InputError("an argument is not UTF-8 text.", remedy="Check the terminal's encoding.")
    for name, value in os.environ.items():
        if name.startswith("CASEBOOK_") and _is_broken(value):
            raise InputError(f"the environment variable {name} is not UTF-8 text.", remedy="Set it anew.")


def _is_broken(text: str) -> bool:
    return any("\udc80" <= char <= "\udcff" for char in text)


def _usage(error: typer.TyperException) -> InputError | None:
    """What is wrong with the words of a command, and where its help is; None when the help itself was shown."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "casebook"
    said: str = getattr(error, "format_message", error.__str__)().rstrip(".")
    return InputError(f"{said}.", remedy=f"See '{command} --help'.") if said else None
