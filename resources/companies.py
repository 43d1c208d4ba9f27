"""The registry of companies: who is served, from where, with which settings.

Belongs here: keeping the registry, and handing out what belongs to one company (its store, its lock).
Does not belong here: what the settings mean (``domain/company``), where all of it lies (``resources/storage``), or
Dagster's partitions (a sensor follows this table).
"""

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.fernet import InvalidToken, MultiFernet
from sqlalchemy.exc import IntegrityError

from domain.company import Company, CompanyId, company_id
from domain.errors import InputError, StorageError
from domain.provider import SECRETS, Provider
from resources import audit, secrets
from resources.cache.base import open_cache
from resources.settings import Settings
from resources.storage import schema
from resources.storage.base import OpenStore, open_storage
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import explained
from resources.vector_index.base import open_index
from resources.workbook.place import refuse_shared

_companies = schema.companies
_secrets = schema.company_secrets
HELPDESK = "helpdesk"
"""The name of the secret that opens the company's helpdesk."""
_CURRENT_SECONDS = 5


class Companies:
    """The registry of an installation. Raises ``InputError`` for an address of storage or cache that can never work."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.storage = open_storage(settings)
        self.cache = open_cache(settings)

    def list(self) -> list[Company]:
        """All companies in the order of their ids."""
        with self.storage.registry() as db:
            return [
                _company(row) for row in db.execute(sa.select(_companies).order_by(_companies.c.company_id)).mappings()
            ]

    def get(self, text: str) -> Company:
        """The company of this id. Raises ``InputError`` that lists the known ones."""
        wanted = company_id(text)
        with self.storage.registry() as db:
            row = db.execute(sa.select(_companies).where(_companies.c.company_id == wanted)).mappings().first()
            if row is not None:
                return _company(row)
            known = [name for (name,) in db.execute(sa.select(_companies.c.company_id).order_by("company_id"))]
        raise InputError(
            f"unknown company {text!r}.",
            f"Known: {', '.join(known)}." if known else "None is known yet.",
            "Add it with 'casebook company add'.",
        )

    def current(self, company: CompanyId) -> Company:
        """The same for who asks with every question, through the cache: a change works in the next call, or, in another
        process that cannot be told, within 5 seconds. Who writes to a company reads the registry itself: ``get``.

        What is cached is sealed with the master key and holds its time, so who can write to Redis can neither forge nor
        bring back settings. Without a master key nothing is cached.
        """
        try:
            keys = MultiFernet(secrets.master_key(self.settings).keys)
        except InputError:
            return self.get(company)
        [token] = self.cache.get_or_make(
            company, "settings", ["company"], lambda _: [_sealed(self.get(company), keys)], _CURRENT_SECONDS
        )
        return _unsealed(token, company, keys) or self.get(company)

    def add(self, company: Company, secret: str) -> None:
        """Register a company; ``secret`` is sealed already, "" for none. Raises ``InputError`` when the id is taken, or its
        workbook is another company's."""
        refuse_shared(company, self.list())
        with self.storage.registry(company.id) as db:
            if db.execute(sa.select(_companies.c.company_id).where(_companies.c.company_id == company.id)).first():
                raise _taken(company)
            try:
                db.execute(sa.insert(_companies), _columns(company))
            except IntegrityError:  # at the same moment
                raise _taken(company) from None
            _put_secret(db, company.id, secret)
            self._record(db, company.id, "company added", company.platform)
        self._forget(company)

    def set(self, company: Company, **settings: Any) -> Company:
        """Store settings (values as the catalogue reads them) and give the company as it is now: others may have changed
        other settings since ``company`` was read. Keys of providers that are no longer there go. Raises ``InputError`` for a
        workbook that is another company's."""
        if "workbook" in settings:
            refuse_shared(replace(company, settings={"workbook": settings["workbook"]}), self.list())
        said = ", ".join(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in settings.items())
        return self._change(
            company, lambda now: replace(now, settings={**now.settings, **settings}), "settings changed", said
        )

    def move(self, company: Company, endpoint: str, secret: str = "") -> Company:
        """The company's helpdesk, or export, has another address, and with it another key (sealed already) if one is given:
        both at once, for no key may be sent to an address that it does not belong to."""
        return self._change(
            company, lambda now: replace(now, endpoint=endpoint), "address changed", secret=secret or None
        )

    def pause(self, company: Company, paused: bool) -> Company:
        """Leave a company out of the nightly sync, or take it in again."""
        return self._change(company, lambda now: replace(now, paused=paused), "paused" if paused else "resumed")

    def _change(
        self,
        company: Company,
        change: Callable[[Company], Company],
        action: str = "",
        detail: str = "",
        secret: str | None = None,
        name: str = HELPDESK,
    ) -> Company:
        this = _companies.c.company_id == company.id
        with self.storage.registry(company.id) as db:
            # Written first, to hold the row while it is read: a change in between would be lost.
            held = db.execute(sa.update(_companies).where(this).values(company_id=company.id)).rowcount
            if not held:
                raise InputError(f"company {company.id!r} was removed.")
            changed = change(_company(db.execute(sa.select(_companies).where(this)).mappings().one()))
            db.execute(sa.update(_companies).where(this), _columns(changed))
            if action:
                self._record(db, company.id, action, detail)
            if secret is not None:
                _put_secret(db, company.id, secret, name)
                of = "" if name == HELPDESK else f"{name}: "
                self._record(db, company.id, "key changed", f"{of}{_way(secret) if secret else 'removed'}")
            self._drop_orphans(db, changed)
        self._forget(company)
        return changed

    def _drop_orphans(self, db: sa.Connection, company: Company) -> None:
        """Remove the keys of providers that are not there, or no longer at the address that the key is for."""
        mine = _secrets.c.company_id == company.id
        needed = {one.secret_name for one in company.all_providers if one.auth != "none"}
        for name in db.execute(sa.select(_secrets.c.name).where(mine).order_by(_secrets.c.name)).scalars().all():
            if name.startswith(SECRETS) and name not in needed:
                _put_secret(db, company.id, "", name)
                self._record(db, company.id, "key changed", f"{name}: removed")

    def _forget(self, company: Company) -> None:
        with suppress(StorageError):  # what Redis, or a full disk, keeps now is gone in seconds
            self.cache.forget(company.id, "settings")

    def secret(self, company: Company, *, fresh: bool = False, name: str = HELPDESK) -> str:
        """A key in clear, the helpdesk's if no other is named, "" when there is none. ``fresh``: for who was just refused
        with it."""
        stored = self.stored_secret(company, name)
        try:
            return self._opened(company, stored, fresh)
        except InputError:
            now = self.stored_secret(company, name)
            if now == stored:
                raise
        return self._opened(company, now, fresh)  # a rotation of the master key has just ended

    def llm_key(self, company: Company, provider: Provider, *, fresh: bool = False) -> str:
        """A provider's key or token in clear; "" where it needs none. Raises ``InputError`` when there is none for its
        address."""
        if provider.auth == "none":
            return ""
        key = self.secret(company, fresh=fresh, name=provider.secret_name)
        if not key:
            raise InputError(
                f"provider {provider.name!r} of company {company.id!r} has no key.",
                remedy=f"casebook llm key {company.id} {provider.name} --key-env VARIABLE (or --key-stdin, --key-ref).",
            )
        return key

    def stored_secret(self, company: Company, name: str = HELPDESK) -> str:
        """A key as it is stored: sealed, or a reference; "" for none."""
        return self.stored_secrets(company).get(name, "")

    def stored_secrets(self, company: Company) -> dict[str, str]:
        """All secrets of a company as they are stored, by what they open."""
        with self.storage.registry(company.id) as db:
            query = sa.select(_secrets.c.name, _secrets.c.sealed).where(_secrets.c.company_id == company.id)
            return {row.name: row.sealed for row in db.execute(query)}

    def _opened(self, company: Company, stored: str, fresh: bool) -> str:
        return secrets.open_secret(self.settings, stored, company.id, fresh=fresh) if stored else ""

    def set_secret(self, company: Company, secret: str, name: str = HELPDESK) -> None:
        """Store another key, ``secret`` is sealed already; "" removes it."""
        self._change(company, lambda now: now, secret=secret, name=name)

    def set_llm_key(self, company: Company, provider: Provider, secret: str) -> None:
        """Store another key of a provider, sealed already. Raises ``InputError`` when it has another address meanwhile."""

        def same(now: Company) -> Company:
            if provider.secret_name not in {one.secret_name for one in now.all_providers}:
                raise InputError(f"provider {provider.name!r} was changed meanwhile.", "Nothing was stored.")
            return now

        self._change(company, same, secret=secret, name=provider.secret_name)

    def set_provider(self, company: Company, provider: Provider, secret: str | None) -> Company:
        """Take in an LLM provider, or change the one of that name, and its key (sealed already; None: as it was, if it
        is for this address) with it."""

        def put(now: Company) -> Company:
            others = [one for one in now.setting("llm_providers") if one["name"] != provider.name]
            return replace(now, settings={**now.settings, "llm_providers": [*others, provider.to_json()]})

        return self._change(company, put, "provider set", provider.name, secret, provider.secret_name)

    def drop_provider(self, company: Company, provider: Provider) -> Company:
        """Remove an LLM provider and its key."""

        def drop(now: Company) -> Company:
            others = [one for one in now.setting("llm_providers") if one["name"] != provider.name]
            return replace(now, settings={**now.settings, "llm_providers": others})

        return self._change(company, drop, "provider removed", provider.name)

    def reseal(self, company: Company) -> bool:
        """Seal the company's secrets with the first master key; whether that changed what is stored. Under ``key_lock``.
        Raises ``InputError`` when no master key opens one of them."""
        changed = False
        for name, stored in self.stored_secrets(company).items():
            sealed = secrets.reseal(self.settings, stored, company.id)
            if sealed == stored:
                continue
            with self.storage.registry(company.id) as db:
                # A key that was stored meanwhile, by another machine, stays.
                this = _this_secret(company.id, name) & (_secrets.c.sealed == stored)
                if db.execute(sa.update(_secrets).where(this).values(sealed=sealed)).rowcount:
                    self._record(db, company.id, "master key rotated", name)
                    changed = True
        return changed

    def remove(self, company: Company) -> None:
        """Erase a company: its rows, vectors, Parquet files, what is cached, and its line in the registry last, so that a
        removal that was cut off can be repeated. Takes its lock. Raises ``StorageError`` when something cannot be erased.
        ``resources/erase`` proves it."""
        with self.lock(company.id, "company remove"):
            self.storage.erase(company.id)
            open_index(self.settings, company).erase()
            for folder in (self.settings.company_folder(company.id), *_published(self.settings, company.id)):
                if folder.exists():
                    with explained(folder):
                        if folder.is_symlink():  # what it leads to may belong to another company
                            folder.unlink()
                        else:
                            shutil.rmtree(folder)
            self.cache.forget(company.id)
            with self.storage.registry(company.id) as db:
                for table in (_secrets, _companies):
                    db.execute(sa.delete(table).where(table.c.company_id == company.id))
                self._record(db, company.id, "company removed", "")
            self.storage.retire_lock(company.id)

    def _record(self, db: sa.Connection, company: CompanyId, action: str, detail: str) -> None:
        """In the transaction of the change itself: neither is there without the other."""
        audit.record(db, self.settings, company, action, detail)

    def store(self, company: CompanyId) -> AbstractContextManager[SqlCompanyStore]:
        """The company's own store; no other company's rows can be reached through it."""
        return self.storage.store(company_id(company))

    def lock(self, company: CompanyId, holder: str) -> AbstractContextManager[OpenStore]:
        """The one lock that everything takes which writes to a company (R11), and how its store is opened under it.
        Raises ``CompanyBusy`` with its holder. ``holder`` is a run id, or a command."""
        return self.storage.lock(company_id(company), holder)

    def is_free(self, company: CompanyId) -> bool:
        """Whether nobody writes to the company now."""
        return self.storage.is_free(company_id(company))


