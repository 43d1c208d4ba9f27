"""Evaluate: how well a company's judged questions are answered, in figures.

Belongs here: asking the questions, the figures with their intervals, what they were measured on. Does not belong here: the
measures themselves (``domain/metrics``), reading files (``judged_files``), or trying other weights (``tuning``).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from domain.company import Company
from domain.errors import SourceUnavailable
from domain.fingerprint import fingerprint
from domain.judgement import JudgedQuery
from domain.metrics import Figures, Interval, figures, summary
from domain.stage import DataType
from query.search import DATA_TYPES, Searcher
from resources.storage.sql import SqlCompanyStore

Rankings = Iterable[Sequence[str]]
"""The answers to some questions, in the questions' order: ids of documents, best first."""


class Unmeasured(SourceUnavailable):
    """Questions could not be asked as usual now: figures would tell of that, and not of the search."""


def silent(_done: int) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The means over all judged questions: ``figures`` by name (nDCG@10, …), ``intervals`` of 95 % by the same names."""

    queries: int
    k: int
    figures: dict[str, float]
    intervals: dict[str, Interval]


def measure(
    judged: Sequence[JudgedQuery], answers: Rankings, k: int, progress: Callable[[int], None] = silent
) -> list[Figures]:
    """The figures of every question, in order."""
    measured: list[Figures] = []
    for done, (query, answer) in enumerate(zip(judged, answers, strict=True), start=1):
        measured.append(figures(answer, query.relevant, k))
        progress(done)
    return measured


def ranked(
    searcher: Searcher, judged: Sequence[JudgedQuery], k: int, data_types: Sequence[DataType]
) -> Iterator[list[str]]:
    """The answer to each question as document ids, best first. Near-duplicates are not left out: one may be the one that was
    judged. Raises ``Unmeasured`` where a question is answered by words alone."""
    for answer in searcher.answers([query.text for query in judged], k, data_types=data_types):
        if answer.by_words_alone:
            raise Unmeasured(
                "the questions cannot be measured now.",
                " ".join(answer.notes),
                "Nothing was kept. The same command again, when the provider answers.",
            )
        yield [hit.doc_id for hit in answer.hits]


def evaluate(
    judged: Sequence[JudgedQuery], answers: Rankings, k: int = 10, progress: Callable[[int], None] = silent
) -> Evaluation:
    """The means over all questions. Raises ``ValueError`` without a question."""
    told = summary(measure(judged, answers, k, progress))
    named = told.mean.named(k)
    intervals = dict(zip(named, (told.interval[name] for name in asdict(told.mean)), strict=True))
    return Evaluation(told.queries, k, named, intervals)


def unknown_documents(store: SqlCompanyStore, doc_ids: Sequence[str], data_types: Sequence[DataType]) -> list[str]:
    """Those of the documents that no collection of these types holds: nothing can find them."""
    missing = set(doc_ids)
    for data_type in data_types:
        heads = store.heads(f"{data_type}_collection", sorted(missing))
        missing -= {doc_id for doc_id, head in heads.items() if not head.deleted}
    return sorted(missing)


def measured_on(
    store: SqlCompanyStore, company: Company, judged: Sequence[JudgedQuery], made_by: Mapping[str, str]
) -> dict[str, str]:
    """What figures depend on; when all of it is as before, they are. ``made_by``: the live collections by data type, and the
    version of the ranking."""
    share = company.setting("dense_weight")
    live = [name for name in DATA_TYPES if name in made_by]
    return {
        **{name: made_by[name] for name in (*live, "ranking")},
        **{f"{name}_content": str(store.top(f"{name}_collection")) for name in live},
        "weights": "measured" if share is None else f"dense {share:g}",
        "judged": fingerprint([asdict(one) for one in judged]),
    }
