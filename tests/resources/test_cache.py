"""The cache: in the process and in real Redis servers, which are killed, hung, filled up and looked through.

Belongs here: what any cache must do, the wall between companies, forgetting, and living without Redis.
Does not belong here: what is cached (the tests of whoever caches).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.company import CompanyId, company_id
from domain.errors import InputError, StorageError
from resources.cache.base import KINDS, Cache, Kind, open_cache
from resources.cache.memory import MemoryCache
from resources.cache.redis import SLOTS, RedisCache, _Names
from resources.settings import Settings
from tests.authority import make_authority
from tests.processes import Child, ask
from tests.redis_server import (
    PASSWORD,
    PASSWORD_IN_URL,
    RedisServer,
    free_port,
    needs_redis,
    redis_cluster,
)

ACME, HANBIT = company_id("acme"), company_id("hanbit")
LONG = 60.0
PATIENT = 5.0
TIMEOUT = 0.25
RIGHTS = ("+mget", "+get", "+set", "+eval", "+unlink", "+hello")
RIGHTS_IN_A_CLUSTER = (*RIGHTS, "+cluster|slots", "+command")
PAUSE = 0.4
"""How long Redis is left alone here after it was lost, in seconds."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server to be hurt."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> Cache:
    if request.param == "memory":
        return MemoryCache(tmp_path / "cache")
    server: RedisServer = request.getfixturevalue("server")
    with server.admin() as admin:
        admin.flushall()
    return RedisCache(server.url, PATIENT)


def get(cache: Cache, company: CompanyId, key: str, kind: Kind = "faq") -> bytes | None:
    return cache.get_many(company, kind, [key]).values[0]


def put(cache: Cache, company: CompanyId, key: str, value: bytes, seconds: float = LONG, kind: Kind = "faq") -> None:
    cache.set_many(company, kind, {key: value}, seconds, cache.get_many(company, kind, [key]).generation)


def names(server: RedisServer) -> list[str]:
    with server.admin() as admin:
        return sorted(name.decode() for name in admin.scan_iter(count=1000))


# -- what any cache does ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [b"", b"\x00\xff\r\n", "한글 🔥".encode(), bytes(1 << 20)], ids=len)
def test_what_is_put_is_got(cache: Cache, value: bytes) -> None:
    assert get(cache, ACME, "key") is None
    put(cache, ACME, "key", value)
    assert get(cache, ACME, "key") == value
    put(cache, ACME, "key", b"another")
    assert get(cache, ACME, "key") == b"another"


@pytest.mark.parametrize("key", ["", "a b\r\nDEL x", "한글 🔥", "\ud800", "{hanbit}:x", "x" * 100_000], ids=ascii)
def test_any_text_is_a_key(cache: Cache, key: str) -> None:
    put(cache, ACME, key, b"value")
    assert get(cache, ACME, key) == b"value"
    assert get(cache, ACME, key + " ") is None


def test_it_ends_when_its_time_is_up(cache: Cache) -> None:
    put(cache, ACME, "short", b"1", seconds=0.15)
    put(cache, ACME, "long", b"2")
    assert get(cache, ACME, "short") == b"1"
    time.sleep(0.2)
    assert get(cache, ACME, "short") is None
    assert get(cache, ACME, "long") == b"2"


def test_many_at_once_are_told_in_order(cache: Cache) -> None:
    keys = [f"question {number}" for number in range(1200)]
    odd = {key: key.encode() for key in keys[1::2]}
    cache.set_many(ACME, "faq", odd, LONG, cache.get_many(ACME, "faq", keys).generation)
    got = cache.get_many(ACME, "faq", keys).values
    assert got[::2] == [None] * 600
    kept = [value for value in got[1::2] if value is not None]
    assert set(got) - {None} <= set(odd.values()) and all(
        value in (None, key.encode()) for key, value in zip(keys, got, strict=True)
    )
    assert len(kept) >= 600 - 600 * 600 // SLOTS  # two that meet in one name overwrite each other


def test_only_what_is_missing_is_made_and_once(cache: Cache) -> None:
    asked: list[list[str]] = []

    def make(keys: list[str]) -> list[bytes]:
        asked.append(keys)
        return [key.upper().encode() for key in keys]

    assert cache.get_or_make(ACME, "faq", ["a", "b", "a"], make, LONG) == [b"A", b"B", b"A"]
    assert cache.get_or_make(ACME, "faq", ["c", "b"], make, LONG) == [b"C", b"B"]
    assert cache.get_or_make(ACME, "faq", ["a", "c"], make, LONG) == [b"A", b"C"]
    assert cache.get_or_make(ACME, "faq", [], make, LONG) == []
    assert asked == [["a", "b"], ["c"]]


