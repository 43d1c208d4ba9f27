"""Tags of a ticket out of its own words: nouns in Korean, content words and their pairs in English, codes in both.

Belongs here: which words can be a tag, and which of a ticket's words are its five best.
Does not belong here: how a tag is stored (``summary``), or the tags that people gave in the helpdesk (``ticket``).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from domain.summary import MAX_TAGS, tidy_tags
from domain.tokens import korean_nouns

_HANGUL = re.compile("[가-힣]")
_LINK = re.compile(r"https?://\S{1,2000}|[^\s@]{1,64}@\S{1,255}")
_PHRASE = re.compile(r"[^\s,.;:!?()\[\]\"“”…>/]+(?:[ ][^\s,.;:!?()\[\]\"“”…>/]+)*")
_CODE = re.compile(r"(?<![\w-])(?=[A-Za-z\d-]*\d)[A-Za-z]{1,6}[-_]?\d[A-Za-z\d-]{0,9}(?![\w-])")
_ACRONYM = re.compile(r"(?<![\w-])[A-Z][A-Za-z]?[A-Z]{1,4}(?![\w-])")
_WORD = re.compile(r"[a-z][a-z-]*[a-z]")  # no apostrophes: "o'clock", "customer's"

_NOT_ENGLISH_TAGS = """
    able about above after afternoon again against all almost alone along already also although always am among an and
    another any anybody anymore anyone anything anyway april are around as ask asked asking asks at august away back
    bad be became because been before behind being below best better between both bring but by call called calling came
    can cannot cant cause check checked come comes coming completely constant constantly could day days dear december
    did different dm do does doing done dont down during each eight either else end enough etc even evening ever every
    everybody everyone everything exactly explain fact far february few find fine first five fix folks follow for found
    four friday from full gave get gets getting give given gives giving go goes going gone good got great guys had half
    happen happened happening happens hard has have having he hear hello help helping her here hey hi him his hour
    hours how however i if in instead into is issue issues it its itself january july june just keep keeps kind kindly
    know last late lately later least left less let like little long longer look looking looks lot made make makes
    making many march may maybe me mean means might mine minute minutes moment monday month months more morning most
    much must my myself need needed needs neither never new next nice night nine no nobody none nor not nothing november now
    october of off often ok okay old on once one only opens or other others our out over own part people per perhaps
    place please plus possible problem problems properly put question quite rather read real really reason receive
    received regards right said same saturday saw say saying says second see seem seems seen send sent september seven
    several she should show shows side simply since six so some somebody someone something soon sorry start started
    starts still stop stopped stuff such sunday support sure take taken takes taking team tell ten than thank thanks
    that the their them then there these they thing things think third this those though three through thursday time
    times to today together told tomorrow tonight too took tried tries try trying tuesday turn turned turns two under
    until up upon us use used uses using usually very via wait waiting want wanted wants was way we wednesday week
    weeks well went were what when where whether which while who whole whom whose why will wish with within without
    wont word work worked working works would wrong year years yes yesterday yet you your yours yourself
"""
_NOT_KOREAN_TAGS = """
    가능 경우 고객 과정 관련 그것 그거 기존 내용 내일 누구 다음 답변 당일 대신 도움 동안 동일 두번 때문 문의 문제 발생
    방법 방금 본인 부분 부탁 불가 불편 사람 사용 사항 상담 상태 상황 선택 순간 시간 시도 시작 아래 안내 안녕 양해 어제
    언제 업무 여기 여러 오늘 오류 오전 오후 요즘 우리 운영 월요일 화요일 수요일 목요일 금요일 토요일 일요일 위치 이것
    이번 이상 이상한 이전 이후 이용 일부 입력 자꾸 작년 재차 저번 저장 저희 전부 전체 전화 접수 정도 정상 제가 조치
    종류 주말 지금 지난달 지난주 진행 질문 처리 처음 최근 추가 클릭 팀장 필요 하나 하루 한번 해결 해당 화면 확인
    확인요 회사 회신 금일 내년 올해 분들 저녁 아침 이유 원인 결과 요청 관리 이때 그때 이거 다른날 직원
"""
_STOP_EN = frozenset(_NOT_ENGLISH_TAGS.split())
_STOP_KO = frozenset(_NOT_KOREAN_TAGS.split())

_IN_SUBJECT = 3  # as much as three mentions


def tags_of(subject: str, told: Sequence[str]) -> tuple[str, ...]:
    """Up to five tags, the best first. ``told`` are the summary's other texts; tags are looked for in all of them.

    A word counts by its mentions, and more if it stands in the subject. Two neighbours that occur together at least
    twice are one tag. The same texts always give the same tags.
    """
    mentions: Counter[str] = Counter()
    weight: Counter[str] = Counter()
    for at, text in enumerate((subject, *told)):
        for name in _candidates(_LINK.sub(" ", text)):
            mentions[name] += 1
            weight[name] += 1 if at else _IN_SUBJECT
    for name in weight:
        if " " in name:  # a pair: once is a chance, twice is a name, and then it tells more than each of its words
            weight[name] = weight[name] + 1 if mentions[name] > 1 else 0
    chosen: list[str] = []
    for name, _ in weight.most_common():  # the earlier of two equals comes first
        if len(chosen) == MAX_TAGS:
            break
        if weight[name] and not any(_overlap(name, other) for other in chosen):
            chosen.append(name)
    return tidy_tags(chosen)


def _overlap(name: str, other: str) -> bool:
    return not set(name.split()).isdisjoint(other.split())


def _candidates(text: str) -> Iterator[str]:
    yield from (code.lower() for code in _CODE.findall(text))
    if _HANGUL.search(text):
        yield from (acronym.lower() for acronym in _ACRONYM.findall(text))
        yield from (noun.lower() for noun in korean_nouns(text) if len(noun) > 1 and noun not in _STOP_KO)
        return
    for phrase in _PHRASE.findall(text.lower()):
        words = [word if _is_english_tag(word) else "" for word in phrase.split(" ")]
        yield from (word for word in words if word)
        yield from (f"{left} {right}" for left, right in pairwise(words) if left and right)


def _is_english_tag(word: str) -> bool:
    if not (3 <= len(word) <= 20 and _WORD.fullmatch(word)) or word in _STOP_EN:
        return False
    return not word.endswith("ly") and (not word.endswith("ed") or word.endswith("eed") or len(word) < 6)
