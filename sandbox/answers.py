"""Answers: what a stand-in sends back, and the faults that can happen to it on the way.

Belongs here: an answer as a value, the bodies of Freshdesk's refusals, delivery over ASGI.
Does not belong here: when to refuse (``freshdesk``), or how often to fail (``faults``).
"""

import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from sandbox.faults import Fault

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON, _HTML = b"application/json; charset=utf-8", b"text/html; charset=utf-8"


@dataclass(slots=True)
class Answer:
    """Status, body and the headers beyond the usual ones."""

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    content_type: bytes = _JSON


class Refused(Exception):
    """The request ends here with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def as_json(status: int, value: Any) -> Answer:
    return Answer(status, orjson.dumps(value))


def validation(*errors: tuple[str, str, str]) -> Answer:
    listed = [{"field": field, "message": message, "code": code} for field, message, code in errors]
    return as_json(400, {"description": "Validation failed", "errors": listed})


def invalid(name: str, message: str) -> Answer:
    return validation((name, message, "invalid_value"))


def denied() -> Answer:
    return as_json(403, {"code": "access_denied", "message": "You are not authorized to perform this action."})


def no_such_feature(name: str) -> Answer:
    """What a plan without the feature answers."""
    message = f"The {name} feature is not supported in your plan. Please upgrade your account to use it."
    return as_json(403, {"code": "require_feature", "message": message})


def too_many(wait: int) -> Answer:
    message = "You have exceeded the limit of requests per minute"
    return Answer(429, orjson.dumps({"message": message}), [(b"retry-after", b"%d" % wait)])


FAULTY: dict[Fault, Callable[[], Answer]] = {
    "500": lambda: as_json(500, {"code": "internal_error", "message": "Something went wrong on our side."}),
    "503": lambda: Answer(503, b"", [(b"retry-after", b"1")], _HTML),
    "html": lambda: Answer(
        200, b"<!DOCTYPE html><html><body>We will be back in a moment.</body></html>", content_type=_HTML
    ),
    "429": lambda: too_many(1),
}


def no_helpdesk() -> Answer:
    """What an address without an account gives: a page, as nobody's API answers there."""
    return Answer(404, b"<html><h1>There is no helpdesk here</h1></html>", content_type=_HTML)


async def _send(send: Send, answer: Answer, body: bytes | None = None) -> None:
    headers = [(b"content-type", answer.content_type), (b"content-length", b"%d" % len(answer.body)), *answer.headers]
    if answer.status == 204:
        headers = answer.headers
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send(
        {"type": "http.response.body", "body": answer.body if body is None else body, "more_body": body is not None}
    )


async def deliver(scope: Scope, send: Send, answer: Answer, fault: Fault | None = None) -> None:
    """Send the answer, unless a fault is to happen to it on the way."""
    if fault == "reset":
        transport = scope["sandbox.transport"]
        # Linger 0 makes the kernel send RST instead of FIN.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    elif fault == "cut":
        await _send(send, answer, answer.body[: len(answer.body) // 2])
        scope["sandbox.transport"].close()
    else:
        await _send(send, answer)
