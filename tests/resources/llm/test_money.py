"""Tokens, prices and the budget: numbers that are known, and none that are not."""

import pytest

from domain.errors import InputError
from domain.provider import Provider
from domain.stage import Pause
from resources.llm import prices
from resources.llm.budget import Budget, refuse_unkept, unkept
from resources.llm.prices import price
from resources.llm.tokens import count_messages, count_tokens, is_exact, vocabulary


@pytest.mark.parametrize(
    ("model", "name", "exact"),
    [
        ("gpt-4o-mini", "o200k_base", True),
        ("gpt-4.1-mini-2025-04-14", "o200k_base", True),
        ("gpt-5-nano", "o200k_base", True),
        ("gpt-6-luna", "o200k_base", True),
        ("o4-mini", "o200k_base", True),
        ("gpt-oss:20b", "o200k_base", True),
        ("gpt-4-turbo", "cl100k_base", True),
        ("gpt-4", "cl100k_base", True),
        ("gpt-35-turbo", "cl100k_base", True),
        ("ft:gpt-4o-mini:acme", "o200k_base", True),
        ("gemini-2.5-flash", "o200k_base", False),
        ("llama3.1:8b", "o200k_base", False),
    ],
)
def test_vocabularies(model: str, name: str, exact: bool) -> None:
    assert (vocabulary(model), is_exact(model)) == (name, exact)


def test_counts_are_openai_s() -> None:
    assert count_tokens("hello world", "gpt-4o") == 2
    assert count_tokens("안녕하세요", "gpt-4o") < count_tokens("안녕하세요", "gpt-4")
    assert count_tokens("", "gpt-4o") == 0
    assert count_tokens("<|endoftext|> \ud800", "gpt-4o") > 3
    assert count_messages([{"role": "user", "content": "hello world"}], "gpt-4o") == 3 + 3 + 1 + 2


def test_prices_of_the_table_and_of_the_settings() -> None:
    known = price(Provider("p", "gpt-4.1-mini"))
    assert known and known.cost(1_000_000, 1_000_000) == pytest.approx(2.0)
    assert known.cost(1_000_000, 0, batch=True) == pytest.approx(0.2)
    assert price(Provider("p", "gpt-4.1-mini-2025-04-14")) == known
    own = price(Provider("p", "gpt-4.1-mini", price_in=1.0, price_out=0.0))
    assert own and own.cost(1_000_000, 5) == 1.0


@pytest.mark.parametrize("model", ["gpt-4.1-mini-pro", "gpt-4.1-min", "llama-4", "gpt-4.1-mini-latest", "gpt"])
def test_no_price_is_guessed(model: str) -> None:
    assert price(Provider("p", model)) is None


def test_a_price_that_runs_out_is_not_known_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    promoted = Provider("p", "gemini-3.8-flash")
    for day, is_known in (("2026-12-31", True), ("2027-01-01", False)):
        monkeypatch.setattr(prices, "_today", lambda day=day: day)
        assert (price(promoted) is not None) == is_known


def test_a_budget_holds_back_what_is_on_its_way() -> None:
    budget = Budget(1.0)
    held = [budget.reserve(0.4), budget.reserve(0.4)]
    with pytest.raises(Pause) as caught:
        budget.reserve(0.4)
    assert not caught.value.is_trouble and "1.0000 US$" in caught.value.reason
    budget.settle(held[0], 0.1)
    assert budget.reserve(0.4) == 0.4
    assert budget.spent == pytest.approx(0.1)


def test_a_budget_is_kept_only_where_prices_are_known() -> None:
    known, unknown = Provider("a", "gpt-4.1-mini"), Provider("b", "mystery-9")
    assert unkept(known, 1.0) == unkept(unknown, None) == ""
    refuse_unkept([known, unknown], None)
    refuse_unkept([known], 1.0)
    with pytest.raises(InputError, match=r"no price is known for mystery-9 \(b\), and budget_monthly is set"):
        refuse_unkept([known, unknown], 1.0)


def test_without_a_price_only_no_limit_lets_through() -> None:
    assert Budget(None).reserve(None) == 0.0
    with pytest.raises(Pause):
        Budget(1.0).reserve(None)
