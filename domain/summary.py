"""The summary of a resolved ticket: problem, cause, solution, result, tags (specification, "LLM 요약 처리").

Belongs here: the record, its limits, its JSON form, and the texts that are made of it (for embedding, for scoring).
Does not belong here: how a summary is written (``extractive``, ``resources/llm``).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

FIELD_AIM = 200
"""Characters a field should have at most, so that embedding it is fast; whoever writes summaries is told so."""

FIELD_LIMIT = 400
"""Characters a field is cut to, at a word, whoever wrote it."""

MAX_TAGS = 5
"""Tags a summary has at most (specification: "최대 5개")."""

EMBEDDING_TEXT_VERSION = "2"
"""Changes whenever the same summary would give another text to embed."""

_TAG_LIMIT = 40
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Summary:
    """What a ticket was about. "" where the ticket does not say; ``cause`` is None unless the ticket states one.

    ``method`` names who wrote it ("extractive-v1", or a model and its prompt's version), ``language`` is "ko", "en"
    or "other". ``ungrounded`` are facts that a model states and the ticket does not (``grounding``): they are for a
    person to look at. Fields are held to one line of at most FIELD_LIMIT characters, tags to MAX_TAGS different ones.
    Raises ``ValueError`` where there is no problem, for a summary without one says nothing.
    """

    problem: str
    cause: str | None
    solution: str
    result: str
    tags: tuple[str, ...]
    method: str
    language: str
    ungrounded: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("problem", "solution", "result"):
            object.__setattr__(self, name, shorten(getattr(self, name), FIELD_LIMIT))
        object.__setattr__(self, "cause", shorten(self.cause or "", FIELD_LIMIT) or None)
        object.__setattr__(self, "tags", tidy_tags(self.tags))
        if not self.problem:
            raise ValueError("a summary needs a problem")

    def to_payload(self) -> dict[str, Any]:
        """The JSON form: the payload of ``ticket_summaries``."""
        payload = {**asdict(self), "tags": list(self.tags)}
        del payload["ungrounded"]  # where there is none, the payload is as it was before there were any
        return {**payload, "ungrounded": list(self.ungrounded)} if self.ungrounded else payload

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Summary":
        """Read the JSON form. Raises ``ValueError`` that names the field which is missing or of a wrong type."""
        return cls(
            problem=_text(payload, "problem"),
            cause=None if payload.get("cause") is None else _text(payload, "cause"),
            solution=_text(payload, "solution"),
            result=_text(payload, "result"),
            tags=_texts(payload, "tags"),
            method=_text(payload, "method"),
            language=_text(payload, "language"),
            ungrounded=_texts(payload, "ungrounded") if "ungrounded" in payload else (),
        )


def joined(summary: Summary) -> str:
    """The summary as one text: problem, cause, solution, result, in this order."""
    return " ".join(part for part in (summary.problem, summary.cause, summary.solution, summary.result) if part)


def embedding_text(summary: Summary, subject: str) -> str:
    """The text that is embedded for a ticket: the summary, after the subject unless it says nothing new."""
    text = joined(summary)
    said = set(_WORD.findall(text.lower()))
    new = [word for word in _WORD.findall(subject.lower()) if word not in said]
    # The last word may be cut, where the subject is the head of a message.
    return f"{' '.join(subject.split())} {text}" if len(new) > 1 else text


def shorten(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters; what is longer ends at a word, with "…"."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    cut = line[: limit - 1]
    at_word = cut.rpartition(" ")[0]
    return (at_word if len(at_word) > limit // 2 else cut).rstrip(" ,.;:") + "…"


def tidy_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """At most MAX_TAGS tags, lower-cased, without "#", empty ones and repetitions."""
    names = (" ".join(tag.lower().lstrip("#").split())[:_TAG_LIMIT] for tag in tags)
    return tuple(dict.fromkeys(name for name in names if name))[:MAX_TAGS]


def _text(payload: Mapping[str, Any], name: str) -> str:
    value = payload.get(name)
    if isinstance(value, str):
        return value
    raise ValueError(f"the summary's {name!r} must be text, not {type(value).__name__}")


def _texts(payload: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = payload.get(name)
    if isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value)):
        return tuple(cast("list[str]", value))
    raise ValueError(f"the summary's {name!r} must be a list of texts")
