"""The outside world, one system a file: plain Python clients, and ``dagster_resources`` that hands them to Dagster.

Belongs here: talking to stores, helpdesks, models and secrets.
Does not belong here: what the data means (``domain``) or when work is done (``pipelines``).
"""
