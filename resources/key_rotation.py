"""Rotation of the master key: every company's key is sealed with a new one.

Belongs here: the order of the steps. Does not belong here: sealing (``resources/secrets``), where sealed keys are stored
(``resources/companies``), or telling people (``pipelines/cli``).

Killed at any moment, what is stored can be opened, and the same call finishes: old keys are dropped last.
"""

from dataclasses import dataclass, field
from typing import Literal

from domain.company import CompanyId
from domain.errors import InputError
from resources import secrets
from resources.companies import Companies


@dataclass(slots=True)
class Rotation:
    """What was done. ``source``: where the master key comes from, None when no key is sealed, so nothing was rotated.
    ``failed``: the companies whose key no master key opens; they stay as they were."""

    source: Literal["environment", "file"] | None = None
    resealed: list[CompanyId] = field(default_factory=list[CompanyId])
    failed: dict[CompanyId, InputError] = field(default_factory=dict[CompanyId, InputError])


def rotate_master_key(companies: Companies) -> Rotation:
    """Seal every company's key anew. Raises ``InputError`` when the master key is missing, or is one key of the environment;
    ``CasebookError`` when another process changes keys."""
    settings = companies.settings
    with secrets.key_lock(settings):
        if not any(map(secrets.is_sealed, _stored(companies))):
            return Rotation()
        master = secrets.master_key(settings)
        if master.source == "file":
            secrets.add_key(settings)
        elif len(master.keys) == 1:
            raise InputError(
                "CASEBOOK_MASTER_KEY holds one key only.",
                "Nothing was changed.",
                "Set CASEBOOK_MASTER_KEY=NEW,OLD first, for every process; docs/secrets.md has the steps.",
            )
        rotation = Rotation(master.source)
        for company in companies.list():
            try:
                if companies.reseal(company):
                    rotation.resealed.append(company.id)
            except InputError as error:
                rotation.failed[company.id] = error
        if master.source == "file":
            secrets.drop_old_keys(settings, _stored(companies))
    return rotation


def _stored(companies: Companies) -> list[str]:
    """Every secret there is, whatever it opens: a master key is dropped only when none of them needs it."""
    return [stored for company in companies.list() for stored in companies.stored_secrets(company).values()]