def test_what_cannot_be_made_is_not_kept(cache: Cache) -> None:
    def fail(_: list[str]) -> list[bytes]:
        raise LookupError("no such row")

    with pytest.raises(LookupError):
        cache.get_or_make(ACME, "faq", ["a"], fail, LONG)
    assert cache.get_or_make(ACME, "faq", ["a"], lambda _: [b"made"], LONG) == [b"made"]


# -- the wall --------------------------------------------------------------------------------------------------------


def test_neither_companies_nor_kinds_see_each_other(cache: Cache) -> None:
    companies = (ACME, HANBIT, company_id("acme-2"))
    places: list[tuple[CompanyId, Kind]] = [(company, kind) for company in companies for kind in KINDS]
    for company, kind in places:
        put(cache, company, "key", f"{company} {kind}".encode(), kind=kind)
    for company, kind in places:
        assert get(cache, company, "key", kind) == f"{company} {kind}".encode()
    cache.forget(ACME, "settings")
    assert [get(cache, ACME, "key", kind) is None for kind in KINDS] == [kind == "settings" for kind in KINDS]


@pytest.mark.parametrize("id", ["", "../acme", "acme}", "{acme}", "acme:faq", "acme\n", "ACME", "аcme", "*"])
def test_what_is_no_company_has_no_cache(cache: Cache, id: str) -> None:
    calls: list[Callable[[CompanyId], object]] = [
        lambda company: cache.get_many(company, "faq", ["key"]),
        lambda company: cache.set_many(company, "faq", {"key": b"1"}, LONG, b"0"),
        lambda company: cache.forget(company),
        lambda company: cache.get_or_make(company, "faq", ["key"], lambda _: [b"1"], LONG),
    ]
    for call in calls:
        with pytest.raises(InputError):
            call(CompanyId(id))


@needs_redis
def test_another_companys_value_under_our_name_is_a_miss(server: RedisServer) -> None:
    """Somebody with rights on Redis copies, damages or replaces values: nothing of that is believed."""
    cache = RedisCache(server.url, PATIENT)
    put(cache, HANBIT, "key", b"of hanbit")
    put(cache, ACME, "key", b"of acme")
    ours, theirs = _Names(ACME, "faq").of("key"), _Names(HANBIT, "faq").of("key")
    with server.admin() as admin:
        stored: Any = admin.get(ours)
        foreign: Any = admin.get(theirs)
        for wrong in (foreign, stored[:-1], stored + b"x", bytes(16) + stored[16:], b"", b"short", b"\x80\x04K\x01."):
            admin.set(ours, wrong)
            assert get(cache, ACME, "key") is None, wrong
        admin.delete(ours)
        admin.rpush(ours, "a list")
        assert get(cache, ACME, "key") is None
        put(cache, ACME, "key", b"again")
        assert get(cache, ACME, "key") == b"again"


@needs_redis
def test_two_keys_that_meet_in_one_name_are_not_mixed_up(server: RedisServer) -> None:
    cache = RedisCache(server.url, PATIENT)
    by_name: dict[str, str] = {}
    for number in range(SLOTS):
        key = f"key {number}"
        other = by_name.setdefault(_Names(ACME, "faq").of(key), key)
        if other != key:
            break
    else:
        raise AssertionError("no two keys met")
    put(cache, ACME, key, b"one")
    assert (get(cache, ACME, key), get(cache, ACME, other)) == (b"one", None)
    put(cache, ACME, other, b"other")
    assert (get(cache, ACME, key), get(cache, ACME, other)) == (None, b"other")


# -- forgetting ------------------------------------------------------------------------------------------------------


def test_forgotten_is_forgotten_and_others_stay(cache: Cache) -> None:
    for kind in KINDS:
        put(cache, ACME, "key", b"1", kind=kind)
    cache.forget(ACME)
    assert [get(cache, ACME, "key", kind) for kind in KINDS] == [None] * len(KINDS)
    put(cache, ACME, "key", b"new")
    assert get(cache, ACME, "key") == b"new"


