"""Multi-turn: whether a question leans on the one before it, and what it then asks ("그럼 반차는?", "and for part-timers?").

Belongs here: the rule by which a follow-up is told, and its readings as questions of their own, without an LLM. Does not
belong here: which questions are the session's (``sessions``), or asking with them (``query/ask``). An LLM that answers is
shown the conversation itself (``answer_prompt``), in the same call.

A question that can stand alone is left alone: a wrong guess that it cannot would answer another question.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from domain import tokens

_MOST_WORDS = 8
"""A question of more words says what it is about."""
_MOST_ELLIPTIC = 5
_MOSTLY = 0.6

_KO_LEAD = re.compile(
    r"^(?:아+|네|넵|음|오)?[,.!~ ]*(?:그럼|그러면|그렇다면|그렇담|그리고|그런데|근데|그래서|또는|또|만약|만약에|혹시"
    r"|반대로|그 외에|이외에)"
    r"(?:요)?[,.…~ ]+"
)
_KO_BACK = re.compile(
    r"(?:^|\s)(?:그|이|저)(?:건|거|게|걸|것[은이을도]?|거는|거도|때는?|분|분은|쪽|쪽은|중에|중에서"
    r"|경우|경우는|경우엔|기간|기간은|금액|금액은"
    r"| 경우| 때| 분| 사람| 기간| 금액| 서류| 양식| 신청| 규정| 제도)"
    r"(?:에|에는|엔|은|는|이|가|을|를|도|의|로|만|까지|부터|이면|면)*(?=[\s?？!.,]|$)"
    r"|(?:^|\s)(?:거기|여기|해당|위에|방금|아까)(?:서|에|에서|는|도|의)*(?=\s|[?？]|$)"
)
_KO_ELLIPTIC = re.compile(
    r"(?:은|는|도|이면|면|일 ?때는?|의 ?경우는?|의 ?경우에는?|이라면|라면|만|까지도|한테는|에게는|에는|에서는)"
    r"(?:요|은요|는요)?[?？~.!\s]*$"
)
_KO_TAIL = re.compile(
    r"(?:은|는|도|이면|면|일 ?때는?|의 ?경우에?는?|이라면|라면|만|까지도|한테는|에게는|에는|에서는)?(?:요)?[?？~.!\s]*$"
)
_KO_ALSO = re.compile(
    r"^(\S{1,12}(?: \S{1,12})?)도 (?:안 ?)?(?:가능|되|돼|될|됩|해당|마찬가지|똑같|동일|포함)"
    r"[가-힣]*(?: 거예요| 건가요| 수 있나요)?[?？~.!]*$"
)
_KO_ASKING = """
    언제 언제까지 언제부터 언제쯤 얼마 얼마나 얼마까지 며칠 몇일 몇 왜 어디 어디서 어디로 어디에 어떻게 누구 누구한테 누가
    무엇 뭐 뭘 무슨 기한 기한은 기간 기간은 방법 방법은 금액 금액은 한도 한도는 조건 조건은 이유 이유는 절차
    절차는 서류 서류는 필요한 가능 가능한가 안돼 되나 돼 해 하나 하면 신청 신청은
"""
_KO_ASKS = frozenset(_KO_ASKING.split())
_KO_END = re.compile(
    r"(?:인가|이에|예|이|하|해야|하면|되|돼|나|한가|가능하|가능한가)?(?:요|까요|나요|죠|지요|가요|까|니|냐|니까|습니까|입니까|합니까|됩니까)?[?？~.!]*$"
)

_EN_LEAD = re.compile(
    r"^(?:(?:ok|okay|oh|hm+|thanks|thank you|sure|alright)[,.! ]+)*"
    r"(?P<lead>(?:and )?what about|(?:and )?how about|and|but|also|then|so|or)\b[, ]+",
    re.IGNORECASE,
)
_EN_IF = re.compile(r"^(?:and |but |so )?what (?=if\b)", re.IGNORECASE)
_EN_BACK = re.compile(
    r"\b(?:it|its|them|they|their|those|these|this one|that one|the same|there)\b"
    r"|\b(?:is|was|does|do|did|about|for|of|with|on|before|after|about|like|get|need|use|do) (?:that|this)\b"
    r"|\b(?:that|this)\s*\??$",
    re.IGNORECASE,
)
_EN_DUMMY = re.compile(
    r"\b(?:is|was|would|will|are|how long does|does)(?: it|n't it|there| there)\b"
    r"(?= (?:possible|ok|okay|allowed|true|necessary|fine|legal|required|a|an|any|some|take)\b.{4,})",
    re.IGNORECASE,
)
_EN_SAYS_NOTHING = """
    a about again all also an and any anything are as at be by can could day days did do does else far for from get had has
    have how i if in is it its late latest long many may me more much must my need needs of on one or our same should so soon
    that the their them then there they this those these to too until up was we what when where which who whom whose why will
    with would you your deadline please
