"""A stand-in for a Qdrant server: real HTTP, every body checked, answers from qdrant-client's in-memory engine.

Belongs here: Qdrant's REST paths that Casebook uses, what of strict mode can be told from a request, faults on request.
Does not belong here: any knowledge of Casebook's collections.

The body of every request is read into qdrant-client's own models, which refuse unknown fields; then the in-memory engine
does it. It is NOT a Qdrant server, and passing here is no proof for one. It cannot show: HNSW graphs and their recall,
quantisation and rescoring, what lies on disk or in memory, speed, strict mode beyond two of its rules (limits, and filters
without an index), the consistency of a cluster, ``wait=false``, snapshots, the real words of errors, or versions other
than the client's own.

>>> with QdrantStandIn(key="k") as server:
...     server.url, server.key
"""

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_warnings import SEEN_MESSAGES

from sandbox.serve import HOST, in_thread

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

Kind = Literal["400", "403", "429", "500", "503", "507", "slow", "reset", "lost"]
"""``reset`` drops the connection before anything is done, ``lost`` after it was done; ``slow`` answers late; the others
answer with that status and do nothing."""


@dataclass(slots=True)
class Fault:
    """Befalls ``times`` requests in whose "METHOD path" the expression ``on`` is found, after ``skip`` that went well.
    ``retry_after``: what a 429 or 503 says; ``seconds``: how late ``slow`` is."""

    kind: Kind
    on: str = ""
    times: int = 1
    skip: int = 0
    retry_after: str | None = None
    seconds: float = 2.0


@dataclass(slots=True)
class Asked:
    """A request as it came in."""

    method: str
    path: str
    query: str
    body: Any


@dataclass(slots=True)
class _Settings:
    """What a collection was given that the in-memory engine has no use for."""

    created: dict[str, Any]
    updated: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    indexes: dict[str, Any] = field(default_factory=dict[str, Any])


