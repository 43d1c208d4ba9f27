"""A company's batches at their providers, for who does not take them in: whether they are answered, and giving them up.

Belongs here: looking, cancelling. Does not belong here: taking answers in, or handing in (``backfill``).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from uuid import uuid4

from domain.batch import Batch
from domain.company import Company
from domain.errors import CasebookError
from resources.clock import utc_now
from resources.companies import Companies
from resources.company_run import SUMMARISED
from resources.llm.base import Trouble
from resources.llm.batch import BatchClient
from resources.llm.budget import Budget
from resources.llm.summariser import Summariser, open_summariser
from resources.storage.sql import SqlCompanyStore

_PATIENCE = 10.0
"""Seconds for an answer: somebody waits for this one, and can ask again."""


def ended_batches(companies: Companies, company: Company) -> list[str]:
    """The ids of batches that run no longer, and are not taken in. Asks no provider when there is no batch."""
    with companies.store(company.id) as store:
        waiting = _batches(store)
    if not waiting:
        return []
    with _summariser(companies, company) as summariser:
        return [batch.id for batch in waiting if not _runs(_client(summariser, batch), batch)]


def give_up_batches(companies: Companies, company: Company, provider: str) -> int:
    """Cancel a provider's batches as far as it can be reached, and let their documents be asked for again; how many. What
    was answered already may be charged. Raises ``CompanyBusy``."""
    with companies.lock(company.id, "giving up batches") as open_store, open_store() as store:
        given_up = [batch for batch in _batches(store) if batch.provider == provider]
        with suppress(CasebookError), _summariser(companies, company) as summariser:
            for batch in given_up:
                _cancel(_client(summariser, batch), batch)
        now = utc_now()
        with store.begin(str(uuid4()), now) as write:
            for batch in given_up:
                write.save_batch(replace(batch, state="ended", note="given up", ended_at=now))
                write.release(batch.stage)
        return len(given_up)


def cancel_batches(companies: Companies, company: Company) -> list[str]:
    """Cancel all batches of a company that leaves, and delete their files, as far as the providers can be reached; what
    could not be done, in words."""
    with companies.store(company.id) as store:
        waiting = _batches(store)
    if not waiting:
        return []
    try:
        with _summariser(companies, company) as summariser:
            left = [batch for batch in waiting if not _cancel(_client(summariser, batch), batch)]
    except CasebookError:
        left = waiting
    return [f"batch {batch.remote_id or batch.id} is still at {batch.provider}" for batch in left]


def _batches(store: SqlCompanyStore) -> list[Batch]:
    return [batch for stage in SUMMARISED.values() for batch in store.batches(stage)]


@contextmanager
def _summariser(companies: Companies, company: Company) -> Iterator[Summariser | None]:
    summariser = open_summariser(companies, company, Budget(None))
    try:
        yield summariser
    finally:
        if summariser:
            summariser.close()


def _client(summariser: Summariser | None, batch: Batch) -> BatchClient | None:
    """None for a batch whose provider is not there any more."""
    if summariser is None or batch.provider not in {one.name for one in summariser.providers}:
        return None
    return BatchClient(summariser.client(batch.provider), patience=_PATIENCE)


def _runs(client: BatchClient | None, batch: Batch) -> bool:
    """Whether a batch is on its way, as far as anybody can say."""
    try:
        return bool(client and batch.remote_id) and client.poll(batch.remote_id).state == "running"  # pyright: ignore[reportOptionalMemberAccess]
    except Trouble:
        return True  # ask again later


def _cancel(client: BatchClient | None, batch: Batch) -> bool:
    """Whether a batch is at its provider no longer."""
    if client is None:
        return False
    try:
        if remote_id := batch.remote_id or client.find(batch.id):
            client.cancel(remote_id)
            client.delete_files(remote_id)
        client.clear(batch.id)
    except Trouble:
        return False
    return True
