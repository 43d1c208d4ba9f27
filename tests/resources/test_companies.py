"""The registry, the wall between companies, the lock, and what a removal leaves; on every backend."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from domain.company import Company, CompanyId, company_id
from domain.errors import CompanyBusy, InputError, StorageError
from domain.provider import Provider
from domain.stage import Made, Put
from resources import audit, secrets
from resources.companies import HELPDESK, Companies
from resources.key_rotation import rotate_master_key
from resources.published import PublishedTable, Publisher
from resources.settings import Settings
from resources.vector_index.base import open_index
from tests.processes import Child, ask
from tests.redis_server import RedisServer, needs_redis

ACME, NEAR = company_id("acme"), company_id("acme-2")
NOW = "2026-01-01T00:00:00Z"
NO_IDS = [
    "", "a", "A", "Acme", "ACME", "-acme", "acme_ticket", "acme beta", " acme", "acme ", "acme\n", "acme\x00", "acme.",
    ".", "..", "../x", "acme/../beta", "acme/", "/etc/passwd", "..\\x", "C:\\x", "a" * 64, "%2e%2e", "acme;", "'--", "*",
    "аcme", "ａｃｍｅ", "acmé", "acme\u200b", "회사", "١٢", "acme\u2044x", "🙂🙂",
]  # fmt: skip
"""What is no id; the look-alikes at the end are Cyrillic, full-width, accented, with a zero-width space …"""


@pytest.fixture
def companies(backend: Settings) -> Companies:
    return Companies(backend)


def added(companies: Companies, name: str = "acme", secret: str = "", **settings: Any) -> Company:
    company = Company(company_id(name), "freshdesk", f"https://{name}.example.com", settings, created_at=NOW)
    companies.add(company, secret)
    return company


# --- the registry -----------------------------------------------------------------------------------------------------


def test_a_company_comes_back_as_it_was_added(companies: Companies) -> None:
    company = added(companies, language="ko", resolved_statuses=["해결됨", "it's done"], columns={"subject": "제목"})
    assert Companies(companies.settings).get("acme") == company
    assert companies.list() == [company]


def test_companies_are_listed_by_their_ids(companies: Companies) -> None:
    assert companies.list() == []
    for name in ("hanbit", "acme-2", "zeta", "acme", "0to1"):
        added(companies, name)
    assert [company.id for company in companies.list()] == ["0to1", "acme", "acme-2", "hanbit", "zeta"]


def test_an_unknown_company_is_told_with_the_known_ones(companies: Companies) -> None:
    with pytest.raises(InputError, match=r"unknown company 'beta'. None is known yet"):
        companies.get("beta")
    added(companies, "hanbit")
    added(companies)
    with pytest.raises(InputError, match=r"unknown company 'beta'. Known: acme, hanbit\."):
        companies.get("beta")


def test_an_id_is_taken_once(companies: Companies) -> None:
    company = added(companies, language="ko")
    with pytest.raises(InputError, match="exists already"):
        companies.add(Company(ACME, "export", "other.csv"), "")
    assert companies.get("acme") == company


def test_settings_are_added_to_those_there_are(companies: Companies) -> None:
    company = added(companies, language="ko")
    companies.set(company, nightly_hour=5)
    changed = companies.set(company, rate_share=0.5)  # by somebody who read the company before that
    assert changed.settings == {"language": "ko", "nightly_hour": 5, "rate_share": 0.5}
    assert companies.get("acme") == changed
    assert companies.pause(company, True).paused
    assert companies.get("acme").settings == changed.settings
    assert not companies.pause(company, False).paused


def test_settings_of_a_company_that_was_removed_are_not_stored(companies: Companies) -> None:
    company = added(companies)
    companies.remove(company)
    with pytest.raises(InputError, match="was removed"):
        companies.set(company, nightly_hour=5)
    assert companies.list() == []


def test_changes_from_several_processes_at_once_are_all_kept(companies: Companies) -> None:
    added(companies)
    children = [Child(change_often, companies.settings, name) for name in ("one", "two", "three")]
    for child in children:
        assert child.hear() == "done"
        child.kill()
    wanted = {f"{name}{number}": number for name in ("one", "two", "three") for number in range(15)}
    assert companies.get("acme").settings == wanted


def change_often(say: Callable[[str], None], settings: Settings, name: str) -> None:
    companies = Companies(settings)
    company = companies.get("acme")
    for number in range(15):
        companies.set(company, **{f"{name}{number}": number})
    say("done")


def test_processes_that_need_a_new_home_at_the_same_time(tmp_path: Path) -> None:
    start = time.time() + 0.2
    children = [Child(look_at, tmp_path / "home", start) for _ in range(4)]
    assert [child.hear() for child in children] == [[], [], [], []]
    for child in children:
        child.kill()


def look_at(say: Callable[[Any], None], home: Path, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    try:
        say(Companies(Settings(home=home)).list())
    except Exception as error:
        say(repr(error))


def test_a_damaged_registry_is_told_in_one_line(tmp_path: Path) -> None:
    companies = Companies(Settings(home=tmp_path / "home"))
    added(companies)
    (companies.settings.root / "registry.sqlite").write_bytes(b"no database at all" * 500)
    with pytest.raises(StorageError, match=r"registry\.sqlite") as caught:
        companies.list()
    assert "\n" not in str(caught.value)


# --- settings for who asks often --------------------------------------------------------------------------------------


def sealed(companies: Companies) -> str:
    return secrets.seal(companies.settings, "a key")


def test_a_changed_setting_works_in_the_next_call(companies: Companies) -> None:
    company = added(companies, secret=sealed(companies))
    assert companies.current(company.id) == company
    assert companies.cache.get_many(company.id, "settings", ["company"]).values != [None]
    for number in range(3):
        changed = companies.set(company, nightly_hour=number)
        assert companies.current(company.id) == changed
    companies.move(company, "https://new.example.com")
    assert companies.current(company.id).endpoint == "https://new.example.com"
    ask(set_hour, companies.settings)
    assert companies.current(company.id).setting("nightly_hour") == 7  # another process of the same home


def set_hour(say: Callable[[str], None], settings: Settings) -> None:
    companies = Companies(settings)
    companies.set(companies.get("acme"), nightly_hour=7)
    say("done")


def test_a_company_that_was_removed_is_unknown_at_once(companies: Companies) -> None:
    company = added(companies, secret=sealed(companies))
    companies.current(company.id)
    companies.remove(company)
    with pytest.raises(InputError, match="unknown company"):
        companies.current(company.id)


@needs_redis
def test_with_redis_a_change_is_seen_on_other_machines_at_once(postgres: Settings, tmp_path: Path) -> None:
    """Each machine has a home of its own; database, master key and Redis are shared."""
    with RedisServer(tmp_path / "redis") as server:
        shared = {"storage": postgres.storage, "redis_url": server.url, "master_key": Fernet.generate_key().decode()}
        here, there = (Companies(Settings(home=tmp_path / home, **shared)) for home in ("here", "there"))
        company = added(here, secret=sealed(here))
        assert there.current(company.id) == here.current(company.id) == company
        with server.admin() as admin:
            kept: list[Any] = [admin.get(name) for name in admin.scan_iter("casebook:{acme}:settings:*")]
        assert len(kept) == 2  # the generation, and the company: sealed
        assert not any(b"example.com" in value for value in kept)
        changed = here.set(company, nightly_hour=7)
        assert there.current(company.id) == changed
        server.kill()
        changed = there.set(changed, nightly_hour=8)  # without Redis, a change is not refused
        assert here.current(company.id) == changed


def test_what_a_cache_says_is_proved(companies: Companies) -> None:
    """Who can write to Redis can neither make up settings, nor take another company's, nor bring old ones back."""
    company = added(companies, secret=sealed(companies))
    other = added(companies, "acme-2", sealed(companies), nightly_hour=5)
    companies.current(other.id)
    [token] = companies.cache.get_many(other.id, "settings", ["company"]).values
    assert token
    old = Fernet(secrets_key(companies)).encrypt_at_time(json_of(company, nightly_hour=9), int(time.time()) - 60)
    stranger = Fernet(Fernet.generate_key()).encrypt(json_of(company, nightly_hour=9))
    lookup = companies.cache.get_many(company.id, "settings", ["company"])
    for forged in (token, old, stranger, b"", b"no token"):
        companies.cache.set_many(company.id, "settings", {"company": forged}, 60, lookup.generation)
        assert companies.current(company.id) == company
    right = Fernet(secrets_key(companies)).encrypt(json_of(company, nightly_hour=9))
    companies.cache.set_many(company.id, "settings", {"company": right}, 60, lookup.generation)
    assert companies.current(company.id).setting("nightly_hour") == 9  # so what was refused was seen


