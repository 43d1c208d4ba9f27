"""Conversations while they go on: which session a question belongs to, what was said in it, and keeping what was answered.

Belongs here: the session of a question, from the store and from what this process has not written yet. Does not belong here:
the rules of a session (``domain/sessions``), the table (``resources/storage/exchanges``), or answering (``ask``).
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from domain.company import Company
from domain.conversation import Exchange
from domain.sessions import context, is_over, session_id, since, user_id, user_of
from resources.background import PATIENCE, BackgroundWriter
from resources.companies import Companies

_TRIES = 30
"""An exchange is given up only after minutes: a sync may write all that time, and a database be away."""
_writer = BackgroundWriter[Exchange]("conversations", lambda store, given: store.keep_exchanges(given), tries=_TRIES)
_ANONYMOUS = "anonymous-"
_OTHERS_SESSION = "The session belongs to another user: it was not continued."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question stands: the user, the session, and its last exchanges, oldest first."""

    user: str
    session: str
    before: list[Exchange]
    notes: list[str]


class Conversations:
    """Those of one company. Threads may share it. Keeping never waits for a store, and what waits to be written is known to
    the next question all the same."""

    def __init__(self, companies: Companies, company: Company) -> None:
        self._companies, self._id = companies, company.id
        self._lock = threading.Lock()
        self._open: dict[str, list[tuple[str, str]]] = {}
        """By user, (session, moment) of questions that are being answered."""

    @contextmanager
    def place(self, company: Company, user: str, session: str, now: str) -> Iterator[Place]:
        """The place of a question that is asked now (ISO 8601 UTC); while it is answered, another one of the user finds the
        same session. Without a user the session's own is taken, without both somebody whom nobody else is.

        Raises ``InputError`` for what is no id of a user or a session.
        """
        notes: list[str] = []
        if session:
            owner = user_of(session)
            user = user_id(user) if user.strip() else owner
            if owner != user:
                session, notes = "", [_OTHERS_SESSION]
        else:
            user = user_id(user) if user.strip() else _ANONYMOUS + uuid4().hex[:12]
        with self._lock:
            name, before = self._found(company, user, session, now)
            self._open.setdefault(user, []).append((name, now))
        try:
            yield Place(user, name, before, notes)
        finally:
            with self._lock:
                self._open[user].remove((name, now))
                if not self._open[user]:
                    del self._open[user]

    def keep(self, exchange: Exchange) -> None:
        """Keep what was answered, soon. Never blocks and never raises."""
        _writer.keep(self._companies, self._id, exchange)

    def close(self, seconds: float = PATIENCE) -> bool:
        """Write what waits; whether all of it was written."""
        return _writer.close(seconds)

    def _found(self, company: Company, user: str, session: str, now: str) -> tuple[str, list[Exchange]]:
        minutes = company.setting("session_minutes")
        waiting = [one for one in _writer.waiting(self._companies, self._id) if one.user_id == user]  # before the store
        with self._companies.store(self._id) as store:
            if session:
                last = store.session(session, 1)
            else:
                last = [one for one in [store.last_exchange(user, since(now, minutes))] if one]
            asked = [(one.asked_at, one.session_id) for one in (*last, *waiting)]
            asked += [(at, name) for name, at in self._open.get(user, ())]
            alive = [
                (at, name) for at, name in asked if (not session or name == session) and not is_over(at, now, minutes)
            ]
            if alive:
                name = max(alive)[1]
                return name, context([*store.session(name, 10), *waiting], name)
            taken = {name for _, name in asked}
            return session_id(
                user, now, company.setting("time_zone"), lambda name: name in taken or bool(store.session(name, 1))
            ), []