def test_who_began_before_brings_nothing_back(cache: Cache) -> None:
    """A reader looked, was slow to make the value, and puts it after the company was forgotten; once or twice."""
    put(cache, ACME, "other", b"x")
    for forgets in (1, 2):

        def make(_: list[str], forgets: int = forgets) -> list[bytes]:
            for _time in range(forgets):
                cache.forget(ACME)
            return [b"old"]

        assert cache.get_or_make(ACME, "faq", ["key"], make, LONG) == [b"old"]
        assert get(cache, ACME, "key") is None
        assert get(cache, ACME, "other") is None


def test_forgetting_one_kind_holds_up_writers_of_that_kind_alone(cache: Cache) -> None:
    seen = {kind: cache.get_many(ACME, kind, ["key"]).generation for kind in KINDS}
    cache.forget(ACME, "settings")
    for kind in KINDS:
        cache.set_many(ACME, kind, {"key": b"1"}, LONG, seen[kind])
    assert [get(cache, ACME, "key", kind) for kind in KINDS] == [None if kind == "settings" else b"1" for kind in KINDS]


@needs_redis
def test_nothing_of_a_forgotten_company_is_left_in_redis(server: RedisServer) -> None:
    """Proved by walking through the whole server, names and values; the names tell of no question either."""
    cache = RedisCache(server.url, PATIENT)
    question = "what is kim@example.com's invoice"
    with server.admin() as admin:
        admin.flushall()
        admin.set("somebody else's", "stays")
    for company in (ACME, HANBIT):
        for kind in KINDS:
            for number in range(300):
                put(cache, company, f"{question} {number}", b"value", kind=kind)
    held = names(server)
    assert len([name for name in held if name.startswith("casebook:{acme}:")]) > 800
    assert not [name for name in held if "kim" in name or "invoice" in name]
    cache.forget(ACME)
    assert not [name for name in names(server) if "acme" in name]
    assert "somebody else's" in names(server)
    assert get(cache, HANBIT, f"{question} 299") == b"value"


@needs_redis
def test_forgetting_needs_no_record_that_redis_may_have_evicted(server: RedisServer) -> None:
    cache = RedisCache(server.url, PATIENT)
    put(cache, ACME, "key", b"1")
    with server.admin() as admin:
        admin.delete(_Names(ACME, "faq").generation)
    cache.forget(ACME)
    assert not [name for name in names(server) if "acme" in name]


def write_all_the_time(say: Callable[[Any], None], url: str, home: str) -> None:
    """Read a version from a file, be slow, cache it: what a process does whose source changes beneath it."""
    cache = RedisCache(url, PATIENT)
    source = Path(home, "source")
    say("ready")
    while True:
        for number in range(20):

            def make(_: list[str]) -> list[bytes]:
                version = source.read_bytes()
                time.sleep(0.0005)
                return [version]

            cache.get_or_make(ACME, "settings", [f"key {number}"], make, LONG)


@needs_redis
def test_processes_that_write_meanwhile_bring_nothing_back(server: RedisServer, tmp_path: Path) -> None:
    """The source changes, then its copies are forgotten: from then on no process ever reads the old version again."""
    cache = RedisCache(server.url, PATIENT)
    source = tmp_path / "source"
    source.write_bytes(b"0")
    keys = [f"key {number}" for number in range(20)]
    with (
        Child(write_all_the_time, server.url, str(tmp_path)) as one,
        Child(write_all_the_time, server.url, str(tmp_path)) as two,
    ):
        assert one.hear() == two.hear() == "ready"
        found = 0
        for version in range(1, 31):
            draft = tmp_path / "draft"
            draft.write_bytes(b"%d" % version)
            draft.replace(source)
            cache.forget(ACME, "settings")
            for _ in range(10):
                values = {value for value in cache.get_many(ACME, "settings", keys).values if value is not None}
                assert values <= {b"%d" % version}
                found += len(values)
        assert found > 30


# -- in the process --------------------------------------------------------------------------------------------------


def forget_acme(say: Callable[[Any], None], folder: str) -> None:
    MemoryCache(Path(folder)).forget(ACME)
    say("forgotten")


