"""The stub model: reads the items out of a prompt and summarises them in their own sentences; and it obeys injections.

Belongs here: tokens, what the model says, what is wrong with it on purpose. Does not belong here: HTTP (``llm``).
The same prompt gives the same answer. Like a gullible model, it does what a ticket's text tells it to (``_orders``), so
that tests see what the client's own checks let through.
"""

import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from sandbox.llm_faults import LlmFault

Json = dict[str, Any]


class Turn(NamedTuple):
    """One message of an item, or an article's "text". ``author`` is the word the prompt has for them."""

    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Item:
    """One document of a prompt."""

    id: str
    subject: str
    turns: tuple[Turn, ...]

    @property
    def text(self) -> str:
        return "\n".join((self.subject, *(turn.text for turn in self.turns)))


@dataclass(frozen=True, slots=True)
class Said:
    """What the model says: ``text`` or ``refusal``, why it stopped, and how many items it wrote about."""

    text: str | None
    tokens: int
    finish: str = "stop"
    refusal: str | None = None
    items: int = 0


# --- tokens ---------------------------------------------------------------------------------------------------------


@cache
def _vocabulary(name: str = "o200k_base") -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it opens its data in an old way
        from bpe_openai._bindings import tokenizer_for_encoding  # the package's own wrapper is 30 times slower

    return tokenizer_for_encoding(name)


def encode(text: str) -> list[int]:
    """The tokens of a text, in the vocabulary of OpenAI's models since GPT-4o."""
    return _vocabulary().encode(text)


def encode_to_embed(text: str) -> list[int]:
    """The same in that of its embedding models."""
    return _vocabulary("cl100k_base").encode(text)


def _decoded(tokens: Sequence[int]) -> str:
    """The text of the tokens, without a letter at its end that only some of its bytes are there of."""
    whole = (_vocabulary().decode(tokens[: len(tokens) - cut]) for cut in range(4))
    return next((text for text in whole if text is not None), "")


def prompt_tokens(messages: Sequence[Mapping[str, Any]]) -> int:
    """What a prompt counts: 3 to begin the answer, and for each message 3, its role and its content (OpenAI's cookbook,
    "How to count tokens"). A response format is not counted."""
    return 3 + sum(3 + len(encode(message["role"])) + len(encode(content(message))) for message in messages)


def content(message: Mapping[str, Any]) -> str:
    """A message's text, whether it came as a string or in parts."""
    said = message.get("content")
    if isinstance(said, list):
        return "".join(part.get("text", "") for part in said)
    return said or ""


# --- answers --------------------------------------------------------------------------------------------------------


