"""Retrieval: what people and programs ask. Never imports Dagster.

Belongs here: search, similar cases, explanations, and later their HTTP service. Does not belong here: making or
changing what is found (``assets``).
"""
