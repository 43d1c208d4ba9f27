"""A company: the wall around everything that belongs to one customer of Casebook.

Belongs here: the id and its rule, the record of the registry, the catalogue of settings.
Does not belong here: where companies are kept (``resources/companies``) or their secrets (``resources/secrets``).
"""
