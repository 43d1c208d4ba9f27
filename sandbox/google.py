"""Google's APIs as far as a workbook needs them: the token of a service account, Sheets v4, Drive v3, Docs v1.

Belongs here: addresses, who may ask, quotas, Google's shape of answers and refusals. Does not belong here: what a batch does
(``google_sheet``), accounts (``google_account``), the hidden door (``google_admin``).

Below ``/google``: ``/token``, ``/v4/spreadsheets/ID...``, ``/drive/v3/files/ID``, ``/v1/documents/ID``. A sheet's address for
people is ``/spreadsheets/d/ID/edit``. ``/admin/COMPANY/ACTION`` moves it behind a client's back.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from sandbox.answers import HTML, Answer, Receive, Refused, Scope, Send, as_json, deliver, read_body
from sandbox.google_account import GoogleAccount, GoogleWorld, Window
from sandbox.google_sheet import Cell, Invalid, Json, Sheet, typed
from sandbox.spoil import hang

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_RANGE = re.compile(r"^(?:'(?P<quoted>(?:[^']|'')+)'|(?P<plain>[^!']+))(?:!(?P<cells>.+))?$")
_CELLS = re.compile(r"^([A-Z]*)(\d*)(?::([A-Z]*)(\d*))?$")
_MOST_BODY = 10_000_000


@dataclass(slots=True)
class Asked:
    """One request. ``account`` owns the file, ``email`` asks."""

    world: GoogleWorld
    account: GoogleAccount
    email: str
    method: str
    query: dict[str, list[str]]
    body: bytes
    base: str

    def json(self) -> Json:
        try:
            value = orjson.loads(self.body or b"{}")
        except orjson.JSONDecodeError:
            raise refused(400, "Invalid JSON payload received.") from None
        return value if isinstance(value, dict) else {}


class Google:
    """ASGI application, mounted at ``/google``."""

    def __init__(self) -> None:
        self.world = GoogleWorld()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from sandbox.google_admin import administer

        path = unquote(scope["path"].split("/google", 1)[1])
        body = await read_body(receive)
        headers = dict(scope["headers"])
        base = f"http://{headers[b'host'].decode()}/google"
        fault = None
        try:
            if path.startswith("/admin/"):
                answer = administer(self.world, scope["method"], path, body, base)
            elif path == "/token":
                answer = _token(self.world, body, base)
            elif path.startswith("/spreadsheets/d/"):
                answer = Answer(200, b"<html><body>A sheet of the sandbox.</body></html>", content_type=HTML)
            else:
                query = parse_qs(scope["query_string"].decode("latin-1"))
                answer, fault = await self._api(scope["method"], path, headers, query, body, base, receive)
        except Refused as refusal:
            answer = refusal.answer
        await deliver(scope, send, answer, fault)

    async def _api(
        self,
        method: str,
        path: str,
        headers: dict[bytes, bytes],
        query: dict[str, list[str]],
        body: bytes,
        base: str,
        receive: Receive,
    ) -> tuple[Answer, Any]:
        email = self.world.tokens.get(headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer "))
        if email is None:
            raise refused(401, "Request had invalid authentication credentials. Expected OAuth 2 access token.")
        kind, file_id, rest = _route(method, path)
        account = self.world.of_file(file_id) or self.world.of_email(email)
        assert account is not None
        record: Json = {"kind": kind, "method": method, "path": path, "email": email, "at": time.time(), "status": 0}
        account.requests.append(record)
        fault: Any = account.faults.draw(path, kind)
        if fault:
            account.faulted[fault] += 1
            record["fault"] = fault
        try:
            if early := await _instead(account, fault, receive):
                answer = early
            else:
                asked = Asked(self.world, account, email, method, query, body, base)
                answer = _respond(asked, kind, file_id, rest)
        except Refused as refusal:
            answer = refusal.answer
        record["status"] = answer.status
        return answer, fault if fault in ("reset", "cut", "timeout") else None


def refused(status: int, message: str, *, reason: str = "", details: Sequence[Json] = ()) -> Refused:
    """Google's refusal."""
    error: Json = {"code": status, "message": message, "status": _STATUS[status]}
    if details:
        error["details"] = list(details)
    if reason:  # as Drive has it
        error["errors"] = [{"domain": "global", "reason": reason, "message": message}]
    return Refused(as_json(status, {"error": error}))


