"""The keyword index of the FAQs: which of them a keyword leads to (spec sheets.ko.md, §"시트 1-보조").

Belongs here: rows made from active FAQs, their weights and synonyms, joined with what people set; the rule of 20 FAQs a
keyword. Does not belong here: finding keywords in a question (``keyword_match``), telling people's edits (``keyword_edits``),
or looking up (``query/faq``).

Keywords are, first, what stands in an FAQ's own column; then the nouns of its question and sub-category, compounds whole and
in their parts, and English words. A noun that leads to ``SPLIT_AT`` FAQs or more is too common and gives way to the compounds
that it is part of; a person's own keyword stays, and it is proposed how to split it (``split_proposals``).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import log, log1p
from typing import Final

from domain import keyword_edits, tokens
from domain.faq import Faq
from domain.keyword_edits import Edits, KeywordRow
from domain.keyword_match import folded, match_key, normal

__all__ = ["INDEX_VERSION", "SPLIT_AT", "KeywordRow", "SplitProposal", "build", "cells", "normal", "split_proposals"]

INDEX_VERSION: Final = "1"
"""Changes whenever the same FAQs would give other rows."""
SPLIT_AT: Final = 20
"""FAQs of one keyword from which on it is to be split (spec §"인덱스 운영 규칙")."""
MOST_SYNONYMS: Final = 5
_ALIKE: Final = 0.5
"""The share of their FAQs that two keywords have in common to be suggested as synonyms."""
_STEADY: Final = 0.7
"""A weight moves only when it is that far off: one question more or less asked changes no row."""
_LATIN = re.compile(r"[^\W\d_가-힣一-鿿ぁ-ヿ]{3,}")
_HANGUL = re.compile("[가-힣]")
_EVERYWHERE = """
    방법 문의 경우 관련 무엇 어디 언제 누구 얼마 궁금 질문 안내 회사 저희 우리 때문 이후 이전 정도 부분 내용 이것 그것 여기
    하나 가능 필요 사항 대한 통해 what when where who which how much many can need get use does
"""
_COMMON = frozenset(_EVERYWHERE.split())
"""Words of every question."""


@dataclass(slots=True)
class _Made:
    """A keyword while it is collected: ``own`` are FAQs that name it in their column, ``ids`` all; ``said`` its spellings."""

    ids: set[str]
    own: set[str]
    said: Counter[str]


def build(
    faqs: Collection[Faq],
    known: Mapping[str, KeywordRow],
    *,
    today: str,
    use: Mapping[str, int] | None = None,
    told: Mapping[str, KeywordRow] | None = None,
    unread: Collection[str] = (),
    shown: Collection[str] = (),
) -> dict[str, KeywordRow]:
    """The rows of the index by keyword, with those that are only kept: what people deleted, and what leaves the tab.

    ``known`` are the stored rows, ``told`` the tab's (None: there is none, nothing is an edit), ``unread`` keywords whose
    row in the tab cannot be read; ``shown`` the known rows that the tab is known to show as they are (``keyword_edits``).
    ``today`` is YYYY-MM-DD, ``use`` how often each FAQ was the answer. Inactive FAQs are in no row.
    """
    active = {faq.faq_id for faq in faqs if faq.is_active}
    made = _collected(faq for faq in faqs if faq.is_active)
    rows = _weighed(_suggested(made), known, len(active), use or {})
    theirs = _joined(told.values()) if told is not None else {}
    gone = keyword_edits.deleted(known, {*theirs, *unread}, shown) if told is not None else set[str]()
    wanted: dict[str, KeywordRow] = {}
    for keyword in sorted({*rows, *known, *theirs}):
        one = None if keyword in unread else theirs.get(keyword)
        before, is_shown = known.get(keyword), keyword in shown
        edits = _edits(rows.get(keyword), before, one, is_shown=is_shown)
        is_blocked = keyword in gone or (one is None and before is not None and before.is_blocked)
        if is_blocked and not (keyword in made and made[keyword].own):
            row = KeywordRow(keyword, (), is_blocked=True)
        else:
            row = _bounded(keyword_edits.applied(rows.get(keyword, KeywordRow(keyword, (), 1)), edits), active)
        is_leaving = before is not None and not (is_shown and one is None)
        if row.faq_ids or row.is_blocked or row.edits != Edits() or is_leaving:
            wanted[keyword] = _dated(row, before, today, is_shown=is_shown)
    return wanted


def _edits(made: KeywordRow | None, known: KeywordRow | None, told: KeywordRow | None, *, is_shown: bool) -> Edits:
    if told is None or known is None or known.is_blocked:
        kept = known.edits if known else Edits()
        if told is None:
            return kept
        return keyword_edits.added_to(made, told) if made else keyword_edits.own(told)
    return keyword_edits.edited(known, told, is_shown=is_shown)


def _joined(told: Iterable[KeywordRow]) -> dict[str, KeywordRow]:
    """The tab's rows by normal keyword; several of one are one."""
    rows: dict[str, KeywordRow] = {}
    for one in told:
        if keyword := normal(one.keyword):
            other = rows.get(keyword, one)
            rows[keyword] = KeywordRow(
                keyword,
                tuple(dict.fromkeys((*other.faq_ids, *one.faq_ids))),
                max(other.weight, one.weight),
                tuple(dict.fromkeys((*other.synonyms, *one.synonyms))),
            )
    return rows


