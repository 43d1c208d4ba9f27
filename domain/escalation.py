"""Tier 3: the person to ask, and the message that names them.

Belongs here: which question asks for a person, who is the one for a category, and the words (spec sheets.ko.md, §"시트 5:
담당자"). Does not belong here: deciding that a question goes to a person (``query/ask``), or reading the tab
(``workbook_rows``).
"""

import re
from collections.abc import Sequence
from typing import Final, Literal

from domain.contact import Contact

Language = Literal["ko", "en"]

KOREAN: Final = """죄송합니다. 해당 문의는 정확한 확인이 필요한 사항입니다.

📋 담당 부서: {team}
👤 담당자: {name}
📞 연락처: {contact}

위 담당자에게 직접 문의해주시면 빠르게 안내받으실 수 있습니다."""
"""The specification's message, byte for byte."""
ENGLISH: Final = """Sorry, this question needs to be checked by the person in charge.

📋 Team: {team}
👤 Contact person: {name}
📞 Contact: {contact}

Please ask them directly, and you will be helped quickly."""
_NOBODY: Final = {
    "ko": "죄송합니다. 해당 문의는 정확한 확인이 필요한 사항입니다.\n\n"
    "등록된 담당자를 찾지 못했습니다. 질문을 조금 더 구체적으로 다시 적어주시거나, "
    "소속 부서의 경영지원 담당 창구로 문의해주세요.",
    "en": "Sorry, this question needs to be checked by a person.\n\n"
    "Nobody is named for it yet. Please ask again in more detail, or turn to your support team.",
}
GENERAL: Final = frozenset(
    {"", "공통", "전체", "일반", "기타", "대표", "general", "all", "any", "other", "common", "*"}
)
"""Names of a category or sub-category that stands for all of them."""
_MOST_VALUE = 200
_NAMES: Final = {
    english: korean
    for korean, names in {
        "인사": ("hr", "humanresources", "people"),
        "총무": ("ga", "generalaffairs", "facilities"),
        "회계": ("finance", "accounting"),
    }.items()
    for english in names
}
"""The tabs of regulations have Korean names, whatever language the contacts' categories are in."""
_WHO: Final = r"(?:님|분)?(?:은|는|이|가|의|을|를|좀)?\s*"
_FOR_A_PERSON: Final = re.compile(
    r"담당 ?(?:하는 ?(?:분|사람|곳)|자|부서|팀)?"
    + _WHO
    + r"(?:누구|누군|(?:성함|이름)이?\s*(?:뭐|무엇|어떻게|어떤)|(?:어디|어느 ?(?:분|부서|팀))"
    r"(?:예요|에요|이에요|인가|인지|죠|지|야|입니|$|[?？ ]*$)"
    r"|(?:연락처|내선|전화번호)(?:[가을를는은 좀]*(?:알려|알 ?수|뭐|무엇|어떻게|궁금|부탁)|\s*[?？]?$)"
    r"|(?:알려|궁금|연결해))"
    r"|담당(?:자|부서|팀)(?:님|분)?(?:은|는|이|가)?(?:요|은요|는요)?\s*[?？~.!]*$"
    r"|누가[^?!.\n]{0,10}담당"
    r"|(?:누구|어디|어느 ?(?:부서|팀|분))(?:한테|에게|께|에다가?|로|에)\s*(?:문의|물어|여쭤|여쭈|연락(?!처)|전화(?!번호))"
    r"|문의처|문의할 ?(?:곳|데|분|사람)"
    r"|\bwho(?:'s| is| are)\b[^?.!\n]{0,12}\b(?:in charge|the (?:right )?contact|the person (?:for|responsible))\b"
    r"|\bwho(?:m)? (?:should|do|can|could|must) (?:i|we) (?:ask|contact|reach|talk to|speak (?:to|with)|write to|turn to)\b"
    r"|(?:^|\b(?:know|tell me) )whom? to (?:ask|contact|reach|talk to|speak (?:to|with)|write to|turn to)\b",
    re.IGNORECASE,
)
_OF_A_RULE: Final = re.compile(
    r"(?:담당자?|연락처|전화번호)(?:의|를|을| )*\S{0,6} ?(?:변경|등록|수정|지정|교체)|변경하|변경 ?방법"
)
"""What is done with contacts' names is a question for a rule: "담당자 변경 방법 알려주세요"."""
_PARTICLE: Final = re.compile(r"(?<=..)(?:은|는|이|가|을|를|의|도|에|로|으로)$")
_HANGUL: Final = re.compile(r"[가-힣]+")
_SEPARATORS: Final = re.compile(r"[·ㆍ/,&]")


