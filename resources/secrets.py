"""The companies' keys: encrypted at rest or kept elsewhere, read at the moment they are used.

Belongs here: the master key, how a secret is sealed, resealed and opened, and where references lead. Does not belong
here: where sealed secrets are stored (``resources/companies``), or asking people for keys (``pipelines/cli``).

What is stored for a company is one of

    env:NAME            a reference to an environment variable
    aws:ID, aws:ID#F    a reference to a secret in AWS Secrets Manager (a name or an ARN), or to a field of its JSON
    anything else       the secret itself, as a Fernet token

The master key comes from ``CASEBOOK_MASTER_KEY`` (several with commas), else from the file ``master.key`` in the home
(one a line, mode 0600). The first key seals, all of them open. The file is made by sealing, never by opening: a new key
opens nothing.

No secret stands in any message, and errors about one are raised outside of ``except``: what a library's exception holds
(the document of a ``JSONDecodeError``) does not travel along as ``__context__``.
"""

import json
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from filelock import FileLock, Timeout

from domain.errors import CasebookError, InputError, SourceUnavailable, StorageError
from resources.settings import Settings

_ENV, _AWS = "env:", "aws:"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""A name that every shell can set (POSIX, Base Definitions 8.1)."""
_AWS_ID = re.compile(r"(arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):\d{12}:secret:)?[A-Za-z0-9/_+=.@-]{1,512}")
"""A secret's name, or its ARN with or without the six characters at the end (AWS API reference, CreateSecret)."""


def refer(variable: str) -> str:
    """A reference to an environment variable, to be stored in place of the secret."""
    return _ENV + variable


def reference(text: str) -> str:
    """The reference that a person typed, checked, to be stored in place of the secret; nothing is looked up.

    Raises ``InputError``, which does not repeat the text: it may be the key itself.
    """
    text = text.strip()
    if text.startswith(_ENV):
        if not _VARIABLE.fullmatch(text.removeprefix(_ENV)):
            raise InputError(
                "this is not the name of an environment variable.",
                "It is not shown here, for it may be a key.",
                "Say for example env:FRESHDESK_KEY (letters, digits and _), and set that variable to the key.",
            )
        return text
    secret_id, hash_sign, field = text.removeprefix(_AWS).partition("#")
    if not text.startswith(_AWS) or not _AWS_ID.fullmatch(secret_id) or (hash_sign and not field):
        raise InputError(
            "this is not a reference to a key.",
            "It is not shown here, for it may be a key.",
            "Say env:NAME, aws:SECRET_ID or aws:SECRET_ID#FIELD; the id is the secret's name or ARN.",
        )
    return text


def is_sealed(stored: str) -> bool:
    """Whether what is stored needs the master key: not nothing, and no reference."""
    return bool(stored) and not stored.startswith((_ENV, _AWS))


def open_secret(settings: Settings, sealed: str, company: str, *, fresh: bool = False) -> str:
    """The secret in clear. ``fresh`` asks AWS even when it has answered a moment ago: for who was just refused with it.

    Raises ``InputError``, or ``SourceUnavailable`` when AWS does not answer; both name the company, never the secret.
    """
    if sealed.startswith(_ENV):
        return _of_environment(sealed.removeprefix(_ENV), company)
    if sealed.startswith(_AWS):
        return _of_aws(sealed.removeprefix(_AWS), company, fresh)
    return _unsealed(settings, sealed, company)


