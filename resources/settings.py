"""Settings of the installation: the environment variables ``CASEBOOK_*``, and where things lie under the home.

Belongs here: what is the same for all companies. Does not belong here: a company's settings (``domain/company``).
"""

import difflib
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from domain.company import CompanyId, company_id
from domain.errors import StorageError

_PREFIX = "CASEBOOK_"
REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Read from the environment when it is made. ``home`` holds everything that Casebook writes."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, env_ignore_empty=True)

    home: Path = REPOSITORY / "data"
    storage: str = Field(default="file", repr=False)
    """Where rows are kept: ``file`` (SQLite under the home), or a Postgres database's address, as its application role."""
    storage_admin: str = Field(default="", repr=False)
    """The same database's address as the role that owns the tables; only ``casebook storage upgrade`` uses it."""
    dagster_storage: str = Field(default="", repr=False)
    """A Postgres database's address for Dagster's own history; empty: files under the home."""
    actor: str = ""
    """Who acts, for the audit log; empty: the user of the operating system."""
    master_key: str = Field(default="", repr=False)
    """Fernet key of the companies' secrets; empty: a key file in the home, made when it is first needed."""
    qdrant_url: str = ""
    """Address of the Qdrant server that holds the collections (docs/qdrant.md); empty: files under the home."""
    qdrant_api_key: str = Field(default="", repr=False)
    """Its API key; empty: it asks for none."""
    google_url: str = ""
    """Where Google's APIs are (Sheets, Drive, Docs and the token); empty: at Google. For tests and proxies."""
    redis_url: str = Field(default="", repr=False)
    """Address of the Redis that serves as shared cache (docs/cache.md); empty: each process caches for itself."""

    @cached_property
    def root(self) -> Path:
        """The home, absolute, made when it is missing. Raises ``StorageError`` when it cannot be written."""
        root = self.home.expanduser().resolve()
        try:
            root.mkdir(parents=True, exist_ok=True)
            probe = root / ".writable"
            probe.touch()
            probe.unlink(missing_ok=True)  # another process may have looked at the same time
        except OSError as error:
            raise StorageError(
                "the folder cannot be written.",
                f"CASEBOOK_HOME is {root}: {error.strerror}.",
                "Choose another one, or give rights.",
            ) from error
        return root

    def company_folder(self, company: CompanyId) -> Path:
        """Where everything of one company lies: its database and index. Raises ``InputError`` for what is no id."""
        return self.root / "companies" / company_id(company)

    def index_folder(self, company: CompanyId) -> Path:
        return self.company_folder(company) / "index"

    @property
    def dagster_home(self) -> Path:
        return self.root / "dagster"


def misspelt_variables(names: Iterable[str]) -> dict[str, str]:
    """Environment variables that look like one of ours and are none, each with the nearest one that is. Others that begin
    with ``CASEBOOK_`` are another program's."""
    known = Settings.model_fields
    near: dict[str, str] = {}
    for name in sorted(names):
        said = name.lower().removeprefix(_PREFIX.lower())
        if name.lower() == _PREFIX.lower() + said and said not in known:
            for found in difflib.get_close_matches(said, known, 1, 0.7):
                near[name] = _PREFIX + found.upper()
    return near
