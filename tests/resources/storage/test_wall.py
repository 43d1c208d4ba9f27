"""The wall between companies in Postgres: every attack we could think of, by somebody who speaks SQL as ``app_user``.

Belongs here: what must be refused, or must see nothing. Does not belong here: ids as names (``test_companies``).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import errors as pg
from psycopg import sql

from domain.batch import Batch
from domain.company import company_id
from domain.conversation import Exchange
from domain.feedback import Vote
from domain.judgement import JudgedQuery, RetrievalReport
from domain.recommendation import Recommendation
from domain.stage import TABLES, Cursor, Made, Put, Spent
from resources.settings import Settings
from resources.storage import schema
from resources.storage.base import open_storage
from resources.storage.postgres import VERSION_TABLE, PostgresStorage
from resources.storage.sql import SqlCompanyStore
from tests.postgres_server import PostgresServer, upgraded

ACME, BETA = company_id("acme"), company_id("beta")
NOW = "2026-01-01T00:00:00Z"
SECRET = "of beta alone"
WALLED = sorted(table.name for table in schema.WALLED)
VIEWS = ("tickets", "processing_queue", "feedback")
STRINGS = [
    "'; DROP TABLE raw_tickets; --",
    "' OR '1'='1",
    "x' OR company_id = 'beta",
    "beta",
    "%",
    "acme' UNION SELECT * FROM raw_tickets --",
    "$1",
    "%(company)s",
    ":company",
    "{}",
    "\\'; SET app.current_company_id = 'beta'; --",
]


def fill(store: SqlCompanyStore, said: str) -> None:
    """Something in every table."""
    with store.begin("run", NOW) as write:
        for table in TABLES:
            write.upsert(table, [Put(f"{i}", {"text": said}, said, said, f"freshdesk-1 {said}") for i in range(30)])
        write.save_cursor(Cursor("merged_tickets", "raw_tickets", said, 3))
        write.save_state("walk", said)
        write.fail("raw_tickets", {"1": said}, {"1": NOW})
        write.wait("ticket_summaries", {"2": said})
        batch = Batch("b", "ticket_summaries", said, "gpt", "m", requests=1, note=said, created_at=NOW)
        write.save_batch(batch)
        write.add_to_batch(batch, ["h"])
        write.forget([said], "document")
        write.vote(Vote("r", "thumbs_up", NOW, feedback_text=said))
        write.replace_judged([JudgedQuery("q", said, {"1": 1.0})])
        write.keep_report(RetrievalReport(NOW, "run", {"said": said}, {}))
    store.keep_recommendations([Recommendation("r", NOW, said, {}, [], {})])
    store.keep_exchanges([Exchange("e", "u_1", "u", NOW, said, NOW, said, 1)])
    spent = Spent("c", said, "gpt", "first", 1, 10, 2, 0.5)
    store.keep_paid("ticket_summaries", "m", [("h", "1", Made({"said": said}))], [spent], "run", NOW)


@pytest.fixture(scope="module")
def filled_once(postgres_server: PostgresServer) -> str:
    """A database with two companies that have the same ids in every table. Only to be copied."""
    name = postgres_server.database(postgres_server.upgraded)
    storage = open_storage(postgres_server.settings_for(name, Path()))
    assert isinstance(storage, PostgresStorage)
    for company, said in ((ACME, "of acme"), (BETA, SECRET)):
        with storage.store(company) as store:
            fill(store, said)
        with storage.registry(company) as db:
            row = {"company_id": company, "name": "helpdesk", "sealed": said}
            db.execute(sa.insert(schema.company_secrets), row)
    storage.close()
    return name


@pytest.fixture
def filled(postgres_server: PostgresServer, filled_once: str, tmp_path: Path) -> Iterator[Settings]:
    """A copy of that database."""
    with upgraded(postgres_server, tmp_path / "home", filled_once) as settings:
        yield settings


@pytest.fixture
def attacker(filled: Settings) -> Iterator[psycopg.Connection[Any]]:
    """A plain connection as the application's role, in a transaction that named itself acme."""
    with psycopg.connect(filled.storage) as connection:
        connection.execute("SELECT set_config('app.current_company_id', 'acme', true)")
        yield connection
        connection.rollback()


def beta_rows(settings: Settings) -> list[Any]:
    """All that beta has, as its own store sees it."""
    with open_storage(settings).store(BETA) as store, store.db.begin():
        store.enter()
        return [sorted(map(repr, store.db.execute(sa.select(table)))) for table in schema.WALLED]


def refused(connection: psycopg.Connection[Any], statement: str, *kinds: type[Exception]) -> None:
    with (
        pytest.raises(kinds or (pg.InsufficientPrivilege,)),
        connection.transaction(),
    ):
        connection.execute(statement.encode())


