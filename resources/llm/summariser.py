"""Documents in, summaries out: batches for a pool of LLM providers, and what becomes of each answer.

Belongs here: putting calls together (masked, cut, grouped by language), matching answers to documents, asking again for
what is missing or wrong, what a run would cost. Does not belong here: the words of the prompt (``domain/summary_prompt``),
what makes a summary good (``domain/summary_answer``), sending (``pool``), or storing (``domain/derive``).

A document that a call leaves without a good answer is asked for alone, then repaired once, then it fails with its reason.
"""

import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, Literal, Protocol

from domain.company import Company
from domain.fingerprint import fingerprint
from domain.masking import Masked, mask_for
from domain.provider import Provider
from domain.stage import Arrived, Failed, Later, Made
from domain.summary_answer import Rejected, Unreadable, accept, parse
from domain.summary_prompt import PROMPT_VERSION, Item, Kind, answer_schema, messages, repair_messages
from domain.thread_cut import cut
from resources.llm.base import Call, Filtered, Reply, TooLong
from resources.llm.budget import Budget, refuse_unkept, unkept
from resources.llm.client import THOUGHT_MEAN, Client, Mode, body, read_reply, sized, thinks
from resources.llm.pool import Done, Job, Lane, Pool, lane
from resources.llm.prices import Price
from resources.llm.tokens import count_messages, count_tokens, is_exact

Json = dict[str, Any]
Purpose = Literal["first", "retry", "repair", "batch"]

#: Tokens that a summary may take in an answer: four fields of FIELD_AIM characters, tags and JSON around them.
_ROOM = {"ko": 500}
_ROOM_ELSE, _ROOM_CALL = 350, 300
#: Tokens that a summary takes, where nothing is known of it: four fields of a sentence or two, tags, and the JSON around
#: them. A guess, and so an estimate with it is never called exact.
AVERAGE_OUT = 160


class Keys(Protocol):
    """Who opens the keys of a company's providers: ``resources.companies.Companies``."""

    def llm_key(self, company: Company, provider: Provider, *, fresh: bool = False) -> str: ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What summaries would cost. ``cost`` is in US dollars, None where a price is not known: of the models in ``unpriced``.
    ``seconds`` is what the providers' limits need, as far as they are known. ``exact``: tokens are counted with the models'
    own vocabularies, and answers as long as the ones before; not where a model thinks, for which an average is taken."""

    calls: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float | None
    unpriced: list[str]
    exact: bool


@dataclass(frozen=True, slots=True)
class _Part:
    """One document of a call. ``shown`` is what leaves: masked, and cut."""

    position: int
    document: Json
    masked: Masked
    shown: Json


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a call is about."""

    kind: Kind
    language: str
    parts: tuple[_Part, ...]
    purpose: Purpose = "first"