# --- the token -----------------------------------------------------------------------------------------------------------


def _token(world: GoogleWorld, body: bytes, base: str) -> Answer:
    """RFC 7523: a JWT that the service account signed, for an access token."""
    from google.auth import jwt

    given = parse_qs(body.decode("latin-1"))
    assertion = given.get("assertion", [""])[0]
    if given.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
        return as_json(400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"})
    try:
        claims: Any = jwt.decode(assertion, verify=False)
        account = world.of_email(claims["iss"])
        if account is None or not account.public_key:
            return as_json(400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"})
        jwt.decode(
            assertion, certs=account.public_key, audience=[f"{base}/token", "https://oauth2.googleapis.com/token"]
        )
    except (ValueError, KeyError):
        return as_json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    if not claims.get("scope"):
        return as_json(400, {"error": "invalid_scope", "error_description": "Empty or missing scope not allowed."})
    return as_json(200, {"access_token": world.token(account.email), "expires_in": 3599, "token_type": "Bearer"})


# --- what is asked -------------------------------------------------------------------------------------------------------


def _route(method: str, path: str) -> tuple[str, str, str]:
    """Its kind ("read", "write", "drive", "docs"), the file, and what is below it."""
    for start, kind in (("/v4/spreadsheets/", ""), ("/drive/v3/files/", "drive"), ("/v1/documents/", "docs")):
        if path.startswith(start):
            found = re.match(r"([A-Za-z0-9_-]+)(.*)", path.removeprefix(start), re.DOTALL)
            if found:
                return kind or ("read" if method == "GET" else "write"), found[1], found[2]
    raise refused(404, "The requested URL was not found on this server.")


def _respond(asked: Asked, kind: str, file_id: str, rest: str) -> Answer:
    service = {"drive": "drive", "docs": "docs"}.get(kind, "sheets")
    owner = asked.world.of_email(asked.email) or asked.account
    if service in owner.options.disabled:
        raise _not_enabled(owner, service)
    if service != "drive":
        _spend(asked, owner, kind)
    if file_id not in (asked.account.file_id, asked.account.doc_id):
        raise _missing(service, file_id)
    role = asked.account.role(asked.email)
    if role == "none" or (kind == "write" and role == "reader"):
        if service == "drive":  # which does not say that there is a file
            raise _missing(service, file_id)
        raise refused(403, "The caller does not have permission")
    if service == "drive":
        return _drive(asked)
    return _document(asked) if service == "docs" else _sheets(asked, rest)


def _missing(service: str, file_id: str) -> Refused:
    if service == "drive":
        return refused(404, f"File not found: {file_id}.", reason="notFound")
    return refused(404, "Requested entity was not found.")


def _not_enabled(owner: GoogleAccount, service: str) -> Refused:
    name = {"sheets": "Google Sheets API", "drive": "Google Drive API", "docs": "Google Docs API"}[service]
    message = f"{name} has not been used in project {owner.project} before or it is disabled."
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": f"{service}.googleapis.com", "consumer": f"projects/{owner.project}"},
    }
    return refused(403, message, details=[detail])


def _spend(asked: Asked, owner: GoogleAccount, kind: str) -> None:
    """A minute's quotas, of the project that asks: for this user, and for all."""
    options = owner.options
    each = options.writes if kind == "write" else options.reads
    metric = "Write requests" if kind == "write" else "Read requests"
    windows = [(owner.windows.setdefault((kind, asked.email), Window()), each, "per user")]
    windows.append((owner.windows.setdefault((kind, ""), Window()), options.project, "per project"))
    for window, most, whose in windows:
        if not window.allows(most, options.minute_seconds):
            message = (
                f"Quota exceeded for quota metric '{metric}' and limit '{metric} per minute {whose}' of service "
                f"'sheets.googleapis.com' for consumer 'project_number:1'."
            )
            refusal = refused(429, message)
            if options.retry_after is not None:
                refusal.answer.headers.append((b"retry-after", b"%g" % options.retry_after))
            raise refusal
    for window, _, _ in windows:
        window.sent.append(time.monotonic())


async def _instead(account: GoogleAccount, fault: Any, receive: Receive) -> Answer | None:
    """What comes in place of an answer; nothing is done then."""
    if fault == "slow":
        await asyncio.sleep(account.faults.slow_ms / 1000)
    if fault == "timeout":
        await hang(receive, account.faults.hang_seconds)
    if fault in ("timeout", "reset"):
        return Answer(500)
    if fault in ("429", "storm"):
        refusal = refused(429, "Quota exceeded for quota metric 'Read requests'.").answer
        refusal.headers.append((b"retry-after", b"%g" % account.faults.retry_after))
        return refusal
    if fault in ("500", "503"):
        return refused(
            int(fault), "Internal error encountered." if fault == "500" else "The service is unavailable."
        ).answer
    if fault in ("502", "html"):
        page = b"<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title></html>"
        return Answer(502 if fault == "502" else 200, page, content_type=HTML)
    return None


# --- Drive and Docs --------------------------------------------------------------------------------------------------------


def _drive(asked: Asked) -> Answer:
    book = asked.account.spreadsheet
    modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1_760_000_000 + book.version))
    whole = {
        "kind": "drive#file",
        "id": book.file_id,
        "name": book.title,
        "mimeType": "application/vnd.google-apps.spreadsheet",
        "version": str(book.version),
        "modifiedTime": modified,
    }
    fields = asked.query.get("fields", ["kind,id,name,mimeType"])[0]
    return as_json(200, masked(whole, fields))


