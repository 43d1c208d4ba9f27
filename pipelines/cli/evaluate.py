"""``casebook evaluate``: how well a company's judged questions are answered, and whether other weights would do better."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import InputError
from pipelines.cli.output import Json, err, out, print_json, table

if TYPE_CHECKING:
    from domain.company import Company
    from domain.judgement import JudgedQuery
    from domain.stage import DataType
    from query.evaluate import Evaluation
    from query.hits import Hit
    from query.judged_files import Judged
    from query.search import Searcher
    from query.tuning import Tuned
    from resources.companies import Companies

_SHOWN = 5


def evaluate(
    id: Annotated[str, typer.Argument(help="The company.")],
    queries: Annotated[
        Path | None, typer.Option(help='Questions: {"query_id","text"} a line. Without it: those that were kept.')
    ] = None,
    qrels: Annotated[
        Path | None, typer.Option(help="Which documents answer them: query_id, doc_id, relevance, with tabs.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many hits of each answer count.")] = 10,
    data_types: Annotated[str, typer.Option("--in", help="Data types, with commas; all without it.")] = "",
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep these questions: every night is measured by them from now on.")
    ] = False,
    tune: Annotated[
        bool, typer.Option("--tune", help="Try other weights, and take them if they win on questions held back.")
    ] = False,
    json: bool = Json,
) -> None:
    """How well are judged questions answered? nDCG, MRR, recall and hit rate, with what chance makes of them."""
    from pipelines.cli.search import end, types_of
    from query.evaluate import evaluate as measured
    from query.evaluate import ranked, unknown_documents
    from query.search import Searcher
    from resources.companies import Companies
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    files = _files(queries, qrels, keep)
    asked_types = types_of(registry, company, data_types)
    judged = files.queries if files else _kept(registry, company)
    with registry.store(company.id) as store:
        doc_ids = {doc_id for one in judged for doc_id in one.relevant}
        unknown = unknown_documents(store, sorted(doc_ids), asked_types)
    if len(unknown) == len(doc_ids):
        raise InputError(
            "none of the judged documents can be found.",
            f"{_some(unknown)}: {' and '.join(asked_types)} of company {company.id!r} have none of them.",
            "Document ids are the helpdesk's own, as a search shows them; a case must be solved to be found.",
        )
    if keep:
        _keep(registry, company, judged)
    searcher = Searcher(registry, company)
    try:
        with _progress("asking", len(judged)) as progress:
            told = measured(judged, ranked(searcher, judged, k, asked_types), k, progress)
        tuned = _tune(registry, company, searcher, judged, asked_types, k) if tune else None
    finally:
        end(searcher)
    if json:
        print_json(_document(company, told, asked_types, unknown, files, keep, tuned))
        return
    _show(company, told, unknown, files, keep)
    if tuned:
        _show_tuned(company, tuned)


def _files(queries: Path | None, qrels: Path | None, keep: bool) -> "Judged | None":
    from query.judged_files import read_judged

    if queries is None and qrels is None and not keep:
        return None
    if queries is None or qrels is None:
        raise InputError("questions and judgements go together.", remedy="Say --queries Q.jsonl --qrels QRELS.tsv")
    return read_judged(queries, qrels)


def _kept(registry: "Companies", company: "Company") -> list["JudgedQuery"]:
    with registry.store(company.id) as store:
        judged = store.judged()
    if not judged:
        raise InputError(
            f"company {company.id!r} has no judged questions.",
            remedy="Give some: --queries Q.jsonl --qrels QRELS.tsv",
        )
    return judged


def _keep(registry: "Companies", company: "Company", judged: Sequence["JudgedQuery"]) -> None:
    from resources.clock import utc_now

    with (
        registry.lock(company.id, "casebook evaluate"),
        registry.store(company.id) as store,
        store.begin("evaluate", utc_now()) as write,
    ):
        write.replace_judged(judged)


def _tune(
    registry: "Companies",
    company: "Company",
    searcher: "Searcher",
    judged: Sequence["JudgedQuery"],
    data_types: Sequence["DataType"],
    k: int,
) -> "Tuned":
    """Find a share of meaning, and take it if it is better; None of it is stored otherwise."""
    from query.tuning import tune

    def ids(order: "Callable[[float | None], list[Hit]]") -> Callable[[float | None], list[str]]:
        return lambda share: [hit.doc_id for hit in order(share)]

    orders = map(ids, searcher.orders([one.text for one in judged], k, data_types))
    with _progress("trying weights", len(judged)) as progress:
        tuned = tune(judged, orders, company.setting("dense_weight"), k, progress)
    if tuned.is_better:
        registry.set(company, dense_weight=tuned.best)
    return tuned


@contextmanager
def _progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.progress import Progress

    with Progress(console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(doing, total=total)
        yield lambda done: shown.update(task, completed=done)


def _document(
    company: "Company",
    told: "Evaluation",
    data_types: Sequence[str],
    unknown: Sequence[str],
    files: "Judged | None",
    kept: bool,
    tuned: "Tuned | None",
) -> dict[str, Any]:
    return {
        "company": company.id,
        "queries": told.queries,
        "k": told.k,
        "data_types": list(data_types),
        "figures": told.figures,
        "intervals": told.intervals,
        "unknown_documents": list(unknown),
        "without_judgement": files.without_judgement if files else [],
        "without_question": files.without_question if files else [],
        "kept": kept,
        "tuned": tuned and {"is_applied": tuned.is_better, **{name: getattr(tuned, name) for name in _TUNED}},
    }


_TUNED = ("current", "best", "tried_on", "tried", "held_back")


def _show(company: "Company", told: "Evaluation", unknown: Sequence[str], files: "Judged | None", kept: bool) -> None:
    rows = [
        (name, f"{value:.3f}", f"{told.intervals[name][0]:.3f} to {told.intervals[name][1]:.3f}")
        for name, value in told.figures.items()
    ]
    out.print(table("measure", "mean", "95 %", rows=rows, title=f"{company.id}: {told.queries} judged questions"))
    if unknown:
        err.print(
            f"[yellow]{len(unknown)} judged documents are not in what was asked[/]; they count as not found: {_some(unknown)}"
        )
    for ids, what in (
        (files.without_judgement if files else [], "questions are not judged"),
        (files.without_question if files else [], "judged queries are no questions of the file"),
    ):
        if ids:
            err.print(f"[yellow]{len(ids)} {what}[/] and are left out: {_some(ids)}")
    if kept:
        out.print("They are kept: 'retrieval_report' measures by them with every sync.")


def _show_tuned(company: "Company", tuned: "Tuned") -> None:
    from query.tuning import share_name

    rows = [(name, f"{value:.3f}") for name, value in tuned.tried.items()]
    out.print(table("share of meaning", "nDCG", rows=rows, title=f"Tried on {tuned.tried_on} of the questions"))
    best, current = share_name(tuned.best), share_name(tuned.current)
    low, high = tuned.held_back.interval
    proof = f"{tuned.held_back.difference:+.3f} ({low:+.3f} to {high:+.3f}) on the {tuned.held_back.queries} held back"
    if tuned.best == tuned.current:
        out.print(f"Nothing is better than what is in force ({current}). Nothing was changed.")
    elif tuned.is_better:
        out.print(f"{best} is better than {current}: {proof}. It is in force: dense_weight={tuned.best}.")
        out.print(
            f"Back with: casebook company set {company.id} dense_weight={'' if tuned.current is None else current}"
        )
    else:
        out.print(f"{best} won there, but not by more than chance: {proof}. Nothing was changed.")


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{', '.join(ids[:_SHOWN])}{more}"