def secrets_key(companies: Companies) -> str:
    return (companies.settings.root / "master.key").read_text().strip()


def json_of(company: Company, **settings: Any) -> bytes:
    columns = {name: getattr(company, name) for name in ("platform", "endpoint", "paused", "created_at")}
    return json.dumps(columns | {"company_id": company.id, "settings": json.dumps(settings)}).encode()


def test_without_a_master_key_nothing_is_cached(companies: Companies) -> None:
    company = added(companies, secret="env:ACME")
    assert companies.current(company.id) == company
    assert companies.cache.get_many(company.id, "settings", ["company"]).values == [None]
    assert not (companies.settings.root / "master.key").exists()


def test_a_key_of_a_removed_company_is_not_stored(companies: Companies) -> None:
    company = added(companies)
    companies.remove(company)
    with pytest.raises(InputError, match="was removed"):
        companies.set_secret(company, "env:ACME")


def test_a_key_is_read_again_when_the_master_key_was_rotated_meanwhile(companies: Companies) -> None:
    company = added(companies, secret=sealed(companies))
    before = companies.stored_secret(company)
    rotate_master_key(companies)

    class Slow(Companies):
        """Reads what is stored, and then the rotation ends."""

        reads = 0

        def stored_secret(self, company: Company, name: str = HELPDESK) -> str:
            self.reads += 1
            return before if self.reads == 1 else super().stored_secret(company, name)

    assert Slow(companies.settings).secret(company) == "a key"