def _of_environment(variable: str, company: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise _no_key(company, f"The environment variable {variable} is not set.", f"Set {variable}.")
    return value


def _no_key(company: str, detail: str, remedy: str) -> InputError:
    return InputError(f"no key for company {company!r}.", detail, remedy)


# Sealing, with the master key


def seal(settings: Settings, secret: str) -> str:
    """The secret as a token that the master key opens. Makes the key file when there is no master key yet.

    To be stored under ``key_lock``: else a rotation that runs between the two drops the key it was sealed with.
    """
    if any("\ud800" <= letter <= "\udfff" for letter in secret):
        raise InputError("the key is not text.", "It holds bytes that are no UTF-8.", "Copy it again.")
    if not settings.master_key and not os.path.lexists(_file(settings)):
        with key_lock(settings):
            if not os.path.lexists(_file(settings)):
                _write(_file(settings), [_new_key()])
    return _master(settings).keys[0].encrypt(secret.encode()).decode()


def reseal(settings: Settings, sealed: str, company: str) -> str:
    """The same secret under the first master key: the same text when it is so already, or is a reference, or is empty.

    Raises ``InputError`` that names the company when no key opens it.
    """
    if not is_sealed(sealed):
        return sealed
    master = _master(settings, company)
    if _decrypted(master.keys[:1], sealed) is not None:
        return sealed
    if _decrypted(master.keys, sealed) is None:
        raise _cannot_be_opened(settings, company)
    return MultiFernet(master.keys).rotate(sealed).decode()


def _unsealed(settings: Settings, sealed: str, company: str) -> str:
    secret = _decrypted(_master(settings, company).keys, sealed)
    if secret is None:
        raise _cannot_be_opened(settings, company)
    return secret


def _decrypted(keys: Iterable[Fernet], sealed: str) -> str | None:
    try:
        return MultiFernet(keys).decrypt(sealed).decode()
    except (InvalidToken, ValueError):  # a ValueError: not even the form of a token
        return None


def _cannot_be_opened(settings: Settings, company: str) -> InputError:
    detail = "The master key is another one than when it was stored."
    if settings.master_key and os.path.lexists(_file(settings)):
        detail += f" CASEBOOK_MASTER_KEY is set, so {_file(settings)} is not looked at."
    return InputError(
        f"the key of company {company!r} cannot be opened.",
        detail,
        "Put the old one behind the new one in CASEBOOK_MASTER_KEY (NEW,OLD) or in master.key (one a line), "
        f"or store the key again: casebook company set {company} --key-stdin",
    )


# The master key


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Where the master key comes from, and its keys, the first of which seals. Neither shows a key."""

    source: Literal["environment", "file"]
    keys: tuple[Fernet, ...]


def master_key(settings: Settings) -> MasterKey:
    """The master key as it is now. Raises ``InputError`` when it is missing, is none, or others can read its file."""
    return _master(settings)


@contextmanager
def key_lock(settings: Settings) -> Iterator[None]:
    """Nobody else changes the master key, or stores a sealed secret, meanwhile; may be taken again within itself.

    ``casebook company rotate-key`` holds it from ``add_key`` to ``drop_old_keys``. Raises ``CasebookError`` when
    another process holds it for long.
    """
    path = settings.root / "locks" / "master.key.lock"
    try:
        path.parent.mkdir(exist_ok=True)
        lock = FileLock(path, timeout=_LOCK_SECONDS, is_singleton=True)
        lock.acquire()
    except Timeout:
        raise CasebookError(
            "the master key is busy.", "Another process is changing keys.", "Wait until it has ended, then try again."
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield
    finally:
        lock.release()


_LOCK_SECONDS = 10.0


def add_key(settings: Settings) -> None:
    """Put a new key before those of the key file: it seals from now on, the old ones still open.

    Raises ``InputError`` when the master key comes from the environment, which is the operator's to change.
    """
    with key_lock(settings):
        _write(_file(settings), [_new_key(), *_keys_of_file(settings)])


def drop_old_keys(settings: Settings, sealed: Iterable[str]) -> None:
    """Leave only the first key in the key file. ``sealed`` is all that is stored for all companies, read under the
    ``key_lock`` that spans the rotation; what no key opens, a dropped one would not either.

    Raises ``InputError`` for a key of the environment, and ``CasebookError``, with nothing done, when an old key is
    still needed.
    """
    with key_lock(settings):
        texts = _keys_of_file(settings)
        keys = _master(settings).keys
        for one in filter(is_sealed, sealed):
            if _decrypted(keys[:1], one) is None and _decrypted(keys, one) is not None:
                raise CasebookError(
                    "an old master key is still in use.", remedy="Run 'casebook company rotate-key' again."
                )
        _write(_file(settings), texts[:1])


def _master(settings: Settings, company: str = "") -> MasterKey:
    """``company``: whose secret is to be opened, if one is."""
    source = "environment" if settings.master_key else "file"
    keys = [_fernet(text) for text in _texts(settings, company)]
    if not keys or None in keys:
        raise InputError(
            "the master key is not one.",
            f"{'CASEBOOK_MASTER_KEY' if settings.master_key else _file(settings)} must hold 32 bytes in URL-safe base64, "
            f"or several such keys {'with commas between them' if settings.master_key else 'one a line'}.",
            "Put it right, or back from a backup.",
        )
    return MasterKey(source, tuple(key for key in keys if key))


def _texts(settings: Settings, company: str = "") -> list[str]:
    return re.split(r"[,\s]+", (settings.master_key or _read(_file(settings), company)).strip(", \t\r\n"))


def _fernet(text: str) -> Fernet | None:
    # Base64's decoder leaves out what it does not know: then a wrong character would be another key, or none be seen.
    return Fernet(text) if _KEY.fullmatch(text) else None


_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


def _new_key() -> str:
    return Fernet.generate_key().decode()


def _file(settings: Settings) -> Path:
    return settings.root / "master.key"


def _keys_of_file(settings: Settings) -> list[str]:
    """The key file's keys as text, all proved to be keys."""
    if settings.master_key:
        raise InputError(
            "the master key comes from CASEBOOK_MASTER_KEY.",
            "Casebook cannot change it there.",
            "Set it to NEW,OLD, run 'casebook company rotate-key', then set it to NEW.",
        )
    _master(settings)
    return _texts(settings)


def _read(path: Path, company: str) -> str:
    """The key file's text. Raises ``InputError`` when it is missing, or is not a file for its owner only."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            raise InputError(
                "the master key is not a file.",
                f"{path} is {'a link' if stat.S_ISLNK(mode) else 'something else'}.",
                "Put the file itself there, or set CASEBOOK_MASTER_KEY.",
            )
        if stat.S_IMODE(mode) & 0o077:
            raise InputError(
                "the master key is open to others.",
                f"{path} has mode {stat.S_IMODE(mode):04o}.",
                f"Say: chmod 600 {path} (and rotate it if somebody may have read it)",
            )
        return path.read_text(errors="replace")
    except FileNotFoundError:
        whose = f"The key of company {company!r} is sealed, but " if company else ""
        raise InputError(
            "the master key is missing.",
            f"{whose}CASEBOOK_MASTER_KEY is not set and {path} does not exist.",
            "Set CASEBOOK_MASTER_KEY, or put the file back from a backup. If it is lost, store every company's key again: "
            f"casebook company set {company or 'ID'} --key-stdin",
        ) from None
    except OSError as error:
        raise InputError(
            "the master key cannot be read.", f"{path}: {error.strerror}.", "Let this user own it, with mode 0600."
        ) from None


def _write(path: Path, keys: list[str]) -> None:
    """Under ``key_lock``. A crash, or the loss of power, leaves the old file or the new one, both for the owner only."""
    draft = path.with_name(".master.key.new")
    try:
        draft.unlink(missing_ok=True)  # of a process that was killed here
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("".join(f"{key}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)  # before anything is sealed with it
        finally:
            os.close(folder)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        "the master key cannot be written.", f"{path}: {error.strerror}.", "Free space or give rights, then try again."
    )


# AWS Secrets Manager


def _of_aws(target: str, company: str, fresh: bool) -> str:
    secret_id, _, field = target.partition("#")
    text = _aws.text(secret_id, company, fresh)
    shown = f"The AWS secret {secret_id!r}"
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    remedy = f"Name a field that holds the key: aws:{secret_id}#FIELD"
    if not field:
        if isinstance(document, dict):
            raise _no_key(company, f"{shown} is JSON with fields.", remedy)
        value = text
    elif not isinstance(document, dict):
        raise _no_key(company, f"{shown} is not JSON with fields, so it has no {field!r}.", f"Say aws:{secret_id}")
    elif field not in document:
        raise _no_key(company, f"{shown} has no field {field!r}.", remedy)
    else:
        value = document[field]
    if not isinstance(value, str):
        raise _no_key(company, f"The field {field!r} of the AWS secret {secret_id!r} is not a string.", remedy)
    if not value.strip():
        raise _no_key(company, f"{shown} is empty.", "Store the key there.")
    return value.strip()


class AwsSecrets:
    """What AWS Secrets Manager said lately, for ``life`` seconds: an answer takes 50 ms and costs money.

    Threads share it. ``clock`` gives seconds. A secret that was changed is seen after ``life`` at the latest, or at once
    by ``fresh``. Failures are not kept.
    """

    def __init__(self, life: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.life = life
        self.clock = clock
        self._lock = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._held: dict[str, tuple[float, str]] = {}
        """By id: when it was asked for, and what was said."""

    def text(self, secret_id: str, company: str, fresh: bool = False) -> str:
        """The secret's whole text. Raises ``InputError`` or ``SourceUnavailable``, with the names of company and secret."""
        asked = self.clock()
        with self._lock:
            when, text = self._held.get(secret_id, (float("-inf"), ""))
        if not fresh and asked - when < self.life:
            return text
        text = self._ask(secret_id, company)
        with self._lock:
            # Of two threads' answers the one that was asked for later is kept, in whichever order they come.
            if asked >= self._held.get(secret_id, (asked, ""))[0]:
                self._held[secret_id] = (asked, text)
        return text

    def _ask(self, secret_id: str, company: str) -> str:
        try:
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise _no_key(
                company,
                f"The AWS secret {secret_id!r} needs the package boto3, which is not installed.",
                "Say: pip install 'casebook[aws]'",
            ) from None
        arn = _AWS_ID.fullmatch(secret_id)
        region = (arn and arn[2]) or os.environ.get("AWS_REGION", "")  # boto3 itself looks at AWS_DEFAULT_REGION only
        failure: Exception | None = None
        answer: dict[str, Any] = {}
        try:
            answer = self._client(region).get_secret_value(SecretId=secret_id)
        except (BotoCoreError, ClientError, ValueError) as error:  # a ValueError: the endpoint is no address
            failure = error.with_traceback(None)
            with self._lock:
                self._clients.pop(region, None)  # the next one reads the environment's credentials again
        if failure is not None:
            raise _explained(failure, secret_id, company)
        if "SecretString" not in answer:
            raise _no_key(company, f"The AWS secret {secret_id!r} is binary.", "Store the key there as text.")
        return answer["SecretString"]

    def _client(self, region: str) -> Any:
        with self._lock:
            client = self._clients.get(region)
        if client is None:
            from boto3.session import Session
            from botocore.config import Config

            logging.getLogger("botocore").setLevel(logging.INFO)  # at DEBUG it logs whole answers
            limits = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": 2},
            )
            client = Session(region_name=region or None).client("secretsmanager", config=limits)
            with self._lock:
                self._clients[region] = client
        return client


