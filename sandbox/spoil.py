"""What a fault does to an answer: instead of it, or to its body.

Belongs here: every kind of ``faults`` that is not done to the connection. Does not belong here: when (``faults``).
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import orjson

from sandbox.account import Request, family
from sandbox.answers import HTML, Answer, Receive, as_json, too_many
from sandbox.faults import Fault, Faults

LOGIN = (
    b"<!DOCTYPE html><html><title>Sign in</title><body><form method=post>Sign in to your helpdesk</form></body></html>"
)
_MEGABYTE = 1_000_000
_REPEATED = 3

#: What ``null`` and ``absent`` take away. Ids, times, status and who wrote it stay: without them there is no ticket.
_TAKEN = {
    "description", "description_text", "structured_description", "subject", "body", "body_text", "html_body", "plain_body",
    "requester", "stats", "company", "tags", "custom_fields", "attachments", "cc_emails", "to_emails", "reply_cc_emails",
    "type", "product_id", "group_id", "priority", "from_email", "support_email", "has_quoted_text", "auto_response",
    "satisfaction_rating", "via", "fields", "title", "seo_data", "name", "content_type", "size", "file_name",
}  # fmt: skip
#: Fields that old accounts do not have.
_NEW = {
    "structured_description", "nr_due_by", "nr_escalated", "associated_tickets_count", "association_type",
    "ticket_cc_emails", "ticket_bcc_emails", "source_additional_info", "automation_id", "automation_type_id",
    "thread_id", "thread_message_id", "has_quoted_text", "email_failure_count", "outgoing_failures", "last_edited_user_id",
}  # fmt: skip
_TEXTS = (b'"description_text":"', b'"body_text":"', b'"plain_body":"', b'"subject":"', b'"title":"', b'"name":"')
_PAGES = (b'"description":"', b'"body":"', b'"html_body":"')


async def begin(request: Request) -> Fault | None:
    """Draw the request's fault, log it, and wait where waiting is the fault."""
    account = request.account
    fault = account.faults.draw(request.path, family(request.path))
    if fault is not None:
        account.log.faults[fault] += 1
    if fault == "slow":
        await asyncio.sleep(account.faults.slow_ms / 1000)
    elif fault == "timeout":
        await hang(request.receive, account.faults.hang_seconds)
    return fault


def instead(fault: Fault | None, faults: Faults) -> Answer | None:
    """The answer that comes in place of the right one."""
    if fault == "storm":
        return too_many(faults.retry_after)
    make = _INSTEAD.get(fault) if fault else None
    return make() if make else None


def spoil(answer: Answer, fault: Fault | None, faults: Faults) -> None:
    """Do to a good answer what the fault says."""
    if fault is None or answer.status != 200:
        return
    match fault:
        case "json":
            answer.body = answer.body[:-1] + b",]"
        case "mislabelled":
            answer.content_type = HTML
        case "bytes":
            answer.body = _insert(answer.body, _TEXTS, b"\xb0\xa1\xff\xc3 ")
        case "big":
            picture = b'<img src=\\"data:image/png;base64,' + b"iVBORw0KGgoA" * (_MEGABYTE // 12) + b'\\">'
            answer.body = _insert(answer.body, _PAGES, picture)
        case "duplicates":
            answer.body = _repeat(answer.body, faults)
        case "null" | "absent":
            answer.body = orjson.dumps(_without(orjson.loads(answer.body), gone=fault == "absent"))
        case "old":
            answer.body = old(answer.body)
        case _:
            pass


def old(body: bytes) -> bytes:
    """An answer with the fields of an account from before 2018: none of the newer ones, and files under older names."""
    return orjson.dumps(_aged(orjson.loads(body)))


async def hang(receive: Receive, seconds: float) -> None:
    """Answer nothing, until the client goes or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass


_INSTEAD: dict[Fault, Callable[[], Answer]] = {
    "500": lambda: as_json(500, {"code": "internal_error", "message": "Something went wrong on our side."}),
    "502": lambda: Answer(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type=HTML),
    "503": lambda: Answer(503, b"", [(b"retry-after", b"1")], HTML),
    "html": lambda: Answer(
        200, b"<!DOCTYPE html><html><body>We will be back in a moment.</body></html>", content_type=HTML
    ),
    "429": lambda: too_many(1),
    "empty": lambda: Answer(200),
    "204": lambda: Answer(204),
    "redirect": lambda: Answer(302, b"", [(b"location", b"/login")], HTML),
}


def _insert(body: bytes, marks: tuple[bytes, ...], what: bytes) -> bytes:
    """``what`` at the beginning of the first text that there is."""
    mark = next((mark for mark in marks if mark in body), None)
    return body if mark is None else body.replace(mark, mark + what, 1)


def _repeat(body: bytes, faults: Faults) -> bytes:
    """The last rows of the page before stand before those of this one."""
    value = orjson.loads(body)
    name = next((name for name, rows in value.items() if isinstance(rows, list)), None) if type(value) is dict else None
    rows = value[name] if name else value
    if not isinstance(rows, list):
        return body
    repeated, faults.rows = faults.rows, rows[-_REPEATED:]
    return orjson.dumps({**value, name: [*repeated, *rows]} if name else [*repeated, *rows])


def _without(value: Any, *, gone: bool) -> Any:
    if isinstance(value, list):
        return [_without(one, gone=gone) for one in value]
    if not isinstance(value, dict) or ("id" not in value and not any(isinstance(one, list) for one in value.values())):
        return value
    found: dict[str, Any] = {}
    for name, one in value.items():
        if name not in _TAKEN:
            found[name] = _without(one, gone=gone)
        elif isinstance(one, list) and one and isinstance(one[0], dict) and "id" in one[0]:
            found[name] = _without(one, gone=gone)  # files stay, without their names and sizes
        elif not gone:
            found[name] = None
    return found


def _aged(value: Any) -> Any:
    if isinstance(value, list):
        return [_aged(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "attachment_url" in value:
        kept = {name: one for name, one in value.items() if name not in ("name", "size")}
        return kept | {"file_size": value["size"]}
    return {name: _aged(one) for name, one in value.items() if name not in _NEW}