# --- keys of LLM providers ----------------------------------------------------------------------------------------------

ONE = Provider("one", "m", "https://one.example/v1")
MOVED = Provider("one", "m", "https://elsewhere.example/v1")


def test_a_providers_key_is_for_its_address_whatever_becomes_of_the_provider(companies: Companies) -> None:
    company = added(companies, secret=sealed(companies))
    companies.set_provider(company, ONE, secrets.seal(companies.settings, "key of one"))
    assert companies.llm_key(company, ONE) == "key of one"
    with pytest.raises(InputError, match="has no key"):
        companies.llm_key(company, MOVED)
    companies.set(company, llm_providers=[MOVED.to_json()])  # by whatever door
    for place in (ONE, MOVED):
        with pytest.raises(InputError, match="has no key"):
            companies.llm_key(company, place)
    assert set(companies.stored_secrets(company)) == {"helpdesk"}


def test_a_run_that_began_before_a_move_gets_no_key_of_the_new_address(companies: Companies) -> None:
    company = added(companies)
    companies.set_provider(company, ONE, "env:OLD")
    companies.set_provider(company, MOVED, secrets.seal(companies.settings, "key of elsewhere"))
    with pytest.raises(InputError, match="has no key"):
        companies.llm_key(company, ONE, fresh=True)
    with pytest.raises(InputError, match="changed meanwhile"):
        companies.set_llm_key(company, ONE, "env:LATE")
    assert companies.llm_key(company, MOVED) == "key of elsewhere"


def test_keys_go_with_their_providers_and_the_audit_log_says_so(companies: Companies) -> None:
    company = added(companies, secret="env:DESK")
    two = Provider("two", "m")
    for one in (ONE, two):
        companies.set_provider(company, one, f"env:{one.name.upper()}")
    companies.drop_provider(company, two)
    assert set(companies.stored_secrets(company)) == {"helpdesk", ONE.secret_name}
    companies.set(company, language="ko", llm_providers=[])
    assert companies.stored_secrets(company) == {"helpdesk": "env:DESK"}
    lines = [one.detail for one in audit.entries(companies.storage, company.id) if one.action == "key changed"]
    assert lines == [
        f"{ONE.secret_name}: removed", f"{two.secret_name}: removed", f"{two.secret_name}: env:TWO",
        f"{ONE.secret_name}: env:ONE",
    ]  # fmt: skip


