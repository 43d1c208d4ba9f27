"""What only Postgres can do wrong: addresses, roles and versions, connections that break, disks that fill.

Belongs here: what a person is told, and that nothing is half done. Does not belong here: the contract
(``test_contract``), the wall (``test_wall``).
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import make_url

from domain.company import company_id
from domain.errors import CompanyBusy, InputError, StorageError, StorageUnavailable
from domain.stage import TABLES, Made, Put, Spent
from resources.companies import Companies
from resources.settings import Settings
from resources.storage import migrations
from resources.storage.base import open_storage
from resources.storage.postgres import HEAD
from resources.storage.sql import SqlCompanyStore
from resources.storage.upgrade import upgrade
from tests.authority import make_authority
from tests.homes import casebook, done
from tests.postgres_server import ADMIN_PASSWORD, APP_PASSWORD, PostgresServer

ACME, BETA = company_id("acme"), company_id("beta")
NOW = "2026-01-01T00:00:00Z"


def rows(count: int, text: str = "한글 text") -> list[Put]:
    return [Put(f"{i}", {"text": f"{text}{i}"}, f"{text}{i}"[-40:], "s", "m") for i in range(count)]


def moved(address: str, **parts: object) -> str:
    """The address with another user, password, port, host or database."""
    return make_url(address).set(**parts).render_as_string(hide_password=False)  # pyright: ignore[reportArgumentType]


def told(settings: Settings) -> StorageError:
    """The one line a person gets who opens the registry."""
    with pytest.raises(StorageError) as caught:
        Companies(settings).list()
    line = str(caught.value)
    assert "\n" not in line
    assert caught.value.remedy
    assert not caught.value.__cause__
    for secret in (APP_PASSWORD, ADMIN_PASSWORD, "app%3Apass", "wrong-secret"):
        assert secret not in line
    return caught.value


# --- addresses and roles ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong-secret"}, "does not let us in"),
        ({"username": "nobody-here", "password": "wrong-secret"}, "does not let us in"),
        ({"database": "not_there"}, "no such database"),
        ({"port": 1}, "cannot be reached"),
        ({"host": "no-such-host.invalid"}, "cannot be reached"),
        ({"query": {"sslmode": "verify-full"}}, "encryption"),
        ({"query": {"nonsense": "1"}}, "not understood"),
    ],
)
def test_an_address_that_is_wrong(postgres: Settings, change: dict[str, object], said: str) -> None:
    settings = Settings(home=postgres.home, storage=moved(postgres.storage, **change))
    assert said in told(settings).title


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///x.db",
        "mysql://root:wrong-secret@x/y",
        "files",
        "postgres",
        "://",
        "postgresql://u:wrong-secret@h:port/d",
    ],
)
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError, match="CASEBOOK_STORAGE") as caught:
        Companies(Settings(home=tmp_path / "home", storage=address)).list()
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_scheme_in_use_is_understood(postgres: Settings, scheme: str) -> None:
    address = postgres.storage.replace("postgresql:", f"{scheme}:", 1)
    assert Companies(Settings(home=postgres.home, storage=address)).list() == []


def test_a_database_without_tables_is_told_with_the_remedy(postgres_server: PostgresServer, tmp_path: Path) -> None:
    settings = postgres_server.settings_for(postgres_server.database(), tmp_path / "home")
    error = told(settings)
    assert error.title == "the database is empty."
    assert "casebook storage upgrade" in error.remedy
    assert "CASEBOOK_STORAGE_ADMIN" in error.remedy


@pytest.mark.parametrize(("version", "said"), [("0000", "older"), ("9999", "newer")])
def test_a_database_of_another_version_stops_the_application(postgres: Settings, version: str, said: str) -> None:
    with psycopg.connect(postgres.storage_admin) as owner:
        owner.execute("UPDATE casebook_version SET version_num = %s", [version])
    assert said in told(postgres).title
    if said == "newer":
        with pytest.raises(StorageError, match="newer than this Casebook"):
            upgrade(postgres)


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} BYPASSRLS", "has BYPASSRLS"),
        ("ALTER TABLE clock OWNER TO {}", "owns the tables"),
        (
            "GRANT pg_monitor TO {}; CREATE ROLE {}_mighty BYPASSRLS; GRANT {}_mighty TO {}",
            "is a member of a role that can",
        ),
        ("REVOKE app_user FROM {} GRANTED BY owner", "lacks a right|not a member"),
    ],
)
def test_a_role_that_the_wall_does_not_hold_is_refused(
    postgres: Settings, postgres_server: PostgresServer, grant: str, said: str
) -> None:
    database = make_url(postgres.storage).database or ""
    role = f"login_{database}"
    storage = postgres_server.address(database, role, APP_PASSWORD)
    settings = Settings(home=postgres.home, storage=storage, storage_admin=postgres.storage_admin)
    assert upgrade(settings).roles == [role]  # it is made, as a member of app_user
    assert Companies(settings).list() == []
    for statement in grant.replace("{}", role).split(";"):
        postgres_server.execute(statement, database)
    fresh = Settings(home=postgres.home, storage=moved(storage, query={"application_name": "again"}))
    with pytest.raises(StorageError, match=said):
        Companies(fresh).list()
    postgres_server.execute(f"DROP OWNED BY {role}", database)
    postgres_server.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE raw_tickets DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE paid NO FORCE ROW LEVEL SECURITY",
        "CREATE POLICY another ON clock USING (true)",
        "ALTER POLICY raw_tickets_company_isolation ON raw_tickets USING (true)",
        "ALTER POLICY paid_company_isolation ON paid WITH CHECK (true)",
        "ALTER VIEW tickets RESET (security_invoker)",
        "CREATE TABLE cases (company_id text, said text)",
    ],
)
def test_a_wall_that_was_taken_down_stops_the_application(postgres: Settings, statement: str) -> None:
    with psycopg.connect(postgres.storage_admin) as owner:
        owner.execute(statement.encode())
    assert told(postgres).title == "the walls between companies were changed."


def test_a_daemon_notices_that_the_database_was_upgraded_under_it(postgres: Settings) -> None:
    storage = open_storage(postgres)
    with storage.store(ACME) as store:
        assert store.count("raw_tickets") == 0
    with psycopg.connect(postgres.storage_admin) as owner:
        owner.execute("UPDATE casebook_version SET version_num = '9999'")
    with pytest.raises(StorageError, match="newer"), storage.store(ACME):
        pass


def test_without_the_right_to_temporary_tables_rows_go_in_one_by_one(
    postgres: Settings, postgres_server: PostgresServer
) -> None:
    database = make_url(postgres.storage).database or ""
    for role in ("PUBLIC", "app_user"):
        postgres_server.execute(f"REVOKE TEMPORARY ON DATABASE {database} FROM {role}")
    with open_storage(postgres).store(ACME) as store, store.begin("run", NOW) as write:
        assert write.upsert("raw_tickets", rows(50)) == 50
    with open_storage(postgres).store(ACME) as store:
        assert store.count("raw_tickets") == 50


def test_what_one_user_of_a_pooled_connection_left_does_not_meet_the_next(postgres: Settings) -> None:
    storage = open_storage(postgres)
    with storage.registry() as db:
        db.exec_driver_sql("CREATE TEMP TABLE companies (LIKE companies)")
        db.exec_driver_sql("SELECT pg_advisory_lock(42)")
        db.exec_driver_sql("SET search_path = pg_temp")
        pid = db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with storage.registry() as db:
        assert db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() == pid
        assert db.exec_driver_sql("SHOW search_path").scalar_one() == "public,pg_temp"
        assert db.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").scalar_one() == 0
        assert db.exec_driver_sql("SELECT count(*) FROM pg_class WHERE relpersistence = 't'").scalar_one() == 0


def test_the_newest_migration_is_the_one_that_the_code_is_written_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


# --- upgrade ----------------------------------------------------------------------------------------------------------


def test_an_upgrade_makes_roles_and_tables_and_can_be_repeated(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command, on an empty database; and the server's log learns no password."""
    database = postgres_server.database()
    for name, value in postgres_server.environment(database, "someone").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CASEBOOK_HOME", str(tmp_path / "home"))
    said = done("storage", "upgrade")
    assert f"version {HEAD}, new." in said.out
    assert "made the role someone" in said.out
    assert "up to date" in done("storage", "upgrade").out
    assert done("storage", "check", "--json").json["ok"] is True
    assert casebook("company", "list").code == 0
    with psycopg.connect(postgres_server.address(database)) as root:
        member = root.execute("SELECT pg_has_role('someone', 'app_user', 'USAGE'), rolsuper, rolbypassrls, rolcreatedb "
                              "FROM pg_roles WHERE rolname = 'someone'").fetchone()  # fmt: skip
    assert member == (True, False, False, False)
    assert APP_PASSWORD not in postgres_server.log
    assert ADMIN_PASSWORD not in postgres_server.log


