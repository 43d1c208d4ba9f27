"""Fingerprints: short hashes that say whether something is the same as before.

Belongs here: the one canonical form of a value, its hash, and the cleaning that must precede it.
Does not belong here: deciding *which* fields count (each record's own module does).
"""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_POINT_NAMESPACE = uuid.UUID("5c0f3f2e-7b0a-5c6e-9d53-0f6b3a7c1e42")


def canonical(value: Any) -> bytes:
    """The one byte form of a JSON value: UTF-8, keys sorted, no spaces.

    Raises ``TypeError`` for a value that is not JSON, or for a lone surrogate: run ``clean`` first.
    """
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fingerprint(value: Any) -> str:
    """32 hex digits (BLAKE2b-128) over the canonical form of a JSON value."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def clean(value: Any) -> tuple[Any, int]:
    """Replace NUL bytes and lone surrogates by U+FFFD, all the way down.

    Returns the cleaned JSON value and how many characters were replaced. No store, and no
    UTF-8 encoder, takes these characters, so they go before anything is hashed.
    """
    if _is_clean(value):
        return value, 0
    replaced = 0

    def text(raw: str) -> str:
        nonlocal replaced
        fixed, count = _UNSTORABLE.subn("\ufffd", raw)
        replaced += count
        return fixed

    def walk(node: Any) -> Any:
        if isinstance(node, str):
            return text(node)
        if isinstance(node, Mapping):
            return {text(str(key)): walk(item) for key, item in cast("Mapping[Any, Any]", node).items()}
        if isinstance(node, list | tuple):
            return [walk(item) for item in cast("Sequence[Any]", node)]
        return node

    return walk(value), replaced


def _is_clean(value: Any) -> bool:
    """Almost always, and told ten times faster than by walking: the encoder refuses surrogates and escapes NUL."""
    try:
        return b"\\u0000" not in orjson.dumps(value)
    except TypeError:
        return False


def point_id(company_id: str, data_type: str, doc_id: str, part: int = 0) -> str:
    """The vector id of a document, or of a later ``part`` of it: UUIDv5 of its identity, so that a re-run overwrites and
    never doubles."""
    name = f"{company_id}\x1f{data_type}\x1f{doc_id}"
    return str(uuid.uuid5(_POINT_NAMESPACE, f"{name}\x1f{part}" if part else name))
