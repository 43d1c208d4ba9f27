"""The audit log: who did what to a company, and when. It outlives the company, and nobody changes a line of it.

Belongs here: writing and reading its lines. Does not belong here: deciding what is worth one (whoever does it says so),
or anything of a ticket, or a secret.
"""

import getpass
import os
import socket
from dataclasses import dataclass

import sqlalchemy as sa

from domain.company import CompanyId
from resources.clock import utc_now
from resources.settings import Settings
from resources.storage.base import Storage
from resources.storage.schema import audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A line of the audit log; ``at`` is ISO 8601 UTC."""

    at: str
    company_id: str
    who: str
    action: str
    detail: str


def record(db: sa.Connection, settings: Settings, company: CompanyId, action: str, detail: str = "") -> None:
    """Write a line in the registry's transaction of the change itself: neither is there without the other."""
    who = settings.actor or _somebody()
    line = {"at": utc_now(), "company_id": company, "who": who, "action": action, "detail": detail}
    db.execute(sa.insert(audit), line)


def entries(storage: Storage, company: CompanyId | None = None, limit: int = 100) -> list[AuditEntry]:
    """The newest lines, of one company or of all, the newest first."""
    query = sa.select(*(audit.c[name] for name in AuditEntry.__slots__)).order_by(audit.c.id.desc()).limit(limit)
    if company is not None:
        query = query.where(audit.c.company_id == company)
    with storage.registry() as db:
        return [AuditEntry(*row) for row in db.execute(query)]


def _somebody() -> str:
    """The user of the operating system, and the machine."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}@{socket.gethostname()}"
