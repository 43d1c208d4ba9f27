"""The HTTP service over real sockets: who may ask, what is answered, and what every refusal looks like."""

import http.client
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from domain.company import company_id
from query.service import MOST_BODY, OpenCompanies, create_app
from resources.api_keys import drop_key, has_key, make_key
from resources.companies import Companies
from tests.conftest import point_at
from tests.homes import Home
from tests.query.asking import ID, add_company, fill, sample
from tests.query.test_ask import CARD, PARENTAL, RULE


@dataclass(frozen=True)
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """A running service; ``key`` is that of the company ``hanbit``."""

    home: Home
    port: int
    key: str

    def send(
        self, path: str, body: Any = None, key: str | None = "", method: str = "", raw: bytes | None = None
    ) -> Answered:
        headers = {} if key is None else {"authorization": f"Bearer {key or self.key}"}
        sent = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method or ("GET" if sent is None else "POST"), path, sent, headers)
            got = connection.getresponse()
            return Answered(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())
        finally:
            connection.close()

    def ask(self, text: str, **more: Any) -> Answered:
        return self.send(f"/v1/{ID}/ask", {"text": text, **more})


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as patches:
        home = point_at(tmp_path_factory.mktemp("service") / "home", patches)
        for name in (ID, "other", "keyless"):
            add_company(home, name, home.path)
        faqs, _, contacts = sample()
        fill(home.settings, ID, faqs, [RULE], contacts)
        key = make_key(home.companies, home.company(ID))
        make_key(home.companies, home.company("other"))
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            config = uvicorn.Config(create_app(Companies(home.settings)), access_log=False, log_level="warning")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listening],))
            thread.start()
            while not server.started:
                time.sleep(0.01)
            yield Service(home, listening.getsockname()[1], key)
            server.should_exit = True
            thread.join()


def test_ask_answers_as_the_command_does(service: Service) -> None:
    got = service.ask(CARD, user="u1")
    assert got.status == 200 and got.headers["content-type"] == "application/json"
    said = got.json
    assert (said["tier"], said["company"], said["user_id"]) == (1, ID, "u1")
    assert said["sources"][0]["data_type"] == "faq" and said["session_id"].startswith("u1_")
    more = service.ask("그럼 재발급은?", session=said["session_id"]).json
    assert (more["session_id"], more["user_id"]) == (said["session_id"], "u1")


def test_search_by_body_and_by_address(service: Service) -> None:
    posted = service.send(f"/v1/{ID}/search", {"text": PARENTAL, "k": 3, "in": ["regulation"]})
    assert posted.status == 200 and posted.json["hits"][0]["doc_id"] == RULE.regulation_id
    got = service.send(f"/v1/{ID}/search?text=%EC%9E%A5%EB%B9%84&k=1&in=regulation")
    assert got.status == 200 and len(got.json["hits"]) == 1
    assert service.send("/healthz", key=None).json == {"ok": True}


@pytest.mark.parametrize("path", ["ask", "search"])
def test_a_wrong_key_and_an_unknown_company_are_answered_alike(service: Service, path: str) -> None:
    other = make_key(service.home.companies, service.home.company("other"))
    bodies = [{"text": "q"}, {}, None]
    for body in bodies:
        got = [
            service.send(f"/v1/{company}/{path}", body, key, method="POST")
            for company, key in [
                (ID, "wrong"),
                (ID, other),
                (ID, None),
                ("nobody", "wrong"),
                ("nobody", service.key),
                ("keyless", "wrong"),
                ("Not%20an%20id", "wrong"),
                ("no-company-of-this-name", "wrong"),
            ]
        ]
        assert {one.status for one in got} == {401}
        assert len({one.body for one in got}) == 1 and got[0].json["error"]["remedy"]
        assert {one.headers["www-authenticate"] for one in got} == {"Bearer"}


def test_a_key_of_one_company_opens_no_other(service: Service) -> None:
    assert service.send("/v1/other/ask", {"text": "q"}).status == 401
    other = make_key(service.home.companies, service.home.company("other"))
    got = service.send("/v1/other/ask", {"text": CARD}, other).json
    assert got["tier"] == 3 and got["contact"] is None  # nothing of hanbit's is seen


