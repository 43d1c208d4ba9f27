"""Texts of tickets and questions as they may be shown to everybody: without personal data and without names of people.

Belongs here: names, and taking them out together with what ``personal_data`` finds. Does not belong here: masking what leaves
to a service (``masking``), which can be taken back: this cannot.

Names cannot be told from words for sure: those of the ticket's own people are known, others by how they are addressed
("김서연님", "김민수 과장", "Dear Ann", "Ms. Lee"). Every doubt takes the word out: a person reads the text before it is
published.
"""

import re
from collections.abc import Collection, Iterable
from typing import Final, cast

from domain.masking import redact
from domain.personal_data import KINDS

NAME: Final = "[NAME]"
"""What stands in a name's place."""
_SURNAMES = (
    "김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주우구민진지엄채원"
    "천방공현함변염여추도소석선설마길연위표명기반왕금옥육인맹제모탁국어은편용"
)
_TITLES = "과장|대리|부장|차장|팀장|사원|주임|선임|책임|이사|대표|매니저|실장|본부장|사장|원장|교수|선생"
_NO_NAMES_TEXT = """
    고객 이사 차장 주임 조장 원장 선생 하나 선임 지점장 소장 공장장 국장 원님 여러분 위원 위원장 기사 변호사
    담당 이용자 주문자 구매자 신청자 지원자 임직원 도우미 기자 반장 조합원 연구원
"""
_NO_NAMES = frozenset(_NO_NAMES_TEXT.split())
_KOREAN = re.compile(
    rf"(?<![가-힣])(?:[{_SURNAMES}][가-힣]{{1,3}}(?=님|씨(?![가-힣]))|[{_SURNAMES}][가-힣]{{2}}(?= ?(?:{_TITLES})))"
)
_DEPARTMENT = re.compile("[팀부과처]$")
_ENGLISH = re.compile(
    r"(?P<call>\b(?:[Hh]i|[Hh]ello|[Dd]ear|[Hh]ey|[Tt]hanks|[Tt]hank you|[Rr]egards|M(?:r|rs|s)|Dr|Prof)\b\.?,? )"
    r"(?!(?:Team|Support|All|Everyone|There|Sir|Madam|Customer)\b)[A-Z][a-z'’-]+(?: [A-Z][a-z'’-]+)?"
)
_SALUTATION = re.compile(
    r"^(?:(?:hi|hello|dear|hey|thanks|thank you|안녕하세요)[,.! ]+\[NAME\](?: ?고객)?(?:님|씨)?[\s,.!:;~-]*"
    r"|\[NAME\](?: ?고객)?(?:님|씨)?[,.!:~]+\s*)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(rf"\[(?:NAME|{'|'.join(KINDS)})\]")
_LEAST_PART = 3
_MOST_WORDS = 4


def anonymous(text: str, people: Iterable[str] = (), known: Collection[str] = ()) -> str:
    """The text in one line with ``[EMAIL]``, ``[PHONE]``, … for personal data and ``[NAME]`` for names. ``people`` are those
    of its ticket, parts of whose names are looked for, too; ``known`` are whole names of others, casefolded."""
    said = cast("str", redact(" ".join(text.split())))
    for pattern in _patterns(people):
        said = pattern.sub(NAME, said)
    said = _whole_names(said, known)
    said = _KOREAN.sub(_korean_name, said)
    said = _ENGLISH.sub(lambda found: f"{found['call']}{NAME}", said)
    said = re.sub(r"\[NAME\](?: ?\[NAME\])+", NAME, said)
    told = _SALUTATION.sub("", said)
    return told[:1].upper() + told[1:] if told != said else said


def is_clean(text: str) -> bool:
    """Whether nothing was taken out of such a text."""
    return not _PLACEHOLDER.search(text)


def bare(text: str) -> str:
    """Such a text without the placeholders, which are nobody's words."""
    return _PLACEHOLDER.sub(" ", text)


def _patterns(people: Iterable[str]) -> list[re.Pattern[str]]:
    """Each name as it is, the longest first, then its parts."""
    names = {" ".join(one.split()) for one in people if len(one.strip()) > 1}
    parts = {part for one in names for part in one.split() if len(part) >= _LEAST_PART and part[0].isupper()}
    # "서연님" of 김서연
    given = {f"{one[1:]}(?=님|씨)" for one in names if re.fullmatch("[가-힣]{3,4}", one)}
    whole = [
        rf"(?<![^\W_]){re.escape(one)}(?![A-Za-z0-9])"
        for one in sorted(names | parts, key=lambda one: (-len(one), one))
    ]
    return [re.compile(pattern) for pattern in (*whole, *sorted(given))]


def _whole_names(text: str, known: Collection[str]) -> str:
    """Without the names of people who are known from other tickets: two to four words of it, or one of three syllables."""
    if not known:
        return text
    words = list(re.finditer(r"[^\W\d_][\w'’.-]*", text))
    found: list[tuple[int, int]] = []
    for at, word in enumerate(words):
        spans = [(word.start(), other.end()) for other in reversed(words[at + 1 : at + _MOST_WORDS])]
        if re.match("[가-힣]{3}", word[0]):
            spans += [(word.start(), word.start() + length) for length in (4, 3)]
        span = next((one for one in spans if text[slice(*one)].casefold() in known), None)
        if span and (not found or found[-1][1] <= span[0]):
            found.append(span)
    for start, end in reversed(found):
        text = f"{text[:start]}{NAME}{text[end:]}"
    return text


def _korean_name(found: re.Match[str]) -> str:
    """A name that is addressed with 님 is one whatever it ends with; before a title it may be where that person works."""
    is_addressed = found.string[found.end() :].startswith(("님", "씨"))
    is_place = not is_addressed and _DEPARTMENT.search(found[0])
    return found[0] if found[0] in _NO_NAMES or is_place else NAME
