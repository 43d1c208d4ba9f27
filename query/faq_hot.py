"""The hot set: a company's active FAQs and their keyword index in memory, in compact arrays, following the tables.

Belongs here: reading the two tables, what is kept of them, the arithmetic over arrays. Does not belong here: which FAQs are
looked at, and what a score means (``faq``), or how a text names keywords (``domain/keyword_match``).

An FAQ is kept as its words (``tokens.surface``: no morphemes, so that 100,000 FAQs are read in half a minute) and its
payload's bytes; its record is made when it is found.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from domain import tokens
from domain.company import Company
from domain.faq import Faq
from domain.keyword_match import Keywords, Named, folded, normal
from domain.stage import CompanyStore, Row
from resources.companies import Companies

Ints = NDArray[np.int64]
Places = NDArray[np.int32]
Floats = NDArray[np.float64]

_WINDOW: Final = 2_000
SECONDS: Final = 1.0
"""So old may be what is known of the tables and settings: to look at them takes longer than to find an FAQ."""
_LEAST: Final = 200
"""A word's rarity is told as among so many FAQs at least: among five, every word is rare."""
_LITTLE: Final = 0.2
"""What pairs of syllables count that are the endings of questions and requests."""
_ENDINGS = """
    나요 하나 가요 까요 해요 어요 아요 에요 예요 네요 세요 주세 해주 려주 알려 습니 니다 니까 합니 입니 됩니 십니 인가 은가
    는가 있나 있는 있을 있어 되나 되는 되면 하는 하고 하려 하면 하기 려고 려면 는지 은지 을지 할지 인지 한지 싶어 싶은 싶습
    고싶 어떻 떻게 어디 언제 얼마 무엇 뭐예 궁금 금합 금해 대한 대해 관한 관해 에서 으로 에게 까지 부터 해야 야하 어야 아야
    수있 는데 은데 인데 건가 거예 았어 었어 했어 겠어 았나 었나 했나 그럼
"""
SYNONYM: Final = 0.8
TYPO: Final = 0.6
"""What a keyword counts that was named by a synonym, or with a letter wrong."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept of an FAQ: hashes of the words of question and sub-category, of keywords beside them, and of the answer
    beside those, as bytes of int64; and its payload."""

    asked: bytes
    keywords: bytes
    answer: bytes
    category: str
    payload: bytes


def _kept(payload: Mapping[str, Any]) -> _Kept:
    asked = _hashes(f"{payload['question']} {payload['sub_category']}")
    keywords = _hashes(" ".join(payload["keywords"])) - asked
    answer = _hashes(payload["answer"]) - asked - keywords
    category = payload["category"].strip()
    return _Kept(_packed(asked), _packed(keywords), _packed(answer), category, orjson.dumps(payload))


def _packed(hashes: set[int]) -> bytes:
    return np.array(sorted(hashes), np.int64).tobytes()


_says_little = frozenset(hash(f"#{pair}") for pair in _ENDINGS.split())


def _hashes(text: str) -> set[int]:
    """Words as numbers that are the same within this process."""
    return {hash(word) for word in tokens.surface(text)}


@dataclass(frozen=True, slots=True)
class _Lists:
    """Many lists of numbers in one array: list ``i`` is ``flat[starts[i]:starts[i + 1]]``."""

    flat: Places
    starts: Ints

    @property
    def lengths(self) -> Ints:
        return np.diff(self.starts)

    def of(self, places: Places | None) -> tuple[Places, Ints]:
        """The lists of some places (None: all) one after the other, and how long each is."""
        if places is None:
            return self.flat, self.lengths
        lengths = self.lengths[places]
        ends = np.cumsum(lengths)
        at = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(self.starts[places] - ends + lengths, lengths)
        return self.flat[at], lengths

    def sums(self, values: Floats, places: Places | None) -> Floats:
        """The sum of ``values`` over each list."""
        flat, lengths = self.of(places)
        found = np.bincount(np.repeat(np.arange(len(lengths)), lengths), values[flat], len(lengths))
        return found.astype(np.float64)


def _lists(parts: Sequence[Places]) -> _Lists:
    starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    return _Lists(np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32), starts)


@dataclass(frozen=True, slots=True)
class Led:
    """Where the keywords of a question lead: FAQs by place, the share of the keywords' weight that leads to each, and the
    keywords' names with the places that each leads to."""

    places: Places
    shares: Floats
    named: Mapping[str, Places]
    said: str
    """The question with synonyms and typos replaced by the keywords they stand for; "" where there are none."""


