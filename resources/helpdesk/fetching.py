"""Listed documents, fetched side by side and given back in their order, as pages that a walk commits.

Belongs here: what every helpdesk with a list and a request for each document does between the two.
Does not belong here: any platform's list or document (its adapter).
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from domain.errors import DocumentError
from resources.helpdesk.base import Document, Json, Page, Stored, Unreadable
from resources.http import BadAnswer, HttpRefused

#: Documents in one page of ours. Small, so that a kill wastes little: what was fetched and not yet committed.
CHUNK = 32
#: Documents fetched before one that is still on its way, at most: one that waits out a refusal must not stop the others.
AHEAD = 500


@dataclass(frozen=True, slots=True)
class Gone:
    """A document that the source says is deleted or spam."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A document that must be fetched: its ``row`` of the list, and what is stored of it (``kept``)."""

    row: Json
    kept: Json | None = None


#: A document of a walk; None where it is stored just as it was listed.
Step = tuple[str, Moved | Unreadable | Gone | None]
Outcome = Document | Unreadable | Gone | None


@contextmanager
def asked_for_alone() -> Iterator[None]:
    """What goes wrong where one document is asked for is that document's: ``DocumentError``. Raises ``HttpRefused`` when the
    key itself is refused."""
    try:
        yield
    except HttpRefused as refused:
        if refused.status == 401:
            raise
        raise DocumentError(refused.title, refused.detail) from refused
    except BadAnswer as bad:
        raise DocumentError(bad.title, bad.detail) from bad


def settled(doc_id: str, fetch: Callable[[], Outcome], view: Callable[[str], Document | None]) -> Outcome:
    """What ``fetch`` gives of a listed document; what is wrong with this document alone becomes ``Unreadable``.

    A refusal for one document is a deletion only when ``view``, which looks everywhere, has it nowhere. Raises
    ``HttpRefused`` when the key itself is refused.
    """
    try:
        return fetch()
    except HttpRefused as refused:
        if refused.status == 401:
            raise
        try:
            return view(doc_id) or Gone()
        except DocumentError:
            return Unreadable(doc_id, refused.detail)
    except BadAnswer as bad:
        return Unreadable(doc_id, bad.detail)
    except DocumentError as odd:
        return Unreadable(doc_id, str(odd))


@dataclass(frozen=True, slots=True)
class Listed:
    """What one list answer brought. ``stands`` go into the cursor once the ``steps`` are done."""

    steps: list[Step]
    stands: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class _Chunk:
    """A page of ours while it fills."""

    documents: list[Document] = field(default_factory=list[Document])
    seen: list[str] = field(default_factory=list[str])
    gone: list[str] = field(default_factory=list[str])
    unreadable: list[Unreadable] = field(default_factory=list[Unreadable])

    def add(self, doc_id: str, outcome: Outcome) -> None:
        if isinstance(outcome, Gone):
            self.gone.append(doc_id)
            return
        self.seen.append(doc_id)
        if isinstance(outcome, Document):
            self.documents.append(outcome)
        elif outcome:
            self.unreadable.append(outcome)

    def page(self, stands: Json) -> Page:
        return Page(self.documents, self.seen, dict(stands), self.gone, self.unreadable)


_Waiting = tuple[str, "Future[Outcome] | Unreadable | Gone | None"]


def moved(rows: Mapping[str, Json], version: Callable[[Json], str], stored: Stored) -> list[Step]:
    """The steps of listed documents: those whose version is not the stored one must be fetched."""
    versions = stored.versions(list(rows))
    stale = [doc_id for doc_id, row in rows.items() if versions.get(doc_id) != version(row)]
    kept = stored.payloads(stale)
    fetched = {doc_id: Moved(rows[doc_id], kept.get(doc_id)) for doc_id in stale}
    return [(doc_id, fetched.get(doc_id)) for doc_id in rows]


def fetched(
    lists: Iterable[Listed],
    fetch: Callable[[Moved], Outcome],
    cursor: Json | None,
    *,
    workers: int,
    wake: threading.Event,
) -> Generator[Page, None, Json]:
    """The pages of a walk; returns the last cursor.

    The lists are asked for as they are needed. ``wake`` is set while the walk is given up, so that fetches that wait
    end. The documents of one list may fill several pages: they carry the cursor from before it, and the last one moves.
    """
    stands: Json = dict(cursor or {})
    pool = ThreadPoolExecutor(workers, "fetch")
    chunk = _Chunk()
    try:
        for step in _in_order(pool, fetch, lists, workers):
            if isinstance(step, tuple):
                if len(chunk.documents) == CHUNK:
                    yield chunk.page(stands)
                    chunk = _Chunk()
                chunk.add(*step)
            else:
                stands |= step.stands
                yield chunk.page(stands)
                chunk = _Chunk()
    finally:
        wake.set()
        pool.shutdown(cancel_futures=True)
        wake.clear()
    return stands


def _in_order(
    pool: ThreadPoolExecutor, fetch: Callable[[Moved], Outcome], lists: Iterable[Listed], workers: int
) -> Iterable[tuple[str, Outcome] | Listed]:
    """Every document and, behind its own, every list. One that takes long (it is tried again) keeps the others from being
    given back, not from being fetched."""
    free = threading.Semaphore(workers * 3 // 2)
    ahead: deque[_Waiting | Listed] = deque()
    for listed in lists:
        for doc_id, step in listed.steps:
            if isinstance(step, Moved):
                free.acquire()
                step = pool.submit(fetch, step)
                step.add_done_callback(lambda _: free.release())
            ahead.append((doc_id, step))
            while ahead and (len(ahead) > AHEAD or _is_settled(ahead[0])):
                yield _settled(ahead.popleft())
        ahead.append(listed)
        while ahead and _is_settled(ahead[0]):
            yield _settled(ahead.popleft())
    yield from map(_settled, ahead)


def _is_settled(step: "_Waiting | Listed") -> bool:
    return isinstance(step, Listed) or not isinstance(step[1], Future) or step[1].done()


def _settled(step: "_Waiting | Listed") -> tuple[str, Outcome] | Listed:
    if isinstance(step, Listed):
        return step
    doc_id, outcome = step
    return doc_id, outcome.result() if isinstance(outcome, Future) else outcome
