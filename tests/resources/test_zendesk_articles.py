"""Zendesk's Help Center against the sandbox: whatever is edited, translated, moved, hidden or deleted, within a day the
store holds what the account shows, and a search is given no more than it may see."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from tenacity import wait_fixed

from domain.company import company_id
from domain.errors import DocumentError, SourceRefused, SourceUnavailable
from domain.stage import Report
from resources import http
from resources.helpdesk import zendesk_articles
from resources.helpdesk.base import Json
from resources.helpdesk.collect import Collection, Walk
from resources.helpdesk.freshdesk import Freshdesk
from resources.helpdesk.zendesk import Zendesk
from resources.helpdesk.zendesk_articles import ZendeskArticles
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import open_store
from sandbox.serve import Sandbox

NOW = "2026-01-01T00:00:00Z"
KB = "raw_kb"
ALL = 6
"""Requests of a whole walk of a small Help Center in two languages: what is around, and a list in each language."""
AROUND = 4


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(["acme", "hanbit"], generated={"made": 3}) as sandbox:
        yield sandbox


class Center:
    """A Help Center, and its articles in a store. ``day`` is the adapter's."""

    def __init__(self, sandbox: Sandbox, store: SqlCompanyStore, name: str = "acme") -> None:
        self.sandbox, self.store, self.name, self.day = sandbox, store, name, 20_000
        self.url = sandbox.url(name, "zendesk")
        self.admin("reset")

    def admin(self, action: str, **given: Any) -> Any:
        return self.sandbox.admin(self.name, action, **given)

    def open(self) -> ZendeskArticles:
        desk = Zendesk(
            *(self.url, self.sandbox.user(self.name), self.sandbox.key(self.name)),
            rate_share=1.0,
        )
        desk.articles._clock = lambda: self.day * 86400.0 + 3600
        return desk.articles

    def sync(self, later: int = 0, **walk: Any) -> Report:
        self.day += later
        return Collection(self.open(), self.store, "run", NOW, data_type="kb").run(Walk(**walk))

    def stored(self) -> dict[str, Any]:
        """Neutral articles."""
        source = self.open()
        rows = self.store.get(KB, sorted(self.store.ids(KB)))
        return {doc_id: source.neutral(row.payload) for doc_id, row in rows.items()}

    def truth(self) -> dict[str, Json]:
        own = self.sandbox.admin(self.name, "truth")["articles"]
        primary = "ko" if self.name == "hanbit" else "en"
        locales = {"ko": "ko", "en": "en-us"}
        return {
            f"{one['id']}:{locales[one['language']]}" if one["language"] != primary else str(one["id"]): one
            for one in own
        }

    def check_against_truth(self) -> None:
        truth, stored = self.truth(), self.stored()
        assert sorted(stored) == sorted(truth)
        for doc_id, article in stored.items():
            one = truth[doc_id]
            assert (article.title, article.html, article.draft) == (
                one["title"],
                one["description"],
                one["status"] == 1,
            )
            assert article.is_public("customer") <= (one["status"] == 2)
            if one["public"]:
                assert article.visibility == "everyone"
            assert article.path == tuple(step["data"]["name"] for step in one["hierarchy"])


@pytest.fixture(params=["acme", "hanbit"])
def center(running: Sandbox, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))
    with open_store(tmp_path / "kb", company_id(request.param)) as store:
        made = Center(running, store, request.param)
        assert made.sync().requests == ALL
        yield made


@pytest.fixture
def acme(running: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Center]:
    monkeypatch.setattr(http, "_BACK_OFF", wait_fixed(0.01))
    with open_store(tmp_path / "kb", company_id("acme")) as store:
        yield Center(running, store)


def own(center: Center, **wanted: Any) -> int:
    """The first article in the account's own language that is so."""
    return next(
        one["id"]
        for doc_id, one in sorted(center.truth().items())
        if ":" not in doc_id and all(one[name] == value for name, value in wanted.items())
    )


def translated(center: Center) -> str:
    return next(doc_id for doc_id in sorted(center.truth()) if ":" in doc_id)


# -- what a walk brings ------------------------------------------------------------------------------------------------


