"""Exported articles: what a column means, who may see what, and one clear line for everything that is wrong with a file."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from domain.article import Article
from domain.company import company_id
from domain.errors import DocumentError, InputError
from domain.stage import Report
from resources.helpdesk.base import Json
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.export import Export
from resources.helpdesk.export_articles import CHUNK, ExportArticles
from resources.storage.sqlite import open_store

ROW: Json = {"article_id": "7", "title": "Printers", "body": "Press <Enter> twice.\nThen wait."}
NOW = "2026-01-01T00:00:00Z"
Put = Callable[..., ExportArticles]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """A folder with tickets and this ``kb`` file: rows as JSON lines, or bytes as they are."""
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "tickets.csv").write_text("ticket_id,subject,description\n1,s,d\n")

    def written(name: str, *content: Any) -> ExportArticles:
        lines = (one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in content)
        (folder / name).write_bytes(b"".join(lines))
        articles = Export(folder).articles
        assert articles
        return articles

    return written


def read(articles: ExportArticles, tmp_path: Path, **walk: Any) -> tuple[Report, dict[str, Article]]:
    """Collect into a store; the report, and all that is stored."""
    with open_store(tmp_path / "store", company_id("acme")) as store:
        report = Collection(articles, store, "run", NOW, data_type="kb").run(Walk(**walk))
        rows = store.get("raw_kb", sorted(store.ids("raw_kb")))
        return report, {doc_id: articles.neutral(row.payload) for doc_id, row in rows.items()}


def article(articles: ExportArticles, tmp_path: Path) -> Article:
    (found,) = read(articles, tmp_path)[1].values()
    return found


def wrong(articles: ExportArticles) -> str:
    with pytest.raises(InputError) as caught:
        articles.check()
    return str(caught.value)


# -- what columns mean -------------------------------------------------------------------------------------------------


def test_the_least_that_a_row_needs(put: Put, tmp_path: Path) -> None:
    found = article(put("kb.jsonl", ROW), tmp_path)
    assert (found.id, found.title, found.html) == ("7", "Printers", "")
    assert found.text == ROW["body"]  # a key to press is no tag
    assert (found.draft, found.visibility, found.is_public("customer")) == (False, "everyone", True)
    assert found == Article(id="7", title="Printers", text=ROW["body"])


def test_all_columns(put: Put, tmp_path: Path) -> None:
    row = {
        "article_id": 12.0,
        "title": "프린터",
        "body": "<h2>전원</h2><p>버튼을 누릅니다.</p>",
        "status": " Draft ",
        "visibility": "Agents",
        "path": ["안내", "프린터"],
        "tags": "b, a",
        "language": "KO",
        "url": "https://help.example.com/12",
        "created_at": "2026. 1. 31",
        "updated_at": "2026-01-31T10:00:00+09:00",
        "author": "Kim",
    }
    assert article(put("kb.jsonl", row), tmp_path) == Article(
        id="12",
        title="프린터",
        html="<h2>전원</h2><p>버튼을 누릅니다.</p>",
        language="ko",
        draft=True,
        visibility="agents",
        path=("안내", "프린터"),
        tags=("a", "b"),
        url="https://help.example.com/12",
        created_at="2026-01-31T00:00:00Z",
        updated_at="2026-01-31T01:00:00Z",
    )


@pytest.mark.parametrize(
    "path", ["Guides > Printers", " Guides>Printers > ", '["Guides", "Printers"]', ["Guides", "Printers"]]
)
def test_a_path_as_it_is_written(put: Put, tmp_path: Path, path: Any) -> None:
    assert article(put("kb.jsonl", ROW | {"path": path}), tmp_path).path == ("Guides", "Printers")


@pytest.mark.parametrize(
    ("visibility", "customer", "agent"),
    [
        ("", True, True),
        ("everyone", True, True),
        ("customers", True, True),
        ("agents", False, True),
        ("some", False, True),
    ],
)
def test_who_may_see_it(put: Put, tmp_path: Path, visibility: str, customer: bool, agent: bool) -> None:
    found = article(put("kb.jsonl", ROW | {"visibility": visibility}), tmp_path)
    assert (found.is_public("customer"), found.is_public("agent")) == (customer, agent)


def test_csv_of_korean_excel_and_parquet_say_the_same(put: Put, tmp_path: Path) -> None:
    text = 'article_id,title,body,path,status\n7,프린터,"두 번 ""인쇄""",안내 > 프린터,\n'
    of_csv = article(put("kb.csv", text.encode("cp949")), tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    row = {"article_id": 7, "title": "프린터", "body": '두 번 "인쇄"', "path": ["안내", "프린터"], "status": None}
    pq.write_table(pa.Table.from_pylist([row]), other / "kb.parquet")
    assert article(ExportArticles(other), other) == of_csv
    assert of_csv.path == ("안내", "프린터")


# -- walks -------------------------------------------------------------------------------------------------------------


def test_the_file_is_the_truth(put: Put, tmp_path: Path) -> None:
    rows = [ROW | {"article_id": str(number)} for number in range(CHUNK + 5)]
    assert read(put("kb.jsonl", *rows), tmp_path)[0].changed == CHUNK + 5
    rows[3] |= {"body": "Another."}
    report, stored = read(put("kb.jsonl", *rows[2:]), tmp_path)
    assert (report.changed, report.removed, report.requests) == (1, 2, 0)
    assert sorted(stored) == sorted(str(number) for number in range(2, CHUNK + 5))
    assert stored["3"].text == "Another."


def test_an_unchanged_file_is_not_read_again(put: Put, tmp_path: Path) -> None:
    articles = put("kb.jsonl", ROW)
    os.utime(articles.folder / "kb.jsonl", (1, 1))
    read(articles, tmp_path)
    assert read(articles, tmp_path)[0].read == 0
    assert read(articles, tmp_path, full=True)[0].read == 1


def test_a_file_that_becomes_wrong_deletes_nothing(put: Put, tmp_path: Path) -> None:
    read(put("kb.jsonl", ROW, ROW | {"article_id": "8"}), tmp_path)
    with pytest.raises(InputError, match="line 1"):
        read(put("kb.jsonl", ROW | {"visibility": "friends"}), tmp_path)
    articles = put("kb.jsonl", ROW, ROW | {"article_id": "8"})
    assert sorted(read(articles, tmp_path)[1]) == ["7", "8"]


def test_one_article(put: Put) -> None:
    articles = put("kb.jsonl", ROW, ROW | {"article_id": "8", "title": "Other"})
    document = articles.one("8")
    assert document and articles.neutral(document.payload).title == "Other"
    assert articles.one("9") is None
    with pytest.raises(DocumentError):
        articles.neutral({"title": "no id"})


# -- what can be wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([b"article_id,title\n7,t\n"], ["no column 'body'", "Columns found: article_id, title."]),
        ([b"id,title,body\n7,t,b\n"], ["no column 'article_id'"]),
        ([b"article_id,title,body\n7,t,b\n7,u,c\n"], ["article_id '7' twice, in lines 2 and 3", "id of its own"]),
        ([b"article_id,title,body\n7,t,b\n,u,c\n"], ["line 3: it has no article_id"]),
        (
            [b"article_id,title,body,status\n7,t,b,\n8,u,c,hidden\n"],
            ["line 3: its status is 'hidden', not one of published, draft"],
        ),
        (
            [b"article_id,title,body,visibility\n7,t,b,friends\n"],
            ["line 2: its visibility is 'friends', not one of everyone, customers, agents, some"],
        ),
        ([b"article_id,title,body\n7,t\n"], ["line 2: 2 cells where the header has 3"]),
    ],
)
def test_what_is_wrong_with_a_file(put: Put, content: list[bytes], words: list[str]) -> None:
    said = wrong(put("kb.csv", *content))
    assert all(word in said for word in words), said
    assert "kb.csv" in said


