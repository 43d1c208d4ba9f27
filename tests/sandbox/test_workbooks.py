"""The sample workbooks: what every new user sees first is complete, agrees with itself and is invented.

Belongs here: what the demo, the Google stand-in and the measurements take for granted of ``sandbox/companies/*/workbook``.
Does not belong here: how Casebook reads a workbook (``tests/domain``), or how the stand-in serves it.
"""

import csv
import re
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from domain.workbook_check import check
from domain.workbook_layout import CATEGORIES, CONTACTS, CONVERSATIONS, FAQ, FAQ_INDEX, LAYOUT, LAYOUTS, OPERATIONS
from domain.workbook_layout import REGULATIONS as REGULATION_TABS
from sandbox import workbooks
from sandbox.corpus import PRESENT
from sandbox.workbooks import records, tabs

TODAY = PRESENT.date()
COMPANIES = workbooks.names()
WORKBOOKS = {company: tabs(company, TODAY) for company in COMPANIES}
COUNTS = {"hanbit": (60, 60, 12, 100), "acme": (20, 20, 6, 40)}

Record = dict[str, str]

each_company = pytest.mark.parametrize("company", COMPANIES)


def rows(company: str, tab: str) -> list[Record]:
    return records(WORKBOOKS[company][tab])


def regulations(company: str) -> list[Record]:
    return [row for tab in REGULATION_TABS.values() for row in rows(company, tab)]


def articles(company: str) -> dict[str, Record]:
    """The version of every article that is in force, by "title section"."""
    in_force = [row for row in regulations(company) if row["effectiveDate"] <= TODAY.isoformat()]
    return {f"{row['title']} {row['section']}": row for row in sorted(in_force, key=lambda row: row["effectiveDate"])}


def figures(text: str) -> set[str]:
    return set(re.findall(r"\d(?:[\d,.:]*\d)?", text))


def test_both_companies_have_a_workbook() -> None:
    assert set(COMPANIES) == set(COUNTS)


@each_company
def test_tabs_and_headers_are_the_layouts_in_its_order(company: str) -> None:
    found = WORKBOOKS[company]
    assert list(found) == [layout.name for layout in LAYOUTS if layout.name in workbooks.TABS] == list(workbooks.TABS)
    assert {tab: cells[0] for tab, cells in found.items()} == {tab: LAYOUT[tab].header for tab in found}
    assert all(len(row) == len(cells[0]) for cells in found.values() for row in cells)


@each_company
def test_what_is_required_is_there(company: str) -> None:
    missing = [
        (tab, column.name, row)
        for tab in WORKBOOKS[company]
        for row in rows(company, tab)
        for column in LAYOUT[tab].columns
        if column.required and not row[column.name].strip()
    ]
    assert missing == []


@each_company
def test_casebook_reads_every_row_and_finds_no_error(company: str) -> None:
    assert [found.en for found in check(WORKBOOKS[company]) if found.is_bad] == []


def test_what_casebook_would_mend_in_hanbits_workbook_is_little() -> None:
    """A few warnings are left for people to see what a check says."""
    mended = [found.en for found in check(WORKBOOKS["hanbit"]) if found.rule not in ("missing-bot-tab", "faq-volume")]
    assert 1 <= len(mended) <= 12


@each_company
def test_there_are_enough_rows(company: str) -> None:
    faqs, laws, contacts, questions = COUNTS[company]
    assert len(rows(company, FAQ)) >= faqs
    assert len(regulations(company)) >= laws
    assert len(rows(company, CONTACTS)) >= contacts
    assert len(rows(company, OPERATIONS)) >= questions
    assert len(rows(company, CONVERSATIONS)) == 2 * len(rows(company, OPERATIONS))


def test_each_category_of_hanbit_has_at_least_20_faqs_and_20_articles() -> None:
    asked = Counter(faq["category"] for faq in rows("hanbit", FAQ))
    assert set(asked) == set(CATEGORIES)
    assert min(asked.values()) >= 20
    assert min(len(rows("hanbit", tab)) for tab in REGULATION_TABS.values()) >= 20


@each_company
def test_ids_are_unique(company: str) -> None:
    for ids in ([faq["faqId"] for faq in rows(company, FAQ)], [row["regulationId"] for row in regulations(company)]):
        assert len(set(ids)) == len(ids)


@each_company
def test_an_faq_has_3_to_6_keywords_and_none_twice(company: str) -> None:
    keywords = {faq["faqId"]: [word.strip() for word in faq["keywords"].split(",")] for faq in rows(company, FAQ)}
    assert {faq: words for faq, words in keywords.items() if not 3 <= len(words) == len(set(words)) <= 6} == {}


