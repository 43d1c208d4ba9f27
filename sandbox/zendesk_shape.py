"""Zendesk's JSON of the same records that Freshdesk's API shows: tickets, comments, users, fields.

Belongs here: names, order and usual values of Zendesk's fields, and its words for Freshdesk's numbers. Ids stay the same.
Does not belong here: addresses, paging, headers (``zendesk``).
"""

import re
from typing import Any

from sandbox import corpus, custom, shape
from sandbox.shape import Json
from sandbox.world import Ticket

#: The author of what triggers, automations and merges say.
SYSTEM = -1
BRAND = 360_000_000_001
FORM = 360_000_100_001
STATUS_FIELD = 360_000_200_001

#: Freshdesk's status → the category Zendesk calls ``status``, and the name an agent sees.
STATUSES = {
    2: ("open", "Open"),
    3: ("pending", "Pending"),
    4: ("solved", "Resolved"),
    5: ("closed", "Closed"),
    6: ("pending", "Waiting on Customer"),
    7: ("hold", "Waiting on Third Party"),
}
CUSTOM_STATUS = 360_000_300_000
PRIORITIES = {1: "low", 2: "normal", 3: "high", 4: "urgent"}
TYPES = {"Question": "question", "Incident": "incident", "Problem": "problem", "Feature Request": "task"}
CHANNELS = {1: "email", 2: "web", 3: "voice", 9: "web_widget", 15: "chat"}

#: What a merger writes here, and what stands in its place in Zendesk: a comment and a tag.
_MERGED = re.compile(r"This ticket is closed and merged into ticket (\d+)")
MERGED_TAG = "closed_by_merge"

_TOKEN = re.compile(r"\?token=[^\"'<>\s]*")


def ticket(stored: Ticket, moved: int, base: str, brands: dict[int, int], rated: Json | None) -> Json:
    """A ticket as the export and a view give it, without sideloads. ``moved`` is in seconds since 1970; ``brands`` are
    the ids of the account's brands by product; ``rated`` is its last rating, in Freshdesk's shape."""
    record = stored.record()
    status = "deleted" if stored.place in ("deleted", "spam") else _category(record["status"])
    channel = CHANNELS.get(record["source"], "api")
    requester = record["requester"] or {}
    return {
        "url": f"{base}/api/v2/tickets/{stored.id}.json",
        "id": stored.id,
        "external_id": None,
        "via": _via(channel, requester.get("name"), requester.get("email")),
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "generated_timestamp": moved,
        "type": TYPES.get(record["type"] or ""),
        "subject": record["subject"],
        "raw_subject": record["subject"],
        "description": record["description_text"],
        "priority": PRIORITIES.get(record["priority"]),
        "status": status,
        "recipient": record["support_email"],
        "requester_id": record["requester_id"],
        "submitter_id": record["requester_id"],
        "assignee_id": record["responder_id"],
        "organization_id": record["company_id"],
        "group_id": record["group_id"],
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": True,
        "due_at": None,
        "tags": [*record["tags"], MERGED_TAG] if _is_merged(record) else record["tags"],
        "custom_fields": _custom_fields(record),
        "satisfaction_rating": _satisfaction(rated),
        "sharing_agreement_ids": [],
        "custom_status_id": CUSTOM_STATUS + (4 if record["status"] == 5 else record["status"]),
        "fields": _custom_fields(record),
        "followup_ids": [],
        "ticket_form_id": FORM,
        "brand_id": brands.get(record["product_id"], BRAND),
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }


def _is_merged(record: Json) -> bool:
    said = record["conversations"]
    return record["status"] == 5 and bool(said) and bool(_MERGED.search(said[-1]["body_text"]))


def _category(status: int) -> str:
    return STATUSES[status][0] if status in STATUSES else custom.CATEGORIES[status]


def metric_set(stored: Ticket) -> Json:
    """What ``include=metric_sets`` puts into each ticket. Zendesk keeps ``solved_at`` of a reopened ticket null, too."""
    record = stored.record()
    stats = record["stats"] or shape.stats()
    return {
        "id": CUSTOM_STATUS + 1_000_000 + stored.id,
        "ticket_id": stored.id,
        "created_at": record["created_at"],
        "updated_at": record["updated_at"],
        "reopens": int(bool(stats["reopened_at"])),
        "replies": sum(not one["incoming"] and not one["private"] for one in record["conversations"]),
        "assignee_updated_at": record["created_at"],
        "requester_updated_at": stats["requester_responded_at"],
        "status_updated_at": stats["status_updated_at"],
        "solved_at": stats["resolved_at"] or stats["closed_at"],
    }


