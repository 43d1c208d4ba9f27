"""From a helpdesk's pages into ``raw_tickets``: every page committed with the cursor that follows it.

Belongs here: what happens to a page (new, touched, unreadable, gone), the audit of ids, the stop before a mass deletion.
Does not belong here: how a platform is walked (its adapter), or what a ticket means (``domain``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

from domain.derive import due_again
from domain.errors import CasebookError, DocumentError, SourceError
from domain.stage import CompanyStore, Put, Report, Transaction
from resources.helpdesk.base import Document, Helpdesk, Json, Page

TABLE = "raw_tickets"
_CURSOR = "raw_tickets cursor"
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

    def run(self, walk: Walk) -> Report:
        """Bring ``raw_tickets`` up to date. Raises ``SourceError`` when the helpdesk fails or refuses as a whole, and
        ``CasebookError`` before too many deletions; what was committed before stays, the next run goes on from there."""
        started = perf_counter()
        try:
            if walk.only:
                self._fetch([walk.only])
            else:
                self._fetch(self.store.due(TABLE, self.now))
                self._walk(walk)
        finally:
            self.report.requests = self.helpdesk.requests
            self.report.seconds = perf_counter() - started
        if self.replaced:
            self.report.notes.append(f"{self.replaced} characters that no store takes became U+FFFD")
        return self.report

    def _walk(self, walk: Walk) -> None:
        cursor = self._cursor() if not walk.full else None
        seen: set[str] = set()
        gone: list[str] = []
        held_back: Json | None = None
        for page in self.helpdesk.pages(cursor, self._known):
            seen.update(page.seen)
            gone += page.gone
            if page.walked_all:
                gone += self._missing(seen)
            # The cursor must not pass a deletion that has not been made: it waits for all of them together.
            held_back = page.cursor if gone else None
            self._commit(page, None if gone else page.cursor)
            self.progress(self.report)
        if gone:
            self._delete(gone, held_back, walk.accept_deletions)

    def _cursor(self) -> Json | None:
        """Where the last walk stood; None when the adapter or its options are others than then (R5)."""
        kept = self.store.state(_CURSOR)
        return kept["cursor"] if kept and kept["made_by"] == self.helpdesk.made_by else None

    def _save_cursor(self, write: Transaction, cursor: Json) -> None:
        kept = {"made_by": self.helpdesk.made_by, "cursor": cursor}
        if self.store.state(_CURSOR) != kept:
            write.save_state(_CURSOR, kept)

    def _known(self, doc_ids: Sequence[str]) -> dict[str, str]:
        return {
            doc_id: head.source_hash
            for doc_id, head in self.store.heads(TABLE, doc_ids).items()
            if not head.deleted and head.source_hash and head.made_by == self.helpdesk.made_by
        }

    def _missing(self, seen: set[str]) -> list[str]:
        """Live documents that a whole walk did not show. Where absence proves nothing (Freshdesk's lists leave out what is
        archived), each is asked for."""
        missing = sorted(self.store.ids(TABLE) - seen)
        if self.helpdesk.absent_is_gone:
            return missing
        return [doc_id for doc_id in missing if self.helpdesk.one(doc_id) is None]

    def _commit(self, page: Page, cursor: Json | None) -> None:
        fresh = self._fresh(page.documents)
        failures = {bad.doc_id: bad.reason for bad in page.unreadable}
        waiting = self.store.queued(TABLE, [*page.seen, *failures])
        settled = [doc.doc_id for doc in page.documents if doc.doc_id in waiting]
        moved = 0
        if (
            fresh
            or failures
            or settled
            or (cursor and self.store.state(_CURSOR) != {"made_by": self.helpdesk.made_by, "cursor": cursor})
        ):
            with self.store.begin(self.run_id, self.now) as write:
                moved = write.upsert(TABLE, [self._put(document) for document in fresh])
                write.fail(
                    TABLE, failures, {doc_id: due_again(self.now, waiting.get(doc_id, 0)) for doc_id in failures}
                )
                write.settle(TABLE, settled)
                if cursor:
                    self._save_cursor(write, cursor)
        self._count(len(page.seen) + len(failures), moved, fresh, failures)

    def _fresh(self, documents: Sequence[Document]) -> list[Document]:
        """Those that are not stored just as they are; an export shows everything at each walk."""
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
        report.skipped = report.read - report.changed - report.failed
        report.sample += [document.doc_id for document in fresh][: 10 - len(report.sample)]
        self.replaced += sum(document.replaced for document in fresh)

    def _fetch(self, doc_ids: Sequence[str]) -> None:
        """Documents one by one: those that wait in the queue, or the one that was asked for."""
        for doc_id in doc_ids:
            try:
                document = self.helpdesk.one(doc_id)
            except DocumentError as error:
                self._settle_one(doc_id, None, str(error))
            except SourceError as error:
                self._settle_one(doc_id, None, str(error))
                raise
            else:
                self._settle_one(doc_id, document, "")

    def _settle_one(self, doc_id: str, document: Document | None, failure: str) -> None:
        retries = self.store.queued(TABLE, [doc_id]).get(doc_id, 0)
        with self.store.begin(self.run_id, self.now) as write:
            moved = removed = 0
            if failure:
                write.fail(TABLE, {doc_id: failure}, {doc_id: due_again(self.now, retries)})
            elif document:
                moved = write.upsert(TABLE, [self._put(document)])
            else:
                removed = write.delete(TABLE, [doc_id])
                write.forget_paid([doc_id])
            if not failure:
                write.settle(TABLE, [doc_id])
        self.report.removed += removed
        self._count(1 - removed, moved, [document] if document and moved else [], [doc_id] if failure else [])

    def _delete(self, gone: Sequence[str], cursor: Json | None, accepted: int) -> None:
        live = [doc_id for doc_id, head in self.store.heads(TABLE, gone).items() if not head.deleted]
        limit = max(_GONE_COUNT, accepted, int(self.store.count(TABLE) * _GONE_SHARE))
        if len(live) > limit:
            raise CasebookError(
                f"{len(live)} documents are gone at the source, more than the {limit} that are deleted without asking.",
                "Nothing was deleted.",
                f"If that is right, run 'casebook sync' with --accept-deletions {len(live)}.",
            )
        waiting = self.store.queued(TABLE, gone)
        if not live and not waiting and (cursor is None or cursor == self._cursor()):
            return
        with self.store.begin(self.run_id, self.now) as write:
            self.report.removed += write.delete(TABLE, live)
            write.forget_paid(live)
            write.settle(TABLE, waiting)
            if cursor:
                self._save_cursor(write, cursor)
