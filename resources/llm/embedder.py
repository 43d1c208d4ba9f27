"""Texts in, vectors out: requests for a pool of providers of one embedding model, and what becomes of each answer.

Belongs here: putting requests together (masked, cut, equal texts once), splitting one that is refused, asking again for a
bad vector, what it would cost. Does not belong here: a request and its answer (``embeddings``), sending (``pool``), storing
(``domain/derive``), questions of searchers (``resources/question_embedder``).

A refused request is halved until the text that is at fault stands alone: only that one fails, with its reason.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Literal

from domain.company import Company
from domain.fingerprint import clean
from domain.masking import redact_for
from domain.provider import Provider
from domain.stage import Arrived, Failed, Made, Pause
from resources.llm.base import Filtered, NotTaken, TooLong
from resources.llm.budget import Budget, refuse_unkept, unkept
from resources.llm.embeddings import MOST_INPUTS, MOST_TOKENS, Embedded, EmbeddingClient, inputs
from resources.llm.pool import Done, Job, Lane, Pool, lane
from resources.llm.summariser import Estimate, Keys, least_seconds, mean_cost
from resources.llm.tokens import count_tokens, cut_tokens, is_exact

Json = dict[str, Any]
_FEWEST_INPUTS = 64
"""Texts of a request, where there are more: fewer are not worth a request, only to ask more of them at once."""
_SHORTEST = 16
"""Characters below which a text that is called too long is given up."""
_HOPELESS = 3
"""Texts refused one by one before any was taken: then it is not the texts."""
_NOTHING = "-"
"""Stands for a text without words, which providers refuse."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One text as it leaves, and where it was asked for."""

    shown: str
    tokens: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Ask:
    """What a request is about."""

    parts: Sequence[_Part]
    purpose: Literal["first", "retry"] = "first"