def test_a_changed_key_ends_the_one_before_at_once_and_only_a_hash_is_kept(service: Service) -> None:
    companies, company = service.home.companies, service.home.company("keyless")
    first = make_key(companies, company)
    assert service.send("/v1/keyless/ask", {"text": "q"}, first).status == 200
    second = make_key(companies, company)
    assert service.send("/v1/keyless/ask", {"text": "q"}, first).status == 401
    assert service.send("/v1/keyless/ask", {"text": "q"}, second).status == 200
    for path in service.home.path.rglob("*"):
        assert not path.is_file() or second.encode() not in path.read_bytes()
    assert second not in companies.secret(company, name="api")
    drop_key(companies, company)
    assert not has_key(companies, company) and service.send("/v1/keyless/ask", {"text": "q"}, second).status == 401


@pytest.mark.parametrize(
    ("raw", "status", "says"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "object"),
        (b"{}", 400, "text"),
        (b'{"text": 5}', 400, "text"),
        (b'{"text": ""}', 400, "empty"),
        (b'{"text": "q", "secretfield": "x"}', 400, "unknown field"),
        (b'{"text": "q", "user": "a/b"}', 400, "user"),
        (b'{"text": "q", "session": "zzz"}', 400, "session"),
        (b'{"text": "\xff"}', 400, "JSON"),
        (json.dumps({"text": "x" * 5000}).encode(), 400, "text"),
        (b'{"text": "' + b"x" * MOST_BODY + b'"}', 413, "large"),
    ],
)
def test_bad_bodies_are_refused_as_json_without_what_stood_in_them(
    service: Service, raw: bytes, status: int, says: str
) -> None:
    got = service.send(f"/v1/{ID}/ask", raw=raw, method="POST")
    assert got.status == status
    assert set(got.json["error"]) == {"title", "detail", "remedy"} and says in got.body.decode()
    assert b"secretfield" not in got.body and b"xxxx" not in got.body and b"zzz" not in got.body


@pytest.mark.parametrize(("path", "method", "status"), [("/nothing", "GET", 404), (f"/v1/{ID}/ask", "GET", 405)])
def test_other_addresses_are_errors_of_the_same_form(service: Service, path: str, method: str, status: int) -> None:
    got = service.send(path, method=method)
    assert got.status == status and set(got.json["error"]) == {"title", "detail", "remedy"}


@pytest.mark.parametrize("wrong", [{"k": 0}, {"k": 101}, {"in": ["cats"]}, {"k": "many"}])
def test_bad_searches_are_refused(service: Service, wrong: dict[str, Any]) -> None:
    assert service.send(f"/v1/{ID}/search", {"text": "q", **wrong}).status == 400


def test_settings_that_change_count(service: Service) -> None:
    company = service.home.company(ID)
    service.home.companies.set(company, tier1_score=1.0)
    try:
        for _ in range(80):  # another registry's cache lives 5 seconds
            if service.ask(CARD).json["tier"] != 1:
                break
            time.sleep(0.1)
        else:
            raise AssertionError("the setting never counted")
    finally:
        service.home.companies.set(company, tier1_score=None)


def test_a_failure_says_nothing_of_the_question_and_the_service_lives_on(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    store = service.home.settings.company_folder(company_id("other")) / "casebook.sqlite"
    key = make_key(service.home.companies, service.home.company("other"))
    service.send("/v1/other/ask", {"text": "q"}, key)
    with caplog.at_level(logging.DEBUG):
        kept = store.read_bytes()
        for file in store.parent.glob("casebook.sqlite*"):
            file.unlink()
        store.write_bytes(b"no database" * 1000)
        got = service.send("/v1/other/ask", {"text": "sehr-geheime-frage"}, key)
        store.write_bytes(kept)
    assert got.status >= 500 and set(got.json["error"]) == {"title", "detail", "remedy"}
    assert "sehr-geheime-frage" not in caplog.text + got.body.decode()
    assert service.ask(CARD).status == 200


def test_many_at_once_are_all_answered(service: Service) -> None:
    told: list[int] = []
    threads = [
        threading.Thread(target=lambda user: told.append(service.ask(CARD, user=user).status), args=(f"m{at}",))
        for at in range(12)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert told == [200] * 12


def test_only_so_many_companies_are_kept_open(service: Service) -> None:
    held = OpenCompanies(service.home.companies, most=2)
    first = held.asker(ID)
    assert held.asker(ID) is first
    for name in ("other", "keyless", "other"):
        held.asker(name)
    assert len(held) == 2 and held.asker(ID) is not first
    assert held.close()
