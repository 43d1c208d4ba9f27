"""The registry of companies: who is served, from where, with which settings.

Belongs here: keeping the registry, and handing out what belongs to one company (its store, its lock).
Does not belong here: what the settings mean (``domain/company``), or Dagster's partitions (a sensor follows this table).
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import BaseFileLock, FileLock, Timeout
from sqlalchemy.exc import IntegrityError

from domain.company import Company, CompanyId, company_id
from domain.errors import CompanyBusy, InputError
from resources import secrets
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import explained, open_store, opened

_metadata = sa.MetaData()
_companies = sa.Table(
    "companies",
    _metadata,
    sa.Column("company_id", sa.String, primary_key=True),
    sa.Column("platform", sa.String, nullable=False),
    sa.Column("endpoint", sa.String, nullable=False),
    sa.Column("secret", sa.Text, nullable=False, comment="sealed, or env:NAME; see resources/secrets"),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("paused", sa.Boolean, nullable=False),
    sa.Column("created_at", sa.String, nullable=False),
)


_LOOK_SECONDS = 1.0
"""How long a lock is waited for: longer than somebody takes who only looks whether it is free."""


class Companies:
    """The registry under one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def list(self) -> list[Company]:
        """All companies in the order of their ids."""
        with self._open() as db:
            return [_company(row) for row in db.execute(sa.select(_companies).order_by(_companies.c.company_id))]

    def get(self, text: str) -> Company:
        """The company of this id. Raises ``InputError`` that lists the known ones."""
        wanted = company_id(text)
        with self._open() as db:
            row = db.execute(sa.select(_companies).where(_companies.c.company_id == wanted)).first()
            if row is not None:
                return _company(row)
            known = [name for (name,) in db.execute(sa.select(_companies.c.company_id).order_by("company_id"))]
        raise InputError(
            f"unknown company {text!r}.",
            f"Known: {', '.join(known)}." if known else "None is known yet.",
            "Add it with 'casebook company add'.",
        )

    def add(self, company: Company, secret: str) -> None:
        """Register a company; ``secret`` is sealed already. Raises ``InputError`` when the id is taken."""
        with self._open() as db:
            try:
                db.execute(sa.insert(_companies), {**_columns(company), "secret": secret})
            except IntegrityError:
                raise InputError(
                    f"company {company.id!r} exists already.",
                    remedy="Change it with 'casebook company set', or remove it first.",
                ) from None

    def set(self, company: Company, **settings: Any) -> Company:
        """Store settings (values as the catalogue reads them) and give the company as it is now: others may have changed
        other settings since ``company`` was read."""
        return self._change(company, lambda now: replace(now, settings={**now.settings, **settings}))

    def move(self, company: Company, endpoint: str) -> Company:
        """The company's helpdesk, or export, has another address."""
        return self._change(company, lambda now: replace(now, endpoint=endpoint))

    def pause(self, company: Company, paused: bool) -> Company:
        """Leave a company out of the nightly sync, or take it in again."""
        return self._change(company, lambda now: replace(now, paused=paused))

    def _change(self, company: Company, change: Callable[[Company], Company]) -> Company:
        this = _companies.c.company_id == company.id
        with self._open() as db:
            # Written first, to hold the row while it is read: a change in between would be lost.
            held = db.execute(sa.update(_companies).where(this).values(company_id=company.id)).rowcount
            if not held:
                raise InputError(f"company {company.id!r} was removed.")
            changed = change(_company(db.execute(sa.select(_companies).where(this)).one()))
            db.execute(sa.update(_companies).where(this), _columns(changed))
        return changed

    def secret(self, company: Company) -> str:
        """The helpdesk's key in clear, "" when it has none."""
        with self._open() as db:
            sealed = db.execute(
                sa.select(_companies.c.secret).where(_companies.c.company_id == company.id)
            ).scalar_one()
        return secrets.open_secret(self.settings, sealed, company.id) if sealed else ""

    def set_secret(self, company: Company, secret: str) -> None:
        """Store another key; ``secret`` is sealed already."""
        with self._open() as db:
            db.execute(sa.update(_companies).where(_companies.c.company_id == company.id), {"secret": secret})

    def remove(self, company: Company) -> None:
        """Erase a company: its rows, vectors, Parquet files, and its line in the registry last, so that a removal that was
        cut off can be repeated. Takes its lock. Raises ``StorageError`` when something cannot be erased."""
        with self.lock(company.id, "company remove"):
            for folder in (self.settings.company_folder(company.id), *_published(self.settings, company.id)):
                if folder.exists():
                    with explained(folder):
                        if folder.is_symlink():  # what it leads to may belong to another company
                            folder.unlink()
                        else:
                            shutil.rmtree(folder)
            with self._open() as db:
                db.execute(sa.delete(_companies).where(_companies.c.company_id == company.id))

    def store(self, company: CompanyId) -> AbstractContextManager[SqlCompanyStore]:
        """The company's own store; no other company's rows can be reached through it."""
        return open_store(self.settings.company_folder(company), company)

    @contextmanager
    def lock(self, company: CompanyId, holder: str) -> Iterator[None]:
        """The one lock that everything takes which writes to a company (R11). Raises ``CompanyBusy`` with its holder.

        The operating system frees it when the process ends, however it ends. ``holder`` is a run id, or a command.
        """
        lock, note = self._lock(company)
        with explained(note.parent):
            try:
                lock.acquire(_LOOK_SECONDS)
            except Timeout:
                raise CompanyBusy(
                    f"company {company!r} is busy.",
                    f"{_holder(note)} is writing to it.",
                    "Wait until it has ended, then try again.",
                ) from None
        try:
            note.write_text(holder)
            yield
        finally:
            note.unlink(missing_ok=True)
            lock.release()

    def is_free(self, company: CompanyId) -> bool:
        """Whether nobody writes to the company now."""
        lock, note = self._lock(company)
        with explained(note.parent):
            try:
                lock.acquire(0)
            except Timeout:
                return False
        lock.release()
        return True

    def _lock(self, company: CompanyId) -> tuple[BaseFileLock, Path]:
        """A company's lock and the note that says who holds it."""
        folder = self.settings.root / "locks"
        with explained(folder):
            folder.mkdir(exist_ok=True)
        name = company_id(company)
        return FileLock(folder / f"{name}.lock"), folder / f"{name}.holder"

    @contextmanager
    def _open(self) -> Iterator[sa.Connection]:
        with opened(self.settings.root / "registry.sqlite", _metadata.create_all) as db, db.begin():
            yield db


def _holder(note: Path) -> str:
    try:
        return note.read_text()
    except FileNotFoundError:  # it is just taking the lock, or giving it back
        return "another process"


def _published(settings: Settings, company: CompanyId) -> list[Path]:
    return list((settings.root / "published").glob(f"*/*/company_id={company}"))


def _company(row: sa.Row[*tuple[Any, ...]]) -> Company:
    return Company(
        CompanyId(row.company_id), row.platform, row.endpoint, json.loads(row.settings), row.paused, row.created_at
    )


def _columns(company: Company) -> dict[str, Any]:
    return {
        "company_id": company.id,
        "platform": company.platform,
        "endpoint": company.endpoint,
        "settings": json.dumps(dict(company.settings), ensure_ascii=False),
        "paused": company.paused,
        "created_at": company.created_at,
    }