def _bounded(row: KeywordRow, active: Collection[str]) -> KeywordRow:
    """Without FAQs that are not there or not active; what a person wrote is remembered for when they are."""
    return replace(row, faq_ids=tuple(one for one in row.faq_ids if one in active))


def _dated(row: KeywordRow, known: KeywordRow | None, today: str, *, is_shown: bool) -> KeywordRow:
    """The row as it is stored; one that says what it said keeps its day, and what the tab said before it."""
    if known is None or known.is_blocked != row.is_blocked:
        return replace(row, last_updated=today)
    before = (known.shown if not known.is_blocked else None) if is_shown else known.before
    if known.shown == row.shown:
        return replace(row, last_updated=known.last_updated, before=known.before)
    return replace(row, last_updated=today, before=before)


def _collected(faqs: Iterable[Faq]) -> dict[str, _Made]:
    """Keywords with their FAQs. Spellings of one keyword ("expense", "Expenses") are one row."""
    by_key: dict[str, _Made] = {}
    for faq in faqs:
        for said, is_own in _words_of(faq):
            key = match_key(said)
            if not key:
                continue
            entry = by_key.setdefault(key, _Made(set(), set(), Counter()))
            entry.ids.add(faq.faq_id)
            entry.said[said] += 1000 if is_own else 1  # a person's spelling is the row's
            if is_own:
                entry.own.add(faq.faq_id)
    made: dict[str, _Made] = {}
    for entry in by_key.values():
        if not entry.own and len(entry.ids) >= SPLIT_AT:
            continue
        best = min(entry.said, key=lambda said: (-entry.said[said], len(said), said))
        made[normal(best)] = entry
    return made


def _words_of(faq: Faq) -> Iterator[tuple[str, bool]]:
    """The keywords of an FAQ as they are written, and whether they are from its own column."""
    for keyword in faq.keywords:
        if normal(keyword):
            yield " ".join(keyword.split()), True
    text = f"{faq.question}\n{faq.sub_category}"
    if _HANGUL.search(text):
        yield from ((noun, False) for noun in _nouns(text))
    for word in _LATIN.findall(folded(text)):
        if tokens.term_of(word) and word not in _COMMON:
            yield word, False


def _nouns(text: str) -> set[str]:
    """Korean nouns of two syllables or more, compounds whole and their parts."""
    compounds = tokens.korean_compounds(text)
    said = {normal("".join(parts)) for parts in compounds} | {part for parts in compounds for part in parts}
    return {noun for noun in said if 2 <= len(noun) <= 12 and noun not in _COMMON and _HANGUL.search(noun)}


def _suggested(made: Mapping[str, _Made]) -> dict[str, KeywordRow]:
    """Rows with synonyms: other spellings that people typed, then keywords that lead to (mostly) the same FAQs."""
    by_faq: defaultdict[str, list[str]] = defaultdict(list)
    for keyword in sorted(made):
        for faq_id in made[keyword].own:
            by_faq[faq_id].append(keyword)
    rows: dict[str, KeywordRow] = {}
    for keyword, entry in made.items():
        spellings = [said for said in sorted(entry.said) if entry.said[said] >= 1000 and folded(said) != keyword]
        near = _neighbours(keyword, entry, made, by_faq)
        synonyms = tuple(dict.fromkeys([*spellings, *near]))[:MOST_SYNONYMS]
        rows[keyword] = KeywordRow(keyword, tuple(sorted(entry.ids)), 1, synonyms)
    return rows


