"""Casebook itself: ``raw_tickets`` and ``merged_tickets`` into the store of a fresh home, as ``casebook sync`` does it.

Belongs here: putting a company together and running its first two stages. Does not belong here: Dagster, and the stages
behind them, which no other client has.
"""

from pathlib import Path

from bench.clients import Rows, Task, main

REQUIRES: tuple[str, ...] = ()
PLATFORM = "freshdesk zendesk"
THREADS = True
COMPANY = "bench"


def pull(task: Task) -> None:
    from domain import ticket_stages
    from domain.company import Company, company_id
    from resources import secrets
    from resources.companies import Companies
    from resources.company_run import company_run
    from resources.helpdesk.collect import Collection, Walk
    from resources.settings import Settings

    platform = "zendesk" if task.platform == "zendesk" else "freshdesk"
    settings = Settings(home=Path(task.folder) / "home")
    options: dict[str, object] = {"rate_share": 1.0, "attachments": task.attachments}
    if platform == "zendesk":
        options["helpdesk_user"] = task.user
    if not task.threads:  # threads of resolved tickets only, and no ticket ever is
        options |= {"conversations": "resolved", "resolved_statuses": ["never"]}
    companies = Companies(settings)
    if not companies.list():
        company = Company(company_id(COMPANY), platform, task.url, options, created_at="2026-01-01T00:00:00Z")
        companies.add(company, secrets.seal(settings, task.key))
    with task.timed(), company_run(settings, COMPANY, "bench", "bench") as run:
        Collection(run.helpdesk, run.store, run.run_id, run.now).run(Walk())
        run.derive(ticket_stages.merged_tickets(run.helpdesk.neutral, run.helpdesk.version))


def read(task: Task) -> Rows:
    """What the last table holds: a ticket that is not merged does not count."""
    from domain.company import company_id
    from domain.merge import DESCRIPTION
    from resources.companies import Companies
    from resources.settings import Settings

    rows = Rows()
    with Companies(Settings(home=Path(task.folder) / "home")).store(company_id(COMPANY)) as store:
        merged = store.get("merged_tickets", sorted(store.ids("merged_tickets")))
        raw = store.get("raw_tickets", sorted(store.ids("raw_tickets")))
    for doc_id, row in merged.items():
        if doc_id in raw:
            rows.ticket(int(doc_id), raw[doc_id].payload["updated_at"])
        for message in row.payload["messages"]:
            if message["id"] != DESCRIPTION:
                rows.message(int(doc_id), int(message["id"]))
    return rows


if __name__ == "__main__":
    main(pull, read)
