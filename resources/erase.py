"""Erasing for good: documents that are to be forgotten, or a whole company; and the search of all stores that proves it.

Belongs here: which stores there are, in which order they are erased, and what is looked for afterwards. Does not belong
here: how one store erases (each does it itself), the list that keeps a sync from bringing things back
(``domain/forgotten``), or asking whether it is meant (``pipelines/cli``).

What rows say is erased in one transaction, together with the list and a mark that the rest is still to be done. All the
rest (index, files, caches) is made anew from the rows, so that the same command, said again after a crash, ends the job.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import orjson
import pyarrow.parquet as pq
import sqlalchemy as sa

from domain.company import Company, CompanyId
from domain.errors import DocumentError, InputError
from domain.feedback import Vote
from domain.forgotten import Forgotten, address, digest, keys, kind_of, requester_key, writes
from domain.mail_text import html_text
from domain.stage import COLLECTIONS, DataType
from domain.ticket import Person
from resources import audit
from resources.cache.base import open_cache
from resources.clock import utc_now
from resources.companies import Companies
from resources.helpdesk.collect import names_state
from resources.helpdesk.platforms import connect
from resources.progress import read_progress, remove_progress
from resources.published import PublishedTable, Publisher, type_of_file
from resources.settings import Settings
from resources.storage import schema
from resources.storage.sql import SqlCompanyStore
from resources.storage.sqlite import explained
from resources.vector_index.base import Filters, Published, VectorIndex, Writer, open_index

Ids = Mapping[DataType, Sequence[str]]
"""Documents of every type: a ticket and an article may have one id."""

_RAW: Mapping[DataType, str] = {"ticket": "raw_tickets", "kb": "raw_kb"}
_TOLD: Mapping[DataType, tuple[str, ...]] = {"ticket": ("raw_tickets", "ticket_ratings"), "kb": ("raw_kb",)}
"""The tables that hold the source's own words."""
_PENDING = "forget is not finished"
"""A state: the documents that were erased from the tables, and that may still be in the index or in files, by what they
are called ("documents", "articles"); else False."""
_POINT_FIELDS = ("doc_id", "summary", "original_data", "title", "path", "text")
_LAST = "last forget"
"""A state: the run that last forgot anything. An index's mark says which one that index knows."""
_TEXT = re.compile(r'[^\s"\\{}\[\]:,<>&\x00-\x1f][^"\\<>&\x00-\x1f]{23,39}')
"""A piece of text as JSON, HTML and Postgres's JSONB all write it."""
_MOST_TEXTS, _TRIED_EACH = 12, 10
_WINDOW = 1 << 20
"""Bytes of a file that are looked at together."""
_QUOTED = 15
"""Characters from which on a question that stands in a text quotes it; shorter ones are anybody's words."""
_CHUNK = 500
OUT_OF_REACH = (
    "backups and snapshots of the storage, the index and the published files",
    "files at a provider of models, where one was used (kept there for as long as its terms say)",
    "the helpdesk itself, or the export: there it is as it was",
    "the workbook itself, where there is one: after a forget its rows of conversations go with the next sync, and the copy "
    "that this one reads of them with the one after; what people wrote there is theirs to delete. After a removal 대화이력, "
    "대화이력_보관 and 운영로그 still hold all conversations",
    "copies that people made: exports, results of searches",
)
_OTHER_HOMES = (
    "index and published files in the homes of other machines on the same database: after a forget until the next sync "
    "of the company there, after a removal until somebody deletes its folders by hand"
)
_FOUND = "texts"
"""In that state: texts that a run looked for that was not clean, for the next one; they go with what they are texts of."""
_CUT_OFF = "texts of documents that an earlier, unfinished run erased: they were looked for by their ids only"
_DAGSTER = "Dagster's history: ids and counts, no text"
_LOGS = "progress/*.log: the company's id and counts, no text; they are overwritten in time"


@dataclass(frozen=True, slots=True)
class Chosen:
    """What somebody asks to forget: documents of a type, digests by their kind, and texts that only those documents have;
    ``user`` is who asked in a chat, by an address or the chat's own id. ``mentioned`` are other tickets,
    ``mentioned_articles`` articles, in which the requester's address stands."""

    documents: list[str]
    data_type: DataType
    digests: dict[str, list[str]]
    mentioned: list[str] = field(default_factory=list[str])
    mentioned_articles: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])
    user: str = ""

    def is_user(self, user_id: str) -> bool:
        """Whether it is the id of that user."""
        return bool(self.user) and self.user in (user_id.strip(), address(user_id))


