"""Questions to vectors, by the model that made the collection which is asked: a bundled one, or a provider's.

Belongs here: what a person waits for: one call, kept for a day, in the ledger, and a clear word when it cannot be had.
Does not belong here: embedding documents (``embedder``, ``llm/embedder``), or searching (``query/search``).
"""

import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from domain.company import Company
from domain.errors import SourceUnavailable
from domain.provider import BUNDLED_MODELS, Provider
from resources.background import PATIENCE
from resources.companies import Companies
from resources.embedder import BUNDLED, open_embedder
from resources.llm.base import Trouble, call_id
from resources.llm.budget import Budget
from resources.llm.embedder import ProviderEmbedder, open_provider_embedder
from resources.llm.embeddings import MOST_INPUTS, MOST_TOKENS, inputs
from resources.llm.question_budget import QuestionBudget
from resources.llm.tokens import count_tokens

SEARCH = "search"
"""The stage of questions in the ledger."""
_LONGEST = 20_000
"""Characters of a question that are looked at."""
_DAY = 86_400.0
_PATIENCE = 8.0
"""Seconds for an answer: somebody waits for it."""
_REST = 20.0
"""Seconds for which a provider that failed is not asked, so that not every search waits for it."""


class NotEmbedded(SourceUnavailable):
    """A question has no vector now. A search can still find by words; the reason is for people."""


class QuestionEmbedder:
    """Questions of one company. Keeps connections open: make one and use it for many questions; threads may share it.
    Settings that change meanwhile count within seconds."""

    def __init__(self, companies: Companies, company: Company) -> None:
        self._companies, self._id = companies, company.id
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[Company, ProviderEmbedder]] = {}
        self._budget = QuestionBudget(companies, company.id, _REST)
        weakref.finalize(self, _close, self._opened)  # a search that is over leaves no connection behind

    def close(self, seconds: float = PATIENCE) -> bool:
        """Let all connections go, and write what the ledger waits for; whether it has all of it."""
        with self._lock:
            _close(self._opened)
        return self._budget.close(seconds)

    def vector(self, text: str, model_id: str) -> list[float]:
        """One question's vector: see ``vectors``."""
        return self.vectors([text], model_id)[0]

    def vectors(self, texts: Sequence[str], model_id: str) -> list[list[float]]:
        """A vector of length 1 for each question, by the model that ``domain.ticket_stages.model_of`` reads from a
        collection's ``made_by``. What was asked within a day costs nothing; the rest of them one call (of 2,048 at most).

        Raises ``NotEmbedded`` where it cannot be had now: the budget is used up, no provider answers, or none serves this
        model any more; ``InputError`` and ``StorageError`` as ``open_embedder`` does for a bundled model.
        """
        prefix = "" if _is_bundled(model_id) else _query_prefix(self._companies.current(self._id), model_id)
        keys = [f"{model_id} {prefix}{text[:_LONGEST]}" for text in texts]
        said = dict(zip(keys, texts, strict=True))

        def make(missing: list[str]) -> list[bytes]:
            return self._made([said[key][:_LONGEST] for key in missing], model_id)

        found = self._companies.cache.get_or_make(self._id, "query-embedding", keys, make, _DAY)
        return [np.frombuffer(one, "<f4").tolist() for one in found]

    def embed_ahead(self, texts: Sequence[str], model_id: str) -> None:
        """One request of a provider for questions that are about to be asked one by one; a bundled model needs none. What
        cannot be had is told when it is asked for."""
        if texts and not _is_bundled(model_id):
            with suppress(NotEmbedded):
                self.vectors(texts, model_id)

    def _made(self, texts: Sequence[str], model_id: str) -> list[bytes]:
        if _is_bundled(model_id):
            embedder = open_embedder(model_id)
            return [one.tobytes() for one in embedder.embed(texts, "query").astype("<f4")]
        return [vector for part in self._requests(texts, model_id) for vector in part]

    def _requests(self, texts: Sequence[str], model_id: str) -> list[list[bytes]]:
        company = self._companies.current(self._id)
        embedder = self._embedder(company, model_id)
        shown = [embedder.shown(text, "query") for text in texts]
        model = embedder.providers[0].model
        made: list[list[bytes]] = []
        part: list[str] = []
        tokens = 0
        for text in shown:
            count = count_tokens(text, model)
            if part and (len(part) == MOST_INPUTS or tokens + count > MOST_TOKENS):
                made.append(self._asked(company, embedder, part, tokens))
                part, tokens = [], 0
            part.append(text)
            tokens += count
        return [*made, self._asked(company, embedder, part, tokens)]

    def _embedder(self, company: Company, model_id: str) -> ProviderEmbedder:
        with self._lock:
            known = self._opened.get(model_id)
            if known and known[0].settings == company.settings:
                return known[1]
            made = open_provider_embedder(self._companies, company, model_id, Budget(None), timeout=_PATIENCE)
            if known:  # it may be waiting for an answer to another thread: its connections end with it
                del self._opened[model_id]
            if made is None:
                raise NotEmbedded(
                    f"nobody embeds questions for {company.id!r} now.",
                    f"Its index was made by the model {model_id!r}, and no provider serves that.",
                    f"Add one (casebook llm add {company.id} NAME --for embeddings --model …), or choose another "
                    f"embedding_model and run casebook sync {company.id}.",
                )
            self._opened[model_id] = (company, made)
            return made

    def _asked(self, company: Company, embedder: ProviderEmbedder, shown: Sequence[str], tokens: int) -> list[bytes]:
        """One request, to the first provider that answers it."""
        why: list[str] = []
        for client in embedder.clients:
            by: Provider = client.provider
            if no := self._budget.why_not(company, by) or client.missing:
                why.append(no)
                continue
            try:
                reply = client.ask(inputs(shown, tokens))
            except Trouble as trouble:
                self._budget.failed(by, trouble)
                why.append(trouble.said)
                continue
            tokens_in = tokens if reply.tokens_in is None else reply.tokens_in
            self._budget.record(SEARCH, call_id(by, reply), by, 0, tokens_in, 0)
            vectors = [one for one in reply.vectors if isinstance(one, bytes)]
            if len(vectors) == len(shown):
                return vectors
            why.append(f"{by.name}: {next(one for one in reply.vectors if isinstance(one, str))}")
        raise NotEmbedded(
            "a question cannot be embedded now.", f"{'; '.join(why)}.", f"casebook llm check {company.id}"
        )


def _query_prefix(company: Company, model_id: str) -> str:
    """What the model wants before a question; it is no part of its name, for documents do not have it."""
    return next((one.query_prefix for one in company.embedders if one.size and one.model_id == model_id), "")


def _is_bundled(model_id: str) -> bool:
    return model_id in {model.model_id for model in BUNDLED.values()} or model_id in BUNDLED_MODELS


def _close(opened: dict[str, tuple[Company, ProviderEmbedder]]) -> None:
    for _, embedder in opened.values():
        embedder.close()
    opened.clear()