def score(rated: Json) -> str:
    return "bad" if rated["ratings"]["default_question"] < 0 else "good"


def _satisfaction(rated: Json | None) -> Json:
    """What stands in a ticket's row."""
    if rated is None:
        return {"score": "unoffered"}
    return {"id": rated["id"], "score": score(rated), "comment": rated["feedback"]}


def comments(stored: Ticket) -> list[Json]:
    """The thread, oldest first: what Freshdesk calls the description is the first comment."""
    record = stored.record()
    first = shape.conversation(
        shape.FIRST_CONVERSATION - 1 - record["id"],
        record["id"],
        record["created_at"],
        record["description"],
        record["description_text"],
        incoming=True,
        user_id=record["requester_id"],
        attachments=record["attachments"],
    )
    thread = record["conversations"]
    if record["source"] == shape.WEB_CHAT and thread and thread[0]["body"] == record["description"]:
        thread = thread[1:]  # Freshdesk alone repeats it there
    channel = CHANNELS.get(record["source"], "api")
    said = [first, *sorted(thread, key=lambda one: (one["created_at"], one["id"]))]
    return [_comment(one, channel if one["incoming"] else "web") for one in said]


_BODIES = ("body", "body_text")


def _comment(said: Json, channel: str) -> Json:
    by_itself = bool(said["auto_response"])
    words = {name: _MERGED.sub(r"This request was closed and merged into request #\1", said[name]) for name in _BODIES}
    said = said | words
    return {
        "id": said["id"],
        "type": "Comment",
        "author_id": SYSTEM if by_itself else said["user_id"] or SYSTEM,
        "body": said["body_text"],
        "html_body": f'<div class="zd-comment" dir="auto">{_TOKEN.sub("?name=inline.png", said["body"])}</div>',
        "plain_body": said["body_text"],
        "public": not said["private"],
        "attachments": [_file(file) for file in said["attachments"]],
        "audit_id": said["id"] + 400_000_000,
        "via": _via("rule" if by_itself else channel, None, said["from_email"]),
        "created_at": said["created_at"],
        "metadata": {"system": {}, "custom": {}},
    }


def _file(file: Json) -> Json:
    return {
        "url": None,
        "id": file["id"],
        "file_name": file["name"],
        "content_url": file["attachment_url"],
        "mapped_content_url": file["attachment_url"],
        "content_type": file["content_type"],
        "size": file["size"],
        "width": None,
        "height": None,
        "inline": False,
        "deleted": False,
        "malware_access_override": False,
        "malware_scan_result": "malware_not_found",
        "thumbnails": [],
    }


def _via(channel: str, name: str | None, address: str | None) -> Json:
    start: Json = {"name": name, "address": address} if channel == "email" else {}
    return {"channel": channel, "source": {"from": start, "to": {}, "rel": None}}


def _custom_fields(record: Json) -> list[Json]:
    named = sorted(record["custom_fields"].items())
    return [{"id": field_id(name), "value": value} for name, value in named]


def field_id(name: str) -> int:
    return STATUS_FIELD + 1000 + corpus.draw(name, "field", 1_000_000)


def user(person: Json, role: str) -> Json:
    """A contact, a ticket's requester, or an agent (whose person is in ``contact``)."""
    about = person.get("contact") or person
    created = person.get("created_at") or corpus.stamp(corpus.PRESENT - corpus.HISTORY)
    return {
        "id": person["id"],
        "name": about["name"],
        "email": about["email"],
        "created_at": created,
        "updated_at": person.get("updated_at") or created,
        "time_zone": about.get("time_zone"),
        "phone": about.get("phone"),
        "locale": about.get("language") or "en",
        "organization_id": person.get("company_id"),
        "role": role,
        "verified": True,
        "external_id": None,
        "tags": [],
        "alias": None,
        "active": True,
        "shared": False,
        "suspended": False,
        "default_group_id": shape.FIRST_GROUP if role != "end-user" else None,
        "user_fields": {},
    }


