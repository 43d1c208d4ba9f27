"""Answers from an LLM to one question of a person who waits: one call, to the first provider that answers.

Belongs here: which provider is asked, within the budget, how long it is waited for, what it cost, and that no personal datum
leaves. Does not belong here: the words of the prompt and what an answer must satisfy (``domain/answer_prompt``), choosing
passages or what is said without an answer (``query/ask``).
"""

import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.answer_prompt import (
    MAX_TOKENS,
    PROMPT_VERSION,
    Cited,
    Passage,
    Unsupported,
    accept,
    answer_schema,
    messages,
    parse,
)
from domain.company import Company
from domain.errors import SourceUnavailable
from domain.masking import Masked, mask_for
from domain.provider import Provider
from resources.background import PATIENCE
from resources.companies import Companies
from resources.llm.base import Call, Reply, Trouble, call_id
from resources.llm.client import Client
from resources.llm.question_budget import QuestionBudget
from resources.llm.tokens import count_messages

ASK = "ask"
"""The stage of answers in the ledger."""
_SILENCE = 15.0
"""Seconds without a part of an answer: somebody waits for it."""
_DEADLINE = 25.0
"""Seconds for all providers together."""
_REST = 30.0
"""Seconds for which a provider that failed is not asked, so that not every question waits for it."""


class NoAnswer(SourceUnavailable):
    """No provider gave an answer that may be shown now; the reason is for people."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that cites, and who gave it: model and version of the prompt."""

    cited: Cited
    made_by: str


class Answerer:
    """Answers of one company. Keeps connections open: make one and use it for many questions; threads may share it. Settings
    that change meanwhile count within seconds."""

    def __init__(self, companies: Companies, company: Company) -> None:
        self._companies, self._id = companies, company.id
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[Provider, Client]] = {}
        self._budget = QuestionBudget(companies, company.id, _REST)
        weakref.finalize(self, _close, self._opened)

    def close(self, seconds: float = PATIENCE) -> bool:
        """Let all connections go, and write what the ledger waits for; whether it has all of it."""
        with self._lock:
            _close(self._opened)
        return self._budget.close(seconds)

    def is_there(self) -> bool:
        """Whether the company has anybody who answers."""
        return bool(self._companies.current(self._id).answerers)

    def answer(
        self,
        question: str,
        language: str,
        passages: Sequence[Passage],
        conversation: Sequence[tuple[str, str]] = (),
    ) -> Answered:
        """One call. Raises ``NotAnswered`` when a model says that the passages do not answer, ``NoAnswer`` with the reason
        when nobody can be asked now or what came back may not be given."""
        company = self._companies.current(self._id)
        masked = _masked(company, question, passages, conversation)
        asked = _messages(masked, language)
        why: list[str] = []
        end = time.monotonic() + _DEADLINE
        for by in company.answerers:
            client = self._client(company, by)
            call = client.sized(Call(asked, answer_schema(), MAX_TOKENS, count_messages(asked, by.model)))
            if no := self._budget.why_not(company, by, call.tokens_in, call.max_tokens) or client.missing:
                why.append(no)
                continue
            reply = self._asked(client, call, end, why)
            if reply is None:
                continue
            try:
                return self._read(reply, by, masked, language, passages)
            except Unsupported as wrong:  # another provider may do better, but a person waits: one answer is paid for
                why.append(f"what {by.name} answered is not given: {wrong.said}")
                break
        raise NoAnswer(
            "no model answers now.", f"{'; '.join(why) or 'no provider is set'}.", f"casebook llm check {self._id}"
        )

    def _asked(self, client: Client, call: Call, end: float, why: list[str]) -> Reply | None:
        """The reply, in the ledger; None with the reason in ``why``."""
        by = client.provider
        try:
            reply = client.ask(call, lambda: time.monotonic() > end)
        except Trouble as trouble:
            self._budget.failed(by, trouble)
            why.append(trouble.said)
            return None
        tokens_in = call.tokens_in if reply.tokens_in is None else reply.tokens_in
        tokens_out = call.max_tokens if reply.tokens_out is None else reply.tokens_out
        self._budget.record(ASK, call_id(by, reply), by, 1, tokens_in, tokens_out)
        if reply.refusal or reply.finish == "content_filter":
            why.append(f"{by.name} would not answer")
            return None
        return reply

    def _read(self, reply: Reply, by: Provider, masked: Masked, language: str, passages: Sequence[Passage]) -> Answered:
        """Personal data is back in the answer before it is judged as people will read it."""
        if reply.finish == "length":
            raise Unsupported("it is cut off")
        said = masked.unmask(parse(reply.text))
        assert isinstance(said, dict)
        return Answered(accept(said, language, passages), f"{by.model} {PROMPT_VERSION}")

    def _client(self, company: Company, by: Provider) -> Client:
        with self._lock:
            known = self._opened.get(by.name)
            if known and known[0] == by:
                return known[1]
            made = Client(
                by,
                lambda: self._companies.llm_key(company, by),
                renew=lambda: self._companies.llm_key(company, by, fresh=True),
                timeout=_SILENCE,
            )
            if not made.missing:  # a key that comes later counts from the next question on
                self._opened[by.name] = (by, made)
            return made


def _masked(
    company: Company, question: str, passages: Sequence[Passage], conversation: Sequence[tuple[str, str]]
) -> Masked:
    """All that leaves as one document: a datum that question and passage share has one placeholder."""
    return mask_for(
        company,
        "llm",
        {
            "question": question,
            "passages": [
                {"id": one.id, "kind": one.kind, "title": one.title, "text": one.text, "state": one.state}
                for one in passages
            ],
            "conversation": [[role, text] for role, text in conversation],
        },
    )


def _messages(masked: Masked, language: str) -> list[dict[str, str]]:
    shown: Any = masked.value
    passages = [Passage(**one) for one in shown["passages"]]
    conversation = [(role, text) for role, text in shown["conversation"]]
    return messages(shown["question"], language, passages, conversation)


def _close(opened: dict[str, tuple[Provider, Client]]) -> None:
    for _, client in opened.values():
        client.close()
    opened.clear()
