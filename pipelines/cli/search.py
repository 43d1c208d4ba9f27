"""``casebook search``, ``similar`` and ``explain``."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from domain.company import read_setting
from domain.errors import InputError
from domain.stage import DataType
from pipelines.cli.output import Json, err, harmless, out, print_json

if TYPE_CHECKING:
    from rich.text import Text

    from domain.company import Company as CompanyRecord
    from domain.highlight import Marker
    from query.hits import Answer, Hit
    from query.search import Searcher
    from resources.companies import Companies
    from resources.vector_index.base import Filters

_FACTS = ("problem", "cause", "solution", "result")
_SNIPPET, _ALSO = 300, 8
Company = Annotated[str, typer.Argument(help="The company.")]
K = Annotated[int, typer.Option("-k", help="How many hits.")]
In = Annotated[
    str, typer.Option("--in", help="Data types, with commas: ticket, kb, faq, regulation; all there are without it.")
]
Status = Annotated[list[str] | None, typer.Option(help="Only hits of this status; can be repeated.")]
Tag = Annotated[list[str] | None, typer.Option(help="Only hits with this tag; repeated: with all of them.")]
Product = Annotated[list[str] | None, typer.Option(help="Only hits about this product; can be repeated.")]
Language = Annotated[list[str] | None, typer.Option(help="Only hits in this language: ko, en.")]
Since = Annotated[str, typer.Option(help="Only hits updated from this day on (2026-01-31).")]
Every = Annotated[bool, typer.Option("--all", help="Near-duplicates of a better hit, too.")]
Until = Annotated[str, typer.Option(help="Only hits updated before this day.")]


def search(
    id: Company,
    text: Annotated[str, typer.Argument(help="What the problem is, in Korean or English.")] = "",
    k: K = 10,
    data_types: In = "",
    status: Status = None,
    tag: Tag = None,
    product: Product = None,
    language: Language = None,
    since: Since = "",
    until: Until = "",
    every: Every = False,
    batch: Annotated[Path | None, typer.Option(help='Many questions: {"query_id","text"} a line.')] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where --batch writes its answers, a line each.")
    ] = None,
    json: bool = Json,
) -> None:
    """Have we solved this before? The past cases that did, best first."""
    filters = _filters(status, tag, product, language, since, until)
    if batch is not None:
        if text:
            raise InputError("say what to search for, in one way.", remedy="A text, or --batch QUERIES.jsonl.")
        _batch(id, data_types, batch, out_file, k, filters, json)
        return
    if out_file is not None:
        raise InputError(
            "--out goes with --batch.", remedy="An answer to one question is printed; --json for programs."
        )
    searcher = _searcher(id)
    types = types_of(searcher.companies, searcher.company, data_types)
    asked = {"kind": "search", "k": k, "in": types, "filters": asdict(filters)}
    _give(searcher, searcher.search(text, k, filters, types, is_grouped=not every), asked, json)


def similar(
    id: Company,
    doc_id: Annotated[str, typer.Argument(help="A stored ticket; it is left out itself.")] = "",
    text: Annotated[str, typer.Option(help="A new ticket's text.")] = "",
    file: Annotated[Path | None, typer.Option(help="A file with a new ticket: .txt, .eml, .html, .pdf, .docx.")] = None,
    k: K = 10,
    data_types: In = "",
    status: Status = None,
    tag: Tag = None,
    product: Product = None,
    language: Language = None,
    since: Since = "",
    until: Until = "",
    every: Every = False,
    json: bool = Json,
) -> None:
    """Cases like a ticket: a stored one, or a text."""
    if sum(map(bool, (doc_id, text, file))) != 1:
        raise InputError("say which ticket, in one way.", remedy="A DOC_ID, or --text, or --file.")
    filters = _filters(status, tag, product, language, since, until)
    if file is not None:
        from query.ticket_file import ticket_text

        text = ticket_text(file)
    searcher = _searcher(id)
    types = types_of(searcher.companies, searcher.company, data_types)
    find = searcher.similar if doc_id else searcher.search
    asked = {"kind": "similar", "k": k, "in": types, "filters": asdict(filters)}
    if doc_id:
        asked |= {"doc_id": doc_id, "data_type": "ticket"}
    _give(searcher, find(doc_id or text, k, filters, types, is_grouped=not every), asked, json)


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
    passages = f" ({told.points} of {told.parts} passages)" if told.parts > 1 else ""
    out.print(f"vector: {told.point_id} {'is' if told.in_index else 'is not'} in the index{passages}")
    for entry in told.waiting:
        out.print(
            f"[yellow]waiting[/] for {entry.target}: {escape(entry.reason)} ({entry.retries} retries, due {entry.due})"
        )


def _give(searcher: "Searcher", answer: "Answer", asked: dict[str, Any], as_json: bool) -> None:
    """Show an answer, and keep it for a vote. One that cannot be kept was given all the same."""
    from query.marking import marked
    from query.recommendations import Recorder, recommendation

    with Recorder(searcher.companies) as recorder:
        hits = [asdict(hit) for hit in answer.hits]
        given = recommendation(answer.recommendation_id, answer.query, asked, hits, answer.versions)
        recorder.keep(searcher.company.id, given)
        show_answer(marked(answer), as_json)
        is_kept = recorder.close()
    end(searcher)
    if is_kept and answer.hits and not as_json:
        out.print(f"[dim]recommendation {answer.recommendation_id}[/]")
    if not is_kept:
        err.print("[yellow]This answer could not be kept[/]: a vote on it would find nothing.")


def _searcher(id: str) -> "Searcher":
    from query.search import Searcher
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    return Searcher(registry, registry.get(id))


def end(searcher: "Searcher") -> None:
    """Write what was paid for questions before the command ends."""
    if not searcher.close():
        err.print("[yellow]What a question cost could not be written[/]: the ledger lacks it.")


def _filters(
    status: list[str] | None,
    tags: list[str] | None,
    product: list[str] | None,
    language: list[str] | None,
    since: str,
    until: str,
) -> "Filters":
    from resources.vector_index.base import Filters

    def lower(words: list[str] | None) -> tuple[str, ...]:
        return tuple(word.lower() for word in words or ())

    return Filters(
        lower(status), lower(tags), lower(product), lower(language), _day("--since", since), _day("--until", until)
    )


def types_of(registry: "Companies", company: "CompanyRecord", data_types: str) -> list[DataType]:
    """Data types that were typed with commas between them; without any, those that there is a collection of. Raises
    ``InputError`` for an unknown one."""
    from query.search import DATA_TYPES
    from resources.vector_index.base import open_index

    named = [word.strip().lower() for word in data_types.split(",") if word.strip()]
    for word in named:
        if word not in DATA_TYPES:
            raise InputError(f"unknown data type {word!r}.", f"Known: {', '.join(DATA_TYPES)}.")
    index = open_index(registry.settings, company)
    return [one for one in DATA_TYPES if one in named or (not named and index.reader(one).is_built())]


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
    """An answer for people, the words of the question in it bold; or as the JSON document of the contract."""
    if as_json:
        print_json(answer)
        return
    from domain.calibration import GOOD
    from domain.highlight import Marker

    marker = Marker(answer.query)  # for the facts of a case, which are shown one by one
    for note in answer.notes:
        err.print(f"[yellow]Note:[/] {escape(note)}", soft_wrap=True)
    if not answer.hits:
        out.print("Nothing was found: nothing was solved here yet, or the filters leave nothing.")
    elif answer.is_calibrated and answer.hits[0].score < GOOD:
        out.print(f"[yellow]No good answer[/]: the best of what is here scores {answer.hits[0].score:.2f} of 1.")
    for place, hit in enumerate(answer.hits, start=1):
        _show_hit(place, hit, marker)


def _show_hit(place: int, hit: "Hit", marker: "Marker") -> None:
    from rich.text import Text

    hit = _harmless(hit)
    facts = f"#{hit.doc_id} {hit.status} {hit.updated_at[:10]} score {hit.score:.2f}"
    out.print(
        Text.assemble((f"{place}. {hit.title or 'without a title'}", "bold"), "  ", (facts, "dim")), soft_wrap=True
    )
    if [part for part in hit.path if part != hit.title]:
        out.print(Text.assemble("   ", (" > ".join(hit.path), "cyan")), soft_wrap=True)
    said = [] if hit.data_type == "kb" else [(name, (hit.summary or {}).get(name)) for name in _FACTS]
    for name, text in said:
        if text:
            out.print(Text.assemble("   ", (name, "cyan"), " ", _marked(text, marker)), soft_wrap=True)
    if not any(text for _, text in said) and hit.text:
        out.print(Text.assemble("   ", _marked_snippet(hit.text, marker)), soft_wrap=True)
    if hit.also:
        what = "also in its parts" if hit.data_type == "kb" else "the same in"
        out.print(Text(f"   {what} {', '.join(hit.also[:_ALSO])}{' …' if len(hit.also) > _ALSO else ''}", "dim"))
    if hit.url:
        out.print(f"   [dim]{escape(hit.url)}[/]")


def _harmless(hit: "Hit") -> "Hit":
    """A hit whose texts do nothing to a terminal."""
    from dataclasses import replace

    summary = hit.summary and {
        name: harmless(value) if isinstance(value, str) else value for name, value in hit.summary.items()
    }
    named = {name: harmless(getattr(hit, name)) for name in ("doc_id", "title", "text", "url", "status")}
    path, also = [harmless(part) for part in hit.path], [harmless(one) for one in hit.also]
    return replace(hit, summary=summary, path=path, also=also, **named)


def _marked_snippet(text: str, marker: "Marker") -> "Text":
    """What of a long text answers the question."""
    from rich.text import Text

    from domain.highlight import snippet

    cut = snippet(text, marker.spans(text), _SNIPPET)
    shown = Text(cut.text)
    for start, end in cut.spans:
        shown.stylize("bold", start, end)
    return shown


def _marked(text: str, marker: "Marker") -> "Text":
    """A text with the stretches in bold that answer the question."""
    from rich.text import Text

    shown = Text(text)
    for start, end in marker.spans(text):
        shown.stylize("bold", start, end)
    return shown


def _batch(
    id: str, data_types: str, path: Path, target: Path | None, k: int, filters: "Filters", as_json: bool
) -> None:
    """Answer a file of questions. Every line is checked before the first is answered; the file appears whole or not."""
    import orjson
    from rich.progress import track

    if target is None:
        raise InputError("--out is missing.", remedy="Say where the answers go: --out RUN.jsonl")
    if (target.exists() and not target.is_file()) or not target.name or target.resolve() == path.resolve():
        raise InputError(f"{target} cannot be written.", "It is no file, or the questions themselves.")
    questions = _questions(path, k)
    searcher = _searcher(id)
    types = types_of(searcher.companies, searcher.company, data_types)
    draft = target.with_name(f".{target.name}.part")
    notes = Counter[str]()
    try:
        with draft.open("wb") as file:
            answers = searcher.answers([text for _, text in questions], k, filters, types)
            for (query_id, _), answer in track(
                zip(questions, answers, strict=True),
                description="searching",
                total=len(questions),
                console=err,
                transient=True,
                disable=not err.is_terminal,
            ):
                notes.update(answer.notes)
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
        end(searcher)
    for note, count in notes.items():
        err.print(f"[yellow]Note[/] on {count} of them: {escape(note)}", soft_wrap=True)
    if as_json:
        print_json({"company": id, "questions": len(questions), "file": str(target)})
    else:
        err.print(f"{len(questions)} questions answered: {target}")


def _questions(path: Path, k: int) -> list[tuple[str, str]]:
    """Ids and texts. Raises ``InputError`` for a line that is no question."""
    import orjson

    from query.search import checked

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
    return questions
