"""The rules of writing well: what the specification's guides ask of FAQs, regulations and contacts (spec sheets.ko.md).

Belongs here: one function a rule, over typed rows. Does not belong here: reading rows (``workbook_rows``), which tabs there
are (``workbook_check``), the words (``workbook_finding``).

A rule is a warning: what it names is read and answers all the same.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from domain.contact import Contact
from domain.faq import Faq
from domain.keyword_index import SPLIT_AT, KeywordRow, normal
from domain.regulation import Regulation
from domain.workbook_cells import line, plain
from domain.workbook_finding import Finding, finding
from domain.workbook_header import nearest
from domain.workbook_layout import CATEGORIES, CONTACTS, LAYOUT
from domain.workbook_rows import ProposalRow, Rows

FEWEST_FAQS: Final = 10
"""Active FAQs a category begins with (spec §"FAQ 작성 가이드": 최소 10-20개)."""
KEYWORDS: Final = range(3, 7)
"""Keywords of an FAQ (spec §"MVP 기준 예상 볼륨": 3-6개)."""
MOST_CONTENT: Final = 500
"""Characters of an article (spec §"content 작성 규칙")."""
SUMMARY_LINES, SUMMARY_WIDTH = 2, 80
"""Lines of a summary (spec: 1-2줄), and how many characters we take for a line."""
FAQ_VOLUME: Final = range(100, 501)
REGULATION_VOLUME: Final = 1_000
CONVERSATION_VOLUME: Final = 10_000
"""Rows of a workbook (spec §"데이터 볼륨 예상 및 확장 전략")."""
_NAMED_IDS = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Placed:
    """The rows of one tab, and where its columns are, counted from 1."""

    tab: str
    columns: Mapping[str, int]

    def told(self, rule: str, row: int = 0, name: str = "", **values: str | int) -> Finding:
        return finding(rule, self.tab, row, self.columns.get(name, 0), severity=None, name=name, **values)


def numbered(rows: Rows[T]) -> Iterator[tuple[int, T]]:
    """The records with their rows' numbers."""
    return ((rows.numbers[doc_id], record) for doc_id, record in rows.rows.items())


def not_examples(tab: str, columns: Mapping[str, int], rows: Sequence[Sequence[str]]) -> Iterator[Finding]:
    """Rows that a new workbook had."""
    layout = LAYOUT.get(tab)
    told = {tuple(map(line, example)) for example in (layout.examples if layout else ())}
    places = [columns.get(name, 0) - 1 for name in (layout.header if layout else ())]
    for number, row in enumerate(rows, 1):
        if told and tuple(line(row[at]) if 0 <= at < len(row) else "" for at in places) in told:
            yield finding("example-row", tab, number)


# --- FAQ ----------------------------------------------------------------------------------------------------------


def faq_rules(rows: Rows[Faq], at: Placed) -> Iterator[Finding]:
    """All rules of the tab FAQ."""
    active = [(number, faq) for number, faq in numbered(rows) if faq.is_active]
    yield from _enough_faqs([faq for _, faq in active], at)
    if len(rows.rows) not in FAQ_VOLUME:
        yield at.told("faq-volume", count=len(rows.rows))
    yield from _inactive(rows, at)
    yield from _crowded([faq for _, faq in active], at)
    yield from _categories(((number, faq.category) for number, faq in numbered(rows)), at)
    asked: dict[str, int] = {}
    for number, faq in active:
        yield from _faq_row(faq, number, at)
        first = asked.setdefault(_same(faq.question), number)
        if first != number:
            yield at.told("duplicate-question", number, "question", first=first)


def _enough_faqs(active: Sequence[Faq], at: Placed) -> Iterator[Finding]:
    counts = Counter(faq.category for faq in active)
    # A company with categories of its own is not asked for the three, too.
    wanted = CATEGORIES if not counts or counts.keys() & set(CATEGORIES) else ()
    for category in dict.fromkeys((*wanted, *sorted(counts))):
        if counts[category] < FEWEST_FAQS:
            count = counts[category]
            yield at.told("few-faqs", category=category, count=count, more=FEWEST_FAQS - count)