def test_a_rotation_seals_every_key_of_a_company_again(companies: Companies) -> None:
    company = added(companies, secret=sealed(companies))
    two = Provider("two", "m")
    for one in (ONE, two):
        companies.set_provider(company, one, secrets.seal(companies.settings, f"key of {one.name}"))
    before = companies.stored_secrets(company)
    rotation = rotate_master_key(companies)
    assert (rotation.resealed, rotation.failed) == ([company.id], {})
    after = companies.stored_secrets(company)
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())
    assert companies.secret(company) == "a key"
    assert [companies.llm_key(company, one) for one in (ONE, two)] == ["key of one", "key of two"]
    rotated = [one.detail for one in audit.entries(companies.storage, company.id) if "rotated" in one.action]
    assert sorted(rotated) == ["helpdesk", ONE.secret_name, two.secret_name]


# --- the wall ---------------------------------------------------------------------------------------------------------


def test_nothing_but_an_id_passes_any_door(companies: Companies) -> None:
    added(companies)
    before = sorted(companies.settings.root.rglob("*"))
    doors: list[Callable[[CompanyId], object]] = [
        company_id,
        companies.get,
        companies.settings.company_folder,
        companies.settings.index_folder,
        companies.is_free,
        lambda name: companies.lock(name, "me").__enter__(),
        lambda name: companies.store(name).__enter__(),
    ]
    for text in NO_IDS:
        for door in doors:
            with pytest.raises(InputError, match="bad company id"):
                door(CompanyId(text))
    assert sorted(path for path in companies.settings.root.rglob("*") if path.name != "locks") == before
    assert sorted(companies.settings.root.parent.iterdir()) == [companies.settings.root]


@pytest.mark.parametrize("text", ["ab", "acme", "acme-2", "00", "1-", "a" * 63])
def test_ids_that_are_ids(text: str) -> None:
    assert company_id(text) == text


def test_a_store_holds_one_companys_rows(companies: Companies) -> None:
    for name in (ACME, NEAR):
        with companies.store(name) as store, store.begin("run", NOW) as write:
            write.upsert("raw_tickets", [Put("1", {"of": name}, name, "s", "m")])
    for name in (ACME, NEAR):
        with companies.store(name) as store:
            assert [row.payload for row in store.changes("raw_tickets", 0, 10)] == [{"of": name}]
    with companies.store(ACME) as one, companies.store(NEAR) as other:
        assert one.store_id != other.store_id


# --- the lock ---------------------------------------------------------------------------------------------------------


def hold(say: Callable[[str], None], settings: Settings) -> None:
    with Companies(settings).lock(ACME, "Dagster run 0123"):
        say("held")
        time.sleep(60)


def test_a_held_lock_names_its_holder_and_a_kill_frees_it(companies: Companies) -> None:
    with Child(hold, companies.settings) as child:
        assert child.hear() == "held"
        assert not companies.is_free(ACME)
        assert companies.is_free(NEAR)
        with pytest.raises(CompanyBusy, match=r"'acme' is busy. Dagster run 0123 is writing"):
            companies.lock(ACME, "me").__enter__()
        child.kill()
        assert child.was_killed
    assert companies.is_free(ACME)
    with companies.lock(ACME, "the next"):
        assert ask(who_holds, companies.settings) == "the next"


def who_holds(say: Callable[[str], None], settings: Settings) -> None:
    companies = Companies(settings)
    try:
        with companies.lock(ACME, "a child"):
            say("nobody")
    except CompanyBusy as error:
        say(error.detail.removesuffix(" is writing to it."))


def test_a_lock_keeps_the_same_process_out_too(companies: Companies) -> None:
    with companies.lock(ACME, "the first"), pytest.raises(CompanyBusy, match="the first"):
        companies.lock(ACME, "the second").__enter__()
    assert companies.is_free(ACME)


def test_a_lock_is_given_back_after_a_failure(companies: Companies) -> None:
    with pytest.raises(ZeroDivisionError), companies.lock(ACME, "me"):
        raise ZeroDivisionError
    assert companies.is_free(ACME)
    assert not list(companies.settings.root.rglob("*.holder"))


