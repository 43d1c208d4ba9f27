"""Looking for other companies' canaries from inside one company: the nightly proof that the wall of the index stands.

Belongs here: the ways in which a point could come through. Does not belong here: what a canary is (``domain/canary``), or
planting it (the engines).
"""

from collections.abc import Iterable, Sequence

from domain.canary import Canary, canary
from domain.company import CompanyId
from domain.fingerprint import fingerprint
from domain.stage import DataType
from resources.vector_index.base import EVERYTHING, MOST_HITS, Collection

DIRECTIONS = 20
"""Canaries that are looked for by their direction in one call, which takes a request each: all companies looking for all
others every night would be a square of them."""
_AT_ONCE = MOST_HITS // 4


def leaks(collection: Collection, data_type: DataType, others: Iterable[CompanyId], day: str) -> list[CompanyId]:
    """The companies whose canary is found in a collection that is not theirs: by its id and its word, and for some of them,
    others each ``day``, by its direction."""
    birds = {bird.point_id(data_type): bird for bird in map(canary, others)}
    found: set[str] = set()
    points = sorted(birds)
    for start in range(0, len(points), _AT_ONCE):
        found.update(_known(collection, points[start : start + _AT_ONCE], birds))
    size = collection.size if birds else 0
    of_the_day = sorted(points, key=lambda point: fingerprint([point, collection.name, day]))[:DIRECTIONS]
    for point in of_the_day if size else ():
        found.update(_hits(collection.rank(birds[point].vector(size), None, EVERYTHING, 3)))
    return sorted(birds[point].company for point in found & birds.keys())


def _known(collection: Collection, points: Sequence[str], birds: dict[str, Canary]) -> set[str]:
    """What is found of these by their ids and by their words: two requests."""
    words = sorted({birds[point].index for point in points})
    found = {stored.point_id for stored in collection.points(points)}
    return found.union(_hits(collection.rank(None, (words, [1.0] * len(words)), EVERYTHING, 2 * len(points))))


def _hits(ranked: tuple[list[tuple[str, float]], list[tuple[str, float]]]) -> list[str]:
    by_meaning, by_words = ranked
    return [point for point, _ in (*by_meaning, *by_words)]
