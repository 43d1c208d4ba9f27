"""From a source's pages into its raw table: every page committed with the cursor that follows it.

Belongs here: what happens to a page (new, touched, unreadable, gone), slices of a long walk, the stop before a mass
deletion. Does not belong here: how a platform is walked (its adapter), which ids vanished without a trace (``audit``), or
what a document means (``domain``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, cast

from domain.derive import due_again
from domain.errors import CasebookError, DocumentError, InputError
from domain.forgotten import Forgotten, digest
from domain.replace import GONE_COUNT, GONE_SHARE
from domain.stage import ATTACHMENTS, NEVER, CompanyStore, DataType, Put, Report, Transaction
from resources.helpdesk.audit import Audit
from resources.helpdesk.base import Articles, Document, Json, Page, Span, Tickets

_TABLES: dict[DataType, str] = {"ticket": "raw_tickets", "kb": "raw_kb"}


@dataclass(frozen=True, slots=True)
class Walk:
    """What a run asks for: ``full`` walks everything again and audits all ids; ``only`` fetches one document; ``since``
    and ``until`` (ISO 8601 UTC, both included, "" for no bound) take what changed between them and leave the company's own
    place alone; ``accept_deletions`` is how many deletions at once a person has agreed to; ``most`` ends the run after
    about so many fetched documents, to go on in the next."""

    full: bool = False
    only: str = ""
    accept_deletions: int = 0
    since: str = ""
    until: str = ""
    most: int | None = None

    @property
    def is_range(self) -> bool:
        return bool(self.since or self.until)


class Collection:
    """One walk over one company's tickets, or over its articles."""

    def __init__(
        self,
        source: Tickets | Articles,
        store: CompanyStore,
        run_id: str,
        now: str,
        progress: Callable[[Report], None] = lambda report: None,
        data_type: DataType = "ticket",
    ) -> None:
        self.source = source
        self.store = store
        self.run_id = run_id
        self.now = now
        self.progress = progress
        self.data_type: DataType = data_type
        self.table = _TABLES[data_type]
        self.report = Report()
        self.replaced = 0
        self.fetched = self.sent = 0
        self.forgotten = Forgotten(store.company, store.forgotten(), data_type)
        self.left_out: set[str] = set()
        """Documents that the source shows and that were forgotten here."""
        self.of_requester: dict[str, str] = {}
        """Of those, the ones that nobody listed by their own id yet, with the digest of their requester."""
        self.vanished: set[str] = set()
        """Waiting documents that the source no longer has."""
        self.place = _Place(self)
        self._gone_state, self._more_state = f"{self.table} gone", f"{self.table} more"

    def run(self, walk: Walk) -> Report:
        """Bring the raw table up to date. Raises ``SourceError`` when the source fails or refuses as a whole, and
        ``CasebookError`` before too many deletions; what was committed before stays, the next run goes on from there."""
        started, self.sent = perf_counter(), self.source.requests
        self._give_names()
        try:
            if walk.only:
                self._fetch_only(walk.only)
            else:
                self._fetch_due()
                self._walk(walk)
        finally:
            self.report.requests = self.source.requests - self.sent
            self.report.seconds = perf_counter() - started
        self.report.notes += dict.fromkeys(self.source.notes)
        if self.replaced:
            self.report.notes.append(f"{self.replaced} characters that no store takes became U+FFFD")
        if self.left_out:
            self.report.notes.append(f"{len(self.left_out)} documents were left out: they are to stay forgotten")
        return self.report

    # -- the walk --------------------------------------------------------------------------------------------------

    def _walk(self, walk: Walk) -> None:
        audit = self._audit()
        if walk.full:
            self._begin_anew(audit)
        if walk.is_range:
            self.place = _Range(self, walk)
        waiting = self.waiting()
        unproved = self.live(sorted(waiting))
        gone = unproved | self.vanished
        cursor = self.place.cursor()
        self._expect(cursor)
        span = Span(walk.until, lambda: self._is_full(walk))
        seen: set[str] = set()
        for page in self.source.pages(cursor, self, span):
            if self.source.absent_is_gone:
                seen.update(page.seen)
            found = self.live(page.gone)
            if page.walked_all and self.source.absent_is_gone and not walk.is_range:
                found |= self.store.ids(self.table) - seen
            gone = (gone - set(page.seen)) | found  # what was seen is back
            unproved -= found.union(page.seen)
            self._commit(*self._remembered(page), gone)
            self.progress(self.report)
        self.report.more = self._is_full(walk) and not self.source.absent_is_gone
        gone |= self._end(walk, audit)
        self._weigh(gone, walk.accept_deletions)
        if self.data_type == "kb" and not cast("Articles", self.source).absence_is_certain:
            gone = {doc_id for doc_id in sorted(gone) if self.is_gone(doc_id)}
        elif not self.source.absent_is_gone:
            # An earlier walk found them gone, this one neither saw nor missed them: they may be back without having moved.
            gone -= {doc_id for doc_id in sorted(unproved) if not self.is_gone(doc_id)}
        if gone or unproved or self.waiting():
            self._delete(sorted(gone), left=())

    def _end(self, walk: Walk, audit: Audit | None) -> set[str]:
        """Where the walk stands is kept; one that came to its end is followed by the audit. Returns what that found gone."""
        if walk.is_range:
            if not self.report.more:
                self.place.leave()
            return set()
        if self.report.more:
            self._keep(self._more_state, self.store.state(self._more_state) or {"total": None})
            return set()
        gone = audit.run() if audit else set[str]()
        self._keep(self._more_state, None)
        return gone

    def _is_full(self, walk: Walk) -> bool:
        return walk.most is not None and self.fetched >= walk.most

    def _audit(self) -> Audit | None:
        return None if self.source.absent_is_gone else Audit(self, cast("Tickets", self.source))

    def _begin_anew(self, audit: Audit | None) -> None:
        """From the beginning, in this run and in those that go on with it."""
        with self.store.begin(self.run_id, self.now) as write:
            write.save_state(self.place.name, None)
            if audit:
                audit.begin_anew(write)

    def _expect(self, cursor: Json | None) -> None:
        """Learn how many documents a first walk will bring, and how many of them are still to come."""
        if self.data_type != "ticket" or isinstance(self.place, _Range):
            return
        kept: Json | None = self.store.state(self._more_state)
        if cursor is None and not kept and not self.store.top(self.table):
            kept = {"total": cast("Tickets", self.source).size()}
            self._keep(self._more_state, kept)
        total: int | None = kept["total"] if kept else None
        if total is not None:
            self.report.total = max(0, total - self.store.count(self.table))

    def waiting(self) -> set[str]:
        """What earlier walks found gone and did not delete: they were killed, or it was too much at once."""
        return set(self.store.state(self._gone_state) or ())

    def remember_gone(self, write: Transaction, gone: set[str]) -> None:
        """More that is gone waits to be weighed."""
        write.save_state(self._gone_state, sorted(self.waiting() | gone))

    def live(self, doc_ids: Sequence[str]) -> set[str]:
        return {doc_id for doc_id, head in self.store.heads(self.table, doc_ids).items() if not head.deleted}

    def is_gone(self, doc_id: str) -> bool:
        self.progress(self.report)
        if self.data_type == "ticket":
            return cast("Tickets", self.source).whereabouts(doc_id) == "gone"
        try:
            return self.source.one(doc_id, self.payloads([doc_id]).get(doc_id)) is None
        except DocumentError:  # it is there, and cannot be read
            return False

    # -- what a source asks of the store (``base.Stored``) ---------------------------------------------------------

    def versions(self, doc_ids: Sequence[str]) -> dict[str, str]:
        made_by = self.source.made_by  # put together anew each time it is asked for
        return {
            doc_id: head.source_hash
            for doc_id, head in self.store.heads(self.table, doc_ids).items()
            if not head.deleted and head.source_hash and head.made_by == made_by
        }

    def payloads(self, doc_ids: Sequence[str]) -> dict[str, Json]:
        rows = self.store.get(self.table, doc_ids) if doc_ids else {}
        return {doc_id: row.payload for doc_id, row in rows.items() if not row.deleted}

    # -- a page ----------------------------------------------------------------------------------------------------

    def _remembered(self, page: Page) -> tuple[Page, list[str]]:
        """The page without what was forgotten, and the ids of that."""
        if not self.forgotten:
            return page, []
        left_out = [document.doc_id for document in page.documents if self._is_forgotten(document)]
        unreadable = [bad for bad in page.unreadable if not self.forgotten.document(bad.doc_id)]
        self.left_out.update(left_out)
        documents = [document for document in page.documents if document.doc_id not in left_out]
        return replace(page, documents=documents, unreadable=unreadable), left_out

    def _is_forgotten(self, document: Document) -> bool:
        if not self.forgotten:
            return False
        if self.forgotten.document(document.doc_id):
            return True
        if self.data_type != "ticket":
            return False
        try:
            ticket = cast("Tickets", self.source).neutral(document.payload)
        except DocumentError:  # whose it is, nobody can tell; merging meets it too, and queues it
            return False
        requester = self.forgotten.ticket_of(ticket.requester, ticket.created_at)
        if requester:
            self.of_requester[document.doc_id] = requester
        return bool(requester)

    def _commit(self, page: Page, left_out: Sequence[str], gone: set[str]) -> None:
        """A page with its cursor. What is gone only waits with it, so that all deletions of a walk are weighed together.
        ``left_out`` may still be here under a requester who was not to be forgotten."""
        fresh = self._fresh(page.documents)
        failures = {bad.doc_id: bad.reason for bad in page.unreadable}
        waiting = self.store.queued(self.table, [*page.seen, *failures])
        settled = [doc_id for doc_id in (*(doc.doc_id for doc in page.documents), *left_out) if doc_id in waiting]
        outdated = sorted(self.live(left_out))
        kept = {self.place.name: self.place.value(page.cursor), self._gone_state: sorted(gone), **self._names()}
        moved_on = {name: value for name, value in kept.items() if (self.store.state(name) or []) != value}
        files = self._unread_files(page.documents)
        moved = 0
        if fresh or failures or settled or outdated or moved_on or self.of_requester or any(files):
            with self.store.begin(self.run_id, self.now) as write:
                moved = write.upsert(self.table, [self._put(document) for document in fresh])
                write.fail(
                    self.table,
                    failures,
                    {doc_id: due_again(self.now, waiting.get(doc_id, -1) + 1) for doc_id in failures},
                )
                write.settle(self.table, settled)
                self._queue_files(write, *files)
                self._remove(write, outdated)
                self._list_forgotten(write)
                for name, value in moved_on.items():
                    write.save_state(name, value)
        self.fetched += len(page.documents)
        self._count(len(page.seen), moved, fresh, failures)

    def _list_forgotten(self, write: Transaction) -> None:
        """What belongs to a ticket and comes without its requester, a rating, is left out by the ticket's own id."""
        for doc_id, requester in self.of_requester.items():
            write.forget([digest(self.store.company, self.forgotten.kind, doc_id)], f"document of {requester}")
        self.of_requester.clear()

    def _fresh(self, documents: Sequence[Document]) -> list[Document]:
        """Those that are not stored just as they are."""
        heads = self.store.heads(self.table, [document.doc_id for document in documents])
        made_by = self.source.made_by
        return [
            document
            for document in documents
            if (head := heads.get(document.doc_id)) is None
            or (head.content_hash, head.source_hash, head.made_by) != (document.content_hash, document.version, made_by)
        ]

    def _put(self, document: Document) -> Put:
        return Put(document.doc_id, document.payload, document.content_hash, document.version, self.source.made_by)

    def _unread_files(self, documents: Iterable[Document]) -> tuple[dict[str, tuple[str, str]], list[str]]:
        """Of documents that are stored without the text of a file: (why, due again); and those that wait so no longer."""
        by_id = {document.doc_id: document.unread for document in documents}
        waiting = self.store.queued(ATTACHMENTS, list(by_id)) if self.data_type == "ticket" else {}
        failures = {
            doc_id: (unread.reason, due_again(self.now, waiting.get(doc_id, -1) + 1) if unread.passing else NEVER)
            for doc_id, unread in by_id.items()
            if unread
        }
        return failures, [doc_id for doc_id in waiting if doc_id not in failures]

    @staticmethod
    def _queue_files(write: Transaction, failures: dict[str, tuple[str, str]], settled: Sequence[str]) -> None:
        write.fail(
            ATTACHMENTS,
            {doc_id: reason for doc_id, (reason, _) in failures.items()},
            {doc_id: due for doc_id, (_, due) in failures.items()},
        )
        write.settle(ATTACHMENTS, settled)

    def _count(self, read: int, moved: int, fresh: Sequence[Document], failures: Iterable[str]) -> None:
        report = self.report
        report.read += read
        report.changed += moved
        report.failed += len(list(failures))
        report.skipped = report.read - report.changed - report.removed - report.failed
        report.requests = self.source.requests - self.sent
        report.sample += [document.doc_id for document in fresh][: 10 - len(report.sample)]
        self.replaced += sum(document.replaced for document in fresh)

    # -- single documents ------------------------------------------------------------------------------------------

    def _fetch_due(self) -> None:
        """What waits in the queue, one by one. Those that the source no longer has are weighed with the walk's deletions."""
        due = self.store.due(self.table, self.now)
        due += self.store.due(ATTACHMENTS, self.now) if self.data_type == "ticket" else []
        for doc_id in dict.fromkeys(due):
            if not self.fetch(doc_id):
                self.vanished.add(doc_id)

    def _fetch_only(self, doc_id: str) -> None:
        """The one document that a person asked for. Raises ``InputError`` when nobody knows it, or it was forgotten."""
        known = not self.forgotten.document(doc_id) and self.fetch(doc_id, anew=True)
        if self.left_out or self.forgotten.document(doc_id):
            raise InputError(
                f"document {doc_id!r} was forgotten.",
                "A sync leaves it out.",
                f"If that was a mistake, run 'casebook forget {self.store.company} --allow-again' for it, or its requester.",
            )
        if known:
            return
        if not self.live([doc_id]):
            raise InputError(f"no document {doc_id!r}.", "Neither the helpdesk nor Casebook has it.")
        self._delete([doc_id], left=self.waiting() - {doc_id})

    def fetch(self, doc_id: str, *, anew: bool = False) -> bool:
        """Fetch a document again and store it, or why that failed; False when the source no longer has it. ``anew`` also
        tries files again that could not be read."""
        failure, document = "", None
        kept = self.payloads([doc_id]).get(doc_id)
        if anew and kept and "files" in kept:
            kept["files"].pop("unread", None)
        try:
            document = self.source.one(doc_id, kept)
        except DocumentError as error:
            failure = str(error)
        if document is None and not failure:
            return False
        if document and self._is_forgotten(document):
            self.left_out.add(doc_id)
            with self.store.begin(self.run_id, self.now) as write:
                self._remove(write, [doc_id])
                self._list_forgotten(write)
            self._count(1, 0, [], [])
            return True
        retries = self.store.queued(self.table, [doc_id]).get(doc_id, -1) + 1
        gone, files = self.waiting(), self._unread_files([document] if document else [])
        with self.store.begin(self.run_id, self.now) as write:
            moved = write.upsert(self.table, [self._put(document)]) if document else 0
            write.fail(self.table, {doc_id: failure} if failure else {}, {doc_id: due_again(self.now, retries)})
            write.settle(self.table, [] if failure else [doc_id])
            self._queue_files(write, *files)
            if doc_id in gone:  # it was found alive
                write.save_state(self._gone_state, sorted(gone - {doc_id}))
        self._count(1, moved, [document] if document and moved else [], [failure] if failure else [])
        return True

    # -- deletions -------------------------------------------------------------------------------------------------

    def _weigh(self, gone: set[str], accepted: int) -> None:
        """Raises ``CasebookError`` before more deletions than any night should bring, unless a person agreed to them."""
        limit = max(GONE_COUNT, accepted)
        if len(gone) > limit:  # almost never: counting reads every row
            limit = max(limit, int(self.store.count(self.table) * GONE_SHARE))
        if len(gone) > limit:
            raise CasebookError(
                f"{len(gone)} documents are gone at the source, more than the {limit} that are deleted without asking.",
                "Nothing was deleted.",
                f"If that is right, run 'casebook sync' with --accept-deletions {len(gone)}.",
            )

    def _delete(self, gone: Sequence[str], left: Iterable[str]) -> None:
        """Turn documents into tombstones; ``left`` still wait for their deletion."""
        with self.store.begin(self.run_id, self.now) as write:
            self._remove(write, gone)
            write.save_state(self._gone_state, sorted(left))
        self.report.read += len(gone)
        self.report.sample += list(gone)[: max(0, 10 - len(self.report.sample))]

    def _remove(self, write: Transaction, doc_ids: Sequence[str]) -> None:
        """Documents, with all that hangs on them."""
        self.report.removed += write.delete(self.table, doc_ids)
        write.settle(self.table, doc_ids)
        write.forget_paid(doc_ids, self.data_type)
        if self.data_type == "ticket":
            write.delete("ticket_ratings", doc_ids)
            write.settle(ATTACHMENTS, doc_ids)

    # -- what is remembered from run to run ------------------------------------------------------------------------

    def _give_names(self) -> None:
        if self.data_type == "ticket":
            tickets = cast("Tickets", self.source)
            tickets.names = self.store.state(names_state()) or tickets.names

    def _names(self) -> Json:
        names = cast("Tickets", self.source).names if self.data_type == "ticket" else None
        return {names_state(): names} if names else {}

    def _keep(self, name: str, value: Any) -> None:
        """Save a small value, where it is another one."""
        if self.store.state(name) != value:
            with self.store.begin(self.run_id, self.now) as write:
                write.save_state(name, value)


