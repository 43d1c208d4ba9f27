"""The jobs: named selections of assets that run for one company."""

from typing import Final

import dagster as dg

from domain.company import Company
from domain.stage import OF_THE_WORKBOOK, TABLES
from resources.companies import Companies
from resources.workbook.open import has_workbook

WITHOUT_WORKBOOK: Final = [
    dg.AssetKey(name) for name in (*TABLES, "published_tables", "retrieval_report") if name not in OF_THE_WORKBOOK
]
"""What a sync does where there is no workbook. A step costs 40 ms, also one that has nothing to do: half of a night."""

sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.all(),
    description="Bring everything of one company up to date; the nightly run, and 'casebook sync'.",
)


def due_assets(companies: Companies, company: Company) -> list[dg.AssetKey] | None:
    """The assets that a sync of this company runs, as things are when it is asked for; None for all of them."""
    try:
        return None if has_workbook(companies, company) else WITHOUT_WORKBOOK
    except Exception:  # whatever is damaged: the run will tell, and no other company's night must wait for it
        return None
