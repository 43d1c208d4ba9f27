"""The jobs: named selections of assets that run for one company."""

import dagster as dg

from assets.partitions import companies

sync = dg.define_asset_job(
    "sync",
    selection=dg.AssetSelection.all(),
    partitions_def=companies,
    description="Bring everything of one company up to date; the nightly run, and 'casebook sync'.",
)
