"""The cache of an installation without Redis: a bounded memory in each process.

Belongs here: keeping, ageing and dropping values in memory, and hearing what other processes forgot.
Does not belong here: what is cached, or for how long (whoever asks).

Processes that share a home hear of each other's ``forget`` by a file a kind that grows by a byte each time: its length is
the generation, and when it has changed a process drops what it keeps of that kind, of all companies. Forgetting is rare,
looking at a file's length takes two microseconds, and the file names nobody.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.company import CompanyId, company_id
from domain.errors import StorageError
from resources.cache.base import KINDS, Cache, Kind, Lookup

_ENTRY_BYTES = 500
"""What an entry takes beside its key and value, roughly."""

_Name = tuple[Kind, CompanyId, str]


@dataclass(frozen=True, slots=True)
class _Kept:
    value: bytes
    until: float
    size: int


class MemoryCache(Cache):
    """Keeps what was used last, up to ``most_bytes`` and ``most_entries``. ``folder`` is shared by the processes that
    must hear of each other; it is made when something is forgotten."""

    def __init__(self, folder: Path, most_bytes: int = 32 << 20, most_entries: int = 10_000) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Name, _Kept] = OrderedDict()
        self._bytes = 0
        self._generations: dict[Kind, bytes] = {}

    def get_many(self, company: CompanyId, kind: Kind, keys: Sequence[str]) -> Lookup:
        checked = company_id(company)
        with self._lock:
            generation = self._renewed(kind)
            return Lookup([self._get((kind, checked, key)) for key in keys], generation)

    def set_many(
        self, company: CompanyId, kind: Kind, entries: Mapping[str, bytes], seconds: float, generation: bytes | None
    ) -> None:
        checked = company_id(company)
        until = time.monotonic() + seconds
        with self._lock:
            if generation != self._renewed(kind):
                return
            for key, value in entries.items():
                name = (kind, checked, key)
                self._drop(name)
                kept = _Kept(value, until, len(value) + len(key) * 4 + _ENTRY_BYTES)
                if kept.size <= self._most_bytes:  # else it would only push out everything else
                    self._kept[name] = kept
                    self._bytes += kept.size
            while self._bytes > self._most_bytes or len(self._kept) > self._most_entries:
                self._drop(next(iter(self._kept)))

    def forget(self, company: CompanyId, kind: Kind | None = None) -> None:
        company_id(company)
        for one in KINDS if kind is None else (kind,):
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                with self._signal(one).open("ab") as file:
                    file.write(b".")
            except OSError as error:
                raise StorageError(
                    "other processes cannot be told to forget.",
                    f"{self._signal(one)}: {error.strerror}.",
                    "Make room, or give rights, and repeat; or restart the processes that serve questions.",
                ) from error
            with self._lock:
                self._renewed(one)

    def _signal(self, kind: Kind) -> Path:
        return self._folder / f"forgotten-{kind}"

    def _renewed(self, kind: Kind) -> bytes:
        """The generation that the kind is in now; what is kept from another one is dropped."""
        try:
            generation = b"%d" % self._signal(kind).stat().st_size
        except FileNotFoundError:
            generation = b"0"
        if self._generations.setdefault(kind, generation) != generation:
            for name in [name for name in self._kept if name[0] == kind]:
                self._drop(name)
            self._generations[kind] = generation
        return generation

    def _get(self, name: _Name) -> bytes | None:
        kept = self._kept.get(name)
        if kept is None:
            return None
        if kept.until <= time.monotonic():
            self._drop(name)
            return None
        self._kept.move_to_end(name)
        return kept.value

    def _drop(self, name: _Name) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            self._bytes -= kept.size