@dataclass(frozen=True, slots=True)
class Left:
    """What the search afterwards found in one store: 0, or how much and where."""

    store: str
    left: int
    places: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased and what the search found; ``texts`` is how many texts were looked for beside the ids."""

    company: str
    documents: int
    mentioned: list[str]
    texts: int
    proof: list[Left]
    out_of_reach: list[str]
    counts: dict[str, int] = field(default_factory=dict[str, int])
    mentioned_articles: list[str] = field(default_factory=list[str])

    @property
    def is_clean(self) -> bool:
        return not any(store.left for store in self.proof)


# --- documents --------------------------------------------------------------------------------------------------------


def choose(
    companies: Companies,
    company: Company,
    doc_ids: Sequence[str],
    requester: str,
    data_type: DataType = "ticket",
    user: str = "",
) -> Chosen:
    """What would be forgotten. Raises ``InputError`` for a document that is neither here nor forgotten, and for a user of
    whom nothing is here."""
    with companies.store(company.id) as store:
        return _choose(store, company, doc_ids, requester, data_type, user)


def forget(
    settings: Settings,
    company: Company,
    published: Sequence[PublishedTable],
    doc_ids: Sequence[str],
    requester: str = "",
    data_type: DataType = "ticket",
    user: str = "",
) -> Erased:
    """Erase documents of a type, or all tickets of a requester with what they asked in a chat, or what a chat's user asked,
    from every store, and search all stores for them afterwards.

    ``published`` are the tables that have Parquet files. Raises ``CompanyBusy`` while a sync runs, ``InputError`` for an
    unknown document, ``StorageError`` when a store cannot be erased: then the same command goes on.
    """
    companies = Companies(settings)
    index = open_index(settings, company)
    now = utc_now()
    with companies.lock(company.id, "forget") as open_store:
        with open_store() as store:
            chosen = _choose(store, company, doc_ids, requester, data_type, user)
            by = _asked_by(company, chosen, requester)
            with companies.storage.registry(company.id) as db:
                audit.record(db, settings, company.id, "forgotten", f"{len(chosen.documents)} documents, by {by}")
            documents = _begun(store)
            is_cut_off = any(documents.values()) and not _found(store)
            documents[data_type].update(chosen.documents)
            erased = _erase_rows(store, chosen, address(requester), now)
            if store.state(_PENDING):
                _erase_files(settings, index, store, published)
        open_cache(settings).forget(company.id)
        unreachable = companies.storage.scrub(company.id)
        with open_store() as store:
            proof = _proof(settings, index, store, erased, chosen, address(requester))
            result = Erased(
                company.id,
                sum(map(len, documents.values())),
                chosen.mentioned,
                len(chosen.texts),
                proof,
                [*_beyond(settings), *unreachable, _DAGSTER, *([_CUT_OFF] if is_cut_off else [])],
                mentioned_articles=chosen.mentioned_articles,
            )
            pending: Mapping[str, Any] = store.state(_PENDING) or {}
            kept = {} if result.is_clean else {**pending, **({_FOUND: chosen.texts} if chosen.texts else {})}
            if kept != pending:
                with store.begin(_run_id(), now) as write:
                    write.save_state(_PENDING, kept or False)
    return result


def allow_again(
    settings: Settings,
    company: Company,
    doc_ids: Sequence[str],
    requester: str = "",
    data_type: DataType = "ticket",
) -> int:
    """Take documents of a type, or a requester with all that was forgotten for them, off the list; the next sync that
    meets them takes them in. Returns how many entries were on it. What was erased stays erased."""
    companies = Companies(settings)
    wanted = [digest(company.id, kind_of(data_type), doc_id) for doc_id in doc_ids]
    wanted += [digest(company.id, "requester", requester_key(requester))] if requester else []
    with companies.lock(company.id, "forget") as open_store, open_store() as store:
        if not store.forgotten().keys() & set(wanted):
            return 0
        with companies.storage.registry(company.id) as db:
            audit.record(db, settings, company.id, "allowed again", " ".join(one[:12] for one in wanted))
        with store.begin(_run_id(), utc_now()) as write:
            return write.allow(wanted)


def publish(index: VectorIndex, store: SqlCompanyStore, writer: Writer, data_type: DataType) -> Published:
    """Bring a collection of this index up to date, as a sync does. Where something was forgotten since, by whichever home,
    the whole index is filled anew and what is older goes: it would keep what was forgotten."""
    last = store.state(_LAST)
    behind = bool(last) and index.mark() != last
    published = writer.publish(store, COLLECTIONS[data_type], anew=behind)
    if behind:
        for other, table in COLLECTIONS.items():
            if other != data_type:
                index.rewrite(other, store, table)
            index.drop_leftovers(other)
        index.keep_mark(last)
    return published


def _beyond(settings: Settings) -> list[str]:
    return [*OUT_OF_REACH, *([_OTHER_HOMES] if settings.storage != "file" else [])]


def _asked_by(company: Company, chosen: Chosen, requester: str) -> str:
    """Who or what is forgotten, as the audit log says it."""
    if requester:
        return "requester"
    if chosen.user:
        return f"user {digest(company.id, 'requester', requester_key(chosen.user))[:12]}"
    kind = kind_of(chosen.data_type)
    return f"{kind} {' '.join(one[:12] for one in chosen.digests[kind])}"


def _run_id() -> str:
    return f"forget-{uuid4().hex[:12]}"


def _choose(
    store: SqlCompanyStore,
    company: Company,
    doc_ids: Sequence[str],
    requester: str,
    data_type: DataType,
    user: str = "",
) -> Chosen:
    digests: dict[str, list[str]] = {}
    mentioned: list[str] = []
    articles: list[str] = []
    because = ""
    documents = sorted(set(doc_ids))
    if requester:
        documents, known = _of_requester(store, company, requester)
        mentioned = sorted(_writing(store, "ticket", address(requester)) - set(documents))
        articles = sorted(_writing(store, "kb", address(requester)))
        asked = digest(company.id, "requester", requester_key(requester))
        because = f" of {asked}"  # so that all of it can be allowed again at once
        others = {digest(company.id, "requester", key) for key in known} - {asked}
        digests |= {"requester": [asked], f"requester{because}": sorted(others)}
    else:
        _check_known(store, documents, data_type)
    kind = kind_of(data_type)
    digests[f"{kind}{because}"] = [digest(company.id, kind, doc_id) for doc_id in documents]
    texts = list(dict.fromkeys([*_only_theirs(store, documents, data_type), *_found(store)]))
    who = address(requester) or address(user) or user.strip()
    chosen = Chosen(documents, data_type, digests, mentioned, articles, texts, who)
    if user and not any(store.of_user(chosen.is_user).values()) and not store.state(_PENDING):
        raise InputError(f"no chat user {user!r}.", "Casebook has nothing of theirs, so there is nothing to erase.")
    return chosen


def _check_known(store: SqlCompanyStore, documents: Sequence[str], data_type: DataType) -> None:
    """Raises ``InputError`` for a document that is neither here nor forgotten, and says so if it is one of another type."""
    # Tombstones are known too: an old copy may lie somewhere.
    there = store.named(data_type) | store.heads(_RAW[data_type], documents).keys()
    listed = Forgotten(store.company, store.forgotten(), data_type)
    unknown = [doc_id for doc_id in documents if doc_id not in there and not listed.document(doc_id)]
    if not unknown:
        return
    elsewhere = [other for other in _RAW if other != data_type and unknown[0] in store.named(other)]
    raise InputError(
        f"no {kind_of(data_type)} {unknown[0]!r}.",
        "Casebook has nothing of it, so there is nothing to erase.",
        "".join(f"There is one of another type: say --in {other} if you mean that." for other in elsewhere),
    )


def _of_requester(store: SqlCompanyStore, company: Company, requester: str) -> tuple[list[str], set[str]]:
    """Their tickets, and the keys that they are known by.

    A helpdesk's id of a person stays when the address changes: tickets of the same id are theirs, too.
    """
    wanted = requester_key(requester)
    people = dict(_people(store, connect(company, "").neutral))
    known = {wanted}
    for found in map(keys, people.values()):
        if wanted in found:
            known.update(key for key in found if key.startswith("id "))
    return sorted(doc_id for doc_id, person in people.items() if not known.isdisjoint(keys(person))), known


def _writing(store: SqlCompanyStore, data_type: DataType, written: str) -> set[str]:
    """The documents of a type that hold an address."""
    return {
        doc_id
        for table in (_TOLD[data_type] if written else ())
        for doc_id, text in _payloads(store, table)
        if written in text.casefold()
    }


def _people(store: SqlCompanyStore, neutral: Callable[[Any], Any]) -> Iterator[tuple[str, Person]]:
    for doc_id, text in _payloads(store, _RAW["ticket"]):
        try:
            yield doc_id, neutral(orjson.loads(text)).requester
        except DocumentError:  # of a shape that no adapter knows any more: named where it holds the address
            continue


def _payloads(store: SqlCompanyStore, table: str) -> Iterator[tuple[str, str]]:
    for batch in store.scan(table):
        yield from zip(batch.column("doc_id").to_pylist(), batch.column("payload").to_pylist(), strict=True)


def _only_theirs(store: SqlCompanyStore, documents: Sequence[str], data_type: DataType) -> list[str]:
    """Some texts that stand in these documents, in no other of any type, and not in the account's own names (of its
    groups, for example), to look for when they are erased."""
    theirs = set(documents)
    ranked: list[tuple[int, str]] = []
    for table in _TOLD[data_type]:
        for row in store.get(table, documents[:_MOST_TEXTS]).values():
            found = list(dict.fromkeys(_TEXT.findall(orjson.dumps(row.payload).decode()))) if row.payload else []
            # From all over it: some of it is said in all tickets.
            ranked += enumerate(found[:: 1 + len(found) // _TRIED_EACH])
    tried = dict.fromkeys(text for _, text in sorted(ranked))
    for said in _said_elsewhere(store, theirs, data_type) if tried else ():
        folded = said.casefold()
        tried = {text: None for text in tried if text.casefold() not in folded}
    return list(tried)[:_MOST_TEXTS]


def _said_elsewhere(store: SqlCompanyStore, theirs: set[str], data_type: DataType) -> Iterator[str]:
    yield orjson.dumps(store.state(names_state())).decode()
    for other, tables in _TOLD.items():
        for table in tables:
            yield from (text for doc_id, text in _payloads(store, table) if other != data_type or doc_id not in theirs)


def _begun(store: SqlCompanyStore) -> dict[DataType, set[str]]:
    """The documents of earlier runs that did not come to their end."""
    pending = store.state(_PENDING)
    kept: Mapping[str, list[str]] = pending if isinstance(pending, dict) else {}
    return {data_type: set(kept.get(f"{kind_of(data_type)}s", ())) for data_type in _RAW}


def _found(store: SqlCompanyStore) -> list[str]:
    """The texts that a run looked for and that was not clean."""
    pending = store.state(_PENDING)
    kept: Mapping[str, list[str]] = pending if isinstance(pending, dict) else {}
    return kept.get(_FOUND, [])


def _erase_rows(store: SqlCompanyStore, chosen: Chosen, written: str, now: str) -> Ids:
    """Everything on the list, what an earlier forget may have left included; returns the ids that were looked for.
    ``written`` is the requester's address, "" where none was said."""
    asked = dict.fromkeys((one for ones in chosen.digests.values() for one in ones), now)
    digests = store.forgotten() | asked
    people = Forgotten(store.company, digests)

    def is_theirs(vote: Vote) -> bool:
        said = f"{vote.user_id or ''} {vote.feedback_text or ''}"
        return people.vote_of(vote.user_id or "", vote.created_at) or writes(written, said)

    told = _told_in(store, chosen)

    def says(said: str) -> bool:
        """Whether a question tells something of them: an address, a text of theirs, or words that stand in such a text."""
        if writes(written, said) or _says(said.encode(), chosen.texts):
            return True
        asked_for = " ".join(said.split()).casefold()
        return len(asked_for) >= _QUOTED and asked_for in told

    known = _begun(store)
    known[chosen.data_type].update(chosen.documents)
    for data_type, doc_ids in known.items():
        listed = Forgotten(store.company, digests, data_type)
        doc_ids.update(doc_id for doc_id in store.named(data_type) if listed.document(doc_id))
    erased: Ids = {data_type: sorted(doc_ids) for data_type, doc_ids in known.items()}
    is_new = not asked.keys() <= store.forgotten().keys()
    is_asked = is_new or "requester" in chosen.digests or bool(chosen.user) or bool(_found(store))
    if is_asked or any(_traces(store, erased, ()).values()):
        with store.begin(_run_id(), now) as write:
            for kind, ones in chosen.digests.items():
                write.forget(ones, kind)
            for data_type, doc_ids in erased.items():
                write.erase(doc_ids, is_theirs, data_type, says, chosen.is_user)
            write.save_state(_PENDING, {f"{kind_of(data_type)}s": doc_ids for data_type, doc_ids in erased.items()})
            write.save_state(_LAST, uuid4().hex)
    return erased


