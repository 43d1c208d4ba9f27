"""Regulations from Google Docs, over real HTTP: headings, revisions, rights, lists and tables."""

from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import InputError, SourceRefused
from domain.regulation_documents import Document, regulations
from resources.google_docs import GoogleDocs, sections_of
from sandbox.serve import Sandbox

PARAGRAPHS = [
    ["TITLE", "재택근무 규정"],
    ["NORMAL_TEXT", "시행일: 2025-03-01"],
    ["HEADING_1", "제1장 총칙"],
    ["HEADING_2", "제1조 (목적)"],
    ["NORMAL_TEXT", "재택근무의 신청을 정한다."],
]


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with Sandbox(companies=["hanbit"]) as sandbox:
        yield sandbox


@pytest.fixture
def document(served: Sandbox) -> str:
    """Its id; it is shared and says the same at the beginning of each test."""
    served.google_admin("hanbit", "share", role="writer")
    return served.google_admin("hanbit", "doc", title="재택", paragraphs=PARAGRAPHS)["id"]


@pytest.fixture
def docs(served: Sandbox) -> Iterator[GoogleDocs]:
    opened = GoogleDocs(served.google_key("hanbit"), served.google_url)
    yield opened
    opened.close()


def test_headings_lead_to_regulations(docs: GoogleDocs, document: str) -> None:
    ((doc_id, read),) = docs.read("인사", document, [document])
    assert isinstance(read, Document)
    assert (doc_id, read.title, read.url) == (document, "재택", f"https://docs.google.com/document/d/{document}/edit")
    found = {one.section: one for one in regulations(read).values()}
    assert set(found) == {"재택근무 규정", "제1조 (목적)"}
    assert found["제1조 (목적)"].content == "재택근무의 신청을 정한다."
    assert found["제1조 (목적)"].path == ("재택근무 규정", "제1장 총칙")
    assert found["제1조 (목적)"].effective_date == "2025-03-01"


def test_an_unchanged_document_costs_one_small_request(served: Sandbox, docs: GoogleDocs, document: str) -> None:
    (first,) = docs.listing(f"https://docs.google.com/document/d/{document}/edit#heading=h.1")
    served.google_admin("hanbit", "reset_log")
    assert docs.listing(document) == [first]
    assert served.google_admin("hanbit", "log")["requests"] == 1
    served.google_admin("hanbit", "doc", paragraphs=[*PARAGRAPHS, ["NORMAL_TEXT", "더."]])
    assert docs.listing(document) != [first]


def test_a_document_that_is_not_shared_is_refused(served: Sandbox, docs: GoogleDocs, document: str) -> None:
    served.google_admin("hanbit", "share", role="none")
    with pytest.raises(SourceRefused):
        docs.listing(document)


def test_what_is_no_document_is_told(docs: GoogleDocs) -> None:
    with pytest.raises(InputError):
        docs.listing("not a document")
    with pytest.raises(InputError):
        GoogleDocs("")


def paragraph(text: str, style: str = "NORMAL_TEXT", **more: Any) -> dict[str, Any]:
    run = {"textRun": {"content": f"{text}\n"}}
    return {"paragraph": {"elements": [run], "paragraphStyle": {"namedStyleType": style}, **more}}


def test_lists_keep_their_numbers_and_tables_are_lines() -> None:
    """The shape that Google gives with ``includeTabsContent``: tabs, tabs below them, numbers that no text has."""
    levels = [{"glyphType": "DECIMAL"}, {"glyphType": "ALPHA"}]
    content = [
        paragraph("제1조", "HEADING_1"),
        paragraph("첫째", bullet={"listId": "a"}),
        paragraph("속", bullet={"listId": "a", "nestingLevel": 1}),
        paragraph("둘째", bullet={"listId": "a"}),
        paragraph("속", bullet={"listId": "a", "nestingLevel": 1}),
        paragraph("점", bullet={"listId": "b"}),
        {"table": {"tableRows": [{"tableCells": [{"content": [paragraph(cell)]} for cell in ("직급", "일수")]}]}},
    ]
    lists = {"a": {"listProperties": {"nestingLevels": levels}}}
    child = {"documentTab": {"body": {"content": [paragraph("제2조", "HEADING_1"), paragraph("글")]}}}
    tabs = [{"documentTab": {"body": {"content": content}, "lists": lists}, "childTabs": [child]}]
    first, second = sections_of({"title": "규정", "tabs": tabs})
    assert first.text.split("\n") == ["1. 첫째", "a. 속", "2. 둘째", "a. 속", "- 점", "직급 | 일수"]
    assert (second.heading, second.text) == ("제2조", "글")
