"""The text of a ticket's attached files: which are read, what is kept of them, what is said of those that cannot be.

Belongs here: choosing, reusing what was read before, the form in a stored payload. Does not belong here: fetching a file
(``resources/download``), or reading one (``resources/file_text``).

A stored payload has ``files``: ``texts`` maps an attachment's id to its text, ``unread`` to why there is none, ``tries`` to
how often its address was refused; ``by`` is the version of the reader. A file never changes under its id, so what was read
once is not fetched again, but by a reader of another version. What was unread is not tried again either, unless who asks
leaves ``unread`` out of the payload that they give.
"""

import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from resources.download import RefusedFile, download
from resources.file_text import FileReader, UnreadableFile, is_text_like
from resources.helpdesk.base import Json, Unread

MOST_BYTES = 20_000_000
MOST_CHARS = 1_000_000
"""Of all of a ticket's files together."""
READER = "1"
"""Moves whenever the same file would give another text."""
MOST_TRIES = 3
"""Of a file whose address is refused, before that counts as its end."""


@dataclass(frozen=True, slots=True)
class File:
    """An attachment with the address at which it can be had for some minutes."""

    id: str
    name: str
    content_type: str
    size: int
    address: str


class Files:
    """Reads the files of one account. ``url`` is the account's address; ``authorization`` gives what goes to that host only,
    as it is now."""

    def __init__(self, url: str, authorization: Callable[[], str] = lambda: "") -> None:
        parts = urlsplit(url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._authorization = authorization
        self._starting = threading.Lock()
        self._reader: FileReader | None = None
        self._end: Callable[[], object] = lambda: None

    def read(self, files: Iterable[File], kept: Mapping[str, Any] | None) -> tuple[Json, Unread | None]:
        """The ``files`` of a payload, and what the document is without. ``kept`` is the stored payload."""
        before = _before(kept)
        texts: dict[str, str] = {}
        unread: dict[str, str] = {}
        tries: dict[str, int] = {}
        passing = False
        for file in files:
            if not is_text_like(file.name, file.content_type):
                continue
            if file.id in before.texts:
                texts[file.id] = before.texts[file.id]
            elif file.id in before.unread:
                unread[file.id] = before.unread[file.id]
            elif sum(map(len, texts.values())) > MOST_CHARS:
                unread[file.id] = "is one more than the ticket's files may hold text"
            else:
                try:
                    texts[file.id] = self._text(file)
                except UnreadableFile as bad:
                    if isinstance(bad, RefusedFile):
                        tries[file.id] = before.tries.get(file.id, 0) + 1
                    if bad.passing and tries.get(file.id, 0) < MOST_TRIES:
                        passing = True
                    else:
                        tries.pop(file.id, None)
                        unread[file.id] = str(bad)
        found: Json = {"by": READER, "texts": texts, "unread": unread}
        return found | ({"tries": tries} if tries else {}), _unread(unread, passing)

    def _text(self, file: File) -> str:
        """Raises ``UnreadableFile``."""
        if file.size > MOST_BYTES:
            raise UnreadableFile(f"is larger than the {MOST_BYTES // 1_000_000} MB that are read")
        data = download(file.address, MOST_BYTES, origin=self._origin, authorization=self._authorization())
        return self._running().text(data, file.name, file.content_type)

    def _running(self) -> FileReader:
        with self._starting:
            if self._reader is None:
                self._reader = FileReader(MOST_BYTES, workers=2).__enter__()
                self._end = weakref.finalize(self, self._reader.__exit__, None, None, None)
            return self._reader

    def close(self) -> None:
        """End the process that reads; it also ends with this object."""
        with self._starting:
            self._end()
            self._reader = None


@dataclass(frozen=True, slots=True)
class _Before:
    """What is stored of a ticket's files."""

    texts: Mapping[str, str]
    unread: Mapping[str, str]
    tries: Mapping[str, int]


def _before(kept: Mapping[str, Any] | None) -> _Before:
    """Nothing where another reader read them."""
    files: Json = (kept or {}).get("files") or {}
    known: Json = files if files.get("by") == READER else {}
    return _Before(*(known.get(name) or {} for name in ("texts", "unread", "tries")))


def _unread(reasons: Mapping[str, str], passing: bool) -> Unread | None:
    """Ids only: a file's name can be a person's."""
    if not reasons and not passing:
        return None
    said = [f"{file_id} {reason}" for file_id, reason in reasons.items()]
    said += ["one could not be fetched just now"] if passing else []
    return Unread(f"stored without the text of attached files: {'; '.join(said)}"[:500], passing)
