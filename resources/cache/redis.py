"""The cache in Redis: one for all processes of an installation.

Belongs here: names, checks and life times of values in Redis, and living without it while it is away.
Does not belong here: what is cached (whoever asks), or the cache of one process (``memory``).

**Names.** ``casebook:{company}:kind:slot``. The braces make a company one slot of a Redis Cluster, so its keys can be read
and written together. A key's hash picks one of ``SLOTS`` names; two keys that meet in one overwrite each other. Thus the
names that a company can ever have are few and known: ``forget`` deletes every one of them, without an index (which Redis
may evict) and without walking through Redis; a company's share of the memory is bounded; and no name says what was asked.

**Values.** A digest over company, kind, key and value, then the value. What does not fit its digest (another key's, damaged,
not ours) is a miss. Values are plain bytes; nothing of them is executed or unpickled.

**Generations.** A random word under ``casebook:{company}:kind:generation``. A script writes values only while it is the one
that the writer saw; ``forget`` deletes it first, so a writer that began before writes nothing. No key stays behind.

**Without Redis.** A call waits for ``timeout`` seconds at most; then Redis is left alone for ``pause`` seconds, and every
lookup is a miss at once. Processes do not cache for themselves meanwhile: nobody could tell them what to forget.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from redis import ConnectionPool, Redis, RedisCluster
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.exceptions import ClusterDownError, RedisClusterException, RedisError, ResponseError
from redis.retry import Retry

from domain.company import CompanyId, company_id
from domain.errors import InputError, StorageError
from resources.cache.base import KINDS, Cache, Kind, Lookup

log = logging.getLogger(__name__)

SLOTS = 4096
"""Names of one company and kind. Fewer in a later version would leave some unerased by ``forget`` until they expire."""
_GENERATION_SECONDS = 86_400
_AT_ONCE = 500
_WARNING_SECONDS = 60.0  # a cluster that has lost one of its nodes comes and goes, company by company
_DIGEST_BYTES = 16
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

_WRITE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[i + 1], 'PX', ARGV[2]) end
return 1
"""

T = TypeVar("T")


