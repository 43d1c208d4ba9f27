"""A provider of a company's models: where it is, which model, what for, and what it may take.

Belongs here: the record behind the setting ``llm_providers``, and what contradicts what in it.
Does not belong here: its key (a company secret named ``secret_name``), talking to it (``resources/llm``), or prices.

Any endpoint that speaks OpenAI's protocol is one: OpenAI itself, Azure (both forms), Gemini's compatible endpoint, vLLM,
Ollama.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal
from urllib.parse import urlsplit

from domain.fingerprint import fingerprint

Style = Literal["openai", "azure"]
Auth = Literal["key", "token", "none"]
Use = Literal["summaries", "embeddings", "answers"]
BUNDLED_MODELS = ("minilm-en", "e5-multi", "use-multi")
"""The embedding models that come with Casebook; no provider may be called so (``resources/embedder``)."""
OPENAI_URL = "https://api.openai.com/v1"
SECRETS = "llm "
"""How the names of all providers' secrets begin."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}", re.ASCII)
_STYLES: tuple[Style, ...] = ("openai", "azure")
_AUTHS: tuple[Auth, ...] = ("key", "token", "none")
_USES: tuple[Use, ...] = ("summaries", "embeddings", "answers")
_EMBEDS_TOKENS = 8_191
"""What OpenAI's embedding models read of a text."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. Raises ``ValueError`` with what would be right.

    ``style`` "openai": ``url`` ends where ``/chat/completions`` begins, the key goes as a bearer (OpenAI, Azure's v1
    surface ``https://RES.openai.azure.com/openai/v1``, Gemini, vLLM, Ollama). "azure": ``url`` is the resource's address,
    requests go to ``/openai/deployments/DEPLOYMENT`` with ``api_version``, and ``auth`` says whether the secret is an API
    key or an Entra token: never both. ``weight`` is its share of the calls beside others. Limits are what it may take of
    the account in a minute; None: what the server's headers say. Prices are US$ a million tokens; None: the price table.
    ``context`` is the model's window in tokens; of an embedding model, what it reads of each text.

    ``use`` says what it is for. One that embeds has the ``size`` of the vectors that it gave when it was added, and
    ``dimensions`` where it was asked to give shorter ones. ``passage_prefix`` and ``query_prefix`` are what some models
    want before a text ("passage: ", "query: ").
    """

    name: str
    model: str
    url: str = OPENAI_URL
    style: Style = "openai"
    deployment: str = ""
    api_version: str = ""
    auth: Auth = "key"
    weight: float = 1.0
    parallel: int = 8
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    price_in: float | None = None
    price_out: float | None = None
    context: int = 128_000
    use: Use = "summaries"
    dimensions: int | None = None
    size: int | None = None
    passage_prefix: str = ""
    query_prefix: str = ""

    def __post_init__(self) -> None:
        for wrong, right in self._faults():
            if wrong:
                raise ValueError(right)

    def _faults(self) -> Sequence[tuple[bool, str]]:
        parts = urlsplit(self.url)
        of_azure = bool(self.deployment or self.api_version)
        limits = (self.requests_per_minute, self.tokens_per_minute)
        prices = (self.price_in, self.price_out)
        return (
            (not _NAME.fullmatch(self.name), f"a name of a-z, 0-9 and '-' ({self.name!r} is none)"),
            (not self.model.strip() or not self.model.isprintable(), f"{self.name}: the name of a model"),
            (
                parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc,
                f"{self.name}: an address https://… without user and password",
            ),
            (not _has_good_port(self.url), f"{self.name}: an address whose port is a number from 1 to 65535"),
            (bool(parts.query or parts.fragment), f"{self.name}: an address without '?' and '#'"),
            (self.style not in _STYLES, f"{self.name}: a style of {', '.join(_STYLES)}"),
            (self.auth not in _AUTHS, f"{self.name}: auth of {', '.join(_AUTHS)}"),
            (
                self.style == "openai" and of_azure,
                f"{self.name}: 'deployment' and 'api_version' only with style azure",
            ),
            (self.style == "azure" and not self.api_version, f"{self.name}: style azure with its 'api_version'"),
            (self.style == "azure" and self.auth == "none", f"{self.name}: style azure with auth key or token"),
            (self.style == "openai" and self.auth == "token", f"{self.name}: auth 'token' only with style azure"),
            (not 0 < self.weight <= 1000, f"{self.name}: a weight above 0, up to 1000"),
            (not 1 <= self.parallel <= 64, f"{self.name}: 'parallel' from 1 to 64"),
            (any(one is not None and one < 1 for one in limits), f"{self.name}: limits of 1 or more a minute"),
            (any(one is not None and not 0 <= one < 10_000 for one in prices), f"{self.name}: prices of 0 or more"),
            (self.use not in _USES, f"{self.name}: a use of {', '.join(_USES)}"),
            *(self._faults_of_embeddings() if self.use == "embeddings" else self._faults_of_summaries()),
        )

    def _faults_of_summaries(self) -> Sequence[tuple[bool, str]]:
        of_embeddings = (self.dimensions, self.size, self.passage_prefix or None, self.query_prefix or None)
        return (
            ((self.price_in is None) != (self.price_out is None), f"{self.name}: both prices, or neither"),
            (not 1_000 <= self.context <= 10_000_000, f"{self.name}: a 'context' of 1,000 tokens or more"),
            (of_embeddings != (None,) * 4, f"{self.name}: dimensions and prefixes only for embeddings"),
        )

    def _faults_of_embeddings(self) -> Sequence[tuple[bool, str]]:
        sizes = (self.dimensions, self.size)
        return (
            (self.name in (*BUNDLED_MODELS, "auto"), f"another name than {self.name!r}, which is a bundled model's"),
            ("|" in self.model, f"{self.name}: the name of a model, without '|'"),
            (self.price_out is not None, f"{self.name}: for embeddings, tokens have one price: 'price_in'"),
            (not 16 <= self.context <= 10_000_000, f"{self.name}: a 'context' of 16 tokens or more"),
            (any(one is not None and not 2 <= one <= 65_536 for one in sizes), f"{self.name}: 'dimensions' from 2 on"),
            (len(self.passage_prefix) > 500 or len(self.query_prefix) > 500, f"{self.name}: a short prefix"),
        )

    @property
    def model_id(self) -> str:
        """What names the vectors of a provider that embeds: equal for all endpoints that serve the same model, so that
        moving to another one costs nothing. Raises ``ValueError`` while their size is not known."""
        if self.size is None:
            raise ValueError(f"{self.name}: the size of its vectors, which 'casebook llm add' asks it for")
        prefix = f" {fingerprint(self.passage_prefix)[:8]}" if self.passage_prefix else ""
        return f"{self.model} {self.size}{prefix}"

    @property
    def secret_name(self) -> str:
        """Under which the company's secrets hold its key or token. The address is a part of it: whatever becomes of the
        provider, its key is found for no other address than the one that it was given for."""
        return f"{SECRETS}{self.name} {self.style} {self.auth} {self.url}"

    def to_json(self) -> dict[str, Any]:
        """Only what is not as usual."""
        usual = {one.name: one.default for one in fields(self)}
        usual["context"] = usual_context(self.use)
        return {name: value for name, value in asdict(self).items() if value != usual[name]}


def usual_context(use: str) -> int:
    """Tokens that a model takes where nobody said."""
    return _EMBEDS_TOKENS if use == "embeddings" else 128_000


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def provider(given: Mapping[str, Any]) -> Provider:
    """From the setting's JSON. Raises ``ValueError`` that names what is wrong."""
    known = {one.name: str(one.type) for one in fields(Provider)}
    if unknown := sorted(given.keys() - known.keys()):
        hint = "; a key is stored apart: casebook llm add" if any("key" in name for name in unknown) else ""
        raise ValueError(f"known fields ({', '.join(known)}), and {unknown[0]!r} is none{hint}")
    for name, value in given.items():
        if not _fits(value, known[name]):
            raise ValueError(f"{name!r} of its type; {value!r} is not")
    if missing := [name for name in ("name", "model") if name not in given]:
        raise ValueError(f"a {missing[0]!r} for each provider")
    usual: dict[str, Any] = {"context": usual_context(given.get("use", "summaries"))}
    return Provider(**usual | dict(given))


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return "None" in kind
    if isinstance(value, str):
        return "int" not in kind and "float" not in kind
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return "float" in kind or ("int" in kind and isinstance(value, int))
