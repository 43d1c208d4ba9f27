"""Exchanges that tests of the conversations are given, and assets run on a company by themselves.

Belongs here: what several test files share. Does not belong here: any test.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.company import Company, company_id
from domain.conversation import Exchange, Tier
from domain.stage import Put
from resources.companies import Companies
from resources.company_run import company_run
from resources.settings import Settings
from resources.workbook.stored import chunks

ZONE = "Asia/Seoul"
NOW = "2026-02-19T05:30:00Z"
"""19 February, 14:30 in Seoul."""


def exchange(number: int, at: str = NOW, **more: Any) -> Exchange:
    """The n-th exchange, asked at a moment and answered a second later."""
    asked = datetime.fromisoformat(at)
    tier: Tier = more.pop("tier", 1)
    given: dict[str, Any] = {
        "session_id": f"user{number}_20260219T1430",
        "user_id": f"user{number}",
        "question": f"연차 {number}일 남았어?",
        "answer": f"네, {number}일 남았습니다.",
        "category": "인사",
        "source_id": "faq FAQ-HR-001",
        "score": 0.9,
        "latency_ms": 100 + number,
    }
    answered = f"{(asked + timedelta(seconds=1)).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return Exchange(f"x{number:05}", asked_at=at, answered_at=answered, tier=tier, **{**given, **more})


def days_before(now: str, days: float) -> str:
    return f"{datetime.fromisoformat(now) - timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}"


class Office:
    """A company without a helpdesk's data, whose assets are run one by one at a time of the test's choosing."""

    def __init__(self, settings: Settings, workbook: str = "", **more: str) -> None:
        self.settings = settings
        self.companies = Companies(settings)
        self.companies.add(Company(company_id("acme"), "export", "/nowhere", created_at="2026-01-01T00:00:00Z"), "")
        self.now = NOW
        self.runs = 0
        self.set(time_zone=ZONE, workbook=workbook, **more)

    def set(self, **settings: Any) -> None:
        self.companies.set(self.companies.get("acme"), **settings)

    def keep(self, *given: Exchange) -> None:
        with self.companies.store(company_id("acme")) as store:
            store.keep_exchanges(given)

    def show(self, **tabs: list[list[str]]) -> None:
        """The workbook was read: these are its tabs."""
        rows = chunks(tabs)
        with self.companies.store(company_id("acme")) as store, store.begin("a test", NOW) as write:
            write.delete("workbook", sorted(store.ids("workbook") - rows.keys()))
            write.upsert("workbook", [Put(id_, one, str(one), str(one), "test") for id_, one in rows.items()])

    def run(self, *assets: Any, **config: Any) -> dict[str, dict[str, Any]]:
        """Materialise assets, one after the other; their metadata by name."""
        told: dict[str, dict[str, Any]] = {}
        self.runs += 1
        with company_run(self.settings, "acme", f"run-{self.runs}", "a test") as held:
            held.now = self.now
            for asset in assets:
                # Called as an asset, each one would make an instance of Dagster, with a database of its own.
                name, function = asset.key.path[-1], asset.op.compute_fn.decorated_fn
                found: Any = function(company_run=held, **config)
                told[name] = {key: getattr(value, "value", value) for key, value in (found.metadata or {}).items()}
        return told

    def rows(self, table: str) -> dict[str, Any]:
        """The live rows' payloads."""
        with self.companies.store(company_id("acme")) as store:
            return {id_: row.payload for id_, row in store.get(table, sorted(store.ids(table))).items()}

    def tops(self, *tables: str) -> list[int]:
        with self.companies.store(company_id("acme")) as store:
            return [store.top(table) for table in tables]
