"""A summary made of the ticket's own sentences: no model, no key, no network, nothing invented.

Belongs here: which sentences tell the problem, the cause, the solution and the result.
Does not belong here: wording (``cues``), where a sentence ends (``sentences``), tags (``tags``), summaries by a model.

The roles do most of the work: a problem is told by the customer before the first answer, a solution by an agent, most
often just before the customer says that it worked. The weights were set on TweetSumm's training half and by reading
the sample companies' tickets (``bench/extractive.py`` measures).
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from domain.cues import fails, is_action, is_aside, is_cause, is_courtesy, is_done, is_question, is_request, works
from domain.errors import DocumentError
from domain.merge import DESCRIPTION
from domain.sentences import content_words, lexrank, sentences
from domain.summary import FIELD_AIM, FIELD_LIMIT, Summary, shorten
from domain.tags import tags_of

METHOD = "extractive-v1"
"""Labels these summaries in the data, so that a model can redo them later; part of the row's ``made_by``."""

Json = dict[str, Any]

_READ = 8000  # characters of a message that are read: the logs and contracts below them tell no problem better
_MOST = 60  # sentences of one side that are weighed
_PROBLEM, _SOLUTION, _RESULT = 180, 240, 100  # characters of the fields; a cause has FIELD_AIM
_PICKED = 3  # sentences a field is made of, at most


@dataclass(frozen=True, slots=True, eq=False)
class Sentence:
    """A sentence, its content words, and where it stands: ``turn`` is its message's place in the thread, ``at`` its
    own in the message."""

    text: str
    words: list[str]
    author: str
    turn: int
    at: int


def summarise(merged: Json) -> Summary:
    """Summarise a merged ticket from its subject and public messages; private notes are never read.

    Reads ``subject``, ``language`` and ``messages``. "" and None where the ticket does not tell.
    Raises ``DocumentError`` for a ticket without any words.
    """
    told = _told(merged)
    title = _title(merged["subject"], merged["messages"])
    problem = _problem(title, told) or shorten(merged["subject"], FIELD_LIMIT)
    if not problem:
        raise DocumentError("Nothing to summarise.", "The ticket has no words.")
    cause = _cause(told)
    solution = _solution(told, cause)
    result = _result(told, solution)
    stated = cause.text if cause else None
    solved = _in_order(solution)
    return Summary(
        problem=problem,
        cause=stated,
        solution=solved,
        result=_in_order(result),
        tags=tags_of(_plain(merged["subject"]), [problem.removeprefix(title), stated or "", solved]),
        method=METHOD,
        language=merged["language"],
    )


# --- reading a thread -------------------------------------------------------------------------------------------

_MENTIONS = re.compile(r"(?:[.\s]*@\w+[\s:,-]*)+")
_SHORT_LINK = re.compile(r"https?://(?:t\.co|bit\.ly|goo\.gl|tinyurl\.com|ow\.ly|fb\.me)/\S+")
_INITIALS = re.compile(r"\s*(?:[\^/~*]\s?[A-Z][A-Za-z]{0,9}|(?<=[\s.!?])-\s?[A-Z][A-Za-z]{1,9})(?:\s\d(?:/\d)?)?\s*$")
_SALUTATION = re.compile(
    r"(?:hi|hiya|hello|hey|dear|good (?:morning|afternoon|evening|day)|morning)(?: there| all| team| support| everyone)?"
    r"(?-i:,? [A-Z][\w.'-]*){0,3}\s*[,!.:;–-]+\s*"
    r"|안녕하(?:세요|십니까)[^.!?,~]{0,30}[.!?,~]+\s*|[가-힣]{2,4} ?(?:고객)?님[,.!~]+\s*",
    re.IGNORECASE,
)
_VOCATIVE = re.compile(
    r"(?!(?:\w+ly|also|and|but|fine|first|great|hence|here|however|indeed|instead|meanwhile|next|no|now|oh|ok|okay|perfect"
    r"|perhaps|please|right|so|sorry|still|sure|thanks|then|there|today|well|yes|yesterday),)(?-i:[A-Z][a-z]+), (?=.)",
    re.IGNORECASE,
)
_TITLE_NOISE = re.compile(r"(?:(?:re|fw|fwd|답장|회신|전달)\s*:\s*|\[[^\]]{1,20}\]\s*)+", re.IGNORECASE)


