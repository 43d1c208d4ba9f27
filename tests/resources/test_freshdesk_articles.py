"""Freshdesk's Solutions where an account is odd, refuses a part, fails, or moves while it is read: what this walk did not
see stays, and one odd article stops no other.

Belongs here: answers that the sandbox does not give, from a server of a few lines. Does not belong here: Solutions as
they are (``test_collect_whole``).
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tenacity import wait_fixed

from domain.company import company_id
from domain.errors import DocumentError, SourceRefused, SourceUnavailable
from domain.stage import Report
from resources import http
from resources.helpdesk import freshdesk_articles
from resources.helpdesk.base import Json
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.freshdesk import Freshdesk
from resources.helpdesk.freshdesk_articles import FreshdeskArticles
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store

KB = "raw_kb"
NOW = "2026-01-01T00:00:00Z"
LATER = "2026-02-01T00:00:00Z"
SETTINGS = "settings/helpdesk"
TOP, INNER, OTHER = 20, 21, 22


def article(number: int, folder: int, **given: Any) -> Json:
    said = {"title": f"Article {number}", "description": f"<p>{number}</p>", "description_text": str(number)}
    return {"id": number, "folder_id": folder, "status": 2, "tags": [], "updated_at": NOW, **said, **given}


class Solutions:
    """An account's Solutions. ``broken`` are addresses that answer a status; ``moved`` is called after each answered list."""

    def __init__(self) -> None:
        self.folders: dict[int, Json] = {
            TOP: {"id": TOP, "name": "Top", "visibility": 1, "parent_folder_id": None, "sub_folders_count": 1},
            INNER: {"id": INNER, "name": "Inner", "visibility": 3, "parent_folder_id": TOP, "sub_folders_count": 0},
            OTHER: {"id": OTHER, "name": "Other", "visibility": 2, "parent_folder_id": None, "sub_folders_count": 0},
        }
        self.articles: list[Any] = [article(1, TOP), article(2, TOP), article(3, INNER), article(4, OTHER)]
        self.translated: list[Json] = [article(1, TOP, title="하나"), article(4, OTHER, title="넷")]
        self.settings: Json = {"primary_language": "en", "supported_languages": ["ko"]}
        self.broken: dict[str, int] = {}
        self.moved: Callable[[str, int], None] = lambda path, page: None
        self.asked: list[str] = []

    def answer(self, path: str) -> Any:
        """A list, a record, or None for what there is not."""
        match path.split("/"):
            case ["settings", "helpdesk"]:
                return self.settings
            case ["solutions", "categories"]:
                return [{"id": 10, "name": "All"}]
            case ["solutions", "categories", "10", "folders"]:
                return [one for one in self.folders.values() if not one["parent_folder_id"]]
            case ["solutions", "folders", number, "subfolders"]:
                return [one for one in self.folders.values() if one["parent_folder_id"] == int(number)]
            case ["solutions", "folders", number, "articles"]:
                return [one for one in self.articles if one["folder_id"] == int(number)]
            case ["solutions", "folders", number, "articles", "ko"]:
                return [one for one in self.translated if one["folder_id"] == int(number)]
            case ["solutions", "articles", number, *language]:
                shown = self.translated if language else self.articles
                return next((one for one in shown if str(one.get("id")) == number), None)
            case _:
                return None

    def respond(self, target: str) -> tuple[int, bytes, str]:
        """Status, body, and the ``Link`` to a next page."""
        split = urlsplit(target)
        path = split.path.removeprefix("/api/v2/")
        self.asked.append(path)
        if status := self.broken.get(path):
            return status, b"{}", ""
        value = self.answer(path)
        if not isinstance(value, list):
            return (404, b"", "") if value is None else (200, json.dumps(value).encode(), "")
        query = parse_qs(split.query)
        page, size = int(query["page"][0]), int(query["per_page"][0])
        shown: list[Any] = value[(page - 1) * size : page * size]
        link = f'<http://here{split.path}?page={page + 1}>; rel="next"' if len(value) > page * size else ""
        self.moved(path, page)
        return 200, json.dumps(shown).encode(), link


