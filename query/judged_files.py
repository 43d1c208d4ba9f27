"""Judged queries as people bring them: a file of questions, and a file that says which documents answer them.

Belongs here: reading the two files, every fault named by file and line. Does not belong here: asking the questions
(``evaluate``), or keeping them (``resources/storage``).

The formats are the usual ones: {"query_id", "text"} a line, and query_id<TAB>doc_id<TAB>relevance under a header.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from domain.errors import InputError
from domain.fingerprint import clean
from domain.judgement import JudgedQuery

_QUESTION = 'Each line is {"query_id": "q1", "text": "what the problem is"}.'
_HIGHEST = 1e6
"""The highest grade; sums of it stay numbers."""
_JUDGEMENT = "Each line is query_id, doc_id and relevance with a tab between; the first line names them."
_HEADER = ["query_id", "doc_id", "relevance"]


@dataclass(frozen=True, slots=True)
class Judged:
    """What two files say: the judged ``queries`` in the order of their file, and what was left out."""

    queries: list[JudgedQuery]
    without_judgement: list[str]
    """Ids of questions that no line judges with a relevance above 0."""
    without_question: list[str]
    """Ids that are judged, but are no questions of the file."""

    @property
    def doc_ids(self) -> set[str]:
        """The documents that are meant."""
        return {doc_id for query in self.queries for doc_id in query.relevant}


def read_judged(queries: Path, qrels: Path) -> Judged:
    """Read both files. Raises ``InputError``, with file and line, for what is no question or no judgement, for what is said
    twice, and when not one question is judged."""
    questions = _questions(queries)
    judgements = _judgements(qrels)
    judged = [
        JudgedQuery(query_id, text, judgements[query_id])
        for query_id, text in questions.items()
        if judgements.get(query_id)
    ]
    if not judged:
        raise InputError(
            "no question is judged.",
            f"None of the {len(questions)} questions of {queries} has a document in {qrels} with a relevance above 0.",
            "The ids in the first columns must be those of the questions.",
        )
    without = [query_id for query_id in questions if not judgements.get(query_id)]
    return Judged(judged, without, [query_id for query_id in judgements if query_id not in questions])


def _questions(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in _lines(path):
        try:
            question = orjson.loads(line)
            query_id, text = question["query_id"], question["text"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise InputError(f"{path}, line {number} is no question.", remedy=_QUESTION) from None
        if not isinstance(query_id, str | int) or not isinstance(text, str) or not clean(text)[0].strip():
            raise InputError(f"{path}, line {number} is no question.", "An id or a text is missing.", _QUESTION)
        if str(query_id) in found:
            raise InputError(f"{path}, line {number}: query {query_id!r} is there twice.")
        found[str(query_id)] = clean(text)[0]
    if not found:
        raise InputError(f"{path} is empty.", remedy=_QUESTION)
    return found


def _judgements(path: Path) -> dict[str, dict[str, float]]:
    """Relevance above 0, by query and document; a query that has only others is there with none."""
    lines = _lines(path)
    number, header = next(lines, (1, ""))
    if not header:
        raise InputError(f"{path} is empty.", remedy=_JUDGEMENT)
    if [name.strip().lower() for name in header.split("\t")] != _HEADER:
        raise InputError(f"{path}, line {number} is not the header.", f"It should say {' '.join(_HEADER)}.", _JUDGEMENT)
    seen: set[tuple[str, str]] = set()
    found: dict[str, dict[str, float]] = {}
    for number, line in lines:
        query_id, doc_id, grade = _judgement(path, number, line)
        if (query_id, doc_id) in seen:
            raise InputError(f"{path}, line {number}: {doc_id!r} is judged twice for query {query_id!r}.")
        seen.add((query_id, doc_id))
        relevant = found.setdefault(query_id, {})
        if grade > 0:
            relevant[doc_id] = grade
    return found


def _judgement(path: Path, number: int, line: str) -> tuple[str, str, float]:
    fields = [field.strip() for field in line.split("\t")]
    if len(fields) != len(_HEADER) or not all(fields):
        raise InputError(f"{path}, line {number} is no judgement.", f"It has {len(fields)} columns, not 3.", _JUDGEMENT)
    query_id, doc_id, relevance = fields
    try:
        grade = float(relevance)
    except ValueError:
        grade = math.nan
    if not abs(grade) <= _HIGHEST:
        raise InputError(
            f"{path}, line {number} is no judgement.",
            f"Relevance {relevance!r} is no number up to {_HIGHEST:g}.",
            _JUDGEMENT,
        )
    return query_id, doc_id, grade


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers from 1."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read.", str(error)) from None
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")
