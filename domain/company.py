"""A company: the wall around everything that belongs to one customer of Casebook.

Belongs here: the id and its rule, the record of the registry, the catalogue of settings and how each is read.
Does not belong here: where companies are kept (``resources/companies``) or their secrets (``resources/secrets``).
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any, Literal, NewType
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from domain.errors import InputError
from domain.provider import BUNDLED_MODELS, Provider, provider

CompanyId = NewType("CompanyId", str)
Platform = Literal["freshdesk", "zendesk", "export"]
PLATFORMS: tuple[Platform, ...] = ("freshdesk", "zendesk", "export")
#: Kinds of service that may lie outside. The models that come with Casebook run in process: nothing leaves to them.
OutsideService = Literal["llm", "embeddings", "rerankers"]
OUTSIDE_SERVICES: tuple[OutsideService, ...] = ("llm", "embeddings", "rerankers")

_COMPANY_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}", re.ASCII)


def company_id(text: str) -> CompanyId:
    """The only way to name a company (DESIGN §3.3). Raises ``InputError`` for anything that is not a plain id:
    ids become folder names, collection names and partition keys, so nothing else may pass."""
    if not _COMPANY_ID.fullmatch(text):
        raise InputError(
            "bad company id.",
            f"{text!r} is not 2 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit.",
            "Choose an id such as 'acme' or 'hanbit-seoul'.",
        )
    return CompanyId(text)


@dataclass(frozen=True, slots=True)
class Setting:
    """One entry of the catalogue: ``read`` turns what a person typed into the stored value or raises ``ValueError``
    with what would be right."""

    name: str
    kind: str
    default: Any
    meaning: str
    read: Callable[[str], Any]


def _choice(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return text.lower()

    return read


def _number(low: float, high: float, kind: type[int] | type[float]) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise ValueError(f"a number from {low} to {high}")
        return value

    return read


def _dollars(text: str) -> float | None:
    try:
        value = None if text.lower() in ("", "none") else float(text)
    except ValueError:
        value = -1.0
    if value is not None and not 0 < value < float("inf"):
        raise ValueError("an amount above 0, such as 50 or 12.50, or 'none'; without a provider nothing is paid")
    return value


def _place(text: str) -> str:
    """An address or a path; never with a password, for settings are shown."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = None
    if parts is None or not text.isprintable() or ("://" in text and parts.scheme not in ("http", "https")):
        raise ValueError("an address (https://…) or a path")
    if parts.scheme and "@" in parts.netloc:
        raise ValueError("an address without user and password")
    return text


def _words(text: str) -> list[str]:
    words = [word.strip().lower() for word in text.split(",") if word.strip()]
    if not words:
        raise ValueError("words with commas between them")
    return words


def _services(text: str) -> list[str]:
    named = [word.strip().lower() for word in text.split(",") if word.strip()]
    if named == ["none"]:
        return []
    if not named or not set(named) <= set(OUTSIDE_SERVICES):
        raise ValueError(f"'none', or some of {', '.join(OUTSIDE_SERVICES)} with commas between them")
    return [service for service in OUTSIDE_SERVICES if service in named]


def _no_providers(text: str) -> list[dict[str, Any]]:
    """A provider comes with a key that belongs to its address, so it is not set like any other value. What was typed is
    not repeated: there may be a key in it."""
    if text.lower() not in ("", "none", "[]"):
        raise InputError(
            "llm_providers is not set by hand.",
            "A provider comes with its key, and is asked before it is stored.",
            "Use 'casebook llm add' and 'casebook llm remove'; llm_providers=none removes all of them.",
        )
    return []


def _date(text: str) -> str:
    try:
        if text and date.fromisoformat(text).isoformat() != text:  # it also reads 20260131 and 2026-W05-6
            raise ValueError
    except ValueError:
        raise ValueError("a date such as 2026-01-31, or nothing") from None
    return text


def day(option: str, text: str) -> str:
    """A day that was typed for an option (YYYY-MM-DD), or "". Raises ``InputError``."""
    try:
        return _date(text)
    except ValueError:
        raise InputError(f"--{option} {text!r} is no day.", remedy="A day is written 2026-01-31.") from None


