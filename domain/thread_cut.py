"""Documents that are too long for a model, cut so that the problem, the last resolution and what agents did stay.

Belongs here: what is left out, and that it is said in its place. Does not belong here: counting tokens (a tokenizer is
given), or how a document is written down for a model (``summary_prompt``).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from domain.cues import is_action, is_done
from domain.sentences import sentences
from domain.summary_prompt import Kind, lines, message_line

Json = dict[str, Any]
Count = Callable[[str], int]

_TITLE = 8  # the subject or title has an eighth of the room, at most
_OPENING, _ANSWER, _LAST_WORD = 0.35, 0.5, 0.5  # shares of what room is left, in this order
_OTHERS = 0.25
_LEAST = 24  # tokens that are worth a message of its own; less is no sentence
_HEAD = 0.6  # of a text that is cut in its middle
_CUES_READ = 2000  # characters of a message that are searched for what an agent did


def cut(kind: Kind, document: Json, most: int, count: Count) -> Json:
    """The document, or as much of it as ``most`` tokens hold as ``summary_prompt`` writes it.

    Of a thread these stay, in this order: the subject, the opening message, the last agent's message, the customer's
    last word, then what agents did, what else they wrote, and what else was said, the latest first. A text that is too
    long itself loses its middle. What is left out is said where it stood. The document is not changed; one that is
    short enough comes back as it is. Time grows with the length of the text; the same document is always cut alike.

    Raises ``ValueError`` if ``most`` is too little to say anything at all.
    """
    room = most
    sizes = [count(line) + 1 for line in lines(kind, document)]
    if sum(sizes) <= most:
        return document
    while room > 0 and (shorter := _within(kind, document, sizes, room, count)):
        # The parts were counted one by one; together they may be more.
        if count("\n".join(lines(kind, shorter))) <= most:
            return shorter
        room = room * 9 // 10
    raise ValueError(f"{most} tokens are too few for a summary")


def _within(kind: Kind, document: Json, sizes: Sequence[int], room: int, count: Count) -> Json | None:
    """What of the document fits into about ``room`` tokens; None if nothing does."""
    return _ticket(document, sizes, room, count) if kind == "ticket" else _article(document, room, count)


# --- threads ----------------------------------------------------------------------------------------------------


def _ticket(document: Json, sizes: Sequence[int], room: int, count: Count) -> Json | None:
    messages: list[Json] = document["messages"]
    language: str = document["language"]
    subject, used = _fitted(document["subject"], room // _TITLE, language, count)
    room -= used
    note = count(_note_line(len(messages), 10**6, language)) + 1
    whole = room
    room -= note  # at first all of the thread is one gap
    kept: dict[int, Json] = {}
    full: set[str] = set()
    for at, share in _by_weight(messages):
        gaps = 1 - (at == 0 or at - 1 in kept) - (at + 1 == len(messages) or at + 1 in kept)
        free = room - gaps * note
        if at in kept or free < _LEAST:
            continue
        author, size = messages[at]["author"], sizes[at + 1]
        allowed = max(int(free * share), _LEAST)
        if size <= allowed or (share == _OTHERS and size <= free):
            kept[at] = messages[at]
        elif share == _OTHERS and (author in full or size < whole * _OTHERS):
            full.add(author)  # what is older than the first that found no room stays out, too: no shreds of a talk
        else:
            text, size = _fitted(messages[at]["text"], allowed, language, count)
            if not text:
                continue
            kept[at] = {**messages[at], "text": text}
        room -= size + gaps * note
    if not kept:
        return None
    return {**document, "subject": subject, "messages": list(_with_notes(messages, kept, language))}


def _by_weight(messages: Sequence[Json]) -> Iterator[tuple[int, float]]:
    """The places of the messages, the most telling first, each with the share of the room left that it may take. A place
    can come twice."""
    if not messages:
        return
    by_author: dict[str, list[int]] = {"customer": [], "agent": [], "system": []}
    for at, message in enumerate(messages):
        by_author[message["author"]].append(at)
    agent, customer = by_author["agent"][::-1], by_author["customer"][::-1]
    yield 0, _OPENING
    if customer:
        yield customer[-1], _OPENING
    yield from ((at, _ANSWER) for at in agent[:1])
    yield from ((at, _LAST_WORD) for at in customer[:1])
    acts = [at for at in agent if _tells_an_act(messages[at]["text"])]
    yield from ((at, _OTHERS) for at in (*acts, *agent, *customer, *by_author["system"][::-1]))


def _tells_an_act(text: str) -> bool:
    return any(is_done(sentence) or is_action(sentence) for sentence in sentences(text[:_CUES_READ]))


def _with_notes(messages: Sequence[Json], kept: dict[int, Json], language: str) -> Iterator[Json]:
    left_out = words = 0
    for at, message in enumerate(messages):
        if at not in kept:
            left_out += 1
            words += len(message["text"].split())
            continue
        if left_out:
            yield _note(left_out, words, language)
        left_out = words = 0
        yield kept[at]
    if left_out:
        yield _note(left_out, words, language)


def _note(left_out: int, words: int, language: str) -> Json:
    return {"id": "", "author": "system", "private": False, "created_at": "", "text": _says(left_out, words, language)}


def _note_line(left_out: int, words: int, language: str) -> str:
    return message_line(_note(left_out, words, language))


def _says(left_out: int, words: int, language: str) -> str:
    if language == "ko":
        return f"[… 메시지 {left_out:,}개, 약 {_about(words):,}단어 생략 …]"
    return f"[… {left_out:,} message{'s' * (left_out > 1)}, about {_about(words):,} words left out …]"


def _about(number: int) -> int:
    """Rounded to two digits."""
    zeros = 10 ** max(0, len(str(number)) - 2)
    return (number + zeros // 2) // zeros * zeros


# --- articles and single texts ----------------------------------------------------------------------------------


def _article(document: Json, room: int, count: Count) -> Json | None:
    language: str = document["language"]
    title, used = _fitted(document["title"], room // _TITLE, language, count)
    room -= used
    path, used = _fitted(" > ".join(document["path"]), room // _TITLE, language, count)
    whole = path == " > ".join(document["path"])
    text, _ = _fitted(document["text"], room - used, language, count)
    if not text and document["text"]:
        return None
    return {**document, "title": title, "path": document["path"] if whole else [path] if path else [], "text": text}


def _fitted(text: str, most: int, language: str, count: Count) -> tuple[str, int]:
    """The text with as little of its middle left out as makes it fit, and its tokens as a line; ("", tokens) if nothing
    fits. Each try is on a shorter text by a tenth at least, so all of them together read it a few times only."""
    if (size := _size(text, count)) <= most:
        return text, size
    chars = len(text)
    while chars > 0 and most > 0:
        chars = int(chars * min(0.9, most / size))
        head = int(chars * _HEAD)
        tail = chars - head
        shorter = f"{text[:head]} {_left(len(text) - chars, language)} {text[len(text) - tail :]}".strip()
        if chars and (size := _size(shorter, count)) <= most:
            return shorter, size
    return "", _size("", count)


def _size(text: str, count: Count) -> int:
    return count(message_line({"author": "customer", "text": text})) + 1


def _left(chars: int, language: str) -> str:
    return (
        f"[… 약 {_about(chars):,}자 생략 …]"
        if language == "ko"
        else f"[… about {_about(chars):,} characters left out …]"
    )
