"""Keys of companies: sealed at rest, opened at use, never told; the master key changed under their feet; AWS's own."""

import contextlib
import json
import logging
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from cryptography.fernet import Fernet

from domain.company import Company, company_id
from domain.errors import CasebookError, InputError, SourceUnavailable, StorageError
from resources import secrets
from resources.companies import Companies
from resources.settings import Settings
from tests.aws_server import AwsServer, aws_server
from tests.processes import Child, ask

KEY = "fd-비밀-Kx81'\"key"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.delenv("CASEBOOK_MASTER_KEY", raising=False)
    return Settings(home=tmp_path / "home")


def with_key(settings: Settings, *master_keys: str) -> Settings:
    return Settings(home=settings.home, master_key=",".join(master_keys))


def new_key() -> str:
    return Fernet.generate_key().decode()


def key_file(settings: Settings) -> Path:
    return settings.root / "master.key"


def refused(call: Callable[..., Any], *arguments: Any, hidden: tuple[str, ...] = (KEY,), **options: Any) -> str:
    """What the error says that the call must raise; nothing hidden may be in it, nor in what it carries along."""
    with pytest.raises(CasebookError) as caught:
        call(*arguments, **options)
    error = caught.value
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + str(error)
    error.__suppress_context__ = False  # for who prints all the same
    told += "".join(traceback.format_exception(error)) + repr(vars(error.__context__ or error))
    for one in filter(None, hidden):
        assert one not in told
    return str(error)


# Sealed


def test_a_sealed_key_opens_again_and_shows_nothing(settings: Settings) -> None:
    sealed = secrets.seal(settings, KEY)
    assert sealed != secrets.seal(settings, KEY)  # so that equal keys do not look equal
    assert KEY not in sealed
    assert secrets.open_secret(Settings(home=settings.home), sealed, "acme") == KEY
    assert secrets.is_sealed(sealed)
    assert not any(secrets.is_sealed(other) for other in ("", "env:ACME", "aws:acme"))


def test_the_registry_keeps_only_the_sealed_key(settings: Settings) -> None:
    companies = Companies(settings)
    company = Company(company_id("acme"), "freshdesk", "https://acme.example.com")
    companies.add(company, secrets.seal(settings, KEY))
    assert companies.secret(company) == KEY
    companies.set_secret(company, secrets.seal(settings, "another"))
    assert companies.secret(company) == "another"
    for path in settings.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes()
    assert KEY not in repr(companies.get("acme"))


def test_a_company_without_a_key_has_none(settings: Settings) -> None:
    companies = Companies(settings)
    company = Company(company_id("acme"), "export", "tickets.csv")
    companies.add(company, "")
    assert companies.secret(company) == ""
    assert not key_file(settings).exists()


def test_what_is_no_text_is_not_sealed(settings: Settings) -> None:
    assert "not text" in refused(secrets.seal, settings, "fd-Kx81\udcff", hidden=("fd-Kx81",))


def test_the_key_file_is_for_its_owner_only(settings: Settings) -> None:
    before = os.umask(0)
    try:
        secrets.seal(settings, KEY)
        file = key_file(settings)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        first = file.read_text()
        secrets.seal(settings, KEY)
        assert file.read_text() == first
        secrets.add_key(settings)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    assert sorted(path.name for path in settings.root.iterdir()) == ["locks", "master.key"]


def test_processes_that_need_a_key_file_at_the_same_time_share_one(settings: Settings) -> None:
    start = time.time() + 0.2
    children = [Child(seal_at, settings.home, start) for _ in range(4)]
    sealed = [child.hear() for child in children]
    for child in children:
        child.kill()
    assert [secrets.open_secret(settings, one, "acme") for one in sealed] == [KEY] * 4


def seal_at(say: Callable[[str], None], home: Path, start: float) -> None:
    time.sleep(max(0.0, start - time.time()))
    say(secrets.seal(Settings(home=home), KEY))


