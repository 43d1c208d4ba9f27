"""``casebook workbook``: make the workbook of a company, name one that is there, say what is wrong in it."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.company import Company, read_setting
from domain.errors import InputError
from domain.workbook_finding import Finding
from domain.workbook_layout import LAYOUTS, REGULATIONS, TITLE
from pipelines.cli.keys import GivenKey, KeyEnv, KeyRef, given_key, to_be_stored
from pipelines.cli.output import Json, harmless, out, print_json, table

if TYPE_CHECKING:
    from resources.companies import Companies
    from resources.settings import Settings
    from resources.workbook.base import Workbook

app = typer.Typer(no_args_is_help=True, help="Make, name and check a company's workbook of FAQs and regulations.")

Place = Annotated[str, typer.Argument(help="A spreadsheet's address, an .xlsx file, or a folder of CSV files.")]
KeyFile = Annotated[
    str | None, typer.Option(metavar="JSON", help="File with the service account's key; stored encrypted.")
]
Replace = Annotated[bool, typer.Option("--replace", help="It takes the place of the workbook that the company has.")]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read the service account's key from standard input.")]


@app.command()
def new(
    id: str,
    place: Place,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    replace: Replace = False,
    json: bool = Json,
) -> None:
    """Make a workbook with all tabs, or, in one that is there, those that it lacks; no tab that is there is changed.

    A Google spreadsheet is made by a person and shared with the service account as editor; this fills it.
    """

    from resources.workbook.base import Plan
    from resources.workbook.charts import CHARTS

    def make(book: "Workbook") -> str:
        return book.create(Plan(TITLE, LAYOUTS, CHARTS))

    _adopt(id, place, _Keys(key_file, key_env, key_stdin, key_ref), make, replaces=replace, json=json)


@app.command()
def use(
    id: str,
    place: Place,
    key_file: KeyFile = None,
    key_env: KeyEnv = None,
    key_stdin: KeyStdin = False,
    key_ref: KeyRef = None,
    replace: Replace = False,
    json: bool = Json,
) -> None:
    """Name a workbook that is there: it is read before it is stored, and nothing in it is changed."""
    _adopt(
        id, place, _Keys(key_file, key_env, key_stdin, key_ref), lambda book: book.place, replaces=replace, json=json
    )


@app.command()
def check(
    id: str,
    notes: Annotated[
        bool,
        typer.Option("--notes", help="Write what is found as notes on the cells; take away ours that are done with."),
    ] = False,
    language: Annotated[str, typer.Option(help="ko or en; by default the company's, else the workbook's.")] = "",
    json: bool = Json,
) -> None:
    """Say everything that is wrong in the workbook, by tab and cell, and what to do. Ends with 1 if anything cannot be read,
    with 0 if there are only warnings."""
    from domain import workbook_check
    from resources.companies import Companies
    from resources.settings import Settings

    if language not in ("", "ko", "en"):
        raise InputError(f"--language {language!r} is not known.", remedy="Say ko or en.")
    registry = Companies(Settings())
    company = registry.get(id)
    with closing(_opened(registry, company)) as book:
        tabs = {name: tab.rows for name, tab in book.read().tabs.items()}
        found = [one for one in workbook_check.check(tabs) if not _is_elsewhere(one, company)]
        spoken = _language(language or company.setting("language"), tabs)
        if not json:  # before the notes, which a file that is open elsewhere does not take
            _print(book.place, found, spoken)
        written = _write_notes(registry, company, book, found, tabs, spoken) if notes else None
        if json:
            print_json(_document(company, book.place, found, written))
        elif written:
            out.print(_NOTED[spoken].format(**written))
    if any(one.is_bad for one in found):
        raise typer.Exit(1)


# --- which workbook -----------------------------------------------------------------------------------------------


class _Keys:
    """The service account's key, in the ways that it can be given."""

    def __init__(self, file: str | None, env: str | None, stdin: bool, ref: str | None) -> None:
        self._file, self._env, self._stdin, self._ref = file, env, stdin, ref

    def given(self, settings: "Settings", company: str) -> GivenKey | None:
        """The key, checked to be a service account's; None when none was given. Raises ``InputError``."""
        if [self._file is not None, self._env is not None, self._stdin, self._ref is not None].count(True) > 1:
            raise InputError(
                "the key was given in several ways.", remedy="Say one of --key-file, --key-env, --key-stdin."
            )
        if self._file is None and not self._stdin:
            found = given_key(settings, company, self._env, False, self._ref)
            return found and GivenKey(_service_account(found.clear), found.reference)
        return GivenKey(_service_account(_read_key(self._file)))


