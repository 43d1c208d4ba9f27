"""Confluence Cloud's REST API v2 as far as regulations need it: spaces, pages, folders, attachments.

Belongs here: addresses, parameters, paging by cursor, who may read, Confluence's shape of answers and refusals, and the
hidden door. Does not belong here: what the sample company writes (``companies/*/wiki.json``).

Below ``/confluence/COMPANY``: ``/wiki/api/v2/...`` is the API (user agent1@COMPANY.example.com, key COMPANY-key), and
``/admin/ACTION`` moves it behind a client's back, without a key:

    GET  log                                          what was asked
    POST page     {id, title, storage, parent, space}     a new page, or a new version of one
         status   {id, status current|archived|trashed|deleted}      "deleted": gone without a trace
         move     {id, parent, parent_type page|folder, space}
         folder   {id, parent, parent_type}
         attach   {id, name}
         options  {denied [space keys], throttle N, retry_after S, page_cap N, header_only}
         reset {}   reset_log {}
"""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode

import orjson

from sandbox.answers import Answer, Receive, Refused, Scope, Send, as_json, deliver
from sandbox.corpus import COMPANIES

Json = dict[str, Any]
_START = 1_770_000_000
_SIZE, _MOST = 25, 250


@dataclass
class Page:
    id: str
    title: str
    storage: str
    space: str
    parent: str = ""
    parent_type: str = "page"
    status: str = "current"
    version: int = 1
    moved: int = 0
    files: list[str] = field(default_factory=list[str])


@dataclass
class Wiki:
    """One site. ``throttle``: so many answers are 429 first; ``header_only``: the next page stands in ``Link`` alone."""

    name: str
    spaces: dict[str, str] = field(default_factory=dict[str, str])
    pages: dict[str, Page] = field(default_factory=dict[str, Page])
    folders: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    log: list[str] = field(default_factory=list[str])
    denied: list[str] = field(default_factory=list[str])
    throttle: int = 0
    retry_after: float = 0.0
    page_cap: int = _MOST
    header_only: bool = False

    @property
    def key(self) -> str:
        return f"agent1@{self.name}.example.com:{self.name}-key"


def sample(name: str) -> Wiki:
    """The site of a company: its sample space, where it has one."""
    wiki = Wiki(name)
    path = COMPANIES / name / "wiki.json"
    spaces: list[Json] = orjson.loads(path.read_bytes()) if path.is_file() else []
    for number, space in enumerate(spaces, start=1):
        wiki.spaces[space["key"]] = str(1000 + number)
        for page in space["pages"]:
            wiki.pages[page["id"]] = Page(
                page["id"],
                page["title"],
                page["storage"],
                space["key"],
                page.get("parent", ""),
                files=page.get("files", []),
            )
    return wiki


class Confluence:
    """ASGI application, mounted at ``/confluence/{company}``."""

    def __init__(self) -> None:
        self.wikis: dict[str, Wiki] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        company = scope["path_params"]["company"]
        wiki = self.wikis.get(company) or self.wikis.setdefault(company, sample(company))
        path = unquote(scope["path"].partition(f"/confluence/{company}")[2])
        try:
            if path.startswith("/admin/"):
                answer = self._admin(wiki, scope["method"], path.removeprefix("/admin/"), await _body(receive))
            else:
                query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
                answer = _api(wiki, dict(scope["headers"]), path, query)
        except Refused as refused:
            answer = refused.answer
        await deliver(scope, send, answer)

    def _admin(self, wiki: Wiki, method: str, action: str, body: bytes) -> Answer:
        if (method, action) == ("GET", "log"):
            return as_json(200, {"log": wiki.log})
        if action == "reset":
            self.wikis[wiki.name] = sample(wiki.name)
            return as_json(200, {})
        act = _ACTIONS.get(action)
        if act is None:
            return as_json(404, {"error": f"no such action: {method} {action}"})
        try:
            act(wiki, **(orjson.loads(body) if body else {}))
        except (TypeError, KeyError, ValueError) as wrong:
            return as_json(400, {"error": f"{type(wrong).__name__}: {wrong}"})
        return as_json(200, {})


# --- the API ------------------------------------------------------------------------------------------------------


def _api(wiki: Wiki, headers: dict[bytes, bytes], path: str, query: dict[str, str]) -> Answer:
    wiki.log.append(f"{path}?{urlencode(query)}" if query else path)
    expected = "Basic " + base64.b64encode(wiki.key.encode()).decode()
    if headers.get(b"authorization", b"").decode("latin-1") != expected:
        raise _refused(401, "Unauthorized; scope does not match")
    if wiki.throttle > 0:
        wiki.throttle -= 1
        limits = [(b"x-ratelimit-remaining", b"0"), (b"retry-after", b"%g" % wiki.retry_after)]
        raise Refused(Answer(429, b'{"message": "Rate limit exceeded."}', limits))
    match path.removeprefix("/wiki/api/v2/").split("/"):
        case ["spaces"]:
            wanted = query.get("keys", "").split(",")
            rows = [
                {"id": number, "key": key, "name": key, "status": "current"}
                for key, number in wiki.spaces.items()
                if key in wanted and key not in wiki.denied
            ]
            return _paged(wiki, path, query, rows)
        case ["spaces", number, "pages"]:
            key = next((key for key, one in wiki.spaces.items() if one == number), "")
            if not key or key in wiki.denied:
                raise _refused(404, "Space not found")
            return _pages(wiki, path, query, [page for page in wiki.pages.values() if page.space == key])
        case ["pages"]:
            ids = query.get("id", "").split(",")
            return _pages(wiki, path, query, [wiki.pages[one] for one in ids if one in wiki.pages])
        case ["pages", number]:
            return as_json(200, _shown(wiki, _page(wiki, number), query))
        case ["pages", number, "attachments"]:
            files = _page(wiki, number).files
            rows = [{"id": f"att{at}", "title": name, "status": "current"} for at, name in enumerate(files, start=1)]
            return _paged(wiki, path, query, rows)
        case ["folders", number] if number in wiki.folders:
            above, kind = wiki.folders[number]
            return as_json(200, {"id": number, "parentId": above or None, "parentType": kind, "status": "current"})
        case _:
            raise _refused(404, "Not Found")


