"""What a person asks of one sync, checked before anything starts.

Belongs here: the options of ``casebook sync``, what contradicts what, and which assets they come to.
Does not belong here: running it (``sync_run``), or what a walk does with it (``resources/helpdesk/collect``).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self
from zoneinfo import ZoneInfo

from domain.company import day
from domain.errors import InputError

if TYPE_CHECKING:
    import dagster as dg

TYPES: Mapping[str, tuple[str, ...]] = {
    "tickets": ("tickets", "analysts"),
    "kb": ("knowledge_base",),
    "workbook": ("workbook", "conversations", "learning"),
}
"""What ``--only`` takes, and the groups of assets that it means."""
_COLLECTING = {
    "tickets": ("raw_tickets",),
    "kb": ("raw_kb",),
    "workbook": ("workbook", "faq", "contacts", "regulations"),
}
_SUMMARISING = {"tickets": "ticket_summaries", "kb": "kb_summaries"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Checked options; the fields but ``types`` and ``batch`` are those of ``assets.tickets.SyncConfig``, ``batch`` is that
    of ``assets.summaries.SummaryConfig``. Without ``types``: all."""

    full: bool = False
    doc: str = ""
    accept_deletions: int = 0
    since: str = ""
    until: str = ""
    types: tuple[str, ...] = ()
    batch: bool = False

    @classmethod
    def of(cls, *, time_zone: str, only: str = "", since: str = "", until: str = "", **options: Any) -> Self:
        """From what was typed; days are those of the company's time zone. Raises ``InputError``."""
        asked = cls(since=day("since", since), until=day("until", until), types=_types(only), **options)
        today = datetime.now(ZoneInfo(time_zone)).date().isoformat()
        if asked.since > today:
            raise InputError(f"--since {since} lies in the future.", f"Today is {today} ({time_zone}).")
        if asked.since and asked.until and asked.until < asked.since:
            raise InputError(f"--until {until} lies before --since {since}.", "Both days are included.")
        given = [f"--{name}" for name in ("doc", "full") if getattr(asked, name)]
        given += ["--since or --until"] if asked.since or asked.until else []
        if len(given) > 1:
            raise InputError(f"{' and '.join(given)} contradict one another.", remedy="Give one of them.")
        return asked._of_one_type() if asked.doc or asked.since or asked.until else asked

    def _of_one_type(self) -> Self:
        if len(self.types) > 1:
            raise InputError("--doc takes one type.", remedy="Say --only tickets or --only kb.")
        if self.types == ("workbook",):
            raise InputError("a workbook is always read whole.", "--doc, --since and --until are for tickets.")
        if self.types == ("kb",) and not self.doc:
            raise InputError("articles are always walked whole.", "--since and --until are for tickets.")
        return self if self.types else replace(self, types=("tickets",))

    @property
    def selection(self) -> "dg.AssetSelection | None":
        """The assets of the chosen types; None for all."""
        import dagster as dg  # slow to import; what was asked is checked before

        groups = [group for name in self.types for group in TYPES[name]]
        return dg.AssetSelection.groups(*groups) if groups else None

    @property
    def configs(self) -> dict[str, Any]:
        """Dagster's configuration of each asset that collects or summarises."""
        config = asdict(self)
        batch = {"config": {"batch": config.pop("batch")}}
        del config["types"]
        types = self.types or tuple(TYPES)
        # Who agrees to deletions of tickets has not agreed to any of articles, or of what a workbook says.
        agreed = types[0] if len(types) == 1 else "tickets"
        collect = {
            asset: {"config": config if name == agreed else config | {"accept_deletions": 0}}
            for name in types
            for asset in _COLLECTING[name]
        }
        return {**collect, **{_SUMMARISING[name]: batch for name in types if name in _SUMMARISING}}

    def next_slice(self) -> Self:
        """The rest of a long walk over tickets: what it began anew is not begun again."""
        return replace(self, full=False, types=("tickets",))


def _types(text: str) -> tuple[str, ...]:
    named = [word.strip().lower() for word in text.split(",") if word.strip()]
    if unknown := [word for word in named if word not in TYPES]:
        raise InputError(f"--only {unknown[0]!r} is unknown.", f"Known: {', '.join(TYPES)}.")
    return tuple(name for name in TYPES if name in named)