# --- the structure ----------------------------------------------------------------------------------------------------


def test_every_table_with_a_company_is_behind_the_wall(postgres: Settings) -> None:
    """Asked of the catalogue, so that a table of a later version cannot be forgotten."""
    with psycopg.connect(postgres.storage_admin) as owner:
        tables = owner.execute(
            "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c JOIN pg_attribute a "
            "ON a.attrelid = c.oid AND a.attname = 'company_id' WHERE c.relkind = 'r' "
            "AND c.relnamespace = 'public'::regnamespace ORDER BY 1"
        ).fetchall()
        policies = owner.execute(
            "SELECT tablename, policyname, roles::text[], cmd, qual, with_check FROM pg_policies ORDER BY 1"
        ).fetchall()
        views = owner.execute("SELECT relname, reloptions::text FROM pg_class WHERE relname = ANY(%s)", [list(VIEWS)])
        assert set(views) == {(name, "{security_invoker=true}") for name in VIEWS}
    assert [name for name, *on in tables if on == [True, True]] == WALLED
    assert [name for name, *on in tables if on != [True, True]] == ["audit", "companies"]
    theirs = "(company_id = current_setting('app.current_company_id'::text, true))"
    assert policies == [(name, f"{name}_company_isolation", ["app_user"], "ALL", theirs, theirs) for name in WALLED]