def test_a_walk_brings_every_article_in_every_language(center: Center) -> None:
    center.check_against_truth()
    stored = center.stored().values()
    assert {article.language for article in stored} == {"ko", "en-us"}
    assert {article.visibility for article in stored} == {"everyone", "customers", "some", "agents"}
    assert any(article.draft for article in stored)
    assert max(len(article.path) for article in stored) > 2  # sections in sections
    assert any(article.tags for article in stored)
    for article in stored:
        assert article.url.endswith(f"/hc/{article.language}/articles/{article.id.partition(':')[0]}")
        assert not article.is_public("customer") or article.visibility in ("everyone", "customers")


def test_it_is_what_the_same_company_has_over_freshdesk(center: Center, tmp_path: Path) -> None:
    source = Freshdesk(center.sandbox.url(center.name), center.sandbox.key(center.name), rate_share=1.0).articles
    with open_store(tmp_path / "beside", company_id("beside")) as beside:
        Collection(source, beside, "run", NOW, data_type="kb").run(Walk())
        rows = beside.get(KB, sorted(beside.ids(KB)))
        over_freshdesk = {doc_id.replace(":en", ":en-us"): source.neutral(row.payload) for doc_id, row in rows.items()}
    over_zendesk = center.stored()
    assert sorted(over_zendesk) == sorted(over_freshdesk)
    for doc_id, article in over_zendesk.items():
        other = over_freshdesk[doc_id]
        for name in ("title", "html", "draft", "visibility", "path", "updated_at"):
            assert getattr(article, name) == getattr(other, name), (doc_id, name)


def test_a_second_walk_of_the_day_is_one_request_and_the_next_day_looks_for_what_is_gone(center: Center) -> None:
    before = center.store.top(KB)
    assert (center.sync().requests, center.sync().changed) == (1, 0)
    assert center.sync(later=1).requests == ALL
    assert center.store.top(KB) == before


def test_an_edit_is_seen_the_same_day_in_every_language(center: Center) -> None:
    doc_id = translated(center)
    number, other = int(doc_id.partition(":")[0]), "en" if center.name == "hanbit" else "ko"
    center.admin("articles", do="edit", ids=[number], language=other, title="Umbenannt")
    center.admin("articles", do="edit", ids=[number])
    created = center.admin("articles", do="create", count=2)["ids"]
    report = center.sync()
    assert sorted(report.sample) == sorted([str(number), doc_id, *map(str, created)])
    assert report.requests == 1 + AROUND + 3
    center.check_against_truth()
    assert center.sync().requests == 1
    assert center.sync(later=1).changed == 0  # what a list shows is the same as what the changes showed


def test_what_no_change_tells_is_seen_the_next_day(center: Center) -> None:
    """A translation alone, a folder that is hidden, an article that is deleted or archived."""
    doc_id = translated(center)
    other = "en" if center.name == "hanbit" else "ko"
    center.admin("articles", do="edit", ids=[int(doc_id.partition(":")[0])], language=other)
    gone = own(center, status=2, public=True)
    center.admin("articles", do="delete", ids=[gone])
    assert center.sync().removed == 0
    report = center.sync(later=1)
    assert report.removed == (2 if doc_id.startswith(f"{gone}:") else 1)
    center.check_against_truth()


def test_what_becomes_a_draft_or_is_hidden_is_published_no_longer(center: Center) -> None:
    number = own(center, status=2, public=True)
    folder = center.truth()[str(number)]["folder_id"]
    center.admin("articles", do="draft", ids=[number])
    center.sync()
    assert not center.stored()[str(number)].is_public("agent")
    center.admin("articles", do="publish", ids=[number])
    center.admin("articles", do="visibility", folder=folder, visibility=3)
    center.sync(later=1)
    hidden = center.stored()[str(number)]
    assert (hidden.visibility, hidden.is_public("customer"), hidden.is_public("agent")) == ("agents", False, True)
    center.check_against_truth()


def test_a_translation_that_was_removed_leaves_with_the_next_change(acme: Center) -> None:
    acme.sync()
    doc_id = translated(acme)
    number, _, _ = doc_id.partition(":")
    record = acme.store.get(KB, [number])[number].payload
    source = acme.open()
    source._around()
    source._translations = lambda article: [article]  # as if only its own language were left
    edited = record | {"title": "Edited"}
    shown, gone = source._changed([edited], Collection(source, acme.store, "run", NOW, data_type="kb"))
    assert [one["title"] for one in shown] == ["Edited"]
    assert gone == [doc_id]