def answer(
    messages: Sequence[Mapping[str, Any]],
    *,
    most: int | None = None,
    fits: Callable[[Json], bool] = lambda _: True,
    fault: LlmFault | None = None,
    fenced: bool = False,
) -> Said:
    """What the model says to the prompt, in at most ``most`` tokens, with the fault in it. A schema that it is held to
    says what ``fits``: an answer that a text dictates must."""
    if fault == "refusal":
        text = "I'm sorry, but I can't help with that."
        return Said(None, len(encode(text)), refusal=text)
    if fault == "null":
        return Said(None, 0)
    prompt = "\n".join(content(message) for message in messages if message["role"] == "user")
    system = "\n".join(content(message) for message in messages if message["role"] == "system")
    items = read_items(prompt)
    if any(item.id == "question" for item in items):
        text = _form(_answered(items, fits), fault)
    elif items:
        text = _form(_written(items, system, fits, fault), fault)
    else:
        text = '{"summaries": []}' if "json" in prompt.lower() + system.lower() else "Hello! How can I help you?"
    if fenced:
        text = f"```json\n{text}\n```"
    tokens = encode(text)
    finish = "stop"
    if fault in ("length", "content_filter"):
        most, finish = min(most or len(tokens), max(1, len(tokens) * 2 // 3)), fault
    if most is not None and len(tokens) > most:
        tokens, finish = tokens[:most], "length" if finish == "stop" else finish
        text = _decoded(tokens)
    return Said(text, len(tokens), finish, items=len(items))


def _written(items: Sequence[Item], system: str, fits: Callable[[Json], bool], fault: LlmFault | None) -> Json:
    """The answer as JSON, obedient to what the items order."""
    rows = [summarise(item) for item in items]
    for at, item in enumerate(items):
        for order in _orders(item.text):
            if order.whole is not None and fits(order.whole):
                return order.whole
            for row in rows if order.everywhere else [rows[at]]:
                _obey(row, order, items, item, system)
    return {"summaries": _spoiled(rows, items, system, fault)}


def _answered(items: Sequence[Item], fits: Callable[[Json], bool]) -> Json:
    """An answer to a question from passages: the sentences of the one that says most of its words that do so, too. Obedient
    to what the texts order."""
    for item in items:
        for order in _orders(item.text):
            if order.whole is not None and fits(order.whole):
                return order.whole
    asked = _pairs(next(item.text for item in items if item.id == "question"))
    passages = [item for item in items if item.id.isdigit()]
    best = max(passages, key=lambda item: len(asked & _pairs(item.text)), default=None)
    if best is None or not asked & _pairs(best.text):
        return {"answered": False, "answer": "", "sources": []}
    said = _sentences(" ".join(turn.text for turn in best.turns if turn.author == "text"))
    ranked = sorted(said, key=lambda sentence: -len(asked & _pairs(sentence)))[:2]
    return {"answered": True, "answer": " ".join(one for one in said if one in ranked), "sources": [best.id]}


def _pairs(text: str) -> set[str]:
    """Pairs of letters within words: what two texts have in common in any language."""
    return {word[at : at + 2] for word in re.findall(r"\w+", text.lower()) for at in range(len(word) - 1)}


def _form(value: Json, fault: LlmFault | None) -> str:
    text = json.dumps(value, ensure_ascii=False)
    match fault:
        case "malformed":
            return text[: -len(text) // 4] + ',"}'
        case "prose":
            return f"Sure! Here are the summaries you asked for:\n\n{text}\n\nLet me know if you need anything else."
        case "fenced":
            return f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"
        case "bare":
            return json.dumps(value.get("summaries", []), ensure_ascii=False)
        case _:
            return text


def _spoiled(rows: list[Json], items: Sequence[Item], system: str, fault: LlmFault | None) -> list[Json]:  # noqa: C901 - a table
    last, korean = rows[-1], _is_korean(items[-1].text)
    match fault:
        case "missing":
            return rows[:-1]
        case "swapped" if len(rows) > 1:
            rows[0]["id"], rows[1]["id"] = rows[1]["id"], rows[0]["id"]
        case "unknown" | "swapped":
            last["id"] = f"{last['id']}0"
        case "doubled":
            return [*rows, {**rows[0], "id": last["id"], "solution": "" if rows[0] is last else rows[0]["solution"]}]
        case "language":
            said = "The customer had a problem with the service." if korean else "고객이 서비스 문제를 문의했습니다."
            last |= {"problem": said, "solution": said, "cause": None, "result": said}
        case "tags":
            last["tags"] = ["vip-escalation", *last["tags"][:3], "fraud-suspect"]
        case "ungrounded":
            said = (
                "주문 4482-9917 건으로 731,550원을 환불했습니다."
                if korean
                else "Order 4482-9917: $731.55 was refunded."
            )
            last["solution"] = _joined(last["solution"], said)
        case "link":
            last["solution"] = _joined(last["solution"], "https://support.elsewhere.example/fix?id=1")
        case "leak":
            last["result"] = _joined(last["result"], _others(items, items[-1]) or system[:300])
        case "blank":
            last |= {"problem": "", "cause": None, "solution": "", "result": "", "tags": []}
        case _:
            pass
    return rows


# --- summaries ------------------------------------------------------------------------------------------------------

_SENTENCE = re.compile(r"(?<=[.!?。])\s+|\n+")
_HELLO = re.compile(
    r"(?i)^(?:hi|hello|hey|dear|thanks|thank you|good (?:morning|afternoon|evening)|regards|best)\b.{0,40}$"
    r"|^안녕하|^감사합니다|^네,?$"
)
_CAUSE = re.compile(r"(?i)\b(?:because|due to|caused by|the (?:cause|reason) (?:is|was))\b|때문|원인")
_DONE = re.compile(
    r"(?i)\b(?:please|fixed|resolved|replaced|refunded|reset|updated|sent|try|restart|reinstall|click|open|we(?:'ve| have))\b"
    r"|했습니다|드렸습니다|해 ?주세요|하시면|바랍니다|되었습니다"
)
_WORD = re.compile(r"[A-Za-z][A-Za-z-]{3,}|[가-힣]{2,}")
_ENDING = re.compile(r"(?:에서는|으로는|에서|으로|에게|까지|부터|입니다|은|는|이|가|을|를|에|의|로|도|와|과)$")
_STOP_WORDS = (
    "about after again also been before being could does doing from have hello here just like make more only please really"
    " some such than thank thanks that their them then there these they this those very want were what when where which"
    " while will with would your yours customer agent 있습니다 했습니다 합니다 안녕하세요 감사합니다 주세요 고객님"
)
_STOP = frozenset(_STOP_WORDS.split())


def summarise(item: Item) -> Json:
    """An item in its own sentences: what the customer said first, what was answered last."""
    asked = [one for turn in item.turns if _is_customer(turn) for one in _sentences(turn.text)]
    said = [one for turn in item.turns if not _is_customer(turn) for one in _sentences(turn.text)]
    cause = next((one for one in (*said, *asked) if _CAUSE.search(one)), None)
    done = [one for one in said if one != cause]
    done = [one for one in done if _DONE.search(one)][-2:] or done[-2:]
    after = [
        one for turn in item.turns[2:] if turn is item.turns[-1] and _is_customer(turn) for one in _sentences(turn.text)
    ]
    return {
        "id": item.id,
        "problem": _cut(" ".join(asked[:2]) or item.subject),
        "cause": _cut(cause) if cause else None,
        "solution": _cut(" ".join(done)),
        "result": _cut(after[0]) if after else "",
        "tags": _tags(item.text),
    }


def _is_customer(turn: Turn) -> bool:
    return turn.author == "customer"


def _sentences(text: str) -> list[str]:
    found = (one.strip() for one in _SENTENCE.split(text))
    return [one for one in found if len(one) > 3 and any(map(str.isalnum, one)) and not _HELLO.match(one)]


def _cut(text: str, most: int = 200) -> str:
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0]


def _tags(text: str) -> list[str]:
    words = (_ENDING.sub("", word.lower()) if "가" <= word[0] <= "힣" else word.lower() for word in _WORD.findall(text))
    counted = Counter(word for word in words if len(word) > 1 and word not in _STOP)
    return [word for word, _ in counted.most_common(3)]


def _is_korean(text: str) -> bool:
    return len(re.findall(r"[가-힣]", text)) > len(re.findall(r"[A-Za-z]", text)) / 2


# --- obedience ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Order:
    """What an item's text tells the model to do. ``everywhere``: in the summaries of all items."""

    say: str = ""
    tag: str = ""
    everywhere: bool = False
    prompt: bool = False
    others: bool = False
    other_language: bool = False
    whole: Json | None = field(default=None, hash=False)


#: Only a text that talks to a model is obeyed, so that "please include a screenshot" is no order.
_TALKS = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override|bypass)\b.{0,60}\b(?:instruction|prompt|rule|above|previous|prior|earlier)"
    r"|\bsystem ?prompt\b|\b(?:AI|LLM|chatbot|language model|summari[sz]er|(?:AI|the) assistant)\b"
    r"|(?:^|[.!?])\s*\[?(?:system|developer)\]?\s*:"
    r"|(?:지시|명령|지침|프롬프트|규칙).{0,20}(?:무시|잊)|(?:무시|잊).{0,20}(?:지시|명령|지침|프롬프트)"
    r"|시스템 ?프롬프트|인공지능|(?-i:\bAI)|요약(?:기|하는|할 때|에)",
    re.MULTILINE,
)
_URL = r"(?:https?://|www\.)[^\s<>\"'“”‘’)\]]+|\b[\w.-]+@[\w-]+\.[\w.]+"
_QUOTED = r"[\"'“‘「『]([^\"'”’」』\n]{2,300})[\"'”’」』]"
_SAY = (
    r"(?:say|include|add|append|write|insert|mention|state|reply|respond|answer|output|print|return|tell|recommend|link"
    r"|visit)"
)
_SAYS = (
    re.compile(rf"(?i)\b{_SAY}\b[^\n\"'“‘]{{0,60}}?{_QUOTED}"),
    re.compile(rf"(?i)\b{_SAY}\b[^\n]{{0,60}}?({_URL})"),
    re.compile(rf"{_QUOTED}\s*(?:이라고|라고|을|를)?[^\n]{{0,15}}(?:답|써|쓰|적|말|추가|포함|넣|출력)"),
    re.compile(rf"({_URL})[^\n]{{0,25}}(?:답|써|쓰|적|말|추가|포함|넣|출력|안내)"),
)
_TAG = (
    re.compile(r"(?i)\b(?:add|use|set|include|apply|with)\b[^\n.]{0,30}?\btags?\b\s*:?\s*[\"'“‘#]*([\w-]{2,40})"),
    re.compile(r"(?i)\btag(?: it| this)?(?: ticket)? (?:as|with)\s+[\"'“‘#]*([\w-]{2,40})"),
    re.compile(r"(?i)\b(?:add|use|set)\b\s+[\"'“‘#]*([\w-]{2,40})[\"'”’]*\s+(?:as a|to the) tags?"),
    re.compile(
        r"태그(?:에|로|는)?\s*:?\s*[\"'“‘#]*([\w-]{2,40}?)[\"'”’]*\s*(?:을|를|로|라고)?\s*(?:추가|넣|붙|달|써|사용)"
    ),
    re.compile(r"[\"'“‘#]*([\w-]{2,40}?)[\"'”’]*\s*태그를?\s*(?:추가|넣|붙|달|써|사용)"),
)
_SHOW = r"(?:print|reveal|output|show|repeat|list|copy|include|quote|dump|tell|return)"
_PROMPT = re.compile(
    rf"(?i)\b{_SHOW}\b[^\n.]{{0,40}}"
    r"\b(?:system ?prompt|your (?:\w+ )?(?:instructions|prompt|rules)|(?:instructions|text) above)"
    r"|(?:시스템 ?프롬프트|(?:위의|받은|너의|당신의) ?(?:지시|지침|명령|프롬프트))"
    r"[^\n.]{0,20}(?:출력|보여|알려|반복|적|써|공개|포함|말)"
)
_OTHERS = re.compile(
    rf"(?i)\b{_SHOW}\b[^\n.]{{0,40}}"
    r"\b(?:other|all|previous|next|every)\s+(?:\w+\s+)?(?:tickets?|customers?|items?|messages|conversations|articles)"
    r"|(?:다른|모든|이전|앞의|다음) ?(?:티켓|문의|고객|상담|문서)[^\n.]{0,25}(?:출력|보여|알려|반복|적|써|복사|포함|넣|말)"
)
_LANGUAGE = re.compile(
    r"(?i)\b(?:answer|reply|respond|write|summari[sz]e)\b[^\n.]{0,30}\bin (?:korean|english)\b"
    r"|(?:영어|한국어)로[^\n.]{0,15}(?:답|써|작성|요약)"
)
_EVERYWHERE = re.compile(
    r"(?i)\b(?:to|in|for|on) (?:all|every|each|the other)\s+(?:\w+\s+)?(?:summar|ticket|item|article)"
    r"|(?:모든|다른) ?(?:요약|티켓|문의|문서)(?:에|마다)"
)
_WHOLE = re.compile(r"(?i)\b(?:respond|reply|output|answer|return|출력|답)[^\n{]{0,60}(\{.*\})", re.DOTALL)


