"""Summaries by batches: what is handed in, what has come back, and what happens in between, whatever is killed.

Belongs here: one summary stage's batches in one run: taking in those that have ended, sending new ones. Does not belong
here: the Batch API's files (``batch``), what a line asks and what its answer is worth (``summariser``).

A batch is written down before it is sent, and its provider keeps our id, so that a crash in between is found out. Its answers
stay at the provider until all of them are stored: only then it counts as ended. A document whose answer is on its way waits
in the queue; nothing else asks for it.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any
from uuid import uuid4

import orjson

from domain.batch import Batch
from domain.derive import Make
from domain.errors import InputError
from domain.fingerprint import fingerprint
from domain.provider import Provider
from domain.stage import Arrived, Later, Made, Report, Spent
from domain.summary_prompt import Kind
from resources.llm.base import Json, Trouble
from resources.llm.batch import IN_MEMORY, BatchClient, Part, Progress
from resources.llm.budget import Budget
from resources.llm.client import read_reply
from resources.llm.summariser import AVERAGE_OUT, Summariser
from resources.llm.tokens import count_messages
from resources.storage.sql import SqlCompanyStore

_TOLD_AT_ONCE = 1000
"""Calls that are written into the ledger in one commit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a batch said of one input: a chat completion as JSON."""

    provider: Provider
    body: bytes


class Backfill:
    """The batches of one stage in one run: ``collect``, then ``make`` for ``derive``, then ``finish``.

    ``sends``: new texts go into a batch. Else they are asked for at once, but for those that a batch was to answer and did
    not: these go into another one. Raises ``InputError`` when a batch is wanted and no provider takes any.
    """

    def __init__(
        self,
        store: SqlCompanyStore,
        summariser: Summariser,
        budget: Budget,
        kind: Kind,
        stage: str,
        run_id: str,
        now: str,
        *,
        sends: bool,
    ) -> None:
        self._store, self._summariser, self._budget = store, summariser, budget
        self._kind: Kind = kind
        self._stage, self._run_id, self._now, self._sends = stage, run_id, now, sends
        self._direct = summariser.make(kind)
        self._answers: dict[str, Answer] = {}
        self._ended: list[tuple[Batch, Progress]] = []
        self._spool: IO[bytes] | None = None
        self._by = self._sender() if sends else None
        self._is_warm = False
        self.notes: list[str] = []
        self._calls, self._tokens, self._cost = 0, 0, 0.0

    # -- taking in -----------------------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Ask how far the batches are, and fetch what those have brought that have ended."""
        batches = self._store.batches(self._stage)
        for batch in batches:
            try:
                self._look_at(batch)
            except Trouble as trouble:
                self.notes.append(f"batch {batch.id} could not be looked at: {trouble.said}")
        # Without any batch whatever waits was to be handed in by a run that was killed.
        if self._ended or (not batches and self._store.waits(self._stage)):
            with self._store.begin(self._run_id, self._now) as write:
                write.release(self._stage)

    def _look_at(self, batch: Batch) -> None:
        client = self._client_of(batch)
        if client is None:
            self._ended.append((batch, Progress("failed", note=f"there is no provider {batch.provider} any more")))
            return
        if not batch.remote_id:
            remote_id = client.find(batch.id, datetime.fromisoformat(batch.created_at))
            if remote_id is None:
                client.clear(batch.id)
                self._ended.append((batch, Progress("failed", note="it was never sent", is_full=True)))
                return
            batch = self._saved(replace(batch, remote_id=remote_id, state="submitted"))
        progress = client.poll(batch.remote_id)
        if progress.state == "running":
            return
        if batch.remote_id and (progress.state != "failed" or progress.answered):
            self._fetch(batch, client)
        self._ended.append((batch, progress))

    def _fetch(self, batch: Batch, client: BatchClient) -> None:
        """All answers, each with what it cost in the ledger: also those that nobody waits for any more were paid for."""
        by = self._summariser.client(batch.provider).provider
        spent: list[Spent] = []
        for source_hash, came in client.results(batch.remote_id):
            if isinstance(came, Trouble):
                continue  # ``make`` finds that it has no answer
            spent.append(self._spent(batch, by, source_hash, came))
            if batch.made_by == self._summariser.made_by:
                self._answers[source_hash] = Answer(by, orjson.dumps(came))
            if len(spent) == _TOLD_AT_ONCE:
                self._tell(batch, spent)
                spent = []
        self._tell(batch, spent)

    def _spent(self, batch: Batch, by: Provider, source_hash: str, came: Json) -> Spent:
        reply = read_reply(by.name, came)
        tokens_in, tokens_out = reply.tokens_in or 0, reply.tokens_out or 0
        price = self._summariser.price(by.name)
        cost = price.cost(tokens_in, tokens_out, batch=True) if price else None
        return Spent(f"{batch.id} {source_hash}", by.name, by.model, "batch", 1, tokens_in, tokens_out, cost)

    def _tell(self, batch: Batch, spent: Sequence[Spent]) -> None:
        if spent:
            self._store.keep_paid(self._stage, batch.made_by, [], spent, self._run_id, self._now)
            self._calls += len(spent)
            self._tokens += sum(one.tokens_in + one.tokens_out for one in spent)
            self._cost += sum(one.cost or 0.0 for one in spent)

    # -- in derive -----------------------------------------------------------------------------------------------------

    @property
    def make(self) -> Make:
        """A ``domain.derive`` Make: what has come with a batch, what waits for one, and the rest."""
        return self._make

    def _make(self, documents: Sequence[Any]) -> Iterator[Arrived]:
        hashes = [fingerprint(document) for document in documents]
        in_batch = self._store.in_batch(self._summariser.made_by, hashes)
        ended = self._of(hashes, lambda progress: True)
        too_late = self._of(hashes, lambda progress: progress.state == "expired" or progress.is_full)
        to_ask: list[int] = []
        to_send: list[int] = []
        for at, source_hash in enumerate(hashes):
            answer = self._answers.get(source_hash)
            if made := answer and self._made(documents[at], answer):
                yield Arrived([(at, made)])
            elif source_hash in in_batch - ended:
                yield Arrived([(at, Later("it is in a batch that is not answered yet"))])
            elif source_hash in ended:
                (to_send if source_hash in too_late and not answer else to_ask).append(at)
            else:
                (to_send if self._sends else to_ask).append(at)
        if to_send and not self._is_warm:
            to_ask.append(to_send.pop(0))  # lines are written as a provider takes them: a call finds that out
        if to_ask:
            for arrived in self._direct([documents[at] for at in to_ask]):
                yield Arrived([(to_ask[place], result) for place, result in arrived.results], arrived.spent)
            self._is_warm = True
        for at in to_send:
            self._add(documents[at])
            yield Arrived([(at, Later("it is handed in with a batch"))])

    def _of(self, hashes: Sequence[str], which: Callable[[Progress], bool]) -> set[str]:
        """Those that were in a batch that has ended so, answered or not."""
        ended = {batch.id for batch, progress in self._ended if which(progress)}
        return self._store.in_batch(self._summariser.made_by, hashes, ended) if ended else set()

    def _made(self, document: Json, answer: Answer) -> Made | None:
        """None where the answer is no summary that can be kept: it is asked for at once, for another batch takes a day."""
        made = self._summariser.read_line(self._kind, document, answer.provider, orjson.loads(answer.body))
        return made if isinstance(made, Made) else None

    # -- sending -------------------------------------------------------------------------------------------------------

    def _sender(self) -> Provider:
        """The first provider that has a Batch API."""
        said: list[str] = []
        for one in self._summariser.providers:
            try:
                BatchClient(self._summariser.client(one.name)).check()
            except Trouble as trouble:
                said.append(trouble.said)
            else:
                return one
        raise InputError(
            "no provider of this company takes batches.",
            "; ".join(said) + ".",
            "Leave --batch out, or add one that does.",
        )

    def _add(self, document: Json) -> None:
        """Write a line. Raises ``Pause`` when the budget does not allow it."""
        self._by = self._by or self._summariser.providers[0]
        if self._spool is None:
            self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- closed by ``finish``
        for custom_id, body in self._summariser.lines(self._kind, [document], self._by):
            tokens = count_messages(body["messages"], self._by.model)
            price = self._summariser.price(self._by.name)
            expected = price.cost(tokens, AVERAGE_OUT, batch=True) if price else None
            self._budget.reserve(expected)
            line = {"id": custom_id, "tokens": tokens + AVERAGE_OUT, "cost": expected, "body": body}
            self._spool.write(orjson.dumps(line) + b"\n")

    def finish(self, report: Report) -> None:
        """Close the batches that were taken in, unless ``derive`` paused before all answers were stored; send the new one.
        What batches cost is added to the report."""
        report.calls += self._calls
        report.tokens += self._tokens
        report.cost += self._cost
        if not report.paused:
            for batch, progress in self._ended:
                self._close(batch, progress)
        if self._spool is not None and self._by is not None:
            with self._spool:
                self._send(self._by)
        report.notes += self.notes

    def _close(self, batch: Batch, progress: Progress) -> None:
        said = (
            progress.note or f"{progress.state}: {progress.answered:,} of {progress.total or batch.requests:,} answered"
        )
        self._saved(replace(batch, state="ended", note=said, ended_at=self._now))
        self.notes.append(f"batch {batch.id} {said}")
        client = self._client_of(batch)
        if client and batch.remote_id:
            try:
                client.delete_files(batch.remote_id)
            except Trouble as trouble:
                self.notes.append(f"the files of batch {batch.id} are still there: {trouble.said}")

    def _send(self, by: Provider) -> None:
        client = BatchClient(self._summariser.client(by.name))
        expected: dict[str, tuple[int, float | None]] = {}
        for part in client.parts(self._lines(expected)):
            batch = self._open(by, part, [expected.pop(one) for one in part.custom_ids])
            try:
                remote_id = client.submit(batch.id, part)
            except Trouble as trouble:
                if trouble.sent:  # it may be there: the next sync looks for it
                    self.notes.append(f"batch {batch.id}: {trouble.said}; the next sync finds out")
                else:
                    self._fail(batch, trouble.said)
                continue
            self._saved(replace(batch, remote_id=remote_id, state="submitted"))
            self.notes.append(
                f"batch {batch.id}: {batch.requests:,} texts handed in at {by.name}; answers within a day"
            )

    def _lines(self, expected: dict[str, tuple[int, float | None]]) -> Iterator[tuple[str, Json]]:
        assert self._spool is not None
        self._spool.seek(0)
        for written in self._spool:
            line = orjson.loads(written)
            expected[line["id"]] = (line["tokens"], line["cost"])
            yield line["id"], line["body"]

    def _open(self, by: Provider, part: Part, expected: Sequence[tuple[int, float | None]]) -> Batch:
        """A batch that is written down, before anybody outside knows of it."""
        costs = [cost for _, cost in expected]
        batch = Batch(
            id=f"cb-{uuid4().hex}",
            stage=self._stage,
            provider=by.name,
            made_by=self._summariser.made_by,
            requests=len(part.custom_ids),
            tokens=sum(tokens for tokens, _ in expected),
            cost=None if None in costs else sum(cost or 0.0 for cost in costs),
            created_at=self._now,
        )
        with self._store.begin(self._run_id, self._now) as write:
            write.save_batch(batch)
            write.add_to_batch(batch, part.custom_ids)
        return batch

    def _fail(self, batch: Batch, said: str) -> None:
        self.notes.append(f"batch {batch.id} was not taken: {said}; the next sync asks again")
        self._saved(replace(batch, state="ended", note=said, ended_at=self._now))
        with self._store.begin(self._run_id, self._now) as write:
            write.release(self._stage)

    def _saved(self, batch: Batch) -> Batch:
        with self._store.begin(self._run_id, self._now) as write:
            write.save_batch(batch)
        return batch

    def _client_of(self, batch: Batch) -> BatchClient | None:
        if batch.provider not in {one.name for one in self._summariser.providers}:
            return None
        return BatchClient(self._summariser.client(batch.provider))