def _told(merged: Json) -> list[Sentence]:
    """The sentences of customer and agents, cleaned of salutations, handles and initials, in the thread's order."""
    told: list[Sentence] = []
    public = (m for m in merged["messages"] if not m["private"] and m["author"] != "system")
    for turn, message in enumerate(public):
        # Who took a call writes down what the customer said.
        author = "customer" if message["id"] == DESCRIPTION else message["author"]
        text = _after(_MENTIONS, _SHORT_LINK.sub("", message["text"][:_READ]).rstrip())
        for at, sentence in enumerate(sentences(_INITIALS.sub("", text))):
            words = _after(_SALUTATION, sentence)
            if at == 0 and author == "agent":
                words = _after(_VOCATIVE, words)
            if words != sentence:
                words = words[:1].upper() + words[1:]
            if any(map(str.isalnum, words)):
                told.append(Sentence(words, content_words(words), author, turn, at))
    return told


def _after(noise: re.Pattern[str], text: str) -> str:
    """The text without the noise it begins with."""
    found = noise.match(text)
    return text[found.end() :] if found else text


def _plain(subject: str) -> str:
    return _after(_MENTIONS, _SHORT_LINK.sub("", _after(_TITLE_NOISE, subject))).strip()


def _in_order(chosen: Collection[Sentence]) -> str:
    """The sentences as one text, in the thread's order; a full stop stands between them even if nobody wrote one."""
    texts = [sentence.text for sentence in sorted(chosen, key=lambda one: (one.turn, one.at))]
    return " ".join([f"{text}." if text[-1].isalnum() else text for text in texts[:-1]] + texts[-1:])


def _best(
    among: Sequence[Sentence], weight: Callable[[Sentence], float], share: float, least: float = 0.0
) -> list[Sentence]:
    """The heaviest sentences, heaviest first: of those that weigh ``least`` and a ``share`` of the heaviest."""
    weights = {one: weight(one) for one in among}
    enough = max(least, share * max(weights.values(), default=0.0))
    return sorted((one for one in among if weights[one] >= enough), key=weights.__getitem__, reverse=True)[:_PICKED]


def _fill(ranked: Iterable[Sentence], room: int) -> list[Sentence]:
    """The best sentences that fit into ``room`` characters together; the best one always, shortened if need be."""
    chosen: list[Sentence] = []
    for sentence in ranked:
        if not chosen:
            chosen.append(replace(sentence, text=shorten(sentence.text, room)))
            room -= len(chosen[0].text)
        elif len(sentence.text) < room:
            chosen.append(sentence)
            room -= len(sentence.text) + 1
    return chosen


def _shared(sentence: Sentence, others: Collection[str]) -> float:
    """The share of a sentence's words that the other side used too."""
    return sum(word in others for word in sentence.words) / (len(sentence.words) + 1)


# --- problem ----------------------------------------------------------------------------------------------------


def _problem(title: str, told: Sequence[Sentence]) -> str:
    """The title, and the most telling sentences of the customer before the first answer."""
    answered = next((one.turn for one in told if one.author == "agent"), len(told))
    customer = [one for one in told if one.author == "customer"]
    opening = ([one for one in customer if one.turn < answered] or customer or list(told))[:_MOST]
    if answered == len(told) and len({one.turn for one in told}) == 1:
        # Nobody said more: the description is all there is, and its beginning finds it again better than its centre
        # (nDCG@10 of English duplicates 0.59 -> 0.65 by meaning alone).
        says = [one.text for one in opening if len(one.words) > 1 and not is_courtesy(one.text)]
        return shorten(" ".join([title, *(says or [one.text for one in opening])]), FIELD_LIMIT)
    answers = {word for one in told if one.author == "agent" for word in one.words}
    central = dict(zip(opening, lexrank([one.words for one in opening]), strict=True))
    place = {one: at / len(opening) for at, one in enumerate(opening)}

    def weight(one: Sentence) -> float:
        length = min(len(one.words), 12) / 12
        early = 0.3 * (place[one] == 0) - 0.5 * place[one]
        return length + _shared(one, answers) + 0.3 * central[one] + early - 0.7 * is_courtesy(one.text)

    room = _PROBLEM - len(title)
    return f"{title} {_in_order(_fill(_best(opening, weight, 0.4), room)) if room > 40 else ''}".strip()


