"""The cache: bytes that can be made again, kept for a while, company by company.

Belongs here: what a cache must do, and which one an installation has. Does not belong here: how values are kept
(``memory``, ``redis``), or what they mean (whoever makes them).

A cache is never a store: it may lose anything at any time. What it must not do is keep what was forgotten. So a lookup
also tells the *generation* that its company and kind were in, and a value made after it is kept only while they are in
the same one; ``forget`` ends the generation before it erases. A reader that began before cannot bring anything back.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from domain.company import CompanyId
from resources.settings import Settings

Kind = Literal["settings", "query-embedding", "faq"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What is cached. ``forget`` erases these; a kind that leaves the list leaves its values behind until their time is up."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The values of the keys that were asked for, in their order, and the generation that they were read in; None: keep
    nothing that is made from here on."""

    values: list[bytes | None]
    generation: bytes | None


class Cache(ABC):
    """Safe to use from many threads. Every call raises ``InputError`` for a company that is none."""

    @abstractmethod
    def get_many(self, company: CompanyId, kind: Kind, keys: Sequence[str]) -> Lookup:
        """What is kept under these keys; None for what is not."""

    @abstractmethod
    def set_many(
        self, company: CompanyId, kind: Kind, entries: Mapping[str, bytes], seconds: float, generation: bytes | None
    ) -> None:
        """Keep values for ``seconds`` at most, unless the company was forgotten since ``generation`` was read. That must
        have been before what the values are made from was read."""

    @abstractmethod
    def forget(self, company: CompanyId, kind: Kind | None = None) -> None:
        """Erase what is kept of a company, or of one kind. Call it after the sources themselves were changed or erased.

        When it returns, nothing that was made before can be read, by anybody. Raises ``StorageError`` when the cache
        cannot be reached: then old values may live until their time is up, and the call should be repeated.
        """

    def get_or_make(
        self,
        company: CompanyId,
        kind: Kind,
        keys: Sequence[str],
        make: Callable[[list[str]], Sequence[bytes]],
        seconds: float,
    ) -> list[bytes]:
        """The value of each key. ``make`` is called once for those that are missing, if any, and gives theirs in the same
        order; they are kept for ``seconds``. What ``make`` raises is raised, and nothing is kept."""
        lookup = self.get_many(company, kind, keys)
        values = dict(zip(keys, lookup.values, strict=True))
        missing = [key for key, value in values.items() if value is None]
        made = dict(zip(missing, make(missing), strict=True)) if missing else {}
        if made:
            self.set_many(company, kind, made, seconds, lookup.generation)
        found = {key: value for key, value in values.items() if value is not None}
        return [(found | made)[key] for key in keys]


_opened: dict[tuple[str, Path], Cache] = {}
_opening = threading.Lock()


def open_cache(settings: Settings) -> Cache:
    """The installation's cache, one a process: Redis where ``CASEBOOK_REDIS_URL`` is set, else the process's own memory.

    Nothing is connected yet. Raises ``InputError`` for an address that can never work.
    """
    with _opening:
        place = (settings.redis_url, settings.root)
        if place not in _opened:
            _opened[place] = _new(settings)
        return _opened[place]


def _new(settings: Settings) -> Cache:
    if settings.redis_url:
        from resources.cache.redis import RedisCache  # slow to import, and not for everybody

        return RedisCache(settings.redis_url)
    from resources.cache.memory import MemoryCache

    return MemoryCache(settings.root / "cache")
