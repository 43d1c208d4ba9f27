"""The HTTP service: ask and search for chat bots, a key for each company.

Belongs here: addresses, who may ask, the form of answers and errors. Does not belong here: what is answered (``ask``,
``search``), the keys (``resources/api_keys``), or starting a server (``pipelines/cli/serve``).

A wrong key, a company without one and a company that is not there are answered alike. No text of a user is logged.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError
from starlette.exceptions import HTTPException

from domain.company import Company, CompanyId, company_id
from domain.errors import CasebookError, CompanyBusy, InputError, SourceUnavailable, StorageUnavailable
from domain.stage import DataType
from query.ask import MOST_QUESTION, Asker
from query.marking import marked
from query.recommendations import Recorder, recommendation
from query.search import DATA_TYPES
from resources.api_keys import KeyCheck
from resources.companies import Companies

_LOG = logging.getLogger(__name__)
MOST_BODY = 64 * 1024
"""Bytes of a request's body."""
MOST_HITS = 100
MOST_OPEN = 32
"""Companies whose models and indexes are kept open."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


Body = TypeVar("Body", bound=BaseModel)


class AskBody(BaseModel):
    """What ``ask`` takes."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[StrictStr, Field(max_length=MOST_QUESTION)]
    user: StrictStr = ""
    session: StrictStr = ""