def _inactive(rows: Rows[Faq], at: Placed) -> Iterator[Finding]:
    ids = [faq.faq_id for faq in rows.rows.values() if not faq.is_active]
    if ids:
        shown = ", ".join(ids[:_NAMED_IDS]) + (", …" if len(ids) > _NAMED_IDS else "")
        yield at.told("inactive-faqs", 0, "isActive", count=len(ids), ids=shown)


def _crowded(active: Sequence[Faq], at: Placed) -> Iterator[Finding]:
    counts = Counter(keyword for faq in active for keyword in {normal(word) for word in faq.keywords})
    for keyword, count in sorted(counts.items()):
        if count >= SPLIT_AT:
            yield at.told("crowded-keyword", 0, "keywords", keyword=keyword, count=count)


def _faq_row(faq: Faq, number: int, at: Placed) -> Iterator[Finding]:
    if len(faq.keywords) not in KEYWORDS:
        yield at.told("keyword-count", number, "keywords", count=len(faq.keywords))
    if not is_concrete(faq.answer):
        yield at.told("vague-answer", number, "answer")


_CONCRETE = re.compile(
    r"""\d                                      # a date, an amount, an extension
    | \S\s*(?:>|›|»|→|➜|▶|⇒)\s*\S               # a path
    | https?://|www\.|\S@\S+\.\S                # a link, an address
    | [\[「『<《【][^\]」』>》】]{1,40}[\]」』>》】]      # what is named on a screen, or a document
    | (?:당일|익일|전일|말일|월말|연말|월초|매일|매주|매월|매년|매달|즉시|하루|이틀|사흘|열흘|보름|반일|한\s?달|일주일)
    | [일이삼사오육칠팔구십백천만억]+\s?(?:원|일간|일\s?이내|개월|시간|회|명)
    | \b(?:same\sday|next\sday|daily|weekly|monthly|yearly|annually|immediately|(?:one|two|three|four|five|six|seven|ten)
      \s(?:business\s|working\s)?(?:days?|weeks?|months?|hours?))\b
    """,
    re.VERBOSE | re.IGNORECASE,
)


def is_concrete(answer: str) -> bool:
    """Whether an answer says a path, a date, an amount, or where to go (spec §"FAQ 작성 가이드":
    경로, 기한, 금액 등 명시)."""
    return _CONCRETE.search(plain(answer)) is not None


# --- regulations --------------------------------------------------------------------------------------------------

_ARTICLE = re.compile(r"제\s?\d+\s?조(?:의\s?\d+)?|\bArticle\s\d+\b")
_HEADS_ARTICLE = re.compile(
    rf"(?:^|[\n.。]\s*|다\s)({_ARTICLE.pattern})\s*[(\[【<]|^\s*({_ARTICLE.pattern})(?=\s+(?!및|또는|내지|부터|제))",
    re.M,
)
_NUMBERING = re.compile(
    rf"{_ARTICLE.pattern}|제\s?\d+\s?(?:항|호|장|절|목)|(?:^|[\n.。]\s*|\s)\(?\d{{1,2}}[.)]\s|[①-⑳]", re.M
)
_SPELLED = re.compile(
    r"[일이삼사오육칠팔구십백천만억]{1,6}\s?(?:원|일|개월|년|시간|분|회|명|배|퍼센트)|하루|이틀|사흘|열흘|보름|한\s?달"
    r"|일주일|절반"
)


def regulation_rules(rows: Rows[Regulation], at: Placed) -> Iterator[Finding]:
    """All rules of a regulation tab."""
    for number, one in numbered(rows):
        yield from _content(one, number, at)
        lines = summary_lines(one.summary)
        if lines > SUMMARY_LINES:
            yield at.told("long-summary", number, "summary", lines=lines, width=SUMMARY_WIDTH)
        if not one.source_url:
            yield at.told("missing-source-url", number, "sourceUrl")
        elif not re.match(r"https?://\S+$", one.source_url):
            yield at.told("bad-source-url", number, "sourceUrl")
        if not one.effective_date:
            yield at.told("missing-effective-date", number, "effectiveDate")


def _content(one: Regulation, number: int, at: Placed) -> Iterator[Finding]:
    articles = articles_of(one)
    if len(articles) > 1:
        yield at.told("several-articles", number, "content", articles=", ".join(articles[:_NAMED_IDS]))
    if len(one.content) > MOST_CONTENT:
        yield at.told("long-content", number, "content", count=len(one.content))
    if not has_figures(one.content):
        yield at.told("no-figures", number, "content")


