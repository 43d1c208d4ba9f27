"""People's own edits of the keyword index: what they set in the tab, found by what it said before, and kept.

Belongs here: the row with what people did to it, and telling their edits from our own rows. Does not belong here: making rows
from FAQs (``keyword_index``), or reading and writing the tab.

The rule. A cell of a row that the tab is known to show is a person's where it is not what we wrote:

* a weight that is another stays theirs, until they write another, or empty the cell (then ours counts again);
* FAQs and synonyms that they add stay, those they take out stay out, whatever the FAQs say, until they take that back;
* a row of a keyword that we never had is theirs: it stays with the FAQs they named;
* a row that they delete stays deleted (``is_blocked``), unless an FAQ names the keyword in its own column: who keeps that FAQ
  has the last word, and the row comes back.

A run may die between keeping its rows and writing the tab, and a tab may have been read before our last write. So each row
also has what the tab said ``before``; where it is not known which of the two the tab shows, only what differs from both is a
person's, and a row that is not there was not deleted. A tab that lost (nearly) all its rows at once was emptied by accident:
nothing of it is an edit.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

MOST_IN_A_CELL: Final = 1_000
"""FAQs of one keyword that the tab shows: a cell holds 32,767 characters in a file. Where there are more, those that the cell
lacks were not taken out by anybody."""
_ACCIDENT_ROWS, _ACCIDENT_SHARE = 20, 0.5
NO_WEIGHT: Final = 0
"""The weight of a cell that is empty."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What people did to a row; ``weight`` 0: nothing. ``is_own``: they made the row."""

    weight: int = NO_WEIGHT
    faq_ids_added: tuple[str, ...] = ()
    faq_ids_removed: tuple[str, ...] = ()
    synonyms_added: tuple[str, ...] = ()
    synonyms_removed: tuple[str, ...] = ()
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """What a row of the tab says."""

    faq_ids: tuple[str, ...]
    weight: int
    synonyms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeywordRow:
    """One row of FAQ_키워드인덱스. ``keyword`` is normal (``keyword_match.normal``), ``weight`` 1 to 5 (0 in a tab: none was
    given), ``last_updated`` YYYY-MM-DD, the day on which the row came to say what it says. ``before``: what the tab said
    when this row was made, None where it had no such row. A blocked row leads nowhere; it is kept so that a deletion is. So
    is, for a while, one that no FAQ has any more: while the tab may show it, it must not be taken for a person's."""

    keyword: str
    faq_ids: tuple[str, ...]
    weight: int = NO_WEIGHT
    synonyms: tuple[str, ...] = ()
    last_updated: str = ""
    edits: Edits = Edits()
    before: Shown | None = None
    is_blocked: bool = False

    @property
    def is_visible(self) -> bool:
        """Whether it leads anywhere; the others are kept for what they remember, and are not in the tab."""
        return bool(self.faq_ids)

    @property
    def shown(self) -> Shown:
        return Shown(self.faq_ids, self.weight, self.synonyms)

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Self:
        """A row as the table has it (``dataclasses.asdict``, tuples as lists)."""
        edits, before = payload["edits"], payload["before"]
        return cls(
            payload["keyword"],
            tuple(payload["faq_ids"]),
            payload["weight"],
            tuple(payload["synonyms"]),
            payload["last_updated"],
            Edits(
                edits["weight"],
                tuple(edits["faq_ids_added"]),
                tuple(edits["faq_ids_removed"]),
                tuple(edits["synonyms_added"]),
                tuple(edits["synonyms_removed"]),
                edits["is_own"],
            ),
            before and Shown(tuple(before["faq_ids"]), before["weight"], tuple(before["synonyms"])),
            payload["is_blocked"],
        )


def edited(row: KeywordRow, told: KeywordRow, *, is_shown: bool) -> Edits:
    """What people did to a row, by what the tab says of it. ``is_shown``: the tab shows what ``row`` says, but for edits;
    else it may still show what it said ``before``."""
    was = [row.shown] if is_shown or row.before is None else [row.shown, row.before]
    whole = all(len(one.faq_ids) <= MOST_IN_A_CELL for one in was)
    kept = row.edits
    weight = kept.weight if told.weight in [one.weight for one in was] else told.weight
    added, removed = _moved([one.faq_ids for one in was], told.faq_ids, whole)
    words, words_gone = _moved([one.synonyms for one in was], told.synonyms, True)
    return Edits(
        weight,
        _with(kept.faq_ids_added, added, removed),
        _with(kept.faq_ids_removed, removed, added),
        _with(kept.synonyms_added, words, words_gone),
        _with(kept.synonyms_removed, words_gone, words),
        kept.is_own,
    )


def _moved(was: list[tuple[str, ...]], told: Collection[str], whole: bool) -> tuple[list[str], list[str]]:
    """What a person added to a list and took out of it: in the tab and in none of ours; in all of ours and not in the tab."""
    said = set(told)
    ours = set[str]().union(*was)
    added = [one for one in told if one not in ours]
    removed = [one for one in was[0] if one not in said and all(one in other for other in was)]
    return added, removed if whole else []


def _with(kept: tuple[str, ...], more: Collection[str], less: Collection[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*(one for one in kept if one not in less), *more]))


def own(told: KeywordRow) -> Edits:
    """The edits of a row that a person made."""
    return Edits(told.weight, told.faq_ids, (), told.synonyms, (), True)


def added_to(made: KeywordRow, told: KeywordRow) -> Edits:
    """A person made a row of a keyword that the FAQs give, too: what theirs has beyond ours is added, nothing leaves."""
    more = tuple(one for one in told.faq_ids if one not in made.faq_ids)
    words = tuple(one for one in told.synonyms if one not in made.synonyms)
    weight = told.weight if told.weight != made.weight else NO_WEIGHT
    return Edits(weight, more, (), words, (), False)


def is_witness(row: KeywordRow, told: KeywordRow | None) -> bool:
    """Whether the tab shows a row as we made it last, and not as it was before: so the tab was written since."""
    if not row.is_visible:
        return told is None and row.before is not None
    return told is not None and row.shown == told.shown and row.before != told.shown


def deleted(known: Mapping[str, KeywordRow], told: Collection[str], shown: Collection[str]) -> set[str]:
    """The keywords whose rows people deleted: the tab was known to have them. Empty where so many are gone at once that the
    tab was emptied."""
    there = {keyword for keyword in shown if keyword in known and known[keyword].is_visible}
    gone = there - set(told)
    if len(gone) > max(_ACCIDENT_ROWS, _ACCIDENT_SHARE * len(there)) or len(gone) == len(there):
        return set()
    return gone


def applied(row: KeywordRow, edits: Edits) -> KeywordRow:
    """A row that was made from the FAQs, with what people set winning."""
    out, words_out = set(edits.faq_ids_removed), set(edits.synonyms_removed)
    ids = [*(one for one in row.faq_ids if one not in out), *edits.faq_ids_added]
    words = [*(one for one in row.synonyms if one not in words_out), *edits.synonyms_added]
    return replace(
        row,
        faq_ids=tuple(sorted(set(ids))),
        weight=edits.weight or row.weight,
        synonyms=tuple(dict.fromkeys(words)),
        edits=edits,
    )
