"""What a request to Freshdesk's API asks for: pages, times, numbers, choices; and the link to the next page.

Belongs here: reading parameters, refusing wrong ones in Freshdesk's words. Does not belong here: the answers to them.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson

from sandbox import corpus
from sandbox.account import Request
from sandbox.answers import Answer, Refused, invalid, validation
from sandbox.shape import Json

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")


def only(given: dict[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise Refused(validation(*((name, "Unexpected/invalid field in request", "invalid_field") for name in unknown)))


def paging(query: dict[str, str]) -> tuple[int, int]:
    """``page`` and ``per_page``."""
    page, per_page = number(query, "page", 1), number(query, "per_page", 30)
    if page < 1:
        raise Refused(invalid("page", "It should be a/an Positive Integer"))
    if not 1 <= per_page <= 100:
        raise Refused(invalid("per_page", "It should be a/an Positive Integer less than or equal to 100"))
    return page, per_page


def number(query: dict[str, str], name: str, default: int = 0) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not value.isdecimal():
        raise Refused(validation((name, "It should be a/an Positive Integer", "datatype_mismatch")))
    return int(value)


def includes(query: dict[str, str], known: Sequence[str]) -> list[str]:
    wanted = [name for name in query.get("include", "").split(",") if name]
    if any(name not in known for name in wanted):
        raise Refused(invalid("include", f"It should be one of these values: '{listed(known)}'"))
    return wanted


def one_of(query: dict[str, str], name: str, known: Sequence[str], default: str | None) -> Any:
    value = query.get(name, default)
    if value is not default and value not in known:
        raise Refused(invalid(name, f"It should be one of these values: '{listed(known)}'"))
    return value


def listed(values: Any) -> str:
    return ",".join(str(value) for value in values)


def time(query: dict[str, str], name: str) -> str | None:
    """A time parameter in the form of the stored times; offsets are converted, a bare date is its midnight."""
    value = query.get(name)
    if value is None:
        return None
    value = value.replace(" ", "+")  # a '+' that was not percent-encoded arrives as a space
    try:
        if not _TIME.fullmatch(value):
            raise ValueError(value)
        moment = datetime.fromisoformat(value)
    except ValueError as wrong:
        message = "It should be in the 'combined date and time ISO8601' format"
        raise Refused(validation((name, message, "invalid_value"))) from wrong
    return corpus.stamp(moment.replace(tzinfo=corpus.UTC) if moment.tzinfo is None else moment.astimezone(corpus.UTC))


def next_link(request: Request, page: int, *, more: bool) -> list[tuple[bytes, bytes]]:
    if not more:
        return []
    query = urlencode(request.query | {"page": page + 1})
    return [(b"link", f'<{request.base}/api/v2/{request.path}?{query}>; rel="next"'.encode())]


def one_page(request: Request, records: Sequence[Json]) -> Answer:
    """The page of a list that the request asks for."""
    page, per_page = paging(request.query)
    start = (page - 1) * per_page
    shown = [*records[start : start + per_page]]
    return Answer(200, orjson.dumps(shown), next_link(request, page, more=len(records) > start + per_page))