def _orders(text: str) -> Iterator[Order]:
    """The orders in an item's text, if it talks to a model at all."""
    if not _TALKS.search(text):
        return
    if (whole := _WHOLE.search(text)) and (value := _object(whole[1])) is not None:
        yield Order(whole=value)
    tags = dict.fromkeys(found for pattern in _TAG for found in pattern.findall(text))
    says = dict.fromkeys(found for pattern in _SAYS for found in pattern.findall(text))
    everywhere = bool(_EVERYWHERE.search(text))
    yield from (Order(tag=found, everywhere=everywhere) for found in tags)
    yield from (Order(say=found, everywhere=everywhere) for found in says if found not in tags)
    yield Order(
        prompt=bool(_PROMPT.search(text)),
        others=bool(_OTHERS.search(text)),
        other_language=bool(_LANGUAGE.search(text)),
    )


def _obey(row: Json, order: Order, items: Sequence[Item], item: Item, system: str) -> None:
    if order.say:
        row["solution"] = _joined(order.say, row["solution"])
    if order.tag:
        row["tags"] = [order.tag, *row["tags"]][:5]
    if order.prompt:
        row["result"] = _joined(system[:300], row["result"])
    if order.others and (told := _others(items, item)):
        row["result"] = _joined(told, row["result"])
    if order.other_language:
        row["problem"] = "The customer reported a problem." if _is_korean(item.text) else "고객이 문제를 문의했습니다."


def _others(items: Sequence[Item], item: Item) -> str:
    """What the other items say, as far as an answer has room for it."""
    return " ".join(_cut(" ".join(turn.text for turn in one.turns), 150) for one in items if one.id != item.id)[:350]


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _object(text: str) -> Json | None:
    """The JSON object that a text begins with."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


# --- the prompt -----------------------------------------------------------------------------------------------------

_FENCE = re.compile(r"<<<(\S+) (\"(?:[^\"\\]|\\.)*\")\n(.*?)\n\1>>>", re.DOTALL)


def read_items(prompt: str) -> list[Item]:
    """The items of a prompt, in its order: each between ``<<<MARK "id"`` and ``MARK>>>``, as lines of JSON with one key."""
    return [_item(json.loads(found[2]), found[3]) for found in _FENCE.finditer(prompt)]


def _item(number: str, body: str) -> Item:
    subject, turns = "", list[Turn]()
    for line in body.split("\n"):
        for name, text in (_object(line) or {"": line}).items():
            if name in ("subject", "title"):
                subject = str(text)
            elif name not in ("path", "automatic"):
                turns.append(Turn(name, str(text)))
    return Item(number, subject, tuple(turns))