def test_another_master_key_names_the_company_and_never_the_secret(settings: Settings) -> None:
    sealed = secrets.seal(settings, KEY)
    wrong, mine = new_key(), key_file(settings).read_text().strip()
    for call in (secrets.open_secret, secrets.reseal):
        told = refused(call, with_key(settings, wrong), sealed, "acme", hidden=(KEY, sealed, wrong, mine))
        assert "'acme' cannot be opened" in told
        assert "CASEBOOK_MASTER_KEY is set, so" in told  # why the file does not help
        assert "casebook company set acme --key-stdin" in told
    for broken in (sealed[:-9] + sealed[-8:], sealed + "é", "gAAAA", "vault:acme"):
        assert "cannot be opened" in refused(secrets.open_secret, settings, broken, "acme", hidden=(KEY, broken))


def test_opening_makes_no_key_file(settings: Settings) -> None:
    sealed = secrets.seal(settings, KEY)
    key_file(settings).unlink()
    for call in (secrets.open_secret, secrets.reseal):
        told = refused(call, settings, sealed, "acme")
        assert told.startswith("the master key is missing.")
        assert "'acme'" in told
        assert "backup" in told
    assert "master key is missing" in refused(secrets.master_key, settings)
    assert "master key is missing" in refused(secrets.add_key, settings)
    assert not key_file(settings).exists()


def test_what_is_no_master_key_is_told_without_showing_it(settings: Settings) -> None:
    good = new_key()
    for wrong in ("short", "ü" * 44, "x" * 44, "spaces in it " * 4, f"{good},short", ",", f"{good}=", f" {good[:-1]}+"):
        told = refused(secrets.seal, with_key(settings, wrong), KEY, hidden=(wrong.strip(","), good))
        assert told.startswith("the master key is not one. CASEBOOK_MASTER_KEY must hold")
    for wrong in (b"", b"\n\n", b"\xff\xfe", f"{good}\nshort".encode()):
        key_file(settings).write_bytes(wrong)
        key_file(settings).chmod(0o600)
        told = refused(secrets.seal, settings, KEY, hidden=(good,))
        assert told.startswith(f"the master key is not one. {key_file(settings)} must hold")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o620])
def test_a_key_file_that_others_may_reach_is_refused(settings: Settings, mode: int) -> None:
    sealed = secrets.seal(settings, KEY)
    key_file(settings).chmod(mode)
    for call in (secrets.open_secret, secrets.reseal):
        told = refused(call, settings, sealed, "acme")
        assert f"chmod 600 {key_file(settings)}" in told
        assert f"{mode:04o}" in told
    refused(secrets.seal, settings, KEY)
    refused(secrets.add_key, settings)
    key_file(settings).chmod(0o400)
    assert secrets.open_secret(settings, sealed, "acme") == KEY


def test_a_key_file_that_is_no_file_is_refused(settings: Settings, tmp_path: Path) -> None:
    sealed = secrets.seal(settings, KEY)
    moved = key_file(settings).rename(tmp_path / "elsewhere.key")
    made: list[Callable[[Path], object]] = [
        lambda path: path.symlink_to(moved),
        lambda path: path.symlink_to(tmp_path / "nowhere"),
        lambda path: path.mkdir(),
        os.mkfifo,
    ]
    for make in made:
        make(key_file(settings))
        for told in (refused(secrets.open_secret, settings, sealed, "acme"), refused(secrets.seal, settings, KEY)):
            assert told.startswith("the master key is not a file.")
        if key_file(settings).is_dir() and not key_file(settings).is_symlink():
            key_file(settings).rmdir()
        else:
            key_file(settings).unlink()


