"""The installation's settings: where things lie, and what is told when they cannot."""

from pathlib import Path

import pytest

from domain.company import company_id
from domain.errors import StorageError
from resources.settings import REPOSITORY, Settings, misspelt_variables

ACME = company_id("acme")


def test_the_home_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEBOOK_HOME", str(tmp_path / "some/where"))
    settings = Settings()
    assert settings.root == tmp_path / "some/where"
    assert settings.index_folder(ACME) == tmp_path / "some/where/companies/acme/index"
    assert settings.dagster_home.parent == settings.root
    assert list(settings.root.iterdir()) == []  # asking makes the home, and nothing in it


def test_without_one_it_is_the_repositorys_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASEBOOK_HOME", raising=False)
    assert Settings().home == REPOSITORY / "data"
    assert (REPOSITORY / "pyproject.toml").exists()


def test_a_home_may_be_relative_or_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert Settings(home=Path("here")).root == tmp_path / "here"
    assert Settings(home=Path("~/there")).root == tmp_path / "me/there"


def test_a_home_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in (tmp_path / "file", tmp_path / "file/below", Path("/proc/casebook"), tmp_path / ("long" * 100)):
        with pytest.raises(StorageError, match="CASEBOOK_HOME is") as caught:
            Settings(home=home).company_folder(ACME)
        assert "\n" not in str(caught.value)


def test_no_secret_is_in_the_text_of_the_settings() -> None:
    secret = "s3cret"
    settings = Settings(
        master_key=secret,
        storage=f"postgresql://app:{secret}@db/casebook",
        storage_admin=f"postgresql://owner:{secret}@db/casebook",
        dagster_storage=f"postgresql://dagster:{secret}@db/dagster",
        redis_url=f"redis://:{secret}@cache",
    )
    assert secret not in f"{settings} {settings!r}"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("CASEBOOK_STORE", "CASEBOOK_STORAGE"),
        ("CASEBOOK_MASTERKEY", "CASEBOOK_MASTER_KEY"),
        ("casebook_redis", "CASEBOOK_REDIS_URL"),
        ("CASEBOOK_HOMES", "CASEBOOK_HOME"),
    ],
)
def test_a_misspelt_variable_is_told_with_the_nearest(name: str, meant: str) -> None:
    assert misspelt_variables([name, "PATH"]) == {name: meant}


def test_variables_of_ours_and_of_others_are_left_alone() -> None:
    ours = [f"CASEBOOK_{name.upper()}" for name in Settings.model_fields]
    assert misspelt_variables([*ours, "casebook_home", "CASEBOOK_", "CASEBOOK_PIPELINE_ID", "HOME", "STORE"]) == {}