def _read_key(file: str | None) -> str:
    import sys

    if file is None:
        return sys.stdin.read()
    try:
        return Path(file).expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{file} cannot be read.", f"{error.strerror}.", "Name the key's JSON file.") from None
    except UnicodeDecodeError:
        raise _no_key() from None


def _service_account(text: str) -> str:
    """The key in one line. Nothing of it is repeated when it is none."""
    import orjson

    try:
        key: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _no_key() from None
    if not isinstance(key, dict) or not key.get("client_email") or not key.get("private_key"):
        raise _no_key()
    return orjson.dumps(key).decode()


def _no_key() -> InputError:
    return InputError(
        "that is no service account's key.",
        "It is a JSON document with client_email and private_key.",
        "Make one in the Google Cloud console: IAM, Service accounts, Keys, JSON.",
    )


def _adopt(id: str, place: str, keys: _Keys, ready: "Callable[[Workbook], str]", *, replaces: bool, json: bool) -> None:
    """Make a workbook ready, prove that it can be read, and store that it is the company's, with its key."""
    from resources.companies import Companies
    from resources.settings import Settings
    from resources.workbook.open import GOOGLE_SECRET, open_workbook

    settings = Settings()
    registry = Companies(settings)
    company = registry.get(id)
    said = _place(place)
    if not replaces:
        _refuse_to_replace(company, said)
    key = keys.given(settings, company.id)
    if key and "://" not in said:
        raise InputError("a file needs no key.", f"{said} is no address.", "Leave the key out.")
    wanted = replace(company, settings={**company.settings, "workbook": said})
    book = open_workbook(registry, wanted, key.clear if key else "")
    assert book is not None
    with closing(book):
        made = ready(book)
        tabs = book.read().tabs
    if key:
        with to_be_stored(settings, key) as stored:
            registry.set_secret(company, stored, GOOGLE_SECRET)
    registry.set(company, workbook=_place(made))
    missing = [layout.name for layout in LAYOUTS if layout.name not in tabs]
    if json:
        print_json({"company": company.id, "workbook": made, "tabs": list(tabs), "missing": missing})
        return
    out.print(f"[green]OK[/] {company.id}: {escape(made)}: {len(tabs)} tabs", soft_wrap=True)
    if missing:
        out.print(f"It lacks {', '.join(missing)}; 'casebook workbook new' adds them.", soft_wrap=True)
    out.print(f"Next: casebook workbook check {company.id}, then casebook sync {company.id}")


def _place(text: str) -> str:
    said = text.strip()
    if not said:
        raise InputError("no place was named.", remedy="Name an .xlsx file, a folder or a spreadsheet's address.")
    if "://" not in said:
        path = Path(os.path.abspath(Path(said).expanduser()))  # noqa: PTH100 -- without "..", and links as they are
        if not path.parent.is_dir():
            raise InputError(
                f"{path} cannot be a workbook.", f"There is no folder {path.parent}.", "Make it, or correct the path."
            )
        said = str(path)
    return read_setting("workbook", said)


def _refuse_to_replace(company: Company, place: str) -> None:
    from resources.workbook.place import identity

    has: str = company.setting("workbook")
    if has and identity(has) != identity(place):
        raise InputError(
            f"company {company.id!r} has a workbook already.",
            f"It is {has}.",
            "Say --replace to name another one; nothing is deleted in the first.",
        )


def _opened(registry: "Companies", company: Company) -> "Workbook":
    from resources.workbook.open import open_workbook

    book = open_workbook(registry, company)
    if book is None:
        raise InputError(
            f"company {company.id!r} has no workbook.",
            remedy=f"Make one: casebook workbook new {company.id} PATH; or name one: casebook workbook use.",
        )
    return book