def test_the_migrations_make_just_the_tables_that_the_code_knows(postgres: Settings) -> None:
    engine = sa.create_engine(postgres.storage_admin.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as db:
        context = MigrationContext.configure(db, opts={"compare_server_default": True, "include_object": _ours})
        metadata = sa.MetaData()
        for part in (schema.store, schema.registry):
            for table in part.tables.values():
                table.to_metadata(metadata)
        found = [change for change in compare_metadata(context, metadata) if "collation" not in repr(change)]
    engine.dispose()
    assert found == []


def _ours(_object: Any, name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    return not (kind == "table" and name == VERSION_TABLE)


def test_the_views_have_the_specifications_columns(filled: Settings) -> None:
    """Spec workflow, "프로덕션 DB 스키마"."""
    columns = {
        "tickets": {
            "id": "bigint", "company_id": "text", "platform": "text", "ticket_id": "text", "raw_data": "jsonb",
            "processed_data": "jsonb", "summary": "jsonb", "status": "text",
            "created_at": "timestamp without time zone", "updated_at": "timestamp without time zone",
        },
        "processing_queue": {
            "id": "bigint", "company_id": "text", "item_type": "text", "item_id": "text", "priority": "integer",
            "status": "text", "retry_count": "bigint", "error_message": "text",
            "created_at": "timestamp without time zone",
        },
        "feedback": {
            "id": "bigint", "company_id": "text", "recommendation_id": "text", "user_id": "text",
            "feedback_type": "text", "feedback_score": "bigint", "feedback_text": "text",
            "created_at": "timestamp without time zone",
        },
    }  # fmt: skip
    with psycopg.connect(filled.storage) as connection:
        for view, wanted in columns.items():
            found = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s "
                "ORDER BY ordinal_position",
                [view],
            ).fetchall()
            assert found == list(wanted.items())
        connection.execute("SELECT set_config('app.current_company_id', 'acme', true)")
        row = connection.execute("SELECT * FROM tickets WHERE ticket_id = '2'").fetchone()
    assert row and row[1:9] == (
        "acme", "freshdesk", "2", {"text": "of acme"}, {"text": "of acme"}, {"text": "of acme"}, "processed", row[8]
    )  # fmt: skip


def test_the_role_owns_nothing_and_may_do_nothing_else(attacker: psycopg.Connection[Any]) -> None:
    flags = attacker.execute(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles "
        "WHERE rolname = current_user"
    ).fetchone()
    assert flags == (False,) * 5
    owned = attacker.execute(
        "SELECT count(*) FROM pg_class WHERE relpersistence <> 't' "
        "AND relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    ).fetchone()
    assert owned == (0,)
    for statement in (
        "ALTER TABLE raw_tickets DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE raw_tickets NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY raw_tickets_company_isolation ON raw_tickets",
        "CREATE POLICY mine ON raw_tickets USING (true)",
        "TRUNCATE raw_tickets",
        "DROP VIEW tickets",
        "CREATE TABLE mine (x int)",
        "SET ROLE owner",
        "SET SESSION AUTHORIZATION owner",
        "ALTER ROLE app_user BYPASSRLS",
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "UPDATE casebook_version SET version_num = '9'",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY raw_tickets TO PROGRAM 'cat'",
    ):
        refused(attacker, statement)


# --- reading and writing past it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [*WALLED, *VIEWS])
def test_no_row_of_another_company_is_seen(attacker: psycopg.Connection[Any], table: str) -> None:
    name = sql.Identifier(table)
    assert attacker.execute(sql.SQL("SELECT count(*) > 0 FROM {}").format(name)).fetchone() == (True,)
    for statement in (
        "SELECT count(*) FROM {} WHERE company_id <> 'acme'",
        "SELECT count(*) FROM {} WHERE company_id = 'beta' OR true AND company_id = 'beta'",
        "SELECT count(*) FROM {} t WHERE t::text LIKE '%of beta alone%'",
        "SELECT count(*) FROM (TABLE {}) t WHERE company_id LIKE 'b%'",
        "WITH RECURSIVE r AS (SELECT company_id FROM {} WHERE company_id = 'beta') SELECT count(*) FROM r",
    ):
        assert attacker.execute(sql.SQL(statement).format(name)).fetchone() == (0,)  # pyright: ignore[reportArgumentType]
    refused(attacker, f"SET LOCAL row_security = off; SELECT * FROM {table}", pg.InsufficientPrivilege, pg.SyntaxError)


def test_a_question_without_a_company_sees_nothing_and_fails_nowhere(filled: Settings) -> None:
    for value in (None, "", "Beta", "beta ", "b%", "ｂｅｔａ", "βeta", "beta' OR true --"):
        with psycopg.connect(filled.storage) as connection:
            if value is not None:
                connection.execute("SELECT set_config('app.current_company_id', %s, true)", [value])
            for table in (*WALLED, *VIEWS):
                assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


@pytest.mark.parametrize("table", WALLED)
def test_no_row_of_another_company_is_written(attacker: psycopg.Connection[Any], filled: Settings, table: str) -> None:
    before = beta_rows(filled)
    refused(attacker, f"UPDATE {table} SET company_id = 'beta'")
    refused(
        attacker,
        f'INSERT INTO {table} SELECT (jsonb_populate_record(t, \'{{"company_id": "beta"}}\')).* FROM {table} t',
    )
    for statement in (f"DELETE FROM {table} WHERE company_id = 'beta'", f"UPDATE {table} SET company_id = company_id "
                      "WHERE company_id = 'beta'"):  # fmt: skip
        assert attacker.execute(statement.encode()).rowcount == 0
    attacker.execute(f"DELETE FROM {table}".encode())
    attacker.commit()
    assert beta_rows(filled) == before


def test_copy_obeys_the_wall(attacker: psycopg.Connection[Any]) -> None:
    with attacker.cursor() as cursor:
        for what in ("raw_tickets", "(SELECT * FROM tickets)", "company_secrets"):
            with cursor.copy(f"COPY {what} TO STDOUT".encode()) as copy:
                said = b"".join(bytes(part) for part in copy)
            assert b"of acme" in said
            assert b"beta" not in said
        with (
            pytest.raises(pg.FeatureNotSupported),
            attacker.transaction(),
            cursor.copy("COPY clock (company_id, seq, store_id, schema_version) FROM STDIN") as copy,
        ):
            copy.write_row(["beta2", 1, "x", 1])


def test_a_prepared_statement_answers_for_the_company_of_its_moment(filled: Settings) -> None:
    with psycopg.connect(filled.storage, autocommit=True) as connection:
        for company, said in (("acme", "of acme"), ("beta", SECRET), ("acme", "of acme"), ("nobody", None)):
            with connection.transaction():
                connection.execute("SELECT set_config('app.current_company_id', %s, true)", [company])
                for _ in range(7):  # the server's generic plan comes with the sixth
                    rows = connection.execute("SELECT payload FROM raw_tickets", prepare=True).fetchall()
                    assert {row[0]["text"] for row in rows} == ({said} if said else set())
            assert connection.execute("SELECT payload FROM raw_tickets", prepare=True).fetchall() == []


def test_a_function_in_a_question_is_not_shown_other_rows(attacker: psycopg.Connection[Any]) -> None:
    """A cheap function would run before the policy, were it not kept behind it."""
    attacker.execute(
        "CREATE FUNCTION pg_temp.leak(jsonb) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS "
        "$$ BEGIN IF $1::text LIKE '%beta%' THEN RAISE EXCEPTION 'leaked %', $1; END IF; RETURN true; END $$"
    )
    for source in ("raw_tickets", "ticket_summaries"):
        found = attacker.execute(f"SELECT count(*) FROM {source} WHERE pg_temp.leak(payload)".encode()).fetchone()
        assert found == (30,)
    assert attacker.execute("SELECT count(*) FROM tickets WHERE pg_temp.leak(raw_data)").fetchone() == (30,)


def test_the_servers_own_statistics_tell_nothing(attacker: psycopg.Connection[Any], filled: Settings) -> None:
    with psycopg.connect(filled.storage_admin, autocommit=True) as owner:
        owner.execute("ANALYZE")
    said = attacker.execute("SELECT pg_stats::text FROM pg_stats WHERE schemaname = 'public'").fetchall()
    assert not [text for (text,) in said if SECRET in text]


def test_the_owner_is_no_exception(filled: Settings) -> None:
    with psycopg.connect(filled.storage_admin) as owner:
        for company in (None, "acme", "beta"):
            if company:
                owner.execute("SELECT set_config('app.current_company_id', %s, true)", [company])
            for table in WALLED:
                assert owner.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)


# --- through our own code ---------------------------------------------------------------------------------------------


def test_a_variable_set_by_hand_on_a_pooled_connection_changes_nothing(filled: Settings) -> None:
    storage = open_storage(filled)
    assert isinstance(storage, PostgresStorage)
    with storage.registry() as db:
        db.exec_driver_sql("SELECT set_config('app.current_company_id', 'beta', false)")
        pid = db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    with storage.registry() as db:
        assert db.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() == pid  # it is the same one
        assert not db.exec_driver_sql("SELECT current_setting('app.current_company_id', true)").scalar_one()
        assert db.execute(sa.select(schema.company_secrets)).all() == []
        db.exec_driver_sql("SELECT set_config('app.current_company_id', 'beta', false)")
    with storage.store(ACME) as store:
        store.db.exec_driver_sql("SELECT set_config('app.current_company_id', 'beta', false)")
        store.db.commit()
        assert {row.payload["text"] for row in store.changes("raw_tickets", 0, 99)} == {"of acme"}


def test_a_store_neither_sees_nor_touches_another_companys_rows(filled: Settings) -> None:
    before = beta_rows(filled)
    ids = [f"{i}" for i in range(40)]
    with open_storage(filled).store(ACME) as store:
        seen: list[Any] = []
        for table in TABLES:
            seen += [store.get(table, ids, vector=True), store.heads(table, ids), store.changes(table, 0, 999)]
            seen += [batch.to_pylist() for batch in store.scan(table)]
        seen += [store.judged(), store.reports(), store.recommendations(), store.recommendation("r")]
        seen += [store.session("u_1", 9), store.last_exchange("u", ""), store.exchanges("")]
        seen += [store.queue(), store.votes(), store.state("walk"), store.cursor("merged_tickets", "raw_tickets")]
        seen += [store.paid("m", ["h"]), store.forgotten(), store.tickets(), store.ticket_statuses()]
        seen += [
            store.ledger(),
            store.batches("ticket_summaries"),
            store.batch_inputs("b"),
            store.in_batch(["b"], ["h"]),
        ]
        assert (store.spent(NOW), store.paid_calls("run", NOW), store.waiting()) == (0.5, (1, 1), 1)
        assert SECRET not in repr(seen)
        with store.begin("run", NOW) as write:
            for table in TABLES:
                write.upsert(table, [Put(doc_id, {"text": "new"}, "new", "s", "m") for doc_id in ids])
                write.delete(table, ids)
                write.settle(table, ids)
            write.forget_paid(ids)
            write.save_state("walk", "gone")
            write.save_cursor(Cursor("merged_tickets", "raw_tickets", "gone", 9))
    assert beta_rows(filled) == before
    with open_storage(filled).lock(ACME, "me"):
        open_storage(filled).erase(ACME)
    assert beta_rows(filled) == before


@pytest.mark.parametrize("text", STRINGS)
def test_sql_in_any_string_is_only_a_string(filled: Settings, text: str) -> None:
    before = beta_rows(filled)
    with open_storage(filled).store(ACME) as store:
        store.keep_paid("ticket_summaries", text, [(text, text, Made({text: text}))], [], text, NOW)
        with store.begin(text, text) as write:
            write.upsert("raw_tickets", [Put(text, {text: text}, text, text, text)])
            write.save_cursor(Cursor(text, text, text, 1))
            write.save_state(text, text)
            write.fail(text, {text: text}, {text: text})
            write.forget([text], text)
            write.vote(Vote(text, "thumbs_up", NOW, text, text, 1, text))
        assert store.get("raw_tickets", [text])[text].payload == {text: text}
        assert store.cursor(text, text) == Cursor(text, text, text, 1)
        assert (store.state(text), store.due(text, text)) == (text, [text])
        assert store.paid(text, [text])[text].payload == {text: text}
        assert store.forgotten()[text] == text
        assert store.votes()[-1].feedback_text == text
        assert store.tickets(status=text) == store.tickets(since="9", status=text) == []
        assert SECRET not in repr([store.get("raw_tickets", [text]), store.queue()])
        with store.begin(text, text) as write:
            assert write.delete("raw_tickets", [text]) == 1
            write.settle(text, [text])
            write.forget_paid([text])
    with open_storage(filled).lock(ACME, text):
        pass
    assert beta_rows(filled) == before