def test_many_articles_are_read_a_hundred_at_a_time(acme: Center, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zendesk_articles, "_PER_PAGE", 10)
    acme.admin("articles", do="create", count=35)
    acme.sync()
    acme.check_against_truth()
    assert acme.sync().requests == 1
    acme.admin("articles", do="edit", count=20, seed=3)  # in one second, all of them
    monkeypatch.setattr(zendesk_articles, "_CHANGES", 10)
    assert acme.sync().changed == 20
    acme.check_against_truth()


def test_a_killed_walk_deletes_nothing_and_begins_again(acme: Center) -> None:
    acme.sync()
    acme.admin("articles", do="create", count=3)

    def kill(report: Report) -> None:
        raise KeyboardInterrupt

    acme.day += 1
    collection = Collection(acme.open(), acme.store, "run", NOW, kill, "kb")
    with pytest.raises(KeyboardInterrupt):
        collection.run(Walk())
    assert acme.store.count(KB) >= len(acme.truth()) - 3
    assert acme.sync().removed == 0
    acme.check_against_truth()


def test_a_full_walk_lists_all_again(center: Center) -> None:
    report = center.sync(full=True)
    assert (report.requests, report.changed, report.removed) == (ALL, 0, 0)


# -- one article -------------------------------------------------------------------------------------------------------


def test_one_article_is_the_same_document_as_in_the_walk(center: Center) -> None:
    source = center.open()
    for doc_id in (translated(center), str(own(center, status=2))):
        document = source.one(doc_id)
        row = center.store.get(KB, [doc_id])[doc_id]
        assert document and (document.payload, document.content_hash) == (row.payload, row.content_hash)
    number = own(center, status=2)
    center.admin("articles", do="delete", ids=[number])
    assert [source.one(one) for one in (str(number), "none", "17:ko")] == [None] * 3
    center.admin("options", denied=True)
    with pytest.raises(DocumentError):
        source.one(translated(center))


# -- who may see it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segment", "visibility"),
    [
        ({"user_segment_id": None}, "everyone"),
        ({"user_segment_id": None, "user_segment_ids": []}, "everyone"),
        ({"user_segment_id": 1}, "customers"),
        ({"user_segment_id": 2}, "some"),
        ({"user_segment_id": 3}, "agents"),
        ({"user_segment_id": 99}, "some"),  # one that was deleted, or may not be seen
        ({"user_segment_id": 3, "user_segment_ids": [3, 2]}, "some"),
    ],
)
def test_who_may_see_an_article(segment: Json, visibility: str) -> None:
    segments = {
        1: {"user_type": "signed_in_users", "tags": []},
        2: {"user_type": "signed_in_users", "organization_ids": [7]},
        3: {"user_type": "staff", "group_ids": [8]},
    }
    widths = {number: zendesk_articles._width(one) for number, one in segments.items()}
    around = zendesk_articles._Around((), {}, {}, widths)
    assert around.seen_by(segment) == visibility


def test_sections_that_lie_in_each_other_end() -> None:
    sections = {
        1: {"name": "a", "category_id": 9, "parent_section_id": 2},
        2: {"name": "b", "parent_section_id": 1},
        3: {"name": "c", "parent_section_id": 1},
    }
    around = zendesk_articles._Around((), {9: {"name": "top"}}, sections, {})
    assert around.path(3) == ["top", "b", "a", "c"]
    assert around.path(None) == around.path(17) == []


# -- what may be missing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seen", "words"), [("denied", "may not read the"), ("none", "has no")])
def test_without_a_help_center_the_knowledge_base_is_left_as_it_is(acme: Center, seen: str, words: str) -> None:
    acme.sync()
    before = acme.store.top(KB)
    acme.admin("options", help_center=seen)
    for later in (0, 1):
        report = acme.sync(later=later)
        assert report.notes == [
            f"this {'key' if seen == 'denied' else 'account'} {words} Help Center; the knowledge base is left as it is"
        ]
        assert report.removed == 0
    assert acme.store.top(KB) == before
    acme.admin("options", help_center="open")
    assert acme.sync().notes == []


def test_a_key_that_may_not_read_segments_publishes_no_restricted_article(acme: Center) -> None:
    acme.admin("options", names_denied=True)
    report = acme.sync()
    assert report.notes == ["this key may not read user segments; articles that have one are not for every customer"]
    assert {article.visibility for article in acme.stored().values()} == {"everyone", "some"}
    acme.admin("options", names_denied=False)
    acme.sync(later=1)
    assert {article.visibility for article in acme.stored().values()} == {"everyone", "customers", "some", "agents"}