class Summariser:
    """Summaries of one company's documents, by the providers in ``pool``."""

    def __init__(self, company: Company, pool: Pool) -> None:
        self._company, self._pool = company, pool
        self._batch = int(company.setting("summary_batch"))
        self._most = int(company.setting("summary_tokens"))
        self._counted_as = pool.lanes[0].provider.model

    @property
    def made_by(self) -> str:
        """Which models and which prompt. Not which providers: a failover makes nothing again."""
        return f"llm {PROMPT_VERSION} {'+'.join(sorted({one.provider.model for one in self._pool.lanes}))}"

    @property
    def providers(self) -> list[Provider]:
        """Those that are asked."""
        return [one.provider for one in self._pool.lanes]

    @property
    def modes(self) -> dict[str, Mode]:
        """By provider: the form of structured answers that it takes, to begin with it the next time."""
        return {one.provider.name: one.client.mode for one in self._pool.lanes}

    def client(self, name: str) -> Client:
        """The client of a provider."""
        return next(one.client for one in self._pool.lanes if one.provider.name == name)

    def price(self, name: str) -> Price | None:
        """What a provider's tokens cost."""
        return next(one.price for one in self._pool.lanes if one.provider.name == name)

    def close(self) -> None:
        """Let all connections go."""
        for one in self._pool.lanes:
            one.client.close()

    # -- summaries -----------------------------------------------------------------------------------------------------

    def make(self, kind: Kind) -> Callable[[Sequence[Json]], Iterator[Arrived]]:
        """A ``domain.derive`` Make for documents of this kind. Each answer of a provider is one ``Arrived``.

        Raises ``Pause`` when the budget is used up or no provider is left; what was on its way has arrived then.
        """
        return lambda documents: self._run(kind, documents)

    def _run(self, kind: Kind, documents: Sequence[Json]) -> Iterator[Arrived]:
        broken: list[tuple[int, Failed]] = []
        again: deque[Job] = deque()
        jobs = (self._job(ask) for ask in self._asks(kind, documents, broken))
        with closing(self._pool.run(jobs, again)) as arriving:
            for done in arriving:
                results = self._judged(done, again)
                spent = [done.spent(done.job.about.purpose, len(done.job.about.parts))] if done.reply else []
                if results or spent:
                    yield Arrived(results, spent)
        if broken:
            yield Arrived(broken)

    def _asks(self, kind: Kind, documents: Sequence[Json], broken: list[tuple[int, Failed]]) -> Iterator[_Ask]:
        """The calls for documents, in their order as far as their languages allow."""
        open_: dict[str, list[_Part]] = defaultdict(list)
        for position, document in enumerate(documents):
            try:
                part = self._part(kind, position, document)
            except Exception as error:  # a document of an odd shape must not stop the others
                broken.append((position, Failed(f"it cannot be written down for a model ({type(error).__name__})")))
                continue
            parts = open_[_language(document)]
            parts.append(part)
            if len(parts) == self._batch:
                yield _Ask(kind, _language(document), tuple(parts))
                parts.clear()
        for language, parts in open_.items():
            if parts:
                yield _Ask(kind, language, tuple(parts))

    def _part(self, kind: Kind, position: int, document: Json) -> _Part:
        masked = mask_for(self._company, "llm", document)
        assert isinstance(masked.value, dict)
        return _Part(position, document, masked, cut(kind, masked.value, self._most, self._count))

    def _count(self, text: str) -> int:
        return count_tokens(text, self._counted_as)

    def _job(self, ask: _Ask) -> Job:
        items = [Item(str(at), part.shown) for at, part in enumerate(ask.parts, 1)]
        return Job(self._call(messages(ask.kind, ask.language, items), ask), ask)

    def _call(self, asked: Sequence[Mapping[str, str]], ask: _Ask) -> Call:
        room = _ROOM_CALL + len(ask.parts) * _ROOM.get(ask.language, _ROOM_ELSE)
        if ask.purpose in ("retry", "repair"):
            room *= 2  # perhaps it was cut off before
        return Call(asked, answer_schema(), room, count_messages(asked, self._counted_as))

    def _repair(self, ask: _Ask, part: _Part, answer: str, faults: Sequence[str]) -> Job:
        alone = replace(ask, parts=(part,), purpose="repair")
        asked = repair_messages(ask.kind, ask.language, Item("1", part.shown), answer, faults)
        return Job(self._call(asked, alone), alone)

    # -- answers -------------------------------------------------------------------------------------------------------

    def _judged(self, done: Done, again: deque[Job]) -> list[tuple[int, Made | Failed | Later]]:
        """What a call gave, by the positions of its documents; who has to be asked for again goes to ``again``."""
        ask: _Ask = done.job.about
        if done.reply is None:
            return self._troubled(done, ask, again)
        if why := _unwilling(done.reply, done.provider):
            return self._alone_or(ask, why, again)
        results: list[tuple[int, Made | Failed | Later]] = []
        found = _found(done.reply, len(ask.parts))
        for at, part in enumerate(ask.parts, 1):
            fields = found.get(str(at))
            faults = self._faults(ask, part, fields, done)
            if isinstance(faults, Made):
                results.append((part.position, faults))
            elif len(ask.parts) > 1:
                # Alone first, and afresh: what another document of the call made of this one must not be shown again.
                again.append(self._job(replace(ask, parts=(part,), purpose="retry")))
            elif ask.purpose == "repair":
                results.append((part.position, Failed(_told(done.provider, faults))))
            else:
                answer = done.reply.text if fields is None else json.dumps(fields, ensure_ascii=False)
                again.append(self._repair(ask, part, answer, faults))
        return results

    def _faults(self, ask: _Ask, part: _Part, fields: Json | None, done: Done) -> Made | Sequence[str]:
        """The summary, or what is wrong with it."""
        assert done.reply is not None
        if fields is None:
            return ("The answer is cut off." if done.reply.finish == "length" else "The answer holds no summary.",)
        others = [other.document for other in ask.parts if other is not part]
        share = len(ask.parts)
        try:
            made = self._made(ask.kind, part, fields, done.provider, others=others, last=ask.purpose == "repair")
        except Rejected as rejected:
            return rejected.faults
        return replace(
            made,
            tokens=(done.tokens_in + done.tokens_out) // share,
            cost=(done.cost or 0.0) / share,
        )

    def _made(
        self, kind: Kind, part: _Part, fields: Json, by: Provider, *, others: Sequence[Json] = (), last: bool
    ) -> Made:
        """Raises ``Rejected``. Placeholders are taken back in the parsed answer, then it is judged as people will read it."""
        told = part.masked.unmask(fields)
        assert isinstance(told, dict)
        method = f"{by.model} {PROMPT_VERSION}"
        try:
            summary = accept(kind, part.document, told, method=method, others=others, last=last)
        except Rejected:
            raise
        except ValueError as error:
            raise Rejected((str(error),)) from None
        return Made(summary.to_payload())

    def _troubled(self, done: Done, ask: _Ask, again: deque[Job]) -> list[tuple[int, Made | Failed | Later]]:
        trouble = done.trouble
        assert trouble is not None
        if isinstance(trouble, TooLong) and len(ask.parts) > 1:
            half = len(ask.parts) // 2
            again.extend(self._job(replace(ask, parts=parts)) for parts in (ask.parts[:half], ask.parts[half:]))
            return []
        if isinstance(trouble, Filtered):
            return self._alone_or(ask, trouble.said, again)
        return [(part.position, Failed(trouble.said)) for part in ask.parts]

    def _alone_or(self, ask: _Ask, why: str, again: deque[Job]) -> list[tuple[int, Made | Failed | Later]]:
        """One document of a call may keep the others from being answered: each is asked for alone."""
        if len(ask.parts) == 1:
            return [(ask.parts[0].position, Failed(why))]
        again.extend(self._job(replace(ask, parts=(part,), purpose="retry")) for part in ask.parts)
        return []

    # -- the Batch API -------------------------------------------------------------------------------------------------

    def lines(self, kind: Kind, documents: Sequence[Json], by: Provider) -> Iterator[tuple[str, Json]]:
        """(custom_id, request body) for each document, one document a request; ``custom_id`` is its fingerprint. One that
        cannot be written down is left out."""
        dialect = self.client(by.name).dialect
        for document in documents:
            for ask in self._asks(kind, [document], []):
                alone = replace(ask, purpose="batch")
                call = sized(by, self._job(alone).call)
                yield fingerprint(document), body(by, call, dialect)

    def read_line(self, kind: Kind, document: Json, by: Provider, answered: Json) -> Made | Failed:
        """The summary in the answer (a chat completion's JSON) to the line of this document, or why there is none: then it
        is to be asked for again outside of a batch."""
        reply = read_reply(by.name, answered)
        if why := _unwilling(reply, by):
            return Failed(why)
        fields = _found(reply, 1).get("1")
        if fields is None:
            return Failed(_told(by, ("The answer holds no summary.",)))
        try:
            return self._made(kind, self._part(kind, 0, document), fields, by, last=False)
        except Rejected as rejected:
            return Failed(_told(by, rejected.faults))

    # -- what it would cost --------------------------------------------------------------------------------------------

    def estimate(self, kind: Kind, documents: Sequence[Json], previous: Sequence[Json | None] = ()) -> Estimate:
        """What ``make`` would ask and pay for these documents, without repairs; nothing is sent. ``previous`` are their
        summaries so far (payloads), whose length is taken for that of the new ones. Raises ``InputError`` where a budget
        could not be kept."""
        refuse_unkept(self.providers, self._pool.budget.limit)
        known = dict(enumerate(one for one, _ in zip_longest(previous, documents)))
        calls = tokens_in = tokens_out = 0
        is_told = True
        for ask in self._asks(kind, documents, []):
            before = [_masked_again(part, known.get(part.position)) for part in ask.parts]
            calls += 1
            tokens_in += self._job(ask).call.tokens_in
            tokens_out += self._count(_answer(before)) + AVERAGE_OUT * before.count(None)
            is_told = is_told and None not in before
        lanes = self._pool.lanes
        cost = mean_cost(lanes, calls, tokens_in, tokens_out)
        whole = sum(one.provider.weight for one in lanes)
        tokens_out += round(sum(_thought(one, calls) * one.provider.weight for one in lanes) / whole)
        unpriced = sorted({one.provider.model for one in lanes if one.price is None})
        exact = is_told and all(is_exact(one.provider.model) and not thinks(one.provider) for one in lanes)
        time = least_seconds(lanes, calls, tokens_in + tokens_out)
        return Estimate(calls, tokens_in, tokens_out, cost, time, unpriced, exact)