def _neighbours(
    keyword: str, entry: _Made, made: Mapping[str, _Made], by_faq: Mapping[str, Sequence[str]]
) -> list[str]:
    if len(entry.ids) >= SPLIT_AT:  # so common that whatever stands beside it is no synonym
        return []
    others = {other for faq_id in sorted(entry.own) for other in by_faq.get(faq_id, ())} - {keyword}
    alike = {other: len(entry.ids & made[other].ids) / len(entry.ids | made[other].ids) for other in others}
    best = sorted((one for one in others if alike[one] >= _ALIKE), key=lambda one: (-alike[one], one))
    return best[:MOST_SYNONYMS]


def _weighed(
    rows: Mapping[str, KeywordRow], known: Mapping[str, KeywordRow], faqs: int, use: Mapping[str, int]
) -> dict[str, KeywordRow]:
    """Weights 1 to 5: how few FAQs a keyword leads to (up to 3), and how often those were the answer (1 more)."""
    asked = {keyword: sum(use.get(one, 0) for one in row.faq_ids) for keyword, row in rows.items()}
    most = max(asked.values(), default=0)
    weighed: dict[str, KeywordRow] = {}
    for keyword, row in rows.items():
        rarity = log((faqs + 1) / len(row.faq_ids)) / log(faqs + 1)
        exact = 1 + 3 * rarity + (log1p(asked[keyword]) / log1p(most) if most else 0.0)
        before = known[keyword].weight if keyword in known and not known[keyword].edits.weight else 0
        is_steady = 1 <= before <= 5 and abs(exact - before) <= _STEADY
        weighed[keyword] = replace(row, weight=before if is_steady else min(max(round(exact), 1), 5))
    return weighed


def cells(row: KeywordRow) -> list[str | int]:
    """A row as the tab shows it: keyword, faqIds, weight, synonyms, lastUpdated. Only those that lead anywhere are shown
    (``KeywordRow.is_visible``)."""
    ids = ",".join(row.faq_ids[: keyword_edits.MOST_IN_A_CELL])
    return [row.keyword, ids, row.weight, ",".join(row.synonyms), row.last_updated]


@dataclass(frozen=True, slots=True)
class SplitProposal:
    """How to split a keyword that leads to too many FAQs: narrower keywords, each with its FAQs."""

    keyword: str
    faqs: int
    parts: tuple[tuple[str, tuple[str, ...]], ...]


def split_proposals(rows: Mapping[str, KeywordRow], faqs: Mapping[str, Faq]) -> list[SplitProposal]:
    """For each keyword of ``SPLIT_AT`` FAQs or more: by the sub-categories of its FAQs where they have several, else by the
    words that stand beside it. The FAQs that no part has keep the keyword."""
    proposals: list[SplitProposal] = []
    for keyword, row in sorted(rows.items()):
        if len(row.faq_ids) < SPLIT_AT:
            continue
        parts = _by_sub_category(row, faqs)
        if len(parts) < 2:
            parts = _by_neighbour(row, rows)
        proposals.append(SplitProposal(keyword, len(row.faq_ids), tuple(parts)))
    return proposals


def _by_sub_category(row: KeywordRow, faqs: Mapping[str, Faq]) -> list[tuple[str, tuple[str, ...]]]:
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for faq_id in row.faq_ids:
        if faq_id in faqs and (name := faqs[faq_id].sub_category.strip()):
            groups[name].append(faq_id)
    return [
        (f"{name} {row.keyword}" if row.keyword not in normal(name) else name, tuple(ids))
        for name, ids in sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    ]


def _by_neighbour(row: KeywordRow, rows: Mapping[str, KeywordRow]) -> list[tuple[str, tuple[str, ...]]]:
    """Greedily: the word that most of the FAQs left share, and that does not lead to nearly all of them again."""
    left, parts = set(row.faq_ids), list[tuple[str, tuple[str, ...]]]()
    beside = {
        other: left & set(one.faq_ids)
        for other, one in rows.items()
        if other != row.keyword and not left.isdisjoint(one.faq_ids)
    }
    while left and beside:
        best = min(beside, key=lambda other: (-len(beside[other] & left), other))
        ids = beside.pop(best) & left
        if len(ids) < 2:
            break
        if len(ids) < 0.8 * len(row.faq_ids):
            parts.append((best if row.keyword in best else f"{best} {row.keyword}", tuple(sorted(ids))))
            left -= ids
    return parts