def test_another_process_of_the_home_can_make_this_one_forget(tmp_path: Path) -> None:
    cache = MemoryCache(tmp_path)
    put(cache, ACME, "key", b"1")
    generation = cache.get_many(ACME, "faq", ["key"]).generation
    assert ask(forget_acme, str(tmp_path)) == "forgotten"
    cache.set_many(ACME, "faq", {"late": b"1"}, LONG, generation)
    assert (get(cache, ACME, "key"), get(cache, ACME, "late")) == (None, None)
    assert not [path for path in tmp_path.rglob("*") if "acme" in path.name or b"acme" in path.read_bytes()]


def test_what_is_forgotten_leaves_the_memory_at_once(tmp_path: Path) -> None:
    cache = MemoryCache(tmp_path)
    put(cache, ACME, "key", b"1")
    cache.forget(ACME)
    assert not cache._kept


def test_memory_is_bounded_by_what_was_not_used(tmp_path: Path) -> None:
    cache = MemoryCache(tmp_path, most_bytes=100_000, most_entries=50)
    for number in range(200):
        put(cache, ACME, f"{number}", b"1")
        assert get(cache, ACME, "0") == b"1"  # it is used, so it stays
    assert [get(cache, ACME, f"{number}") for number in range(151, 200)] == [b"1"] * 49
    assert get(cache, ACME, "150") is None
    for number in range(20):
        put(cache, ACME, f"big {number}", bytes(20_000))
    held = [number for number in range(20) if get(cache, ACME, f"big {number}")]
    assert held == [16, 17, 18, 19]
    for _ in range(50):
        put(cache, ACME, "big 19", bytes(20_000))  # takes its own place again
    assert get(cache, ACME, "big 16") is not None
    put(cache, ACME, "too big", bytes(100_000))
    assert get(cache, ACME, "too big") is None
    assert get(cache, ACME, "big 19") is not None


def test_a_home_that_takes_no_signal_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot be told"):
        MemoryCache(tmp_path / "cache" / "deeper").forget(ACME)


def test_threads_may_share_it(cache: Cache) -> None:
    wrong: list[object] = []

    def work(company: CompanyId) -> None:
        try:
            for number in range(150):
                key = str(number % 7)
                [value] = cache.get_or_make(company, "faq", [key], lambda keys: [f"{company}{keys[0]}".encode()], LONG)
                if value != f"{company}{key}".encode():
                    wrong.append(value)
                if number % 40 == 0:
                    cache.forget(company)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(company,)) for company in (ACME, HANBIT) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- opening ---------------------------------------------------------------------------------------------------------


