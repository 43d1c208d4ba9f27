"""Freshdesk's satisfaction ratings, which it keeps apart from the tickets: a new one moves no ticket.

Belongs here: how they are listed. Does not belong here: what they mean (``freshdesk_ticket``).
"""

from collections.abc import Iterator
from datetime import timedelta

from resources.helpdesk.base import Json, Rating, Ratings
from resources.helpdesk.freshdesk_lists import moved_by
from resources.helpdesk.freshdesk_ticket import satisfaction
from resources.http import Http, HttpRefused

_PER_PAGE = 100
#: A rating may be listed a little after its time; what is listed twice is the same.
_LAG = timedelta(minutes=5)


def ratings(http: Http, cursor: Json | None, since: str, notes: list[str]) -> Iterator[Ratings]:
    """Ratings created since the cursor, page by page; only the last page moves it. None, with a note, where the key may not
    read them or the plan has none."""
    begun = (cursor or {}).get("since", since)
    newest, page, more = begun, 1, True
    while more:
        try:
            params: dict[str, str | int] = {"created_since": begun, "per_page": _PER_PAGE, "page": page}
            answer = http.get("/surveys/satisfaction_ratings", params, shape=list)
        except HttpRefused as refused:
            if refused.status in (403, 404):
                notes.append("this key may not read satisfaction ratings; tickets are read without")
                return
            if refused.status != 400 or page == 1 or newest == begun:
                raise
            begun, page = newest, 1  # beyond the last page that can be asked for
            continue
        found = [one for one in answer.value if isinstance(one, dict) and one.get("ticket_id") and one.get("id")]
        newest = max([newest, *(str(one.get("created_at") or "") for one in found)])
        said = [Rating(str(one["id"]), str(one["ticket_id"]), score) for one in found if (score := satisfaction(one))]
        page, more = page + 1, answer.more or len(answer.value) >= _PER_PAGE
        reached = begun if more else max(begun, moved_by(newest, -_LAG)) if newest > begun else begun
        yield Ratings(said, {"since": reached})