@contextmanager
def answering(center: Center, status: int, *endings: str) -> Iterator[None]:
    """The sandbox behind a server that gives the addresses with these endings a status of its own."""
    direct = center.url

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, body = status, b"{}"
            if not urlsplit(self.path).path.endswith(endings):
                address = f"http://{urlsplit(direct).netloc}{self.path}"
                asked = Request(address, headers={"Authorization": self.headers["Authorization"]})
                try:
                    with urlopen(asked) as answer:
                        code, body = 200, answer.read()
                except HTTPError as refused:
                    with refused:
                        code, body = refused.code, refused.read()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        center.url = urlsplit(direct)._replace(netloc=f"127.0.0.1:{server.server_port}").geturl()
        try:
            yield
        finally:
            center.url = direct
            server.shutdown()


@pytest.mark.parametrize("status", [403, 404])
def test_languages_that_are_hidden_are_those_of_before(center: Center, status: int) -> None:
    gone = own(center, status=2, public=True)
    center.admin("articles", do="delete", ids=[gone])
    doc_id = translated(center)
    other = "en" if center.name == "hanbit" else "ko"
    center.admin("articles", do="edit", ids=[int(doc_id.partition(":")[0])], language=other, title="Umbenannt")
    with answering(center, status, "/locales.json"):
        report = center.sync(later=1)
    assert "the Help Center's languages" in report.notes[0]
    assert center.stored()[doc_id].title == "Umbenannt"
    center.check_against_truth()


@pytest.mark.parametrize("status", [403, 404])
def test_translations_stay_where_nobody_tells_the_languages(center: Center, status: int) -> None:
    before = center.store.ids(KB)
    with answering(center, status, "/locales.json"):
        assert center.sync(full=True).removed == 0  # begins without what was known
        assert center.sync(later=1).removed == 0
    assert center.store.ids(KB) == before
    center.check_against_truth()


def test_articles_of_a_language_that_may_not_be_read_stay(center: Center) -> None:
    before = center.store.ids(KB)
    with answering(center, 403, "/ko/articles.json"):
        report = center.sync(later=1)
    assert (report.removed, center.store.ids(KB)) == (0, before)
    assert "the articles in one language" in report.notes[0]


def test_no_article_is_gone_with_the_help_center(acme: Center) -> None:
    acme.sync()
    doc_id = str(own(acme, status=2))
    acme.admin("options", help_center="none")
    with pytest.raises(DocumentError):
        acme.open().one(doc_id)
    acme.admin("options", help_center="open")
    with answering(acme, 404, "/sections.json"), pytest.raises(DocumentError):
        acme.open().one(doc_id)


def test_an_odd_article_that_was_never_stored_waits_on(acme: Center) -> None:
    number = own(acme, status=2)
    acme.admin("articles", do="edit", ids=[number], tags=7)
    acme.sync()
    assert {entry.doc_id for entry in acme.store.queue()} >= {str(number)}
    with pytest.raises(DocumentError, match="unknown shape"):
        acme.open().one(str(number))


def test_a_refused_key_stops_the_walk(acme: Center) -> None:
    acme.sync()
    source = acme.open()
    acme.admin("options", key="another")
    for later in (0, 1):
        acme.day += later
        with pytest.raises(SourceRefused, match="refused the key"):
            Collection(source, acme.store, "run", NOW, data_type="kb").run(Walk())
    acme.admin("options", key="acme-key")
    acme.check_against_truth()


def test_faults_lose_nothing(acme: Center) -> None:
    acme.admin("faults", rate=0.3, kinds=["500", "reset", "cut", "html"], seed=4)
    acme.sync()
    acme.admin("faults")
    acme.check_against_truth()


def test_an_answer_without_its_list_deletes_nothing() -> None:
    for answer in ({}, {"articles": None}, {"articles": [None]}, {"articles": [{"title": "no number"}]}):
        with pytest.raises(SourceUnavailable, match="no list of articles"):
            zendesk_articles._records(answer, "articles")


def test_an_odd_article_waits_in_the_queue_and_the_others_are_stored(acme: Center) -> None:
    source = acme.open()
    source._around()
    stored = Collection(source, acme.store, "run", NOW, data_type="kb")
    page = source._page([{"id": 1, "label_names": 7}, {"id": 2, "title": "Fine"}], {}, stored)
    assert [one.doc_id for one in page.unreadable] == ["1"]
    assert [one.doc_id for one in page.documents] == ["2"]
    assert list(page.seen) == ["1", "2"]
