"""Zendesk's Help Center: categories, sections in sections, articles and their translations.

Belongs here: walking them, and what their fields mean. Does not belong here: tickets, or cutting articles (``domain``).

**The walk.** The first one of a day lists all articles, in every language: only absence tells that one was deleted or
archived, and whether a new body moves an article's ``updated_at`` is not documented for all of its languages. The others
of that day ask for what changed since; that is one request where nothing did. Each payload holds what only others know of
it: ``path`` (the names of its category and sections) and ``seen_by`` (what its user segments mean).
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.article import Article, Visibility
from domain.errors import DocumentError, SourceUnavailable
from domain.fingerprint import clean, fingerprint
from resources.helpdesk.base import Document, Json, Page, Span, Stored, Unreadable, known_shape
from resources.helpdesk.fetching import asked_for_alone
from resources.http import BadAnswer, Http, HttpRefused

VERSION = "zendesk-articles-1"
_PER_PAGE = 100
#: Changed articles in one answer. Should more have changed in one second, all are listed instead.
_CHANGES = 1000
#: In an order that no edit changes, so that nothing slips from a page that was not read yet to one that was.
_STEADY: dict[str, str | int] = {"sort_by": "created_at", "sort_order": "asc"}
_DAY = 86400
#: From the strictest to the widest: an article of several segments is for all who are in one of them.
_WIDTH: tuple[Visibility, ...] = ("agents", "some", "customers", "everyone")
#: What narrows a segment of customers down.
_NARROWING = ("group_ids", "organization_ids", "tags", "or_tags", "added_user_ids")
#: An article's address without its title, which differs from answer to answer.
_ADDRESS = re.compile(r"(.*/hc/)[^/]+(/articles/\d+).*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Around:
    """What articles refer to. ``locales`` is empty where the account does not tell."""

    locales: tuple[str, ...]
    categories: Mapping[Any, Json]
    sections: Mapping[Any, Json]
    segments: Mapping[Any, Visibility]

    def path(self, section: Any) -> list[str]:
        """The names that lead to an article: its category, then sections from the outermost on."""
        names: list[str] = []
        seen: set[Any] = set()
        category: Any = None
        while section in self.sections and section not in seen:
            seen.add(section)
            found = self.sections[section]
            names.insert(0, str(found.get("name") or ""))
            category, section = found.get("category_id") or category, found.get("parent_section_id")
        above = self.categories.get(category)
        return [str(above.get("name") or ""), *names] if above else names

    def seen_by(self, article: Json) -> Visibility:
        """A segment that cannot be looked up is a restriction all the same."""
        ids = article.get("user_segment_ids") or [article.get("user_segment_id")]
        given: list[Visibility] = ["everyone" if one is None else self.segments.get(one, "some") for one in ids]
        return max(given, key=_WIDTH.index)


class ZendeskArticles:
    """The Help Center of one account (of one brand, where it has several). A translation is a document of its own:
    ``ID:LOCALE``."""

    made_by = VERSION
    absent_is_gone = True
    absence_is_certain = False  # one may move while the list is read

    def __init__(self, http: Http, url: str, sent: Callable[[], int], clock: Callable[[], float] = time.time) -> None:
        """``sent`` tells how many requests the account's client has sent."""
        self._http, self._url, self._sent, self._clock = http, url, sent, clock
        self._known: _Around | None = None
        self._told: tuple[str, ...] = ()
        """The languages that the account told before, for when it does not tell."""
        self.notes: list[str] = []

    @property
    def requests(self) -> int:
        return self._sent()

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """All articles on the first walk of a day, else what changed. The cursor holds the day, the second up to which
        changes were read, and the account's languages."""
        self._told = tuple((cursor or {}).get("languages") or ())
        if cursor and cursor.get("listed") == self._today() and (changes := self._changes(cursor, stored)) is not None:
            yield from changes
            return
        try:
            self._around()
        except HttpRefused as refused:
            if refused.status not in (403, 404):
                raise
            why = "this key may not read the" if refused.status == 403 else "this account has no"
            self.notes.append(f"{why} Help Center; the knowledge base is left as it is")
            return
        yield from self._all(cursor or {}, stored)

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """Fetch an article again, with what is around it. Raises ``DocumentError``."""
        number, _, locale = doc_id.partition(":")
        if not number.isdecimal():
            return None
        with asked_for_alone():
            record = self._there(number, locale)
            self._around()  # without a Help Center no article is found, and none is gone
            return self._document(record) if record else None

    def neutral(self, payload: Json) -> Article:
        """Raises ``DocumentError`` for a payload that is no article."""
        with known_shape("article"):
            return Article(
                id=payload["doc_id"],
                title=payload.get("title") or "",
                html=payload.get("body") or "",
                language=payload["language"],
                draft=bool(payload.get("draft")),
                visibility=payload["seen_by"],
                path=tuple(payload["path"]),
                tags=tuple(sorted(map(str, payload.get("label_names") or ()))),
                url=self._address(payload),
                created_at=payload.get("created_at") or "",
                updated_at=payload.get("edited_at") or payload.get("updated_at") or "",
            )

    # -- the walk --------------------------------------------------------------------------------------------------

    def _all(self, cursor: Json, stored: Stored) -> Iterator[Page]:
        """Every article in every language, a list answer a page."""
        moved = 0
        locales = self._locales()
        is_whole = bool(locales)
        for locale in locales or ("",):
            path = f"/help_center/{locale}/articles.json" if locale else "/help_center/articles.json"
            try:
                for records in self._lists(path, "articles", _STEADY):
                    moved = max([moved, *map(_moved, records)])
                    yield self._page(records, cursor, stored)
            except HttpRefused as refused:
                self._note(refused, "the articles in one language", "what this walk did not see is left as it is")
                is_whole = False
        stands: Json = {"listed": self._today(), "moved": moved, "languages": list(locales)}
        yield Page((), (), stands, walked_all=is_whole)

    def _changes(self, cursor: Json, stored: Stored) -> Iterator[Page] | None:
        """What moved since the cursor; None where the account does not tell, or tells the same again and again."""
        pages: list[Page] = []
        start: int = cursor["moved"]
        more = True
        while more:
            asked: dict[str, str | int] = {"start_time": start, "per_page": _CHANGES}
            try:
                answer = self._http.get("/help_center/incremental/articles.json", asked).value
            except HttpRefused as refused:
                if refused.status == 401:
                    raise
                return None
            records = _records(answer, "articles")
            end = max([start, answer.get("end_time") or 0, *map(_moved, records)])
            more = bool(answer.get("next_page"))
            if more and end == start:
                return None
            shown, gone = self._changed(records, stored)
            pages.append(self._page(shown, cursor | {"moved": end}, stored, gone))
            start = end
        return iter(pages)

    def _changed(self, records: Iterable[Json], stored: Stored) -> tuple[list[Json], list[str]]:
        """Changed articles, in every language; and the translations that these have no longer."""
        named = {_doc_id(record): record for record in records}
        before = stored.versions(list(named))
        shown: list[Json] = []
        gone: list[str] = []
        for doc_id, record in named.items():
            if before.get(doc_id, "").startswith(_own_version(record)):
                continue
            locales = self._locales()
            translated = self._translations(record) if len(locales) > 1 else [record]
            shown += translated
            there = {str(one.get("locale")).lower() for one in translated}
            gone += [f"{record['id']}:{locale}" for locale in locales if translated and locale not in there]
        return shown, gone

    def _translations(self, article: Json) -> list[Json]:
        """An article as its lists would show it in each language; none when it was deleted just now."""
        try:
            found = list(self._lists(f"/help_center/articles/{article['id']}/translations.json", "translations"))
        except HttpRefused as refused:
            if refused.status != 404:
                raise
            return []
        return [
            article
            | {name: one.get(name) for name in ("locale", "title", "body", "draft")}
            | {"edited_at": one.get("updated_at")}
            for page in found
            for one in page
        ]

    def _page(self, records: Iterable[Json], cursor: Json, stored: Stored, gone: Iterable[str] = ()) -> Page:
        named = {_doc_id(record): record for record in records}
        versions = stored.versions(list(named))
        fresh: list[Document] = []
        unreadable: list[Unreadable] = []
        for doc_id, record in named.items():
            try:
                document = self._document(record)
            except DocumentError as odd:
                unreadable.append(Unreadable(doc_id, str(odd)))
                continue
            if versions.get(doc_id) != document.version:
                fresh.append(document)
        return Page(fresh, list(named), cursor, list(gone), unreadable)

    def _document(self, record: Json) -> Document:
        around = self._around()
        with known_shape("article"):
            payload, replaced = clean(record)
            for counter in ("vote_sum", "vote_count"):
                payload.pop(counter, None)
            placed = {"path": around.path(record.get("section_id")), "seen_by": around.seen_by(record)}
            payload |= {"doc_id": _doc_id(record), "language": record.get("locale") or "", **placed}
            version = _own_version(record) + fingerprint(placed)[:12]
            return Document(payload["doc_id"], payload, self.neutral(payload).content_hash(), version, replaced)

    def _address(self, payload: Json) -> str:
        """The article in its language; the Help Center may have a host of its own."""
        given = payload.get("html_url") or f"{self._url}/hc/-/articles/{payload['id']}"
        return _ADDRESS.sub(lambda found: f"{found[1]}{payload['language']}{found[2]}", given)

    def _today(self) -> int:
        return int(self._clock() // _DAY)

    # -- what is around articles -----------------------------------------------------------------------------------

    def _around(self) -> _Around:
        """Asked for once. Raises ``HttpRefused`` where there is no Help Center, or it may not be read."""
        if self._known is None:
            categories, sections = self._named("categories"), self._named("sections")
            self._known = _Around(self._spoken(), categories, sections, self._segments())
        return self._known

    def _locales(self) -> tuple[str, ...]:
        """Empty where nobody ever told."""
        return self._around().locales or self._told

    def _named(self, kind: str) -> dict[Any, Json]:
        return {one["id"]: one for page in self._lists(f"/help_center/{kind}.json", kind) for one in page}

    def _spoken(self) -> tuple[str, ...]:
        try:
            locales = self._http.get("/help_center/locales.json").value.get("locales")
        except HttpRefused as refused:
            instead = "articles are read in those known, and what this walk did not see is left as it is"
            self._note(refused, "the Help Center's languages", instead)
            return ()
        spoken: list[Any] = locales if isinstance(locales, list) else []
        return tuple(dict.fromkeys(str(one).lower() for one in spoken if one))

    def _segments(self) -> dict[Any, Visibility]:
        try:
            return {number: _width(one) for number, one in self._named("user_segments").items()}
        except HttpRefused as refused:
            self._note(refused, "user segments", "articles that have one are not for every customer")
            return {}

    def _note(self, refused: HttpRefused, what: str, instead: str) -> None:
        if refused.status not in (403, 404):
            raise refused
        why = "this key may not read" if refused.status == 403 else "this account does not have"
        self.notes.append(f"{why} {what}; {instead}")

    # -- asking ----------------------------------------------------------------------------------------------------

    def _there(self, number: str, locale: str) -> Json | None:
        """An article in a language, or in its own; None where it is not."""
        try:
            record = self._article(number, locale)
            own = record.get("source_locale")
            if not locale and own and own != record.get("locale"):  # shown in the language of whose key it is
                record = self._article(number, own)
            return record
        except HttpRefused as refused:
            if refused.status != 404:
                raise
            return None

    def _article(self, number: str, locale: str) -> Json:
        """Raises ``BadAnswer`` for an answer without one."""
        locale = locale.lower()  # as addresses want it, whatever records say
        path = f"/help_center/{locale}/articles/{number}.json" if locale else f"/help_center/articles/{number}.json"
        record = self._http.get(path).value.get("article")
        if not isinstance(record, dict) or "id" not in record:
            raise BadAnswer("Zendesk fails.", "Its answer holds no article.")
        return record

    def _lists(self, path: str, name: str, params: Mapping[str, str | int] | None = None) -> Iterator[list[Json]]:
        """The records of an address, an answer at a time: by cursor, or by number where it knows no cursors."""
        asked: dict[str, str | int] = {"page[size]": _PER_PAGE, **(params or {})}
        number, more = 1, True
        while more:
            answer = self._http.get(path, asked).value
            yield _records(answer, name)
            paging = answer.get("meta")
            if paging is None:
                number, more = number + 1, bool(answer.get("next_page"))
                asked |= {"page": number, "per_page": _PER_PAGE}
                asked.pop("page[size]", None)
            elif more := bool(paging.get("has_more")):
                asked["page[after]"] = paging["after_cursor"]


def _records(answer: Json, name: str) -> list[Json]:
    """An answer without its list would make all that is stored look deleted. Raises ``SourceUnavailable``."""
    records = answer.get(name)
    if not isinstance(records, list) or not all(isinstance(one, dict) and "id" in one for one in records):
        raise SourceUnavailable("Zendesk fails.", f"Its answer holds no list of {name.replace('_', ' ')}.")
    return records


def _doc_id(record: Json) -> str:
    locale, own = record.get("locale"), record.get("source_locale")
    return f"{record['id']}:{locale}" if locale and own and locale != own else str(record["id"])


def _own_version(record: Json) -> str:
    """Moves with all that an article says of itself."""
    names = ("title", "body", "draft", "section_id", "user_segment_id", "user_segment_ids", "label_names")
    said = fingerprint([record.get(name) for name in names])[:12]
    return f"{record.get('updated_at') or ''} {said} "


def _moved(record: Json) -> int:
    """In seconds since 1970; 0 where it does not tell."""
    try:
        return int(datetime.fromisoformat(record["updated_at"]).timestamp())
    except (KeyError, TypeError, ValueError):
        return 0


def _width(segment: Json) -> Visibility:
    if segment.get("user_type") == "staff":
        return "agents"
    return "some" if any(segment.get(name) for name in _NARROWING) else "customers"