def _document(asked: Asked) -> Answer:
    """Headings and paragraphs: ``admin/doc`` gives them as (style, text)."""
    document = asked.account.document
    content: list[Json] = [{"endIndex": 1, "sectionBreak": {}}]
    at = 1
    for style, text in document["paragraphs"]:
        end = at + len(text) + 1
        run = {"startIndex": at, "endIndex": end, "textRun": {"content": f"{text}\n", "textStyle": {}}}
        paragraph = {"elements": [run], "paragraphStyle": {"namedStyleType": style, "direction": "LEFT_TO_RIGHT"}}
        content.append({"startIndex": at, "endIndex": end, "paragraph": paragraph})
        at = end
    whole = {
        "documentId": asked.account.doc_id,
        "title": document["title"],
        "revisionId": f"rev-{document['revision']}",
        "body": {"content": content},
    }
    fields = asked.query.get("fields", [""])[0]
    return as_json(200, masked(whole, fields) if fields else whole)


# --- Sheets -------------------------------------------------------------------------------------------------------------


def _sheets(asked: Asked, rest: str) -> Answer:
    book = asked.account.spreadsheet
    try:
        match asked.method, rest:
            case "GET", "":
                url = f"{asked.base}/spreadsheets/d/{book.file_id}/edit"
                whole = book.metadata(url)
                fields = asked.query.get("fields", [""])[0]
                return as_json(200, masked(whole, fields) if fields else whole)
            case "GET", "/values:batchGet":
                found = [_values(asked, one) for one in asked.query.get("ranges", [])]
                return as_json(200, {"spreadsheetId": book.file_id, "valueRanges": found})
            case "POST", ":batchUpdate":
                return _batch_update(asked)
            case "POST", "/values:batchUpdate":
                return _values_update(asked)
            case "GET", _ if rest.startswith("/values/"):
                return as_json(200, _values(asked, rest.removeprefix("/values/")))
            case "POST", _ if rest.startswith("/values/") and rest.endswith(":append"):
                return _values_append(asked, rest.removeprefix("/values/").removesuffix(":append"))
            case _:
                raise refused(404, "The requested URL was not found on this server.")
    except Invalid as wrong:
        raise refused(400, str(wrong)) from None


def _batch_update(asked: Asked) -> Answer:
    if len(asked.body) > _MOST_BODY:
        raise refused(400, "Request payload size exceeds the limit: 10485760 bytes.")
    requests = asked.json().get("requests")
    if not requests:
        raise refused(400, "Must specify at least one request.")
    changed = asked.account.spreadsheet.copy()
    replies = changed.update(requests, asked.email)
    changed.version += 1
    asked.account.spreadsheet = changed
    return as_json(200, {"spreadsheetId": changed.file_id, "replies": replies})


