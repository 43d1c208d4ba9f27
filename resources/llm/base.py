"""What an LLM is asked, what it answers, and what can go wrong, in words that both ends share.

Belongs here: the records of a call and its reply, the exceptions of ``client``, and what each means for the next try.
Does not belong here: sending (``client``), or deciding what to do about a trouble (``pool``, ``summariser``).

No trouble holds a secret or a word of a ticket: providers quote the request in their errors, so their texts stay out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import uuid4

from domain.provider import Provider

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``schema`` is the JSON schema of the answer, None for plain text; ``max_tokens`` bounds the answer;
    ``tokens_in`` is what the messages count."""

    messages: Sequence[Mapping[str, str]]
    schema: Json | None
    max_tokens: int
    tokens_in: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back and was paid for. ``refusal`` is the model's own, "" for none; ``finish`` is "stop", "length",
    "content_filter" or what else the provider says. Tokens are None where it does not count them. ``headers`` have their
    names in lower case."""

    text: str
    refusal: str
    finish: str
    tokens_in: int | None
    tokens_out: int | None
    model: str
    request_id: str
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


class Trouble(Exception):
    """A call without a reply. ``said`` is one line for a person: which provider, and what is the matter with it.

    ``closes``: this provider will take nothing more in this run, whatever is asked. ``of_document``: the same call would
    fail again, here and most likely elsewhere. Neither: it may pass, elsewhere at once or here later. ``wait`` is how
    many seconds the provider wants to be left alone. ``sent``: the provider may have worked for it, and charge for it.
    """

    closes: ClassVar[bool] = False
    of_document: ClassVar[bool] = False
    sent: ClassVar[bool] = False

    def __init__(self, said: str, *, wait: float | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.wait = wait
        self.headers = headers or {}


class Limited(Trouble):
    """The limit on requests or tokens is reached (429): right later, and no failure of the provider."""


class Overloaded(Trouble):
    """It answers, but with a failure of its own (5xx, 408, 409)."""


class Unreachable(Trouble):
    """No connection: nothing was sent."""


class Unanswered(Trouble):
    """The request went out, and no whole answer came back: a timeout, a cut or broken body."""

    sent = True


class MoneyGone(Trouble):
    """The account's credit or quota is used up (``insufficient_quota``). Asking again can only fail."""

    closes = True


class KeyRefused(Trouble):
    """The key is wrong (``status`` 401) or has no right to this (403)."""

    closes = True
    status = 401


class BadModel(Trouble):
    """The model, the deployment or the whole address is not there (404)."""

    closes = True


class TooLong(Trouble):
    """The call is longer than the model's context."""

    of_document = True


class Filtered(Trouble):
    """The provider's content filter did not let the call through."""

    of_document = True


class NotTaken(Trouble):
    """The provider does not take the request, for a reason that is none of the above (400, 413, 422)."""


def call_id(by: Provider, reply: Reply) -> str:
    """What names a call in the ledger. Not the response's id alone: a server, or a cache before it, may give one twice."""
    return f"{by.name} {reply.request_id or 'call'} {uuid4().hex[:12]}"
