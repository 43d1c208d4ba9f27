"""One run over one company: the lock it holds, the rows it may touch, and the clients it needs.

Belongs here: putting together what an asset, or a command, works with. Does not belong here: Dagster
(``dagster_resources`` hands this to it), or the work itself (``assets``).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.company import Company, company_id
from domain.derive import Stage, derive
from domain.stage import Arrived, DataType, Report
from domain.summary_prompt import Kind
from domain.writer import Writer, extractive_writer
from resources.clock import utc_now
from resources.companies import Companies
from resources.embedder import PassageEmbedder, choose_model, open_embedder
from resources.helpdesk.base import Helpdesk
from resources.helpdesk.collect import is_more_to_come, names_state
from resources.helpdesk.platforms import open_helpdesk
from resources.llm.backfill import Backfill
from resources.llm.budget import Budget
from resources.llm.embedder import open_provider_embedder
from resources.llm.summariser import Summariser, open_summariser
from resources.passage_vectors import Articles, passage_vectors
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore
from resources.workbook.base import Workbook
from resources.workbook.open import open_workbook

Progress = Callable[[str, Report], None]
"""Called with a table's name and what was done so far."""

SUMMARISED: Mapping[Kind, str] = {"ticket": "ticket_summaries", "kb": "kb_summaries"}
"""The stages that an LLM may write."""
EMBEDDED: Mapping[DataType, str] = {
    "ticket": "ticket_embeddings",
    "kb": "kb_embeddings",
    "faq": "faq_embeddings",
    "regulation": "regulation_embeddings",
}
"""The stages that a provider's embedding model may fill."""
PAID = (*SUMMARISED.values(), *EMBEDDED.values())
"""All stages that may cost money."""
_MODES = "llm modes"
"""A state: by provider, the form of structured answers that it takes."""
_LANGUAGE_SAMPLE = 300


def silent(_table: str, _report: Report) -> None:
    """A progress that nobody watches."""


@dataclass
class CompanyRun:
    """What a run works with; made by ``company_run``, whose lock it lives under."""

    companies: Companies
    company: Company
    store: SqlCompanyStore
    run_id: str
    now: str
    progress: Progress = silent

    @property
    def settings(self) -> Settings:
        return self.companies.settings

    @cached_property
    def helpdesk(self) -> Helpdesk:
        helpdesk = open_helpdesk(self.companies, self.company)
        helpdesk.names = self.store.state(names_state()) or helpdesk.names
        return helpdesk

    @cached_property
    def workbook(self) -> Workbook | None:
        """The company's workbook; None where it has none."""
        return open_workbook(self.companies, self.company)

    @cached_property
    def embedder(self) -> PassageEmbedder:
        """Who embeds. Raises ``InputError`` where the setting names a provider that is not there."""
        by = self.company.embeds_with
        if by is None:
            return open_embedder(self._model())
        made = open_provider_embedder(self.companies, self.company, by.model_id, self.budget)
        assert made is not None
        return made

    @cached_property
    def budget(self) -> Budget:
        """What may still be spent this month; what a batch will cost counts as spent."""
        store, company = self.store, self.company
        ahead = sum(batch.cost or 0.0 for stage in SUMMARISED.values() for batch in store.batches(stage))
        return Budget(company.setting("budget_monthly"), store.spent(company.month_of(self.now)) + ahead)

    @cached_property
    def summariser(self) -> Summariser | None:
        """Who writes summaries outside; None where the company has no provider."""
        return open_summariser(self.companies, self.company, self.budget, modes=self.store.state(_MODES))

    def learned(self) -> dict[str, Any]:
        """What was learned of the providers, as states of the store: the next run begins with it."""
        return {_MODES: dict(self.summariser.modes)} if "summariser" in self.__dict__ and self.summariser else {}

    def writer(self, kind: Kind) -> Writer:
        """Who writes the summaries of tickets, or of articles."""
        model = self.summariser
        return Writer(model.made_by, model.make(kind), is_paid=True) if model else extractive_writer(kind)

    def backfill(self, kind: Kind, *, is_wanted: bool) -> Backfill | None:
        """The batches of a summary stage, where a provider writes; ``is_wanted``: new texts go into one."""
        if self.summariser is None:
            return None
        wanted, more = is_wanted, is_more_to_come(self.store)
        return Backfill(
            self.store, self.summariser, self.budget, kind, SUMMARISED[kind], self.run_id, self.now, wanted, more
        )

    def close(self) -> None:
        """End what the clients have running."""
        if "helpdesk" in self.__dict__:  # it was used
            self.helpdesk.close()
        if "summariser" in self.__dict__ and self.summariser:
            self.summariser.close()
        if "embedder" in self.__dict__:
            self.embedder.close()
        if "workbook" in self.__dict__ and self.workbook:
            self.workbook.close()

    def passage_vectors(self, stage: str) -> Callable[[Articles], Iterator[Arrived]]:
        """The ``make`` of a stage whose documents have many passages."""
        model = self.embedder
        return passage_vectors(self.store, stage, model.model_id, model.make, self.run_id, self.now)

    def derive(self, stage: Stage, *, unread: bool = True) -> Report:
        def progress(report: Report) -> None:
            self.progress(stage.target, report)

        return derive(stage, self.store, run_id=self.run_id, now=self.now, progress=progress, unread=unread)

    def _model(self) -> str:
        """The company's embedding model. ``auto`` is settled once, by the first summaries there are, of tickets or else of
        articles: a model that changed with the mood of a week would embed everything again."""
        name: str = self.company.setting("embedding_model")
        if name != "auto":
            return name
        texts = self._newest("ticket_summaries", "problem") or self._newest("kb_summaries", "problem")
        language = self.company.setting("language")
        if language != "auto":
            texts = ["한국어" if language == "ko" else "English"]
        # Tickets may not be here yet when a workbook is: what it says serves until they are.
        chosen = choose_model(texts or self._newest("faq", "question") or self._newest("regulations", "content"))
        if texts:
            self.company = self.companies.set(self.company, embedding_model=chosen)
        return chosen

    def _newest(self, table: str, field: str) -> list[str]:
        """What the newest documents say in a field."""
        newest = self.store.window(table, 0, self.store.top(table), _LANGUAGE_SAMPLE)
        rows = self.store.get(table, [doc_id for doc_id, _ in newest]).values()
        return [row.payload[field] for row in rows if not row.deleted]


@contextmanager
def company_run(
    settings: Settings, company: str, run_id: str, holder: str, progress: Progress = silent
) -> Iterator[CompanyRun]:
    """Take the company's lock and open its store for one run.

    ``holder`` is what another one is told who finds the lock taken. Raises ``InputError`` for an unknown company,
    ``CompanyBusy`` when another run writes to it, ``StorageError`` when the store cannot be used.
    """
    companies = Companies(settings)
    with companies.lock(company_id(company), holder) as open_store:
        known = companies.get(company)  # under the lock: it may have been removed meanwhile
        with open_store() as store, closing(CompanyRun(companies, known, store, run_id, utc_now(), progress)) as run:
            yield run