"""
_EN_FUNCTION = frozenset(_EN_SAYS_NOTHING.split())
_EN_VERB = re.compile(
    r"\b(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|have|has|get|apply|submit|request|need)\b",
    re.IGNORECASE,
)
_EN_PREPOSITION = re.compile(
    r"^(?:for|in|on|if|when|with|without|during|after|before|at|as|from|to|by)\b", re.IGNORECASE
)
_HANGUL = re.compile("[가-힣]")
_PARTICLE = re.compile(r"(?<=[가-힣A-Za-z0-9)])(은|는|이|가|을|를|도|에|의)$")


@dataclass(frozen=True, slots=True)
class Understood:
    """A question as it is looked for. ``readings`` are whole questions, the likeliest first; ``new_words`` are what
    the question itself brought up: an answer to a follow-up must say one of them (``says``). A question that
    stands alone has itself as its only reading, and no such words."""

    readings: tuple[str, ...]
    is_follow_up: bool = False
    new_words: frozenset[str] = frozenset()


def understood(question: str, before: str) -> Understood:
    """``before`` is the session's previous question as it was understood, "" where there is none."""
    said = " ".join(question.split())
    if not before.strip():
        return Understood((question,))
    is_korean = bool(_HANGUL.search(said))
    part = _korean(said) if is_korean else _english(said)
    if part is None:
        return Understood((question,))
    before = " ".join(before.split())
    readings = _korean_readings(part, before) if is_korean else _english_readings(part, before)
    if part.leans or not readings:
        return Understood(readings or (question,), True)
    brought_up = frozenset(word for word in _content(part.topic) if not says(before, [word]))
    return Understood(_distinct(*readings, part.rest), True, brought_up)


def says(text: str, words: Collection[str]) -> bool:
    """Whether a text says one of these words; any text does where there are none. Korean nouns are compared by their pairs of
    syllables, most of which must be there (조부모상 in "조부모·형제자매상"), others as search terms (``domain/tokens``)."""
    if not words:
        return True
    said = tokens.surface(text)
    return any(_is_said(word, said) for word in words)


