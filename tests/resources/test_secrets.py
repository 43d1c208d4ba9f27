"""Keys of companies: sealed at rest, opened at use, never told."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from domain.company import Company, company_id
from domain.errors import InputError
from resources import secrets
from resources.companies import Companies
from resources.settings import Settings
from tests.processes import Child

KEY = "fd-비밀-Kx81'\"key"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("CASEBOOK_MASTER_KEY", raising=False)
    return Settings(home=tmp_path / "home")


def with_key(settings: Settings, master_key: str) -> Settings:
    return Settings(home=settings.home, master_key=master_key)


def test_a_sealed_key_opens_again_and_shows_nothing(settings: Settings) -> None:
    sealed = secrets.seal(settings, KEY)
    assert sealed != secrets.seal(settings, KEY)  # so that equal keys do not look equal
    assert KEY not in sealed
    assert secrets.open_secret(Settings(home=settings.home), sealed, "acme") == KEY


def test_the_registry_keeps_only_the_sealed_key(settings: Settings) -> None:
    companies = Companies(settings)
    company = Company(company_id("acme"), "freshdesk", "https://acme.example.com")
    companies.add(company, secrets.seal(settings, KEY))
    assert companies.secret(company) == KEY
    companies.set_secret(company, secrets.seal(settings, "another"))
    assert companies.secret(company) == "another"
    for path in settings.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
    assert KEY not in repr(companies.get("acme"))


def test_a_company_without_a_key_has_none(settings: Settings) -> None:
    companies = Companies(settings)
    company = Company(company_id("acme"), "export", "tickets.csv")
    companies.add(company, "")
    assert companies.secret(company) == ""
    assert not (settings.root / "master.key").exists()


def test_the_key_file_is_for_its_owner_only(settings: Settings) -> None:
    before = os.umask(0)
    try:
        secrets.seal(settings, KEY)
    finally:
        os.umask(before)
    file = settings.root / "master.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_text()
    secrets.seal(settings, KEY)
    assert file.read_text() == first
    assert sorted(path.name for path in settings.root.iterdir()) == ["master.key"]


def test_processes_that_need_a_key_file_at_the_same_time_share_one(settings: Settings) -> None:
    start = time.time() + 0.2
    children = [Child(seal_at, settings.home, start) for _ in range(4)]
    sealed = [child.hear() for child in children]
    for child in children:
        child.kill()
    assert [secrets.open_secret(settings, one, "acme") for one in sealed] == [KEY] * 4


def seal_at(say: Callable[[str], None], home: Path, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    say(secrets.seal(Settings(home=home), KEY))


def test_another_master_key_names_the_company_and_never_the_secret(settings: Settings) -> None:
    sealed = secrets.seal(settings, KEY)
    for wrong in (with_key(settings, Fernet.generate_key().decode()), Settings(home=settings.home / "elsewhere")):
        with pytest.raises(InputError) as caught:
            secrets.open_secret(wrong, sealed, "acme")
        told = str(caught.value)
        assert "'acme'" in told
        assert "CASEBOOK_MASTER_KEY" in told
        for hidden in (KEY, sealed, wrong.master_key or sealed):
            assert hidden not in told
        assert caught.value.__suppress_context__


def test_what_is_no_master_key_is_told_without_showing_it(settings: Settings) -> None:
    for wrong in ("short", "ü" * 44, "x" * 44, "spaces in it " * 4):
        with pytest.raises(InputError, match="the master key is not one") as caught:
            secrets.seal(with_key(settings, wrong), KEY)
        assert wrong not in str(caught.value)
    (settings.root / "master.key").write_text("")
    with pytest.raises(InputError, match=r"master\.key"):
        secrets.seal(settings, KEY)


def test_the_environments_key_goes_before_the_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    of_file = secrets.seal(settings, KEY)
    monkeypatch.setenv("CASEBOOK_MASTER_KEY", Fernet.generate_key().decode())
    now = Settings(home=settings.home)
    with pytest.raises(InputError, match="cannot be opened"):
        secrets.open_secret(now, of_file, "acme")
    assert secrets.open_secret(now, secrets.seal(now, KEY), "acme") == KEY


def test_a_reference_is_read_when_it_is_needed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = secrets.refer("ACME_KEY")
    for value in (KEY, "a changed key"):
        monkeypatch.setenv("ACME_KEY", value)
        assert secrets.open_secret(settings, sealed, "acme") == value
    for unset in (lambda: monkeypatch.setenv("ACME_KEY", ""), lambda: monkeypatch.delenv("ACME_KEY")):
        unset()
        with pytest.raises(InputError, match=r"'acme'.*ACME_KEY is not set"):
            secrets.open_secret(settings, sealed, "acme")
