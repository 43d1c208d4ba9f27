"""The jobs: named selections of assets that run for one company."""

import dagster as dg

sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.all(),
    description="Bring everything of one company up to date; the nightly run, and 'casebook sync'.",
)
