"""How people give a key to a command: by an environment variable, on standard input, or by a reference to AWS.

Belongs here: the options, and reading and sealing what they name. Does not belong here: what the key opens, or how it is
kept (``resources/secrets``).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from domain.errors import InputError

if TYPE_CHECKING:
    from resources.settings import Settings

KeyEnv = Annotated[
    str | None, typer.Option(help="Environment variable that holds the API key; only its name is stored.")
]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read the API key from standard input; stored encrypted.")]
KeyRef = Annotated[
    str | None,
    typer.Option(metavar="aws:SECRET_ID[#FIELD]", help="AWS secret that holds the API key; only its name is stored."),
]


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key in clear, and the reference to store in its place; "" when it is to be sealed."""

    clear: str = field(repr=False)
    reference: str = ""


def given_key(settings: "Settings", company: str, env: str | None, stdin: bool, ref: str | None) -> GivenKey | None:
    """The key as it was given, None when none was. Raises ``InputError`` when it was given in several ways, or cannot be
    had."""
    from resources import secrets

    ways = [env is not None, stdin, ref is not None].count(True)
    if not ways:
        return None
    if ways > 1:
        raise one_key()
    if stdin:
        key = sys.stdin.readline().strip()
        if not key:
            raise InputError("no key came on standard input.", remedy="For example: printf %s KEY | casebook company …")
        return GivenKey(key)
    reference = secrets.reference(secrets.refer(env) if ref is None else ref)  # pyright: ignore[reportArgumentType]
    return GivenKey(secrets.open_secret(settings, reference, company, fresh=True), reference)


def needed_key(settings: "Settings", company: str, env: str | None, stdin: bool, ref: str | None) -> GivenKey:
    """The same where there must be one. Raises ``InputError`` when none was given, too."""
    key = given_key(settings, company, env, stdin, ref)
    if key is None:
        raise one_key()
    return key


def one_key() -> InputError:
    return InputError(
        "an API key is needed, in one way.",
        remedy="Say --key-env VARIABLE, --key-ref aws:SECRET_ID, or pipe it in with --key-stdin.",
    )


@contextmanager
def to_be_stored(settings: "Settings", key: GivenKey | None) -> Iterator[str]:
    """A key in the form that is stored, "" for none, while no rotation can make it one that nothing opens."""
    from resources import secrets

    if key is None or key.reference:
        yield key.reference if key else ""
    else:
        with secrets.key_lock(settings):
            yield secrets.seal(settings, key.clear)
