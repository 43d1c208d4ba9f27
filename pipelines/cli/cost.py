"""``casebook cost``: what a company's LLM providers were paid."""

from typing import Annotated, Any

import typer

from pipelines.cli.output import Json, out, print_json, table


def cost(
    id: Annotated[str, typer.Argument(help="The company.")],
    since: Annotated[str, typer.Option(metavar="DATE", help="From this day on; else from the month's first.")] = "",
    until: Annotated[str, typer.Option(metavar="DATE", help="Up to this day, included.")] = "",
    json: bool = Json,
) -> None:
    """What was paid, by day, stage and provider: calls, documents, tokens, US dollars; and what the month may still cost.

    Days are those of the company's time zone. It is the sum of what was counted for each answer, also for those that could
    not be used; the provider's invoice decides.
    """
    from resources.clock import utc_now
    from resources.companies import Companies
    from resources.costs import costs
    from resources.settings import Settings

    registry = Companies(Settings())
    company = registry.get(id)
    with registry.store(company.id) as store:
        found = costs(store, company, utc_now(), since, until)
    if json:
        print_json(found)
        return
    names = ("day", "stage", "provider", "for", "calls", "texts", "tokens", "US$")
    if found.lines:
        rows: list[list[Any]] = [
            [
                *(line.day, line.stage, f"{line.provider} {line.model}", line.purpose, line.calls, line.documents),
                f"{line.tokens_in:,}+{line.tokens_out:,}",
                f"{line.cost:.4f}" if not line.unpriced else f"{line.cost:.4f}, {line.unpriced} unpriced",
            ]
            for line in found.lines
        ]
        out.print(table(*names, rows=rows))
    else:
        out.print(f"Nothing was paid for {company.id} in this time.")
    limit = "" if found.budget is None else f" of {found.budget:g} that budget_monthly allows"
    out.print(f"{found.cost:.4f} US$ in this time; {found.month:.4f} US$ this month{limit}.")
    for batch in found.batches:
        expected = "at an unknown price" if batch.cost is None else f"at most {batch.cost:.4f} US$"
        out.print(f"On its way: batch {batch.id} at {batch.provider}, {batch.requests:,} documents, {expected}.")
