"""A project of the stand-in for Google: a service account with its key, a spreadsheet, a document, quotas, faults, a log.

Belongs here: who somebody is, what is shared with whom, how much may be asked. Does not belong here: addresses and answers
(``google``), what is in a sheet (``google_sheet``).
"""

import json
import secrets
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from sandbox import workbooks
from sandbox.faults import Faults
from sandbox.google_sheet import Json, Spreadsheet

Role = Literal["owner", "writer", "reader", "none"]


@dataclass(slots=True)
class Options:
    """``reads`` and ``writes`` a minute for each user, ``project`` of each for all of a project's; None: no limit.
    ``retry_after``: seconds that a 429 says, None: nothing, as at Google. ``disabled``: APIs that the project has not
    switched on ("sheets", "drive", "docs")."""

    reads: int | None = 60
    writes: int | None = 60
    project: int | None = 300
    minute_seconds: float = 60.0
    retry_after: float | None = None
    disabled: Sequence[str] = ()


@dataclass(slots=True)
class Window:
    """When requests were let through, for "so many in a minute"."""

    sent: deque[float] = field(default_factory=deque[float])

    def allows(self, most: int | None, seconds: float) -> bool:
        now = time.monotonic()
        while self.sent and self.sent[0] + seconds <= now:
            self.sent.popleft()
        return most is None or len(self.sent) < most


class GoogleAccount:
    """One company's: the project and service account are its own, and a sheet that is shared with it."""

    def __init__(self, name: str, tabs: Mapping[str, Sequence[Sequence[Any]]]) -> None:
        self.name = name
        self.project = f"{name}-project"
        self.email = f"casebook@{name}-project.iam.gserviceaccount.com"
        self.file_id = f"1{name}-sheet-000000000000000000000"
        self.doc_id = f"1{name}-doc-00000000000000000000000"
        self.tabs = tabs
        self._private = self._public = ""
        self.begin()

    def begin(self) -> None:
        """As new: the sheet as it was, no faults, usual quotas. Keys and tokens stay."""
        self.options, self.faults = Options(), Faults()
        self.spreadsheet = Spreadsheet(self.file_id, f"{self.name} BizSupportBot_Data")
        for title, rows in self.tabs.items():
            self.spreadsheet.add(title, rows)
        if not self.tabs:
            self.spreadsheet.add("시트1")
        self.shared: dict[str, Role] = {self.email: "writer"}
        self.document: Json = {"title": f"{self.name} document", "paragraphs": [], "revision": 1}
        self.requests: list[Json] = []
        self.windows: dict[tuple[str, str], Window] = {}
        self.faulted: Counter[str] = Counter()

    def key(self, base: str) -> str:
        """The service account's JSON, as Google's console gives it out. The key pair is made when it is first asked for."""
        if not self._private:
            self._private, self._public = _pair()
        return json.dumps(
            {
                "type": "service_account",
                "project_id": self.project,
                "private_key_id": f"{self.name}-key-1",
                "private_key": self._private,
                "client_email": self.email,
                "client_id": "100000000000000000001",
                "auth_uri": f"{base}/o/oauth2/auth",
                "token_uri": f"{base}/token",
                "universe_domain": "googleapis.com",
            }
        )

    @property
    def public_key(self) -> str:
        return self._public

    def role(self, email: str) -> Role:
        return self.shared.get(email, "none")

    def log(self) -> Json:
        """What was asked: counts, and each request in order."""
        return {
            "requests": len(self.requests),
            "429s": sum(one["status"] == 429 for one in self.requests),
            "by_kind": Counter(one["kind"] for one in self.requests),
            "faults": self.faulted,
            "log": self.requests,
        }


@dataclass(slots=True)
class GoogleWorld:
    """All accounts, and the tokens that were given out. An account is made when it is first named."""

    accounts: dict[str, GoogleAccount] = field(default_factory=dict[str, GoogleAccount])
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    """Whose e-mail a token is."""

    def account(self, name: str) -> GoogleAccount:
        if name not in self.accounts:
            self.accounts[name] = GoogleAccount(name, seed(name))
        return self.accounts[name]

    def of_email(self, email: str) -> GoogleAccount | None:
        return next((one for one in self.accounts.values() if one.email == email), None)

    def of_file(self, file_id: str) -> GoogleAccount | None:
        return next((one for one in self.accounts.values() if file_id in (one.file_id, one.doc_id)), None)

    def token(self, email: str) -> str:
        token = f"ya29.{secrets.token_urlsafe(24)}"
        self.tokens[token] = email
        return token


def seed(name: str) -> Mapping[str, Sequence[Sequence[Any]]]:
    """The tabs that a company's sheet begins with: its sample workbook with the month before today; of a company without one
    the headers and first rows of Hanbit's."""
    today = datetime.now(UTC).date()
    if name in workbooks.names():
        return workbooks.tabs(name, today)
    began = ("대화이력", "운영로그")  # what a bot writes begins empty
    return {tab: rows[: 1 if tab in began else 2] for tab, rows in workbooks.tabs("hanbit", today).items()}


def _pair() -> tuple[str, str]:
    """An RSA key as PEM: the private half and the public one."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()
