"""Freshdesk's JSON, kind by kind: every field of a ticket, conversation, contact, agent ... with its usual value.

Belongs here: names, order and defaults of the fields, and the numbers Freshdesk uses for words.
Does not belong here: where the words come from (``corpus``, ``generate``) or how they are served (``freshdesk``).
Shapes follow recorded answers of API v2: blank fields are null, never absent.
"""

from typing import Any

Json = dict[str, Any]

STATUSES = {
    "open": 2,
    "pending": 3,
    "resolved": 4,
    "closed": 5,
    "waiting on customer": 6,
    "waiting on third party": 7,
}
PRIORITIES = {"low": 1, "medium": 2, "high": 3, "urgent": 4}
#: ``chat`` is today's web chat (15): the only source whose thread repeats the description as its first message.
SOURCES = {"email": 1, "portal": 2, "phone": 3, "widget": 9, "chat": 15}
WEB_CHAT = SOURCES["chat"]
TYPES = ("Question", "Incident", "Problem", "Feature Request")

#: First ids of each kind; ticket ids are small numbers from 1, as in a real account.
FIRST_AGENT = 153_000_000_001
FIRST_GROUP = 153_000_500_001
FIRST_PRODUCT = 153_000_700_001
FIRST_COMPANY = 153_000_900_001
FIRST_CONTACT = 153_100_000_001
FIRST_CONVERSATION = 153_200_000_001
FIRST_ATTACHMENT = 153_300_000_001


def ticket(ticket_id: int, subject: str, created_at: str, **given: Any) -> Json:
    """A whole ticket, as a view with every include would give it, plus its list ``conversations``."""
    record: Json = {
        "cc_emails": [],
        "fwd_emails": [],
        "reply_cc_emails": [],
        "ticket_cc_emails": [],
        "ticket_bcc_emails": [],
        "fr_escalated": False,
        "spam": False,
        "email_config_id": None,
        "group_id": None,
        "priority": 1,
        "requester_id": None,
        "responder_id": None,
        "source": 1,
        "company_id": None,
        "status": 2,
        "subject": subject,
        "association_type": None,
        "support_email": None,
        "to_emails": None,
        "product_id": None,
        "id": ticket_id,
        "type": None,
        "due_by": None,
        "fr_due_by": None,
        "is_escalated": False,
        "description": "",
        "description_text": "",
        "custom_fields": {},
        "created_at": created_at,
        "updated_at": created_at,
        "associated_tickets_count": None,
        "tags": [],
        "attachments": [],
        "source_additional_info": None,
        "structured_description": None,
        "nr_due_by": None,
        "nr_escalated": False,
        "requester": None,
        "stats": stats(),
        "company": None,
        "conversations": [],
    }
    return record | given


def stats(**given: str | None) -> Json:
    """The times of a ticket's life; all null until something happened."""
    names = ("agent_responded_at", "requester_responded_at", "first_responded_at", "status_updated_at")
    names += ("reopened_at", "resolved_at", "closed_at", "pending_since")
    return dict.fromkeys(names, None) | given


REPLY, NOTE = 0, 2
_INCOMING, _PRIVATE, _PUBLIC = 1, 2, 3


def conversation(
    conversation_id: int, ticket_id: int, created_at: str, body: str, body_text: str, **given: Any
) -> Json:
    """One message of a thread. ``category`` follows from who wrote it and who may see it."""
    incoming, private = given.get("incoming", False), given.get("private", False)
    record: Json = {
        "body": body,
        "body_text": body_text,
        "id": conversation_id,
        "incoming": incoming,
        "private": private,
        "user_id": None,
        "support_email": None,
        "source": NOTE if private else REPLY,
        "category": _PRIVATE if private else _INCOMING if incoming else _PUBLIC,
        "to_emails": [],
        "from_email": None,
        "cc_emails": [],
        "bcc_emails": None,
        "email_failure_count": None,
        "outgoing_failures": None,
        "thread_id": None,
        "thread_message_id": None,
        "created_at": created_at,
        "updated_at": created_at,
        "last_edited_at": None,
        "last_edited_user_id": None,
        "attachments": [],
        "cloud_files": [],
        "has_quoted_text": False,
        "automation_id": None,
        "automation_type_id": None,
        "auto_response": False,
        "ticket_id": ticket_id,
        "source_additional_info": None,
    }
    return record | given


def attachment(attachment_id: int, name: str, content_type: str, size: int, created_at: str) -> Json:
    """A file's metadata; its signed address is put in by ``attachments`` when it is served."""
    return {
        "id": attachment_id,
        "content_type": content_type,
        "size": size,
        "name": name,
        "attachment_url": "",
        "created_at": created_at,
        "updated_at": created_at,
    }


def requester(contact_id: int, name: str, email: str) -> Json:
    """The short form of a contact that ``include=requester`` adds."""
    return {"id": contact_id, "name": name, "email": email, "mobile": None, "phone": None}