def articles_of(one: Regulation) -> list[str]:
    """The articles that a row holds: those its section names, and those that head a part of its content. One that is only
    referred to ("제3조에 따라") is none."""
    heads = (found[1] or found[2] for found in _HEADS_ARTICLE.finditer(one.content))
    named = _ARTICLE.findall(one.section)
    return list(
        dict.fromkeys(article if article.isascii() else article.replace(" ", "") for article in (*named, *heads))
    )


def has_figures(content: str) -> bool:
    """Whether a text has any figure, in digits or in words, but for the numbers of articles and items."""
    said = plain(_NUMBERING.sub(" ", content))
    return any(char.isdigit() for char in said) or _SPELLED.search(said) is not None


def summary_lines(summary: str) -> int:
    """Lines of a summary, a long one counted as those it fills."""
    return sum(-(-len(part) // SUMMARY_WIDTH) for part in summary.split("\n") if part)


# --- contacts, keywords, proposals --------------------------------------------------------------------------------


def contact_rules(rows: Rows[Contact], at: Placed) -> Iterator[Finding]:
    """All rules of the tab 담당자."""
    yield from _categories(((number, one.category) for number, one in numbered(rows)), at)
    first: dict[tuple[str, str], int] = {}
    for number, one in numbered(rows):
        before = first.setdefault((_same(one.category), _same(one.sub_category)), number)
        if before != number:
            what = {"category": one.category, "sub": one.sub_category}
            yield at.told("several-contacts", number, "subCategory", first=before, **what)
        if one.email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", one.email):
            yield at.told("bad-email", number, "email")


def somebody_for_each(faqs: Rows[Faq], contacts: Rows[Contact]) -> Iterator[Finding]:
    """Every sub-category of active FAQs has its contact."""
    named = {(_same(one.category), _same(one.sub_category)) for one in contacts.rows.values()}
    wanted: dict[tuple[str, str], tuple[str, str]] = {}
    for faq in faqs.rows.values():
        if faq.is_active and faq.sub_category:
            wanted.setdefault((_same(faq.category), _same(faq.sub_category)), (faq.category, faq.sub_category))
    for key in sorted(wanted.keys() - named):
        category, sub = wanted[key]
        yield finding("no-contact", CONTACTS, category=category, sub=sub)


def index_rules(faqs: Rows[Faq], rows: Rows[KeywordRow], at: Placed) -> Iterator[Finding]:
    """All rules of the tab FAQ_키워드인덱스."""
    known = {*faqs.rows, *faqs.bad}
    for number, one in numbered(rows):
        unknown = [faq_id for faq_id in one.faq_ids if faq_id not in known]
        if unknown and faqs.is_readable:
            yield at.told("unknown-faq", number, "faqIds", ids=", ".join(unknown[:_NAMED_IDS]))
        if len(one.faq_ids) >= SPLIT_AT:
            yield at.told("crowded-keyword", number, "keyword", keyword=one.keyword, count=len(one.faq_ids))


def proposal_rules(rows: Rows[ProposalRow], at: Placed) -> Iterator[Finding]:
    """All rules of the tab FAQ_제안."""
    yield from _categories(((number, one.category) for number, one in numbered(rows)), at)
    for number, one in numbered(rows):
        if one.is_accepted and not one.answer:
            yield at.told("accepted-without-answer", number, "answer")


def _categories(said: Iterable[tuple[int, str]], at: Placed) -> Iterator[Finding]:
    """Categories that the specification does not have, each told once, in its first row."""
    others: dict[str, list[int]] = {}
    for number, category in said:
        if category not in CATEGORIES:
            others.setdefault(category, []).append(number)
    for category, rows in others.items():
        near = nearest([category], CATEGORIES) or next((one for one in CATEGORIES if _is_typo(category, one)), "")
        yield at.told("unknown-category", rows[0], "category", category=category, near=near, count=len(rows))


def _is_typo(category: str, meant: str) -> bool:
    """Whether a category holds the one that could be meant, or has another last letter: "인사팀", "인시"."""
    return meant in category or (len(meant) == len(category) and meant[:-1] == category[:-1])


def _same(text: str) -> str:
    """What two texts have in common that differ in spaces, marks and case only."""
    return re.sub(r"[\W_]+", "", plain(text).casefold())
