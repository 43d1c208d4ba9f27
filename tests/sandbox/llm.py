"""A prompt for the stub model, in the form it reads; what the tests of the LLM stand-in share."""

import json
from collections.abc import Sequence
from typing import Any

from openai import OpenAI

from sandbox.serve import Sandbox

MODEL = "gpt-4.1-mini"
TEXT = {"type": "string"}
FIELDS: dict[str, Any] = {
    "id": TEXT,
    "problem": TEXT,
    "cause": {"type": ["string", "null"]},
    "solution": TEXT,
    "result": TEXT,
    "tags": {"type": "array", "items": TEXT},
}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


SCHEMA = closed({"summaries": {"type": "array", "items": closed(FIELDS)}})
STRICT: Any = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}

LOGIN = [
    ("subject", "Login fails"),
    ("customer", "Hello,\nI cannot log in since Monday. It says error 4021."),
    ("agent", "Hi Ana,\nThis is due to an expired password. We have reset it for you."),
    ("customer", "It works now!"),
]
REFUND = [
    ("subject", "환불 문의"),
    ("customer", "안녕하세요.\n주문 10233번 환불이 아직 안 됐어요."),
    ("agent", "카드사 승인 지연 때문에 늦어졌습니다. 오늘 환불 처리해 드렸습니다."),
]


def prompt(*items: Sequence[tuple[str, str]], system: str = "Summarise each ticket as JSON.") -> list[Any]:
    """Items with the ids "1", "2" ..., between their marks."""
    blocks: list[str] = []
    for number, item in enumerate(items, 1):
        lines = "\n".join(json.dumps({name: text}, ensure_ascii=False) for name, text in item)
        blocks.append(f'<<<DATA-0 "{number}"\n{lines}\nDATA-0>>>')
    return [{"role": "system", "content": system}, {"role": "user", "content": "\n\n".join(blocks)}]


def client(sandbox: Sandbox, account: str = "one", key: str | None = None) -> OpenAI:
    """The SDK as it comes, but for trying again."""
    return OpenAI(base_url=sandbox.llm_url(account), api_key=key or sandbox.key(account), max_retries=0, timeout=10)


def summaries(text: str | None) -> list[dict[str, Any]]:
    assert text is not None
    return json.loads(text)["summaries"]