def test_upgrades_at_the_same_time_come_one_after_the_other(postgres_server: PostgresServer, tmp_path: Path) -> None:
    settings = postgres_server.settings_for(postgres_server.database(), tmp_path / "home")
    done_by: list[str] = []
    threads = [threading.Thread(target=lambda: done_by.append(upgrade(settings).before)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done_by) == ["", HEAD, HEAD, HEAD]


def test_a_database_of_version_0002_keeps_its_rows_and_can_pay(postgres: Settings) -> None:
    """The walls of the new tables included: the application writes into them by its own role."""
    acme, beta, now = company_id("acme"), company_id("beta"), "2026-01-01T00:00:00Z"
    with open_storage(postgres).store(acme) as store:
        store.keep_paid("ticket_embeddings", "m", [("h", "1", Made({"said": "a"}))], [], "run", now)
        with store.begin("run", now) as write:
            write.upsert("raw_tickets", [Put(str(n), {"n": n}, f"h{n}", "s", "freshdesk-1") for n in range(9)])
            write.fail("ticket_summaries", {"bad": "why", "worse": "why"}, dict.fromkeys(("bad", "worse"), now))
        queue, rows = store.queue(), store.get("raw_tickets", sorted(store.ids("raw_tickets")))
    with psycopg.connect(postgres.storage_admin) as owner:  # take away what the versions since brought
        for statement in (
            "DROP VIEW tickets, processing_queue, feedback",
            "DROP TABLE ledger, batches, batched, kb_summaries, kb_embeddings, kb_collection",
            "DROP TABLE recommendations, judged_queries, reports, exchanges",
            f"DROP TABLE {', '.join(name for name in list(TABLES)[list(TABLES).index('workbook') :])}",
            "ALTER TABLE queue DROP COLUMN priority, DROP COLUMN waits",
            "ALTER TABLE paid DROP COLUMN data_type",
            "UPDATE casebook_version SET version_num = '0002'",
        ):
            owner.execute(statement)
    assert (upgrade(postgres).before, upgrade(postgres).before) == ("0002", HEAD)
    with open_storage(postgres).store(acme) as store:
        assert (store.queue(), store.due("ticket_summaries", now)) == (queue, ["bad", "worse"])
        assert store.get("raw_tickets", sorted(store.ids("raw_tickets"))) == rows
        assert store.ticket_statuses() == {"pending": 9}
        assert store.paid("m", ["h"])["h"].payload == {"said": "a"}
        spent = Spent("c1", "one", "gpt", "first", 1, 10, 2, 0.5)
        store.keep_paid("kb_summaries", "m kb", [("h", "1", Made({}))], [spent], "run", now)
        with store.begin("run", now) as write:
            write.forget_paid(["1"])  # of tickets, as all that was kept before is
            write.wait("kb_summaries", {"1": "in a batch"})
        assert (store.paid("m", ["h"]), set(store.paid("m kb", ["h"]))) == ({}, {"h"})
        assert (store.spent(now), store.waiting(), store.batches("kb_summaries")) == (0.5, 1, [])
    with open_storage(postgres).store(beta) as store:
        assert (store.spent(now), store.waiting(), store.paid("m kb", ["h"])) == (0.0, 0, {})


Changed = Callable[[PostgresServer, Settings], Settings]


def _with(settings: Settings, **changes: str) -> Settings:
    return Settings(
        **{"home": settings.home, "storage": settings.storage, "storage_admin": settings.storage_admin, **changes}
    )  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("changed", "kind", "said"),
    [
        (lambda _, s: _with(s, storage="file"), InputError, "nothing to upgrade"),
        (lambda _, s: _with(s, storage_admin=""), InputError, "owner's address is missing"),
        (lambda _, s: _with(s, storage_admin="mysql://x"), InputError, "CASEBOOK_STORAGE_ADMIN is no address"),
        (lambda _, s: _with(s, storage=s.storage_admin), InputError, "same role"),
        (lambda _, s: _with(s, storage=moved(s.storage, database="other")), InputError, "different databases"),
        (lambda _, s: _with(s, storage_admin=moved(s.storage_admin, password="wrong-secret")), StorageError, "let us in"),
        (lambda _, s: _with(s, storage_admin=moved(s.storage_admin, username="app_user", password=APP_PASSWORD),
                            storage=moved(s.storage, username="another")), StorageError, "lacks a right"),
    ],
)  # fmt: skip
def test_an_upgrade_that_cannot_be(
    postgres_server: PostgresServer, postgres: Settings, changed: Changed, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        upgrade(changed(postgres_server, postgres))
    assert "wrong-secret" not in str(caught.value)


# --- connections that break -------------------------------------------------------------------------------------------


def test_a_connection_that_is_lost_stops_cleanly_and_the_next_finds_all_that_was_committed(postgres: Settings) -> None:
    storage = open_storage(postgres)
    lost = pytest.raises(StorageUnavailable, match="goes on where it stopped")
    with lost, storage.lock(ACME, "sync") as open_store, open_store() as store:
        with store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(30))
        with store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(30, "lost"))
            cut(postgres)
    with storage.store(ACME) as store:
        assert {row.payload["text"] for row in store.get("raw_tickets", ["1", "2"]).values()} == {
            "한글 text1",
            "한글 text2",
        }
    with storage.lock(ACME, "the next"):
        pass