class RedisCache(Cache):
    """``url``: ``redis://`` or, with TLS, ``rediss://[user:password@]host[:port][/database]``, options of redis-py in the
    query. A cluster is recognised by its own answer; any node will do. ``timeout`` and ``pause`` are in seconds.

    Raises ``InputError`` for an address that can never work. Nothing is connected before the first use.
    """

    def __init__(self, url: str, timeout: float = 0.25, pause: float = 5.0) -> None:
        self._url = url
        self._options: dict[str, Any] = {
            "protocol": 2,  # spoken by every server, and one exchange less when connecting
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "retry": Retry(NoBackoff(), 0),
        }
        self._where = _checked(url, self._options)
        self._pause = pause
        self._client: Any = None
        self._lock = threading.Lock()
        self._is_away = False
        self._next_try = 0.0
        self._next_warning = 0.0
        self._told: set[str] = set()

    def get_many(self, company: CompanyId, kind: Kind, keys: Sequence[str]) -> Lookup:
        names = _Names(company, kind)
        lookup = self._ask(lambda client: _read(client, names, keys))
        return lookup or Lookup([None] * len(keys), None)

    def set_many(
        self, company: CompanyId, kind: Kind, entries: Mapping[str, bytes], seconds: float, generation: bytes | None
    ) -> None:
        names = _Names(company, kind)
        if generation is None or seconds <= 0:
            return
        packed = {names.of(key): names.pack(key, value) for key, value in entries.items()}
        self._ask(lambda client: _write(client, names, packed, max(1, int(seconds * 1000)), generation))

    def forget(self, company: CompanyId, kind: Kind | None = None) -> None:
        names = [_Names(company, one) for one in (KINDS if kind is None else (kind,))]
        if not self._ask(lambda client: _erase(client, names), even_if_away=True):
            raise StorageError(
                "cached copies could not be erased.",
                f"Redis at {self._where} did not do it; they expire by themselves, after a day at most.",
                "When Redis is back, repeat the command.",
            )

    def _ask(self, work: Callable[[Any], T], even_if_away: bool = False) -> T | None:
        """What Redis answers; None while it is away, or where it refuses."""
        if not (even_if_away or self._may_try()):
            return None
        try:
            answer = work(self._connected())
        except ClusterDownError as error:
            self._lost(error)
        except ResponseError as error:  # it is there: full, read-only, or the user lacks a right
            self._refused(error)
        except (RedisError, RedisClusterException, OSError) as error:
            self._lost(error)
        else:
            self._found()
            return answer
        return None

    def _connected(self) -> Any:
        if self._client is None:
            client: Any = Redis.from_url(self._url, **self._options)
            if _is_cluster(client):
                client.close()
                client = RedisCluster.from_url(self._url, **self._options)
            self._client = client
        return self._client

    def _may_try(self) -> bool:
        """Whether Redis is there, as far as is known, or it is time to look; then one thread looks, and no other."""
        if not self._is_away:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._next_try:
                return False
            self._next_try = now + self._pause
            return True

    def _lost(self, error: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            self._next_try = now + self._pause
            is_new = not self._is_away and now >= self._next_warning
            self._is_away = True
            if is_new:
                self._next_warning = now + _WARNING_SECONDS
        if is_new:
            log.warning(
                "Redis at %s is lost (%s: %s). Casebook goes on without a shared cache and looks for it every %g s.",
                *(self._where, type(error).__name__, error, self._pause),
            )

    def _found(self) -> None:
        if self._is_away:
            with self._lock:
                self._is_away = False
            log.info("Redis at %s is back.", self._where)

    def _refused(self, error: ResponseError) -> None:
        """It answers, so it is asked again; what it refuses is told once."""
        self._found()
        name = type(error).__name__
        if name not in self._told:
            self._told.add(name)
            log.warning("Redis at %s refuses (%s: %s). What it refuses is not cached.", self._where, name, error)


class _Names:
    """The names in Redis of one company and kind, and the form of their values."""

    def __init__(self, company: CompanyId, kind: Kind) -> None:
        self._prefix = f"casebook:{{{company_id(company)}}}:{kind}:"
        self.generation = f"{self._prefix}generation"

    def of(self, key: str) -> str:
        digest = blake2b(_bytes(key), digest_size=8).digest()
        return self._slot(int.from_bytes(digest) % SLOTS)

    def all(self) -> Iterable[str]:
        """Every name that there can be, the generation first."""
        yield self.generation
        yield from map(self._slot, range(SLOTS))

    def _slot(self, number: int) -> str:
        return f"{self._prefix}{number:03x}"

    def pack(self, key: str, value: bytes) -> bytes:
        return self._digest(key, value) + value

    def unpack(self, key: str, stored: object) -> bytes | None:
        """The value, or None for what was not packed for this key."""
        if not isinstance(stored, bytes):
            return None
        digest, value = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        return value if digest == self._digest(key, value) else None

    def _digest(self, key: str, value: bytes) -> bytes:
        name = self._prefix.encode() + _bytes(key)
        return blake2b(b"%d:%b%b" % (len(name), name, value), digest_size=_DIGEST_BYTES).digest()


def _bytes(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _read(client: Any, names: _Names, keys: Sequence[str]) -> Lookup:
    generation: bytes | None = None
    values: list[bytes | None] = []
    for some in _parts(keys):
        first, *stored = client.mget([names.generation, *map(names.of, some)])
        generation = generation or first
        values += map(names.unpack, some, stored)
    if generation is None and None in values:
        fresh = secrets.token_bytes(_DIGEST_BYTES)
        is_first = client.set(names.generation, fresh, nx=True, ex=_GENERATION_SECONDS)
        generation = fresh if is_first else client.get(names.generation)
    return Lookup(values, generation)


def _write(client: Any, names: _Names, packed: Mapping[str, bytes], milliseconds: int, generation: bytes) -> None:
    for some in _parts(packed.items()):
        keys, values = zip(*some, strict=True)
        client.eval(_WRITE, 1 + len(keys), names.generation, *keys, generation, milliseconds, *values)


def _erase(client: Any, names: Sequence[_Names]) -> bool:
    for one in names:
        for some in _parts(one.all()):
            client.unlink(*some)
    return True


def _parts(things: Iterable[T]) -> Iterator[tuple[T, ...]]:
    """In order, few enough at once that no answer takes long."""
    rest = iter(things)
    while part := tuple(islice(rest, _AT_ONCE)):
        yield part


def _is_cluster(client: Any) -> bool:
    """As the server says itself. ``HELLO`` is open to every user; servers before Redis 6 do not know it."""
    try:
        said = client.execute_command("HELLO")
    except ResponseError:
        return False
    about = said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=False))
    return about.get(b"mode") == b"cluster"


def _checked(url: str, options: Mapping[str, Any]) -> str:
    """Where the server is, without user and password. The causes are not told: they may hold the password."""
    try:
        parts = urlsplit(url)
        told = parse_url(url)
        database = parts.path.strip("/")
        if parts.scheme != "unix" and (not parts.hostname or (database and not database.isdecimal())):
            raise ValueError
        pool = ConnectionPool.from_url(url, **options)
        pool.make_connection()  # connects to nothing yet, and refuses options that there are not
    except (ValueError, TypeError, RedisError):
        raise InputError(
            "the address of Redis is not one.",
            "CASEBOOK_REDIS_URL cannot be read.",
            "It is redis://user:password@host:6379/0, or rediss:// for TLS; special characters of the password as %XX.",
        ) from None
    for name in _FILES:
        if told.get(name) and not Path(told[name]).is_file():
            raise InputError(
                "a file for Redis is missing.", f"CASEBOOK_REDIS_URL has {name}={told[name]}.", "Correct the path."
            )
    return told.get("path") or f"{told['host']}:{told.get('port', 6379)}"
