"""A Help Center for a Zendesk account: categories, sections, articles and their translations, made from its products.

Belongs here: what the Help Center holds. Does not belong here: its addresses and paging (``zendesk``).
Of each section one article is a draft and one is for agents only: a reader must publish neither.
"""

from sandbox import corpus
from sandbox.shape import Json
from sandbox.zendesk_shape import article

CATEGORY, SECTION, ARTICLE, SEGMENT = 361_000_000_001, 361_000_100_001, 361_000_200_001, 361_000_300_001

_WORDS = {
    "en-us": ("General", "Getting started with %s", "%s: problems and their solutions", "Draft: what is new in %s"),
    "ko": ("일반", "%s 시작하기", "%s 문제 해결", "초안: %s 새 기능"),
}
_INSIDE = {"en-us": "%s: how agents handle refunds", "ko": "%s 환불 처리(상담원용)"}


def locale(desk: corpus.Helpdesk) -> str:
    return "ko" if desk.language == "ko" else "en-us"


def categories(desk: corpus.Helpdesk) -> list[Json]:
    return [_place(CATEGORY, _WORDS[locale(desk)][0], desk)]


def sections(desk: corpus.Helpdesk) -> list[Json]:
    """One for each product."""
    return [
        _place(SECTION + number, name, desk) | {"category_id": CATEGORY, "parent_section_id": None}
        for number, name in enumerate(_products(desk))
    ]


def articles(desk: corpus.Helpdesk) -> list[Json]:
    """Four to a section, by time of change; every second one also in the other language."""
    made: list[Json] = []
    words = locale(desk)
    for place, product in enumerate(_products(desk)):
        titles = (*_WORDS[words][1:], _INSIDE[words])
        for position, title in enumerate(titles):
            number = ARTICLE + len(made)
            created = corpus.stamp(corpus.PRESENT - corpus.HISTORY * (len(made) + 1) / (4 * len(_products(desk)) + 1))
            named = title % product
            draft, restricted = position == 2, SEGMENT if position == 3 else None
            body = f"<h2>{named}</h2><p>{named} ({number}).</p>"
            given: Json = {"draft": draft, "user_segment_id": restricted, "position": position}
            made.append(article(number, SECTION + place, named, body, words, created, **given))
    return sorted(made, key=lambda one: (one["updated_at"], one["id"]))


def translations(desk: corpus.Helpdesk, found: Json) -> list[Json]:
    """An article in its own language and, for every second one, in the other."""
    own = found["locale"]
    other = "ko" if own == "en-us" else "en-us"
    return [
        {
            "id": found["id"] + 10_000 * (position + 1),
            "source_id": found["id"],
            "source_type": "Article",
            "locale": words,
            "title": found["title"] if words == own else f"{found['title']} ({words})",
            "body": found["body"],
            "draft": found["draft"],
            "outdated": False,
            "created_at": found["created_at"],
            "updated_at": found["updated_at"],
        }
        for position, words in enumerate((own, other)[: 1 + found["id"] % 2])
    ]


def _products(desk: corpus.Helpdesk) -> list[str]:
    return [product["name"] for product in desk.products] or [desk.name]


def _place(number: int, name: str, desk: corpus.Helpdesk) -> Json:
    since = desk.agents[0]["created_at"]
    return {
        "id": number,
        "name": name,
        "description": "",
        "locale": locale(desk),
        "source_locale": locale(desk),
        "position": 0,
        "outdated": False,
        "created_at": since,
        "updated_at": since,
    }
