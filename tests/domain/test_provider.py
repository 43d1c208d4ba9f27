"""The record of an LLM provider: what is read, and what contradicts what."""

from typing import Any

import pytest

from domain.company import Company, CompanyId, read_setting
from domain.errors import InputError
from domain.provider import Provider, provider

AZURE = {"name": "a", "model": "m", "style": "azure", "url": "https://r.openai.azure.com", "api_version": "2024-10-21"}


EMBEDS = {"use": "embeddings"}


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
    assert provider(given).to_json() == given
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
        ({"use": "songs"}, "a use of summaries, embeddings"),
        ({"dimensions": 256}, "only for embeddings"),
        ({"query_prefix": "query: "}, "only for embeddings"),
        (EMBEDS | {"name": "use-multi"}, "which is a bundled model's"),
        (EMBEDS | {"name": "auto"}, "which is a bundled model's"),
        (EMBEDS | {"model": "a | b"}, "without '|'"),
        (EMBEDS | {"price_in": 1, "price_out": 1}, "tokens have one price"),
        (EMBEDS | {"dimensions": 1}, "'dimensions' from 2 on"),
        (EMBEDS | {"context": 8}, "a 'context' of 16"),
        ({"modell": "m"}, "'modell' is none"),
        ({"model": None}, "'model' of its type"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], right: str) -> None:
    with pytest.raises(ValueError, match=r".") as wrong:
        provider({"name": "p", "model": "m"} | changes)
    assert right in str(wrong.value)


@pytest.mark.parametrize("text", ["openai", "{}", '[{"name": "a", "model": "m", "key": "sk-typed"}]'])
def test_a_provider_is_not_set_like_a_word_and_what_was_typed_is_not_repeated(text: str) -> None:
    with pytest.raises(InputError, match="casebook llm add") as refused:
        read_setting("llm_providers", text)
    assert text not in str(refused.value)


def test_a_field_is_needed() -> None:
    with pytest.raises(ValueError, match="a 'model' for each provider"):
        provider({"name": "a"})


def test_none_is_nobody() -> None:
    assert read_setting("llm_providers", "none") == read_setting("llm_providers", "[]") == []


def test_a_key_is_kept_for_one_address() -> None:
    usual = Provider("a", "m")
    others = [
        Provider("a", "m", "https://elsewhere.example/v1"),
        Provider("b", "m"),
        Provider("a", "m", auth="none"),
        Provider("a", "m", style="azure", api_version="2024-10-21"),
    ]
    assert len({one.secret_name for one in (usual, *others)}) == 5
    assert Provider("a", "another", weight=2.0).secret_name == usual.secret_name


def test_vectors_are_named_by_their_model_and_not_by_their_address() -> None:
    given = EMBEDS | {"name": "a", "model": "m", "size": 256}
    one = provider(given)
    assert one == provider(one.to_json())
    assert one.context == 8_191
    assert one.to_json() == given
    assert one.model_id == provider(given | {"name": "b", "url": "https://elsewhere.example/v1"}).model_id == "m 256"
    assert provider(given | {"query_prefix": "query: "}).model_id == one.model_id
    assert provider(given | {"passage_prefix": "passage: "}).model_id != one.model_id
    with pytest.raises(ValueError, match="casebook llm add"):
        assert provider(EMBEDS | {"name": "a", "model": "m"}).model_id
