"""A company that can be asked: the sample workbook's tables and indexes, made by the real stages without a sync.

Belongs here: what the tests of ``ask``, the service and the commands share. Does not belong here: any test.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from domain import regulation_stages, workbook_rows
from domain.company import Company, company_id
from domain.contact import Contact
from domain.faq import Faq
from domain.regulation import Regulation
from domain.regulation_force import replaced_on
from domain.replace import Content, replace
from resources.company_run import CompanyRun, company_run
from resources.erase import publish
from resources.settings import Settings
from resources.vector_index.base import open_index
from sandbox.workbooks import CONTACTS, FAQ, tabs
from tests.homes import Home

ID = "hanbit"
SETTINGS: dict[str, Any] = {"embedding_model": "use-multi", "time_zone": "Asia/Seoul"}


def sample(id: str = ID) -> tuple[list[Faq], list[Regulation], list[Contact]]:
    """What people wrote in a sample company's workbook."""
    read = tabs(id)
    rules = [
        rule
        for name, rows in read.items()
        if name.startswith("규정_")
        for rule in workbook_rows.regulations(name.removeprefix("규정_"), rows).rows.values()
    ]
    faqs, contacts = workbook_rows.faqs(read[FAQ]).rows, workbook_rows.contacts(read[CONTACTS]).rows
    return list(faqs.values()), rules, list(contacts.values())


def add_company(home: Home, id: str, path: Path, **settings: Any) -> Company:
    """A company without a helpdesk's key, and with nothing in it."""
    company = Company(company_id(id), "export", str(path), SETTINGS | settings, created_at="2026-01-01T00:00:00Z")
    home.companies.add(company, "")
    return company


def fill(
    settings: Settings,
    id: str,
    faqs: Sequence[Faq] = (),
    regulations: Sequence[Regulation] = (),
    contacts: Sequence[Contact] = (),
) -> None:
    """The company's tables hold exactly these, and its regulations are searched."""
    with company_run(settings, id, "fill", "a test") as run:
        _hold(run, "faq", {one.faq_id: asdict(one) for one in faqs})
        _hold(run, "regulations", {one.regulation_id: asdict(one) for one in regulations})
        _hold(run, "contacts", {workbook_rows.contact_id(one): asdict(one) for one in contacts})
        if regulations:
            _search(run, regulations)


def _hold(run: CompanyRun, table: str, rows: dict[str, Any]) -> None:
    replace(run.store, table, Content(rows), made_by="test", run_id=run.run_id, now=run.now)


def _search(run: CompanyRun, regulations: Iterable[Regulation]) -> None:
    model = run.embedder
    make = run.passage_vectors("regulation_embeddings")
    stage = regulation_stages.regulation_collection(run.company, model.model_id)
    for one in (
        regulation_stages.regulation_passages(replaced_on(regulations)),
        regulation_stages.regulation_embeddings(model.model_id, model.summary_chars, make),
        stage,
    ):
        run.derive(one)
    index = open_index(run.settings, run.company)
    publish(index, run.store, index.writer("regulation", stage.made_by, model.size), "regulation")
