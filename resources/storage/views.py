"""The views that show a store as the specification's tables: ``tickets``, ``processing_queue`` and ``feedback``
(spec workflow §"프로덕션 DB 스키마").

Belongs here: their SQL on each backend. Does not belong here: who may read them (``migrations``), or printing them.

A ticket's ``status`` is the processing's, not the helpdesk's: *failed* waits in the queue to be tried again, *processed*
can be searched, *skipped* was looked at and is no resolved case, *pending* has not been looked at yet, or its first summary
comes with a batch. ``processed_data`` is the merged document. ``id`` is a row's number inside its company and never
changes.
"""

from collections.abc import Mapping

from domain.stage import NEVER, tables_of

# A file that could not be read leaves its ticket as good as it is.
_OF_TICKETS = ", ".join(f"'{name}'" for name in tables_of("ticket"))
_TICKETS = """
CREATE VIEW tickets{options} AS
SELECT raw.id AS id,
       raw.company_id AS company_id,
       {platform} AS platform,
       raw.doc_id AS ticket_id,
       raw.payload AS raw_data,
       merged.payload AS processed_data,
       summary.payload AS summary,
       CASE
           WHEN EXISTS (
               SELECT 1 FROM queue q
               WHERE q.company_id = raw.company_id AND q.doc_id = raw.doc_id AND q.target IN ({of_tickets})
                 AND NOT q.waits
           ) THEN 'failed'
           WHEN found.doc_id IS NOT NULL THEN 'processed'
           WHEN EXISTS (
               SELECT 1 FROM cursors c
               WHERE c.company_id = raw.company_id AND c.target = 'ticket_summaries' AND c.source = 'merged_tickets'
                 AND merged.seq <= c.top
                 AND NOT EXISTS (SELECT 1 FROM {gaps} WHERE merged.seq BETWEEN {low} AND {high})
           ) AND summary.doc_id IS NULL AND NOT EXISTS (
               SELECT 1 FROM queue q
               WHERE q.company_id = raw.company_id AND q.doc_id = raw.doc_id AND q.target = 'ticket_summaries'
           ) THEN 'skipped'
           ELSE 'pending'
       END AS status,
       {created} AS created_at,
       {updated} AS updated_at
FROM raw_tickets raw
LEFT JOIN merged_tickets merged
    ON merged.company_id = raw.company_id AND merged.doc_id = raw.doc_id AND NOT merged.deleted
LEFT JOIN ticket_summaries summary
    ON summary.company_id = raw.company_id AND summary.doc_id = raw.doc_id AND NOT summary.deleted
LEFT JOIN ticket_collection found
    ON found.company_id = raw.company_id AND found.doc_id = raw.doc_id AND NOT found.deleted
WHERE NOT raw.deleted
"""

_QUEUE = """
CREATE VIEW processing_queue{options} AS
SELECT id AS id,
       company_id AS company_id,
       target AS item_type,
       doc_id AS item_id,
       CAST(priority AS INTEGER) AS priority,
       CASE WHEN waits THEN 'waiting' WHEN due = '{never}' THEN 'dead' ELSE 'failed' END AS status,
       retries AS retry_count,
       reason AS error_message,
       {seen} AS created_at
FROM queue
"""

_FEEDBACK = """
CREATE VIEW feedback{options} AS
SELECT id, company_id, recommendation_id, user_id, feedback_type, feedback_score, feedback_text,
       {voted} AS created_at
FROM votes
"""


def _time(column: str) -> str:
    return f"({column}::timestamptz AT TIME ZONE 'UTC')"


_DIALECTS: Mapping[str, Mapping[str, str]] = {
    "sqlite": {
        "options": "",
        "platform": "substr(raw.made_by, 1, instr(raw.made_by, '-') - 1)",
        "gaps": "json_each(c.gaps) gap",
        "low": "json_extract(gap.value, '$[0]')",
        "high": "json_extract(gap.value, '$[1]')",
        "created": "raw.created_at",
        "updated": "raw.updated_at",
        "seen": "first_seen",
        "voted": "created_at",
    },
    "postgresql": {
        "options": " WITH (security_invoker = true)",
        "platform": "split_part(raw.made_by, '-', 1)",
        "gaps": "jsonb_array_elements(c.gaps) gap",
        "low": "(gap ->> 0)::bigint",
        "high": "(gap ->> 1)::bigint",
        "created": _time("raw.created_at"),
        "updated": _time("raw.updated_at"),
        "seen": _time("first_seen"),
        "voted": _time("created_at"),
    },
}


def create_views(dialect: str) -> dict[str, str]:
    """The statements that make the views, by name. Raises ``KeyError`` for a dialect that nobody wrote."""
    words = {**_DIALECTS[dialect], "of_tickets": _OF_TICKETS, "never": NEVER}
    texts = {"tickets": _TICKETS, "processing_queue": _QUEUE, "feedback": _FEEDBACK}
    return {name: text.format_map(words) for name, text in texts.items()}