def open_summariser(
    companies: Keys,
    company: Company,
    budget: Budget,
    *,
    modes: Mapping[str, Mode] | None = None,
    minute: float = 60.0,
) -> Summariser | None:
    """The company's summariser, None when no provider is set. ``modes`` is what one before had learned.

    A provider whose key is missing, or whose price is not known while there is a budget, gets no call: a run pauses with
    the reason when no other is left, and everything else of it goes on.
    """
    given = company.providers
    if not given:
        return None
    lanes = [_lane(companies, company, one, (modes or {}).get(one.name, "json_schema"), minute) for one in given]
    for one in lanes:
        one.closed = one.client.missing or unkept(one.provider, budget.limit)
    return Summariser(company, Pool(lanes, budget))


def _lane(companies: Keys, company: Company, one: Provider, mode: Mode, minute: float) -> Lane:
    client = Client(
        one,
        lambda: companies.llm_key(company, one),
        renew=lambda: companies.llm_key(company, one, fresh=True),
        mode=mode,
    )
    return lane(client, lambda text: count_tokens(text, one.model), minute=minute)


def _language(document: Json) -> str:
    code = str(document["language"]).lower().replace("_", "-").partition("-")[0]
    return code if code in ("ko", "en") else "other"


def _unwilling(reply: Reply, by: Provider) -> str:
    """Why the model would not answer; "" when it did."""
    if reply.refusal:
        return f"{by.name} ({by.model}) refused to summarise it"
    if reply.finish == "content_filter":
        return f"{by.name}'s content filter held the answer back"
    return ""


