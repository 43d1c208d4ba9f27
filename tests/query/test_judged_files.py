"""Judged queries as files: what is read, and how each fault is told.

Belongs here: ``query/judged_files``. Does not belong here: what is measured by them (``tests/pipelines/test_evaluate``).
"""

from pathlib import Path

import pytest

from domain.errors import InputError
from domain.judgement import JudgedQuery
from query.judged_files import Judged, read_judged

HEADER = "query_id\tdoc_id\trelevance\n"
QUESTION = '{"query_id": "q1", "text": "wifi"}\n'


def read(tmp_path: Path, queries: str | bytes, qrels: str) -> Judged:
    asked, judged = tmp_path / "Q.jsonl", tmp_path / "QRELS.tsv"
    asked.write_bytes(queries if isinstance(queries, bytes) else queries.encode())
    judged.write_text(qrels)
    return read_judged(asked, judged)


def test_questions_and_judgements_are_joined(tmp_path: Path) -> None:
    read_in = read(
        tmp_path,
        "\ufeff" + QUESTION + '\n{"query_id": 2, "text": "로그인", "more": 1}\r\n{"query_id": "q3", "text": "x"}\n',
        HEADER + "q1\td1\t1\r\nq1\td2\t2\nq1\td3\t0\n2\td1\t1\nq3\td1\t0\nq9\td1\t1\n",
    )
    assert read_in.queries == [
        JudgedQuery("q1", "wifi", {"d1": 1.0, "d2": 2.0}),
        JudgedQuery("2", "로그인", {"d1": 1.0}),
    ]
    assert (read_in.without_judgement, read_in.without_question) == (["q3"], ["q9"])
    assert read_in.doc_ids == {"d1", "d2"}


FAULTS = {
    "no questions": ("", HEADER + "q1\td\t1\n", "Q.jsonl is empty"),
    "no judgements": (QUESTION, "", "QRELS.tsv is empty"),
    "only a header": (QUESTION, HEADER, "no question is judged"),
    "only zeros": (QUESTION, HEADER + "q1\td\t0\n", "no question is judged"),
    "no header": (QUESTION, "q1\td\t1\n", "QRELS.tsv, line 1 is not the header"),
    "spaces for tabs": (QUESTION, HEADER.replace("\t", " "), "QRELS.tsv, line 1 is not the header"),
    "two columns": (QUESTION, HEADER + "q1\td\n", "QRELS.tsv, line 2 is no judgement"),
    "no number": (QUESTION, HEADER + "q1\td\thigh\n", "QRELS.tsv, line 2 is no judgement"),
    "not a number": (QUESTION, HEADER + "q1\td\tnan\n", "QRELS.tsv, line 2 is no judgement"),
    "judged twice": (QUESTION, HEADER + "q1\td\t1\n\nq1\td\t0\n", "QRELS.tsv, line 4"),
    "no JSON": ("wifi\n", HEADER, "Q.jsonl, line 1 is no question"),
    "a list": (QUESTION + "[1]\n", HEADER, "Q.jsonl, line 2 is no question"),
    "no text": ('{"query_id": "q1"}\n', HEADER, "Q.jsonl, line 1 is no question"),
    "an empty text": ('{"query_id": "q1", "text": " "}\n', HEADER, "Q.jsonl, line 1 is no question"),
    "asked twice": (QUESTION * 2, HEADER, "Q.jsonl, line 2"),
    "not UTF-8": (b"\xff\xfe", HEADER, "Q.jsonl cannot be read"),
}


@pytest.mark.parametrize(("queries", "qrels", "told"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_told_by_file_and_line(tmp_path: Path, queries: str | bytes, qrels: str, told: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, queries, qrels)
    assert told in refused.value.title


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_judged(tmp_path / "none.jsonl", tmp_path / "none.tsv")
