"""From a helpdesk's pages into ``raw_tickets``: every page committed with the cursor that follows it.

Belongs here: what happens to a page (new, touched, unreadable, gone), the audit of ids, the stop before a mass deletion.
Does not belong here: how a platform is walked (its adapter), or what a ticket means (``domain``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from domain.derive import due_again
from domain.errors import CasebookError, DocumentError, InputError
from domain.forgotten import Forgotten
from domain.stage import CompanyStore, Put, Report
from resources.helpdesk.base import Document, Helpdesk, Json, Page

TABLE = "raw_tickets"
_CURSOR = "raw_tickets cursor"
_GONE = "raw_tickets gone"
_GONE_SHARE, _GONE_COUNT = 0.05, 50


@dataclass(frozen=True, slots=True)
class Walk:
    """What a run asks for: ``full`` walks everything again and audits the ids; ``only`` fetches one document;
    ``accept_deletions`` is how many deletions at once a person has agreed to."""

    full: bool = False
    only: str = ""
    accept_deletions: int = 0


class Collection:
    """One walk over one company's helpdesk."""

    def __init__(
        self,
        helpdesk: Helpdesk,
        store: CompanyStore,
        run_id: str,
        now: str,
        progress: Callable[[Report], None] = lambda report: None,
    ) -> None:
        self.helpdesk = helpdesk
        self.store = store
        self.run_id = run_id
        self.now = now
        self.progress = progress
        self.report = Report()
        self.replaced = 0
        self.forgotten = Forgotten(store.company, store.forgotten())
        self.left_out: set[str] = set()
        """Documents that the source shows and that were forgotten here."""
        self.vanished: set[str] = set()
        """Waiting documents that the source no longer has."""

    def run(self, walk: Walk) -> Report:
        """Bring ``raw_tickets`` up to date. Raises ``SourceError`` when the helpdesk fails or refuses as a whole, and
        ``CasebookError`` before too many deletions; what was committed before stays, the next run goes on from there."""
        started = perf_counter()
        try:
            if walk.only:
                self._fetch_only(walk.only)
            else:
                self._fetch_due()
                self._walk(walk)
        finally:
            self.report.requests = self.helpdesk.requests
            self.report.seconds = perf_counter() - started
        self.report.notes += self.helpdesk.notes
        if self.replaced:
            self.report.notes.append(f"{self.replaced} characters that no store takes became U+FFFD")
        if self.left_out:
            self.report.notes.append(f"{len(self.left_out)} documents were left out: they are to stay forgotten")
        return self.report

    def _walk(self, walk: Walk) -> None:
        cursor = self._cursor() if not walk.full else None
        seen: set[str] = set()
        unproved = self._live(sorted(self._waiting()))
        gone = unproved | self.vanished
        for page in self.helpdesk.pages(cursor, self._known):
            seen.update(page.seen)
            found = self._live(page.gone)
            if page.walked_all and (walk.full or self.helpdesk.absent_is_gone):
                found |= self._missing(seen)
            gone = (gone - set(page.seen)) | found  # what was seen is back
            unproved -= found.union(page.seen)
            self._commit(*self._remembered(page), gone)
            self.progress(self.report)
        self._weigh(gone, walk.accept_deletions)
        if not self.helpdesk.absent_is_gone:
            # An earlier walk found them gone, this one neither saw nor missed them: they may be back without having moved.
            gone -= {doc_id for doc_id in sorted(unproved) if not self._is_gone(doc_id)}
        if gone or unproved:
            self._delete(sorted(gone), left=())

    def _waiting(self) -> set[str]:
        """What earlier walks found gone and did not delete: they were killed, or it was too much at once."""
        return set(self.store.state(_GONE) or ())

    def _cursor(self) -> Json | None:
        """Where the last walk stood; None when the adapter or its options are others than then (R5)."""
        kept = self.store.state(_CURSOR)
        return kept["cursor"] if kept and kept["made_by"] == self.helpdesk.made_by else None

    def _live(self, doc_ids: Sequence[str]) -> set[str]:
        return {doc_id for doc_id, head in self.store.heads(TABLE, doc_ids).items() if not head.deleted}

    def _known(self, doc_ids: Sequence[str]) -> dict[str, str]:
        return {
            doc_id: head.source_hash
            for doc_id, head in self.store.heads(TABLE, doc_ids).items()
            if not head.deleted and head.source_hash and head.made_by == self.helpdesk.made_by
        }

    def _missing(self, seen: set[str]) -> set[str]:
        """Live documents that a whole walk did not show. Where absence proves nothing (Freshdesk's lists leave out what is
        archived), each is asked for."""
        missing = self.store.ids(TABLE) - seen
        return (
            missing if self.helpdesk.absent_is_gone else {doc_id for doc_id in sorted(missing) if self._is_gone(doc_id)}
        )

    def _is_gone(self, doc_id: str) -> bool:
        self.progress(self.report)
        try:
            return self.helpdesk.one(doc_id) is None
        except DocumentError:  # it is there, and cannot be read
            return False

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
        try:
            ticket = self.helpdesk.neutral(document.payload)
        except DocumentError:  # whose it is, nobody can tell; merging meets it too, and queues it
            return False
        return self.forgotten.ticket_of(ticket.requester, ticket.created_at)

    def _commit(self, page: Page, left_out: Sequence[str], gone: set[str]) -> None:
        """A page with its cursor. What is gone only waits with it, so that all deletions of a walk are weighed together.
        ``left_out`` may still be here under a requester who was not to be forgotten."""
        fresh = self._fresh(page.documents)
        failures = {bad.doc_id: bad.reason for bad in page.unreadable}
        waiting = self.store.queued(TABLE, [*page.seen, *failures])
        settled = [doc_id for doc_id in (*(doc.doc_id for doc in page.documents), *left_out) if doc_id in waiting]
        outdated = sorted(self._live(left_out))
        kept = {_CURSOR: {"made_by": self.helpdesk.made_by, "cursor": page.cursor}, _GONE: sorted(gone)}
        moved_on = {name: value for name, value in kept.items() if (self.store.state(name) or []) != value}
        moved = 0
        if fresh or failures or settled or outdated or moved_on:
            with self.store.begin(self.run_id, self.now) as write:
                moved = write.upsert(TABLE, [self._put(document) for document in fresh])
                write.fail(
                    TABLE, failures, {doc_id: due_again(self.now, waiting.get(doc_id, -1) + 1) for doc_id in failures}
                )
                write.settle(TABLE, settled)
                self.report.removed += write.delete(TABLE, outdated)
                write.forget_paid(outdated)
                for name, value in moved_on.items():
                    write.save_state(name, value)
        self._count(len(page.seen), moved, fresh, failures)

    def _fresh(self, documents: Sequence[Document]) -> list[Document]:
        """Those that are not stored just as they are."""
        heads = self.store.heads(TABLE, [document.doc_id for document in documents])
        made_by = self.helpdesk.made_by
        return [
            document
            for document in documents
            if (head := heads.get(document.doc_id)) is None
            or (head.content_hash, head.source_hash, head.made_by) != (document.content_hash, document.version, made_by)
        ]

    def _put(self, document: Document) -> Put:
        return Put(document.doc_id, document.payload, document.content_hash, document.version, self.helpdesk.made_by)

    def _count(self, read: int, moved: int, fresh: Sequence[Document], failures: Iterable[str]) -> None:
        report = self.report
        report.read += read
        report.changed += moved
        report.failed += len(list(failures))
        report.skipped = report.read - report.changed - report.removed - report.failed
        report.sample += [document.doc_id for document in fresh][: 10 - len(report.sample)]
        self.replaced += sum(document.replaced for document in fresh)

    def _fetch_due(self) -> None:
        """What waits in the queue, one by one. Those that the source no longer has are weighed with the walk's deletions."""
        for doc_id in self.store.due(TABLE, self.now):
            if not self._fetch(doc_id):
                self.vanished.add(doc_id)

    def _fetch_only(self, doc_id: str) -> None:
        """The one document that a person asked for. Raises ``InputError`` when nobody knows it, or it was forgotten."""
        known = not self.forgotten.document(doc_id) and self._fetch(doc_id)
        if self.left_out or self.forgotten.document(doc_id):
            raise InputError(
                f"document {doc_id!r} was forgotten.",
                "A sync leaves it out.",
                f"If that was a mistake, run 'casebook forget {self.store.company} --allow-again' for it, or its requester.",
            )
        if known:
            return
        if not self._live([doc_id]):
            raise InputError(f"no document {doc_id!r}.", "Neither the helpdesk nor Casebook has it.")
        self._delete([doc_id], left=self._waiting() - {doc_id})

    def _fetch(self, doc_id: str) -> bool:
        """Fetch a document again and store it, or why that failed; False when the source no longer has it."""
        failure, document = "", None
        try:
            document = self.helpdesk.one(doc_id)
        except DocumentError as error:
            failure = str(error)
        if document is None and not failure:
            return False
        if document and self._is_forgotten(document):
            self.left_out.add(doc_id)
            with self.store.begin(self.run_id, self.now) as write:
                self.report.removed += write.delete(TABLE, [doc_id])
                write.forget_paid([doc_id])
                write.settle(TABLE, [doc_id])
            self._count(1, 0, [], [])
            return True
        retries = self.store.queued(TABLE, [doc_id]).get(doc_id, -1) + 1
        gone = self._waiting()
        with self.store.begin(self.run_id, self.now) as write:
            moved = write.upsert(TABLE, [self._put(document)]) if document else 0
            write.fail(TABLE, {doc_id: failure} if failure else {}, {doc_id: due_again(self.now, retries)})
            write.settle(TABLE, [] if failure else [doc_id])
            if doc_id in gone:  # it was found alive
                write.save_state(_GONE, sorted(gone - {doc_id}))
        self._count(1, moved, [document] if document and moved else [], [failure] if failure else [])
        return True

    def _weigh(self, gone: set[str], accepted: int) -> None:
        """Raises ``CasebookError`` before more deletions than any night should bring, unless a person agreed to them."""
        limit = max(_GONE_COUNT, accepted)
        if len(gone) > limit:  # almost never: counting reads every row
            limit = max(limit, int(self.store.count(TABLE) * _GONE_SHARE))
        if len(gone) > limit:
            raise CasebookError(
                f"{len(gone)} documents are gone at the source, more than the {limit} that are deleted without asking.",
                "Nothing was deleted.",
                f"If that is right, run 'casebook sync' with --accept-deletions {len(gone)}.",
            )

    def _delete(self, gone: Sequence[str], left: Iterable[str]) -> None:
        """Turn documents into tombstones; ``left`` still wait for their deletion."""
        with self.store.begin(self.run_id, self.now) as write:
            self.report.removed += write.delete(TABLE, gone)
            write.forget_paid(gone)
            write.settle(TABLE, gone)
            write.save_state(_GONE, sorted(left))
        self.report.read += len(gone)
        self.report.sample += list(gone)[: max(0, 10 - len(self.report.sample))]
