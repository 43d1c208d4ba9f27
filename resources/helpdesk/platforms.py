"""Which adapter serves a company.

Belongs here: the one place that knows all adapters; a new platform adds its line. Does not belong here: any of them.
"""

from collections.abc import Callable

from domain.company import Company
from resources.companies import Companies
from resources.helpdesk.base import Helpdesk


def open_helpdesk(companies: Companies, company: Company) -> Helpdesk:
    """The helpdesk of a company, with its key. Sends nothing yet. Raises ``InputError`` when the key is missing."""
    key = companies.secret(company)

    def renewed_key() -> str:
        now = companies.secret(company, fresh=True)
        # Read after the key: what belongs to another address must not be sent to this one.
        return now if companies.get(company.id).endpoint == company.endpoint else key

    return connect(company, key, renewed_key)


def connect(company: Company, key: str, renewed_key: Callable[[], str] | None = None) -> Helpdesk:
    """The same for a company that is not registered yet. ``renewed_key`` gives the key as it is now, when it is refused."""
    if company.platform == "export":
        from resources.helpdesk.export import Export

        return Export(company.endpoint, columns=company.setting("columns"))
    if company.platform == "zendesk":
        from resources.helpdesk.zendesk import Zendesk

        return Zendesk(
            company.endpoint,
            company.setting("helpdesk_user"),
            key,
            renewed_key=renewed_key,
            conversations=company.setting("conversations"),
            attachments=company.setting("attachments"),
            file_texts=company.setting("attachment_texts") == "on",
            since=company.setting("since"),
            rate_share=company.setting("rate_share"),
            resolved_statuses=company.setting("resolved_statuses"),
        )
    from resources.helpdesk.freshdesk import Freshdesk

    return Freshdesk(
        company.endpoint,
        key,
        renewed_key=renewed_key,
        conversations=company.setting("conversations"),
        attachments=company.setting("attachments"),
        since=company.setting("since"),
        rate_share=company.setting("rate_share"),
        resolved_statuses=company.setting("resolved_statuses"),
        file_texts=company.setting("attachment_texts") == "on",
    )