class _Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class QdrantStandIn:
    """Runs while the ``with`` block does, in a thread. ``key``: the API key it asks for ("" for none)."""

    def __init__(self, key: str = "", version: str = "1.20.0") -> None:
        self.key = key
        self.version = version
        self.engine = QdrantClient(":memory:")
        # It would warn, once, of search parameters that it has no use for.
        SEEN_MESSAGES.add("local_query_points_search_params_ignored")
        self.log: list[Asked] = []
        self.faults: list[Fault] = []
        self.settings: dict[str, _Settings] = {}
        self.port = 0
        self._lock = threading.Lock()
        self._running: AbstractContextManager[int] | None = None

    def __enter__(self) -> Self:
        self._running = in_thread(self._application(), self.port)
        self.port = self._running.__enter__()
        return self

    def __exit__(self, *failure: Any) -> None:
        assert self._running is not None
        self._running.__exit__(*failure)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def clear(self) -> None:
        """Forget everything: an empty server."""
        with self._lock:
            for one in self.engine.get_collections().collections:
                self.engine.delete_collection(one.name)
            self.settings.clear()
            self.log.clear()
            self.faults.clear()

    def asked(self, part: str) -> list[Asked]:
        """The requests so far whose "METHOD path" has this in it."""
        return [one for one in self.log if part in f"{one.method} {one.path}"]

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _application(self) -> "Starlette":
        from starlette.applications import Starlette
        from starlette.routing import Route

        async def answer(request: "Request") -> "Response":
            return await self._answer(request)

        return Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "PUT", "POST", "PATCH", "DELETE"])])

    async def _answer(self, request: "Request") -> "Response":
        body = await request.body()
        path = request.url.path
        try:
            said = orjson.loads(body) if body else None
            self.log.append(Asked(request.method, path, request.url.query, said))
            given = request.headers.get("api-key", "")
            if self.key and given != self.key:
                raise _Refused(403 if given else 401, "Must provide an API key or an Authorization bearer token")
            fault = self._fault(f"{request.method} {path}")
            if fault is not None and fault.kind == "slow":
                await asyncio.sleep(fault.seconds)
            elif fault is not None and fault.kind == "reset":
                return self._cut(request)
            elif fault is not None and fault.kind != "lost":
                return _status(int(fault.kind), _WORDS[fault.kind], fault.retry_after)
            with self._lock:
                result = self._do(request.method, path.strip("/").split("/"), body)
            if fault is not None and fault.kind == "lost":
                return self._cut(request)
        except _Refused as refused:
            return _status(refused.status, str(refused))
        except ValidationError as wrong:
            return _status(400, f"Format error in JSON body: {wrong.errors()[0]}")
        except ValueError as wrong:
            return _status(*_in_words(str(wrong)))
        return _json(200, result)

    def _fault(self, asked: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.on, asked):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    @staticmethod
    def _cut(request: "Request") -> "Response":
        from starlette.responses import Response

        request.scope["sandbox.transport"].abort()
        return Response()

    # --- what is asked ------------------------------------------------------------------------------------------------

    def _do(self, method: str, path: list[str], body: bytes) -> Any:
        match method, path:
            case "GET", [""]:
                return {"title": "stand-in", "version": self.version}
            case "GET", ["collections"]:
                return _result(self.engine.get_collections())
            case "GET", ["aliases"]:
                return _result(self.engine.get_aliases())
            case "POST", ["collections", "aliases"]:
                asked = models.ChangeAliasesOperation.model_validate_json(body)
                return _result(self.engine.update_collection_aliases(asked.actions))
            case _, ["collections", name]:
                return self._collection(method, name, body)
            case "GET", ["collections", name, "exists"]:
                return _result({"exists": self.engine.collection_exists(name)})
            case "GET", ["collections", name, "aliases"]:
                return _result(self.engine.get_collection_aliases(self._found(name)))
            case "PUT", ["collections", name, "index"]:
                return self._index(self._found(name), models.CreateFieldIndex.model_validate_json(body))
            case _, ["collections", name, *points]:
                return self._points(method, self._found(name), "/".join(points), body)
        raise _Refused(404, "")

    def _found(self, name: str) -> str:
        """The physical name of a collection or alias."""
        aliases = {one.alias_name: one.collection_name for one in self.engine.get_aliases().aliases}
        name = aliases.get(name, name)
        if name not in self.settings:
            raise _Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return name

    def _collection(self, method: str, name: str, body: bytes) -> Any:
        if method == "PUT":
            new = models.CreateCollection.model_validate_json(body)
            if name in self.settings:
                raise _Refused(409, f"Wrong input: Collection `{name}` already exists!")
            self.engine.create_collection(name, vectors_config=new.vectors, sparse_vectors_config=new.sparse_vectors)
            self.settings[name] = _Settings(orjson.loads(body))
            return _result(True)
        if method == "DELETE":
            self.settings.pop(name, None)
            return _result(self.engine.delete_collection(name))
        name = self._found(name)
        if method == "GET":
            info = self.engine.get_collection(name)
            given = [self.settings[name].created, *self.settings[name].updated]
            quantized = next((one["quantization_config"] for one in given if one.get("quantization_config")), None)
            return _result(info.model_dump(mode="json") | {"config": _with(info, quantized)})
        change = models.UpdateCollection.model_validate_json(body)
        self.engine.update_collection(name, sparse_vectors_config=change.sparse_vectors)
        self.settings[name].updated.append(orjson.loads(body))
        return _result(True)

    def _index(self, name: str, new: models.CreateFieldIndex) -> Any:
        schema = new.field_schema
        self.settings[name].indexes[new.field_name] = schema.model_dump() if isinstance(schema, BaseModel) else schema
        return _result({"operation_id": 0, "status": "completed"})

    def _points(self, method: str, name: str, what: str, body: bytes) -> Any:
        match method, what:
            case "PUT", "points":
                put = models.PointsList.model_validate_json(body)
                return _result(self.engine.upsert(name, put.points))
            case "POST", "points":
                get = models.PointRequest.model_validate_json(body)
                return _result(
                    self.engine.retrieve(name, get.ids, get.with_payload is not False, get.with_vector or False)
                )
            case "POST", "points/delete":
                selected: Any = _SELECTOR.validate_json(body)
                self._strict(name, getattr(selected, "filter", None))
                return _result(self.engine.delete(name, selected))
            case "POST", "points/count":
                count = models.CountRequest.model_validate_json(body)
                self._strict(name, count.filter)
                return _result(self.engine.count(name, count.filter))
            case "POST", "points/scroll":
                page = models.ScrollRequest.model_validate_json(body)
                self._strict(name, page.filter, page.limit)
                points, after = self.engine.scroll(
                    name,
                    page.filter,
                    page.limit or 10,
                    offset=page.offset,
                    with_payload=True if page.with_payload is None else page.with_payload,
                    with_vectors=page.with_vector or False,
                )
                return _result({"points": points, "next_page_offset": after})
            case "POST", "points/query/batch":
                batch = models.QueryRequestBatch.model_validate_json(body)
                for one in batch.searches:
                    self._strict(name, one.filter, one.limit)
                return _result(self.engine.query_batch_points(name, batch.searches))
        raise _Refused(404, "")

    def _strict(self, name: str, condition: models.Filter | None, limit: int | None = None) -> None:
        """Two rules of strict mode, where the collection has it."""
        strict = self.settings[name].created.get("strict_mode_config") or {}
        most = strict.get("max_query_limit")
        if most and limit and limit > most:
            raise _Refused(400, f'Forbidden: Limit exceeded {limit} > {most} for "limit"')
        if strict.get("unindexed_filtering_retrieve") is False:
            for key in _keys(condition):
                if key not in self.settings[name].indexes:
                    raise _Refused(400, f'Bad request: Index required but not found for "{key}"')


_SELECTOR: TypeAdapter[Any] = TypeAdapter(models.PointsSelector)
_WORDS: dict[str, str] = {
    "400": "Bad request: made to fail",
    "403": "Forbidden: made to fail",
    "429": "Too many requests: made to fail",
    "500": "Service internal error: made to fail",
    "503": "Service unavailable: made to fail",
    "507": "Service internal error: No space left on device",
}


def _keys(condition: models.Filter | None) -> Iterator[str]:
    for name in ("must", "must_not", "should"):
        given = getattr(condition, name, None) or []
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, models.FieldCondition):
                yield one.key
            elif isinstance(one, models.Filter):
                yield from _keys(one)


def _with(info: models.CollectionInfo, quantized: Any) -> dict[str, Any]:
    return info.config.model_dump(mode="json") | {"quantization_config": quantized}


def _in_words(said: str) -> tuple[int, str]:
    """The in-memory engine's refusal as the server's status."""
    if "not found" in said:
        return 404, f"Not found: {said}"
    return (409 if "already exists" in said else 400), f"Wrong input: {said}"


def _result(result: Any) -> dict[str, Any]:
    return {"result": result, "status": "ok", "time": 0.0}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return str(value)


def _json(status: int, content: Any, **headers: str) -> "Response":
    from starlette.responses import Response

    body = orjson.dumps(content, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(body, status, headers, media_type="application/json")


def _status(status: int, words: str, retry_after: str | None = None) -> "Response":
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    return _json(status, {"status": {"error": words}, "time": 0.0}, **headers)