def _is_said(word: str, said: Collection[str]) -> bool:
    pairs = [term for term in tokens.surface(word) if tokens.is_syllables(term)]
    if not pairs:
        return word in said
    return sum(pair in said for pair in pairs) >= _MOSTLY * len(pairs)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a follow-up says of its own: ``topic`` is what it brings up, or, where it ``leans``, what it asks of the topic
    before. ``rest`` is all of it but words such as 그럼; ``adds``: its topic goes beside the one before, not into its
    place."""

    topic: str
    rest: str
    leans: bool = False
    adds: bool = False


def _content(text: str) -> frozenset[str]:
    """The words that say something: Korean ones as they are written, others as terms."""
    korean = ["".join(noun.split()).casefold() for noun in tokens.korean_nouns(text)]
    if not korean and _HANGUL.search(text):
        korean = ["".join(text.split()).casefold()]
    others = [term for term in tokens.terms(text) if not tokens.is_syllables(term) and not _HANGUL.search(term)]
    return frozenset((*korean, *others))


# -- Korean ----------------------------------------------------------------------------------------------------------


def _korean(said: str) -> _Part | None:
    rest = _KO_LEAD.sub("", said)
    has_lead = rest != said
    words = rest.split()
    if len(words) > _MOST_WORDS or not words:
        return None
    if _KO_BACK.search(rest):
        return _Part(" ".join(_KO_BACK.sub(" ", rest).split()), rest, leans=True)
    if all(_ko_asks(word) for word in words):
        return _Part(rest, rest, leans=True)
    if also := _KO_ALSO.match(rest):
        return _Part(also[1], rest, adds=True)
    if len(words) <= _MOST_ELLIPTIC and (
        _KO_ELLIPTIC.search(rest) or (has_lead and len(words) <= 2 and _is_bare(rest))
    ):
        topic = _KO_TAIL.sub("", rest).strip()
        return _Part(topic, rest) if topic else None
    return None


def _ko_asks(word: str) -> bool:
    """Whether a word only asks: 언제까지요, 얼마인가요, 왜."""
    bare = word.strip("?？~.!,")
    return not _KO_ASKS.isdisjoint((bare, bare.removesuffix("요"), _KO_END.sub("", bare)))


def _is_bare(rest: str) -> bool:
    """A few nouns without a predicate behind them."""
    return not re.search(r"(?:요|까|나|니|다|줘|죠|어|아|해)[?？~.!\s]*$", rest)


def _korean_readings(part: _Part, before: str) -> tuple[str, ...]:
    if part.leans:
        return _distinct(f"{_topic(before)} {part.topic}".strip(), f"{before} {part.topic}".strip())
    if part.adds:
        return (f"{before} {part.topic}",)
    words = before.split()
    at = _topic_end(words)
    replaced = " ".join([_with_particle(part.topic, words[at]), *words[at + 1 :]])
    return _distinct(replaced, f"{before} {part.topic}")


def _topic(before: str) -> str:
    """What a question is about: its words up to the first with a particle of topic, subject or object."""
    words = before.split()
    at = _topic_end(words)
    return " ".join([*words[:at], _PARTICLE.sub("", words[at].strip("?？.!,"))])


def _topic_end(words: list[str]) -> int:
    return next((at for at, word in enumerate(words) if _PARTICLE.search(word)), 0)


def _with_particle(topic: str, word: str) -> str:
    """The topic with the particle of the word whose place it takes, as its last sound wants it."""
    found = _PARTICLE.search(word)
    if not found or not _HANGUL.search(topic[-1:]):
        return topic + (found[1] if found else "")
    closed = (ord(topic[-1]) - 0xAC00) % 28 != 0
    pairs = {"은": "은는", "는": "은는", "이": "이가", "가": "이가", "을": "을를", "를": "을를"}
    pair: Final = pairs.get(found[1])
    return topic + (pair[0 if closed else 1] if pair else found[1])


# -- English ---------------------------------------------------------------------------------------------------------


def _english(said: str) -> _Part | None:
    if _EN_IF.match(said) and len(said.split()) <= _MOST_WORDS:
        return _Part(_EN_IF.sub("", said).strip(" ?.!"), said)
    lead = _EN_LEAD.match(said)
    rest = said[lead.end() :] if lead else said
    words = re.findall(r"[\w'-]+", rest.lower())
    if not words or len(words) > _MOST_WORDS:
        return None
    if all(word in _EN_FUNCTION for word in words):
        return _Part(rest.strip(" ?.!"), rest, leans=True)
    if _EN_BACK.search(_EN_DUMMY.sub(" ", rest)):
        return _Part(rest.strip(" ?.!"), rest, leans=True)
    if lead and not _EN_VERB.search(rest):
        return _Part(rest.strip(" ?.!"), rest)
    return None


def _english_readings(part: _Part, before: str) -> tuple[str, ...]:
    bare = before.strip(" ?.!")
    if part.leans or _EN_PREPOSITION.match(part.topic):
        joint = ": " if part.leans else " "
        return (f"{bare}{joint}{part.topic}?",)
    return _distinct(f"{_swapped(bare, part.topic)}?", f"{bare}, {part.topic}?")


def _swapped(before: str, topic: str) -> str:
    """The question before with the words at its end that say what it is about exchanged for others."""
    words = before.split()
    at = len(words)
    while at > max(0, len(words) - 2) and words[at - 1].lower().strip("?,.") not in _EN_FUNCTION:
        at -= 1
    return " ".join([*words[:at], topic])


def _distinct(*readings: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reading for reading in readings if reading.strip()))
