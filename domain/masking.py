"""What stands in the place of personal data when a text leaves to an outside service, and how it comes back.

Belongs here: placeholders that can be taken back, one-way ones for vectors, and which services a company masks for.
Does not belong here: recognising the data (``domain/personal_data``), or calling a service.

``mask_for`` and ``redact_for`` are what a client of a paid service calls; docs/masking.md says what is masked.
"""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from domain.company import Company, OutsideService
from domain.personal_data import KINDS, Found, Kind, find, plain

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

#: What a service that translates may call a kind. Longest first, as a pattern tries them in turn.
_NAMES: dict[str, Kind] = {
    **{kind: kind for kind in KINDS},
    "E-MAIL": "EMAIL",
    "이메일": "EMAIL",
    "메일": "EMAIL",
    "전화번호": "PHONE",
    "전화": "PHONE",
    "휴대폰": "PHONE",
    "카드번호": "CARD",
    "카드": "CARD",
    "주민등록번호": "RRN",
    "주민번호": "RRN",
    "비밀키": "SECRET",
    "비밀": "SECRET",
    "시크릿": "SECRET",
}
_NAME = "|".join(sorted(_NAMES, key=len, reverse=True))
_NUMBER = r"0{0,3}([1-9][0-9]{0,5})"
_BODY = rf"({_NAME})[ \\_-]{{0,3}}{_NUMBER}"
#: A placeholder as services give it back. Only its own brackets are taken away with it, others are the sentence's.
_PLACEHOLDER = re.compile(
    rf"\[ ?{_BODY} ?\]|\\\[ ?{_BODY} ?\\\]|【 ?{_BODY} ?】"
    rf"|\[ ?({_NAME}) ?\\?_ ?{_NUMBER}(?![A-Za-z0-9_@])"
    # Without its brackets only as it was given out: "card_1.png" and "(card 2)" are the text's own.
    rf"|(?<![A-Za-z0-9_./=?&])(?-i:({'|'.join(KINDS)})\\?_{_NUMBER})(?![A-Za-z0-9_@])(?: ?\])?"
    r"|［[^［］\n]{1,20}］",
    re.ASCII | re.IGNORECASE,
)
#: What could become a placeholder in a service's hands: its number is never given out.
_RESERVED = re.compile(rf"({_NAME})[\W_]{{0,8}}{_NUMBER}(?![0-9])", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Masked:
    """A document without its personal data, and the way back.

    ``value`` may leave. ``originals`` gives the datum behind each placeholder, and must not: it stays in the process,
    or lies with the document. One document, one ``Masked``: a batch has one for each of its documents.
    """

    value: Json
    originals: Mapping[str, str] = field(default_factory=dict[str, str])

    def unmask(self, answer: Json) -> Json:
        """What the service said about this document, with the data back in place."""
        return unmask(answer, self.originals)


def mask_for(company: Company, service: OutsideService, document: Json) -> Masked:
    """A document as it may leave to a service that answers in words. Unchanged where the company does not mask."""
    return mask(document) if _masks(company, service) else Masked(document)


def redact_for(company: Company, service: OutsideService, document: Json) -> Json:
    """A document as it may leave to a service that answers in numbers. Unchanged where the company does not mask."""
    return redact(document) if _masks(company, service) else document


def _masks(company: Company, service: OutsideService) -> bool:
    return company.setting("masking") == "on" and service in company.setting("outside_services")


def mask(document: Json) -> Masked:
    """Each personal datum in a document's strings as ``[EMAIL_1]``, ``[PHONE_2]``, …

    A datum has one placeholder in the whole document, however it is spelled (the first spelling comes back). Equal
    documents give equal results, whatever the order of their keys. Keys stay; a number that is masked comes back as
    text. A number that the document itself uses in text like a placeholder is never given out.
    """
    placeholders: dict[tuple[Kind, str], str] = {}
    originals: dict[str, str] = {}
    numbers: dict[Kind, Iterator[int]] = {}

    def placeholder(datum: Found, spelled: str) -> str:
        known = placeholders.get((datum.kind, datum.same))
        if known:
            return known
        if not numbers:
            numbers.update(_free_numbers(document))
        made = f"[{datum.kind}_{next(numbers[datum.kind])}]"
        placeholders[datum.kind, datum.same] = made
        originals[made] = spelled
        return made

    value = _each(document, lambda text, key: _replaced(text, key, placeholder))
    return Masked(value, originals)


def redact(document: Json) -> Json:
    """Each personal datum as its kind only, ``[EMAIL]``: texts that differ in nothing else have one vector."""
    return _each(document, lambda text, key: _replaced(text, key, lambda datum, _: f"[{datum.kind}]"))


def unmask(answer: Json, originals: Mapping[str, str]) -> Json:
    """``answer`` with the data behind its placeholders, as far as ``originals`` knows them; all others stay as they are.

    Placeholders are known in the shapes that models give them: other case or brackets, a space for the underscore, a
    backslash before it, a bracket lost, a particle glued on, the kind in Korean; without any bracket only exactly as
    they were given out. Give the parsed answer, not its JSON text: a datum may hold quotes and line breaks.
    """

    def back(match: re.Match[str]) -> str:
        seen = _PLACEHOLDER.fullmatch(plain(match[0])) if match[0][0] == "［" else match
        if seen is None or seen.lastindex is None:
            return match[0]
        name, number = seen[seen.lastindex - 1], seen[seen.lastindex]
        return originals.get(f"[{_NAMES[name.upper()]}_{int(number)}]", match[0])

    return _each(answer, lambda text, _: _PLACEHOLDER.sub(back, text)) if originals else answer


def _free_numbers(document: Json) -> dict[Kind, Iterator[int]]:
    """For each kind the numbers from 1 on that the document does not use itself."""
    used: set[tuple[Kind, int]] = set()

    def note(text: str, _: str) -> str:
        used.update((_NAMES[name.upper()], int(number)) for name, number in _RESERVED.findall(plain(text)))
        return text

    def free(kind: Kind) -> Iterator[int]:
        return (number for number in itertools.count(1) if (kind, number) not in used)

    _each(document, note)
    return {kind: free(kind) for kind in KINDS}


def _replaced(text: str, key: str, placeholder: Callable[[Found, str], str]) -> str:
    pieces: list[str] = []
    at = 0
    for datum in find(text, key):
        pieces += (text[at : datum.start], placeholder(datum, text[datum.start : datum.end]))
        at = datum.end
    return "".join((*pieces, text[at:])) if pieces else text


def _each(value: Json, change: Callable[[str, str], str], key: str = "") -> Json:
    """The document with each string changed; ``change`` also gets the name of the field. Keys are taken in their own
    order, so that equal documents are walked alike, and stay in the document's."""
    if isinstance(value, str):
        return change(value, key)
    if isinstance(value, list):
        return [_each(item, change, key) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        written = str(value)  # a custom field, or a typed column, may hold a telephone number as a number
        changed_number = change(written, key)
        return value if changed_number == written else changed_number
    if isinstance(value, dict):
        changed = {name: _each(value[name], change, name) for name in sorted(value)}
        return {name: changed[name] for name in value}
    return value