def contact(contact_id: int, name: str, email: str, company_id: int | None, language: str, created_at: str) -> Json:
    return {
        "active": True,
        "address": None,
        "company_id": company_id,
        "description": None,
        "email": email,
        "id": contact_id,
        "job_title": None,
        "language": language,
        "mobile": None,
        "name": name,
        "phone": None,
        "time_zone": "Seoul" if language == "ko" else "Eastern Time (US & Canada)",
        "twitter_id": None,
        "custom_fields": {},
        "tags": [],
        "other_emails": [],
        "facebook_id": None,
        "created_at": created_at,
        "updated_at": created_at,
        "csat_rating": None,
        "preferred_source": "email",
        "unique_external_id": None,
    }


def company(company_id: int, name: str, domain: str, created_at: str) -> Json:
    return {
        "id": company_id,
        "name": name,
        "description": None,
        "note": None,
        "domains": [domain],
        "created_at": created_at,
        "updated_at": created_at,
        "custom_fields": {},
        "health_score": None,
        "account_tier": None,
        "renewal_date": None,
        "industry": None,
    }


def agent(agent_id: int, name: str, email: str, language: str, created_at: str) -> Json:
    return {
        "available": True,
        "occasional": False,
        "id": agent_id,
        "ticket_scope": 1,
        "signature": None,
        "group_ids": [FIRST_GROUP],
        "role_ids": [],
        "skill_ids": [],
        "available_since": None,
        "type": "support_agent",
        "created_at": created_at,
        "updated_at": created_at,
        "contact": {
            "active": True,
            "email": email,
            "job_title": None,
            "language": language,
            "last_login_at": created_at,
            "mobile": None,
            "name": name,
            "phone": None,
            "time_zone": "Seoul" if language == "ko" else "Eastern Time (US & Canada)",
            "created_at": created_at,
            "updated_at": created_at,
        },
    }


def group(group_id: int, name: str, agent_ids: list[int], created_at: str) -> Json:
    return {
        "id": group_id,
        "name": name,
        "description": None,
        "escalate_to": None,
        "unassigned_for": None,
        "business_hour_id": None,
        "group_type": "support_agent_group",
        "agent_ids": agent_ids,
        "auto_ticket_assign": 0,
        "created_at": created_at,
        "updated_at": created_at,
    }


def product(product_id: int, name: str, created_at: str) -> Json:
    return {
        "id": product_id,
        "name": name,
        "description": None,
        "primary_email": None,
        "created_at": created_at,
        "updated_at": created_at,
    }


def settings(language: str) -> Json:
    """The helpdesk's languages; the sample companies have articles in both."""
    other = ["en" if language == "ko" else "ko"]
    return {"primary_language": language, "supported_languages": other, "portal_languages": other}


_STATUS_CHOICES = {
    "2": ["Open", "Being Processed"],
    "3": ["Pending", "Awaiting your Reply"],
    "4": ["Resolved", "This ticket has been Resolved"],
    "5": ["Closed", "This ticket has been Closed"],
    "6": ["Waiting on Customer", "Awaiting your Reply"],
    "7": ["Waiting on Third Party", "Being Processed"],
}


def ticket_fields(agents: list[Json], groups: list[Json], products: list[Json], created_at: str) -> list[Json]:
    """The account's form: the only place where custom statuses have names."""
    choices: dict[str, tuple[str, Any]] = {
        "requester": ("Search a requester", None),
        "subject": ("Subject", None),
        "ticket_type": ("Type", list(TYPES)),
        "source": ("Source", {"Email": 1, "Portal": 2, "Phone": 3, "Feedback Widget": 9, "Web Chat": 15}),
        "status": ("Status", dict(_STATUS_CHOICES)),
        "priority": ("Priority", {name.title(): number for name, number in PRIORITIES.items()}),
        "group": ("Group", {group["name"]: group["id"] for group in groups}),
        "agent": ("Agent", {agent["contact"]["name"]: agent["id"] for agent in agents}),
        "product": ("Product", {product["name"]: product["id"] for product in products}),
        "description": ("Description", None),
    }
    return [
        {
            "id": 153_000_300_001 + position,
            "name": name,
            "label": label,
            "description": label,
            "position": position + 1,
            "required_for_closure": False,
            "required_for_agents": name in ("requester", "subject", "status", "priority", "description"),
            "type": f"default_{name}",
            "default": True,
            "customers_can_edit": name in ("requester", "subject", "description"),
            "label_for_customers": label,
            "required_for_customers": name in ("requester", "subject", "description"),
            "displayed_to_customers": True,
            "created_at": created_at,
            "updated_at": created_at,
        }
        | ({} if values is None else {"choices": values})
        for position, (name, (label, values)) in enumerate(choices.items())
    ]
