"""Answers: what a stand-in sends back, and what can happen to the connection on the way.

Belongs here: an answer as a value, the bodies of Freshdesk's refusals, delivery over ASGI.
Does not belong here: when to refuse (``freshdesk``), how often to fail (``faults``), spoiled bodies (``spoil``).
"""

import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import orjson

from sandbox.faults import Fault

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON, HTML = b"application/json; charset=utf-8", b"text/html; charset=utf-8"


@dataclass(slots=True)
class Answer:
    """Status, body and the headers beyond the usual ones."""

    status: int
    body: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    content_type: bytes = JSON


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


def no_helpdesk() -> Answer:
    """What an address without an account gives: a page, as nobody's API answers there."""
    return Answer(404, b"<html><h1>There is no helpdesk here</h1></html>", content_type=HTML)


def _date(skew: int, cached: dict[int, bytes] = {}) -> bytes:  # noqa: B006 - the cache is meant
    """The header ``Date``, ``skew`` seconds off; made once a second."""
    now = int(time.time()) + skew
    if now not in cached:
        if len(cached) > 100:
            cached.clear()
        cached[now] = formatdate(now, usegmt=True).encode()
    return cached[now]


async def _send(send: Send, answer: Answer, skew: int, body: bytes | None = None) -> None:
    headers = [
        (b"date", _date(skew)),
        (b"content-type", answer.content_type),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    if answer.status == 204:
        headers = [headers[0], *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send(
        {"type": "http.response.body", "body": answer.body if body is None else body, "more_body": body is not None}
    )


async def deliver(scope: Scope, send: Send, answer: Answer, fault: Fault | None = None, skew: int = 0) -> None:
    """Send the answer, unless a fault is to happen to it on the way. ``skew`` is how wrong its clock is, in seconds."""
    if fault in ("reset", "timeout"):
        transport = scope["sandbox.transport"]
        if not transport.is_closing():
            # Linger 0 makes the kernel send RST instead of FIN.
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
    elif fault == "cut":
        await _send(send, answer, skew, answer.body[: len(answer.body) // 2])
        scope["sandbox.transport"].close()
    else:
        await _send(send, answer, skew)


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
