"""The clock: what time it is, for everything that writes one down.

Belongs here: now, in the one form that rows have. Does not belong here: reckoning with times (``domain``).
"""

from datetime import UTC, datetime


def utc_now() -> str:
    """Now as ISO 8601 UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