def test_who_loses_the_lock_cannot_write_any_more(postgres: Settings) -> None:
    """The lock lives in the connection that writes: there is no moment with two writers, however often it is tried."""
    storage = open_storage(postgres)
    with storage.lock(ACME, "first") as open_store, open_store() as store:
        assert store.count("raw_tickets") == 0
        cut(postgres)
        with storage.lock(ACME, "second"):
            with pytest.raises(CompanyBusy, match="second"):
                storage.lock(ACME, "third").__enter__()
            tries: list[Callable[[], object]] = [
                lambda: store.count("raw_tickets"),
                lambda: store.get("raw_tickets", ["1"]),
                lambda: store.changes("raw_tickets", 0, 9),
                lambda: write_one(store),
                lambda: write_one(store),
                lambda: store.keep_paid("ticket_summaries", "m", [("h", "1", Made({}))], [], "run", NOW),
                lambda: write_one(store),
            ]
            for attempt in tries:
                with pytest.raises(StorageUnavailable), storage.explained():
                    attempt()
    with storage.store(ACME) as after:
        assert after.count("raw_tickets") == 0
        assert after.paid("m", ["h"]) == {}


def write_one(store: SqlCompanyStore) -> None:
    with store.begin("run", NOW) as write:
        write.upsert("raw_tickets", rows(1))