@each_company
def test_some_faqs_are_inactive_but_few(company: str) -> None:
    active = Counter(faq["isActive"] for faq in rows(company, FAQ))
    assert set(active) == {"TRUE", "FALSE"}
    assert 1 <= active["FALSE"] <= 3


@each_company
def test_the_source_of_every_faq_is_an_article_in_force(company: str) -> None:
    assert {faq["source"] for faq in rows(company, FAQ)} <= set(articles(company))


@each_company
def test_no_faq_gives_a_figure_that_its_article_does_not_have(company: str) -> None:
    """A path or an extension may; the day from which an amended article counts is the article's own."""
    wrong: dict[str, set[str]] = {}
    extensions = figures(" ".join(contact["contact"] for contact in rows(company, CONTACTS)))
    for faq in rows(company, FAQ):
        article = articles(company)[faq["source"]]
        day = figures(article["effectiveDate"].replace("-0", "-").replace("-", " "))
        known = figures(article["content"] + article["summary"]) | day | extensions
        if faq["isActive"] == "TRUE" and (unknown := figures(faq["answer"]) - known):
            wrong[faq["faqId"]] = unknown
    assert wrong == {}


@each_company
def test_a_summary_has_no_figure_that_the_article_does_not_have(company: str) -> None:
    wrong = {
        row["regulationId"]: unknown
        for row in regulations(company)
        if (unknown := figures(row["summary"]) - loose(row["content"]))
    }
    assert wrong == {}


def loose(content: str) -> set[str]:
    """The figures of an article, and its times as people say them: "09:00" is 09, 9 and 9:00 too."""
    times = {figure for figure in figures(content) if ":" in figure}
    hours = {time.split(":")[0] for time in times}
    return figures(content) | hours | {hour.lstrip("0") for hour in hours} | {time.lstrip("0") for time in times}


@each_company
def test_every_sub_category_has_a_contact_or_one_of_its_category(company: str) -> None:
    contacts = {(row["category"], row["subCategory"]) for row in rows(company, CONTACTS)}
    asked = {(faq["category"], faq["subCategory"]) for faq in rows(company, FAQ)}
    assert {pair for pair in asked if not {pair, (pair[0], "")} & contacts} == set()
    assert contacts & asked, "no sub-category has a contact of its own"


@each_company
def test_the_keyword_index_names_faqs_that_exist(company: str) -> None:
    known = {faq["faqId"] for faq in rows(company, FAQ)}
    assert rows(company, FAQ_INDEX)
    for row in rows(company, FAQ_INDEX):
        assert set(row["faqIds"].split(",")) <= known
        assert 1 <= int(row["weight"]) <= 5


@each_company
def test_one_article_is_not_yet_in_force_and_one_has_a_later_version(company: str) -> None:
    versions = Counter(
        (row["title"], row["section"]) for row in regulations(company) if row["effectiveDate"] <= TODAY.isoformat()
    )
    assert [article for article, count in versions.items() if count > 1]
    assert [row for row in regulations(company) if row["effectiveDate"] > TODAY.isoformat()]


@each_company
@pytest.mark.parametrize("today", [date(2026, 12, 31), date(2027, 1, 1), date(2031, 6, 15)])
def test_an_article_is_not_yet_in_force_whenever_the_sandbox_is_started(company: str, today: date) -> None:
    found = tabs(company, today)
    later = [
        row["effectiveDate"]
        for tab in REGULATION_TABS.values()
        for row in records(found[tab])
        if row["effectiveDate"] > today.isoformat()
    ]
    assert later == [f"{today.year + 1}-01-01"]


@each_company
def test_articles_are_short_but_for_those_with_items(company: str) -> None:
    long = [row for row in regulations(company) if len(row["content"]) > 500]
    assert len(long) == {"hanbit": 2, "acme": 1}[company]
    assert all(len(re.findall(r"^\d+\. ", row["content"], re.MULTILINE)) >= 5 for row in long)


@each_company
def test_an_article_begins_with_its_number_and_all_days_are_days_of_the_past(company: str) -> None:
    for row in regulations(company):
        assert row["content"].startswith(f"{row['section']} (")
        assert date.fromisoformat(row["effectiveDate"])
        assert date.fromisoformat(row["lastUpdated"]) <= TODAY
    for faq in rows(company, FAQ):
        assert date.fromisoformat(faq["lastUpdated"]) <= TODAY


