"""An article of a help centre in the platform-neutral form that everything after the adapter reads.

Belongs here: the record, and the rule of who may see it. Does not belong here: how one platform's JSON becomes it
(``resources/helpdesk/*``), or how it is cut into passages (``passages``).
"""

from dataclasses import dataclass, replace
from typing import Literal

from domain.fingerprint import fingerprint
from domain.ticket import Attachment

Visibility = Literal["everyone", "customers", "agents", "some"]
"""Who may read it: the world, every customer who is signed in, agents only, or some customers only."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article in one language. ``path`` leads to it: category, folder, subfolder. ``language`` is the source's own
    code ("ko", "en-us"). Times are ISO 8601 in UTC, or ""."""

    id: str
    title: str = ""
    html: str = ""
    text: str = ""
    language: str = ""
    draft: bool = False
    visibility: Visibility = "everyone"
    path: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    url: str = ""
    created_at: str = ""
    updated_at: str = ""
    attachments: tuple[Attachment, ...] = ()

    def content_hash(self) -> str:
        """Hash of what the article says and to whom. A new ``updated_at`` alone is no change (DESIGN §3.2)."""
        return fingerprint(replace(self, updated_at=""))

    def is_public(self, audience: Literal["customer", "agent"]) -> bool:
        """Whether a search may show it. Drafts never; what is for agents, or for some customers only, to agents."""
        return not self.draft and (audience == "agent" or self.visibility in ("everyone", "customers"))
