"""What a provider's tokens cost: its own settings, or the table ``prices.toml``.

Belongs here: looking a price up, and money from tokens. Does not belong here: how much may be spent (``budget``).
"""

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from domain.provider import Provider

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US$ a million tokens; ``batch`` is what a Batch API takes of that. ``source`` says who told."""

    tokens_in: float
    tokens_out: float
    batch: float
    source: str

    def cost(self, tokens_in: int, tokens_out: int, *, batch: bool = False) -> float:
        """US$ of one call."""
        whole = (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / _MILLION
        return whole * self.batch if batch else whole


def price(provider: Provider) -> Price | None:
    """What this provider's model costs today, None where nobody said. Nothing is guessed from a similar name."""
    if provider.price_in is not None:
        return Price(provider.price_in, provider.price_out or 0.0, _batch(provider.model), f"provider {provider.name}")
    found = _table().get(_named(provider.model))
    if found is None or _today() > found[1]:
        return None
    return found[0]


def _batch(model: str) -> float:
    found = _table().get(_named(model))
    return found[0].batch if found else 0.5  # half is what every maker that has a Batch API takes


def _named(model: str) -> str:
    return _DATED.sub("", model.lower().removeprefix("models/"))


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


@cache
def _table() -> dict[str, tuple[Price, str]]:
    """By model: the price, and the last day on which it is known to hold."""
    read: dict[str, Any] = tomllib.loads(files("resources.llm").joinpath("prices.toml").read_text("utf-8"))
    return {
        model: (
            Price(one["in"], one.get("out", 0.0), maker["batch"], maker["source"]),
            str(one.get("until", "9999-12-31")),
        )
        for maker in read.values()
        for model, one in maker["models"].items()
    }