def names_state() -> str:
    """Where the account's names lie in a company's store."""
    return "raw_tickets names"


def is_more_to_come(store: CompanyStore) -> bool:
    """Whether a walk ended with its slice, was killed in a first walk, or never began."""
    return bool(store.state("raw_tickets more")) or store.state("raw_tickets cursor") is None


class _Place:
    """Where the company's walk stands; under other options than then it begins again (R5)."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.name = f"{collection.table} cursor"

    def cursor(self) -> Json | None:
        kept = self.collection.store.state(self.name)
        return kept["cursor"] if kept and kept["made_by"] == self.collection.source.made_by else None

    def value(self, cursor: Json) -> Json:
        return {"made_by": self.collection.source.made_by, "cursor": cursor}

    def leave(self) -> None:
        """What is left to do when the walk came to its end."""


class _Range(_Place):
    """Where a walk between two days stands. It can be killed and gone on with, and leaves the company's own alone."""

    def __init__(self, collection: Collection, walk: Walk) -> None:
        super().__init__(collection)
        self.name = f"{collection.table} range"
        self.of = {"since": walk.since, "until": walk.until, "made_by": collection.source.made_by}

    def cursor(self) -> Json | None:
        kept = self.collection.store.state(self.name)
        if kept and {name: kept[name] for name in self.of} == self.of:
            return kept["cursor"]
        since = self.of["since"]
        return cast("Tickets", self.collection.source).start(since) if since else None

    def value(self, cursor: Json) -> Json:
        return {**self.of, "cursor": cursor}

    def leave(self) -> None:
        collection = self.collection
        with collection.store.begin(collection.run_id, collection.now) as write:
            write.save_state(self.name, None)
