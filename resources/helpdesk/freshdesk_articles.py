"""Freshdesk Solutions: categories, folders in folders, articles and their translations.

Belongs here: walking them, and what their fields mean. Does not belong here: tickets, or cutting articles (``domain``).

The API tells nothing of what changed, so a walk reads all; an article that none of its lists shows is gone. That holds
only while all lists could be read, and none shifted under the reading: pages go by number, so whatever is edited or deleted
meanwhile moves the rest. A list of several pages is read until two sweeps agree, and a walk that missed anything proves
nothing gone. Each payload holds what only its folders know: ``path`` (their names) and ``seen_by`` (the strictest of
their visibilities).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.article import Article, Visibility
from domain.errors import DocumentError
from domain.fingerprint import clean, fingerprint
from domain.ticket import Attachment
from resources.helpdesk.base import Document, Json, Page, Span, Stored, Unreadable, known_shape
from resources.helpdesk.fetching import asked_for_alone
from resources.helpdesk.freshdesk_ticket import drop_signed, unsigned, utc
from resources.http import BadAnswer, Http, HttpRefused

VERSION = "freshdesk-articles-1"
_PER_PAGE = 100
_DEEPEST = 10
#: Times that a list of several pages is read, at most, until two sweeps in a row show the same.
_SWEEPS = 5
#: A folder's ``visibility``, from the widest to the strictest.
_VISIBILITIES: dict[int, Visibility] = {1: "everyone", 2: "customers", 4: "some", 3: "agents"}
_STRICTNESS: tuple[Visibility, ...] = tuple(_VISIBILITIES.values())
_DRAFT = 1


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder, and what its articles have from it and from those that it lies in."""

    number: int
    path: tuple[str, ...]
    seen_by: Visibility


@dataclass(slots=True)
class _Found:
    """A folder's documents by their id, and those that are odd."""

    documents: dict[str, Document] = field(default_factory=dict[str, Document])
    unreadable: dict[str, Unreadable] = field(default_factory=dict[str, Unreadable])


@dataclass(frozen=True, slots=True)
class _Languages:
    """The account's own language, and the others it supports. ``known`` is False where nobody told."""

    own: str = ""
    others: tuple[str, ...] = ()
    known: bool = False


