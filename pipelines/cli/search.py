"""``casebook search``, ``similar`` and ``explain``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.company import read_setting
from domain.errors import InputError
from domain.stage import DataType
from pipelines.cli.output import Json, err, out, print_json

if TYPE_CHECKING:
    from query.search import Answer
    from resources.vector_index.base import Filters

Company = Annotated[str, typer.Argument(help="The company.")]
K = Annotated[int, typer.Option("-k", help="How many hits.")]
In = Annotated[str, typer.Option("--in", help="Data types, with commas: ticket.")]
Status = Annotated[list[str] | None, typer.Option(help="Only hits of this status; can be repeated.")]
Tag = Annotated[list[str] | None, typer.Option(help="Only hits with this tag; repeated: with all of them.")]
Product = Annotated[list[str] | None, typer.Option(help="Only hits about this product; can be repeated.")]
Language = Annotated[list[str] | None, typer.Option(help="Only hits in this language: ko, en.")]
Since = Annotated[str, typer.Option(help="Only hits updated from this day on (2026-01-31).")]
Until = Annotated[str, typer.Option(help="Only hits updated before this day.")]


def search(
    id: Company,
    text: Annotated[str, typer.Argument(help="What the problem is, in Korean or English.")] = "",
    k: K = 10,
    data_types: In = "ticket",
    status: Status = None,
    tag: Tag = None,
    product: Product = None,
    language: Language = None,
    since: Since = "",
    until: Until = "",
    batch: Annotated[Path | None, typer.Option(help='Many questions: {"query_id","text"} a line.')] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where --batch writes its answers, a line each.")
    ] = None,
    json: bool = Json,
) -> None:
    """Have we solved this before? The past cases that did, best first."""
    filters = _filters(data_types, status, tag, product, language, since, until)
    if batch is not None:
        _batch(id, batch, out_file, k, filters, json)
        return
    searcher = _searcher(id)
    show_answer(searcher.search(text, k, filters), json)


def similar(
    id: Company,
    doc_id: Annotated[str, typer.Argument(help="A stored ticket; it is left out itself.")] = "",
    text: Annotated[str, typer.Option(help="A new ticket's text.")] = "",
    file: Annotated[Path | None, typer.Option(help="A file with a new ticket's text.")] = None,
    k: K = 10,
    data_types: In = "ticket",
    status: Status = None,
    tag: Tag = None,
    product: Product = None,
    language: Language = None,
    since: Since = "",
    until: Until = "",
    json: bool = Json,
) -> None:
    """Cases like a ticket: a stored one, or a text."""
    if sum(map(bool, (doc_id, text, file))) != 1:
        raise InputError("say which ticket, in one way.", remedy="A DOC_ID, or --text, or --file.")
    filters = _filters(data_types, status, tag, product, language, since, until)
    searcher = _searcher(id)
    if file is not None:
        text = _read(file)
    show_answer(searcher.similar(doc_id, k, filters) if doc_id else searcher.search(text, k, filters), json)


def explain(
    id: Company,
    doc_id: Annotated[str, typer.Argument(help="The document's id.")],
    data_type: Annotated[
        DataType | None, typer.Option("--in", help="What it is: needed where a ticket and an article have this id.")
    ] = None,
    json: bool = Json,
) -> None:
    """A document's history: from the helpdesk's answer to the vector, with the run that made each step."""
    from query.explain import explain as explain_document
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    told = explain_document(registry, registry.get(id), doc_id, data_type)
    if json:
        print_json(told)
        return
    out.print(f"[bold]{told.data_type} {escape(told.doc_id)}[/] of {told.company}")
    out.print(
        "source: "
        + escape(", ".join(f"{name} {value}" for name, value in told.source.items()) or "nothing is left of it")
    )
    for step in told.steps:
        wrote = f"{step.content_hash[:12] or '-'} written {step.updated_at} by run {step.run_id[:8]}"
        out.print(f"[bold]{step.table:18}[/] {step.state:7}" + (wrote if step.seq else ""))
        if step.made_by:
            out.print(f"{'':26}[dim]from {escape(step.source_hash[:20])} by {escape(step.made_by)}[/]", soft_wrap=True)
    if told.data_type == "kb":
        out.print("vector: none; articles are not searched yet")
    else:
        out.print(f"vector: {told.point_id} {'is' if told.in_index else 'is not'} in the index")
    for entry in told.waiting:
        out.print(
            f"[yellow]waiting[/] for {entry.target}: {escape(entry.reason)} ({entry.retries} retries, due {entry.due})"
        )


def _searcher(id: str) -> Any:
    from query.search import Searcher
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    return Searcher(registry, registry.get(id))


def _filters(
    data_types: str,
    status: list[str] | None,
    tags: list[str] | None,
    product: list[str] | None,
    language: list[str] | None,
    since: str,
    until: str,
) -> "Filters":
    from query.search import DATA_TYPES
    from resources.vector_index.base import Filters

    for data_type in data_types.split(","):
        if data_type.strip() not in DATA_TYPES:
            raise InputError(f"unknown data type {data_type.strip()!r}.", f"Known: {', '.join(DATA_TYPES)}.")

    def lower(words: list[str] | None) -> tuple[str, ...]:
        return tuple(word.lower() for word in words or ())

    return Filters(
        lower(status), lower(tags), lower(product), lower(language), _day("--since", since), _day("--until", until)
    )


def _day(option: str, text: str) -> str:
    if not text:
        return ""
    try:
        return f"{read_setting('since', text)}T00:00:00Z"
    except InputError:
        raise InputError(f"bad date for {option}.", f"{text!r} is not a day such as 2026-01-31.") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read.", str(error)) from None


def show_answer(answer: "Answer", as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    if not answer.hits:
        out.print("Nothing like it was solved here yet.")
    for place, hit in enumerate(answer.hits, start=1):
        facts = f"#{hit.doc_id} {hit.status} {hit.updated_at[:10]} score {hit.score:.2f}"
        out.print(f"[bold]{place}. {escape(hit.title)}[/]  [dim]{escape(facts)}[/]")
        summary = hit.summary or {}
        for name in ("problem", "cause", "solution", "result"):
            if summary.get(name):
                out.print(f"   [cyan]{name}[/] {escape(summary[name])}", soft_wrap=True)
        if hit.url:
            out.print(f"   [dim]{escape(hit.url)}[/]")


def _batch(id: str, path: Path, target: Path | None, k: int, filters: "Filters", as_json: bool) -> None:
    """Answer a file of questions. Every line is checked before the first is answered; the file appears whole or not."""
    import orjson
    from rich.progress import track

    from query.search import checked

    if target is None:
        raise InputError("--out is missing.", remedy="Say where the answers go: --out RUN.jsonl")
    if (target.exists() and not target.is_file()) or not target.name or target.resolve() == path.resolve():
        raise InputError(f"{target} cannot be written.", "It is no file, or the questions themselves.")
    questions: list[tuple[str, str]] = []
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            question = orjson.loads(line)
            questions.append((str(question["query_id"]), checked(str(question["text"]), k)))
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise InputError(
                f"{path}, line {number} is no question.", remedy='Each line is {"query_id": ..., "text": ...}.'
            ) from None
        except InputError as wrong:
            raise InputError(f"{path}, line {number}: {wrong.title}", wrong.detail, wrong.remedy) from None
    searcher = _searcher(id)
    draft = target.with_name(f".{target.name}.part")
    try:
        with draft.open("wb") as file:
            for query_id, text in track(
                questions, description="searching", console=err, transient=True, disable=not err.is_terminal
            ):
                answer = searcher.search(text, k, filters)
                line = {
                    "query_id": query_id,
                    "ranked": [hit.doc_id for hit in answer.hits],
                    "scores": [hit.score for hit in answer.hits],
                }
                file.write(orjson.dumps(line) + b"\n")
        draft.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written.", str(error)) from None
    finally:
        draft.unlink(missing_ok=True)
    if as_json:
        print_json({"company": id, "questions": len(questions), "file": str(target)})
    else:
        err.print(f"{len(questions)} questions answered: {target}")
