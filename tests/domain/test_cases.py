"""Which tickets are cases: each rule that leaves one out, and what it must not leave out."""

from typing import Any

import pytest

from domain.cases import rule, why_not
from domain.company import Company, CompanyId


def company(**settings: Any) -> Company:
    return Company(CompanyId("acme"), "freshdesk", "", settings)


def message(text: str, author: str = "customer", **changes: Any) -> dict[str, Any]:
    return {"id": "", "author": author, "private": False, "created_at": "", "text": text} | changes


def ticket(*messages: dict[str, Any], **changes: Any) -> dict[str, Any]:
    usual = {"status": "closed", "merged_into": "", "subject": "Refund", "tags": [], "type": "", "attachments": []}
    return usual | {"messages": list(messages) or [message("Please refund me.")]} | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"status": "open"}, "not resolved"),
        ({"status": "해결됨"}, ""),
        ({"status": ""}, ""),
        ({"merged_into": "7"}, "merged into another ticket"),
        ({"subject": "", "messages": []}, "no words"),
        ({"tags": ["Spam"]}, "spam"),
        ({"tags": ["스팸"]}, "spam"),
        ({"type": "Spam"}, "spam"),
        ({"tags": ["anti-spam filter"]}, ""),
        ({"subject": "Automatic reply: Refund"}, "an automatic message"),
        ({"subject": "RE: Out of Office: back on Monday"}, "an automatic message"),
        ({"subject": "Undeliverable: your invoice"}, "an automatic message"),
        ({"subject": "[자동회신] 부재중입니다"}, "an automatic message"),
        ({"subject": "부재중 안내"}, "an automatic message"),
        ({"subject": "메일 전송 실패"}, "an automatic message"),
        ({"subject": "The automatic reply does not go out"}, ""),
        ({"subject": "자동 결제가 두 번 되었어요"}, ""),
        ({"subject": "부재자 투표 문의"}, ""),
    ],
)
def test_what_is_left_out_and_why(changes: dict[str, Any], reason: str) -> None:
    assert why_not(company(), ticket(**changes)) == reason


def test_what_an_agent_took_up_is_a_case_whatever_began_it() -> None:
    answered = ticket(message("I am away."), message("We have closed your account.", "agent"), subject="Out of office")
    assert why_not(company(), answered) == ""
    noted = ticket(message("I am away."), message("A note.", "agent", private=True), subject="Out of office")
    assert why_not(company(), noted) == "an automatic message"


def test_each_rule_is_a_setting() -> None:
    lonely = ticket()
    assert why_not(company(), lonely) == ""
    assert why_not(company(skip_unanswered="on"), lonely) == "one message, and no answer"
    assert why_not(company(skip_unanswered="on"), ticket(message("a"), message("b", "agent"))) == ""
    assert why_not(company(skip_unanswered="on"), ticket(message("a"), message("System.", "system"))) != ""
    assert why_not(company(skip_shorter_than=100), lonely) == "shorter than 100 characters"
    assert why_not(company(skip_spam="off"), ticket(tags=["spam"])) == ""
    assert why_not(company(skip_automatic="off"), ticket(subject="Automatic reply: hello")) == ""
    assert why_not(company(resolved_statuses=["done"]), lonely) == "not resolved"


def test_a_changed_setting_looks_at_all_again_and_no_other_does() -> None:
    assert rule(company(skip_spam="off")) != rule(company()) != rule(company(skip_shorter_than=5))
    assert rule(company(language="ko")) == rule(company())