def test_an_idle_connection_that_was_cut_is_replaced_unnoticed(postgres: Settings) -> None:
    companies = Companies(postgres)
    assert companies.list() == []
    cut(postgres)
    assert companies.list() == []


def cut(settings: Settings) -> None:
    """End every session of the application, as a failover does."""
    with psycopg.connect(settings.storage, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()"
        )


def test_a_server_that_is_away_and_comes_back(tmp_path: Path) -> None:
    with PostgresServer() as server:
        settings = server.settings_for(server.database(), tmp_path / "home")
        upgrade(settings)
        storage = open_storage(settings)
        with storage.store(ACME) as store, store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(100))
        server.stop(hard=True)
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            Companies(settings).list()
        server.start()
        with storage.store(ACME) as store:
            assert store.count("raw_tickets") == 100


# --- disks that fill --------------------------------------------------------------------------------------------------


def test_a_full_disk_undoes_the_write_and_keeps_what_was_there(tmp_path: Path) -> None:
    with PostgresServer(largest_file=24 * 1024 * 1024) as server:
        settings = server.settings_for(server.database(), tmp_path / "home")
        upgrade(settings)
        storage = open_storage(settings)
        with storage.store(ACME) as store, store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(100))
        with pytest.raises(StorageError) as caught, storage.store(ACME) as store, store.begin("run", NOW) as write:
            write.save_state("walk", 1)
            write.upsert(
                "raw_tickets", [Put(f"{i}", {"text": "x" * 1500 + f"{i}"}, f"n{i}", "s", "m") for i in range(40_000)]
            )
        assert "\n" not in str(caught.value)
        assert caught.value.title == "the database failed."  # a real ENOSPC says "cannot write"
        assert "xxxx" not in str(caught.value)
        with storage.store(ACME) as store:
            assert store.state("walk") is None
            assert {row.content_hash for row in store.get("raw_tickets", ["1"]).values()} == {"한글 text1"}
            with store.begin("run", NOW) as write:
                write.upsert("raw_tickets", rows(1, "room again"))


