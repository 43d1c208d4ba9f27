"""Exports: what is read, what a column means, and one clear line for everything that is wrong with a file."""

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.errors import DocumentError, InputError
from domain.ticket import Person, Ticket
from resources.helpdesk.base import Document, Nothing, Page, Span
from resources.helpdesk.export import CHUNK, Export

ROW = {"ticket_id": "7", "subject": "Printer", "description": "It prints twice.\nEvery time."}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file of this name: rows as JSON lines, or text or bytes as they are."""

    def written(name: str, *content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = b"".join(
            piece if isinstance(piece, bytes) else piece.encode() if isinstance(piece, str) else _line(piece)
            for piece in content
        )
        path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
        return path

    return written


def _line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


class Stored(Nothing):
    """Rows that are there already: id → version."""

    def __init__(self, versions: dict[str, str]) -> None:
        self.there = versions

    def versions(self, doc_ids: Sequence[str]) -> dict[str, str]:
        return {doc_id: self.there[doc_id] for doc_id in doc_ids if doc_id in self.there}


def documents(export: Export, stored: Nothing | None = None) -> list[Document]:
    return [document for page in export.pages(None, stored or Nothing(), Span()) for document in page.documents]


def ticket(export: Export) -> Ticket:
    (document,) = documents(export)
    return export.neutral(document.payload)


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        documents(Export(path, **options))
    return str(caught.value)


# -- formats -----------------------------------------------------------------------------------------------------------

CSV = 'ticket_id,subject,description,tags\n7,Printer,"It prints ""twice"".\nEvery time.","wifi, office"\n8,두 번째,설명,\n'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tickets.csv", CSV.encode()),
        ("with-mark.csv", CSV.encode("utf-8-sig")),
        ("korean-excel.csv", CSV.encode("cp949")),
        ("unicode-text.csv", CSV.replace(",", "\t").replace("wifi\t", "wifi,").encode("utf-16")),
        ("semicolons.csv", CSV.replace(",", ";").replace("wifi;", "wifi,").encode()),
        ("packed.csv.gz", CSV.encode()),
        ("windows.csv", CSV.replace("\n", "\r\n").encode()),
    ],
)
def test_csv(write: Write, name: str, content: bytes) -> None:
    export = Export(write(name, content))
    first, second = (export.neutral(document.payload) for document in documents(export))
    assert first.description and first.description.text.split() == ["It", "prints", '"twice".', "Every", "time."]
    assert (first.id, first.tags, first.status) == ("7", ("office", "wifi"), "")
    assert (second.id, second.subject, second.tags) == ("8", "두 번째", ())


def test_json_lines_and_parquet_say_the_same(write: Write, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            **ROW,
            "ticket_id": 12,
            "status": "Closed",
            "conversations": [
                {"author": "agent", "private": True, "body": "Seen.", "created_at": "2026-01-31T09:00:00Z"}
            ],
            "tags": ["b", "a"],
            "requester": {"id": 5, "name": "Kim", "email": "kim@example.com"},
            "created_at": "2026-01-30T10:00:00+09:00",
            "seats": 3.0,
        }
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "tickets.parquet")
    of_lines = ticket(Export(write("tickets.jsonl.gz", *rows)))
    assert of_lines == ticket(Export(tmp_path / "tickets.parquet"))
    assert (of_lines.id, of_lines.status, of_lines.tags) == ("12", "closed", ("a", "b"))
    assert of_lines.created_at == "2026-01-30T01:00:00Z"
    assert of_lines.requester == Person("5", "Kim", "kim@example.com")
    (message,) = of_lines.messages
    assert (message.author, message.private, message.text) == ("agent", True, "Seen.")


def test_cells_of_parquet_become_plain_text(tmp_path: Path) -> None:
    columns = {
        "ticket_id": [12.0],
        "subject": ["s"],
        "description": [b"d"],
        "created_at": [datetime(2026, 1, 31, 9, 0)],  # noqa: DTZ001 - as a table has it
        "priority": [float("nan")],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    read = ticket(Export(tmp_path / "t.parquet"))
    assert (read.id, read.created_at, read.priority) == ("12", "2026-01-31T09:00:00Z", "")
    assert read.description and read.description.text == "d"


def test_a_folder_with_one_file_of_tickets(write: Write, tmp_path: Path) -> None:
    write("tickets.jsonl", ROW)
    write("kb.jsonl", "{}")
    assert ticket(Export(tmp_path)).id == "7"
    write("tickets.csv", CSV)
    assert "tickets.csv, tickets.jsonl" in refused(tmp_path)


# -- columns -----------------------------------------------------------------------------------------------------------


def test_columns_are_mapped_and_foreign_ones_kept(write: Write) -> None:
    row = {"doc_id": "hadoop-1", "title": "T", "text": "X", "resolution": "Fixed", "status": "RESOLVED "}
    columns = {"ticket_id": "doc_id", "subject": "title", "description": "text"}
    export = Export(write("t.jsonl", row), columns=columns)
    (document,) = documents(export)
    assert document.payload["resolution"] == "Fixed"
    read = export.neutral(document.payload)
    assert (read.id, read.subject, read.status, read.custom_fields) == ("hadoop-1", "T", "resolved", {})
    assert export.made_by != Export("t.jsonl").made_by


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31 09:05:07", "2026-01-31T09:05:07Z"),
        ("2026-01-31T09:00:00.123+09:00", "2026-01-31T00:00:00Z"),
        ("2026. 1. 31. 9:05", "2026-01-31T09:05:00Z"),
        ("2026/01/31", "2026-01-31T00:00:00Z"),
        ("03/Jan/20 10:37", "2020-01-03T10:37:00Z"),
        ("01/02/2026", ""),
        ("soon", ""),
        (None, ""),
    ],
)
def test_times(write: Write, given: str | None, meant: str) -> None:
    export = Export(write("t.jsonl", {**ROW, "created_at": given}))
    assert ticket(export).created_at == meant
    assert documents(export)[0].payload["created_at"] == given


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Kim Min <kim@example.com>", Person(name="Kim Min", email="kim@example.com")),
        ("kim@example.com", Person(email="kim@example.com")),
        ("김민수", Person(name="김민수")),
        ("", Person()),
    ],
)
def test_requesters(write: Write, given: str, meant: Person) -> None:
    assert ticket(Export(write("t.jsonl", {**ROW, "requester": given}))).requester == meant


def test_conversations_in_a_cell_of_csv(write: Write) -> None:
    messages = [{"author": "Customer", "body": "안녕", "private": "false"}, {"author": "agent", "body": 5}]
    cell = json.dumps(messages).replace('"', '""')
    read = ticket(Export(write("t.csv", f'ticket_id,subject,description,conversations\n7,s,d,"{cell}"\n')))
    assert [(one.id, one.author, one.text, one.private) for one in read.messages] == [
        ("1", "customer", "안녕", False),
        ("2", "agent", "5", False),
    ]


def test_characters_that_no_store_takes_are_replaced_and_counted(write: Write) -> None:
    (document,) = documents(
        Export(write("t.jsonl", b'{"ticket_id":"1","subject":"a\\u0000b\\ud800","description":""}'))
    )
    assert (document.payload["subject"], document.replaced) == ("a\ufffdb\ufffd", 2)


def test_a_row_that_cannot_be_understood_waits_and_the_rest_goes_on(write: Write) -> None:
    path = write("t.jsonl", {**ROW, "tags": 5}, {**ROW, "ticket_id": "8"})
    page, last = Export(path).pages(None, Nothing(), Span())
    assert [document.doc_id for document in page.documents] == ["8"]
    assert [bad.doc_id for bad in page.unreadable] == ["7"]
    assert list(page.seen) == ["7", "8"] and last.walked_all
    with pytest.raises(DocumentError, match="shape"):
        Export(path).one("7")


# -- the walk ----------------------------------------------------------------------------------------------------------


def test_every_row_is_shown_in_chunks_and_the_last_page_says_so(write: Write) -> None:
    export = Export(write("t.jsonl", *({**ROW, "ticket_id": str(number)} for number in range(2 * CHUNK + 1))))
    pages = list(export.pages(None, Nothing(), Span()))
    assert [len(page.documents) for page in pages] == [CHUNK, CHUNK, 1, 0]
    assert [page.walked_all for page in pages] == [False, False, False, True]
    assert len({doc_id for page in pages for doc_id in page.seen}) == 2 * CHUNK + 1
    assert export.check().tickets == 2 * CHUNK + 1
    estimate = export.plan(export.check())
    assert (estimate.requests, estimate.exact) == (0, True)


def test_a_killed_walk_starts_anew_and_gives_only_what_is_not_stored(write: Write) -> None:
    export = Export(write("t.jsonl", *({**ROW, "ticket_id": str(number)} for number in range(CHUNK + 5))))
    first: Page = next(export.pages(None, Nothing(), Span()))
    stored = {document.doc_id: document.version for document in first.documents}
    pages = list(export.pages(first.cursor, Stored(stored), Span()))
    assert sum(len(page.documents) for page in pages) == 5
    assert sum(len(page.seen) for page in pages) == CHUNK + 5
    assert pages[-1].walked_all


def test_an_unchanged_file_gives_no_page_and_a_changed_row_only_itself(write: Write) -> None:
    rows = [{**ROW, "ticket_id": str(number)} for number in range(20)]
    export = Export(write("t.jsonl", *rows))
    *_, last = pages = list(export.pages(None, Nothing(), Span()))
    stored = {document.doc_id: document.version for page in pages for document in page.documents}
    assert list(export.pages(last.cursor, Nothing(), Span())) == []
    write("t.jsonl", *rows)  # written again, the same
    assert list(export.pages(last.cursor, Nothing(), Span())) == []
    rows[3] = {**rows[3], "subject": "Another"}
    write("t.jsonl", *rows)
    changed = [
        document.doc_id for page in export.pages(last.cursor, Stored(stored), Span()) for document in page.documents
    ]
    assert changed == ["3"]


def test_a_foreign_column_changes_the_version_but_not_what_the_ticket_says(write: Write) -> None:
    export = Export(write("t.jsonl", {**ROW, "views": 1}))
    (before,) = documents(export)
    write("t.jsonl", {**ROW, "views": 2})
    (after,) = documents(export)
    assert before.version != after.version and before.content_hash == after.content_hash


def test_one_row_again(write: Write) -> None:
    export = Export(write("t.jsonl", ROW, {**ROW, "ticket_id": 8}))
    (_, second) = documents(export)
    assert export.one("8") == second
    assert export.one("9") is None


def test_a_file_that_changes_while_it_is_read(write: Write) -> None:
    path = write("t.jsonl", ROW)
    pages = Export(path).pages(None, Nothing(), Span())
    next(pages)
    write("t.jsonl", ROW, {**ROW, "ticket_id": "8"})
    with pytest.raises(InputError, match="changed while it was read"):
        next(pages)


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_a_file_that_is_not_there_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^no/such\.csv does not exist") as caught:
        Export("no/such.csv").check()
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("t.csv", "ticket_id,subject,text\n1,a,b\n", ["no column 'description'", "ticket_id, subject, text"]),
        (
            "t.jsonl",
            '{"id": 1, "subject": "", "description": ""}',
            ["no column 'ticket_id'", "id, subject, description"],
        ),
        ("t.jsonl", '{"ticket_id": 1, "subject": ""}', ["no column 'description'"]),
        ("t.jsonl", "", ["no column 'ticket_id'", "found: none"]),
        ("t.csv", "", ["no column 'ticket_id'", "found: none"]),
        ("t.csv", "ticket_id,subject,description\n1,a,b\n2,c\n", ["line 3", "2 cells where the header has 3"]),
        ("t.csv", 'ticket_id,subject,description\n1,a,b\n2,"c,d\n\n', ["line 3"]),
        ("t.jsonl", _line(ROW) + b"\n{oops\n", ["line 3 is not JSON"]),
        ("t.jsonl", "[1]", ["line 1 is not a JSON object"]),
        ("t.jsonl", _line(ROW) + _line(ROW), ["'7'", "twice", "lines 1 and 2"]),
        ("t.jsonl", _line(ROW) + _line({**ROW, "ticket_id": " "}), ["line 2", "no ticket_id"]),
        ("t.jsonl", _line({**ROW, "ticket_id": True}), ["line 1", "no ticket_id"]),
        ("t.jsonl", _line({**ROW, "conversations": "{"}), ["line 1", "conversations are not JSON"]),
        ("t.jsonl", _line({**ROW, "conversations": {}}), ["line 1", "not a list"]),
        ("t.jsonl", _line({**ROW, "conversations": [{"author": "bot"}]}), ["'bot'", "customer, agent, system"]),
        ("t.csv", b"ticket_id,subject,description\n1,\xff\xfe\xff,b\n", ["neither UTF-8 nor CP949"]),
        ("t.parquet", "not a table", ["cannot be read"]),
        ("t.xlsx", "", [".csv, .jsonl, .ndjson, .parquet"]),
    ],
)
def test_what_is_wrong_is_said_with_the_place(write: Write, name: str, content: str | bytes, told: list[str]) -> None:
    path = write(name, content)
    said = refused(path)
    assert str(path) in said
    assert all(words in said for words in told), said


def test_nothing_is_given_out_before_the_last_line_was_read(write: Write) -> None:
    rows = [{**ROW, "ticket_id": str(number)} for number in range(3 * CHUNK)]
    path = write("t.jsonl", *rows, "{")
    with pytest.raises(InputError, match=f"line {3 * CHUNK + 1}"):
        next(Export(path).pages(None, Nothing(), Span()))


def test_a_damaged_archive(write: Write) -> None:
    path = write("t.jsonl.gz", *({**ROW, "ticket_id": str(number)} for number in range(100)))
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read" in refused(path)


def test_a_mapping_is_checked(write: Write) -> None:
    path = write("t.jsonl", ROW)
    assert "'Status'" in refused(path, columns={"status": "Status"})
    with pytest.raises(InputError, match="'state'"):
        Export(path, columns={"state": "status"})