@each_company
def test_an_faq_was_looked_at_after_its_article_was(company: str) -> None:
    """But for the one whose article has a version to come: that one is for ``FAQ_제안`` to find."""
    stale = [
        faq["faqId"]
        for faq in rows(company, FAQ)
        if faq["isActive"] == "TRUE" and faq["lastUpdated"] < articles(company)[faq["source"]]["lastUpdated"]
    ]
    assert stale == []


@each_company
def test_persons_and_numbers_are_invented(company: str) -> None:
    text = "\n".join(cell for cells in WORKBOOKS[company].values() for row in cells for cell in row)
    assert re.findall(r"\d{2,4}[-. ]\d{3,4}[-. ]\d{4}|\d{6}-\d{7}|\+\d{6,}", text) == []
    assert {
        host for host in re.findall(r"@([a-z0-9-]+\.[a-z0-9.-]*[a-z0-9])", text) if not host.endswith(".example")
    } == set()
    assert {host for host in re.findall(r"https?://([^/\s]+)", text) if not host.endswith(".example")} == set()
    assert all(re.search(r"내선 \d{4}|ext\. \d{3}", contact["contact"]) for contact in rows(company, CONTACTS))


@each_company
def test_a_month_of_questions_ends_the_day_before(company: str) -> None:
    times = [datetime.fromisoformat(turn["timestamp"]) for turn in rows(company, CONVERSATIONS)]
    assert times == sorted(times)
    assert (TODAY - times[0].date()).days in range(25, 31)
    assert (TODAY - times[-1].date()).days in range(1, 4)
    assert {moment.weekday() for moment in times} == {0, 1, 2, 3, 4}


@each_company
def test_a_session_is_one_users_and_its_questions_and_answers_alternate(company: str) -> None:
    sessions: dict[str, list[Record]] = {}
    for turn in rows(company, CONVERSATIONS):
        sessions.setdefault(turn["sessionId"], []).append(turn)
    assert any(len(turns) > 2 for turns in sessions.values()), "no follow-up"
    for session, turns in sessions.items():
        user, started = session.split("_")
        assert {turn["userId"] for turn in turns} == {user}
        assert [turn["role"] for turn in turns] == ["user", "bot"] * (len(turns) // 2)
        assert datetime.fromisoformat(started).isoformat(" ")[:16] == turns[0]["timestamp"][:16]


@each_company
def test_the_operations_log_tells_of_the_same_answers(company: str) -> None:
    answers = [turn for turn in rows(company, CONVERSATIONS) if turn["role"] == "bot"]
    told = rows(company, OPERATIONS)
    shared = ("timestamp", "sessionId", "userId", "category", "tier", "isEscalated")
    assert [[row[name] for name in shared] for row in told] == [[row[name] for name in shared] for row in answers]
    assert {row["tier"] for row in told} == {"1", "2", "3"}
    assert {row["feedback"] for row in told} == {"", "up", "down"}
    known = {f"faq {faq['faqId']}" for faq in rows(company, FAQ) if faq["isActive"] == "TRUE"}
    known |= {f"regulation {row['regulationId']}" for row in regulations(company)}
    assert {row["sourceId"] for row in told if row["tier"] != "3"} <= known
    assert all((row["tier"] == "3") == (row["isEscalated"] == "TRUE") == (not row["sourceId"]) for row in told)


@each_company
def test_no_answer_of_tier_2_gives_a_figure_that_its_article_does_not_have(company: str) -> None:
    answers = [turn["message"] for turn in rows(company, CONVERSATIONS) if turn["role"] == "bot"]
    contents = {f"regulation {row['regulationId']}": loose(row["content"]) for row in regulations(company)}
    wrong = {
        answer: unknown
        for line, answer in zip(rows(company, OPERATIONS), answers, strict=True)
        if line["tier"] == "2" and (unknown := figures(answer) - contents[line["sourceId"]])
    }
    assert wrong == {}


@each_company
def test_the_same_day_gives_the_same_rows(company: str) -> None:
    assert tabs(company, TODAY) == WORKBOOKS[company]
    assert tabs(company, date(2027, 3, 2))[CONVERSATIONS] != WORKBOOKS[company][CONVERSATIONS]


@each_company
def test_a_folder_holds_every_tab_as_csv(company: str, tmp_path: Path) -> None:
    workbooks.write_folder(company, tmp_path / "workbook", TODAY)
    written = {}
    for path in (tmp_path / "workbook").iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            written[path.stem] = list(csv.reader(file))
    assert written == WORKBOOKS[company]


def test_a_company_without_a_workbook_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="nobody"):
        tabs("nobody", TODAY)