def _told_in(store: SqlCompanyStore, chosen: Chosen) -> str:
    """All that is said in the documents, in one text that is looked through for what people asked with their words."""
    found: list[str] = []
    for table in _TOLD[chosen.data_type]:
        for chunk in range(0, len(chosen.documents), _CHUNK):
            rows = store.get(table, chosen.documents[chunk : chunk + _CHUNK]).values()
            found += [text for row in rows for text in _texts_in(row.payload)]
    return "\n".join(" ".join(text.split()) for text in found).casefold()


def _texts_in(value: Any) -> Iterator[str]:
    """Every text of a JSON value, HTML as it is read."""
    if isinstance(value, str):
        yield html_text(value) if "<" in value else value
    elif isinstance(value, Mapping):
        for one in cast("Mapping[str, Any]", value).values():
            yield from _texts_in(one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _texts_in(one)


def _erase_files(
    settings: Settings, index: VectorIndex, store: SqlCompanyStore, published: Sequence[PublishedTable]
) -> None:
    for data_type, table in COLLECTIONS.items():
        index.rewrite(data_type, store, table)
    if last := store.state(_LAST):
        index.keep_mark(last)
    for folder in _published(settings, store.company):
        for draft in (folder.resolve()).rglob(".*.new"):
            draft.unlink()
    publisher = Publisher(settings.root, store)
    for table in published:
        if (publisher.root / table.kind / table.name / f"company_id={store.company}").exists():
            publisher.publish(table)


# --- the proof --------------------------------------------------------------------------------------------------------


def _proof(
    settings: Settings, index: VectorIndex, store: SqlCompanyStore, erased: Ids, chosen: Chosen, written: str
) -> list[Left]:
    """What is left of documents and of texts, of an address in rows that are of no document, and of a chat's user."""
    texts = chosen.texts
    traces = _traces(store, erased, texts, partial(writes, written))
    traces.update(store.of_user(chosen.is_user) if chosen.user else {})
    parquet = [path for folder in _published(settings, store.company) for path in folder.resolve().rglob("*.parquet")]
    return [
        *(_left(table, {"rows": rows}) for table, rows in traces.items()),
        _left("index", _in_index(index, erased, texts)),
        _left(
            "published files",
            {str(path): _in_parquet(path, set(erased[type_of_file(path)]), texts) for path in parquet},
        ),
        _left("older copy", _older_copies(settings, store.company)),
        _left("bytes of files", {str(path): _in_bytes(path, texts) for path in _files(settings, store.company)}),
        Left("cache", 0),  # it has ended every reader's and writer's generation, or would have raised
    ]


def _traces(
    store: SqlCompanyStore,
    documents: Ids,
    texts: Sequence[str],
    says: Callable[[str], bool] = lambda text: False,
) -> Counter[str]:
    """How many rows of each table hold anything of these documents, or one of these texts (``SqlCompanyStore.traces``)."""
    found = Counter(store.traces((), texts, says))
    for data_type, doc_ids in documents.items():
        found.update(store.traces(doc_ids, (), data_type=data_type))
    return found


def _older_copies(settings: Settings, company: CompanyId) -> dict[str, int]:
    """Rows in files, of the time before they moved to a database: nobody erases in them, so they must go."""
    if settings.storage == "file":
        return {}
    return {str(path): 1 for path in settings.company_folder(company).glob("casebook.sqlite*")}


def _left(store: str, found: Mapping[str, int]) -> Left:
    places = [f"{place}: {count}" for place, count in found.items() if count]
    return Left(store, sum(found.values()), places)


def _in_index(index: VectorIndex, erased: Ids, texts: Sequence[str]) -> dict[str, int]:
    """Points in the live collections, and whatever lies beside them."""
    found: dict[str, int] = {}
    for data_type in COLLECTIONS:
        found |= dict.fromkeys(index.leftovers(data_type), 1)
        if any(built.is_live for built in index.built(data_type)):
            gone = set(erased.get(data_type, ()))
            points = index.reader(data_type).current().payloads(_POINT_FIELDS, Filters())
            called = f"{kind_of(data_type)}s" if data_type in _RAW else f"{data_type} rows"
            found[f"points of {called}"] = sum(
                point["doc_id"] in gone or _says(orjson.dumps(point), texts) for point in points
            )
    return found


def _says(content: bytes, texts: Sequence[str]) -> bool:
    return any(content.find(text.encode()) >= 0 for text in texts)


def _in_parquet(path: Path, doc_ids: set[str], texts: Sequence[str]) -> int:
    """Rows; its bytes are packed and tell nothing."""
    rows = pq.ParquetFile(path).read(["doc_id", "payload"]).to_pylist()
    return sum(row["doc_id"] in doc_ids or _says(row["payload"].encode(), texts) for row in rows)


def _in_bytes(path: Path, texts: Sequence[str]) -> int:
    """Every byte is read: a file system may call a hole what a program has written into its map (OpenZFS #11900). An index
    is mostly zeros, which are searched once instead of for each text; no text has any."""
    wanted = [text.encode() for text in texts]
    if not wanted:
        return 0
    overlap, end = max(map(len, wanted)) - 1, b""
    try:
        with path.open("rb") as file:
            while window := file.read(_WINDOW):
                content = end + window
                if content.count(0) < len(content) and any(text in content for text in wanted):
                    return 1
                end = content[-overlap:] if overlap else b""
    except FileNotFoundError:  # Dagster's own files come and go
        pass
    return 0


def _files(settings: Settings, company: CompanyId) -> list[Path]:
    """Every file under the home but those of other companies."""
    own = [settings.company_folder(company), *_published(settings, company)]
    shared = [settings.root / name for name in ("cache", "dagster", "locks", "logs", "progress")]
    found = [path for path in settings.root.iterdir() if path.is_file()]
    found += [path for folder in (*own, *shared) for path in folder.resolve().rglob("*") if path.is_file()]
    return sorted(set(found))


def _published(settings: Settings, company: CompanyId) -> list[Path]:
    return list((settings.root / "published").glob(f"*/*/company_id={company}"))


# --- a whole company --------------------------------------------------------------------------------------------------


def remove(settings: Settings, company: Company) -> Erased:
    """Erase a company (``Companies.remove``) and search all stores for it afterwards. Raises as that does."""
    companies = Companies(settings)
    with companies.store(company.id) as store:
        counts = {table: store.count(table) for table in schema.stages}
    index = open_index(settings, company)
    links = [str(link.resolve()) for link in _published(settings, company.id) if link.is_symlink()]
    with explained(settings.root / "progress"):
        remove_progress(settings.root, company.id)
    companies.remove(company)
    open_cache(settings).forget(company.id)
    unreachable = companies.storage.scrub(company.id)
    proof = [
        *(*_rows_left(companies, company.id), *_files_left(settings, company.id)),
        *(_left("index", dict.fromkeys(index.remains(), 1)), Left("cache", 0)),
    ]
    beyond = [
        *(f"{target}: a link led there, and other things may lie in it" for target in links),
        *_beyond(settings), *unreachable, f"{_DAGSTER}; its sensor removes the partition", _LOGS,
        "the audit log: it outlives a company",
    ]  # fmt: skip
    return Erased(company.id, sum(counts[table] for table in _RAW.values()), [], 0, proof, beyond, counts)


def _rows_left(companies: Companies, company: CompanyId) -> list[Left]:
    tables = [schema.companies, schema.company_secrets]
    if companies.settings.storage != "file":  # else their file is gone, which is looked at as a file
        tables += schema.store.sorted_tables
    with companies.storage.registry(company) as db:
        return [
            _left(
                table.name,
                {
                    "rows": db.execute(
                        sa.select(sa.func.count()).select_from(table).where(table.c.company_id == company)
                    ).scalar_one()
                },
            )
            for table in tables
        ]


def _files_left(settings: Settings, company: CompanyId) -> list[Left]:
    places = {
        "company's folder": [settings.company_folder(company)],
        "published files": _published(settings, company),
        "lock": list((settings.root / "locks").glob(f"{company}.*")) if settings.storage == "file" else [],
    }
    return [
        _left(name, {str(path): 1 for path in paths if path.exists() or path.is_symlink()})
        for name, paths in places.items()
    ] + [Left("progress", int(read_progress(settings.root, company, is_free=True) is not None))]
