"""Which tickets are cases: solved, and with something in them that is worth an answer.

Belongs here: the rules that leave a ticket out (specification, "비용 최적화": unresolved tickets are excluded), each a
company's setting, each with a reason that people see counted. Does not belong here: what is made of a case
(``ticket_stages``), or which tickets are fetched at all.
"""

import re
from typing import Any

from domain import merge
from domain.company import Company
from domain.fingerprint import fingerprint

Json = dict[str, Any]
CASES_VERSION = "2"
"""Changes whenever the same ticket under the same settings would be judged otherwise."""

_SETTINGS = ("resolved_statuses", "skip_shorter_than", "skip_automatic", "skip_spam", "skip_unanswered")
_SPAM = frozenset(("spam", "junk", "phishing", "스팸", "광고"))
# Marks of machines at the very beginning of a subject; "Re:" and the like may stand before them.
_AUTOMATIC = re.compile(
    r"\s*(?:(?:re|fw|fwd|aw|답장|회신|전달)\s*:\s*)*(?:"
    r"automatic reply|auto(?:matic)?[- ]?(?:reply|response|responder)|autoreply|out of (?:the )?office|ooo\s*:|on vacation"
    r"|undeliver(?:able|ed)|delivery (?:status notification|has failed|failure)|mail delivery (?:failed|subsystem)"
    r"|returned mail|failure notice|read receipt|read:\s"
    r"|\[?자동 ?(?:회신|응답|답장|발신)|\[?부재 ?중|메일 ?(?:전송|배달|발송) ?실패|반송된? ?메일|수신 ?확인\s*:"
    r")",
    re.IGNORECASE,
)


def rule(company: Company) -> str:
    """Changes whenever ``why_not`` may say something else for the same ticket."""
    return fingerprint([CASES_VERSION, *(company.setting(name) for name in _SETTINGS)])


def why_not(company: Company, merged: Json) -> str:
    """Why a merged ticket is no case, in words that are the same for all of its kind; "" for a case."""
    if not company.is_resolved(merged["status"]):
        return "not resolved"
    if merged["merged_into"]:
        return "merged into another ticket"
    text = merge.thread_text(merged).strip()
    if not text:
        return "no words"
    if len(text) < (shortest := company.setting("skip_shorter_than")):
        return f"shorter than {shortest} characters"
    if company.setting("skip_spam") == "on" and _is_spam(merged):
        return "spam"
    if company.setting("skip_automatic") == "on" and _is_automatic(merged):
        return "an automatic message"
    if company.setting("skip_unanswered") == "on" and not _is_answered(merged):
        return "one message, and no answer"
    return ""


def _is_spam(merged: Json) -> bool:
    words = [*merged["tags"], merged["type"], merged["status"]]
    return any(word.strip().lower() in _SPAM for word in words if word)


def _is_automatic(merged: Json) -> bool:
    """Written by a machine, and nobody answered: what an agent took up is a case, whatever began it."""
    return bool(_AUTOMATIC.match(merged["subject"])) and not _has_agent(merged)


def _is_answered(merged: Json) -> bool:
    said = [message for message in merged["messages"] if not message["private"] and message["author"] != "system"]
    return len(said) > 1 or _has_agent(merged)


def _has_agent(merged: Json) -> bool:
    return any(message["author"] == "agent" and not message["private"] for message in merged["messages"])