def _title(subject: str, messages: Sequence[Json]) -> str:
    """The subject as a sentence; "" if a first message says the same: social helpdesks cut the subject out of it."""
    title = _plain(subject).rstrip("….")
    said = _letters(" ".join(message["text"][:_READ] for message in messages[:2]))
    if _letters(title) in said or _letters(subject) in said:
        return ""
    return shorten(title if title[-1] in "?!" else f"{title}.", _PROBLEM)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


# --- cause, solution, result ------------------------------------------------------------------------------------


def _cause(told: Sequence[Sentence]) -> Sentence | None:
    """The last sentence of an agent that states a cause and asks nothing; None rather than a guess."""
    for one in reversed(told):
        if one.author == "agent" and is_cause(one.text) and not _is_talk(one.text):
            return replace(one, text=shorten(one.text, FIELD_AIM))
    return None


def _is_talk(text: str) -> bool:
    return is_question(text) or is_request(text) or is_courtesy(text)


def _solution(told: Sequence[Sentence], cause: Sentence | None) -> list[Sentence]:
    """What the agents did or told to do, in the sentences that say most about what was asked first."""
    answers = [one for one in told if one.author == "agent" and not _is_in(one, [cause])][-_MOST:]
    if not answers:
        return []
    asked = {word for one in told if one.author == "customer" and one.turn < answers[0].turn for word in one.words}
    acts = {one: is_action(one.text) or is_done(one.text) for one in answers}
    steps = Counter(one.turn for one in answers if acts[one])
    judged = _judged(told)

    def weight(one: Sentence) -> float:
        asks = 0.4 if is_request(one.text) else 1.2 if is_question(one.text) else 0.0
        return (
            1.2 * min(len(one.words), 16) / 16
            + _shared(one, asked)
            + 0.7 * acts[one]
            + 0.2 * min(steps[one.turn], 3)
            + one.turn / (told[-1].turn + 1)
            + judged.get(one.turn, 0.0)
            - is_courtesy(one.text)
            - 0.8 * is_aside(one.text)
            - asks
        )

    return _fill(_best(answers, weight, 0.6, least=0.5), _SOLUTION)


def _is_in(one: Sentence, others: Sequence[Sentence | None]) -> bool:
    return any(other is not None and (one.turn, one.at) == (other.turn, other.at) for other in others)


def _judged(told: Sequence[Sentence]) -> dict[int, float]:
    """What the customer's reply says for or against each turn of an agent: it worked, or it did not. What an agent
    adds after it worked is an afterthought."""
    replies: dict[int, list[str]] = {}
    turn = -1
    for one in told:
        if one.author == "agent":
            turn = one.turn
            replies.setdefault(turn, [])
        elif turn >= 0 and not is_question(one.text):
            replies[turn].append(one.text)
    judged: dict[int, float] = {}
    worked = False
    for turn, texts in replies.items():
        reply = " ".join(texts)
        verdict = -0.3 if fails(reply) else 0.3 if works(reply) else 0.0
        judged[turn] = verdict - 0.3 * worked
        worked = worked or verdict > 0
    return judged


def _result(told: Sequence[Sentence], solution: Sequence[Sentence]) -> list[Sentence]:
    """What the customer said last on whether it worked, else what an agent said was done; none where nobody says.

    A last line that says neither counts only if no agent had to act on it.
    """
    answered = next((one.turn for one in told if one.author == "agent"), len(told))
    customer = [one for one in told if one.author == "customer" and one.turn > answered]
    closing = customer[-1].turn if customer else answered
    last = [one for one in customer if one.turn == closing]
    agent = [one for one in told if one.author == "agent" and one.turn >= closing and not _is_in(one, solution)]
    acted = any(is_action(one.text) or is_question(one.text) for one in told if one.turn > closing)
    final = [] if acted else last
    for among, says in ((last, works), (final, fails), (final, _says_much), (customer[::-1], works), (agent, _reports)):
        for one in among:
            if says(one.text) and not is_question(one.text):
                more = (other for other in told if other.turn == one.turn and other.at > one.at)
                return _fill([one, *(other for other in more if not _is_talk(other.text))], _RESULT)
    return []


def _says_much(text: str) -> bool:
    return len(text) >= 10 and not is_courtesy(text)


def _reports(text: str) -> bool:
    return is_done(text) and not _is_talk(text)