def test_the_environments_key_goes_before_the_file(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    of_file = secrets.seal(settings, KEY)
    monkeypatch.setenv("CASEBOOK_MASTER_KEY", new_key())
    now = Settings(home=settings.home)
    assert "cannot be opened" in refused(secrets.open_secret, now, of_file, "acme")
    assert secrets.open_secret(now, secrets.seal(now, KEY), "acme") == KEY


# The master key changes


def test_of_several_keys_the_first_seals_and_all_open(settings: Settings) -> None:
    old, new = new_key(), new_key()
    sealed = secrets.seal(with_key(settings, old), KEY)
    both = with_key(settings, f" {new} ", f"\n{old}", "")
    assert secrets.open_secret(both, sealed, "acme") == KEY
    assert secrets.open_secret(with_key(settings, new), secrets.seal(both, KEY), "acme") == KEY
    assert secrets.master_key(both).source == "environment"
    assert len(secrets.master_key(both).keys) == 2
    for key in (old, new):
        assert key not in repr(secrets.master_key(both))


def test_a_secret_is_resealed_once(settings: Settings) -> None:
    old, new = new_key(), new_key()
    sealed = secrets.seal(with_key(settings, old), KEY)
    both = with_key(settings, new, old)
    resealed = secrets.reseal(both, sealed, "acme")
    assert resealed != sealed
    assert secrets.reseal(both, resealed, "acme") == resealed
    assert secrets.open_secret(with_key(settings, new), resealed, "acme") == KEY
    assert Fernet(old).extract_timestamp(sealed) == Fernet(new).extract_timestamp(resealed)
    for stored in ("", "env:ACME", "aws:acme#key"):
        assert secrets.reseal(both, stored, "acme") == stored


def test_the_key_file_is_rotated(settings: Settings) -> None:
    sealed = [secrets.seal(settings, KEY), "env:ACME", ""]
    before = key_file(settings).read_text()
    with secrets.key_lock(settings):
        secrets.add_key(settings)
        assert secrets.open_secret(settings, sealed[0], "acme") == KEY
        assert "still in use" in refused(secrets.drop_old_keys, settings, sealed)
        assert len(secrets.master_key(settings).keys) == 2
        resealed = [secrets.reseal(settings, one, "acme") for one in sealed]
        secrets.drop_old_keys(settings, resealed)
    assert secrets.master_key(settings).source == "file"
    assert len(secrets.master_key(settings).keys) == 1
    assert secrets.open_secret(settings, resealed[0], "acme") == KEY
    assert before.strip() not in key_file(settings).read_text()
    assert "cannot be opened" in refused(secrets.open_secret, settings, sealed[0], "acme")


def test_what_nothing_opens_does_not_keep_old_keys(settings: Settings) -> None:
    lost = secrets.seal(with_key(settings, new_key()), KEY)
    secrets.seal(settings, KEY)
    secrets.add_key(settings)
    secrets.drop_old_keys(settings, [lost])
    assert len(secrets.master_key(settings).keys) == 1


def test_a_key_of_the_environment_is_the_operators(settings: Settings) -> None:
    secrets.seal(settings, KEY)
    before = key_file(settings).read_text()
    mine = with_key(settings, new_key(), new_key())
    for call in (lambda: secrets.add_key(mine), lambda: secrets.drop_old_keys(mine, [])):
        assert "NEW,OLD" in refused(call, hidden=(KEY, *mine.master_key.split(",")))
    assert key_file(settings).read_text() == before


def test_nobody_seals_while_the_key_is_rotated(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_LOCK_SECONDS", 0.1)
    with Child(hold_the_lock, settings.home) as child:
        assert child.hear() == "held"
        for call in (lambda: secrets.seal(settings, KEY), lambda: secrets.add_key(settings)):
            assert "Another process is changing keys" in refused(call)
        assert not key_file(settings).exists()
    secrets.seal(settings, KEY)  # the killed one's lock is free


def hold_the_lock(say: Callable[[str], None], home: Path) -> None:
    with secrets.key_lock(Settings(home=home)):
        say("held")
        time.sleep(60)


def test_a_full_disk_leaves_the_old_key(settings: Settings) -> None:
    sealed = secrets.seal(settings, KEY)
    before = key_file(settings).read_text()
    with Child(rotate_without_room, settings.home) as child:
        told = child.hear()
    assert told.startswith(f"the master key cannot be written. {key_file(settings)}: ")
    assert key_file(settings).read_text() == before
    assert secrets.open_secret(settings, sealed, "acme") == KEY
    secrets.add_key(settings)


def rotate_without_room(say: Callable[[str], None], home: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
    try:
        secrets.add_key(Settings(home=home))
    except StorageError as error:
        say(str(error))


def test_a_rotation_that_is_killed_at_any_line_loses_nothing(settings: Settings, tmp_path: Path) -> None:
    """A rotation is killed before its nth line of ``resources/secrets``, for every third n, until one comes through.
    After each kill everything opens, and the next rotation succeeds."""
    stored = tmp_path / "stored"
    stored.mkdir()
    for name in ("acme", "near"):
        (stored / name).write_text(secrets.seal(settings, f"key of {name}"))
    (stored / "refers").write_text("env:ACME")
    kills, keys = ask(kill_at_each_line, settings.home, stored)
    assert kills > 40
    assert keys == {1, 2}
    assert sorted(path.name for path in settings.root.iterdir()) == ["locks", "master.key"]


def kill_at_each_line(say: Callable[[object], None], home: Path, stored: Path) -> None:
    """In a process without threads, so that it may fork."""
    settings = Settings(home=home)
    kills, keys = 0, {1}
    while not comes_through(settings, stored, 1 + 3 * kills):
        kills += 1
        check_all_open(settings, stored)
        keys.add(len(secrets.master_key(settings).keys))
        rotate(settings, stored)
        check_all_open(settings, stored)
        assert len(secrets.master_key(settings).keys) == 1
    check_all_open(settings, stored)
    say((kills, keys))


def check_all_open(settings: Settings, stored: Path) -> None:
    for name in ("acme", "near"):
        assert secrets.open_secret(settings, (stored / name).read_text(), name) == f"key of {name}"
    assert (stored / "refers").read_text() == "env:ACME"
    assert stat.S_IMODE(key_file(settings).stat().st_mode) == 0o600


def rotate(settings: Settings, stored: Path) -> None:
    """As ``casebook company rotate-key`` does."""
    with secrets.key_lock(settings):
        secrets.add_key(settings)
        for file in sorted(stored.glob("[!.]*")):
            draft = stored / f".{file.name}"
            draft.write_text(secrets.reseal(settings, file.read_text(), file.name))
            draft.replace(file)
        secrets.drop_old_keys(settings, [file.read_text() for file in stored.glob("[!.]*")])


def comes_through(settings: Settings, stored: Path, lines: int) -> bool:
    pid = os.fork()
    if pid == 0:
        rotate_until_killed(Settings(home=settings.home), stored, lines)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, -signal.SIGKILL)
    return code == 0


def rotate_until_killed(settings: Settings, stored: Path, lines: int) -> None:
    left = lines

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != secrets.__file__:
            return None
        left -= event == "line"
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    rotate(settings, stored)
    sys.settrace(None)


# References


def test_a_reference_is_read_when_it_is_needed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = secrets.refer("ACME_KEY")
    for value in (KEY, "a changed key"):
        monkeypatch.setenv("ACME_KEY", f" {value}\n")
        assert secrets.open_secret(settings, sealed, "acme") == value
    for unset in (lambda: monkeypatch.setenv("ACME_KEY", " "), lambda: monkeypatch.delenv("ACME_KEY")):
        unset()
        told = refused(secrets.open_secret, settings, sealed, "acme")
        assert re.search(r"'acme'.*ACME_KEY is not set", told)
    assert not key_file(settings).exists()


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:acme/key-AbCdEf"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "env:ACME_KEY",
            "env:_a9",
            "aws:acme/helpdesk",
            "aws:acme/helpdesk#freshdesk",
            "aws:a#비밀 키",
            "aws:a@b+c=d.e_f-g",
        ),
        *(f"aws:{ARN}", f"aws:{ARN}#field", f"aws:{ARN.replace('aws:', 'aws-us-gov:', 1)}", "aws:" + "x" * 512),
    ],
)
def test_a_reference_that_a_person_types_is_kept(text: str) -> None:
    assert secrets.reference(f" {text} ") == text
    assert not secrets.is_sealed(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "fd-Kx81",
            "env:",
            "env:fd-Kx81",
            "env:9A",
            "env:A B",
            "env:Ä",
            "ENV:A",
            "aws:",
            "aws:#key",
            "aws:a#",
            "aws:a b",
        ),
        *("aws:비밀", "aws:" + "x" * 513, "aws:arn:aws:s3:::bucket", "aws:arn:aws:secretsmanager:eu-west-1:1:secret:a"),
        *("aws:a:b", "vault:a", f"{ARN}#field", "env:A\nB", "aws:a\nb"),
    ],
)
def test_what_is_no_reference_is_not_repeated(text: str) -> None:
    told = refused(secrets.reference, text, hidden=(text,) if len(text) > 5 else ())
    assert "may be a key" in told
    assert "env:" in told