def asks_for_person(text: str) -> bool:
    """Whether a text asks who is in charge ("연차 담당자가 누구예요?", "Who should I ask about payroll?"), not for a rule."""
    return _FOR_A_PERSON.search(text) is not None and _OF_A_RULE.search(text) is None


def contact_for(category: str, sub_category: str, contacts: Sequence[Contact]) -> Contact | None:
    """Whom to name: the one for category and sub-category; else the category's own (without a sub-category, or a general
    one); else the first of the category; else a general contact; else nobody. The tab's order settles the rest."""
    wanted, sub = _named(category), _folded(sub_category)
    same = [one for one in contacts if wanted not in GENERAL and _named(one.category) == wanted]
    exact = [one for one in same if sub not in GENERAL and _folded(one.sub_category) == sub]
    own = [one for one in same if _folded(one.sub_category) in GENERAL]
    general = [one for one in contacts if _folded(one.category) in GENERAL]
    return next(iter((*exact, *own, *same, *general)), None)


def mentioned(question: str, contacts: Sequence[Contact]) -> tuple[str, str]:
    """Category and sub-category that a question names by their own words ("법인카드 담당자가 누구예요?"), or by a part of
    "휴직·퇴직"; the longest name wins, ("", "") for none. One of a single character is too short to be meant, and
    one in Latin letters must be a word of its own."""
    said, words = _folded(question), _words(question)

    def is_said(name: str) -> bool:
        folded = _folded(name)
        if len(folded) < 2 or folded in GENERAL:
            return False
        return folded in words or (folded in said and bool(_HANGUL.search(folded)))

    named = [
        (len(_folded(name)), one.category, one.sub_category)
        for one in contacts
        for name in (one.sub_category, *_SEPARATORS.split(one.sub_category))
        if is_said(name)
    ]
    named += [(len(_folded(one.category)), one.category, "") for one in contacts if is_said(one.category)]
    _, category, sub_category = max(named, key=lambda one: one[0], default=(0, "", ""))
    return category, sub_category


def begun(question: str, contacts: Sequence[Contact]) -> tuple[str, str]:
    """Category and sub-category of the only contact whose sub-category begins with a word of the question: "연차" is said for
    연차휴가. ("", "") for none, or several."""
    words = {word for word in _words(question) if len(word) > 1 and _HANGUL.fullmatch(word)}
    found = {
        (one.category, one.sub_category)
        for one in contacts
        if any(_folded(one.sub_category).startswith(word) for word in words)
    }
    return found.pop() if len(found) == 1 else ("", "")


def _words(question: str) -> set[str]:
    """The words of a question, with and without the particle that a Korean one ends in."""
    found = set(re.findall(r"\w+", question.casefold()))
    return found | {_PARTICLE.sub("", word) for word in found}


def message(contact: Contact | None, language: Language) -> str:
    """What the user reads. Names come from a sheet and are data: each stays in its line. A line without a value is left
    out; without a contact, the message says how to go on."""
    if contact is None:
        return _NOBODY[language]
    values = {
        "team": _line(contact.team),
        "name": _line(contact.name),
        "contact": _line(contact.contact or contact.email),
    }
    template = KOREAN if language == "ko" else ENGLISH
    missing = [f"{{{name}}}" for name, value in values.items() if not value]
    kept = [line for line in template.split("\n") if not any(place in line for place in missing)]
    return "\n".join(kept).format(**values)


def _named(category: str) -> str:
    """A category as it is compared."""
    folded = _folded(category)
    return _NAMES.get(folded, folded)


def _line(text: str) -> str:
    """One line of what can be seen."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))[:_MOST_VALUE].strip()


def _folded(text: str) -> str:
    """A name as it is compared: without spaces, in one case."""
    return "".join(text.split()).casefold()
