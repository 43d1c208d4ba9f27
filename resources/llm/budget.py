"""What a company may still spend, and the stop before it is spent.

Belongs here: holding back money for calls on their way, so that together they stay below the limit, and which providers
cannot be paid under a limit at all.
Does not belong here: what a call costs (``prices``), or adding up what was spent (the ledger, in ``resources/storage``).
"""

from collections.abc import Iterable

from domain.errors import InputError
from domain.provider import Provider
from domain.stage import Pause
from resources.llm.prices import price


def unkept(provider: Provider, limit: float | None) -> str:
    """Why a budget could not be kept with this provider: its price is not known. "" where it can, or there is none."""
    if limit is None or price(provider) is not None:
        return ""
    return f"no price is known for {provider.model} ({provider.name}), and budget_monthly is set"


def refuse_unkept(providers: Iterable[Provider], limit: float | None) -> None:
    """For who can still be asked. Raises ``InputError`` where the budget could not be kept with one of these."""
    if said := [why for one in providers if (why := unkept(one, limit))]:
        raise InputError(
            "the budget could not be kept:",
            f"{'; '.join(said)}.",
            "Say --price-in and, for summaries, --price-out (US$ a million tokens) with 'casebook llm add', or "
            "budget_monthly=none.",
        )


class Budget:
    """``limit`` US$ of which ``spent`` are gone already; ``limit`` None: no limit. One thread uses it."""

    def __init__(self, limit: float | None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self._held = 0.0

    def reserve(self, most: float | None) -> float:
        """Hold back what a call can cost at most; ``settle`` must follow with what is given here. Raises ``Pause`` when the
        call could exceed the limit. An unknown price (None) holds nothing back, and is let through only without a limit."""
        if self.limit is None:
            return 0.0
        # At the limit itself nothing more is paid for, not even what costs nothing: the next call could.
        if most is None or self.spent + self._held + most > self.limit or self.spent >= self.limit:
            raise Pause(
                f"the next call could exceed the month's budget ({self.spent:.4f} of {self.limit:.4f} US$ are spent); "
                "a higher budget_monthly lets it go on",
                is_trouble=False,
            )
        self._held += most
        return most

    def settle(self, held: float, cost: float | None) -> None:
        """The call is over, and has cost so much; None where no price is known, 0 where nothing was paid."""
        self._held = max(0.0, self._held - held)
        self.spent += cost or 0.0
