"""Vectors by providers: what goes into a request, what comes out of an answer, and what goes wrong."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from domain.company import Company, CompanyId
from domain.stage import Failed, Made, Pause, Spent
from resources.llm import pool as pool_module
from resources.llm.budget import Budget
from resources.llm.embedder import ProviderEmbedder, open_provider_embedder
from resources.llm.tokens import count_tokens, cut_tokens
from sandbox.llm import embed as sandbox_vector
from sandbox.llm_model import encode_to_embed
from sandbox.serve import Sandbox
from tests.resources.llm.given import Keys, opened

MODEL = "text-embedding-3-small"
TEXTS = ["Printer jams on page two", "환불이 두 번 되었습니다", "The lamp is dark", "로그인이 되지 않습니다"]


@dataclass(slots=True)
class Got:
    made: dict[int, Made] = field(default_factory=dict[int, Made])
    failed: dict[int, str] = field(default_factory=dict[int, str])
    spent: list[Spent] = field(default_factory=list[Spent])
    paused: str = ""
    is_trouble: bool = False


def company(llm: Sandbox, *accounts: str, settings: dict[str, Any] | None = None, **given: Any) -> Company:
    size = given.pop("size", 1536)
    providers = [
        {"name": one, "model": MODEL, "url": llm.llm_url(one), "use": "embeddings", "size": size} | given
        for one in accounts or ("one",)
    ]
    return Company(CompanyId("acme"), "freshdesk", "", {"llm_providers": providers, **(settings or {})})


def embedder(llm: Sandbox, *accounts: str, budget: Budget | None = None, **given: Any) -> ProviderEmbedder:
    of = company(llm, *accounts, **given)
    made = open_provider_embedder(Keys(llm), of, of.embedders[0].model_id, budget or Budget(None))
    assert made is not None
    return opened(made)


def run(of: ProviderEmbedder, texts: Sequence[str]) -> Got:
    """Everything that arrives; each text at most once."""
    got = Got()
    try:
        for arrived in of.make(texts):
            got.spent += arrived.spent
            for position, result in arrived.results:
                assert position not in got.made and position not in got.failed
                if isinstance(result, Made):
                    got.made[position] = result
                else:
                    assert isinstance(result, Failed)
                    got.failed[position] = result.reason
    except Pause as pause:
        got.paused, got.is_trouble = pause.reason, pause.is_trouble
    return got


def log(llm: Sandbox, name: str = "one") -> dict[str, Any]:
    return llm.llm_admin(name, "log")


def right(text: str, made: Made, size: int = 1536) -> bool:
    assert made.vector is not None
    return np.allclose(np.frombuffer(made.vector, "<f4"), sandbox_vector(encode_to_embed(text), size), atol=1e-6)


def test_each_text_has_its_vector_and_the_ledger_what_was_counted(llm: Sandbox) -> None:
    of = embedder(llm)
    got = run(of, TEXTS)
    assert all(right(TEXTS[at], made) for at, made in got.made.items())
    assert len(got.made) == len(TEXTS)
    assert got.made[0].payload == {"model": of.model_id} == {"model": f"{MODEL} 1536"}
    (spent,) = got.spent
    assert (spent.documents, spent.tokens_in, spent.tokens_out) == (4, log(llm)["tokens_in"], 0)
    assert spent.tokens_in == sum(count_tokens(text, MODEL) for text in TEXTS)
    assert spent.cost == pytest.approx(spent.tokens_in * 0.02 / 1e6)
    estimate = of.estimate(TEXTS)
    assert (estimate.calls, estimate.tokens_in, estimate.cost, estimate.exact) == (1, spent.tokens_in, spent.cost, True)


@pytest.mark.parametrize("knows", ["400", "500", "ignored"])
def test_a_server_without_base64_gives_numbers_and_is_asked_for_them_at_once_from_then_on(
    llm: Sandbox, knows: str
) -> None:
    llm.llm_admin("one", "options", base64=knows)
    of = embedder(llm)
    assert all(right(TEXTS[at], made) for at, made in run(of, TEXTS).made.items())
    assert run(of, ["another"]).made
    assert log(llm)["requests"] == (2 if knows == "ignored" else 3)


def test_equal_texts_are_asked_for_once_also_those_that_only_a_masked_datum_tells_apart(llm: Sandbox) -> None:
    got = run(embedder(llm), ["same", "same", "call 010-1234-5678", "call 010-8765-4321", " same "])
    assert got.made[0].vector == got.made[1].vector == got.made[4].vector
    assert got.made[2].vector == got.made[3].vector
    assert [one["input"] for one in llm.llm_admin("one", "requests")] == [["same", "call [PHONE]"]]


def test_what_holds_no_words_has_a_vector_and_costs_no_refusal(llm: Sandbox) -> None:
    got = run(embedder(llm), ["", " \n", "\x00", "\ud800", "word"])
    assert (len(got.made), got.failed, log(llm)["statuses"]) == (5, {}, {"200": 1})


def test_a_text_is_cut_to_what_the_model_reads(llm: Sandbox) -> None:
    long = "환불 요청 refund " * 9_000
    got = run(embedder(llm), [long])
    assert (len(got.made), log(llm)["statuses"]) == (1, {"200": 1})
    assert log(llm)["tokens_in"] == 8_191
    assert cut_tokens("한국어 텍스트", MODEL, 3) in "한국어 텍스트"
    # A model with a vocabulary of its own finds more tokens in it than we do: it is halved until it fits.
    llm.llm_admin("one", "options", text_tokens=512)
    assert len(run(embedder(llm), [long, "short"]).made) == 2


def test_a_request_stays_within_inputs_and_tokens(llm: Sandbox) -> None:
    many = [f"text {number}" for number in range(2_100)]
    small = {"parallel": 1, "dimensions": 8, "size": 8, "settings": {"masking": "off"}}
    assert len(run(embedder(llm, **small), many).made) == len(many)
    assert log(llm)["statuses"] == {"200": 2}
    llm.llm_admin("one", "reset_log")
    large = [f"{number} " + "refund " * 8_000 for number in range(45)]
    got = run(embedder(llm, **small), large)
    assert (len(got.made), log(llm)["statuses"]) == (45, {"200": 2})


def test_shorter_vectors_are_asked_for(llm: Sandbox) -> None:
    of = embedder(llm, dimensions=256, size=256)
    assert right(TEXTS[0], run(of, TEXTS[:1]).made[0], 256)
    assert of.model_id == f"{MODEL} 256"


@pytest.mark.parametrize("fault", ["400", "too_long", "filtered_prompt"])
def test_only_the_text_that_is_refused_fails(llm: Sandbox, fault: str) -> None:
    texts = [f"text {number}" for number in range(40)]
    texts[23] = "poison"
    llm.llm_admin("one", "faults", rates={fault: 1.0}, containing="poison")
    got = run(embedder(llm), texts)
    assert (list(got.failed), len(got.made)) == ([23], 39)
    assert "one answered 400" in got.failed[23]
    assert log(llm)["requests"] <= 16


def test_a_server_that_takes_nothing_is_not_asked_for_every_text(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"400": 1.0})
    got = run(embedder(llm), [f"text {number}" for number in range(200)])
    assert (got.made, got.is_trouble) == ({}, True)
    assert "whatever the text is" in got.paused
    assert log(llm)["requests"] < 40


@pytest.mark.parametrize("fault", ["nan", "zero", "misplaced"])
@pytest.mark.parametrize("knows", ["yes", "ignored"])
def test_a_bad_vector_is_asked_for_again_and_then_refused(llm: Sandbox, fault: str, knows: str) -> None:
    llm.llm_admin("one", "options", base64=knows)
    llm.llm_admin("one", "faults", rates={fault: 1.0}, limit=1)
    got = run(embedder(llm), TEXTS)
    assert len(got.made) == len(TEXTS)
    assert [one.purpose for one in got.spent] == ["first", "retry"]
    llm.llm_admin("one", "faults", rates={fault: 1.0})
    got = run(embedder(llm), TEXTS)
    assert got.failed and "its vector" in next(iter(got.failed.values()))
    assert len(got.spent) == 2


def test_vectors_find_their_places_by_their_numbers(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"shuffled": 1.0})
    assert all(right(TEXTS[at], made) for at, made in run(embedder(llm), TEXTS).made.items())


def test_a_model_that_gives_another_size_is_asked_no_more(llm: Sandbox) -> None:
    llm.llm_admin("one", "faults", rates={"resized": 1.0})
    got = run(embedder(llm), TEXTS)
    assert (got.made, got.is_trouble, len(got.spent)) == ({}, True, 1)
    assert "gives vectors of 768 numbers, and gave 1536" in got.paused
    got = run(embedder(llm, "one", "two"), TEXTS)
    assert len(got.made) == 4  # the other one serves the same model


@pytest.mark.parametrize("fault", ["503", "500", "reset", "cut", "429", "html", "empty"])
def test_what_passes_is_tried_again(llm: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(pool_module, "FIRST_REST", 0.05)
    llm.llm_admin("one", "faults", rates={fault: 1.0}, limit=1, retry_after=0.05)
    got = run(embedder(llm), TEXTS)
    assert len(got.made) == len(TEXTS)


def test_one_of_two_providers_dies_and_every_text_has_its_vector(llm: Sandbox) -> None:
    llm.llm_admin("two", "options", dies_after=0, death="insufficient_quota")
    got = run(embedder(llm, "one", "two"), [f"text {number}" for number in range(300)])
    assert (len(got.made), {one.provider for one in got.spent}) == (300, {"one"})


def test_a_budget_stops_before_it_is_used_up(llm: Sandbox) -> None:
    texts = [f"text {number} of many" for number in range(256)]
    whole = embedder(llm).estimate(texts).cost
    assert whole is not None
    got = run(embedder(llm, budget=Budget(whole * 0.6), parallel=1), texts)
    assert ("budget" in got.paused, got.is_trouble, got.made) == (True, False, {})
    got = run(embedder(llm, budget=Budget(whole * 0.6), parallel=4), texts)
    assert 0 < len(got.made) < 256
    assert sum(one.cost or 0.0 for one in got.spent) <= whole * 0.6
    assert "budget" in got.paused


def test_without_a_price_a_budget_keeps_it_from_being_asked(llm: Sandbox) -> None:
    got = run(embedder(llm, budget=Budget(5.0), model="our-own"), TEXTS)
    assert (got.made, "no price is known" in got.paused, log(llm)["requests"]) == ({}, True, 0)


def test_what_a_model_wants_before_a_text_is_a_part_of_what_it_is(llm: Sandbox) -> None:
    of = embedder(llm, passage_prefix="passage: ", query_prefix="query: ")
    run(of, ["text"])
    assert llm.llm_admin("one", "requests")[-1]["input"] == ["passage: text"]
    assert of.shown("text", "query") == "query: text"
    assert of.model_id.startswith(f"{MODEL} 1536 ")


def test_nobody_serves_a_model_that_no_provider_has(llm: Sandbox) -> None:
    assert open_provider_embedder(Keys(llm), company(llm), "another 1536", Budget(None)) is None