class Account:
    """Solutions on a port, and their articles in a store."""

    def __init__(self, url: str, solutions: Solutions, store: SqlCompanyStore) -> None:
        self.url, self.is_at, self.store = url, solutions, store

    def open(self) -> FreshdeskArticles:
        return Freshdesk(self.url, "key", rate_share=1.0).articles

    def sync(self, now: str = NOW, **walk: Any) -> Report:
        return Collection(self.open(), self.store, "run", now, data_type="kb").run(Walk(**walk))

    def stored(self) -> set[str]:
        return self.store.ids(KB)

    def payload(self, doc_id: str) -> Json:
        return self.store.get(KB, [doc_id])[doc_id].payload

    def waiting(self) -> set[str]:
        return {entry.doc_id for entry in self.store.queue() if entry.target == KB}


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.001))
    solutions = Solutions()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, body, link = solutions.respond(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    with (
        ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server,
        open_store(tmp_path / "kb", company_id("acme")) as store,
    ):
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Account(f"http://127.0.0.1:{server.server_port}", solutions, store)
        server.shutdown()


ALL = {"1", "2", "3", "4", "1:ko", "4:ko"}


def test_a_whole_walk_stores_all_and_drops_what_is_gone(account: Account) -> None:
    assert account.sync().notes == []
    assert account.stored() == ALL
    assert [account.payload(one)["path"] for one in ("1", "3")] == [["All", "Top"], ["All", "Top", "Inner"]]
    assert [account.payload(one)["seen_by"] for one in ("1", "3", "4")] == ["everyone", "agents", "customers"]
    account.is_at.articles.pop(1)
    account.is_at.translated.pop()
    assert account.sync().removed == 2
    assert account.stored() == ALL - {"2", "4:ko"}


# -- the account's languages -------------------------------------------------------------------------------------------


def test_settings_that_fail_end_the_walk_and_delete_nothing(account: Account) -> None:
    account.sync()
    account.is_at.broken = {SETTINGS: 500}
    with pytest.raises(SourceUnavailable):
        account.sync()
    assert account.stored() == ALL


@pytest.mark.parametrize("status", [403, 404])
def test_languages_that_are_hidden_are_those_of_before(account: Account, status: int) -> None:
    account.sync()
    account.is_at.broken = {SETTINGS: status}
    account.is_at.articles.pop(1)
    account.is_at.translated[0] |= {"title": "새 제목", "updated_at": LATER}
    report = account.sync()
    assert "those that it told before" in report.notes[0]
    assert account.payload("1:ko")["title"] == "새 제목"
    assert account.stored() == ALL - {"2"}
    assert account.payload("1")["language"] == "en"


@pytest.mark.parametrize("settings", [None, {}, {"primary_language": "en"}, {"supported_languages": "ko"}])
def test_translations_stay_where_nobody_ever_told_the_languages(account: Account, settings: Json | None) -> None:
    account.sync()
    account.is_at.broken = {} if settings is not None else {SETTINGS: 403}
    account.is_at.settings = settings or {}
    report = account.sync(full=True)  # begins without what was known
    assert "what this walk did not see is left as it is" in report.notes[0]
    assert account.stored() == ALL


def test_a_refused_key_stops_the_walk(account: Account) -> None:
    account.is_at.broken = {SETTINGS: 401}
    with pytest.raises(SourceRefused):
        account.sync()


def test_a_language_renamed_makes_every_article_another_one(account: Account) -> None:
    account.sync()
    account.is_at.settings = {"primary_language": "en-GB", "supported_languages": ["ko"]}
    assert account.sync().changed == 4
    assert account.payload("1")["language"] == "en-GB"


# -- a part that is odd, or cannot be read -----------------------------------------------------------------------------


def test_an_odd_article_waits_in_the_queue_and_the_others_go_on(account: Account) -> None:
    account.sync()
    account.is_at.articles[0] |= {"tags": 5, "updated_at": LATER}
    account.is_at.articles[1] |= {"title": "Edited", "updated_at": LATER}
    account.is_at.translated[1] |= {"attachments": [{}], "updated_at": LATER}
    account.is_at.articles.append(article(5, OTHER, attachments=7))
    assert account.sync().failed == 3
    assert account.payload("2")["title"] == "Edited"
    assert account.waiting() == {"1", "4:ko", "5"}
    assert account.stored() == ALL  # those that were good keep their older form
    # Tried again, the one that was never stored is not taken for one that is gone.
    account.sync(now=LATER)
    assert account.waiting() == {"1", "4:ko", "5"}
    account.is_at.articles[0] |= {"tags": []}
    account.is_at.articles[-1] |= {"attachments": []}
    account.sync(now="2026-03-01T00:00:00Z")
    assert account.waiting() == {"4:ko"}
    assert account.payload("5")["path"] == ["All", "Other"]


def test_something_without_a_number_proves_nothing_gone(account: Account) -> None:
    account.sync()
    account.is_at.articles[1] = {"folder_id": TOP, "title": "no number"}
    assert "has no number" in account.sync().notes[0]
    assert account.stored() == ALL


@pytest.mark.parametrize("status", [403, 404, 500])
@pytest.mark.parametrize(
    "path",
    [
        "solutions/categories/10/folders",
        f"solutions/folders/{TOP}/articles",
        f"solutions/folders/{TOP}/subfolders",
    ],
)
def test_a_part_that_cannot_be_read_ends_no_walk_and_deletes_nothing(account: Account, path: str, status: int) -> None:
    account.sync()
    account.is_at.broken = {path: status}
    account.is_at.articles[3] |= {"title": "Edited", "updated_at": LATER}
    report = account.sync()
    assert len(report.notes) == 1 and "cannot be read" in report.notes[0]
    assert account.stored() == ALL
    assert (account.payload("4")["title"] == "Edited") == ("folders/" in path)


@pytest.mark.parametrize("status", [403, 500])
def test_translations_that_may_not_be_read_stay(account: Account, status: int) -> None:
    account.sync()
    account.is_at.broken = {f"solutions/folders/{TOP}/articles/ko": status}
    assert "some translations" in account.sync().notes[0]
    assert account.stored() == ALL


@pytest.mark.parametrize("status", [400, 404])
def test_a_list_of_translations_that_is_not_there_is_made_up_for(account: Account, status: int) -> None:
    account.sync()
    for folder in (TOP, OTHER):
        account.is_at.broken[f"solutions/folders/{folder}/articles/ko"] = status
    account.is_at.articles.pop(1)
    account.is_at.translated.pop()
    assert account.sync().notes == []
    assert account.stored() == ALL - {"2", "4:ko"}  # its folder lists none, but 1:ko is there
    account.is_at.broken["solutions/articles/1/ko"] = 403
    account.is_at.articles.pop()
    assert account.sync().notes != []
    assert "1:ko" in account.stored()


def test_an_old_account_has_no_subfolders(account: Account) -> None:
    for folder in account.is_at.folders.values():
        del folder["sub_folders_count"]
        account.is_at.broken[f"solutions/folders/{folder['id']}/subfolders"] = 404
    account.sync()
    account.is_at.articles.pop(1)
    assert account.sync().notes == []
    assert account.stored() == {"1", "4", "1:ko", "4:ko"}


# -- pages by number ---------------------------------------------------------------------------------------------------


def many(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshdesk_articles, "_PER_PAGE", 2)
    account.is_at.articles += [article(number, OTHER) for number in range(100, 106)]
    account.sync()


def test_an_article_that_slips_past_the_pages_is_not_gone(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    many(account, monkeypatch)
    there = account.stored()
    left = [4]

    def delete(path: str, page: int) -> None:
        """After the first page, what stood on it leaves: the third one takes its place, where nobody looks again."""
        if path == f"solutions/folders/{OTHER}/articles" and page == 1 and left:
            account.is_at.articles = [one for one in account.is_at.articles if one["id"] != left[0]]
            left.clear()

    account.is_at.moved = delete
    assert account.sync().notes == []
    assert account.stored() == there - {"4"}


def test_a_folder_that_keeps_changing_proves_nothing_gone(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    many(account, monkeypatch)
    there = account.stored()
    new = iter(range(200, 300))

    def churn(path: str, page: int) -> None:
        if path == f"solutions/folders/{OTHER}/articles" and page == 1:
            account.is_at.articles.append(article(next(new), OTHER))

    account.is_at.moved = churn
    account.is_at.articles = [one for one in account.is_at.articles if one["id"] != 103]
    assert "kept changing" in account.sync().notes[0]
    assert account.stored() >= there
    account.is_at.moved = lambda path, page: None
    account.sync()
    assert account.stored() & there == there - {"103"}


def test_a_list_that_shows_an_article_twice_gives_it_once(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshdesk_articles, "_PER_PAGE", 2)
    account.is_at.articles.append(article(1, TOP))
    report = account.sync()
    assert (report.read, account.stored()) == (len(ALL), ALL)


# -- one article -------------------------------------------------------------------------------------------------------


def test_one_article_is_the_same_document_as_in_the_walk(account: Account) -> None:
    account.sync()
    source = account.open()
    for doc_id in ("1", "3", "4:ko"):
        row = account.store.get(KB, [doc_id])[doc_id]
        for kept in (row.payload, None):
            document = source.one(doc_id, kept)
            assert document and (document.payload, document.version) == (row.payload, row.source_hash)
    assert [source.one(one) for one in ("77", "none", "2:ko")] == [None] * 3


def test_one_that_moved_has_the_rights_of_its_new_folder(account: Account) -> None:
    account.sync()
    account.is_at.articles[0] |= {"folder_id": INNER}
    account.sync(only="1")
    assert (account.payload("1")["seen_by"], account.payload("1")["path"]) == ("agents", ["All", "Top", "Inner"])


def test_an_article_that_cannot_be_looked_for_is_not_gone(account: Account) -> None:
    account.is_at.broken = {f"solutions/folders/{TOP}/subfolders": 403}
    with pytest.raises(DocumentError, match="folder"):
        account.open().one("3")  # it is there, but where?
    account.is_at.articles.clear()
    account.is_at.broken = {"solutions/categories": 404}
    with pytest.raises(DocumentError):
        account.open().one("3")  # there are no Solutions at all
    account.is_at.broken = {"solutions/articles/3": 403}
    with pytest.raises(DocumentError):
        account.open().one("3")
    account.is_at.broken = {}
    account.is_at.articles.append({"id": 3, "folder_id": [TOP]})
    with pytest.raises(DocumentError):
        account.open().one("3")