def _page(wiki: Wiki, number: str) -> Page:
    page = wiki.pages.get(number)
    if page is None or page.space in wiki.denied:
        raise _refused(404, "Page not found")
    return page


def _pages(wiki: Wiki, path: str, query: dict[str, str], pages: list[Page]) -> Answer:
    statuses = query.get("status", "current,archived").split(",")
    shown = [page for page in pages if page.status in statuses and page.space not in wiki.denied]
    order = query.get("sort", "id")
    if order.endswith("modified-date"):
        shown.sort(key=lambda page: page.moved, reverse=order.startswith("-"))
    else:
        shown.sort(key=lambda page: int(page.id), reverse=order.startswith("-"))
    return _paged(wiki, path, query, [_shown(wiki, page, query) for page in shown])


def _shown(wiki: Wiki, page: Page, query: dict[str, str]) -> Json:
    body = {"storage": {"representation": "storage", "value": page.storage}} if query.get("body-format") else {}
    return {
        "id": page.id,
        "status": page.status,
        "title": page.title,
        "spaceId": wiki.spaces[page.space],
        "parentId": page.parent or None,
        "parentType": page.parent_type if page.parent else None,
        "createdAt": "2026-02-01T00:00:00.000Z",
        "version": {"number": page.version, "createdAt": f"2026-02-{min(28, page.version):02}T09:00:00.000Z"},
        "body": body,
        "_links": {"webui": f"/spaces/{page.space}/pages/{page.id}"},
    }


def _paged(wiki: Wiki, path: str, query: dict[str, str], rows: list[Json]) -> Answer:
    size = min(int(query.get("limit", _SIZE)), wiki.page_cap)
    if not 1 <= int(query.get("limit", _SIZE)) <= _MOST:
        raise _refused(400, f"limit must be between 1 and {_MOST}")
    start = int(query.get("cursor", "c0").removeprefix("c") or 0)
    answer: Json = {"results": rows[start : start + size], "_links": {"base": "/wiki"}}
    if start + size >= len(rows):
        return as_json(200, answer)
    following = f"{path}?{urlencode({**query, 'cursor': f'c{start + size}'})}"
    if not wiki.header_only:
        answer["_links"]["next"] = following
    sent = as_json(200, answer)
    sent.headers.append((b"link", f'<{following}>; rel="next", <https://sandbox.example/wiki>; rel="base"'.encode()))
    return sent


def _refused(status: int, message: str) -> Refused:
    return Refused(as_json(status, {"errors": [{"status": status, "code": "REFUSED", "title": message}]}))


# --- the hidden door ----------------------------------------------------------------------------------------------


def _touch(wiki: Wiki, page: Page) -> None:
    page.moved = max(one.moved for one in wiki.pages.values()) + 1


def _put(wiki: Wiki, id: str, title: str = "", storage: str = "", parent: str = "", space: str = "") -> None:  # noqa: A002
    page = wiki.pages.get(id)
    if page is None:
        wiki.spaces.setdefault(space, str(1001 + len(wiki.spaces)))
        page = wiki.pages[id] = Page(id, title, storage, space, parent)
    else:
        page.title, page.storage, page.version = title or page.title, storage or page.storage, page.version + 1
    _touch(wiki, page)


def _status(wiki: Wiki, id: str, status: str) -> None:  # noqa: A002
    if status == "deleted":
        del wiki.pages[id]
    else:
        wiki.pages[id].status = status


def _move(wiki: Wiki, id: str, parent: str = "", parent_type: str = "page", space: str = "") -> None:  # noqa: A002
    page = wiki.pages[id]
    page.parent, page.parent_type, page.space = parent, parent_type, space or page.space


def _folder(wiki: Wiki, id: str, parent: str = "", parent_type: str = "page") -> None:  # noqa: A002
    wiki.folders[id] = parent, parent_type


def _attach(wiki: Wiki, id: str, name: str) -> None:  # noqa: A002
    wiki.pages[id].files.append(name)


def _options(wiki: Wiki, **options: Any) -> None:
    for name, value in options.items():
        if not re.fullmatch("denied|throttle|retry_after|page_cap|header_only", name):
            raise ValueError(name)
        setattr(wiki, name, value)


_ACTIONS: dict[str, Callable[..., None]] = {
    "page": _put,
    "status": _status,
    "move": _move,
    "folder": _folder,
    "attach": _attach,
    "options": _options,
    "reset_log": lambda wiki: wiki.log.clear(),
}


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)
