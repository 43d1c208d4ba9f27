"""The canary of a company: a made-up point in each of its collections that no other company must ever find.

Belongs here: what it is made of. Does not belong here: planting it (``resources/vector_index``) or looking for it from the
other companies (``assets/collection_checks``).

It follows from the company's id alone, so whoever looks needs no store of the other company, and a lost index plants the
same again. It is a word and a direction that no text has.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from domain.company import CompanyId
from domain.fingerprint import fingerprint, point_id
from domain.points import term_index


@dataclass(frozen=True, slots=True)
class Canary:
    """``word`` is the one term of its sparse vector, with ``index``; ``payload`` says whose it is and no more."""

    company: CompanyId
    word: str

    @property
    def index(self) -> int:
        return term_index(self.word)

    def point_id(self, data_type: str) -> str:
        return point_id(self.company, data_type, self.word)

    def payload(self, data_type: str) -> dict[str, Any]:
        return {"company_id": self.company, "data_type": data_type, "doc_id": self.word, "is_canary": True}

    def vector(self, size: int) -> list[float]:
        """A unit vector of ``size`` numbers."""
        drawn = hashlib.shake_128(self.word.encode()).digest(2 * size)
        numbers = [int.from_bytes(drawn[at : at + 2], "big") - 32767.5 for at in range(0, 2 * size, 2)]
        length = sum(number * number for number in numbers) ** 0.5
        return [number / length for number in numbers]


def canary(company: CompanyId) -> Canary:
    """The canary of a company."""
    return Canary(company, f"canary{fingerprint(['canary', company])}")
