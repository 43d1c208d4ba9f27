"""Whether a company's batches have been answered, for who decides when to take them in.

Belongs here: one look at the providers, without a write. Does not belong here: taking answers in (``backfill``).
"""

from contextlib import closing

from domain.company import Company
from resources.companies import Companies
from resources.company_run import SUMMARISED
from resources.llm.base import Trouble
from resources.llm.batch import BatchClient
from resources.llm.budget import Budget
from resources.llm.summariser import open_summariser


def ended_batches(companies: Companies, company: Company) -> list[str]:
    """The ids of batches that run no longer, and are not taken in. Asks no provider when there is no batch. Raises
    ``InputError`` for a key that is missing."""
    with companies.store(company.id) as store:
        waiting = [batch for stage in SUMMARISED.values() for batch in store.batches(stage) if batch.remote_id]
    if not waiting:
        return []
    summariser = open_summariser(companies, company, Budget(None))
    if summariser is None:
        return []
    with closing(summariser):
        known = {one.name for one in summariser.providers}
        ended: list[str] = []
        for batch in waiting:
            try:
                client = BatchClient(summariser.client(batch.provider)) if batch.provider in known else None
                if client is None or client.poll(batch.remote_id).state != "running":
                    ended.append(batch.id)
            except Trouble:
                continue  # later, then
        return ended