def test_without_an_address_a_process_caches_for_itself(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", redis_url="")
    assert isinstance(open_cache(settings), MemoryCache)
    assert open_cache(settings) is open_cache(Settings(home=tmp_path / "home", redis_url=""))
    assert open_cache(settings) is not open_cache(Settings(home=tmp_path / "other", redis_url=""))


@needs_redis
def test_with_an_address_it_is_redis(server: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEBOOK_REDIS_URL", server.url)
    cache = open_cache(Settings(home=tmp_path / "home"))
    put(cache, ACME, "key", b"1")
    assert ask(read_key, server.url) == b"1"  # another process has it too


def read_key(say: Callable[[Any], None], url: str) -> None:
    say(get(RedisCache(url), ACME, "key"))


@pytest.mark.parametrize(
    "url",
    [
        "http://:secret@host",
        "secret",
        "redis://:secret@",
        "redis://:secret@host:port",
        "redis://:sec/ret@host:6379",
        "redis://:secret@host:99999",
        "redis://:secret@host/names",
        "redis://:secret@[::1",
        "redis://:secret@host?no_such_option=1",
        "redis://:secret@host?socket_timeout=soon",
        "redis+cluster://:secret@host",
        "rediss://:secret@host?ssl_ca_certs=no/such/file.pem",
    ],
)
def test_an_address_that_can_never_work_is_told_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="CASEBOOK_REDIS_URL") as told:
        open_cache(Settings(home=tmp_path, redis_url=url))
    assert "sec" not in str(told.value)


# -- without Redis ---------------------------------------------------------------------------------------------------


def timed(cache: Cache, key: str = "key") -> float:
    """Seconds that a lookup with all its consequences takes; it must give the value in any case."""
    start = time.perf_counter()
    assert cache.get_or_make(ACME, "faq", [key], lambda _: [b"made"], LONG) == [b"made"]
    return time.perf_counter() - start


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def wait_until_kept(cache: Cache) -> None:
    end = time.monotonic() + 10
    while timed(cache) >= 0 and get(cache, ACME, "key") is None:
        assert time.monotonic() < end, "it does not come back"
        time.sleep(0.02)


@needs_redis
def test_killed_in_the_middle_and_started_again(own_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    cache = RedisCache(own_server.url, TIMEOUT, PAUSE)
    timed(cache)
    assert get(cache, ACME, "key") == b"made"
    with caplog.at_level(logging.INFO):
        own_server.kill()
        for _ in range(50):
            assert timed(cache) < TIMEOUT
            assert get(cache, ACME, "key") is None
        time.sleep(PAUSE)
        timed(cache)  # it is looked for again, in vain
        assert len(warnings(caplog)) == 1
        assert str(own_server.port) in warnings(caplog)[0]
        own_server.start()
        wait_until_kept(cache)
        assert len(warnings(caplog)) == 1
        assert "is back" in caplog.text
    assert PASSWORD not in caplog.text and PASSWORD_IN_URL not in caplog.text


@needs_redis
def test_a_hung_server_costs_one_timeout_a_period(own_server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    cache = RedisCache(own_server.url, TIMEOUT, PAUSE)
    timed(cache)
    own_server.hang()
    assert TIMEOUT <= timed(cache) < TIMEOUT * 2
    start = time.perf_counter()
    assert max(timed(cache) for _ in range(100)) < 0.1
    assert time.perf_counter() - start < PAUSE
    time.sleep(PAUSE)
    together: list[float] = []
    threads = [threading.Thread(target=lambda: together.append(timed(cache))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(together)[-2] < 0.2 < max(together)  # one of them looks, the others go on
    assert len(warnings(caplog)) == 1
    own_server.go_on()
    wait_until_kept(cache)


@needs_redis
def test_a_server_that_was_never_there(caplog: pytest.LogCaptureFixture) -> None:
    cache = RedisCache(f"redis://:secret@127.0.0.1:{free_port()}", TIMEOUT, PAUSE)
    assert timed(cache) < 1
    assert timed(cache) < 0.1
    assert len(warnings(caplog)) == 1
    assert "secret" not in caplog.text
    with pytest.raises(StorageError, match="could not be erased") as told:
        cache.forget(ACME)
    assert "secret" not in str(told.value)


@needs_redis
def test_forgetting_does_not_claim_what_it_did_not_do(own_server: RedisServer) -> None:
    cache = RedisCache(own_server.url, TIMEOUT, pause=LONG)
    timed(cache)
    own_server.hang()
    with pytest.raises(StorageError, match="repeat"):
        cache.forget(ACME)
    own_server.go_on()
    cache.forget(ACME)  # although Redis is still left alone otherwise
    assert names(own_server) == []


@needs_redis
@pytest.mark.parametrize("user", [":wrong", ":", "nobody:wrong"])
def test_a_wrong_password_slows_and_is_told(server: RedisServer, user: str, caplog: pytest.LogCaptureFixture) -> None:
    cache = RedisCache(f"redis://{user}@127.0.0.1:{server.port}", TIMEOUT, PAUSE)
    timed(cache)
    assert timed(cache) < 0.1
    assert len(warnings(caplog)) == 1
    assert "wrong" not in warnings(caplog)[0].replace("WRONGPASS", "")


@needs_redis
def test_a_user_with_few_rights_is_enough(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """The rights that docs/cache.md tells to give; and one with less is told once, by name of the right."""
    with server.admin() as admin:
        admin.execute_command("ACL SETUSER", "casebook", "on", ">word", "~casebook:*", *RIGHTS)
        admin.execute_command("ACL SETUSER", "reader", "on", ">word", "~casebook:*", "+mget", "+get")
    cache = RedisCache(f"redis://casebook:word@127.0.0.1:{server.port}", PATIENT, PAUSE)
    cache.forget(ACME)
    timed(cache)
    assert get(cache, ACME, "key") == b"made"
    assert warnings(caplog) == []
    reader = RedisCache(f"redis://reader:word@127.0.0.1:{server.port}", PATIENT, PAUSE)
    for number in range(3):
        timed(reader, f"new {number}")
    assert get(reader, ACME, "key") == b"made"  # what it may do, it still does
    assert len(warnings(caplog)) == 1
    with pytest.raises(StorageError):
        reader.forget(ACME)


@needs_redis
@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru", "volatile-ttl"])
def test_a_full_server(tmp_path: Path, policy: str, caplog: pytest.LogCaptureFixture) -> None:
    """It evicts, or refuses: values are lost, nothing is wrong, and forgetting leaves nothing."""
    with RedisServer(tmp_path, "maxmemory 3mb", f"maxmemory-policy {policy}") as server:
        cache = RedisCache(server.url, PATIENT, PAUSE)
        values = {f"key {number}": f"{number} ".encode() * 2000 for number in range(600)}
        for key, value in values.items():
            assert cache.get_or_make(ACME, "faq", [key], lambda _, value=value: [value], LONG) == [value]
        got = cache.get_many(ACME, "faq", list(values)).values
        assert all(value in (None, values[key]) for key, value in zip(values, got, strict=True))
        assert 0 < sum(value is not None for value in got) < len(values)
        assert len(warnings(caplog)) == (policy == "noeviction")
        cache.forget(ACME)
        assert names(server) == []


# -- TLS and clusters ------------------------------------------------------------------------------------------------


@needs_redis
def test_tls_with_an_authority_of_ones_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_authority(tmp_path)
    with RedisServer(tmp_path / "redis", tls=tmp_path) as server:
        cache = RedisCache(server.url, PATIENT)
        put(cache, ACME, "key", b"1")
        assert get(cache, ACME, "key") == b"1"
        assert warnings(caplog) == []
        stranger = RedisCache(server.url.split("?")[0], PATIENT)  # the system's authorities do not know this one
        timed(stranger)
        assert "certificate" in warnings(caplog)[0].lower()
        plain = RedisCache(server.url.replace("rediss://", "redis://").split("?")[0], timeout=1)
        timed(plain)
        assert len(warnings(caplog)) == 2


@needs_redis
def test_a_cluster_with_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_authority(tmp_path)
    with redis_cluster(tmp_path, tls=tmp_path) as nodes:
        cache = RedisCache(nodes[1].url, PATIENT)
        for number in range(12):
            put(cache, company_id(f"company-{number}"), "key", b"%d" % number)
        for number in range(12):
            assert get(cache, company_id(f"company-{number}"), "key") == b"%d" % number
        assert all(names(node) for node in nodes)
    assert warnings(caplog) == []


@needs_redis
def test_a_cluster_of_three(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Recognised by its own answer; companies are spread, each in one place; one node hangs and comes back."""
    companies = [company_id(f"company-{number}") for number in range(12)]
    many = [f"key {number}" for number in range(20)]

    def value(company: CompanyId) -> Callable[[list[str]], list[bytes]]:
        return lambda keys: [f"{company} {key}".encode() for key in keys]

    with redis_cluster(tmp_path) as nodes:
        for node in nodes:
            with node.admin() as admin:
                admin.execute_command("ACL SETUSER", "casebook", "on", ">word", "~casebook:*", *RIGHTS_IN_A_CLUSTER)
        cache = RedisCache(f"redis://casebook:word@127.0.0.1:{nodes[0].port}", TIMEOUT, PAUSE)
        for company in companies:
            cache.get_or_make(company, "faq", many, value(company), LONG)
            assert cache.get_many(company, "faq", many).values == value(company)(many)
        held = [names(node) for node in nodes]
        for company in companies:
            assert sum(any(f"{{{company}}}" in name for name in of_node) for of_node in held) == 1
        assert all(held)
        cache.forget(companies[0])
        assert not [name for node in nodes for name in names(node) if f"{{{companies[0]}}}" in name]
        assert cache.get_many(companies[1], "faq", many).values == value(companies[1])(many)
        assert warnings(caplog) == []

        nodes[2].hang()
        waits: list[float] = []
        for company in companies:
            start = time.perf_counter()
            assert cache.get_or_make(company, "faq", ["later"], value(company), LONG) == value(company)(["later"])
            waits.append(time.perf_counter() - start)
        assert sum(wait > TIMEOUT / 2 for wait in waits) == 1, waits
        assert len(warnings(caplog)) == 1
        nodes[2].go_on()
        end = time.monotonic() + 15
        while not all(
            cache.get_or_make(company, "faq", ["later"], value(company), LONG)
            and cache.get_many(company, "faq", ["later"]).values[0]
            for company in companies[1:]
        ):
            assert time.monotonic() < end, "the node does not come back"
            time.sleep(0.05)