# AWS Secrets Manager


@pytest.fixture(scope="module")
def server() -> Iterator[AwsServer]:
    with aws_server() as server:
        yield server


@pytest.fixture
def aws(server: AwsServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AwsServer:
    """An empty AWS, reached by nothing but our environment; the process has not asked it for anything yet."""
    server.empty()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(secrets, "_aws", secrets.AwsSecrets())
    return server


def test_a_secret_of_aws_is_found_by_name_arn_and_field(settings: Settings, aws: AwsServer) -> None:
    arn = aws.put("acme/key", KEY + "\n")
    fields = aws.put(
        "acme/all", json.dumps({"freshdesk": KEY, "zendesk": "another", "a#b": "third"}, ensure_ascii=False)
    )
    for stored, secret in {
        "aws:acme/key": KEY,
        f"aws:{arn}": KEY,
        f"aws:{arn.rpartition('-')[0]}": KEY,
        "aws:acme/all#freshdesk": KEY,
        f"aws:{fields}#zendesk": "another",
        "aws:acme/all#a#b": "third",
    }.items():
        assert secrets.open_secret(settings, secrets.reference(stored), "acme") == secret
    assert not key_file(settings).exists()


def test_the_arn_says_the_region(settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    arn = aws.client(region="ap-northeast-2").create_secret(Name="acme", SecretString=KEY)["ARN"]
    assert "does not exist" in refused(secrets.open_secret, settings, "aws:acme", "acme")
    assert secrets.open_secret(settings, f"aws:{arn}", "acme") == KEY
    monkeypatch.delenv("AWS_REGION")
    assert secrets.open_secret(settings, f"aws:{arn}", "acme", fresh=True) == KEY
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-northeast-2")
    assert secrets.open_secret(settings, "aws:acme", "acme") == KEY


NO_KEYS = {
    "aws:nowhere": "'nowhere' does not exist",
    "aws:text#field": "'text' is not JSON with fields, so it has no 'field'",
    "aws:fields": "'fields' is JSON with fields",
    "aws:fields#other": "'fields' has no field 'other'",
    "aws:fields#number": "The field 'number' of the AWS secret 'fields' is not a string",
    "aws:fields#none": "The field 'none' of the AWS secret 'fields' is not a string",
    "aws:fields#empty": "'fields' is empty",
    "aws:blank": "'blank' is empty",
    "aws:list#field": "'list' is not JSON with fields",
    "aws:deep#field": "'deep' is not JSON with fields",
    "aws:binary": "'binary' is binary",
    "aws:deleted": "'deleted' is marked as deleted",
    "aws:valueless": "'valueless' does not exist, or has no value",
}
"""What may be stored for a company, and what is the matter with it."""


def test_what_is_no_key_in_aws_is_told_without_showing_it(settings: Settings, aws: AwsServer) -> None:
    fill(aws)
    for stored, why in NO_KEYS.items():
        told = refused(secrets.open_secret, settings, stored, "acme", hidden=(KEY, "Kx81", "8181818181", "[[["))
        assert told.startswith("no key for company 'acme'.")
        assert why in told


def fill(aws: AwsServer) -> None:
    fields = {"freshdesk": KEY, "number": 8181818181, "none": None, "empty": " "}
    texts = {"text": "fd-Kx81key", "fields": json.dumps(fields), "blank": " \n", "list": '["fd-Kx81key"]'}
    for name, text in (texts | {"deep": "[" * 60_000, "deleted": "fd-Kx81key"}).items():
        aws.put(name, text)
    client = aws.client()
    client.delete_secret(SecretId="deleted")
    client.create_secret(Name="valueless")
    client.create_secret(Name="binary", SecretBinary=b"fd-Kx81key")


def test_aws_may_refuse_the_credentials(settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.put("acme", KEY)
    iam = aws.client("iam")
    iam.create_user(UserName="casebook")
    made = iam.create_access_key(UserName="casebook")["AccessKey"]
    aws.check_rights(after=0)
    told = refused(secrets.open_secret, settings, "aws:acme", "acme")
    assert "AWS refuses the credentials" in told
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
    told = refused(secrets.open_secret, settings, "aws:acme", "acme", hidden=(KEY, made["SecretAccessKey"]))
    assert "AWS refuses the credentials" in told  # the right user, another's secret


@pytest.mark.parametrize(
    ("status", "code", "why", "error"),
    [
        (400, "AccessDeniedException", "'acme' may not be read (AccessDeniedException)", InputError),
        (400, "DecryptionFailure", "'acme' cannot be decrypted by AWS", InputError),
        (400, "ExpiredTokenException", "AWS refuses the credentials", InputError),
        (400, "InvalidParameterException", "AWS refuses the secret 'acme' (InvalidParameterException)", InputError),
        (400, "ThrottlingException", "does not answer for company 'acme'", SourceUnavailable),
        (500, "InternalServiceError", "does not answer for company 'acme'", SourceUnavailable),
    ],
)
def test_what_aws_says_is_told_for_people(
    settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch, status: int, code: str, why: str, error: type
) -> None:
    """Answers of the form that AWS's JSON 1.1 protocol gives; moto has no policies for secrets, and never fails."""
    body = json.dumps({"__type": code, "Message": f"User casebook is not allowed {KEY}"})
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/x-amz-json-1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer_all, args=(server, (head + body).encode()), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(error) as caught:
            secrets.open_secret(settings, "aws:acme", "acme")
        server.shutdown(socket.SHUT_RDWR)
    assert why in str(caught.value)
    assert KEY not in str(caught.value)
    assert caught.value.__context__ is None


def test_boto3_may_lack_what_it_needs(settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.put("acme", KEY)

    def told(**environment: str | None) -> str:
        with monkeypatch.context() as patch:
            for name, value in environment.items():
                patch.delenv(name) if value is None else patch.setenv(name, value)
            return refused(secrets.open_secret, settings, "aws:acme", "acme")

    assert "no AWS region is set" in told(AWS_REGION=None)
    assert "region is not one" in told(AWS_REGION="bad region!")
    assert "there are no AWS credentials" in told(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None)
    assert "credentials are not complete" in told(AWS_SECRET_ACCESS_KEY=None)
    assert "AWS_PROFILE does not exist" in told(AWS_PROFILE="nobody")
    assert "the address of AWS is not one" in told(AWS_ENDPOINT_URL_SECRETS_MANAGER="user:pass@nonsense")
    assert secrets.open_secret(settings, "aws:acme", "acme") == KEY  # put right, it works at once


def test_without_boto3_the_command_that_installs_it_is_told(
    settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("boto3", "botocore")]:
        monkeypatch.setitem(sys.modules, name, None)
    told = refused(secrets.open_secret, settings, "aws:acme", "acme")
    assert "pip install 'casebook[aws]'" in told


def test_aws_is_not_imported_until_it_is_needed() -> None:
    code = "import sys, resources.secrets; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>", None])
def test_aws_may_not_answer(
    settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    """It hangs up, is somebody else, or is silent; told within seconds, and it works again when AWS does."""
    aws.put("acme", KEY)
    monkeypatch.setattr(secrets, "_READ_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent, monkeypatch.context() as patch:
        if answer is not None:
            threading.Thread(target=answer_all, args=(silent, answer), daemon=True).start()
        patch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", f"http://127.0.0.1:{silent.getsockname()[1]}")
        start = time.monotonic()
        with pytest.raises(SourceUnavailable, match=r"for company 'acme'\..*'acme'"):
            secrets.open_secret(settings, "aws:acme", "acme")
        assert time.monotonic() - start < 5
        silent.shutdown(socket.SHUT_RDWR)
    patched = {"AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://127.0.0.1:{closed_port()}"}
    with monkeypatch.context() as patch:
        patch.setenv(*patched.popitem())
        with pytest.raises(SourceUnavailable):
            secrets.open_secret(settings, "aws:acme", "acme")
    assert secrets.open_secret(settings, "aws:acme", "acme") == KEY


def answer_all(server: socket.socket, answer: bytes) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(answer)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_a_secret_of_aws_is_kept_for_a_short_time(
    settings: Settings, aws: AwsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(secrets, "_aws", secrets.AwsSecrets(life=30, clock=lambda: now))
    aws.put("acme", '{"a": "first", "b": "other"}')
    assert secrets.open_secret(settings, "aws:acme#a", "acme") == "first"
    aws.put("acme", '{"a": "second", "b": "other"}')
    now += 29
    assert secrets.open_secret(settings, "aws:acme#a", "acme") == "first"
    assert secrets.open_secret(settings, "aws:acme#b", "near") == "other"
    now += 1
    assert secrets.open_secret(settings, "aws:acme#a", "acme") == "second"
    aws.put("acme", '{"a": "third"}')
    assert secrets.open_secret(settings, "aws:acme#a", "acme") == "second"
    assert secrets.open_secret(settings, "aws:acme#a", "acme", fresh=True) == "third"
    assert secrets.open_secret(settings, "aws:acme#a", "acme") == "third"  # for the others too
    aws.client().delete_secret(SecretId="acme")
    assert secrets.open_secret(settings, "aws:acme#a", "acme") == "third"
    now += 30
    assert "marked as deleted" in refused(secrets.open_secret, settings, "aws:acme#a", "acme")


def test_a_slow_answer_does_not_replace_a_newer_one(settings: Settings, aws: AwsServer) -> None:
    """A thread asks, and before it has heard the answer another one asks ``fresh`` and hears of the new key."""
    aws.put("acme", "old")
    asking, go_on = threading.Event(), threading.Event()
    cache = secrets._aws
    ask = cache._ask

    def slowly(secret_id: str, company: str) -> str:
        text = ask(secret_id, company)
        if threading.current_thread() is slow:
            asking.set()
            assert go_on.wait(10)
        return text

    cache._ask = slowly
    heard: list[str] = []
    slow = threading.Thread(target=lambda: heard.append(secrets.open_secret(settings, "aws:acme", "acme")))
    slow.start()
    assert asking.wait(10)
    aws.put("acme", "new")
    assert secrets.open_secret(settings, "aws:acme", "acme", fresh=True) == "new"
    go_on.set()
    slow.join()
    assert heard == ["old"]
    assert secrets.open_secret(settings, "aws:acme", "acme") == "new"


def test_threads_share_what_aws_said(settings: Settings, aws: AwsServer) -> None:
    for number in range(4):
        aws.put(f"acme-{number}", f"key {number}")
    wrong: list[object] = []

    def ask(thread: int) -> None:
        for turn in range(50):
            number = (thread + turn) % 4
            value = secrets.open_secret(settings, f"aws:acme-{number}", "acme", fresh=turn % 10 == 0)
            if value != f"key {number}":
                wrong.append(value)

    threads = [threading.Thread(target=ask, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_secret_of_aws_is_in_no_log_and_no_repr(
    settings: Settings, aws: AwsServer, caplog: pytest.LogCaptureFixture
) -> None:
    aws.put("acme", KEY)
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore").setLevel(logging.NOTSET)
    assert secrets.open_secret(settings, "aws:acme", "acme") == KEY
    assert caplog.records  # the loggers do work
    assert "Kx81" not in caplog.text
    assert "Kx81" not in repr(secrets._aws)