def test_what_the_server_says_of_a_row_is_not_told(postgres: Settings) -> None:
    """Postgres quotes the failing row in the detail of some errors."""
    with psycopg.connect(postgres.storage_admin) as owner:
        owner.execute("ALTER TABLE raw_tickets ADD CONSTRAINT short CHECK (length(run_id) < 9)")
    for count in (1, 50):
        opened = open_storage(postgres).store(ACME)
        with pytest.raises(StorageError) as caught, opened as store, store.begin("a long run's id", NOW) as write:
            write.upsert("raw_tickets", rows(count, "SECRET"))
        assert "SECRET" not in str(caught.value)
        assert caught.value.__suppress_context__


def test_a_store_is_the_same_one_until_it_is_erased(postgres: Settings) -> None:
    storage = open_storage(postgres)
    seen = []
    for erased in (False, False, True, False):
        with storage.store(ACME) as store:
            seen.append(store.store_id)
        if erased:
            storage.erase(ACME)
    assert len({*seen[:3]}) == 1
    assert seen[3] not in seen[:3]


def test_every_companys_lock_is_its_own_and_free_as_soon_as_it_is_given_back(postgres: Settings) -> None:
    storage = open_storage(postgres)
    for number in range(12):  # half of the numbers that stand for them are negative
        company = company_id(f"company-{number}")
        with storage.lock(company, "me"):
            assert not storage.is_free(company)
            assert storage.is_free(company_id(f"other-{number}"))
        assert storage.is_free(company)


# --- another version, and TLS -----------------------------------------------------------------------------------------

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
"""The system's own, where there is one: the packaged server was built without TLS."""


@pytest.mark.skipif(not INSTALLED, reason="needs a system's Postgres (Debian: postgresql), built with TLS")
@pytest.mark.parametrize("program", INSTALLED, ids=lambda program: program.parts[-3])
def test_a_connection_that_is_encrypted_and_verified(tmp_path: Path, program: Path) -> None:
    server = PostgresServer(programs=program.parent, ssl="on")
    make_authority(server.folder)
    make_authority(tmp_path)  # somebody else's
    key = server.folder / "server.key"
    key.chmod(0o600)
    if os.getuid() == 0:
        os.chown(key, 65534, -1)
    server.options |= {"ssl_cert_file": f"{server.folder}/server.pem", "ssl_key_file": f"{key}"}
    with server:
        database = server.database()
        trusted = {"sslmode": "verify-full", "sslrootcert": f"{server.folder}/ca.pem"}
        addresses = {name: moved(address, query=trusted) for name, address in server.environment(database).items()}
        settings = Settings(
            home=tmp_path / "home",
            storage=addresses["CASEBOOK_STORAGE"],
            storage_admin=addresses["CASEBOOK_STORAGE_ADMIN"],
        )
        assert upgrade(settings).now == HEAD
        with open_storage(settings).store(ACME) as store, store.begin("run", NOW) as write:
            write.upsert("raw_tickets", rows(50))
        with open_storage(settings).registry() as db:
            assert db.exec_driver_sql("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").scalar_one() is True
        foreign = {"sslmode": "verify-full", "sslrootcert": f"{tmp_path}/ca.pem"}
        assert "encryption" in told(Settings(home=settings.home, storage=moved(settings.storage, query=foreign))).title
        elsewhere = moved(settings.storage, host="localhost")  # its certificate is of 127.0.0.1
        assert "encryption" in told(Settings(home=settings.home, storage=elsewhere)).title