def _found(reply: Reply, asked: int) -> dict[str, Json]:
    try:
        found = parse(reply.text)
    except Unreadable:
        return {}
    if asked == 1 and len(found) == 1:
        return {"1": next(iter(found.values()))}  # whatever it calls it, nothing else was asked for
    return found


def _told(by: Provider, faults: Sequence[str]) -> str:
    return f"{by.name} ({by.model}) gave no summary that can be kept: {' '.join(faults)}"[:500]


def _answer(before: Sequence[Json | None]) -> str:
    """Summaries as a model would have written them."""
    fields = ("problem", "cause", "solution", "result", "tags")
    told = [
        {"id": str(at), **{name: one.get(name) for name in fields}}
        for at, one in enumerate(before, 1)
        if one is not None
    ]
    return json.dumps({"summaries": told}, ensure_ascii=False)


def _masked_again(part: _Part, before: Json | None) -> Json | None:
    """A summary with the placeholders that the model wrote."""
    if before is None or not part.masked.originals:
        return before
    texts = {name: value for name, value in before.items() if isinstance(value, str)}
    for placeholder, original in part.masked.originals.items():
        texts = {name: value.replace(original, placeholder) for name, value in texts.items()}
    return {**before, **texts}


def _thought(one: Lane, calls: int) -> int:
    """Tokens that a provider's model thinks in so many calls."""
    return calls * THOUGHT_MEAN if thinks(one.provider) else 0


def mean_cost(lanes: Sequence[Lane], calls: int, tokens_in: int, tokens_out: int) -> float | None:
    """Shared out by weight. None where a price is not known."""
    whole = sum(one.provider.weight for one in lanes)
    cost = 0.0
    for one in lanes:
        if one.price is None:
            return None
        cost += one.price.cost(tokens_in, tokens_out + _thought(one, calls)) * one.provider.weight / whole
    return cost


def least_seconds(lanes: Sequence[Lane], calls: int, tokens: int) -> float | None:
    """What the limits of all providers together need; None where one is not known."""
    requests = [one.limits.per_minute("requests") for one in lanes]
    minutes = [one.limits.per_minute("tokens") for one in lanes]
    needs = [
        60 * amount / sum(one for one in known if one)
        for amount, known in ((calls, requests), (tokens, minutes))
        if all(known)
    ]
    return max(needs) if needs else None