def test_a_lock_that_is_held_for_a_moment_only_is_waited_for(companies: Companies) -> None:
    """Somebody may just be looking whether it is free."""
    held = threading.Event()

    def look() -> None:
        with companies.lock(ACME, "a look"):
            held.set()
            time.sleep(0.1)

    thread = threading.Thread(target=look)
    thread.start()
    held.wait()
    with companies.lock(ACME, "me"):
        assert not companies.is_free(ACME)
    thread.join()


def test_the_store_under_a_lock_is_the_companys(companies: Companies) -> None:
    with companies.lock(ACME, "me") as open_store, open_store() as store, store.begin("run", NOW) as write:
        write.upsert("raw_tickets", [Put("1", {}, "h", "s", "m")])
    with companies.store(ACME) as store:
        assert store.ids("raw_tickets") == {"1"}


# --- removal ----------------------------------------------------------------------------------------------------------


def fill(companies: Companies, company: Company) -> None:
    """Something of a company in every place where something can be."""
    with companies.store(company.id) as store:
        with store.begin("run", NOW) as write:
            said = {"doc_id": "1", "said": f"SECRET of {company.id}."}
            point = {"points": [{"point": said, "indices": [1], "values": [1.0]}]}
            for table in ("merged_tickets", "ticket_summaries", "ticket_collection"):
                write.upsert(table, [Put("1", point, "h", "s", "m", b"\x00\x00\x80?" * 4)])
            write.fail("raw_tickets", {"1": f"SECRET of {company.id}."}, {"1": NOW})
        store.keep_paid(
            "ticket_summaries", "m", [("h", "1", Made({"said": f"SECRET of {company.id}."}))], [], "run", NOW
        )
        open_index(companies.settings, company).writer("ticket", "m", 4).publish(store, "ticket_collection")
        for kind in ("raw", "processed"):
            Publisher(companies.settings.root, store).publish(PublishedTable("ticket_summaries", kind))


def holding(root: Path, text: str) -> list[str]:
    """The files that hold a text, in their names or bytes."""
    return sorted(
        name
        for path in root.rglob("*")
        if text in (name := path.relative_to(root).as_posix())
        or (path.is_file() and text.encode() in path.read_bytes())
    )


def test_a_removal_erases_a_company_and_nobody_else(companies: Companies) -> None:
    root = companies.settings.root
    sealed = {name: secrets.seal(companies.settings, f"key of {name}") for name in (ACME, NEAR)}
    for name in (ACME, NEAR):
        fill(companies, added(companies, name, sealed[name]))
    others = {path: path.read_bytes() for path in (root / "companies/acme-2").rglob("*") if path.is_file()}
    published = sorted(path for path in (root / "published").rglob("company_id=acme-2*"))
    assert len(holding(root, "SECRET of acme.")) >= 3
    companies.remove(companies.get("acme"))
    assert [company.id for company in companies.list()] == ["acme-2"]
    for trace in ("SECRET of acme.", "acme.example.com", sealed[ACME], "company_id=acme/", "companies/acme/"):
        assert holding(root, trace) == []
    assert {path: path.read_bytes() for path in others} == others
    assert sorted(path for path in (root / "published").rglob("company_id=acme-2*")) == published != []
    assert companies.secret(companies.get("acme-2")) == "key of acme-2"
    added(companies)
    with companies.store(ACME) as store:
        assert store.count("ticket_summaries") == 0


def test_nothing_is_removed_while_somebody_writes(companies: Companies) -> None:
    company = added(companies)
    fill(companies, company)
    with Child(hold, companies.settings) as child:
        child.hear()
        with pytest.raises(CompanyBusy, match="Dagster run 0123"):
            companies.remove(company)
    assert companies.get("acme") == company
    with companies.store(ACME) as store:
        assert store.count("ticket_summaries") == 1


def test_a_removal_that_fails_can_be_repeated(companies: Companies) -> None:
    company = added(companies)
    fill(companies, company)
    stuck = companies.settings.root / "published/raw/tickets/company_id=acme"
    shutil.rmtree(stuck)
    stuck.write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="company_id=acme"):
        companies.remove(company)
    assert companies.get("acme") == company
    stuck.unlink()
    companies.remove(company)
    assert holding(companies.settings.root, "SECRET of acme.") == []
    assert companies.list() == []


def test_a_company_without_anything_can_be_removed(companies: Companies) -> None:
    companies.remove(added(companies))
    assert companies.list() == []
