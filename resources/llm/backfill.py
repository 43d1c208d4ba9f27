"""Summaries by batches: what is handed in, what has come back, and what happens in between, whatever is killed.

Belongs here: one summary stage's batches in one run: taking in those that have ended, sending new ones. Does not belong
here: the Batch API's files (``batch``), what a line asks and what its answer is worth (``summariser``).

A batch is written down before it is sent, and its provider keeps our id, so that a crash in between is found out. Its answers
stay at the provider until all of them are stored: only then it counts as ended. A document whose answer is on its way waits
in the queue; nothing else asks for it. Whoever asked for batches gets them until all is handed in, in later runs too.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import IO, Any, Protocol
from uuid import uuid4

import orjson

from domain.batch import Batch
from domain.derive import Stage
from domain.fingerprint import fingerprint
from domain.provider import Provider
from domain.stage import Arrived, Failed, Later, Made, Pause, Report, Spent
from domain.summary_prompt import Kind, answer_schema
from domain.writer import is_as_good
from resources.llm.base import Call, Json, Trouble, call_id
from resources.llm.batch import IN_MEMORY, MOST_LINES, BatchClient, Part, Progress
from resources.llm.budget import Budget
from resources.llm.client import read_reply
from resources.llm.prices import Price, price
from resources.llm.summariser import Summariser
from resources.llm.tokens import count_messages
from resources.storage.sql import SqlCompanyStore

_AT_ONCE = 500
"""Calls, or results, that are stored in one commit."""
_COMING = Later("it is in a batch that is not answered yet")
_HANDED_IN = Later("it is handed in with a batch")


class Derive(Protocol):
    """``CompanyRun.derive``."""

    def __call__(self, stage: Stage, *, unread: bool = True) -> Report: ...


class Answers:
    """What batches said of inputs: chat completions, in a file that goes with this process, for there may be millions."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # a temporary file, which SQLite removes
        self._db.execute("CREATE TABLE answers (hash TEXT PRIMARY KEY, provider TEXT, body TEXT) WITHOUT ROWID")

    def put(self, source_hash: str, provider: str, body: Json) -> None:
        packed = json.dumps(body)  # numbers of any size, as providers may send them
        self._db.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (source_hash, provider, packed))

    def get(self, source_hash: str) -> tuple[str, Json] | None:
        """The provider's name and what it said."""
        found = self._db.execute("SELECT provider, body FROM answers WHERE hash = ?", (source_hash,)).fetchone()
        return found and (found[0], json.loads(found[1]))

    def __contains__(self, source_hash: str) -> bool:
        return self._db.execute("SELECT 1 FROM answers WHERE hash = ?", (source_hash,)).fetchone() is not None

    def close(self) -> None:
        self._db.close()


@dataclass(slots=True)
class _Spool:
    """Lines that are to be sent, written as they come; ``expected`` has tokens and US$ at most, by custom_id."""

    file: IO[bytes]
    expected: dict[str, tuple[int, float | None]]


