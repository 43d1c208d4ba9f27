"""``casebook demo``: two sample companies, end to end, on this machine alone."""

import os
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.rule import Rule

from pipelines.cli.ask import show_asked
from pipelines.cli.output import out
from pipelines.cli.search import show_answer
from pipelines.cli.sync import show_outcome, watched

if TYPE_CHECKING:
    from resources.companies import Companies
    from sandbox.serve import Sandbox

_MODEL = "gpt-4.1-mini"
_QUESTIONS = {
    "hanbit": "OTP 인증번호가 안 맞다고 나오면서 로그인이 안 돼요",
    "acme": "thermostat keeps dropping off the wifi",
}
_ASKED = {
    "hanbit": ("연차 며칠 남았는지 어디서 봐요?", "그럼 반차는?", "출장 갈 때 기차 특실 타도 되나요?"),
    "acme": ("how many vacation days do I get", "can I bring my dog to the office"),
}
"""Questions to the people who keep the workbook: an FAQ answers, or a regulation, or nobody but a person."""


def demo(
    llm: Annotated[
        bool, typer.Option("--llm", help="Summaries by two LLM providers of the sandbox, with plan and ledger.")
    ] = False,
) -> None:
    """Two sample companies, one Korean, one English: served by a sandbox, synced, searched, and synced again.

    Needs no key and no network; everything is written under data/demo (and into the database of CASEBOOK_STORAGE, when
    there is one). Takes about a minute. With --llm the sandbox also stands in for two LLM providers; its model is a stub
    that picks sentences, so the money is not real, and the rest is.
    """
    started = perf_counter()
    from pipelines.demo_home import COMPANIES, demo_sandbox, demo_settings, refuse_others
    from resources.companies import Companies

    settings = demo_settings()
    os.environ["CASEBOOK_HOME"] = str(settings.root)
    refuse_others(Companies(settings))
    with demo_sandbox(settings) as sandbox:
        os.environ["CASEBOOK_GOOGLE_URL"] = sandbox.google_url  # runs in this process read it, too
        registry = Companies(settings.model_copy(update={"google_url": sandbox.google_url}))
        out.print(
            f"A sandbox stands in for Freshdesk and Google Sheets at http://127.0.0.1:{sandbox.port}; everything stays "
            f"under {settings.root}"
        )
        for id in COMPANIES:
            _register(registry, id, sandbox, llm)
        for id in COMPANIES:
            out.print(Rule(f"first sync of {id}", align="left"))
            _sync(registry, id)
        for id, question in _QUESTIONS.items():
            out.print(Rule(f"casebook search {id} '{question}'", align="left"))
            _search(registry, id, question)
        for id, questions in _ASKED.items():
            _ask(registry, id, questions)
        if llm:
            _costs(registry)
        out.print(Rule("the second sync: nothing is done twice", align="left"))
        for id in COMPANIES:
            _sync(registry, id)
    out.print(Rule("next", align="left"))
    out.print(
        f"That took {perf_counter() - started:.0f} s; the next demo begins anew. To look around"
        f"{'' if settings.storage == 'file' else ' (with CASEBOOK_STORAGE as it is now)'}:\n"
        "  .venv/bin/casebook ui --demo                  the assets, runs and lineage in the Dagster UI\n"
        f"  CASEBOOK_HOME={settings.root} .venv/bin/casebook search acme 'refund for a double charge'\n"
        f"  {settings.root}/acme-BizSupportBot_Data.xlsx  Acme's workbook, with its dashboards\n"
        "  .venv/bin/casebook company add --help         your own helpdesk, or an export of it",
        soft_wrap=True,  # commands are there to be copied
    )


def _register(registry: "Companies", id: str, sandbox: "Sandbox", llm: bool) -> None:
    from domain.company import Company, company_id
    from domain.provider import Provider
    from pipelines.demo_home import workbook_of
    from resources import secrets
    from resources.clock import utc_now
    from resources.workbook.open import GOOGLE_SECRET

    for earlier in registry.list():
        if earlier.id == id:  # an earlier demo: the story begins anew
            registry.remove(earlier)
    sealed = secrets.seal(registry.settings, sandbox.key(id))
    zone = {"time_zone": "Asia/Seoul", "language": "ko"} if id == "hanbit" else {"language": "en"}
    known = {**zone, "workbook": workbook_of(registry.settings, id, sandbox)}
    company = Company(company_id(id), "freshdesk", sandbox.url(id), known, created_at=utc_now())
    registry.add(company, sealed)
    if id == "hanbit":
        registry.set_secret(company, secrets.seal(registry.settings, sandbox.google_key(id)), GOOGLE_SECRET)
    for name in ("one", "two") if llm else ():
        provider = Provider(name, _MODEL, sandbox.llm_url(name))
        registry.set_provider(company, provider, secrets.seal(registry.settings, sandbox.key(name)))


def _costs(registry: "Companies") -> None:
    """What each company's ledger says."""
    from resources.clock import utc_now
    from resources.costs import costs

    for id in _QUESTIONS:
        company = registry.get(id)
        with registry.store(company.id) as store:
            found = costs(store, company, utc_now())
        calls, texts = sum(line.calls for line in found.lines), sum(line.documents for line in found.lines)
        out.print(
            f"casebook cost {id}: {texts} texts in {calls} calls of {_MODEL} would have cost {found.cost:.4f} US$."
        )


def _sync(registry: "Companies", id: str) -> None:
    with watched(quiet=False) as progress:
        from pipelines.asked import Asked
        from pipelines.sync_run import run_sync

        outcome = run_sync(registry.settings, registry.get(id), Asked(), progress)
    show_outcome(outcome)


def _search(registry: "Companies", id: str, question: str) -> None:
    from query.search import Searcher

    show_answer(Searcher(registry, registry.get(id)).search(question, 2), as_json=False)


def _ask(registry: "Companies", id: str, questions: Sequence[str]) -> None:
    """One user's questions, one after the other: the second may lean on the first."""
    from query.ask import Asker

    asker = Asker(registry, registry.get(id))
    for question in questions:
        out.print(Rule(f"casebook ask {id} '{question}' --user kim", align="left"))
        show_asked(asker.ask(question, user_id="kim"))
    asker.close()