class SearchBody(BaseModel):
    """What ``search`` takes; ``in`` are data types, all there are where it is empty."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[StrictStr, Field(max_length=MOST_QUESTION)]
    k: Annotated[int, Field(ge=1, le=MOST_HITS)] = 10
    types: Annotated[list[StrictStr], Field(alias="in", max_length=10)] = []


class OpenCompanies:
    """The askers of the companies that were asked last, ``most`` of them. Threads may share it."""

    def __init__(self, companies: Companies, most: int = MOST_OPEN) -> None:
        self.companies, self._most = companies, most
        self.recorder = Recorder(companies)
        self._lock = threading.Lock()
        self._open: OrderedDict[CompanyId, Asker] = OrderedDict()

    def asker(self, company: str) -> Asker:
        """Raises ``InputError`` for a company that is gone."""
        known = self.companies.current(company_id(company))
        with self._lock:
            made = self._open.get(known.id)
            if made is None or _is_another(made.company, known):
                made = self._open[known.id] = Asker(self.companies, known, self.recorder)
            self._open.move_to_end(known.id)
            while len(self._open) > self._most:
                self._open.popitem(last=False)  # it may be answering: it closes itself when nobody holds it any more
            return made

    def __len__(self) -> int:
        return len(self._open)

    def close(self) -> bool:
        """Write what waits; whether all of it was written."""
        with self._lock:
            askers, self._open = list(self._open.values()), OrderedDict()
        return all([self.recorder.close(), *(one.close() for one in askers)])


def _is_another(made: Company, known: Company) -> bool:
    """A company of this id that was removed and added again."""
    return (made.created_at, made.platform, made.endpoint) != (known.created_at, known.platform, known.endpoint)


def create_app(companies: Companies) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The service as an ASGI application."""
    held, keys = OpenCompanies(companies), KeyCheck(companies)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(held.close)

    app = FastAPI(title="Casebook", docs_url=None, redoc_url=None, openapi_url=None, lifespan=life)

    @app.get("/healthz")
    async def health() -> Response:  # pyright: ignore[reportUnusedFunction]
        return _json(200, {"ok": True})

    @app.post("/v1/{company}/ask")
    async def ask(company: str, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        await run_in_threadpool(_refuse_strangers, keys, company, request)
        said = _body(AskBody, await request.body())
        answer = await run_in_threadpool(
            lambda: held.asker(company).ask(said.text, user_id=said.user, session_id=said.session)
        )
        return _json(200, asdict(answer))

    @app.post("/v1/{company}/search")
    async def search(company: str, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        await run_in_threadpool(_refuse_strangers, keys, company, request)
        said = _body(SearchBody, await request.body())
        return _json(200, await run_in_threadpool(_searched, held, company, said))

    @app.get("/v1/{company}/search")
    async def search_by_address(company: str, request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        await run_in_threadpool(_refuse_strangers, keys, company, request)
        given: dict[str, Any] = dict(request.query_params)
        if "in" in given:
            given["in"] = [one.strip() for one in str(given["in"]).split(",") if one.strip()]
        return _json(200, await run_in_threadpool(_searched, held, company, _read(SearchBody, given)))

    _tell_errors(app)
    return _Guard(app)


def _tell_errors(app: FastAPI) -> None:
    """Whatever goes wrong is JSON of one form."""

    @app.exception_handler(CasebookError)
    async def told(_: Request, error: CasebookError) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _error(_status(error), error.title, error.detail, error.remedy)

    @app.exception_handler(HTTPException)
    async def not_there(_: Request, error: HTTPException) -> Response:  # pyright: ignore[reportUnusedFunction]
        if error.status_code == 405:
            return _error(405, "this address takes another method.", remedy="See docs/ask.md.")
        return _error(error.status_code, "there is nothing at this address.", remedy="See docs/ask.md.")

    @app.exception_handler(Exception)
    async def wrong(_: Request, __: Exception) -> Response:  # pyright: ignore[reportUnusedFunction]
        return _error(500, "something went wrong here.", remedy="Ask again; if it stays so, see the service's log.")


class _Guard:
    """Before the application: a body has its bound, and what goes wrong is one line of the log that holds no text of
    anybody."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BODY:
                raise _TooLarge("the body is too large.", f"It may have {MOST_BODY:,} bytes.", "Ask in fewer words.")
            return message

        try:
            await self._app(scope, bounded, send)
        except Exception as error:  # it was answered; its kind holds no text of a user, its message may
            if scope["type"] != "http":
                raise
            _LOG.error("a request failed: %s", type(error).__name__)


class _TooLarge(CasebookError):
    """A body beyond its bound."""


class Stranger(CasebookError):
    """Nobody who may ask: which company was meant, and whether it is there, is not said."""


def _refuse_strangers(keys: KeyCheck, company: str, request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    is_good = keys.is_good(company, key.strip())
    if not is_good or scheme.lower() != "bearer":
        raise Stranger("no such company, or a wrong key.", remedy="Send 'Authorization: Bearer KEY' with its key.")


def _searched(held: OpenCompanies, company: str, said: SearchBody) -> Mapping[str, Any]:
    asker = held.asker(company)
    unknown = [one for one in said.types if one not in DATA_TYPES]
    if unknown:
        raise InputError("an unknown data type.", f"Known: {', '.join(DATA_TYPES)}.")
    built = asker.searcher.built()
    types: list[DataType] = [one for one in DATA_TYPES if one in said.types or (not said.types and one in built)]
    answer = asker.searcher.search(said.text, said.k, data_types=types or ("ticket",), is_grouped=True)
    asked = {"kind": "search", "k": said.k, "in": types}
    hits = [asdict(hit) for hit in answer.hits]
    held.recorder.keep(
        asker.company.id, recommendation(answer.recommendation_id, answer.query, asked, hits, answer.versions)
    )
    return asdict(marked(answer))


def _body(kind: type[Body], body: bytes) -> Body:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InputError("the body is no JSON.", remedy='Send {"text": "…"} as UTF-8.') from None
    if not isinstance(given, dict):
        raise InputError("the body is no JSON object.", remedy='Send {"text": "…"}.')
    return _read(kind, given)  # pyright: ignore[reportUnknownArgumentType]


def _read(kind: type[Body], given: Mapping[str, Any]) -> Body:
    """Raises ``InputError`` that names fields and never repeats what stood in them."""
    try:
        return kind.model_validate(given)
    except ValidationError as wrong:
        known = {field.alias or name for name, field in kind.model_fields.items()}
        told = [
            f"{name if (name := str(error['loc'][0])) in known else 'an unknown field'}: {error['msg']}"
            for error in wrong.errors(include_input=False, include_url=False)
        ]
        raise InputError(
            "bad request.", "; ".join(dict.fromkeys(told)), f"Fields: {', '.join(sorted(known))}."
        ) from None


def _status(error: CasebookError) -> int:
    if isinstance(error, Stranger):
        return 401
    if isinstance(error, _TooLarge):
        return 413
    if isinstance(error, InputError):
        return 400
    return 503 if isinstance(error, CompanyBusy | StorageUnavailable | SourceUnavailable) else 500


def _error(status: int, title: str, detail: str = "", remedy: str = "") -> Response:
    made = _json(status, {"error": {"title": title, "detail": detail, "remedy": remedy}})
    if status == 401:
        made.headers["www-authenticate"] = "Bearer"
    return made


def _json(status: int, value: Any) -> Response:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(orjson.dumps(value, default=str), status, headers, "application/json")
