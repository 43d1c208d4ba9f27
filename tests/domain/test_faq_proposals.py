"""Proposals: groups of what people ask, what is quoted, ids that stay, what people decide, and FAQs that are contradicted.

Belongs here: the rules of ``clusters``, ``anonymous``, ``faq_drafts``, ``stale_answers`` and ``faq_proposals``. Does not
belong here: the tables and the workbook (``tests/assets/test_faq_proposals``).
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest

from domain.anonymous import anonymous
from domain.clusters import LEAST_SIZE, Space, Text
from domain.faq import Faq
from domain.faq_drafts import Asked, Known, Quote, Workbench, drafts, workbench
from domain.faq_proposals import (
    Cells,
    Proposal,
    accepted,
    answers,
    decided,
    faq_cells,
    joined,
    proposal_id,
    tab_cells,
    without,
)
from domain.points import sparse
from domain.stale_answers import stale
from domain.tokens import terms
from domain.workbook_layout import FAQ, LAYOUT, PROPOSALS

MODEL = "use-multi-1"
TODAY = "2026-03-01"
_CHANCE = np.random.default_rng(7)
_COMMON = _CHANCE.normal(size=64) * 0.5


def text(name: str, about: Sequence[float], said: str, topic: str = "") -> Text:
    """A text whose vector is near others ``about`` the same; unrelated ones have a cosine of about 0.2, as models give."""
    noise = np.random.default_rng(sum(map(ord, name))).normal(size=64) * 0.3
    vector = (np.asarray(about) + _COMMON + noise).astype(np.float32)
    return Text(name, vector, dict(zip(*sparse(terms(said)), strict=True)), topic)


def subject(number: int) -> list[float]:
    return list(np.random.default_rng(number).normal(size=64))


CARDS = {
    "ticket 11": ("법인카드 한도 초과라고 결제가 안 됩니다.", "법인카드 > 한도 조정에서 올립니다. 최대 300만원입니다."),
    "ticket 12": ("출장 중인데 법인카드 한도 초과로 결제가 거절됐어요.", "법인카드 > 한도 조정에서 300만원까지 올립니다."),
    "ticket 13": ("법인카드 한도 초과, 결제 거절", "법인카드 > 한도 조정에서 바로 올렸습니다. 300만원까지 됩니다."),
    "ticket 14": ("법인카드가 한도 초과로 거절됩니다", ""),
}  # fmt: skip
VPN = {
    "question a1": "재택근무 VPN 접속이 안 돼요",
    "question a2": "집에서 VPN 접속이 안 됩니다 재택근무",
    "question a3": "VPN 접속 안 되는데 재택근무 어떻게 하죠",
}
OTHERS = {f"ticket 9{number}": f"다른 문의 {number}: 프린터 {number}번 용지 걸림" for number in range(4)}
TITLES = {"ticket 11": "법인카드 한도 초과로 결제 거절", "ticket 12": "카드 한도 초과"}


def asked_of() -> list[Asked]:
    found = [
        Asked(
            one, f"2026-02-1{at}T00:00:00Z", said, solution, ("법인카드", "한도"), text(one, subject(1), said, "회계")
        )
        for at, (one, (said, solution)) in enumerate(CARDS.items())
    ]
    found += [
        Asked(one, f"2026-02-2{at} 09:00:00", said, "", (), text(one, subject(2), said))
        for at, (one, said) in enumerate(VPN.items())
    ]
    return found + [
        Asked(one, "2026-02-01T00:00:00Z", said, "해결", (), text(one, subject(10 + at), said))
        for at, (one, said) in enumerate(OTHERS.items())
    ]


def faq(faq_id: str, question: str, answer: str, category: str = "회계", updated: str = "2026-01-01") -> Faq:
    return Faq(faq_id, category, "법인카드", (), question, answer, "", True, updated)


def known(one: Faq, about: int) -> Known:
    return Known(one, text(f"faq {one.faq_id}", subject(about), f"{one.question} {one.answer}", one.category))


def quote(evidence: str) -> Quote:
    said, solution = CARDS.get(evidence, (OTHERS.get(evidence, ""), ""))
    return Quote(TITLES.get(evidence, ""), said, solution, ("김서연", "박지훈"))


def bench(asked: Sequence[Asked], faqs: Sequence[Known] = (), quoted: object = quote) -> Workbench:
    return workbench(MODEL, asked, faqs, quoted, frozenset({"이민호"}), TODAY)  # type: ignore[arg-type]


def by_core(found: Sequence[Proposal]) -> dict[str, Proposal]:
    return {"cards" if "ticket 11" in one.evidence else "vpn": one for one in found}


# --- groups -----------------------------------------------------------------------------------------------------------


def test_what_three_ask_is_proposed_and_what_one_asks_is_not() -> None:
    found = by_core(drafts(bench(asked_of())))
    assert set(found) == {"cards", "vpn"}
    assert set(found["cards"].evidence) == set(CARDS) and found["cards"].count == 4
    assert set(found["vpn"].evidence) == set(VPN)
    fewer = [one for one in asked_of() if one.id not in ("question a3",)]
    assert set(by_core(drafts(bench(fewer)))) == {"cards"}, f"{LEAST_SIZE} at least"


def test_groups_are_the_same_whatever_the_order() -> None:
    first = drafts(bench(asked_of()))
    for seed in range(5):
        mixed = asked_of()
        random.Random(seed).shuffle(mixed)
        assert drafts(bench(mixed)) == first


def test_a_model_that_nothing_is_known_of_and_few_texts_give_no_groups() -> None:
    assert Space("somebody's-model", [one.seen for one in asked_of()]).groups() == []


def test_the_answer_is_what_agents_said_and_questions_that_nobody_answered_have_none() -> None:
    found = by_core(drafts(bench(asked_of())))
    assert found["cards"].answer in {solution for _, solution in CARDS.values()} and found["cards"].answer
    assert found["vpn"].answer == "" and found["vpn"].question in VPN.values()
    assert found["cards"].question in {*TITLES.values(), *(said for said, _ in CARDS.values())}
    assert set(found["cards"].quoted) <= set(CARDS)


def test_a_proposal_has_three_to_six_keywords() -> None:
    for one in drafts(bench(asked_of())):
        assert 3 <= len(one.keywords) <= 6, one.keywords


def test_an_active_faq_that_covers_the_question_leaves_nothing_to_propose() -> None:
    covering = faq(
        "FAQ-FI-001", "법인카드 한도 초과로 결제가 거절되면 어떻게 하나요?", "회계 > 법인카드 > 한도 조정에서 올립니다."
    )
    assert set(by_core(drafts(bench(asked_of(), [known(covering, 1)])))) == {"vpn"}
    other = faq("FAQ-GA-001", "주차 등록은 어떻게 하나요?", "총무팀에 차량번호를 알려 주세요.", "총무")
    found = by_core(drafts(bench(asked_of(), [known(other, 30)])))
    assert set(found) == {"cards", "vpn"}


def test_the_category_is_the_nearest_faqs_or_that_of_the_tickets_product() -> None:
    other = faq("FAQ-FI-009", "영수증은 어디에 내나요?", "회계팀에 내세요.")
    found = by_core(drafts(bench(asked_of(), [known(other, 40)])))
    assert found["cards"].category == "회계"
    assert by_core(drafts(bench(asked_of())))["cards"].sub_category == "회계", (
        "without FAQs: the first category, the product"
    )


# --- people -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("김서연님, 설정에서 바꾸시면 됩니다.", "설정에서 바꾸시면 됩니다."),
        ("결재를 박지훈 팀장에게 올리세요", "결재를 [NAME] 팀장에게 올리세요"),
        ("고객님, 팀장님께 확인하세요", "고객님, 팀장님께 확인하세요"),
        ("이민호가 신청, 010-1234-5678", "[NAME]가 신청, [PHONE]"),
        ("메일은 kim@example.com 으로", "메일은 [EMAIL] 으로"),
        ("Hello Morag. Open Devices > Lock.", "Open Devices > Lock."),
        ("Ask Ms. Lee or Morag Ellison", "Ask Ms. [NAME] or [NAME]"),
    ],
)
def test_no_name_and_no_personal_data_gets_into_a_proposal(said: str, left: str) -> None:
    assert anonymous(said, ["김서연", "Morag Ellison"], {"이민호"}) == left


def test_a_case_without_personal_data_is_quoted_before_one_with_it() -> None:
    def with_phone(evidence: str) -> Quote:
        said = quote(evidence)
        return replace(said, answer=f"{said.answer} 문의 010-1234-5678") if evidence != "ticket 13" else said

    found = by_core(drafts(bench(asked_of(), quoted=with_phone)))
    assert found["cards"].answer == CARDS["ticket 13"][1]
    assert "ticket 13" in found["cards"].quoted


# --- one question, one proposal ---------------------------------------------------------------------------------------


def made(evidence: Sequence[str], **more: object) -> Proposal:
    words = {
        "category": "회계",
        "sub_category": "",
        "keywords": ("카드",),
        "question": "카드 한도?",
        "answer": "올리세요.",
    }
    plain = Proposal(
        proposal_id("new", evidence[0]), "new", evidence=tuple(evidence), quoted=tuple(evidence[:1]),
        count=len(evidence), last_updated=TODAY, **words,  # type: ignore[arg-type]
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]


def test_a_proposal_keeps_its_id_when_tickets_join_it() -> None:
    first = made(["ticket 1", "ticket 2", "ticket 3"], was_seen=True)
    grown = made(["ticket 9", "ticket 1", "ticket 2", "ticket 3"], question="다른 말")
    now = joined([first], [grown])
    assert list(now) == [first.proposal_id]
    assert (now[first.proposal_id].count, now[first.proposal_id].question) == (4, first.question)


def test_a_rejected_proposal_comes_back_only_when_twice_as_many_ask() -> None:
    three = ["ticket 1", "ticket 2", "ticket 3"]
    rejected = made(three, status="rejected", decided_at=3)
    five = made([*three, "ticket 4", "ticket 5"])
    (still,) = joined([rejected], [five]).values()
    assert still.status == "rejected"
    six = made([*three, "ticket 4", "ticket 5", "ticket 6"])
    (again,) = joined([still], [six]).values()
    assert again.status == "open" and again.proposal_id != rejected.proposal_id


def test_what_nobody_asks_any_more_goes_unless_a_person_worked_on_it() -> None:
    open_one = made(["ticket 1", "ticket 2", "ticket 3"])
    assert joined([open_one], []) == {}
    assert list(joined([replace(open_one, is_edited=True)], [])) == [open_one.proposal_id]


def test_nothing_of_a_forgotten_ticket_stays() -> None:
    one = made(["ticket 1", "ticket 2", "ticket 3"])
    assert without(one, {"ticket 8"}) is one
    assert without(one, {"ticket 1"}) is None, "its words are quoted"
    left = without(one, {"ticket 2"})
    assert left and left.evidence == ("ticket 1", "ticket 3") and left.count == 2


# --- what people decide -----------------------------------------------------------------------------------------------

FAQS: list[list[str]] = [
    LAYOUT[FAQ].header,
    ["FAQ-FI-007", "회계", "카드", "카드", "카드 분실은?", "신고하세요.", "", "TRUE", "2026-01-01"],
    ["FAQ-HR-001", "인사", "연차", "연차", "연차는?", "15일입니다.", "", "TRUE", "2026-01-01"],
]


def tab(*proposals: Proposal, **cells: str) -> list[list[str]]:
    """The tab as it is read back, with cells of all rows changed."""
    rows = [{name: str(cell).upper() if isinstance(cell, bool) else str(cell) for name, cell in row.items()} | cells
            for row in tab_cells(proposals)]  # fmt: skip
    header = LAYOUT[PROPOSALS].header
    return [header, *([row[name] for name in header] for row in rows)]


def decide(one: Proposal, cells: Cells | None, faqs: Cells = FAQS, **more: Sequence[str]) -> Proposal:
    after, _ = decided([one], cells, faqs, TODAY, **more)
    return after[one.proposal_id]


ONE = made(["ticket 1", "ticket 2", "ticket 3"])


def test_accepted_becomes_a_faq_with_the_next_id_of_its_category() -> None:
    one = decide(ONE, tab(ONE, isAccepted="TRUE"))
    (row,) = accepted([one], FAQS)
    assert (row.faq_id, row.source, row.is_active, row.answer) == ("FAQ-FI-008", ONE.marker, True, "올리세요.")
    assert list(faq_cells(row)) == LAYOUT[FAQ].header


def test_an_accepted_proposal_never_becomes_two_faqs() -> None:
    one = decide(ONE, tab(ONE, isAccepted="TRUE"))
    (row,) = accepted([one], FAQS)
    again = decide(one, tab(one))
    assert accepted([again], FAQS) == [row], "not written yet: the same row"
    there = [*FAQS, [str(cell) for cell in faq_cells(row).values()]]
    assert accepted([one], there) == [], "it died before it could note that: it is there"
    done = decide(one, tab(one), there)
    assert done.status == "done" and not done.question and tab_cells([done]) == []
    edited = [*FAQS, [row.faq_id, "회계", "", "", "고친 질문", "고친 답", row.source, "TRUE", ""]]
    assert accepted([one], edited) == [], "by the marker, whatever a person made of its words"
    unmarked = [*FAQS, ["FAQ-X-1", "회계", "", "", ONE.question, ONE.answer, "", "TRUE", ""]]
    assert accepted([one], unmarked) == [], "by its words, whatever its source says"
    assert joined([done], [made([*ONE.evidence, "ticket 4"])])[ONE.proposal_id].status == "done", (
        "and is not proposed again"
    )


def test_what_a_person_writes_into_the_row_is_what_becomes_the_faq() -> None:
    one = decide(ONE, tab(ONE, answer="한도 조정에서 올리세요.", keywords="카드，한도, 결제", category="인사"))
    assert one.is_edited and one.keywords == ("카드", "한도", "결제")
    (row,) = accepted([decide(one, tab(one, isAccepted="예"))], FAQS)
    assert (row.faq_id, row.answer) == ("FAQ-HR-002", "한도 조정에서 올리세요.")


def test_an_accepted_row_without_an_answer_is_told_and_waits() -> None:
    after, notes = decided([ONE], tab(ONE, isAccepted="TRUE", answer=""), FAQS, TODAY)
    assert after[ONE.proposal_id].status == "open" and "no answer" in notes[0]
    assert accepted(after.values(), FAQS) == []


def test_a_deleted_row_is_rejected_and_one_that_was_never_written_is_not() -> None:
    empty = [LAYOUT[PROPOSALS].header]
    assert decide(ONE, empty).status == "open"
    assert decide(ONE, None).status == "open", "no tab, no decision"
    for rejected in (decide(ONE, empty, written=[ONE.proposal_id]), decide(decide(ONE, tab(ONE)), empty)):
        assert rejected.status == "rejected" and not rejected.question and not rejected.answer and not rejected.quoted


def test_a_tab_without_a_column_it_needs_rejects_nothing_and_one_with_korean_names_is_read() -> None:
    rows = tab(ONE, isAccepted="TRUE")
    unnamed = [["?", *rows[0][1:]], *rows[1:]]
    assert decide(ONE, unnamed, written=[ONE.proposal_id]).status == "open"
    assert decide(ONE, [["제안 ID", *rows[0][1:]], *rows[1:]]).status == "accepted"


def test_a_broken_formula_leaves_the_words_that_there_were() -> None:
    left = decide(ONE, tab(ONE, answer="#REF!"))
    assert (left.answer, left.is_edited) == (ONE.answer, False)


def test_two_accepted_at_once_have_two_ids() -> None:
    other = made(["ticket 4", "ticket 5", "ticket 6"], question="카드 재발급?")
    after, _ = decided([ONE, other], tab(ONE, other, isAccepted="TRUE"), FAQS, TODAY)
    assert sorted(row.faq_id for row in accepted(after.values(), FAQS)) == ["FAQ-FI-008", "FAQ-FI-009"]


def test_a_proposal_is_read_back_as_it_was_stored() -> None:
    stored = asdict(ONE)
    assert Proposal.from_payload({**stored, "evidence": list(ONE.evidence)}) == ONE


# --- stale answers ----------------------------------------------------------------------------------------------------

LIMIT = "법인카드 한도 초과로 결제가 거절되면 어떻게 하나요?"


@pytest.mark.parametrize(
    ("answer", "updated", "is_stale"),
    [
        ("한도는 200만원까지 올립니다.", "2026-01-01", True),
        ("한도는 3,000,000원까지 올립니다.", "2026-01-01", False),
        ("한도는 200만원까지, 임원은 500만원까지 올립니다.", "2026-01-01", False),
        ("한도는 200만원까지 올립니다.", "2026-02-27", False),
        ("한도는 회계팀에 문의하세요.", "2026-01-01", False),
    ],
    ids=["another amount", "the same amount", "two amounts", "edited since", "no amount"],
)
def test_an_answer_that_newer_tickets_contradict_is_flagged(answer: str, updated: str, is_stale: bool) -> None:
    one = known(faq("FAQ-FI-001", LIMIT, answer, updated=updated), 1)
    found = stale(bench(asked_of(), [one]))
    assert bool(found) == is_stale
    if found:
        assert found[0].kind == "stale" and found[0].faq_id == "FAQ-FI-001" and found[0].evidence[0] == "faq FAQ-FI-001"
        assert "300만원" in found[0].answer and found[0].count == 3


def test_tickets_that_do_not_agree_contradict_nothing() -> None:
    one = known(faq("FAQ-FI-001", LIMIT, "한도는 200만원까지 올립니다."), 1)
    asked = [
        replace(case, solution=case.solution.replace("300", "400")) if case.id == "ticket 12" else case
        for case in asked_of()
    ]
    assert stale(bench(asked, [one])) == []


def test_an_accepted_stale_answer_takes_the_place_of_the_old_one() -> None:
    flagged = made(
        ["faq FAQ-FI-007", "ticket 1", "ticket 2", "ticket 3"],
        kind="stale",
        faq_id="FAQ-FI-007",
        answer="앱에서 신고하세요.",
    )
    one = decide(flagged, tab(flagged, isAccepted="TRUE"))
    assert accepted([one], FAQS) == []
    header = LAYOUT[FAQ].header
    assert answers([one], FAQS) == {
        (2, header.index("answer") + 1): "앱에서 신고하세요.",
        (2, header.index("lastUpdated") + 1): TODAY,
    }
    there = [FAQS[0], [*FAQS[1][:5], "앱에서 신고하세요.", *FAQS[1][6:]], FAQS[2]]
    assert answers([one], there) == {} and decide(one, tab(one), there).status == "done"
