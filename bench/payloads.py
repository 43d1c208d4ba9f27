"""Recorded answers of real Freshdesk accounts, through the adapter's reader and the merge: no message may be lost.

    python -m bench.payloads FOLDER          a folder of JSON files; nothing of it is kept

Each file that is a ticket, a list of tickets, or a list of conversations is read; conversations without their ticket get
one of our own. A message is there when its id is in the merged thread; one without text and files, and one that repeats
the description, says nothing and may be missing. Articles are cut into passages. Exit 1 when anything is lost.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from domain.mail_text import html_text, message_text
from domain.merge import merge
from domain.passages import passages
from resources.helpdesk.freshdesk_articles import FreshdeskArticles
from resources.helpdesk.freshdesk_ticket import Reader
from resources.http import Http
from resources.rate_budget import RateBudget

Json = dict[str, Any]
_URL = "https://recorded.example.com"


def _tickets(value: Any) -> Iterator[Json]:
    """The tickets in an answer; conversations become the thread of one."""
    records = value if isinstance(value, list) else [value]
    records = [record for record in records if isinstance(record, dict)]
    if records and all("body" in record for record in records):
        number = records[0].get("ticket_id", 1)
        yield {"id": number, "subject": "", "status": 5, "created_at": "", "conversations": records}
        return
    yield from (record for record in records if {"subject", "status", "id"} <= record.keys())


def _articles(value: Any) -> Iterator[Json]:
    for record in value if isinstance(value, list) else []:
        if isinstance(record, dict) and {"title", "description", "folder_id"} <= record.keys():
            yield record


def _lost(payload: Json) -> tuple[int, list[str]]:
    """How many messages a ticket has, and what of it the merged document does not hold."""
    ticket = Reader(_URL).ticket(payload)
    merged = merge(ticket)
    there = {message["id"] for message in merged["messages"]}
    opening = message_text(ticket.description.html, ticket.description.text) if ticket.description else ""
    lost = [
        message.id
        for message in ticket.messages
        if message.id not in there
        and (message.attachments or message_text(message.html, message.text) not in ("", opening))
    ]
    raw = payload.get("conversations") or []
    lost += [str(one["id"]) for one in raw if str(one["id"]) not in {message.id for message in ticket.messages}]
    if payload.get("description") and not opening:
        lost.append("description")
    files = sum(len(one.get("attachments") or ()) for one in (payload, *raw))
    if files != len(merged["attachments"]):
        lost.append(f"{files - len(merged['attachments'])} files")
    return len(raw) + bool(opening), lost


def _cut(record: Json) -> list[str]:
    """Words of an article that none of its passages holds."""
    http = Http(_URL, "", name="Freshdesk", budget=RateBudget(), on_send=lambda: None)
    reader = FreshdeskArticles(http, _URL, lambda: 0)
    payload = record | {"doc_id": str(record["id"]), "path": [], "seen_by": "everyone", "language": ""}
    article = replace(reader.neutral(payload))
    kept = " ".join(" ".join((*one["path"], one["text"])) for one in passages(article)).split()
    return sorted(set(html_text(article.html).split()) - set(kept))


def main(folder: Path) -> None:
    """Read all JSON files of a folder."""
    table = Table("file", "tickets", "messages", "articles", "lost")
    total = lost_anywhere = 0
    for path in sorted(folder.glob("*.json")):
        value = orjson.loads(path.read_bytes())
        found = [_lost(ticket) for ticket in _tickets(value)]
        articles = [_cut(article) for article in _articles(value)]
        lost = [what for _, gone in found for what in gone] + [word for words in articles for word in words]
        messages = sum(count for count, _ in found)
        total, lost_anywhere = total + messages, lost_anywhere + len(lost)
        if found or articles:
            table.add_row(path.name, str(len(found)), str(messages), str(len(articles)), ", ".join(lost) or "-")
    Console().print(table, f"{total} messages, {lost_anywhere} lost")
    sys.exit(bool(lost_anywhere))


if __name__ == "__main__":
    typer.run(main)