class ProviderEmbedder:
    """Vectors of one company's texts, by the providers in ``pool``, which all serve the same model."""

    max_chars = 100_000
    """Characters of a text that are looked at; tokens are what is cut to."""
    summary_chars = 8_000
    """The whole of a summary: there is room for it."""

    def __init__(self, company: Company, pool: Pool) -> None:
        self._company, self._pool = company, pool
        self._model = pool.lanes[0].provider
        self._context = min(one.provider.context for one in pool.lanes)
        self._taken, self._refused = 0, 0
        """Texts that were embedded, and that were refused alone."""

    @property
    def model_id(self) -> str:
        """Name and size of the model: not of the providers, so a failover or a move embeds nothing again."""
        return self._model.model_id

    @property
    def size(self) -> int:
        """Numbers in a vector, as the model gave them when it was added."""
        assert self._model.size is not None
        return self._model.size

    @property
    def providers(self) -> list[Provider]:
        """Those that are asked."""
        return [one.provider for one in self._pool.lanes]

    @property
    def clients(self) -> list[EmbeddingClient]:
        """Their clients, in the same order."""
        return [one.client for one in self._pool.lanes]

    def close(self) -> None:
        """Let all connections go."""
        for one in self._pool.lanes:
            one.client.close()

    def make(self, texts: Sequence[str]) -> Iterator[Arrived]:
        """A ``domain.derive`` Make of texts: each answer of a provider is one ``Arrived``; a vector is little-endian float32.

        Raises ``Pause`` when the budget is used up or no provider is left; what was on its way has arrived then.
        """
        again: deque[Job] = deque()
        jobs = (_job(ask) for ask in self._asks(texts))
        with closing(self._pool.run(jobs, again)) as arriving:
            for done in arriving:
                results = self._judged(done, again)
                spent = [done.spent(done.job.about.purpose, _documents(done))] if done.reply else []
                if results or spent:
                    yield Arrived(results, spent)

    def shown(self, text: str, kind: Literal["passage", "query"] = "passage") -> str:
        """A text as it leaves: masked, cut, with the prefix that the model wants."""
        masked = redact_for(self._company, "embeddings", text[: self.max_chars])
        assert isinstance(masked, str)
        said, _ = clean(masked)
        prefix = self._model.passage_prefix if kind == "passage" else self._model.query_prefix
        return cut_tokens(f"{prefix}{said.strip() or _NOTHING}", self._model.model, self._context)

    def estimate(self, texts: Sequence[str]) -> Estimate:
        """What ``make`` would ask and pay for these texts; nothing is sent. Raises ``InputError`` where a budget could not
        be kept."""
        refuse_unkept(self.providers, self._pool.budget.limit)
        lanes = self._pool.lanes
        calls = tokens = 0
        for ask in self._asks(texts):
            calls += 1
            tokens += sum(part.tokens for part in ask.parts)
        unpriced = sorted({one.provider.model for one in lanes if one.price is None})
        cost = mean_cost(lanes, calls, tokens, 0)
        return Estimate(
            calls, tokens, 0, cost, least_seconds(lanes, calls, tokens), unpriced, is_exact(self._model.model)
        )

    def cost(self, tokens: int) -> float | None:
        """US$ of so many tokens, None where a price is not known."""
        return mean_cost(self._pool.lanes, 1, tokens, 0)

    def _asks(self, texts: Sequence[str]) -> Iterator[_Ask]:
        """Requests for all of the texts; those that are equal as they leave are asked for once."""
        places: dict[str, list[int]] = {}
        for position, text in enumerate(texts):
            places.setdefault(self.shown(text), []).append(position)
        at_once = sum(one.provider.parallel for one in self._pool.lanes)
        most = min(MOST_INPUTS, max(_FEWEST_INPUTS, -(-len(places) // at_once)))
        limits = [one.limits.per_minute("tokens") for one in self._pool.lanes]
        most_tokens = min([MOST_TOKENS, *(limit for limit in limits if limit)])
        parts: list[_Part] = []
        tokens = 0
        for shown, positions in places.items():
            part = _Part(shown, count_tokens(shown, self._model.model), tuple(positions))
            if parts and (len(parts) == most or tokens + part.tokens > most_tokens):
                yield _Ask(tuple(parts))
                parts, tokens = [], 0
            parts.append(part)
            tokens += part.tokens
        if parts:
            yield _Ask(tuple(parts))

    def _judged(self, done: Done, again: deque[Job]) -> list[tuple[int, Made | Failed]]:
        """What a request gave, by the positions of its texts; what has to be asked for again goes to ``again``."""
        ask: _Ask = done.job.about
        if done.reply is None:
            return self._troubled(done, ask, again)
        assert isinstance(done.reply, Embedded)
        if any(size != self.size for size in done.reply.sizes):
            self._lane(done).closed = (
                f"{done.provider.name} ({done.provider.model}) gives vectors of {max(done.reply.sizes)} numbers, and gave "
                f"{self.size} when it was added"
            )
            again.appendleft(_job(replace(ask, purpose="retry")))
            return []
        results: list[tuple[int, Made | Failed]] = []
        wrong: list[_Part] = []
        whole = max(1, sum(part.tokens for part in ask.parts))
        for part, vector in zip(ask.parts, done.reply.vectors, strict=True):
            if isinstance(vector, bytes):
                share = part.tokens / whole
                made = Made({"model": self.model_id}, vector, round(done.tokens_in * share), (done.cost or 0.0) * share)
                results += [(position, made) for position in part.positions]
                self._taken += 1
            elif ask.purpose == "first":
                wrong.append(part)
            else:
                results += _failed(part, f"{done.provider.name} ({done.provider.model}): {vector}")
        if wrong:
            again.append(_job(_Ask(tuple(wrong), "retry")))
        return results

    def _lane(self, done: Done) -> Lane:
        return next(one for one in self._pool.lanes if one.provider is done.provider)

    def _troubled(self, done: Done, ask: _Ask, again: deque[Job]) -> list[tuple[int, Made | Failed]]:
        trouble = done.trouble
        assert trouble is not None
        if isinstance(trouble, TooLong | Filtered | NotTaken) and len(ask.parts) > 1:
            half = len(ask.parts) // 2
            for parts in (ask.parts[half:], ask.parts[:half]):
                again.appendleft(_job(replace(ask, parts=parts)))  # down to the one at fault first
            return []
        part = ask.parts[0]
        if isinstance(trouble, TooLong) and len(part.shown) > _SHORTEST:
            # Its own vocabulary makes more tokens of it than ours.
            shorter = part.shown[: len(part.shown) // 2]
            tokens = count_tokens(shorter, self._model.model)
            again.appendleft(_job(replace(ask, parts=(replace(part, shown=shorter, tokens=tokens),))))
            return []
        if isinstance(trouble, NotTaken):
            self._refused += 1
            if not self._taken and self._refused >= _HOPELESS:
                raise Pause(f"{trouble.said}, whatever the text is", is_trouble=True)
        return [result for part in ask.parts for result in _failed(part, trouble.said)]


def open_provider_embedder(
    companies: Keys, company: Company, model_id: str, budget: Budget, *, timeout: float | None = None
) -> ProviderEmbedder | None:
    """The company's embedder of that model, None when no provider serves it. All that do share the work.

    A provider whose key is missing, or whose price is not known while there is a budget, gets no call: a run pauses with
    the reason when no other is left.
    """
    serving = [one for one in company.embedders if one.model_id == model_id]
    if not serving:
        return None
    lanes = [_lane(companies, company, one, timeout) for one in serving]
    for one in lanes:
        one.closed = one.client.missing or unkept(one.provider, budget.limit)
    return ProviderEmbedder(company, Pool(lanes, budget))


def _lane(companies: Keys, company: Company, one: Provider, timeout: float | None) -> Lane:
    client = EmbeddingClient(
        one,
        lambda: companies.llm_key(company, one),
        renew=lambda: companies.llm_key(company, one, fresh=True),
        **({} if timeout is None else {"timeout": timeout}),
    )
    return lane(client, lambda text: count_tokens(text, one.model))


def _job(ask: _Ask) -> Job:
    call = inputs([part.shown for part in ask.parts], sum(part.tokens for part in ask.parts))
    return Job(call, ask)


def _failed(part: _Part, why: str) -> list[tuple[int, Made | Failed]]:
    return [(position, Failed(why)) for position in part.positions]


def _documents(done: Done) -> int:
    """Equal texts are sent once, for all their documents."""
    ask: _Ask = done.job.about
    return sum(len(part.positions) for part in ask.parts)
