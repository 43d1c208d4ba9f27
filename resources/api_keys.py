"""A company's key for the HTTP service: made here, shown once, and kept only as its hash.

Belongs here: making, replacing and proving it. Does not belong here: HTTP (``query/service``), or other secrets
(``resources/secrets``), among which the sealed hash lies: nobody who can write to the database alone can make a key.
"""

import hashlib
from functools import cached_property
from hmac import compare_digest
from secrets import token_urlsafe

from domain.company import Company, company_id
from domain.errors import InputError
from resources import secrets
from resources.companies import Companies

API = "api"
"""The name of the company's secret that holds the hash."""
_PREFIX = "cbk_"
_NOBODY = company_id("no-company-of-this-name")
MOST_KEY = 200
"""Characters of a key that are looked at."""


def make_key(companies: Companies, company: Company) -> str:
    """A new key, in clear for this once; the one before it ends at once."""
    key = _PREFIX + token_urlsafe(32)
    with secrets.key_lock(companies.settings):
        companies.set_secret(company, secrets.seal(companies.settings, _hash(key)), API)
    return key


def drop_key(companies: Companies, company: Company) -> None:
    """The service answers nobody for this company any more."""
    companies.set_secret(company, "", API)


def has_key(companies: Companies, company: Company) -> bool:
    return bool(companies.stored_secret(company, API))


class KeyCheck:
    """Says whether a key is a company's. A company that is not there, has no key, or has another one, takes the same steps
    and as long."""

    def __init__(self, companies: Companies) -> None:
        self._companies = companies

    def is_good(self, company: str, key: str) -> bool:
        """``company`` is what was asked for, an id or not. Raises ``StorageError`` where the registry cannot be read."""
        try:
            asked = company_id(company)
        except InputError:
            asked = _NOBODY
        stored = self._companies.stored_secret(Company(asked, "export", ""), API)
        try:
            known = secrets.open_secret(self._companies.settings, stored or self._decoy, asked)
        except InputError:  # sealed with a master key that is not here
            known, stored = self._decoy, ""
        return compare_digest(_hash(key[:MOST_KEY]).encode(), known.encode()) and bool(stored)

    @cached_property
    def _decoy(self) -> str:
        """A sealed hash of a key that nobody has."""
        return secrets.seal(self._companies.settings, _hash(token_urlsafe(32)))


def _hash(key: str) -> str:
    """A key is 256 random bits: no salt and no slow hash would make it harder to guess."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
