"""Which adapter serves a company.

Belongs here: the one place that knows all adapters; a new platform adds its line. Does not belong here: any of them.
"""

from domain.company import Company
from resources.companies import Companies
from resources.helpdesk.base import Helpdesk


def open_helpdesk(companies: Companies, company: Company) -> Helpdesk:
    """The helpdesk of a company, with its key. Sends nothing yet. Raises ``InputError`` when the key is missing."""
    return connect(company, companies.secret(company))


def connect(company: Company, key: str) -> Helpdesk:
    """The same for a company that is not registered yet."""
    if company.platform == "export":
        from resources.helpdesk.export import Export

        return Export(company.endpoint, columns=company.setting("columns"))
    from resources.helpdesk.freshdesk import Freshdesk

    return Freshdesk(
        company.endpoint,
        key,
        conversations=company.setting("conversations"),
        attachments=company.setting("attachments"),
        since=company.setting("since"),
        rate_share=company.setting("rate_share"),
        is_resolved=company.is_resolved,
    )