class Hot:
    """One state of a company's FAQs. Never changes: threads share it."""

    def __init__(self, faqs: Mapping[str, _Kept], rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.ids = sorted(faqs)
        kept = [faqs[one] for one in self.ids]
        self._payloads = [one.payload for one in kept]
        self._place = {one: place for place, one in enumerate(self.ids)}
        self._categories = np.array([one.category for one in kept])
        self._vocabulary, self._rarity, (asked, keywords, answers) = _words(kept)
        self._asked, self._keywords, self._answers = asked, keywords, answers
        self._mass = asked.sums(self._rarity, None)
        self._read_index(rows)

    def __len__(self) -> int:
        return len(self.ids)

    def _read_index(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self._names = sorted(rows)
        led = [
            np.array([self._place[one] for one in rows[name]["faq_ids"] if one in self._place], np.int32)
            for name in self._names
        ]
        self._led = _lists(led)
        self._weights = np.array([rows[name]["weight"] or 1 for name in self._names], np.float64)
        spellings, owners = list(self._names), list(range(len(self._names)))
        for place, name in enumerate(self._names):
            for synonym in rows[name]["synonyms"]:
                other = rows.get(normal(synonym))
                if other is None or (other is not rows[name] and other["faq_ids"] != rows[name]["faq_ids"]):
                    spellings.append(synonym)
                    owners.append(place)
        self._spellings, self._owners = Keywords(spellings), np.array(owners, np.int32)

    @property
    def has_index(self) -> bool:
        return bool(self._names)

    def faq(self, place: int) -> Faq:
        said = orjson.loads(self._payloads[place])
        return Faq(**{**said, "keywords": tuple(said["keywords"])})

    def places(self, ids: Iterable[str]) -> Places:
        """The places of those of the FAQs that are in the set."""
        return np.array([self._place[one] for one in ids if one in self._place], np.int32)

    def of_category(self, places: Places | None, category: str) -> Places | None:
        """Those of the places (None: all) whose FAQ is of a category."""
        if not category:
            return places
        if places is None:
            return np.flatnonzero(self._categories == category).astype(np.int32)
        return places[self._categories[places] == category]

    def led(self, text: str) -> Led:
        """Where the keywords lead that a text names."""
        found = self._spellings.find(text)
        counts: dict[int, float] = {}
        for one in found:
            row = int(self._owners[one.place])
            is_synonym = one.place >= len(self._names)
            worth = (TYPO if one.how == "typo" else 1.0) * (SYNONYM if is_synonym else 1.0)
            counts[row] = max(counts.get(row, 0.0), worth)
        rows = np.array(list(counts), np.int32)
        flat, lengths = self._led.of(rows)
        weights = self._weights[rows] * np.array(list(counts.values())) if counts else np.zeros(0)
        places, at = np.unique(flat, return_inverse=True)
        total = weights[lengths > 0].sum() or 1.0
        shares = np.bincount(at, np.repeat(weights, lengths), len(places)) / total
        named = {self._names[row]: self._led.of(rows[at : at + 1])[0] for at, row in enumerate(counts)}
        return Led(places.astype(np.int32), shares, named, self._meant(text, found))

    def _meant(self, text: str, found: Sequence[Named]) -> str:
        said = folded(text)
        parts: list[str] = []
        at = 0
        for one in found:
            row = int(self._owners[one.place])
            if one.start < at or (one.place == row and one.how == "exact"):
                continue
            parts += [said[at : one.start], self._names[row]]
            at = one.end
        return "".join([*parts, said[at:]]) if parts else ""

    def overlap(self, text: str, places: Places | None) -> Floats:
        """How much a question and FAQs (None: all) have in common, 0..1 each weighed by how rare a word is: the share of the
        question's words that the FAQ asks, the share that it says at all, and the share of its own question that is
        asked. Columns of one array."""
        words = np.array(list(_hashes(text)), np.int64)
        values = np.zeros(len(self._rarity))
        at = np.minimum(np.searchsorted(self._vocabulary, words), max(len(self._vocabulary) - 1, 0))
        is_known = self._vocabulary[at] == words if len(self._vocabulary) else np.zeros(len(words), bool)
        values[at[is_known]] = self._rarity[at[is_known]]
        new = sum(_LITTLE if word in _says_little else 1.0 for word in words[~is_known].tolist())
        mass = values.sum() + new or 1.0
        asked = self._asked.sums(values, places)
        head = asked + self._keywords.sums(values, places)
        whole = head + self._answers.sums(values, places)
        own = self._mass if places is None else self._mass[places]
        return np.stack([head / mass, whole / mass, asked / np.maximum(own, 1e-9)], axis=1)


def _words(kept: Sequence[_Kept]) -> tuple[Ints, Floats, list[_Lists]]:
    """The vocabulary, each word's rarity (1: in no FAQ's question), and the words of each FAQ by their place in it."""
    fields = [[np.frombuffer(getattr(one, name), np.int64) for one in kept] for name in ("asked", "keywords", "answer")]
    joined = [np.concatenate(field) if field else np.zeros(0, np.int64) for field in fields]
    vocabulary, at = np.unique(np.concatenate(joined), return_inverse=True)
    heads = len(joined[0]) + len(joined[1])
    among = max(len(kept), _LEAST)
    having = np.bincount(at[:heads], minlength=len(vocabulary))
    rarity = np.log(1 + (among - having + 0.5) / (having + 0.5)) / np.log(1 + (among + 0.5) / 0.5)
    rarity[np.isin(vocabulary, list(_says_little))] *= _LITTLE
    lists: list[_Lists] = []
    start = 0
    for field, flat in zip(fields, joined, strict=True):
        starts = np.concatenate([[0], np.cumsum([len(one) for one in field])]).astype(np.int64)
        lists.append(_Lists(at[start : start + len(flat)].astype(np.int32), starts))
        start += len(flat)
    return vocabulary, rarity, lists


class HotSet:
    """Follows the tables ``faq`` and ``faq_keyword_index``, and the settings: what is asked sees what was stored ``seconds``
    before. Threads may share it."""

    def __init__(self, companies: Companies, company: Company, seconds: float = SECONDS) -> None:
        self._companies, self._company, self._seconds = companies, company, seconds
        self._lock = threading.Lock()
        self._faqs: dict[str, _Kept] = {}
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._tops: tuple[str, int, int] = ("", 0, 0)
        self._hot = Hot({}, {})
        self._looked = float("-inf")

    def current(self) -> tuple[Hot, Company]:
        """The FAQs, and the company with its settings."""
        # While one reads what changed, the others answer by what was there, if there was anything.
        if self._is_old() and self._lock.acquire(blocking=not len(self._hot)):
            try:
                if self._is_old():
                    self._look()
            finally:
                self._lock.release()
        return self._hot, self._company

    def _is_old(self) -> bool:
        return time.monotonic() - self._looked >= self._seconds

    def _look(self) -> None:
        self._company = self._companies.current(self._company.id)
        with self._companies.store(self._company.id) as store:
            if (seen := self._seen(store)) != self._tops:
                self._follow(store, seen)
        self._looked = time.monotonic()

    def _seen(self, store: Any) -> tuple[str, int, int]:
        return store.store_id, store.top("faq"), store.top("faq_keyword_index")

    def _follow(self, store: Any, seen: tuple[str, int, int]) -> None:
        _, faqs, rows = self._tops
        if seen[0] != self._tops[0] or seen[1] < faqs or seen[2] < rows:  # another store, or one that was put back
            self._faqs, self._rows, faqs, rows = {}, {}, 0, 0
        top = _read(store, "faq", faqs, self._faqs, lambda payload: _kept(payload) if payload["is_active"] else None)
        index_top = _read(store, "faq_keyword_index", rows, self._rows, _row)
        self._hot = Hot(self._faqs, self._rows)
        self._tops = (seen[0], top, index_top)


def _row(payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not payload["faq_ids"]:
        return None
    return {name: payload[name] for name in ("faq_ids", "weight", "synonyms")}


def _read(
    store: CompanyStore, table: str, after: int, into: dict[str, Any], keep: Callable[[Mapping[str, Any]], Any]
) -> int:
    """What changed in a table after a seq, into what is kept of it; the last seq that was read."""
    rows: list[Row]
    while rows := store.changes(table, after, _WINDOW):
        for row in rows:
            kept = None if row.deleted else keep(row.payload)
            if kept is None:
                into.pop(row.doc_id, None)
            else:
                into[row.doc_id] = kept
        after = rows[-1].seq
    return after
