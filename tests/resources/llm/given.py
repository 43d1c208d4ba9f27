"""Providers, documents and summarisers for the tests, and a server that answers from a script."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from domain.company import Company, CompanyId
from domain.provider import Provider
from domain.stage import Made, Pause, Spent
from resources.llm.base import Call
from resources.llm.budget import Budget
from resources.llm.client import Client
from resources.llm.summariser import Summariser, open_summariser
from sandbox.serve import Sandbox

MODEL = "gpt-4.1-mini"
SCHEMA = {
    "type": "object",
    "properties": {"summaries": {"type": "array", "items": {"type": "string"}}},
    "required": ["summaries"],
    "additionalProperties": False,
}
OPEN: list[Any] = []
"""Clients and summarisers to be closed after the test."""
CALL = Call([{"role": "user", "content": "Answer with JSON, please."}], SCHEMA, 500, 12)


def client(llm: Sandbox, account: str = "one", **given: Any) -> Client:
    provider = Provider(**{"name": account, "model": MODEL, "url": llm.llm_url(account)} | given)
    return opened(Client(provider, lambda: llm.key(account)))


def opened(made: Any) -> Any:
    """The same, to be closed after the test."""
    OPEN.append(made)
    return made


class Keys:
    """Keys of the sandbox's accounts; ``wrong`` ones until a fresh one is asked for."""

    def __init__(self, llm: Sandbox, wrong: Sequence[str] = ()) -> None:
        self.llm, self.wrong = llm, set(wrong)
        self.asked: Counter[str] = Counter()

    def llm_key(self, company: Company, provider: Provider, *, fresh: bool = False) -> str:
        self.asked[provider.name] += 1
        if fresh:
            self.wrong.discard(provider.name)
        return "old-key" if provider.name in self.wrong else self.llm.key(provider.name)


def company(llm: Sandbox, *accounts: str, settings: dict[str, Any] | None = None, **given: Any) -> Company:
    providers = [{"name": one, "model": MODEL, "url": llm.llm_url(one)} | given for one in accounts or ("one",)]
    return Company(CompanyId("acme"), "freshdesk", "", {"llm_providers": providers, **(settings or {})})


def summariser(
    llm: Sandbox, *accounts: str, budget: Budget | None = None, minute: float = 60.0, **given: Any
) -> Summariser:
    settings = given.pop("settings", None)
    made = open_summariser(
        Keys(llm), company(llm, *accounts, settings=settings, **given), budget or Budget(None), minute=minute
    )
    assert made is not None
    return opened(made)


def ticket(number: int, language: str = "en") -> dict[str, Any]:
    """A ticket with an order and an address of its own."""
    if language == "ko":
        subject = f"주문 {10_000 + number} 환불"
        texts = (
            f"주문 {10_000 + number}번이 두 번 결제되었습니다. 메일은 kim{number}@example.com 입니다.",
            f"은행 지연 때문에 발생한 문제입니다. 주문 {10_000 + number}번을 환불해 드렸습니다.",
            "확인했습니다.",
        )
    else:
        subject = f"Order {10_000 + number} charged twice"
        texts = (
            f"Order {10_000 + number} was charged twice. Please write to ana{number}@example.com.",
            f"This was due to a timeout of the bank. We have refunded order {10_000 + number}.",
            "I can see the refund.",
        )
    messages = [
        {"id": "", "author": author, "private": False, "created_at": "", "text": text}
        for author, text in zip(("customer", "agent", "customer"), texts, strict=True)
    ]
    return {"subject": subject, "language": language, "messages": messages}


@dataclass(slots=True)
class Outcome:
    """What a run of a summariser gave."""

    made: dict[int, Made] = field(default_factory=dict[int, Made])
    failed: dict[int, str] = field(default_factory=dict[int, str])
    spent: list[Spent] = field(default_factory=list[Spent])
    paused: Pause | None = None

    @property
    def purposes(self) -> Counter[str]:
        return Counter(one.purpose for one in self.spent)


def outcome(of: Summariser, documents: Sequence[dict[str, Any]], kind: Any = "ticket") -> Outcome:
    """Everything that arrives; each document at most once."""
    got = Outcome()
    try:
        for arrived in of.make(kind)(documents):
            got.spent += arrived.spent
            for position, result in arrived.results:
                assert position not in got.made and position not in got.failed
                if isinstance(result, Made):
                    got.made[position] = result
                else:
                    got.failed[position] = result.reason
    except Pause as pause:
        got.paused = pause
    return got


class Script(ThreadingHTTPServer):
    """Answers POSTs from ``answers`` (status, headers, body), in order; the last one stays. Keeps what it was sent."""

    daemon_threads = True

    def __init__(self, answers: Sequence[tuple[int, dict[str, str], Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Script
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        script = self.server
        script.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        script.headers.append({name.lower(): value for name, value in self.headers.items()})
        script.paths.append(self.path)
        status, headers, body = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@contextmanager
def script(*answers: tuple[int, dict[str, str], Any]) -> Iterator[Script]:
    with Script(answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def said(text: str = "{}", **changes: Any) -> dict[str, Any]:
    """A chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    return {"id": "chatcmpl-0123456789abcdef", "model": MODEL, "choices": [choice], "usage": usage} | changes


def refusal(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": param}}