class FreshdeskArticles:
    """The knowledge base of one account. A translation is a document of its own: ``ID:LANGUAGE``."""

    made_by = VERSION
    absent_is_gone = True
    absence_is_certain = False  # one may move to a folder that was read already

    def __init__(self, http: Http, url: str, sent: Callable[[], int]) -> None:
        """``sent`` tells how many requests the account's client has sent."""
        self._http, self._url, self._sent = http, url, sent
        self._places: dict[int, _Place] | None = None
        self._is_open = False
        self._missed = False
        """Whether this walk could not read all there is: what it did not show need not be gone."""
        self.notes: list[str] = []

    @property
    def requests(self) -> int:
        return self._sent()

    def pages(self, cursor: Json | None, stored: Stored, span: Span) -> Iterator[Page]:
        """All articles, a folder a page. The cursor holds the account's languages, for when they cannot be read."""
        self._missed = False
        try:
            categories = self._categories()
        except HttpRefused as refused:
            if refused.status not in (403, 404):
                raise
            self.notes.append(f"{refused.lacking} Solutions; the knowledge base is left as it is")
            return
        languages = self._languages(cursor or {})
        cursor = {"languages": [languages.own, *languages.others]} if languages.known else {}
        for place in self._folders(categories):
            if page := self._folder(place, languages, stored, cursor):
                yield page
        yield Page((), (), cursor, walked_all=languages.known and not self._missed)

    def one(self, doc_id: str, kept: Json | None = None) -> Document | None:
        """Fetch an article again; while it lies in the same folder, that is as it was at the last walk. Else, and for one
        that is not stored, all folders are read once. Raises ``DocumentError``."""
        number, _, language = doc_id.partition(":")
        if not number.isdecimal():
            return None
        with asked_for_alone():
            record = self._article(number, language)
            return self._placed(record, kept, language) if record else None

    def neutral(self, payload: Json) -> Article:
        """Raises ``DocumentError`` for a payload that is no article."""
        with known_shape("article"):
            text = payload.get("description_text") or ""
            return Article(
                id=payload["doc_id"],
                title=payload.get("title") or "",
                html=unsigned(payload.get("description")),
                text=text,
                language=payload["language"],
                draft=payload.get("status") == _DRAFT,
                visibility=payload["seen_by"],
                path=tuple(payload["path"]),
                tags=tuple(sorted(map(str, payload.get("tags") or ()))),
                url=f"{self._url}/a/solutions/articles/{payload['id']}",
                created_at=utc(payload.get("created_at")),
                updated_at=utc(payload.get("updated_at")),
                attachments=tuple(
                    Attachment(
                        str(one["id"]), one.get("name") or "", one.get("content_type") or "", one.get("size") or 0
                    )
                    for one in payload.get("attachments") or ()
                ),
            )

    # -- the walk --------------------------------------------------------------------------------------------------

    def _folder(self, place: _Place, languages: _Languages, stored: Stored, cursor: Json) -> Page | None:
        """The articles of a folder in every language; None where they cannot be read."""
        address = f"/solutions/folders/{place.number}/articles"
        try:
            records = self._list(address)
        except (HttpRefused, BadAnswer) as failure:
            self._miss(failure, "articles")
            return None
        found = _Found()
        for record in records:
            self._read(found, record, place, "", languages.own)
        for language in languages.others if records else ():
            self._translations(records, place, language, stored, found)
        versions = stored.versions(list(found.documents))
        fresh = [one for doc_id, one in found.documents.items() if versions.get(doc_id) != one.version]
        return Page(fresh, [*found.documents, *found.unreadable], cursor, (), list(found.unreadable.values()))

    def _translations(
        self, records: Iterable[Json], place: _Place, language: str, stored: Stored, found: _Found
    ) -> None:
        """A folder's articles in a language. Not every account, and not every folder, has translations; where the list is
        not to be had, those that are stored are asked for one by one."""
        try:
            for record in self._list(f"/solutions/folders/{place.number}/articles/{language}"):
                self._read(found, record, place, language, language)
            return
        except (HttpRefused, BadAnswer) as failure:
            if not _has_none(failure):
                self._miss(failure, "translations")
                return
        for doc_id in stored.payloads([f"{record['id']}:{language}" for record in records]):
            try:
                translated = self._article(doc_id.partition(":")[0], language)
            except (HttpRefused, BadAnswer) as failure:
                self._miss(failure, "translations")
                return
            if translated:
                self._read(found, translated, place, language, language)

    def _read(self, found: _Found, record: Json, place: _Place, suffix: str, language: str) -> None:
        doc_id = _doc_id(record, suffix)
        try:
            found.documents[doc_id] = self._document(record, place, suffix, language)
        except DocumentError as odd:
            found.unreadable[doc_id] = Unreadable(doc_id, str(odd))

    def _folders(self, categories: Iterable[Json]) -> Iterator[_Place]:
        """All folders, each before those inside it."""
        for category in categories:
            above = _Place(0, (str(category.get("name") or ""),), "everyone")
            try:
                folders = self._list(f"/solutions/categories/{category['id']}/folders")
            except (HttpRefused, BadAnswer) as failure:
                self._miss(failure, "folders")
                continue
            for folder in folders:
                if not folder.get("parent_folder_id"):
                    yield from self._below(above, folder)

    def _below(self, above: _Place, folder: Json) -> Iterator[_Place]:
        """A folder and all inside it."""
        place = _inside(above, folder)
        yield place
        inner = folder.get("sub_folders_count")
        if inner == 0 or len(place.path) > _DEEPEST:  # deeper than anybody nests: a folder inside itself
            return
        try:
            folders = self._list(f"/solutions/folders/{place.number}/subfolders")
        except (HttpRefused, BadAnswer) as failure:
            if inner is not None or not _has_none(failure):  # older accounts know no subfolders, and count none
                self._miss(failure, "folders")
            return
        for one in folders:
            yield from self._below(place, one)

    def _languages(self, before: Json) -> _Languages:
        """As the account tells; else as it told before. Raises ``BadAnswer``: failing is not having none."""
        why = "Freshdesk does not tell"
        try:
            settings = self._http.get("/settings/helpdesk").value
            own, others = settings.get("primary_language"), settings.get("supported_languages")
            if isinstance(own, str) and isinstance(others, list):
                spoken: list[Any] = others
                return _Languages(own, tuple(dict.fromkeys(str(one) for one in spoken if one and one != own)), True)
        except HttpRefused as refused:
            if refused.status == 401:
                raise
            why = "this key may not read" if refused.status == 403 else why
        if known := before.get("languages"):
            self.notes.append(f"{why} the account's languages; articles are read in those that it told before")
            return _Languages(known[0], tuple(known[1:]), True)
        self.notes.append(
            f"{why} the account's languages; articles are read in its own, and what this walk did not see is left as it is"
        )
        return _Languages()

    def _miss(self, failure: HttpRefused | BadAnswer, what: str) -> None:
        """Something is there, or may be, that this walk does not see. Raises ``HttpRefused`` where the key is refused."""
        if isinstance(failure, HttpRefused) and failure.status == 401:
            raise failure
        self._miss_some(f"some {what} of the knowledge base cannot be read")

    def _miss_some(self, why: str) -> None:
        self._missed = True
        note = f"{why}; what this walk did not see is left as it is"
        if note not in self.notes:
            self.notes.append(note)

    # -- one article -----------------------------------------------------------------------------------------------

    def _article(self, number: str, language: str) -> Json | None:
        """None where there is none, though Solutions can be read. Raises ``BadAnswer`` for an answer without one."""
        try:
            record = self._http.get(f"/solutions/articles/{number}{f'/{language}' if language else ''}").value
            if isinstance(record.get("id"), int):
                return record
            raise BadAnswer("Freshdesk fails.", "Its answer holds no article.")
        except HttpRefused as refused:
            if refused.status != 404:
                raise
        self._is_open = self._is_open or bool(self._categories())
        return None

    def _placed(self, record: Json, kept: Json | None, language: str) -> Document:
        folder = record.get("folder_id")
        if kept and kept.get("folder_id") == folder:
            place = _Place(0, tuple(kept["path"]), kept["seen_by"])
            return self._document(record, place, language, kept["language"])
        if self._places is None:
            self._places = {place.number: place for place in self._folders(self._categories())}
        if not isinstance(folder, int) or folder not in self._places:
            raise DocumentError("The article's folder cannot be found.", "Who may see it is not to be guessed.")
        own = "" if language else self._languages({}).own
        return self._document(record, self._places[folder], language, language or own)

    def _document(self, record: Json, place: _Place, suffix: str, language: str) -> Document:
        with known_shape("article"):
            doc_id = _doc_id(record, suffix)
            payload, replaced = clean(record)
            drop_signed(payload)
            for counter in ("hits", "thumbs_up", "thumbs_down", "feedback_count"):
                payload.pop(counter, None)
            payload |= {"doc_id": doc_id, "path": [*place.path], "seen_by": place.seen_by, "language": language}
            # Moves with every touch, and with what the folders and the settings say.
            said = fingerprint([payload["path"], place.seen_by, record.get("status"), language])[:12]
            version = f"{record.get('updated_at') or ''} {said}"
            return Document(doc_id, payload, self.neutral(payload).content_hash(), version, replaced)

    # -- asking ----------------------------------------------------------------------------------------------------

    def _categories(self) -> list[Json]:
        return self._list("/solutions/categories")

    def _list(self, path: str) -> list[Json]:
        """The records of an address, each once: swept again where they fill several pages, until two sweeps show the
        same. Whatever slipped through one sweep makes the next another one."""
        before: Mapping[int, Json] = {}
        for _ in range(_SWEEPS):
            records, is_one_page = self._sweep(path)
            if is_one_page or records.keys() == before.keys():
                return list(records.values())
            before = records
        self._miss_some("a list of the knowledge base kept changing while it was read")
        return list(before.values())

    def _sweep(self, path: str) -> tuple[dict[int, Json], bool]:
        """The records by their number, and whether one page holds them."""
        found: dict[int, Json] = {}
        page, more = 1, True
        while more:
            answer = self._http.get(path, {"per_page": _PER_PAGE, "page": page}, shape=list)
            known = len(found)
            for one in answer.value:
                if isinstance(one, dict) and isinstance(one.get("id"), int):
                    found[one["id"]] = one
                else:
                    self._miss_some("something in the knowledge base has no number")  # to be queued under
            more = len(found) > known and (answer.more or len(answer.value) >= _PER_PAGE)
            page += 1
        return found, page == 2


def _inside(above: _Place, folder: Json) -> _Place:
    """A visibility that is not known is a restriction all the same."""
    shown = folder.get("visibility")
    own: Visibility = _VISIBILITIES.get(shown, "some") if isinstance(shown, int) else "some"
    both: tuple[Visibility, ...] = (above.seen_by, own)
    seen_by = max(both, key=_STRICTNESS.index)
    return _Place(folder["id"], (*above.path, str(folder.get("name") or "")), seen_by)


def _has_none(failure: HttpRefused | BadAnswer) -> bool:
    """Whether a refusal says that there is nothing of this kind."""
    return isinstance(failure, HttpRefused) and failure.status in (400, 404)


def _doc_id(record: Json, suffix: str) -> str:
    return f"{record['id']}:{suffix}" if suffix else str(record["id"])
