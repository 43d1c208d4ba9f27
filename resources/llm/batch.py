"""The Batch API of one provider: lines go up in files, answers come down within a day, at half the price.

Belongs here: files and batches over HTTP, within the provider's limits. Does not belong here: what a line asks and what its
answer is worth (``summariser``), which documents are in a batch (``domain/batch`` and the store), when to look (``sync``).

A batch carries our id as metadata and in its file's name. So one that was made just before a crash is found again and not
paid for twice, and a file that was uploaded for nothing is not left behind.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import IO, Any, Literal, cast

import httpx2
import openai
from openai.types import Batch as Remote

from domain.fingerprint import clean
from resources.llm.base import BadModel, Json, Overloaded, Trouble, Unanswered
from resources.llm.client import Client, read_reply
from resources.llm.endpoint import Unclear, broken, meaning

State = Literal["running", "completed", "expired", "cancelled", "failed"]

#: What OpenAI takes in one batch.
MOST_LINES, MOST_BYTES = 50_000, 200_000_000
#: Bytes of a file that are kept in memory while it is written.
IN_MEMORY = 16_000_000
_METADATA = "casebook"
_PLAIN = re.compile(r"[a-z]{1,20}(?:_[a-z]{1,20}){0,5}")
_STATES: dict[str, State] = {name: name for name in ("completed", "expired", "cancelled", "failed")}
_NOT_RUN = {
    "batch_expired": "the batch expired before this line was answered",
    "batch_cancelled": "the batch was cancelled before this line was answered",
}
#: Why a whole batch fails that a later one would not: the account has too much waiting already.
_FULL = "token_limit_exceeded"


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of one batch in a file, which is gone when the next one is asked for."""

    file: IO[bytes]
    custom_ids: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a batch is. ``note`` says why it failed, in one line; ``is_full``: the account had too much waiting, and the
    same lines may be sent later."""

    state: State
    total: int = 0
    answered: int = 0
    failed: int = 0
    note: str = ""
    is_full: bool = False


class BatchClient:
    """Batches of one provider, by its ``Client``, whose dialect the lines are written in: let it answer a call first, for a
    line that is refused teaches nothing.

    All methods raise a ``Trouble``; nothing is lost then, and the same call may be made again later. Not for threads.
    """

    def __init__(
        self,
        client: Client,
        *,
        most_lines: int = MOST_LINES,
        most_bytes: int = MOST_BYTES,
        patience: float | None = None,
    ) -> None:
        """``patience``: seconds for an answer; None: the client's own."""
        self._client, self._name, self._patience = client, client.provider.name, patience
        self._most_lines, self._most_bytes = most_lines, most_bytes
        self._endpoint = "/chat/completions" if client.provider.style == "azure" else "/v1/chat/completions"

    # -- sending -------------------------------------------------------------------------------------------------------

    def parts(self, lines: Iterable[tuple[str, Json]]) -> Iterator[Part]:
        """The lines, (custom_id, request body) each, in as many files as the limits want. Reads them as it goes.

        A ``custom_id`` that comes again is left out: two lines of one name fail a batch. Raises ``ValueError`` for a line
        that is larger than a file may be.
        """
        seen = set[str]()
        waiting = ((name, self._line(name, body)) for name, body in lines if not (name in seen or seen.add(name)))
        line = next(waiting, None)
        while line is not None:
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as file:
                names, size = list[str](), 0
                while line is not None and len(names) < self._most_lines and size + len(line[1]) <= self._most_bytes:
                    file.write(line[1])
                    names.append(line[0])
                    size += len(line[1])
                    line = next(waiting, None)
                if not names:
                    raise ValueError(f"a line of more than {self._most_bytes} bytes")
                file.seek(0)
                yield Part(cast("IO[bytes]", file), tuple(names), size)

    def check(self) -> None:
        """Raises a ``Trouble`` where the provider has no Batch API, or the key has no right to it."""
        with self._asking():
            _ = self._sdk.batches.list(limit=1).data

    def submit(self, local_id: str, part: Part) -> str:
        """Send a part as the batch ``local_id``; returns the provider's id of it.

        Store ``local_id`` before, and the id afterwards. After a crash in between, or a ``Trouble`` that is ``sent``, the
        batch may be there: ``find`` it; where it is not, ``clear`` what was uploaded. After any other ``Trouble`` it is not.
        """
        try:
            with self._asking():
                uploaded = self._sdk.files.create(file=(_file_name(local_id), part.file), purpose="batch").id
        except Unanswered as lost:
            raise Overloaded(f"{lost.said}, for the file of a batch") from None
        try:
            return self._created(uploaded, local_id)
        except Trouble:
            self._delete(uploaded)  # a batch that shows up later has nothing to run then
            raise

    def _created(self, uploaded: str, local_id: str) -> str:
        began = datetime.now(UTC)
        try:
            with self._asking():
                return self._sdk.batches.create(
                    input_file_id=uploaded,
                    endpoint=cast("Any", self._endpoint),
                    completion_window="24h",
                    metadata={_METADATA: local_id},
                ).id
        except (Unanswered, Overloaded) as unsure:
            try:
                found = self.find(local_id, began)
            except Trouble:
                raise Unanswered(f"{self._name} did not say whether it has the batch") from None
            if found is None:
                raise Overloaded(unsure.said) from None
            return found

    def find(self, local_id: str, since: datetime | None = None) -> str | None:
        """The provider's id of the batch ``local_id``; None when it has none. Only those are looked at that were made after
        ``since``, or in the hour before it: clocks differ."""
        begin = since.timestamp() - 3600 if since else 0.0
        with self._asking():
            listed = takewhile(lambda one: one.created_at >= begin, self._sdk.batches.list(limit=100))
            return next((one.id for one in listed if (one.metadata or {}).get(_METADATA) == local_id), None)

    def clear(self, local_id: str) -> None:
        """Delete what was uploaded for a batch that never came to be."""
        with self._asking():
            left = [one.id for one in self._sdk.files.list(purpose="batch") if one.filename == _file_name(local_id)]
        for name in left:
            self._delete(name)

    # -- collecting ----------------------------------------------------------------------------------------------------

    def poll(self, remote_id: str) -> Progress:
        """How far a batch is. One that the provider does not have any more has failed."""
        try:
            batch = self._retrieve(remote_id)
        except BadModel:
            return Progress("failed", note=f"{self._name} does not have the batch any more")
        errors = getattr(batch.errors, "data", None)
        codes = sorted({_code(one) for one in errors}) if isinstance(errors, list) else []
        total, answered, failed = (_number(batch.request_counts, name) for name in ("total", "completed", "failed"))
        note = f"{self._name} did not take the batch ({', '.join(codes)})" if codes else ""
        state = _STATES.get(str(batch.status), "running")
        return Progress(state, total, answered, failed, note, _FULL in codes)

    def results(self, remote_id: str) -> Iterator[tuple[str, Json | Trouble]]:
        """What came of each line, in no order: a chat completion's JSON (``read_reply``), or why there is none.

        Lines that the provider forgot do not come. What came before a ``Trouble`` is right, and comes again the next time.
        """
        batch = self._retrieve(remote_id)
        for name in (batch.output_file_id, batch.error_file_id):
            if isinstance(name, str) and name:
                yield from filter(None, map(self._result, self._downloaded(name)))

    def delete_files(self, remote_id: str) -> None:
        """Delete a batch's files at the provider, once all is read: they hold the texts of tickets. Those of a batch that it
        does not have any more are gone."""
        try:
            batch = self._retrieve(remote_id)
        except BadModel:
            return
        for name in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
            if isinstance(name, str) and name:
                self._delete(name)

    def cancel(self, remote_id: str) -> None:
        """Ask the provider to stop; what is answered until then comes, and is paid. One that has ended stays as it is."""
        try:
            with self._asking():
                self._sdk.batches.cancel(remote_id)
        except Trouble:
            if self.poll(remote_id).state == "running":
                raise

    # -- the provider --------------------------------------------------------------------------------------------------

    @property
    def _sdk(self) -> openai.OpenAI:
        sdk = self._client.sdk
        return sdk if self._patience is None else sdk.with_options(timeout=self._patience)

    def _line(self, custom_id: str, body: Json) -> bytes:
        line = {"custom_id": custom_id, "method": "POST", "url": self._endpoint, "body": body}
        return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def _retrieve(self, remote_id: str) -> Remote:
        with self._asking():
            batch = self._sdk.batches.retrieve(remote_id)
        if isinstance(batch, Remote) and batch.status:  # a proxy's page comes as text
            return batch
        raise Unanswered(f"{self._name}'s answer is broken")

    def _delete(self, name: str) -> None:
        """Delete a file, if it is there. That it could not be deleted is no reason to stop: files expire as well."""
        with suppress(Trouble), self._asking():
            self._sdk.files.delete(name)

    def _downloaded(self, name: str) -> Iterator[bytes]:
        """The lines of a file, as they come in. Nothing but a line feed ends one: texts may hold other separators."""
        left = b""
        with self._asking(), self._sdk.files.with_streaming_response.content(name) as response:
            for came in response.iter_bytes():
                *lines, left = (left + came).split(b"\n")
                yield from lines
        yield left

    def _result(self, line: bytes) -> tuple[str, Json | Trouble] | None:
        """One line of an output or error file; None for one that cannot be read."""
        with suppress(ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError):
            read, _ = clean(json.loads(line))
            return str(read["custom_id"]), self._answer(read)
        return None

    def _answer(self, read: Json) -> Json | Trouble:
        response = read.get("response") or {}
        body, status = response.get("body") or {}, int(response.get("status_code") or 0)
        if status == 200:
            try:
                read_reply(self._name, body)
            except Trouble as trouble:
                return trouble
            return body
        if status:
            error = body.get("error")
            return _trouble(meaning(self._name, status, error, {}, self._client.provider.model))
        code = str((read.get("error") or {}).get("code"))
        return Overloaded(f"{self._name}: {_NOT_RUN.get(code, 'this line of the batch was not answered')}")

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Turns what the SDK raises into a ``Trouble``."""
        name = self._name
        try:
            yield
        except openai.APIStatusError as error:
            found = meaning(name, error.status_code, error.body, error.response.headers, "batch")
            raise _trouble(found) from None
        except openai.APITimeoutError:
            raise Unanswered(f"{name} gave no answer in time") from None
        except openai.APIConnectionError as error:
            raise broken(name, error.__cause__ or error) from None
        except httpx2.HTTPError as error:
            raise broken(name, error) from None
        except (ValueError, TypeError, AttributeError, openai.OpenAIError) as error:  # the SDK checks no answer's form
            raise Unanswered(f"{name}'s answer is broken ({type(error).__name__})") from None


def _trouble(found: Exception) -> Trouble:
    """The trouble, also where it may be one about the form of the request."""
    if isinstance(found, Unclear):
        return found.trouble
    assert isinstance(found, Trouble)
    return found


def _code(error: Any) -> str:
    """What kind of error it is, if that is a plain word: whatever else a provider says is not handed on."""
    code = getattr(error, "code", None)
    return code if isinstance(code, str) and _PLAIN.fullmatch(code) else "unknown"


def _number(counts: Any, name: str) -> int:
    value = getattr(counts, name, 0)
    return value if isinstance(value, int) and value > 0 else 0


def _file_name(local_id: str) -> str:
    return f"{_METADATA}-{local_id}.jsonl"