def organization(company: Json) -> Json:
    return {
        "id": company["id"],
        "name": company["name"],
        "domain_names": company["domains"],
        "details": None,
        "notes": None,
        "group_id": None,
        "shared_tickets": False,
        "shared_comments": False,
        "external_id": None,
        "tags": [],
        "organization_fields": {},
        "created_at": company["created_at"],
        "updated_at": company["updated_at"],
    }


def group(found: Json) -> Json:
    return {
        "id": found["id"],
        "name": found["name"],
        "description": found["description"] or "",
        "default": True,
        "deleted": False,
        "is_public": True,
        "created_at": found["created_at"],
        "updated_at": found["updated_at"],
    }


def brand(number: int, name: str, created_at: str) -> Json:
    return {
        "id": number,
        "name": name,
        "subdomain": f"brand{number - BRAND}",
        "active": True,
        "default": number == BRAND,
        "is_deleted": False,
        "ticket_form_ids": [FORM],
        "created_at": created_at,
        "updated_at": created_at,
    }


def custom_statuses(created_at: str, own: dict[int, tuple[str, str]]) -> list[Json]:
    """The names that agents see; two share the category "pending". ``own`` are the account's: number → category, name."""
    return [
        {
            "id": CUSTOM_STATUS + number,
            "status_category": category,
            "agent_label": label,
            "end_user_label": label,
            "raw_agent_label": label,
            "description": "",
            "active": True,
            "default": number in (2, 3, 4, 7),
            "created_at": created_at,
            "updated_at": created_at,
        }
        for number, (category, label) in (STATUSES | own).items()
        if category != "closed"  # a closed ticket keeps the name it was solved with
    ]


def ticket_fields(own: dict[str, str], created_at: str) -> list[Json]:
    """The system's fields, and the account's own: name → title."""
    system = ("subject", "description", "status", "tickettype", "priority", "group", "assignee", "custom_status")
    fields: list[tuple[int, str, str]] = [
        (STATUS_FIELD + position, kind, kind.replace("_", " ").title()) for position, kind in enumerate(system)
    ]
    fields += [(field_id(name), "text", title) for name, title in own.items()]
    return [
        {
            "id": number,
            "type": kind,
            "title": title,
            "raw_title": title,
            "description": title,
            "position": position,
            "active": True,
            "required": False,
            "tag": None,
            "removable": kind == "text",
            "created_at": created_at,
            "updated_at": created_at,
        }
        for position, (number, kind, title) in enumerate(fields)
    ]


def rating(rated: Json) -> Json:
    return {
        "id": rated["id"],
        "ticket_id": rated["ticket_id"],
        "requester_id": rated["user_id"],
        "assignee_id": rated["agent_id"],
        "group_id": rated["group_id"],
        "score": score(rated),
        "comment": rated["feedback"],
        "reason": None,
        "created_at": rated["created_at"],
        "updated_at": rated["updated_at"],
    }


def deleted_ticket(stored: Ticket, actor: Json) -> Json:
    record = stored.record()
    return {
        "id": stored.id,
        "subject": record["subject"],
        "description": record["description_text"],
        "actor": {"id": actor["id"], "name": actor["contact"]["name"]},
        "deleted_at": record["updated_at"],
        "previous_state": _category(record["status"]),
    }


def article(number: int, section: int, title: str, body: str, locale: str, created_at: str, **given: Any) -> Json:
    """A Help Center article; ``user_segment_id`` set means that not everybody may read it."""
    record: Json = {
        "id": number,
        "section_id": section,
        "title": title,
        "name": title,
        "body": body,
        "locale": locale,
        "source_locale": locale,
        "outdated": False,
        "outdated_locales": [],
        "draft": False,
        "promoted": False,
        "position": 0,
        "comments_disabled": False,
        "author_id": shape.FIRST_AGENT,
        "vote_sum": 0,
        "vote_count": 0,
        "label_names": [],
        "content_tag_ids": [],
        "user_segment_id": None,
        "permission_group_id": 1,
        "created_at": created_at,
        "updated_at": created_at,
        "edited_at": created_at,
    }
    return record | given
