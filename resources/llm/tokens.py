"""How many tokens a text is, as the provider will count it.

Belongs here: which vocabulary a model has, and what a chat adds to its texts.
Does not belong here: cutting texts (``domain/thread_cut``), or what tokens cost (``prices``).

The vocabularies are OpenAI's own and come with the package ``bpe-openai``; other makers' models have others, for which
``o200k_base`` is an estimate.
"""

import re
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from domain.fingerprint import clean

#: What a chat adds: so much for the answer's beginning, and for each message. OpenAI's cookbook, "How to count tokens".
PER_CHAT = PER_MESSAGE = 3

_O200K = re.compile(r"(?:chatgpt-|ft:)?(?:gpt-4o|gpt-4\.1|gpt-4\.5|gpt-[5-9]|gpt-oss|o[1-9])(?![0-9])")
_CL100K = re.compile(r"(?:ft:)?(?:(?:gpt-4|gpt-3\.5|gpt-35)(?![0-9o.])|text-embedding-(?:3-|ada-002))")


def vocabulary(model: str) -> str:
    """The name of the model's vocabulary; of one that is not OpenAI's, the estimate's."""
    return "cl100k_base" if _CL100K.match(model.lower()) else "o200k_base"


def is_exact(model: str) -> bool:
    """Whether counts for this model are its own, and no estimate."""
    return bool(_O200K.match(model.lower()) or _CL100K.match(model.lower()))


def count_tokens(text: str, model: str) -> int:
    """Tokens of a text. What looks like a special token is text."""
    try:
        return _tokenizer(vocabulary(model)).count(text)
    except UnicodeEncodeError:  # half a surrogate pair, which no request can hold either
        cleaned, _ = clean(text)
        return _tokenizer(vocabulary(model)).count(cleaned)


def cut_tokens(text: str, model: str, most: int) -> str:
    """The beginning of a text that has at most so many tokens."""
    if len(text.encode("utf-8", "replace")) <= most:  # no token has less than a byte
        return text
    tokenizer = _tokenizer(vocabulary(model))
    cleaned, _ = clean(text)
    tokens = tokenizer.encode(cleaned)
    if len(tokens) <= most:
        return text
    # A letter at the end that only some of its bytes are there of cannot be read.
    begun = (tokenizer.decode(tokens[: most - cut]) for cut in range(4))
    return next((one for one in begun if one), "")


def count_messages(messages: Sequence[Mapping[str, str]], model: str) -> int:
    """Tokens of a whole chat, as they are charged."""
    return PER_CHAT + sum(
        PER_MESSAGE + count_tokens(one["role"], model) + count_tokens(one["content"], model) for one in messages
    )


@cache
def _tokenizer(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # how it opens its own files
        # A second to import, most of it for a wrapper that is 30 times slower than what it wraps.
        from bpe_openai._bindings import tokenizer_for_encoding

        return tokenizer_for_encoding(name)