def _model(text: str) -> str:
    """A bundled model, or what a provider is called: which there are, the company knows (``embeds_with``)."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", text.lower()):
        raise ValueError(f"auto, {', '.join(BUNDLED_MODELS)}, or a provider of embeddings")
    return text.lower()


def _user(text: str) -> str:
    if text and not re.fullmatch(r"[^@\s:/]+@[^@\s:/]+", text):
        raise ValueError("an agent's e-mail address, or nothing")
    return text


def _time_zone(text: str) -> str:
    if text not in available_timezones():
        raise ValueError("a time zone such as Asia/Seoul or UTC")
    return str(ZoneInfo(text))


def _mapping(text: str) -> dict[str, str]:
    from pydantic import TypeAdapter, ValidationError  # slow to import, and rarely needed

    try:
        return TypeAdapter(dict[str, str]).validate_json(text)
    except ValidationError:
        raise ValueError('JSON such as {"ticket_id": "id", "description": "text"}') from None


RESOLVED = (
    "resolved",
    "closed",
    "verified",
    "solved",
    "done",
    "fixed",
    "해결",
    "해결됨",
    "해결 완료",
    "완료",
    "종료",
    "종료됨",
)

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("resolved_statuses", "words", list(RESOLVED), "statuses that count as resolved, in any case", _words),
        Setting(
            "conversations",
            "all|resolved",
            "all",
            "whose threads are fetched; 'resolved' saves requests",
            _choice("all", "resolved"),
        ),
        Setting(
            "attachments",
            "full|threads|none",
            "full",
            "attachments' metadata: of ticket and thread, of the thread, none",
            _choice("full", "threads", "none"),
        ),
        Setting(
            "attachment_texts",
            "on|off",
            "on",
            "text files, PDF and Word documents among the attachments are read, and searched",
            _choice("on", "off"),
        ),
        Setting(
            "slice_documents",
            "100-1000000",
            10_000,
            "a long first load goes through all assets in slices of so many documents",
            _number(100, 1_000_000, int),
        ),
        Setting(
            "helpdesk_user",
            "address",
            "",
            "zendesk: the agent whose API token the key is; empty: the key is an OAuth token",
            _user,
        ),
        Setting("since", "date", "", "the first walk takes tickets updated since this day; empty: all", _date),
        Setting("language", "ko|en|auto", "auto", "the language of the tickets", _choice("ko", "en", "auto")),
        Setting("time_zone", "time zone", "UTC", "days and the nightly hour are in it", _time_zone),
        Setting(
            "nightly_hour", "0-23", 2, "from this hour on the day's sync is started, once a day", _number(0, 23, int)
        ),
        Setting(
            "rate_share",
            "0.1-1",
            0.8,
            "share of the helpdesk's request limit that Casebook may use",
            _number(0.1, 1, float),
        ),
        Setting(
            "llm_providers",
            "none",
            [],
            "who summarises, as 'casebook llm' says; none: sentences of the ticket itself",
            _no_providers,
        ),
        Setting("summary_batch", "1-50", 10, "tickets that one call of an LLM summarises", _number(1, 50, int)),
        Setting(
            "summary_tokens",
            "500-100000",
            4_000,
            "tokens of a ticket that an LLM reads; longer ones are cut inside",
            _number(500, 100_000, int),
        ),
        Setting(
            "old_summaries",
            "renew|keep",
            "renew",
            "when the prompt or the model changes: all are made anew, or only those of changed texts",
            _choice("renew", "keep"),
        ),
        Setting(
            "skip_shorter_than", "0-10000", 0, "tickets with fewer characters are no cases", _number(0, 10_000, int)
        ),
        Setting(
            "skip_automatic",
            "on|off",
            "on",
            "absence notes and undelivered mail that nobody answered are no cases",
            _choice("on", "off"),
        ),
        Setting("skip_spam", "on|off", "on", "what is tagged or typed as spam is no case", _choice("on", "off")),
        Setting(
            "skip_unanswered",
            "on|off",
            "off",
            "one message without an answer is no case",
            _choice("on", "off"),
        ),
        Setting("budget_monthly", "US$", None, "what paid services may cost in a calendar month", _dollars),
        Setting("workbook", "address|path", "", "the workbook of FAQ, regulations and contacts", _place),
        Setting(
            "faq_index_rows",
            "0-1000000",
            150,
            "from so many FAQs on, a question is looked up in the keyword index instead of in all of them",
            _number(0, 1_000_000, int),
        ),
        Setting(
            "faq_vector_rows",
            "0-1000000",
            500,
            "from so many FAQs on, their meaning is asked of every question; below, where words find no answer",
            _number(0, 1_000_000, int),
        ),
        Setting(
            "tier1_score",
            "0-1|none",
            None,
            "an FAQ answers from this score on; none: the measured one",
            lambda text: None if text.lower() in ("", "none") else _number(0, 1, float)(text),
        ),
        Setting(
            "tier2_score",
            "0-1|none",
            None,
            "regulations, articles and cases answer from this score on; none: the measured one",
            lambda text: None if text.lower() in ("", "none") else _number(0, 1, float)(text),
        ),
        Setting(
            "regulations_from",
            "workbook|confluence|google-docs",
            "workbook",
            "where regulations are kept (docs/regulations.md)",
            _choice("workbook", "confluence", "google-docs"),
        ),
        Setting(
            "regulation_places",
            "JSON",
            {},
            "by category: a Confluence space or page, or a Google document",
            _mapping,
        ),
        Setting("regulation_site", "address", "", "the Confluence site, https://NAME.atlassian.net/wiki", _place),
        Setting(
            "session_minutes", "1-1440", 20, "a session ends so long after the last question", _number(1, 1440, int)
        ),
        Setting(
            "archive_days", "1-365", 7, "conversations older than that are archived once a month", _number(1, 365, int)
        ),
        Setting(
            "conversation_retention",
            "31-3650",
            365,
            "days that conversations are kept, in the archive too",
            _number(31, 3650, int),
        ),
        Setting(
            "audience",
            "customer|agent",
            "customer",
            "'agent' also searches private notes",
            _choice("customer", "agent"),
        ),
        Setting(
            "embedding_model",
            "model",
            "auto",
            f"auto, {', '.join(BUNDLED_MODELS)}, or a provider of embeddings; auto looks at the texts once",
            _model,
        ),
        Setting(
            "index_placement",
            "dedicated|shared",
            "dedicated",
            "on a Qdrant server: collections of its own, or shared with other small companies (docs/qdrant.md)",
            _choice("dedicated", "shared"),
        ),
        Setting(
            "dense_weight",
            "0-1|none",
            None,
            "weight of meaning against words in a search; none: the measured one",
            lambda text: None if text.lower() in ("", "none") else _number(0, 1, float)(text),
        ),
        Setting(
            "recommendation_days",
            "1-3650",
            180,
            "days that questions and their answers are kept, for votes on them",
            _number(1, 3650, int),
        ),
        Setting(
            "masking",
            "on|off",
            "on",
            "personal data and secrets are masked in what leaves to outside services",
            _choice("on", "off"),
        ),
        Setting(
            "outside_services",
            "words",
            list(OUTSIDE_SERVICES),
            "kinds of service that count as outside; 'none' where all run on your own machines",
            _services,
        ),
        Setting("columns", "JSON", {}, "column names of an export, ours to theirs", _mapping),
    )
}


def read_setting(name: str, text: str) -> Any:
    """The stored value of ``NAME=TEXT``. Raises ``InputError`` that names the nearest setting or what would be right."""
    setting = SETTINGS.get(name)
    if setting is None:
        near = difflib.get_close_matches(name, SETTINGS, 1)
        raise InputError(
            f"unknown setting {name!r}.",
            f"Did you mean {near[0]!r}?" if near else "",
            "'casebook company set --help' lists all of them.",
        )
    try:
        return setting.read(text.strip())
    except ValueError as wrong:
        raise InputError(f"bad value for {name}.", f"{text!r} is not {wrong}.") from None


@dataclass(frozen=True, slots=True)
class Company:
    """A row of the registry.

    ``endpoint`` is the helpdesk's address or the export's path; ``settings`` holds only what was set,
    the catalogue has the defaults; ``created_at`` is ISO 8601 UTC.
    """

    id: CompanyId
    platform: Platform
    endpoint: str
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    paused: bool = False
    created_at: str = ""

    def setting(self, name: str) -> Any:
        """The value in force."""
        return self.settings.get(name, SETTINGS[name].default)

    def moments(self, since: str, until: str) -> tuple[str, str]:
        """Two days of its time zone (YYYY-MM-DD, or "") as the moments where the first begins and the second ends, ISO 8601
        in UTC."""
        zone = ZoneInfo(self.setting("time_zone"))

        def at(day: str, hour: time) -> str:
            moment = day and datetime.combine(date.fromisoformat(day), hour, zone)
            return moment and moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

        return at(since, time.min), at(until, time(23, 59, 59))

    def month_of(self, now: str) -> str:
        """When the calendar month of a moment (ISO 8601) began in its time zone, in UTC: budgets are counted from it."""
        zone = ZoneInfo(self.setting("time_zone"))
        first = datetime.fromisoformat(now).astimezone(zone).replace(day=1).date()
        return datetime.combine(first, time.min, zone).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def all_providers(self) -> list[Provider]:
        """Everybody outside who has a model for it."""
        return [provider(one) for one in self.setting("llm_providers")]

    @property
    def providers(self) -> list[Provider]:
        """Who summarises; none: nobody outside does."""
        return [one for one in self.all_providers if one.use == "summaries"]

    @property
    def answerers(self) -> list[Provider]:
        """Who answers questions (``ask``): those that were added for it, else those who summarise."""
        return [one for one in self.all_providers if one.use == "answers"] or self.providers

    @property
    def embedders(self) -> list[Provider]:
        """Who outside can embed; which model does it, the setting ``embedding_model`` says."""
        return [one for one in self.all_providers if one.use == "embeddings"]

    @property
    def embeds_with(self) -> Provider | None:
        """The provider that ``embedding_model`` names; None for a bundled model. Raises ``InputError`` where there is
        none of that name."""
        name = self.setting("embedding_model")
        if name == "auto" or name in BUNDLED_MODELS:
            return None
        for one in self.embedders:
            if one.name == name:
                return one
        known = ", ".join(["auto", *BUNDLED_MODELS, *(one.name for one in self.embedders)])
        raise InputError(
            f"company {self.id!r} has no embedding model {name!r}.",
            f"Known: {known}.",
            f"Add a provider: casebook llm add {self.id} {name} --for embeddings --model MODEL",
        )

    def is_resolved(self, status: str) -> bool:
        """Whether a ticket of this status is a solved case. A source that gives no status gives solved ones."""
        return not status or status.strip().lower() in self.setting("resolved_statuses")
