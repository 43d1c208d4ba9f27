"""What a model answered: read, and judged against the document that it speaks of.

Belongs here: reading JSON out of an answer, and every reason for which a summary is not kept.
Does not belong here: the question (``summary_prompt``), what counts as a fact (``grounding``), asking again.

A ticket can hold instructions, and a model can obey them. So nothing is taken on trust: a summary keeps no address that
its document does not hold, no text of another document of the call, none of the prompt's own words, no tag of its own,
and as a solution nothing that only an order to the model says. Whoever writes to a model in one ticket gets no word into
the summary of another.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from domain.grounding import is_link_of, links, source_text, ungrounded
from domain.merge import language_of
from domain.personal_data import KINDS, find, plain
from domain.sentences import content_words, sentences
from domain.summary import FIELD_LIMIT, Summary, shorten
from domain.summary_prompt import Kind, clean, instructions

Json = dict[str, Any]


class Unreadable(ValueError):
    """An answer holds no summary at all."""


class Rejected(ValueError):
    """A summary that cannot be kept. ``faults`` are sentences for the model and for people, without personal data."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = tuple(faults)


# --- reading ----------------------------------------------------------------------------------------------------

_FIELDS = frozenset({"problem", "cause", "solution", "result", "tags"})
_THOUGHT = re.compile(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_OPENS = re.compile(r"[\[{]")
_TRIES = 64  # places where JSON may begin; an answer of braces only costs no more
_DECODER = json.JSONDecoder()


def parse(text: str) -> dict[str, Json]:
    """The summaries in an answer: fields by the id that they name; "" for one without an id.

    Reads JSON in code fences, between words, as {"summaries": […]}, as a list, as one object, as an object by id; of an
    answer that was cut off, the summaries that are whole. Two different ones under one id are both left out, for
    nobody knows which is meant. The fields are as they came: ``accept`` judges them. Raises ``Unreadable``.
    """
    found: dict[str, Json] = {}
    doubtful: set[str] = set()
    for name, fields in _summaries(text):
        if found.setdefault(name, fields) != fields:
            doubtful.add(name)
    if not found:
        raise Unreadable("The answer holds no JSON with a summary.")
    return {name: fields for name, fields in found.items() if name not in doubtful}


def _summaries(text: str) -> Iterator[tuple[str, Json]]:
    for value in _values(_THOUGHT.sub("", text)):
        yield from _summaries_in(value)


def _values(text: str) -> Iterator[Any]:
    """The JSON values that stand in a text, outermost first; none of what is inside another."""
    at = tries = 0
    while tries < _TRIES and (begin := _OPENS.search(text, at)):
        try:
            value, at = _DECODER.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            at = begin.end()
            tries += 1
        else:
            yield value


def _summaries_in(value: Any) -> Iterator[tuple[str, Json]]:
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            if isinstance(one, dict) and _is_summary(cast(Json, one)):
                yield _named(cast(Json, one))
    elif isinstance(value, dict):
        fields = cast(Json, value)
        if _is_summary(fields):
            yield _named(fields)
        elif isinstance(fields.get("summaries"), list | dict):
            yield from _summaries_in(fields["summaries"])
        else:
            for name, one in fields.items():
                if isinstance(one, dict) and _is_summary(cast(Json, one)):
                    yield name, cast(Json, one)


def _is_summary(value: Mapping[str, Any]) -> bool:
    return not _FIELDS.isdisjoint(value)


def _named(fields: Json) -> tuple[str, Json]:
    name = fields.get("id")
    return str(name) if isinstance(name, str | int) else "", fields


# --- judging ----------------------------------------------------------------------------------------------------

_SAYS_NOTHING_TEXT = (
    "n/a|na|none|null|nil|unknown|unspecified|-|--|—|…|?|not specified|not stated|not mentioned|not applicable|not known"
    "|no information|not provided|not available|없음|해당없음|해당 없음|미상|알 수 없음|언급 없음|명시되지 않음|정보 없음"
    "|확인되지 않음|파악되지 않음|"
)
_SAYS_NOTHING = frozenset(_SAYS_NOTHING_TEXT.split("|"))
_PLACEHOLDER = re.compile(
    rf"[\[({{<] ?(?:{'|'.join(KINDS)})[ \\_-]{{0,3}}\d{{1,6}} ?[\])}}>]|\b(?:{'|'.join(KINDS)})_\d{{1,6}}(?!\d)",
    re.IGNORECASE,
)
_MARK = re.compile(r"DATA-[0-9a-f]{16}|<<<DATA-|DATA-…", re.IGNORECASE)
_SCRIPT = re.compile(r"\b(?:javascript|vbscript|data) ?:(?=[^\s])", re.IGNORECASE)
_DIGITS = 4
_KIND_NAMES = {
    "EMAIL": "an e-mail address",
    "PHONE": "a telephone number",
    "CARD": "a card number",
    "RRN": "a resident registration number",
    "IBAN": "a bank account",
    "SECRET": "a password or key",
}


def accept(
    kind: Kind,
    document: Json,
    fields: Mapping[str, Any],
    *,
    method: str,
    others: Sequence[Json] = (),
    last: bool = False,
) -> Summary:
    """The summary, if it may be kept. ``document`` and ``fields`` are as people wrote them, not masked; ``others`` are
    the other documents of the same call.

    Fields that are too long are shortened, tags that the document does not hold are dropped. Raises ``Rejected`` with
    all faults: no problem, a wrong type or language, an address, alphabet or personal datum that is not in the
    document, text of another document or of the prompt, a solution that only an order to the model tells, a placeholder
    that stands for nothing, a fact that is not in the document, a problem without one word of it. With ``last`` facts
    that are not there are no fault (they are named in ``Summary.ungrounded``), nor is such a problem: people write some.
    """
    faults: list[str] = []
    texts = {name: _text(fields, name, faults, last) for name in ("problem", "cause", "solution", "result")}
    tags = _tags(fields, faults)
    if not texts["problem"] and not faults:
        faults.append("The problem is missing.")
    language: str = document["language"]
    source = source_text(kind, document)
    said = [text for text in texts.values() if text]
    thing = _thing(kind)
    told_by_others = [source_text(kind, other) for other in others]
    faults += _foreign(kind, source, language, said, told_by_others)
    faults += _strange(thing, source, said, told_by_others)
    obeyed = _without_orders(kind, document) if _known(source).speaks else source
    if obeyed != source:
        faults += _obedient(thing, source, obeyed, [texts[name] for name in ("cause", "solution", "result")])
    unknown = ungrounded(kind, document, said)
    if any(not ungrounded(kind, other, [fact]) for fact in unknown if _is_number(fact) for other in others):
        faults.append(f"It tells what another {thing} says.")
    words = _content(texts["problem"]) if language in _LANGUAGES and not last else None
    if words and _known(source).content.isdisjoint(words):
        faults.append(f"The problem has no word in common with the {thing}.")
    if unknown and not last:
        faults += (f"The {thing} does not say {_quoted(fact)}." for fact in unknown)
    if faults:
        raise Rejected(tuple(dict.fromkeys(faults)))
    return Summary(
        problem=texts["problem"],
        cause=texts["cause"] or None,
        solution=texts["solution"],
        result=texts["result"],
        tags=tuple(_tags_of_document(tags, obeyed)),
        method=method,
        language=language,
        ungrounded=tuple(unknown),
    )


def _is_number(fact: str) -> bool:
    """An order, an amount, a code: long enough not to be in two tickets by chance."""
    return sum(map(str.isdigit, fact)) >= _DIGITS


def _thing(kind: Kind) -> str:
    return "article" if kind == "kb" else "ticket"


def _text(fields: Mapping[str, Any], name: str, faults: list[str], last: bool) -> str:
    value = fields.get(name)
    if value is None:
        if name not in fields and name in ("solution", "result") and not last:
            faults.append(f"The field {name} is missing.")
        return ""
    if not isinstance(value, str):
        faults.append(f"The field {name} must be text.")
        return ""
    text = shorten(clean(value), FIELD_LIMIT)
    return "" if text.strip(" .").lower() in _SAYS_NOTHING else text


def _tags(fields: Mapping[str, Any], faults: list[str]) -> list[str]:
    value = fields.get("tags")
    if value is None:
        return []
    if isinstance(value, str):
        return value[:FIELD_LIMIT].split(",")
    if isinstance(value, list) and all(isinstance(tag, str) for tag in cast("list[Any]", value)):
        return cast("list[str]", value)
    faults.append("The tags must be a list of texts.")
    return []


def _quoted(text: str) -> str:
    """A string at fault, as it may be shown: short, and by its kind alone where it is personal."""
    personal = find(text)
    return _KIND_NAMES[personal[0].kind] if personal else f'"{shorten(text, 40)}"'


# --- what does not come from the document ------------------------------------------------------------------------


def _foreign(kind: Kind, source: str, language: str, said: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    """The faults that no summary is kept with, however often it was asked for."""
    thing, text = _thing(kind), "\n".join(said)
    if not text:
        return
    words = _CODE_OR_LINK.sub(" ", text)
    if language in _LANGUAGES and sum(map(str.isalpha, words)) >= _LETTERS and language_of(words) != language:
        yield f"Write in {_LANGUAGES[language]}, the language of the {thing}."
    yield from _foreign_data(thing, source, text)
    own, fields = _known(source), [_content(one) for one in said]
    leaked = _runs(_words(text)) - own.runs
    echoed = not _asked().isdisjoint(_words(one) for one in said)
    if echoed or len(leaked & _prompt()) >= _PROMPT_RUNS or (_MARK.search(text) and not _MARK.search(source)):
        yield "It repeats the instructions instead of summarising."
    if any(_is_of(known, own, leaked, fields) for known in map(_known, others)):
        yield f"It tells what another {thing} says."


_LANGUAGES = {"ko": "Korean", "en": "English"}
_LETTERS = 10  # fewer do not tell a language
_CODE_OR_LINK = re.compile(r"(?:[A-Za-z][\w.:/@+-]*\d|\w+://|\S+@)\S*")


def _foreign_data(thing: str, source: str, text: str) -> Iterator[str]:
    """Addresses, personal data, and placeholders for them."""
    stated_links = links(text)
    held_links = links(source) if stated_links else []
    if unknown := [link for link in stated_links if not is_link_of(link, held_links)]:
        host = re.split("[/?#]", unknown[0])[0].rpartition("@")[2]
        yield f"It names a web address ({shorten(host, 40)}) that the {thing} does not hold."
    if _SCRIPT.search(text) and not _SCRIPT.search(source):
        yield f"It holds a script that the {thing} does not hold."
    held = {(datum.kind, datum.same) for datum in find(source)} if (stated := find(text)) else set[tuple[str, str]]()
    digits = re.sub(r"\D", "", plain(source)) if stated else ""
    for datum in stated:
        known = (datum.kind, datum.same) in held or (datum.same.isdigit() and datum.same in digits)
        if not known and plain(text[datum.start : datum.end]) not in plain(source):
            yield f"It names {_KIND_NAMES[datum.kind]} that the {thing} does not hold."
    if any(one not in plain(source) for one in _PLACEHOLDER.findall(plain(text))):
        yield f"It holds a placeholder that the {thing} does not hold."


# --- text of others ----------------------------------------------------------------------------------------------

_WORD = re.compile(r"[가-힣]+|[a-z0-9]+|[^\W_]+")
_RUN, _RUN_KOREAN = 6, 4  # words in a row that are no coincidence; a Korean word says as much as one and a half
_PROMPT_RUNS = 3  # runs in common with the prompt: eight words in a row, for some of six are anybody's
_ENOUGH = 6  # content words that a field must have before it can be told whose it is
_OWN_AT_MOST, _OTHER_BY = 0.4, 0.4


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """A text's words, the runs of them (their hashes), its content words, and whether it may speak to a model."""

    words: tuple[str, ...]
    runs: frozenset[int]
    content: frozenset[str]
    speaks: bool


@lru_cache(maxsize=24)
def _known(text: str) -> _Known:
    """Kept for a while: each document of a call is compared with all others."""
    words = _words(text)
    return _Known(words, frozenset(_runs(words)), frozenset(_content(text)), _speaks(text))


@lru_cache(maxsize=1)
def _prompt() -> frozenset[int]:
    return frozenset(run for text in _prompts() for run in _runs(_words(text)))


@lru_cache(maxsize=1)
def _asked() -> frozenset[tuple[str, ...]]:
    """What the prompt asks of each field: a lazy model gives it as the field."""
    lines = (line for text in _prompts() for line in text.split("\n"))
    return frozenset(_words(line.partition(": ")[2]) for line in lines if line[:1].isdigit())


def _prompts() -> Iterator[str]:
    kinds: tuple[Kind, ...] = ("ticket", "kb")
    return (instructions(kind, language) for kind in kinds for language in ("ko", "en", "other"))


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(_read(text).lower()))


def _runs(words: tuple[str, ...]) -> set[int]:
    korean = ["가" <= word[0] <= "힣" for word in words]
    longest = [_RUN_KOREAN if all(korean[at : at + _RUN_KOREAN]) else _RUN for at in range(len(words))]
    return {hash(words[at : at + long]) for at, long in enumerate(longest) if at + long <= len(words)}


_REPORTING = frozenset(
    """
    custo clien agent user suppo team compa issue probl compl reque infor says said asks asked askin facin faced unabl provi
    sugge advis expla repli respo wants wante needs help helps solve resol solut resul cause conta detai furth check
    고객 상담 담당 문의 요청 안내 문제 해결 확인 발생 원인 방법 설명 답변 결과
    """.split()  # noqa: SIM905
)
"""Words with which anything can be reported, cut as ``_content`` cuts them: they tell nothing about whose it is."""


def _content(text: str) -> set[str]:
    """Content words without most of their endings."""
    return set(map(_stem, content_words(_read(text)))) - _REPORTING


def _stem(word: str) -> str:
    return word if word[0] > "z" or not word.isalpha() else word[:5]


def _read(text: str) -> str:
    """The text as its reader sees it: letters in a circle, in bold type or taken apart are the letters."""
    shown = plain(clean(text))
    return shown if shown.isascii() else unicodedata.normalize("NFKC", shown)


def _is_of(other: _Known, own: _Known, leaked: set[int], fields: Sequence[set[str]]) -> bool:
    """Whether a summary tells what ``other`` says: a run of words that only that one has, with words that only that one
    has; or a field that shares far more words with it than with its own document."""
    if not leaked.isdisjoint(other.runs):
        theirs = (words & other.content for words in fields)
        if len(set[str]().union(*theirs) - own.content) > 1:
            return True
    for words in fields:
        if len(words) >= _ENOUGH:
            share, theirs_share = (len(words & known.content) / len(words) for known in (own, other))
            if share < _OWN_AT_MOST and theirs_share > share + _OTHER_BY:
                return True
    return False


# --- single words of others ---------------------------------------------------------------------------------------

_STRAY, _STRAY_RUN = 3, 4  # content words that a sentence, or a row of words within one, needs to be told apart
_STRICT, _STRICT_RUN = 1, 2  # the same, where the other speaks to the model
_UNITS = 3  # pairs of syllables by which a Korean word is known; endings come after them
_ENDINGS = frozenset(
    "니다 습니 세요 합니 입니 됩니 해주 주세 하세 드립 드렸 있습 했습 었습 았습 렸습 되었 하였 에서 으로 까지 부터".split()  # noqa: SIM905
)
_ORDER_TEXT = (
    r"\b(?:ignore|disregard|forget|override|bypass)\b[^\n]{0,60}?\b(?:instructions?|prompts?|rules?|guidelines)\b"
    r"|\b(?:system|developer) ?prompt\b|\byou are an? (?:AI|language model)\b|\bprompt injection\b"
    r"|\b(?:each|every|all|other|your)(?: of)?(?: the)? summar(?:y|ies)\b|\bsummari[sz]e (?:this|it|the ticket) as\b"
    r"|[\"'](?:summaries|problem|solution)[\"'] ?:"
    r"|(?:지시|명령|지침|프롬프트|규칙)[^\n]{0,20}?(?:무시|잊)|(?:무시|잊)[^\n]{0,20}?(?:지시|명령|지침|프롬프트)"
    r"|시스템 ?프롬프트|(?:모든|다른|각) ?요약"
)
_ORDER = re.compile(_ORDER_TEXT, re.IGNORECASE)
"""What people write to a model and hardly ever to each other."""

_SPEAKS = re.compile(
    rf"{_ORDER_TEXT}|\b(?:LLM|GPT|chatbot|language model|summari[sz]\w+|summaries)\b|\b(?-i:AI)\b|\badd (?:the )?tags?\b"
    r"|\b(?:all|every|other) (?:the )?tickets\b|요약|프롬프트|인공지능|(?:모든|다른) ?티켓",
    re.IGNORECASE,
)
"""What may be written to a model: such a text is trusted less when its words turn up beside another ticket."""

_HINTS = tuple(
    """
    ignore disregard forget override bypass prompt model summar problem' problem" solution' solution" llm gpt chatbot
    tag tickets 요약 프롬프트 인공지능 티켓 지시 명령 지침 규칙
    """.split()  # noqa: SIM905
)
"""One of these stands in whatever ``_SPEAKS`` matches, or "AI" does; they are found ten times faster."""

_NAME_OF = re.compile(
    r"(?<![가-힣])([김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노곽성차주우구민나진지엄채원천방공현함변염]"
    r"[가-힣]{2})(?<![자장원]) ?(?:고객|님|씨)"
)


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands between two spaces: its words, and by what its meaning is looked up; nothing for a function word."""

    words: tuple[str, ...]
    units: tuple[str, ...]
    is_own: bool


def _speaks(text: str) -> bool:
    flat = text.lower()
    return ("AI" in text or any(hint in flat for hint in _HINTS)) and _SPEAKS.search(text) is not None


def _pieces(sentence: str, own: _Known) -> list[_Piece]:
    found: list[_Piece] = []
    for piece in _read(sentence).lower().split():
        units = _units(piece)
        found.append(_Piece(tuple(_WORD.findall(piece)), units, not own.content.isdisjoint(units)))
    return found


def _units(piece: str) -> tuple[str, ...]:
    """Pairs of syllables of a Korean word without its ending, or the stem of an English one."""
    found = [_stem(word) for word in content_words(piece)]
    if len(found) > 1 and "가" <= found[-1][0] <= "힣":
        found = found[:_UNITS] if len(found) > _UNITS else found[:-1]
    return tuple(unit for unit in found if len(unit) > 1 and unit not in _ANYBODYS)


def _strange(thing: str, source: str, texts: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    """The faults of words that the document has not, whoever else may have them."""
    own, known = _known(source), [_known(other) for other in others]
    text = "\n".join(texts)
    if (alphabets := _alphabets(text)) and not alphabets <= _alphabets(source):
        yield f"It is written in letters that the {thing} does not hold."
    new = _content(text) - own.content - _ANYBODYS
    suspects = [one for one in known if len(new & one.content) >= (_STRICT if one.speaks else _STRAY)]
    pieces = [_pieces(one, own) for field in texts for one in sentences(field)] if suspects else []
    if any(_is_stray(sentence, other, strict=other.speaks) for sentence in pieces for other in suspects) or any(
        name not in source and any(name in other for other in others) for name in _NAME_OF.findall(text)
    ):
        yield f"It tells what another {thing} says."


def _is_stray(sentence: Sequence[_Piece], other: _Known, *, strict: bool) -> bool:
    """Whether a sentence is another's: none of its words is the document's own and most are of the other, or some in a
    row are the other's alone and stand there in this order. ``strict`` when the other speaks to a model: one word, or
    two in a row, are then enough."""
    theirs = [
        bool(piece.units) and not piece.is_own and not other.content.isdisjoint(piece.units) for piece in sentence
    ]
    count, said = sum(theirs), sum(bool(piece.units) for piece in sentence)
    if count < (_STRICT if strict else _STRAY):
        return False
    if not any(piece.is_own for piece in sentence) and count * 4 >= said * (2 if strict else 3):
        return True
    least = _STRICT_RUN if strict else _STRAY_RUN
    return count >= least and any(_stands_in(run, other) for run in _runs_of(sentence, theirs, least))


def _runs_of(sentence: Sequence[_Piece], theirs: Sequence[bool], least: int) -> Iterator[list[str]]:
    """The shortest rows of words with ``least`` that carry meaning, all of these the other's alone."""
    telling: list[int] = []
    for at, piece in enumerate(sentence):
        if theirs[at]:
            telling = [*telling, at][-least:]
            if len(telling) == least:
                yield [word for one in sentence[telling[0] : at + 1] for word in one.words]
        elif piece.units:
            telling = []


def _stands_in(run: Sequence[str], other: _Known) -> bool:
    """Whether the words stand there in this order; the last, if it is Korean, with any particle."""
    end = "" if "가" <= run[-1][-1] <= "힣" else " "
    return f" {' '.join(run)}{end}" in f" {' '.join(other.words)} "


def _alphabets(text: str) -> set[str]:
    """The alphabets of a text beside those that any summary may use: Latin, Korean, Chinese, Japanese."""
    if text.isascii():
        return set()
    letters = {
        letter for letter in _read(text) if letter > "\u02ff" and not "가" <= letter <= "힣" and letter.isalpha()
    }
    return {unicodedata.name(letter, "?").split()[0] for letter in letters} - _COMMON


_ANYBODYS = (
    _REPORTING
    | _ENDINGS
    | frozenset(
        """
        solve upset visib big quest answe offer optio choic alter follow servi frust unhap conce clear under instr patie give
        best bit profe way try tries tried situa handl manag extern higher level scale diffe possi bad good could cant can't
        very more some want sever happy satis disap anger angry annoy polit respe share provi updat assis menti descr
        experi face diffi troub regar relat state tell talk speak spoke quick quickl final end thing doesn didn't doesn't
        person case topic subje matter get gets getti make makes made due via still explain seek looki look able
        about compa custome proce proper reaso right reach out link dm dms follo troll alck bet
        """.split()  # noqa: SIM905
    )
)
"""Words that anybody tells a case with, and Korean endings: a sentence of nothing else says nothing of whose it is."""

_COMMON = frozenset({"LATIN", "HANGUL", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "MODIFIER", "IDEOGRAPHIC"})


def _without_orders(kind: Kind, document: Json) -> str:
    """A ticket's text without what customers order a model: from the sentence that does to the end of the message.
    Articles are the company's own text, and may well tell of prompts."""
    if kind == "kb":
        return source_text(kind, document)
    kept = [
        {**message, "text": _before_order(message["text"])} if message["author"] == "customer" else message
        for message in document["messages"]
    ]
    return source_text(kind, {**document, "subject": _before_order(document["subject"]), "messages": kept})


def _before_order(text: str) -> str:
    found = _ORDER.search(text)
    if not found:
        return text
    start = max(text.rfind(mark, 0, found.start()) for mark in (". ", "! ", "? ", "\n", "다 ", "요 "))
    return text[: start + 1]


def _obedient(thing: str, source: str, obeyed: str, fields: Sequence[str]) -> Iterator[str]:
    """The fault of an answer that only an order to the model gives."""
    own, ordered = _known(obeyed), _known(source)
    held = links(obeyed)
    pieces = [_pieces(sentence, own) for field in fields for sentence in sentences(field)]
    if any(_is_stray(sentence, ordered, strict=True) for sentence in pieces) or any(
        not is_link_of(link, held) for field in fields for link in links(field)
    ):
        yield f"It does what the {thing} tells the model to do: that is no solution."


# --- tags ---------------------------------------------------------------------------------------------------------


def _tags_of_document(tags: Iterable[str], source: str) -> Iterator[str]:
    """The tags whose words stand in the document, whatever their endings; none with personal data or an address."""
    words = _known(source).words
    told, starts = "".join(words), frozenset(words)
    for tag in islice(tags, 50):
        name = plain(clean(tag)).strip().lower()
        parts = _WORD.findall(name)
        if (
            parts
            and len(name) <= 60
            and not find(tag)
            and not links(tag)
            and all(_is_told(part, told, starts) for part in parts)
        ):
            yield name


def _is_told(part: str, told: str, starts: frozenset[str]) -> bool:
    if part in starts:
        return True
    if "가" <= part[0] <= "힣":
        # Compounds are written together or apart, with particles between: 자동결제 of "자동으로 결제".
        return part in told or any(part[:at] in told and part[at:] in told for at in range(2, len(part) - 1))
    if part.isdigit() or len(part) < 4:
        return False
    return part in told or any(word.startswith(part[: max(4, len(part) - 3)]) for word in starts)
