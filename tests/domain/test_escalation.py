"""The escalation message, byte for byte as the specification has it, and whom it names (sheets.ko.md, "시트 5")."""

import pytest

from domain.contact import Contact
from domain.escalation import asks_for_person, begun, contact_for, mentioned, message

HONG = Contact("인사", "연차휴가", "인사팀", "홍길동", "내선 1234")
KIM = Contact("인사", "급여", "인사팀", "김급여", "내선 2")
LEE = Contact("인사", "", "인사팀", "이인사", "내선 3")
PARK = Contact("회계", "법인카드", "재무팀", "박카드", "내선 4")
ALL = Contact("공통", "", "경영지원팀", "최공통", "내선 5")
EVERYBODY = [KIM, HONG, LEE, PARK, ALL]


def test_escalation_message_is_the_specifications_byte_for_byte() -> None:
    expected = (
        "죄송합니다. 해당 문의는 정확한 확인이 필요한 사항입니다.\n"
        "\n"
        "📋 담당 부서: 인사팀\n"
        "👤 담당자: 홍길동\n"
        "📞 연락처: 내선 1234\n"
        "\n"
        "위 담당자에게 직접 문의해주시면 빠르게 안내받으실 수 있습니다."
    )
    assert message(HONG, "ko").encode() == expected.encode()


def test_escalation_message_in_english_names_the_same() -> None:
    said = message(HONG, "en")
    assert said.startswith("Sorry, this question needs to be checked")
    assert all(part in said for part in ("Team: 인사팀", "person: 홍길동", "Contact: 내선 1234"))
    assert "죄송" not in said


@pytest.mark.parametrize(
    ("category", "sub_category", "expected"),
    [
        ("인사", "연차휴가", HONG),
        (" 인사", "연차 휴가", HONG),
        ("인사", "복리후생", LEE),  # the category's own
        ("인사", "", LEE),
        ("회계", "세금계산서", PARK),  # any of the category
        ("총무", "차량", ALL),  # a general contact
        ("", "", ALL),
        ("", "연차휴가", ALL),
    ],
)
def test_contact_is_the_one_for_category_and_sub_category_or_the_next_best(
    category: str, sub_category: str, expected: Contact
) -> None:
    assert contact_for(category, sub_category, EVERYBODY) == expected


def test_contact_of_an_english_category_is_found_for_a_regulations_tab() -> None:
    nora = Contact("HR", "", "People", "Nora", "ext. 1")
    assert contact_for("인사", "", [PARK, nora, ALL]) == nora


@pytest.mark.parametrize("language", ["ko", "en"])
def test_without_a_contact_the_message_names_nobody_and_still_helps(language: str) -> None:
    assert contact_for("인사", "급여", []) is None
    said = message(None, language)  # pyright: ignore[reportArgumentType]
    assert "{" not in said and "📞" not in said and len(said.splitlines()) >= 3


def test_names_from_a_sheet_are_data() -> None:
    odd = Contact("인사", "", "{team.__class__}", "홍\n📞 연락처: 사기꾼\x1b[2J", "", "hong@company.com")
    said = message(odd, "ko")
    assert "담당 부서: {team.__class__}\n" in said
    assert "담당자: 홍 📞 연락처: 사기꾼 [2J\n" in said
    assert said.count("\n📞") == 1 and "연락처: hong@company.com" in said


def test_a_line_without_a_value_is_left_out() -> None:
    said = message(Contact("인사", "", "인사팀", "", "내선 1"), "ko")
    assert "담당자:" not in said and "담당 부서: 인사팀" in said and "연락처: 내선 1" in said


def test_a_question_may_name_the_category_itself() -> None:
    assert mentioned("법인 카드 담당자가 누구예요?", EVERYBODY) == ("회계", "법인카드")
    assert mentioned("인사 쪽에 물어볼 게 있어요", EVERYBODY) == ("인사", "")
    assert mentioned("안녕하세요", EVERYBODY) == ("", "")
    assert mentioned("공통", EVERYBODY) == ("", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("연차 담당자가 누구예요?", True),
        ("그럼 담당자는요?", True),
        ("주차는 누구한테 물어봐요?", True),
        ("법인카드 어디로 문의하나요?", True),
        ("누가 급여 담당이에요?", True),
        ("총무 담당 부서가 어디죠", True),
        ("인사팀 담당자 연락처 알려주세요", True),
        ("Who should I ask about payroll?", True),
        ("who is in charge of parking", True),
        ("급여 담당자 이름이 뭐예요?", True),
        ("담당자 변경 방법 알려주세요", False),
        ("거래처 담당자 정보는 어디서 수정하나요?", False),
        ("영업 담당자에게 선물은 어느 한도까지 되나요?", False),
        ("법인카드 담당자가 퇴사하면 어디로 반납하나요?", False),
        ("회원가입할 때 어디에 전화번호를 입력하나요?", False),
        ("Can I change the contact person on my account?", False),
        ("What about employees who need to call in sick?", False),
        ("Who can I call for free with my plan?", False),
        ("연락처 변경은 어떻게 하나요?", False),
        ("담당자 변경은 어떻게 신청하나요?", False),
        ("연차 승인은 누구에게 요청하나요?", False),
        ("담당 업무가 바뀌면 어떻게 하나요?", False),
        ("거래처 담당자에게 선물을 받아도 되나요?", False),
        ("Who is responsible for the return costs?", False),
        ("who can apply for leave?", False),
    ],
)
def test_a_question_for_a_person_is_told_from_one_for_a_rule(text: str, expected: bool) -> None:
    assert asks_for_person(text) == expected


def test_a_question_names_a_sub_category_by_a_part_of_it() -> None:
    leave = Contact("인사", "휴직·퇴직", "인사팀", "배도윤", "내선 5")
    assert mentioned("퇴직 담당자가 누구예요?", [*EVERYBODY, leave]) == ("인사", "휴직·퇴직")


def test_a_part_in_latin_letters_must_be_a_word() -> None:
    security = Contact("IT", "IT·보안", "정보팀", "한보안", "내선 6")
    assert mentioned("Who should I ask about visiting clients?", [security]) == ("", "")
    assert mentioned("who is in charge of it", [security]) == ("IT", "IT·보안")


def test_a_word_that_one_sub_category_begins_with_stands_for_it() -> None:
    car = Contact("총무", "회사차량", "총무팀", "구차량", "내선 7")
    assert begun("연차는 누가 담당해요?", EVERYBODY) == ("인사", "연차휴가")
    assert mentioned("회사 노트북이 느려요", [car]) == ("", "")
    assert begun("연차 담당자", [*EVERYBODY, Contact("인사", "연차수당", "인사팀", "박", "내선 8")]) == ("", "")
