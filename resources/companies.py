"""The registry of companies: who is served, from where, with which settings.

Belongs here: keeping the registry, and handing out what belongs to one company (its store, its lock).
Does not belong here: what the settings mean (``domain/company``), or Dagster's partitions (a sensor follows this table).
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import IntegrityError

from domain.company import Company, CompanyId, company_id
from domain.errors import CompanyBusy, InputError
from resources import secrets
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import connect, explained, open_store

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

    def update(self, company: Company) -> None:
        with self._open() as db:
            db.execute(sa.update(_companies).where(_companies.c.company_id == company.id), _columns(company))

    def set(self, company: Company, **settings: Any) -> Company:
        """Store settings (values as the catalogue reads them) and give the company as it is now."""
        changed = replace(company, settings={**company.settings, **settings})
        self.update(changed)
        return changed

    def secret(self, company: Company) -> str:
        """The helpdesk's key in clear, "" when it has none."""
        with self._open() as db:
            sealed = db.execute(
                sa.select(_companies.c.secret).where(_companies.c.company_id == company.id)
            ).scalar_one()
        return secrets.open_secret(self.settings, sealed, company.id) if sealed else ""

    def remove(self, company: Company) -> None:
        """Erase a company: its rows, vectors, Parquet files and its line in the registry. Takes its lock."""
        with self.lock(company.id, "company remove"):
            with self._open() as db:
                db.execute(sa.delete(_companies).where(_companies.c.company_id == company.id))
            for folder in (self.settings.company_folder(company.id), *_published(self.settings, company.id)):
                shutil.rmtree(folder, ignore_errors=True)

    def store(self, company: CompanyId) -> AbstractContextManager[SqlCompanyStore]:
        """The company's own store; no other company's rows can be reached through it."""
        return open_store(self.settings.company_folder(company), company)

    @contextmanager
    def lock(self, company: CompanyId, holder: str) -> Iterator[None]:
        """The one lock that everything takes which writes to a company (R11). Raises ``CompanyBusy`` with its holder.

        The operating system frees it when the process ends, however it ends. ``holder`` is a run id, or a command.
        """
        folder = self.settings.root / "locks"
        folder.mkdir(exist_ok=True)
        note = folder / f"{company}.holder"
        lock = FileLock(folder / f"{company}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            held_by = note.read_text() if note.exists() else "another process"
            raise CompanyBusy(
                f"company {company!r} is busy.",
                f"{held_by} is writing to it.",
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
        try:
            with self.lock(company, "a look at the lock"):
                return True
        except CompanyBusy:
            return False

    @contextmanager
    def _open(self) -> Iterator[sa.Connection]:
        path = self.settings.root / "registry.sqlite"
        with explained(path):
            engine = connect(path)
            with engine.begin() as db:
                _metadata.create_all(db)
                yield db


def _published(settings: Settings, company: CompanyId) -> list[Any]:
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
