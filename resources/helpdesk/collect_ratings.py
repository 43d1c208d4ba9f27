"""From a helpdesk's ratings into ``ticket_ratings``: a row a ticket, with all of its ratings.

Belongs here: keeping them by ticket, and the place up to which they were read. Does not belong here: how a platform lists
them (its adapter), or tickets (``collect``).
"""

from collections import defaultdict
from dataclasses import asdict
from time import perf_counter

from domain.fingerprint import clean, fingerprint
from domain.forgotten import Forgotten
from domain.stage import CompanyStore, Put, Report
from resources.helpdesk.base import Helpdesk, Json, Ratings

TABLE = "ticket_ratings"
MADE_BY = "ratings-1"
_STATE = f"{TABLE} cursor"


def collect_ratings(helpdesk: Helpdesk, store: CompanyStore, run_id: str, now: str) -> Report:
    """Bring the table up to date. Raises ``SourceError``; pages that were committed before stay."""
    started, sent = perf_counter(), helpdesk.requests
    report = Report()
    forgotten = Forgotten(store.company, store.forgotten())
    kept: Json | None = store.state(_STATE)
    cursor = kept["cursor"] if kept and kept["made_by"] == MADE_BY else None
    for page in helpdesk.ratings(cursor):
        rows = _rows(page, store, forgotten)
        value = {"made_by": MADE_BY, "cursor": page.cursor}
        if rows or store.state(_STATE) != value:
            with store.begin(run_id, now) as write:
                report.changed += write.upsert(TABLE, rows)
                write.save_state(_STATE, value)
        report.read += len(page.ratings)
    report.skipped = max(0, report.read - report.changed)
    report.requests, report.seconds = helpdesk.requests - sent, perf_counter() - started
    report.notes += [note for note in dict.fromkeys(helpdesk.notes) if "ratings" in note]
    return report


def _rows(page: Ratings, store: CompanyStore, forgotten: Forgotten) -> list[Put]:
    """The tickets whose ratings are others than before."""
    fresh: dict[str, Json] = defaultdict(dict)
    for rating in page.ratings:
        if not forgotten.document(rating.ticket_id):
            fresh[rating.ticket_id][rating.id] = clean(asdict(rating.said))[0]
    before = store.get(TABLE, list(fresh))
    rows: list[Put] = []
    for ticket_id, ratings in fresh.items():
        row = before.get(ticket_id)
        payload = {"ratings": {**(row.payload["ratings"] if row and not row.deleted else {}), **ratings}}
        content_hash = fingerprint(payload)
        if row is None or row.deleted or row.content_hash != content_hash:
            rows.append(Put(ticket_id, payload, content_hash, content_hash, MADE_BY))
    return rows
