"""A Help Center for a Zendesk account: the same articles as the account's Solutions, in Zendesk's words.

Belongs here: categories, sections, articles, translations and user segments as Zendesk's JSON has them. Does not belong
here: the articles themselves and their changes (``solutions``), addresses and paging (``zendesk``).

What a reader must not publish is there: drafts, and articles for agents or for some customers only. An article's
``updated_at`` is that of its own language; when a translation changes, only its ``edited_at`` tells.
"""

from sandbox.shape import Json
from sandbox.solutions import AGENTS, ALL, COMPANIES, DRAFT, LOGGED_IN, Solutions
from sandbox.zendesk_shape import article

LOCALES = {"en": "en-us", "ko": "ko"}
_LANGUAGES = {locale: language for language, locale in LOCALES.items()}
#: Who may see an article, from the widest to the strictest, and the segment that says so.
SEGMENTS = {ALL: None, LOGGED_IN: 361_000_300_001, COMPANIES: 361_000_300_002, AGENTS: 361_000_300_003}
_STRICTNESS = [*SEGMENTS]


def locales(solutions: Solutions) -> list[str]:
    """The account's own first."""
    own = LOCALES[solutions.language]
    return [own, *(locale for locale in LOCALES.values() if locale != own)]


def categories(solutions: Solutions) -> list[Json]:
    return [_place(one, solutions) for one in solutions.categories.values()]


def sections(solutions: Solutions) -> list[Json]:
    return [
        _place(one, solutions) | {"category_id": one["category_id"], "parent_section_id": one["parent_folder_id"]}
        for one in solutions.folders.values()
    ]


def segments(solutions: Solutions) -> list[Json]:
    """Two that every account has, and one for the customers of some organizations."""

    def segment(who: int, name: str, user_type: str, organizations: list[int]) -> Json:
        since = next(iter(solutions.categories.values()), {}).get("created_at")
        return {
            "id": SEGMENTS[who],
            "name": name,
            "user_type": user_type,
            "built_in": not organizations,
            "group_ids": [],
            "organization_ids": organizations,
            "tags": [],
            "or_tags": [],
            "added_user_ids": [],
            "created_at": since,
            "updated_at": since,
        }

    return [
        segment(LOGGED_IN, "Signed-in users", "signed_in_users", []),
        segment(COMPANIES, "Partners", "signed_in_users", solutions.company_ids[:1] or [1]),
        segment(AGENTS, "Agents and admins", "staff", []),
    ]


def articles(solutions: Solutions, base: str, locale: str | None = None) -> list[Json]:
    """Those that there are in a locale (None: each in its own), by time of change."""
    language = _LANGUAGES[locale] if locale else solutions.language
    made = [
        _article(solutions, number, language, base) for number, own in solutions.articles.items() if language in own
    ]
    return sorted(made, key=lambda one: (one["updated_at"], one["id"]))


def translations(solutions: Solutions, number: int) -> list[Json]:
    """An article in each language that it has."""
    return [
        {
            "id": number + 10_000 * (position + 1),
            "source_id": number,
            "source_type": "Article",
            "locale": LOCALES[language],
            "title": record["title"],
            "body": record["description"],
            "draft": record["status"] == DRAFT,
            "outdated": False,
            "hidden": False,
            "created_at": record["created_at"],
            "updated_at": record["updated_at"],
        }
        for position, (language, record) in enumerate(solutions.articles[number].items())
    ]


def _article(solutions: Solutions, number: int, language: str, base: str) -> Json:
    own, record = solutions.articles[number][solutions.language], solutions.articles[number][language]
    return article(
        number,
        own["folder_id"],
        record["title"],
        record["description"],
        LOCALES[language],
        own["created_at"],
        html_url=f"{base}/hc/{LOCALES[language]}/articles/{number}",
        source_locale=LOCALES[solutions.language],
        draft=record["status"] == DRAFT,
        label_names=own["tags"],
        user_segment_id=SEGMENTS[_seen_by(solutions, own["folder_id"])],
        updated_at=own["updated_at"],
        edited_at=record["updated_at"],
    )


def _seen_by(solutions: Solutions, folder: int | None) -> int:
    """The strictest of a folder and those it lies in: in Zendesk an article says it for itself."""
    seen_by = ALL
    while folder is not None:
        stored = solutions.folders[folder]
        seen_by = max(seen_by, stored["visibility"], key=_STRICTNESS.index)
        folder = stored["parent_folder_id"]
    return seen_by


def _place(stored: Json, solutions: Solutions) -> Json:
    locale = LOCALES[solutions.language]
    kept = {name: stored[name] for name in ("id", "name", "created_at", "updated_at")}
    return kept | {
        "description": stored["description"] or "",
        "locale": locale,
        "source_locale": locale,
        "position": 0,
        "outdated": False,
    }
