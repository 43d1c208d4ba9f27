"""Since when a rule is in force, and until when: which of several versions of one article counts on a day.

Belongs here: effective dates. Does not belong here: cutting an article (``regulation_passages``), or reading a day as people
type it (``workbook_cells``).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from domain.regulation import Regulation
from domain.regulation_passages import number_of

Force = Literal["in_force", "not_yet", "superseded"]


def force(effective_date: str, siblings: Iterable[str], today: str) -> Force:
    """What a rule is on a day. ``siblings`` are the days from which other versions of the same article are in force; the one
    day that ``replaced_on`` gives says as much. Days are YYYY-MM-DD, "" where none is known: such a rule is always in force
    until a later version is."""
    if effective_date > today:
        return "not_yet"
    return "superseded" if any(effective_date < day <= today for day in siblings) else "in_force"


def in_force(regulations: Iterable[Regulation], day: str) -> dict[str, Force]:
    """What each regulation is on a day, by its id."""
    known = list(regulations)
    later = replaced_on(known)
    return {one.regulation_id: force(one.effective_date, [later.get(one.regulation_id, "")], day) for one in known}


def replaced_on(regulations: Iterable[Regulation]) -> dict[str, str]:
    """By the id of a regulation the first day on which a later version of it is in force; those without one are left out.

    A version is a row of the same category, title and article with a later day, and either of the same item ("제5조 ②") or of
    the whole article. Rows of one article without a later day are its items, not its versions. Rows without a number are
    never versions of each other.
    """
    articles: dict[tuple[str, str, str], list[tuple[str, Regulation]]] = defaultdict(list)
    for one in regulations:
        article, _, item = number_of(one).partition(" ")
        if article:
            articles[_key(one.category), _key(one.title), article].append((item, one))
    found: dict[str, str] = {}
    for rows in articles.values():
        for item, one in rows:
            days = [other.effective_date for its, other in rows if its in ("", item)]
            later = [day for day in days if day > one.effective_date]
            if later:
                found[one.regulation_id] = min(later)
    return found


def _key(text: str) -> str:
    return "".join(text.split()).lower()
