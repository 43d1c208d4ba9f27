"""Attached files have bytes: documents that readers of others' making can read, and files that must be survived."""

import io
import json
import re
import time
import zipfile
from typing import Any

import docx
import pypdf
import pytest
import requests

from sandbox import corpus, downloads, files
from sandbox.serve import Sandbox
from tests.sandbox.conftest import Client

Json = dict[str, Any]


def attach(client: Client, kind: str, **given: Any) -> Json:
    """Attach a file of a kind to ticket 1; returns its metadata as a view of the thread shows it."""
    (number,) = client.admin("attach", kind=kind, ids=[1], **given)["attachments"]
    return next(
        file
        for message in client.get("tickets/1/conversations", per_page=100).json()
        for file in message["attachments"]
        if file["id"] == number
    )


def fetch(file: Json, **options: Any) -> requests.Response:
    return requests.get(file["attachment_url"], timeout=10, **options)


def text_of(body: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(body)).pages)


@pytest.mark.parametrize("name", corpus.names())
def test_files_of_a_sample_company_say_what_nothing_else_says(samples: Sandbox, name: str):
    client = Client(samples, name)
    words = json.loads((corpus.COMPANIES / name / "files.json").read_text(encoding="utf-8"))
    truth = client.admin("truth")
    everything = json.dumps(truth, ensure_ascii=False)
    owners = [one for ticket in truth["tickets"] for one in (ticket, *ticket["conversations"])] + truth["articles"]
    attached = {file["name"]: file for owner in owners for file in owner["attachments"]}
    assert set(words) <= set(attached)
    for file_name, written in words.items():
        answer = fetch(attached[file_name])
        assert (answer.status_code, len(answer.content)) == (200, attached[file_name]["size"]), file_name
        assert answer.headers["content-type"] == attached[file_name]["content_type"]
        if file_name.endswith(".pdf"):
            said = text_of(answer.content)
        else:
            said = answer.content.decode(written.get("encoding", "utf-8"))
        for line in written["text"].split("\n"):
            assert " ".join(line.split()) in " ".join(said.split()), file_name
        codes = re.findall(r"[A-Z]{1,3}\d?-[0-9A-Z-]+", written["text"])
        assert any(code not in everything for code in codes), file_name
    client.session.close()


@pytest.mark.parametrize("kind", ["pdf", "docx", "csv", "csv_cp949", "html", "log"])
@pytest.mark.parametrize("line", ["결재 오류 코드 ZX-9917", "The fault <ZX-9917> & more"])
def test_documents_can_be_read(made: Client, kind: str, line: str):
    file = attach(made, kind, text=["first", line])
    answer = fetch(file)
    assert (answer.status_code, len(answer.content)) == (200, file["size"])
    body = answer.content
    if kind == "pdf":
        said = text_of(body)
    elif kind == "docx":
        document = docx.Document(io.BytesIO(body))
        said = "\n".join([*(one.text for one in document.paragraphs), document.tables[0].cell(0, 0).text])
    else:
        said = body.decode("cp949" if kind == "csv_cp949" else "utf-8").replace("&lt;", "<").replace("&gt;", ">")
    assert "first" in said
    assert line in said.replace("&amp;", "&")


def test_a_long_text_has_pages_and_a_pdf_any_size():
    lines = [f"줄 {number}" for number in range(100)]
    assert len(pypdf.PdfReader(io.BytesIO(files.pdf(lines))).pages) == 3
    for size in (9_990, 9_999, 10_000, 10_001, 99_998, 100_003):
        made = files.pdf(["한 줄"], size)
        assert len(made) == size
        assert text_of(made).strip() == "한 줄"
    with pytest.raises(ValueError, match="not 100"):
        files.pdf(["too long"], 100)


def test_an_encrypted_pdf_stays_shut(made: Client):
    reader = pypdf.PdfReader(io.BytesIO(fetch(attach(made, "encrypted_pdf")).content))
    assert reader.is_encrypted
    assert reader.decrypt("") == 0


def test_a_zip_bomb_is_small_until_it_is_opened(made: Client):
    body = fetch(attach(made, "zip_bomb")).content
    assert len(body) < 2_000_000
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        assert packed.getinfo("word/document.xml").file_size > 1_000_000_000
        with packed.open("word/document.xml") as part:
            assert part.read(200).endswith(b"AAAA")


def test_a_file_of_a_gigabyte_says_so_and_one_that_lies_does_not(made: Client):
    huge, lying = attach(made, "huge"), attach(made, "lying")
    assert (huge["size"], lying["size"]) == (1 << 30, 1024)
    with fetch(huge, stream=True) as answer:
        assert answer.headers["content-length"] == str(1 << 30)
        assert len(next(answer.iter_content(1 << 20))) == 1 << 20
    with fetch(lying, stream=True) as answer:
        assert "content-length" not in answer.headers
        got = 0
        for piece in answer.iter_content(1 << 20):
            got += len(piece)
            if got > 20 << 20:
                break
    assert got > 20 << 20
    assert made.get("tickets/1").status_code == 200  # the sandbox goes on


@pytest.mark.parametrize("kind", ["403", "404", "500"])
def test_a_file_that_cannot_be_had(made: Client, kind: str):
    assert fetch(attach(made, kind)).status_code == int(kind)


def test_a_slow_file_comes_in_drops(made: Client, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    started = time.monotonic()
    file = attach(made, "slow", text=["word"] * 50)
    assert len(fetch(file).content) == file["size"]
    assert time.monotonic() - started > 0.3


def test_a_file_goes_to_a_description_a_reply_or_a_note(made: Client):
    before = made.get("tickets/1").json()
    made.admin("attach", ids=[1], where="description", name="plan.pdf", touch=False)
    after = made.get("tickets/1").json()
    assert after["updated_at"] == before["updated_at"]
    assert after["attachments"][0]["name"] == "plan.pdf"
    assert f"FILE-{after['attachments'][0]['id']}" in text_of(fetch(after["attachments"][0]).content)
    made.admin("attach", ids=[1], where="note", kind="log")
    note = made.get("tickets/1/conversations", per_page=100).json()[-1]
    assert (note["private"], len(note["attachments"])) == (True, 1)
    assert made.get("tickets/1").json()["updated_at"] > before["updated_at"]
    made.admin("merge", primary=2, secondaries=[1])
    (moved,) = (one for one in made.get("tickets/2/conversations", per_page=100).json() if one["id"] == note["id"])
    assert fetch(moved["attachments"][0]).status_code == 200
    with pytest.raises(ValueError, match="kind is one of"):
        made.admin("attach", ids=[1], kind="exe")
    with pytest.raises(ValueError, match="where is one of"):
        made.admin("attach", ids=[1], where="nowhere")


def test_zendesk_serves_the_same_files(made: Client):
    made.admin("attach", ids=[1], kind="log", text=["the line"])
    auth = (f"{made.sandbox.user('made')}/token", made.sandbox.key("made"))
    base = made.sandbox.url("made", "zendesk")
    comments = made.session.get(f"{base}/api/v2/tickets/1/comments.json", auth=auth, timeout=10).json()["comments"]
    (file,) = (file for comment in comments for file in comment["attachments"])
    assert requests.get(file["content_url"], timeout=10).text == "the line\n"
    assert requests.get(file["content_url"].partition("?")[0], timeout=10).status_code == 403
