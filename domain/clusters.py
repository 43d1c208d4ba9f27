"""Groups of cases and questions that ask the same, from vectors, words and products that are there already.

Belongs here: how close two texts are, and the groups. Does not belong here: what becomes of a group (``faq_proposals``), or
where vectors and words come from (``ticket_stages``).

A wrong group costs a person's trust and a missed one comes again when more people ask, so every doubt parts two texts: a
group holds together pair by pair (``COHESION``), not by chains. The result depends on the set of texts alone: they are put
in order by their ids first, and ties go by them.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

CLUSTERS_VERSION: Final = "1"
"""Changes whenever the same texts would give other groups."""

LEAST_SIZE: Final = 3
"""Texts that make a group: two may be chance."""
LINK: Final = 7.0
"""How close a text must be to a group's core."""
COHESION: Final = 5.5
"""How close it must be to the group's members in the mean."""
WORDS: Final = 15.0
"""What the words' cosine counts beside the vectors', which is counted in standard deviations of unrelated pairs."""
SAME_TOPIC: Final = 1.0
"""What one product, or category, adds."""
_USUAL: Mapping[str, tuple[float, float]] = {
    "minilm-en-1": (0.155, 0.110),
    "e5-multi-1": (0.850, 0.0188),
    "use-multi-1": (0.210, 0.102),
}
"""Mean and standard deviation of the cosines of unrelated cases, by model: measured on the sample companies' tickets."""
_ENOUGH = 50
"""Texts whose own cosines tell those of a model that is not listed."""
_NEAREST, _LEAST_DEVIATIONS = 40, 1.0
"""Of each text so many neighbours by vector are looked at word by word, and none below that."""
_NEAREST_OTHERS = 10
_BLOCK = 512
_HELD_AGAINST = 12
"""Members, from a group's first on, that a newcomer is held against."""


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A case, a question or an FAQ as a group sees it: a vector (any length but 0), the words' weights by their index
    (``points.sparse``) and its product or category, "" where there is none."""

    id: str
    vector: NDArray[np.float32]
    words: Mapping[int, float]
    topic: str = ""


class Space:
    """Texts of one model, and how close any two of them are. ``others`` (FAQs) share the words' rarity, and are in no
    group."""

    def __init__(self, model_id: str, texts: Iterable[Text], others: Iterable[Text] = ()) -> None:
        self._model_id = model_id
        self.texts = sorted(texts, key=lambda text: text.id)
        self.others = sorted(others, key=lambda text: text.id)
        self._all = {text.id: text for text in (*self.others, *self.texts)}
        self._units = {text.id: _unit(text.vector) for text in self._all.values()}

    @cached_property
    def _rarity(self) -> Mapping[int, float]:
        counted = Counter(word for text in self._all.values() for word in text.words)
        return {word: math.log(1 + len(self._all) / count) for word, count in counted.items()}

    @cached_property
    def _weights(self) -> Mapping[str, Mapping[int, float]]:
        """Words' weights of length 1."""
        found: dict[str, Mapping[int, float]] = {}
        for text in self._all.values():
            weighed = {word: value * self._rarity[word] for word, value in text.words.items()}
            length = math.sqrt(math.fsum(value * value for value in weighed.values()))
            found[text.id] = {word: value / length for word, value in weighed.items()} if length else {}
        return found

    @cached_property
    def usual(self) -> tuple[float, float] | None:
        """Mean and standard deviation of cosines that mean nothing; None where too few texts tell them."""
        if self._model_id in _USUAL:
            return _USUAL[self._model_id]
        if len(self.texts) < _ENOUGH:
            return None
        rows = self._matrix()
        pairs = len(rows) * (len(rows) - 1)
        mean = (float(np.square(rows.sum(axis=0)).sum()) - len(rows)) / pairs
        square = (float(np.square(rows.T @ rows).sum()) - len(rows)) / pairs
        return mean, max(math.sqrt(max(square - mean * mean, 0.0)), 1e-6)

    def rarity(self, word: int) -> float:
        """How much a word tells here; one that no text has tells nothing."""
        return self._rarity.get(word, 0.0)

    def close(self, one: str, other: str) -> float:
        """How close two texts are: 0 is chance, ``LINK`` the same question."""
        if self.usual is None:
            return 0.0
        mean, deviation = self.usual
        deviations = (float(self._units[one] @ self._units[other]) - mean) / deviation
        mine, theirs = self._weights[one], self._weights[other]
        if len(mine) > len(theirs):
            mine, theirs = theirs, mine
        words = math.fsum(value * theirs[word] for word, value in mine.items() if word in theirs)
        topic = self._all[one].topic.casefold()
        same = topic and topic == self._all[other].topic.casefold()
        return round(deviations + WORDS * words + SAME_TOPIC * bool(same), 3)

    def nearest(self, group: Sequence[str]) -> tuple[str, float] | None:
        """Of the others the one closest to these texts in the mean, and how close; None where there is none."""
        if self.usual is None or not self.others:
            return None
        centre: NDArray[np.float32] = np.stack([self._units[one] for one in group]).mean(axis=0)
        cosines = np.round(self._other_rows @ centre, 5)
        best: Any = np.argsort(-cosines, kind="stable")[:_NEAREST_OTHERS]
        near = [self.others[int(at)].id for at in best]
        means = [(math.fsum(self.close(one, other) for one in group) / len(group), other) for other in near]
        close, nearest = min(means, key=lambda found: (-round(found[0], 3), found[1]))
        return nearest, close

    @cached_property
    def _other_rows(self) -> NDArray[np.float32]:
        return np.stack([self._units[text.id] for text in self.others])

    def groups(self) -> list[list[str]]:
        """Groups of at least ``LEAST_SIZE`` texts, each with its core first, the largest group first."""
        links = self._links()
        strength = {one: math.fsum(near.values()) for one, near in links.items()}
        groups: list[list[str]] = []
        mine: dict[str, int] = {}
        for one in sorted(links, key=lambda name: (-strength[name], name)):
            near = {mine[other] for other in links[one] if other in mine}
            fitting = [(fit, -at) for at in near if (fit := self._fit(one, groups[at])) >= COHESION]
            at = -max(fitting)[1] if fitting else len(groups)
            if at == len(groups):
                groups.append([])
            groups[at].append(one)
            mine[one] = at
        large = [group for group in groups if len(group) >= LEAST_SIZE]
        return sorted(large, key=lambda group: (-len(group), group[0]))

    def _fit(self, one: str, group: Sequence[str]) -> float:
        """How close a text is to a group in the mean; 0 where it is not linked to its core."""
        if self.close(one, group[0]) < LINK:
            return 0.0
        held = group[:_HELD_AGAINST]
        return math.fsum(self.close(one, other) for other in held) / len(held)

    def _links(self) -> dict[str, dict[str, float]]:
        """Of each text that has any the texts at least as close as ``LINK``."""
        links: dict[str, dict[str, float]] = defaultdict(dict)
        for one, other in self._candidates():
            close = self.close(one, other)
            if close >= LINK:
                links[one][other] = links[other][one] = close
        return links

    def _candidates(self) -> list[tuple[str, str]]:
        """Pairs that are near enough by vector to be looked at, each once; in blocks, so that memory is bounded."""
        if self.usual is None or len(self.texts) < LEAST_SIZE:
            return []
        mean, deviation = self.usual
        rows, pairs = self._matrix(), set[tuple[int, int]]()
        for start in range(0, len(rows), _BLOCK):
            cosines = np.round(rows[start : start + _BLOCK] @ rows.T, 5)
            for at, row in enumerate(cosines, start):
                row[at] = -1.0
                nearest: Any = np.argsort(-row, kind="stable")[:_NEAREST]
                near = (int(other) for other in nearest if (row[other] - mean) / deviation >= _LEAST_DEVIATIONS)
                pairs.update((min(at, other), max(at, other)) for other in near)
        return [(self.texts[one].id, self.texts[other].id) for one, other in sorted(pairs)]

    def _matrix(self) -> NDArray[np.float32]:
        return np.stack([self._units[text.id] for text in self.texts])


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length else vector