def _values(asked: Asked, given: str) -> Json:
    sheet, top, left, bottom, right = _parsed(asked, given)
    option = asked.query.get("valueRenderOption", ["FORMATTED_VALUE"])[0]
    rows: list[list[Any]] = []
    for row in range(top, min(bottom, sheet.height())):
        is_shown = option == "FORMATTED_VALUE" or row >= len(sheet.rows)
        cells: list[Any] = sheet.shown(row) if is_shown else [cell.entered() for cell in sheet.rows[row]]
        cells = cells[left:right]
        while cells and cells[-1] == "":
            cells.pop()
        rows.append(cells)
    while rows and not rows[-1]:
        rows.pop()
    told: Json = {"range": given, "majorDimension": "ROWS"}
    return told | ({"values": rows} if rows else {})


def _values_update(asked: Asked) -> Answer:
    body = asked.json()
    for one in body.get("data", []):
        sheet, top, left, _, _ = _parsed(asked, one["range"])
        for row, values in enumerate(one.get("values", []), top):
            for column, value in enumerate(values, left):
                _enter(sheet.cell(row, column), value, body.get("valueInputOption"))
    asked.account.spreadsheet.version += 1
    return as_json(200, {"spreadsheetId": asked.account.file_id})


def _values_append(asked: Asked, given: str) -> Answer:
    sheet, _, left, _, _ = _parsed(asked, given)
    rows = asked.json().get("values", [])
    top = sheet.last()
    sheet.row_count = max(sheet.row_count, top + len(rows))
    for row, values in enumerate(rows, top):
        for column, value in enumerate(values, left):
            _enter(sheet.cell(row, column), value, asked.query.get("valueInputOption", [""])[0])
    asked.account.spreadsheet.version += 1
    return as_json(200, {"spreadsheetId": asked.account.file_id, "tableRange": given})


def _enter(cell: Cell, value: Any, option: str | None) -> None:
    if option not in ("RAW", "USER_ENTERED"):
        raise Invalid("'valueInputOption' is required but not specified")
    is_text = option == "RAW" and isinstance(value, str)
    cell.value, cell.result = {"stringValue": value} if is_text else typed(value), None


def _parsed(asked: Asked, given: str) -> tuple[Sheet, int, int, int, int]:
    """A range in A1 notation: the tab, and the edges from 0."""
    found = _RANGE.match(given)
    if not found:
        raise Invalid(f"Unable to parse range: {given}")
    title = (found["quoted"] or found["plain"]).replace("''", "'")
    sheet = asked.account.spreadsheet.sheet(title)
    cells = _CELLS.match(found["cells"] or ":")
    if not cells:
        raise Invalid(f"Unable to parse range: {given}")
    left, top = _column(cells[1]) or 1, int(cells[2] or 1)
    is_one = ":" not in (found["cells"] or ":")
    right = _column(cells[3] or "") or (left if is_one else sheet.column_count)
    bottom = int(cells[4] or 0) or (top if is_one else sheet.row_count)
    if top > sheet.row_count or left > sheet.column_count:
        raise Invalid(f"Range ({given}) exceeds grid limits.")
    return sheet, top - 1, left - 1, bottom, right


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number


def masked(value: Any, fields: str) -> Any:
    """Only the fields of a mask like "a,b(c,d.e)". Raises ``Refused`` for a field that there is not... as far as it can be
    told: a list's items may lack it."""
    wanted: dict[str, str] = {}
    for name, below in _split(fields):
        wanted[name] = f"{wanted[name]},{below}" if wanted.get(name) and below else below
    if "*" in wanted:
        return value
    if isinstance(value, list):
        return [masked(one, fields) for one in value]
    if not isinstance(value, dict):
        raise refused(400, "Request contains an invalid argument: fields")
    return {
        name: masked(value[name], below) if below else value[name] for name, below in wanted.items() if name in value
    }


def _split(fields: str) -> list[tuple[str, str]]:
    """The mask's own names, each with the mask below it."""
    parts: list[str] = [""]
    depth = 0
    for letter in fields:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    found: list[tuple[str, str]] = []
    for part in parts:
        name = re.match(r"[^.(/]*", part)
        assert name is not None
        below = part[name.end() :]
        found.append((name[0], below[1:-1] if below.startswith("(") else below[1:]))
    return found
