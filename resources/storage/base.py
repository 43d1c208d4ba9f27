"""Where all companies' rows are kept: what a backend must offer, and which one is used.

Belongs here: the contract, and the choice by ``CASEBOOK_STORAGE``. Does not belong here: any backend (``sqlite``,
``postgres``), queries (``sql``), or what the registry holds (``resources/companies``).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Protocol

import sqlalchemy as sa

from domain.company import CompanyId
from domain.errors import CompanyBusy
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore

OpenStore = Callable[[], AbstractContextManager[SqlCompanyStore]]


class Storage(Protocol):
    """One backend. Every call raises ``StorageError`` in words for a person when the database cannot be used."""

    @property
    def place(self) -> str:
        """Where it is, for people; never with a password."""
        ...

    def registry(self, company: CompanyId | None = None) -> AbstractContextManager[sa.Connection]:
        """One transaction over the registry's tables; of ``company_secrets`` it sees those of ``company``."""
        ...

    def store(self, company: CompanyId) -> AbstractContextManager[SqlCompanyStore]:
        """One company's store; made when it is missing."""
        ...

    def lock(self, company: CompanyId, holder: str) -> AbstractContextManager[OpenStore]:
        """The one lock that everything takes which writes to a company (R11); gives how its store is opened under it.
        Raises ``CompanyBusy`` with its holder. It is free again when the process has ended, however it ended."""
        ...

    def is_free(self, company: CompanyId) -> bool:
        """Whether nobody writes to the company now."""
        ...

    def erase(self, company: CompanyId) -> None:
        """Remove the company's store with everything in it; only under its lock."""
        ...

    def scrub(self, company: CompanyId) -> list[str]:
        """Leave no bytes behind of rows that were erased, as far as this goes; says what it cannot reach. Only under the
        company's lock."""
        ...

    def retire_lock(self, company: CompanyId) -> None:
        """Remove what the lock of a removed company has left; the last thing that is done under it."""
        ...

    def explained(self) -> AbstractContextManager[None]:
        """Turn what the database says inside the ``with`` block into a ``StorageError`` for a person."""
        ...


def busy(company: CompanyId, holder: str) -> CompanyBusy:
    """What somebody is told who finds a company's lock taken."""
    return CompanyBusy(
        f"company {company!r} is busy.", f"{holder} is writing to it.", "Wait until it has ended, then try again."
    )


def open_storage(settings: Settings) -> Storage:
    """The backend that ``CASEBOOK_STORAGE`` names. Raises ``InputError`` when it names none; connects to nothing yet."""
    if settings.storage == "file":
        from resources.storage.sqlite import FileStorage

        return FileStorage(settings.root)
    return _postgres(settings.storage)


@cache
def _postgres(address: str) -> Storage:
    """One pool of connections an address and process."""
    from resources.storage.postgres import PostgresStorage, database_url

    return PostgresStorage(database_url(address, "CASEBOOK_STORAGE"))
