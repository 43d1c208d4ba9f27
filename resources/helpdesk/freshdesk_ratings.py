"""Freshdesk's satisfaction ratings, which it keeps apart from the tickets: a new one moves no ticket.

Belongs here: how they are listed. Does not belong here: what they mean (``freshdesk_ticket``).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

from domain.errors import DocumentError
from resources.helpdesk.base import Json, Rating, Ratings, known_shape
from resources.helpdesk.freshdesk_lists import is_moment, moved_by
from resources.helpdesk.freshdesk_ticket import satisfaction
from resources.http import Http, HttpRefused

_PER_PAGE = 100
#: A rating may be listed a little after its time; what is listed twice is the same.
_LAG = timedelta(minutes=5)
#: Of several ratings of one second, a page may end between two; whether "since" takes in its own second is not documented.
_TIE = timedelta(seconds=1)


def ratings(http: Http, cursor: Json | None, since: str, notes: list[str]) -> Iterator[Ratings]:
    """Ratings created since the cursor, page by page; only the last page moves it. None, with a note, where the key may not
    read them or the plan has none.

    In which order they are listed is not documented. Behind the last page that can be asked for, a list goes on from the
    newest rating that was seen, provided that all were listed oldest first; else what lies there stays unread, with a note,
    and the cursor stays.
    """
    begun = (cursor or {}).get("since", since)
    newest, page, more = begun, 1, True
    is_sorted = True
    known: set[Any] = set()
    while more:
        try:
            params: dict[str, str | int] = {"created_since": begun, "per_page": _PER_PAGE, "page": page}
            answer = http.get("/surveys/satisfaction_ratings", params, shape=list)
        except HttpRefused as refused:
            if refused.status in (403, 404):
                notes.append(f"{refused.lacking} satisfaction ratings; tickets are read without")
                return
            if refused.status != 400 or page == 1:
                raise
            beyond = moved_by(newest, -_TIE)
            if not is_sorted or beyond <= begun:
                notes.append(
                    f"more ratings since {begun} than Freshdesk lists; those beyond page {page - 1} were not read"
                )
                return
            begun = newest = beyond
            page, known = 1, set()
            continue
        found = _rated(answer.value)
        times = [one["created_at"] for one in found if is_moment(one.get("created_at"))]
        is_sorted = is_sorted and all(before <= after for before, after in pairwise([newest, *times]))
        newest = max([newest, *times])
        shown = {one["id"] for one in found}
        is_new, known = not shown <= known, known | shown  # else the server does not turn pages
        page, more = page + 1, is_new and (answer.more or len(answer.value) >= _PER_PAGE)
        reached = begun if more else max(begun, moved_by(newest, -_LAG)) if newest > begun else begun
        yield Ratings(_said(found), {"since": reached})


def ratings_of(http: Http, ticket_id: str) -> Sequence[Rating]:
    """All ratings of one ticket; none where Freshdesk knows no such ticket."""
    said: list[Rating] = []
    page, more = 1, True
    while more:
        params: dict[str, str | int] = {"per_page": _PER_PAGE, "page": page}
        try:
            answer = http.get(f"/tickets/{ticket_id}/satisfaction_ratings", params, shape=list)
        except HttpRefused as refused:
            if refused.status != 404:
                raise
            return said
        said += _said(_rated(answer.value))
        page, more = page + 1, answer.more or len(answer.value) >= _PER_PAGE
    return said


def _rated(listed: Iterable[Any]) -> list[Json]:
    wanted = (one for one in listed if isinstance(one, dict) and one.get("ticket_id"))
    return [one for one in wanted if isinstance(one.get("id"), int | str)]


def _said(found: Iterable[Json]) -> list[Rating]:
    """Without those of an unknown shape, which nobody could show."""
    said: list[Rating] = []
    for one in found:
        with suppress(DocumentError), known_shape("rating"):
            if score := satisfaction(one):
                said.append(Rating(str(one["id"]), str(one["ticket_id"]), score))
    return said
