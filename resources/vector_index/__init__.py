"""Vector collections: one interface, one file an engine."""
