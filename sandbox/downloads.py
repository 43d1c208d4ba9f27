"""What answers at a signed address: the file, whole, slow, endless or not at all.

Belongs here: checking the signature, sending bytes. Does not belong here: making them (``files``).
"""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox import attachments, files
from sandbox.account import Account

#: How often and how long ``slow`` waits between its pieces, in seconds.
PIECES, PAUSE = 30, 1.0

_CHUNK = b"0123456789abcdef" * 4096
_ERRORS = {"403": 403, "404": 404, "500": 500}
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError"}


async def download(request: Request, accounts: dict[str, Account]) -> Response:
    """A file, to whoever has a fresh signature: there is no other check on it."""
    account = accounts.get(request.path_params["company"])
    file = account and account.world.attachment(request.path_params["attachment"])
    if not attachments.valid(request.url.query):
        return _error(403)
    if not account or not file:
        return _error(404)
    made = account.world.files.get(file["id"])
    named = {
        "content-type": file["content_type"],
        "content-disposition": f"inline; filename*=UTF-8''{quote(file['name'])}",
    }
    if made is None:
        return Response(_plain(account, file), headers=named)
    if made.kind in _ERRORS:
        return _error(_ERRORS[made.kind])
    if made.kind == "huge":
        return StreamingResponse(_endless(files.HUGE), headers=named | {"content-length": str(files.HUGE)})
    if made.kind == "lying":
        return StreamingResponse(_endless(None), headers=named)
    if made.kind == "slow":
        return StreamingResponse(_slowly(made.body), headers=named | {"content-length": str(len(made.body))})
    return Response(made.body, headers=named)


def _plain(account: Account, file: files.Json) -> bytes:
    """A file that nobody made: with the authors' words if there are any, else bytes that look like the type."""
    words = account.world.helpdesk.files.get(file["name"])
    if words:
        return files.of_words(words, file)
    return attachments.content(file["id"], file["content_type"], file["size"])


def _error(status: int) -> Response:
    return Response(f"<Error><Code>{_CODES[status]}</Code></Error>", status, media_type="application/xml")


async def _endless(size: int | None) -> AsyncIterator[bytes]:
    """``size`` bytes, or as many as the reader takes."""
    left = size
    while left is None or left > 0:
        yield _CHUNK if left is None else _CHUNK[:left]
        left = None if left is None else left - len(_CHUNK)
        await asyncio.sleep(0)


async def _slowly(body: bytes) -> AsyncIterator[bytes]:
    step = max(1, len(body) // PIECES)
    for start in range(0, len(body), step):
        yield body[start : start + step]
        await asyncio.sleep(PAUSE)
