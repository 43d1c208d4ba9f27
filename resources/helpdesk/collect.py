"""From a helpdesk's pages into ``raw_tickets``: every page committed with the cursor that follows it.

Belongs here: what happens to a page (new, touched, unreadable, gone), the audit of ids, the stop before a mass deletion.
Does not belong here: how a platform is walked (its adapter), or what a ticket means (``domain``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

from domain.derive import due_again
from domain.errors import CasebookError, DocumentError, SourceError
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
        gone = set[str](self.store.state(_GONE) or ())
        for page in self.helpdesk.pages(cursor, self._known):
            seen.update(page.seen)
            gone -= set(page.seen)  # it is back
            gone |= self._live(page.gone)
            if page.walked_all:
                gone |= self._missing(seen)
            self._commit(page, gone)
            self.progress(self.report)
        if gone:
            self._delete(sorted(gone), walk.accept_deletions)

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
        if self.helpdesk.absent_is_gone:
            return missing
        return {doc_id for doc_id in sorted(missing) if self.helpdesk.one(doc_id) is None}

    def _commit(self, page: Page, gone: set[str]) -> None:
        """A page with its cursor. What is gone only waits with it, so that all deletions of a walk are weighed together."""
        fresh = self._fresh(page.documents)
        failures = {bad.doc_id: bad.reason for bad in page.unreadable}
        waiting = self.store.queued(TABLE, [*page.seen, *failures])
        settled = [doc.doc_id for doc in page.documents if doc.doc_id in waiting]
        kept = {_CURSOR: {"made_by": self.helpdesk.made_by, "cursor": page.cursor}, _GONE: sorted(gone)}
        moved_on = {name: value for name, value in kept.items() if (self.store.state(name) or []) != value}
        moved = 0
        if fresh or failures or settled or moved_on:
            with self.store.begin(self.run_id, self.now) as write:
                moved = write.upsert(TABLE, [self._put(document) for document in fresh])
                write.fail(
                    TABLE, failures, {doc_id: due_again(self.now, waiting.get(doc_id, 0)) for doc_id in failures}
                )
                write.settle(TABLE, settled)
                for name, value in moved_on.items():
                    write.save_state(name, value)
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

    def _delete(self, gone: Sequence[str], accepted: int) -> None:
        limit = max(_GONE_COUNT, accepted, int(self.store.count(TABLE) * _GONE_SHARE))
        if len(gone) > limit:
            raise CasebookError(
                f"{len(gone)} documents are gone at the source, more than the {limit} that are deleted without asking.",
                "Nothing was deleted.",
                f"If that is right, run 'casebook sync' with --accept-deletions {len(gone)}.",
            )
        with self.store.begin(self.run_id, self.now) as write:
            self.report.removed += write.delete(TABLE, gone)
            write.forget_paid(gone)
            write.settle(TABLE, gone)
            write.save_state(_GONE, [])
        self.report.sample += list(gone)[: max(0, 10 - len(self.report.sample))]