_CONNECT_SECONDS = 2.0
_READ_SECONDS = 3.0
_aws = AwsSecrets()

_ALLOW = (
    "Allow secretsmanager:GetSecretValue on it (and kms:Decrypt on its key) to the credentials that Casebook runs with."
)
_LOG_IN = "Give boto3 valid ones: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the machine's role."
_REGION = "Set AWS_REGION, or name the secret by its whole ARN."
_ENDPOINT = "Check the network, AWS_REGION and AWS_ENDPOINT_URL_SECRETS_MANAGER, then try again."
_PASSING = frozenset({"ThrottlingException", "InternalServiceError", "InternalFailure", "ServiceUnavailable"})
_REFUSALS = {
    "ResourceNotFoundException": ("does not exist, or has no value", "Check its name, AWS_REGION and the account."),
    "AccessDeniedException": ("may not be read", _ALLOW),
    "DecryptionFailure": ("cannot be decrypted by AWS", _ALLOW),
    "InvalidRequestException": ("is marked as deleted, or cannot be read as it is", "Restore it in AWS."),
} | dict.fromkeys(
    ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch",
     "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "MissingAuthenticationToken",
     "InvalidAccessKeyId", "AuthFailure"),
    ("was not given out: AWS refuses the credentials", _LOG_IN),
)  # fmt: skip
"""By AWS's error code: what is the matter with the secret, and the remedy."""
_UNUSABLE = {
    "NoRegionError": ("no AWS region is set", _REGION),
    "InvalidRegionError": ("the AWS region is not one", _REGION),
    "ProfileNotFound": ("the profile in AWS_PROFILE does not exist", _LOG_IN),
    "NoCredentialsError": ("there are no AWS credentials", _LOG_IN),
    "PartialCredentialsError": ("the AWS credentials are not complete", _LOG_IN),
    "CredentialRetrievalError": ("the AWS credentials cannot be had", _LOG_IN),
    "UnauthorizedSSOTokenError": ("the AWS login has ended", "Say: aws sso login"),
    "SSOTokenLoadError": ("the AWS login has ended", "Say: aws sso login"),
    "TokenRetrievalError": ("the AWS login has ended", "Say: aws sso login"),
    "ValueError": ("the address of AWS is not one", "Check AWS_ENDPOINT_URL_SECRETS_MANAGER and AWS_ENDPOINT_URL."),
}
"""By the name of boto3's exception, where nothing was sent: why, and the remedy."""


def _explained(error: Exception, secret_id: str, company: str) -> CasebookError:
    """What boto3 raised, for a person. Its own words are left out: they may quote what it was given."""
    answer: dict[str, Any] = getattr(error, "response", None) or {}
    code = answer.get("Error", {}).get("Code", "")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status in (401, 403) and code.isdigit():  # without a reason: a proxy may have said so
        code = "AuthFailure"
    if code in _REFUSALS:
        what, remedy = _REFUSALS[code]
        return _no_key(company, f"The AWS secret {secret_id!r} {what} ({code}).", remedy)
    kind = type(error).__name__
    if kind in _UNUSABLE:
        what, remedy = _UNUSABLE[kind]
        return _no_key(company, f"For the AWS secret {secret_id!r}, {what}.", remedy)
    if code and not code.isdigit() and code not in _PASSING and status < 500:  # digits: it was not AWS that answered
        return _no_key(company, f"AWS refuses the secret {secret_id!r} ({code}).", _ALLOW)
    return SourceUnavailable(
        f"AWS Secrets Manager does not answer for company {company!r}.",
        f"It was asked for the secret {secret_id!r} ({code or kind}).",
        _ENDPOINT,
    )
