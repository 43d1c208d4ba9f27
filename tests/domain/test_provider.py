"""The record of an LLM provider: what is read, and what contradicts what."""

import json
from typing import Any

import pytest

from domain.company import Company, CompanyId, read_setting
from domain.errors import InputError
from domain.provider import Provider, read_providers

AZURE = {"name": "a", "model": "m", "style": "azure", "url": "https://r.openai.azure.com", "api_version": "2024-10-21"}


@pytest.mark.parametrize(
    "given",
    [
        {"name": "openai", "model": "gpt-4.1-mini"},
        {"name": "own", "model": "llama3.1", "url": "http://localhost:11434/v1", "auth": "none"},
        {"name": "a", "model": "m", "price_in": 0, "price_out": 1.5, "tokens_per_minute": 10},
        AZURE,
        AZURE | {"auth": "token", "deployment": "d"},
    ],
)
def test_what_is_given_is_what_is_kept(given: dict[str, Any]) -> None:
    assert read_providers(json.dumps([given])) == [given]
    assert Company(CompanyId("x"), "export", "", {"llm_providers": [given]}).providers == [Provider(**given)]


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"name": "Open AI"}, "a name of a-z"),
        ({"name": ""}, "a name of a-z"),
        ({"model": " "}, "the name of a model"),
        ({"url": "api.openai.com"}, "an address https://"),
        ({"url": "https://user:secret@host/v1"}, "without user and password"),
        ({"url": "https://host/v1?key=1"}, "without '?'"),
        ({"style": "gemini"}, "a style of openai, azure"),
        ({"auth": "both"}, "auth of key, token, none"),
        ({"deployment": "d"}, "only with style azure"),
        ({"style": "azure"}, "with its 'api_version'"),
        (AZURE | {"auth": "none"}, "style azure with auth key or token"),
        ({"auth": "token"}, "auth 'token' only with style azure"),
        ({"weight": 0}, "a weight above 0"),
        ({"weight": float("nan")}, "a weight above 0"),
        ({"parallel": 65}, "'parallel' from 1 to 64"),
        ({"parallel": True}, "'parallel' of its type"),
        ({"parallel": 1.5}, "'parallel' of its type"),
        ({"tokens_per_minute": 0}, "limits of 1 or more"),
        ({"price_in": 1}, "both prices, or neither"),
        ({"price_in": -1, "price_out": 1}, "prices of 0 or more"),
        ({"context": 10}, "a 'context' of 1,000"),
        ({"key": "sk-1"}, "a key is stored apart"),
        ({"modell": "m"}, "'modell' is none"),
        ({"model": None}, "'model' of its type"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], right: str) -> None:
    with pytest.raises(ValueError, match=r".") as wrong:
        read_providers(json.dumps([{"name": "p", "model": "m"} | changes]))
    assert right in str(wrong.value)


@pytest.mark.parametrize(
    "text", ["openai", "{}", "[1]", "[{}]", '[{"name": "a"}]', '[{"name":"a","model":"m"},{"name":"a","model":"n"}]']
)
def test_what_is_no_list_of_providers_is_refused_by_the_setting(text: str) -> None:
    with pytest.raises(InputError, match="bad value for llm_providers"):
        read_setting("llm_providers", text)


def test_none_is_nobody() -> None:
    assert read_setting("llm_providers", "none") == read_setting("llm_providers", "[]") == []