def _is_elsewhere(one: Finding, company: Company) -> bool:
    """Whether a tab of regulations is not needed: they come from Confluence or Google Docs."""
    return (
        company.setting("regulations_from") != "workbook"
        and one.tab in REGULATIONS.values()
        and one.rule in ("missing-tab", "empty-tab")
    )


# --- what was found -----------------------------------------------------------------------------------------------


def _language(wanted: str, tabs: Mapping[str, Any]) -> Any:
    from domain.workbook_notes import language_of

    return wanted if wanted in ("ko", "en") else language_of(tabs)


_NOTES = "workbook notes"
"""The state of the store that remembers our notes."""


def _write_notes(
    registry: "Companies", company: Company, book: "Workbook", found: Sequence[Finding], tabs: Any, language: Any
) -> dict[str, int]:
    """Notes of ours as they should be. They are remembered before they are written: one that was written and not remembered
    would stay for ever."""
    from domain import workbook_notes
    from resources.clock import utc_now
    from resources.workbook.base import Note

    command = "workbook check --notes"
    with registry.lock(company.id, command) as open_store, open_store() as store:
        kept = store.state(_NOTES) or {}
        remembered = kept["notes"] if kept.get("place") == book.place else []  # those of another workbook stay in it
        known = list(workbook_notes.moved(workbook_notes.NoteOfOurs.from_state(remembered), tabs))
        wanted = workbook_notes.wanted(found, tabs, language)
        new, done_with = workbook_notes.changed(known, wanted)
        if new or done_with:
            both = {note.place: note for note in (*known, *wanted)}
            with store.begin(command, utc_now()) as write:
                write.save_state(_NOTES, {"place": book.place, "notes": [asdict(note) for note in both.values()]})
            book.write(
                [
                    *(Note(note.tab, note.row, note.column, note.text) for note in new),
                    *(Note(note.tab, note.row, note.column, "") for note in done_with),
                ]
            )
            with store.begin(command, utc_now()) as write:
                write.save_state(_NOTES, {"place": book.place, "notes": [asdict(note) for note in wanted]})
    return {"written": len(new), "cleared": len(done_with)}


def _document(company: Company, place: str, found: Sequence[Finding], written: dict[str, int] | None) -> dict[str, Any]:
    errors = sum(one.is_bad for one in found)
    return {
        "company": company.id,
        "workbook": place,
        "ok": not errors,
        "errors": errors,
        "warnings": len(found) - errors,
        "findings": [
            {
                "rule": one.rule,
                "severity": one.severity,
                "tab": one.tab,
                "row": one.row or None,
                "column": one.column or None,
                "cell": one.cell or None,
                "ko": one.what_ko,
                "en": one.what_en,
                "remedy_ko": one.remedy_ko,
                "remedy_en": one.remedy_en,
            }
            for one in found
        ],
        "notes": written,
    }


_NOTED = {
    "ko": "메모: {written}개를 적고 {cleared}개를 지웠습니다.",
    "en": "Notes: {written} written, {cleared} taken away.",
}
_COUNTED = {"ko": "오류 {error}건, 경고 {warning}건", "en": "{error} errors, {warning} warnings"}
_NOTHING = {"ko": "문제 없음", "en": "Nothing found"}
_HEADS = {"ko": ("셀", "규칙", "내용", "할 일"), "en": ("cell", "rule", "what", "what to do")}


def _print(place: str, found: Sequence[Finding], language: str) -> None:
    for tab in dict.fromkeys(one.tab for one in found):
        rows = [_shown(one, language) for one in found if one.tab == tab]
        out.print(table(*_HEADS[language], rows=rows, title=f"[bold]{escape(tab)}[/]"))
        out.print()
    counts = Counter(one.severity for one in found)
    said = _COUNTED[language].format(error=counts["error"], warning=counts["warning"]) if found else _NOTHING[language]
    colour = "red" if counts["error"] else "yellow" if found else "green"
    out.print(f"[{colour}]{said}[/]: {escape(place)}", soft_wrap=True)


def _shown(one: Finding, language: str) -> list[str]:
    what, remedy = (one.what_ko, one.remedy_ko) if language == "ko" else (one.what_en, one.remedy_en)
    rule = one.rule if not one.is_bad else f"{one.rule} ✗"
    return [one.cell, rule, harmless(what), harmless(remedy)]