class Backfill:
    """The batches of one stage in one run. ``is_wanted``: somebody asked for batches; ``more``: the sources will bring more
    in later runs, which then go into batches too."""

    def __init__(
        self,
        store: SqlCompanyStore,
        summariser: Summariser,
        budget: Budget,
        kind: Kind,
        stage: str,
        run_id: str,
        now: str,
        is_wanted: bool,
        more: bool = False,
    ) -> None:
        self._store, self._summariser, self._budget = store, summariser, budget
        self._kind: Kind = kind
        self._stage, self._run_id, self._now, self._more = stage, run_id, now, more
        self._direct = summariser.make(kind)
        begun: dict[str, Any] = {"wanted": False, "unsent": False, "files": []}
        self._state = {**begun, **(store.state(self._state_name) or {})}
        if is_wanted and not self._state["wanted"]:
            self._remember(wanted=True)
        self._running: list[Batch] = []
        self._too_late: set[str] = set()
        self._badly_answered: set[str] = set()
        self._spool: _Spool | None = None
        self._by: Provider | None = None
        self._is_warm = self._was_refused = False
        self._paid = Report()
        self._notes: list[str] = []

    def run(self, stage: Stage, derive: Derive) -> Report:
        """Take in what was answered, bring the stage up to date, hand in what is new; one report of all."""
        with closing(Answers()) as answers:
            taken = self._take_in(stage, derive, answers)
        try:
            report = derive(replace(stage, make=self._make))
            self._flush()
        finally:
            if self._spool:
                self._spool.file.close()
        self._remember(wanted=self._wants_on(report), unsent=False)
        report.read += taken.changed + taken.removed
        for name in ("changed", "removed", "made"):
            setattr(report, name, getattr(report, name) + getattr(taken, name))
        for name in ("calls", "tokens", "cost"):
            setattr(report, name, getattr(report, name) + getattr(self._paid, name))
        report.notes += self._notes
        return report

    def _wants_on(self, report: Report) -> bool:
        return bool(self._state["wanted"]) and (bool(report.paused) or self._was_refused or self._more)

    @property
    def _state_name(self) -> str:
        return f"{self._stage} batches"

    def _remember(self, **changes: Any) -> None:
        changed = {**self._state, **changes}
        if changed != self._state:
            with self._store.begin(self._run_id, self._now) as write:
                write.save_state(self._state_name, changed)
            self._state = changed

    # -- taking in -----------------------------------------------------------------------------------------------------

    def _take_in(self, stage: Stage, derive: Derive, answers: Answers) -> Report:
        """Fetch what has ended, store every answer that is a summary, and close: all before anything new is paid for."""
        self._delete_files()
        ended: list[tuple[Batch, Progress]] = []
        batches = self._store.batches(self._stage)
        for batch in batches:
            try:
                if not batch.remote_id:
                    batch = self._found(batch)
                progress = self._looked_at(batch, answers)
            except Trouble as trouble:
                self._notes.append(f"batch {batch.id} could not be looked at: {trouble.said}")
                progress = None
            if progress is None:
                self._running.append(batch)
            else:
                ended.append((batch, progress))
        # What was to be handed in by a run that was killed waits, and is in no batch.
        if ended or self._state["unsent"] or (not batches and self._store.waits(self._stage)):
            self._release()
        if not ended:
            return Report()
        taken = derive(replace(stage, make=lambda documents: self._taken(documents, answers)), unread=False)
        for batch, progress in ended:
            self._sort_out(batch, progress, answers)
        self._close(ended)
        return taken

    def _looked_at(self, batch: Batch, answers: Answers) -> Progress | None:
        """How a batch has ended, with its answers fetched; None while it runs."""
        client = self._client_of(batch)
        if client is None:
            return Progress("failed", note=f"there is no provider {batch.provider} any more")
        if not batch.remote_id:
            client.clear(batch.id)
            return Progress("failed", note="it was never sent", is_full=True)
        progress = client.poll(batch.remote_id)
        if progress.state == "running":
            return None
        if progress.state != "failed" or progress.answered:
            self._fetch(batch, client, answers)
        return progress

    def _found(self, batch: Batch) -> Batch:
        """A batch that a run was killed over, with the provider's id where the provider has it."""
        client = self._client_of(batch)
        remote_id = client and client.find(batch.id, datetime.fromisoformat(batch.created_at))
        if remote_id:
            batch = replace(batch, remote_id=remote_id, state="submitted")
            self._save(batch)
        return batch

    def _fetch(self, batch: Batch, client: BatchClient, answers: Answers) -> None:
        """All answers, each with what it cost in the ledger: also those that nobody waits for any more were paid for."""
        priced, inputs = self._price_of(batch), self._store.batch_inputs(batch.id)
        spent: list[Spent] = []
        for source_hash, came in client.results(batch.remote_id):
            if isinstance(came, Trouble) or source_hash not in inputs:
                continue
            spent.append(_spent(batch, priced, source_hash, came))
            if self._counts(batch):
                answers.put(source_hash, batch.provider, came)
            if len(spent) == _AT_ONCE:
                self._tell(batch, spent)
                spent = []
        self._tell(batch, spent)

    def _counts(self, batch: Batch) -> bool:
        return is_as_good(batch, {one.model for one in self._summariser.providers})

    def _tell(self, batch: Batch, spent: Sequence[Spent]) -> None:
        known = self._store.known_calls([one.call_id for one in spent])  # read once before, by a run that was killed
        spent = [one for one in spent if one.call_id not in known]
        if spent:
            self._store.keep_paid(self._stage, batch.made_by, [], spent, self._run_id, self._now)
            self._paid.calls += len(spent)
            self._paid.tokens += sum(one.tokens_in + one.tokens_out for one in spent)
            self._paid.cost += sum(one.cost or 0.0 for one in spent)

    def _taken(self, documents: Sequence[Any], answers: Answers) -> Iterator[Arrived]:
        """A Make that asks nobody: what a batch has answered, and nothing else."""
        for start in range(0, len(documents), _AT_ONCE):
            part = documents[start : start + _AT_ONCE]
            yield Arrived([(at, self._judged(document, answers)) for at, document in enumerate(part, start)])

    def _judged(self, document: Json, answers: Answers) -> Made | Later:
        answer = answers.get(fingerprint(document))
        if answer is None:
            return _COMING
        by = self._summariser.client(answer[0]).provider
        made = self._summariser.read_line(self._kind, document, by, answer[1])
        if isinstance(made, Failed):
            self._badly_answered.add(fingerprint(document))
            return _COMING
        return made

    def _sort_out(self, batch: Batch, progress: Progress, answers: Answers) -> None:
        """What a batch left unanswered because it was too late goes into another one."""
        if progress.state == "expired" or progress.is_full:
            self._too_late |= {one for one in self._store.batch_inputs(batch.id) if one not in answers}

    def _close(self, ended: Sequence[tuple[Batch, Progress]]) -> None:
        """All at once with what follows from it: a kill in between must not leave documents that wait for nothing."""
        files = [*self._state["files"], *([one.provider, one.remote_id] for one, _ in ended if one.remote_id)]
        self._state = {**self._state, "unsent": True, "files": files}
        with self._store.begin(self._run_id, self._now) as write:
            for batch, progress in ended:
                said = progress.note or f"{progress.state}: {progress.answered:,} of {batch.requests:,} answered"
                write.save_batch(replace(batch, state="ended", note=said, ended_at=self._now))
                self._notes.append(f"batch {batch.id} {said}")
            write.release(self._stage)
            write.save_state(self._state_name, self._state)
        self._delete_files()

    def _delete_files(self) -> None:
        """The files of batches that were taken in, also by a run that was killed before it came to this."""
        left: list[list[str]] = []
        for provider, remote_id in self._state["files"]:
            client = self._client_at(provider)
            try:
                if client:
                    client.delete_files(remote_id)
            except Trouble as trouble:
                left.append([provider, remote_id])
                self._notes.append(f"the files of a batch are still at {provider}: {trouble.said}")
        self._remember(files=left)

    # -- in derive -----------------------------------------------------------------------------------------------------

    def _make(self, documents: Sequence[Any]) -> Iterator[Arrived]:
        """A Make: what waits for a batch, what goes into one, and the rest at once."""
        hashes = [fingerprint(document) for document in documents]
        coming = self._store.in_batch([one.id for one in self._running if self._counts(one)], hashes)
        to_ask: list[int] = []
        to_send: list[int] = []
        for at, source_hash in enumerate(hashes):
            if source_hash in coming:
                yield Arrived([(at, _COMING)])
            elif source_hash in self._badly_answered:
                to_ask.append(at)
            else:
                is_sent = self._state["wanted"] or source_hash in self._too_late
                (to_send if is_sent else to_ask).append(at)
        if to_send and not self._is_warm:
            self._warm_up(documents, to_send, to_ask)
        if to_ask:
            for arrived in self._direct([documents[at] for at in to_ask]):
                yield Arrived([(to_ask[place], result) for place, result in arrived.results], arrived.spent)
        for at in to_send:
            self._add(documents[at])
            yield Arrived([(at, _HANDED_IN)])

    # -- sending -------------------------------------------------------------------------------------------------------

    def _warm_up(self, documents: Sequence[Any], to_send: list[int], to_ask: list[int]) -> None:
        """Lines are written as their provider takes them, and a line that is refused teaches nothing: a call does. Raises
        ``Pause`` when no provider takes batches."""
        by = self._by = self._sender()
        self._is_warm = True
        if len(self._summariser.providers) == 1:
            to_ask.append(to_send.pop(0))
            return
        for _, body in self._summariser.lines(self._kind, [documents[to_send[0]]], by):
            tokens = count_messages(body["messages"], by.model)
            held = self._budget.reserve(_most(self._summariser.price(by.name), tokens, body))
            cost = None
            try:
                reply = self._summariser.client(by.name).ask(
                    Call(body["messages"], answer_schema(), _room(body), tokens)
                )
                given = self._summariser.price(by.name)
                used = (reply.tokens_in or tokens, reply.tokens_out or 0)
                cost = given.cost(*used) if given else None
                spent = Spent(call_id(by, reply), by.name, by.model, "check", 0, *used, cost)
                self._store.keep_paid(self._stage, self._summariser.made_by, [], [spent], self._run_id, self._now)
            except Trouble as trouble:
                raise Pause(f"{trouble.said}; nothing was handed in", is_trouble=True) from None
            finally:
                self._budget.settle(held, cost)

    def _sender(self) -> Provider:
        """The first provider that has a Batch API."""
        said: list[str] = []
        for one in self._summariser.providers:
            if self._budget.limit is not None and self._summariser.price(one.name) is None:
                said.append(f"{one.name}: no price is known for {one.model}, and budget_monthly is set")
                continue
            try:
                BatchClient(self._summariser.client(one.name)).check()
            except Trouble as trouble:
                said.append(trouble.said)
            else:
                return one
        raise Pause(f"no provider takes batches: {'; '.join(said)}", is_trouble=True)

    def _add(self, document: Json) -> None:
        """Write a line. Raises ``Pause`` when the budget does not allow it."""
        assert self._by is not None
        if self._spool is None:
            file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 -- closed by ``_flush``
            self._spool = _Spool(file, {})  # pyright: ignore[reportArgumentType] -- it is a file, if not by name
            self._remember(unsent=True)
        for custom_id, body in self._summariser.lines(self._kind, [document], self._by):
            tokens = count_messages(body["messages"], self._by.model)
            most = _most(self._summariser.price(self._by.name), tokens, body, batch=True)
            self._budget.reserve(most)  # never given back in this run: a batch that is out counts as spent
            self._spool.file.write(orjson.dumps([custom_id, body]) + b"\n")
            self._spool.expected[custom_id] = (tokens + _room(body), most)
        if len(self._spool.expected) >= MOST_LINES:
            self._flush()

    def _flush(self) -> None:
        """Hand in what is spooled. A batch is written down before anybody outside knows of it."""
        spool, self._spool = self._spool, None
        if spool is None or self._by is None:
            return
        client = BatchClient(self._summariser.client(self._by.name))
        with spool.file:
            spool.file.seek(0)
            for part in client.parts((one, body) for one, body in map(orjson.loads, spool.file)):
                self._submit(client, part, self._opened(self._by, part, spool.expected))

    def _opened(self, by: Provider, part: Part, expected: Mapping[str, tuple[int, float | None]]) -> Batch:
        costs = [expected[one][1] for one in part.custom_ids]
        batch = Batch(
            id=f"cb-{uuid4().hex}",
            stage=self._stage,
            provider=by.name,
            model=by.model,
            made_by=self._summariser.made_by,
            requests=len(part.custom_ids),
            tokens=sum(expected[one][0] for one in part.custom_ids),
            cost=None if None in costs else sum(cost or 0.0 for cost in costs),
            created_at=self._now,
        )
        with self._store.begin(self._run_id, self._now) as write:
            write.save_batch(batch)
            write.add_to_batch(batch, part.custom_ids)
        self._running.append(batch)
        return batch

    def _submit(self, client: BatchClient, part: Part, batch: Batch) -> None:
        try:
            remote_id = client.submit(batch.id, part)
        except Trouble as trouble:
            if trouble.sent:  # it may be there: the next sync looks for it
                self._notes.append(f"batch {batch.id}: {trouble.said}; the next sync finds out")
                return
            self._was_refused = True
            self._notes.append(f"batch {batch.id} was not taken: {trouble.said}; the next sync hands it in again")
            self._running.remove(batch)
            self._save(replace(batch, state="ended", note=trouble.said, ended_at=self._now))
            self._release()
        else:
            self._save(replace(batch, remote_id=remote_id, state="submitted"))
            self._notes.append(f"batch {batch.id}: {batch.requests:,} texts handed in at {batch.provider}")

    # -- helpers -------------------------------------------------------------------------------------------------------

    def _release(self) -> None:
        with self._store.begin(self._run_id, self._now) as write:
            write.release(self._stage)

    def _save(self, batch: Batch) -> None:
        with self._store.begin(self._run_id, self._now) as write:
            write.save_batch(batch)

    def _client_of(self, batch: Batch) -> BatchClient | None:
        return self._client_at(batch.provider)

    def _client_at(self, provider: str) -> BatchClient | None:
        """None for a provider that is not there any more."""
        known = {one.name for one in self._summariser.providers}
        return BatchClient(self._summariser.client(provider)) if provider in known else None

    def _price_of(self, batch: Batch) -> Price | None:
        """Of the model that it was given to, which the provider may not have now."""
        by = self._summariser.client(batch.provider).provider
        return price(by if by.model == batch.model else replace(by, model=batch.model, price_in=None, price_out=None))


def _spent(batch: Batch, priced: Price | None, source_hash: str, came: Json) -> Spent:
    reply = read_reply(batch.provider, came)
    # What is not told is taken for the most that it can be.
    most = batch.tokens // max(1, batch.requests)
    told = (most if count is None else count for count in (reply.tokens_in, reply.tokens_out))
    tokens_in, tokens_out = told
    cost = priced.cost(tokens_in, tokens_out, batch=True) if priced else None
    return Spent(f"{batch.id} {source_hash}", batch.provider, batch.model, "batch", 1, tokens_in, tokens_out, cost)


def _room(body: Json) -> int:
    """Tokens that the answer to a request may take."""
    return int(body.get("max_completion_tokens") or body.get("max_tokens") or 0)


def _most(priced: Price | None, tokens: int, body: Json, *, batch: bool = False) -> float | None:
    """US$ that a request can cost at most; None without a known price."""
    return priced.cost(tokens, _room(body), batch=batch) if priced else None