def _taken(company: Company) -> InputError:
    return InputError(
        f"company {company.id!r} exists already.",
        remedy="Change it with 'casebook company set', or remove it first.",
    )


def _way(secret: str) -> str:
    """How a key is kept, for the audit log: a reference is no secret."""
    return "sealed" if secrets.is_sealed(secret) else secret


def _sealed(company: Company, keys: MultiFernet) -> bytes:
    return keys.encrypt(json.dumps(_columns(company)).encode())


def _unsealed(token: bytes, company: CompanyId, keys: MultiFernet) -> Company | None:
    """None for what was not sealed for this company a moment ago."""
    try:
        columns = json.loads(keys.decrypt(token, ttl=_CURRENT_SECONDS))
    except InvalidToken:
        return None
    return _company(columns) if columns["company_id"] == company else None


def _this_secret(company: CompanyId, name: str = HELPDESK) -> sa.ColumnElement[bool]:
    return (_secrets.c.company_id == company) & (_secrets.c.name == name)


def _put_secret(db: sa.Connection, company: CompanyId, sealed: str, name: str = HELPDESK) -> None:
    db.execute(sa.delete(_secrets).where(_this_secret(company, name)))
    if sealed:
        db.execute(sa.insert(_secrets), {"company_id": company, "name": name, "sealed": sealed})


def _published(settings: Settings, company: CompanyId) -> list[Path]:
    return list((settings.root / "published").glob(f"*/*/company_id={company}"))


def _company(row: Mapping[Any, Any]) -> Company:
    settings = json.loads(row["settings"])
    return Company(
        CompanyId(row["company_id"]), row["platform"], row["endpoint"], settings, row["paused"], row["created_at"]
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
