"""Regulations that are kept outside the workbook: which source a company has, and what is read of it tonight.

Belongs here: the contract of a source, and reading only documents that changed. Does not belong here: any API
(``confluence``, ``google_docs``), or writing tables (``assets/regulations``).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from domain.company import Company
from domain.errors import DocumentError, InputError, SourceRefused
from domain.regulation_documents import DOCUMENTS_VERSION, Document, regulations
from domain.stage import CompanyStore
from resources.companies import Companies

Json = dict[str, Any]
CONFLUENCE_SECRET = "confluence"  # noqa: S105 -- the name under which it is kept
"""The company's secret that holds "email:token"."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document as a listing names it; equal versions have equal content. "" where the source tells none: such a document is
    read every time."""

    id: str
    version: str


class RegulationSource(Protocol):
    """Documents in places. Raises ``SourceRefused`` for a place that may not be read or is not there, and
    ``SourceUnavailable``."""

    made_by: str
    """What its rows depend on besides the documents: its name and version."""

    @property
    def requests(self) -> int:
        """Requests that went out so far."""
        ...

    def listing(self, place: str) -> Sequence[Listed]:
        """All documents of a place, as they are now."""
        ...

    def read(self, category: str, place: str, doc_ids: Sequence[str]) -> Iterator[tuple[str, Document | DocumentError]]:
        """These documents; one that is gone meanwhile is left out."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Collected:
    """What the table is to hold, and by document what was read: {category, place, version, made_by, ids}."""

    rows: dict[str, Json] = field(default_factory=dict[str, Json])
    bad: dict[str, str] = field(default_factory=dict[str, str])
    documents: dict[str, Json] = field(default_factory=dict[str, Json])
    notes: list[str] = field(default_factory=list[str])


def sources_state() -> str:
    """The name of the state that says which documents the regulations were read from."""
    return "regulation documents"


def open_source(companies: Companies, company: Company) -> RegulationSource:
    """The company's source of regulations outside the workbook. Raises ``InputError`` for one that is not set up."""
    kind = company.setting("regulations_from")
    if not company.setting("regulation_places"):
        raise InputError(
            "regulation_places is not set.",
            f"The regulations of {company.id} are to come from {kind}, and it does not say from where.",
            'For example: casebook company set ID regulation_places=\'{"인사": "HR"}\' (docs/regulations.md)',
        )
    if kind == "confluence":
        from resources.confluence import Confluence

        return Confluence(company.setting("regulation_site"), companies.secret(company, name=CONFLUENCE_SECRET))
    from resources.google_docs import GoogleDocs
    from resources.workbook.open import GOOGLE_SECRET

    return GoogleDocs(companies.secret(company, name=GOOGLE_SECRET), companies.settings.google_url)


def collected(
    source: RegulationSource, store: CompanyStore, places: Mapping[str, str], *, full: bool = False
) -> Collected:
    """All regulations of all places: those of documents that changed are read, the others are taken from the table. A place
    that may not be read any more keeps what is stored of it; a document that is gone from its place leaves."""
    known: dict[str, Json] = store.state(sources_state()) or {}
    done = Collected()
    for category, place in places.items():
        of_place = {
            doc_id: said for doc_id, said in known.items() if (said["category"], said["place"]) == (category, place)
        }
        try:
            # A page that belongs to two places counts for the first of them.
            listed = [one for one in source.listing(place) if one.id not in done.documents]
        except SourceRefused as refused:
            done.bad[f"{category} ({place})"] = str(refused)
            done.notes.append(f"{category} ({place}) cannot be read, and is left as it is: {refused}")
            _keep(done, store, of_place)
            continue
        fresh = {
            one.id: of_place[one.id]
            for one in listed
            if not full and one.version and _is_current(of_place.get(one.id), one.version, source.made_by)
        }
        _keep(done, store, fresh)
        _read(done, source, store, (category, place), [one for one in listed if one.id not in fresh], of_place)
    return done


def _is_current(known: Json | None, version: str, made_by: str) -> bool:
    return known is not None and (known["version"], known["made_by"]) == (version, f"{made_by} {DOCUMENTS_VERSION}")


def _keep(done: Collected, store: CompanyStore, documents: Mapping[str, Json]) -> None:
    """Take documents as they are stored. One whose rows are not all there was never stored whole: it is read again."""
    rows = store.get("regulations", [row for said in documents.values() for row in said["ids"]])
    done.rows.update({doc_id: row.payload for doc_id, row in rows.items() if not row.deleted})
    done.documents.update(documents)


def _read(
    done: Collected,
    source: RegulationSource,
    store: CompanyStore,
    where: tuple[str, str],
    listed: Sequence[Listed],
    known: Mapping[str, Json],
) -> None:
    category, place = where
    versions = {one.id: one.version for one in listed}
    for doc_id, read in source.read(category, place, list(versions)):
        if isinstance(read, DocumentError):
            done.bad[doc_id] = str(read)
            _keep(done, store, {doc_id: known[doc_id]} if doc_id in known else {})
            continue
        found = regulations(read)
        done.rows.update({row_id: asdict(one) for row_id, one in found.items()})
        done.documents[doc_id] = {
            "category": category,
            "place": place,
            "version": versions[doc_id],
            "made_by": f"{source.made_by} {DOCUMENTS_VERSION}",
            "ids": list(found),
        }