def test_lines_that_are_not_json(put: Put) -> None:
    assert "kb.jsonl, line 2 is not JSON" in wrong(put("kb.jsonl", ROW, b"{\n"))


def test_two_files_of_articles_are_one_too_many(put: Put) -> None:
    put("kb.csv", b"article_id,title,body\n7,t,b\n")
    assert "must hold one file kb.*" in wrong(put("kb.jsonl", ROW))


# -- beside tickets ----------------------------------------------------------------------------------------------------


def test_a_folder_without_articles_or_a_file_has_none(put: Put, tmp_path: Path) -> None:
    folder = put("kb.jsonl", ROW).folder
    assert Export(folder).check().notes == ("articles in kb.jsonl: 1",)
    (folder / "kb.jsonl").rename(folder / "kb.txt")
    assert Export(folder).articles is None
    assert Export(folder).check().notes == ()
    (folder / "kb.txt").rename(folder / "kb.jsonl")
    assert Export(folder / "tickets.csv").articles is None
    assert Export(tmp_path / "nowhere").articles is None


def test_checking_a_company_checks_its_articles(put: Put) -> None:
    folder = put("kb.csv", b"article_id,title,body\n7,t,b\n7,u,c\n").folder
    with pytest.raises(InputError, match="twice"):
        Export(folder).check()
