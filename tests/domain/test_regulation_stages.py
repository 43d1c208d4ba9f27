"""Regulations from rows to points, and which version of one counts on a day."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from domain.company import company_id
from domain.derive import derive
from domain.regulation import Regulation
from domain.regulation_force import force, in_force, replaced_on
from domain.regulation_passages import passages
from domain.regulation_stages import passage_text, regulation_passages, regulation_points
from domain.replace import Content
from domain.replace import replace as replace_table
from resources.companies import Companies
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore

NOW = "2026-11-22T00:00:00Z"
RULE = Regulation(
    regulation_id="REG-HR-001",
    category="인사",
    title="연차휴가 사용 규정",
    section="제5조",
    content="제5조 (연차휴가 부여) 1년간 80% 이상 출근한 직원에게 15일을 부여한다.",
    summary="연차 부여 기준",
    effective_date="2025-01-01",
    source_url="https://wiki.example/5",
    tags=("연차", "휴가"),
    last_updated="2026-02-01",
)


def rule(doc_id: str, since: str, **fields: Any) -> Regulation:
    return replace(RULE, regulation_id=doc_id, effective_date=since, **fields)


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Companies(Settings(home=tmp_path)).storage.store(company_id("tiny")) as opened:
        yield opened


def put(store: SqlCompanyStore, *rules: Regulation) -> dict[str, Any]:
    """Make the table hold these, and its passages; what each row of them says."""
    rows = {one.regulation_id: asdict(one) for one in rules}
    replace_table(store, "regulations", Content(rows), made_by="1", run_id="r", now=NOW)
    report = derive(regulation_passages(replaced_on(rules)), store, run_id="r", now=NOW)
    made = store.get("regulation_passages", sorted(store.ids("regulation_passages")))
    return {"report": report, **{doc_id: row.payload for doc_id, row in made.items()}}


def test_a_rule_not_yet_in_force_is_not_in_force() -> None:
    assert force("2027-01-01", [], "2026-11-22") == "not_yet"
    assert force("2026-11-22", [], "2026-11-22") == "in_force"
    assert force("", [], "2026-11-22") == "in_force"


def test_a_rule_is_superseded_once_a_later_version_is_in_force() -> None:
    assert force("2025-01-01", ["2026-01-01"], "2026-11-22") == "superseded"
    assert force("2025-01-01", ["2027-01-01"], "2026-11-22") == "in_force"
    assert force("2025-01-01", ["2025-01-01", "", "2024-01-01"], "2026-11-22") == "in_force"


def test_versions_are_rows_of_one_article() -> None:
    old, new, future = rule("a", "2025-01-01"), rule("b", "2026-03-01"), rule("c", "2027-01-01")
    other = rule("d", "2026-05-01", section="제6조", content="제6조 (병가) 30일로 한다.")
    assert in_force([old, new, future, other], "2026-11-22") == {
        "a": "superseded",
        "b": "in_force",
        "c": "not_yet",
        "d": "in_force",
    }
    assert replaced_on([old, new, future, other]) == {"a": "2026-03-01", "b": "2027-01-01"}


def test_rows_of_one_article_that_are_its_items_are_no_versions() -> None:
    first = rule("a", "2025-01-01", content="① 15일을 부여한다.")
    second = rule("b", "2026-01-01", content="② 병가는 30일로 한다.")
    assert replaced_on([first, second]) == {}
    amended = rule("c", "2026-06-01", content="① 16일을 부여한다.")
    assert replaced_on([first, second, amended]) == {"a": "2026-06-01"}
    restated = rule("d", "2026-09-01", content="제5조 (연차휴가 부여) 20일을 부여한다.")
    assert replaced_on([first, second, restated]) == {"a": "2026-09-01", "b": "2026-09-01"}


def test_rows_without_a_number_are_no_versions() -> None:
    plain = [
        rule(doc_id, since, section="", content="안내입니다.") for doc_id, since in (("a", "2025-01-01"), ("b", ""))
    ]
    assert replaced_on(plain) == {}


def test_a_row_says_when_its_next_version_comes_and_only_siblings_are_made_again(store: SqlCompanyStore) -> None:
    other = rule("d", "2025-01-01", section="제6조", content="제6조 (병가) 30일로 한다.")
    first = put(store, rule("a", "2025-01-01"), other)
    assert (first["a"]["replaced_on"], first["report"].changed) == ("", 2)
    with_version = put(store, rule("a", "2025-01-01"), rule("b", "2027-01-01"), other)
    assert with_version["a"]["replaced_on"] == "2027-01-01"
    assert with_version["report"].changed == 2, "the sibling, and the new one"
    unchanged = put(store, rule("a", "2025-01-01"), rule("b", "2027-01-01"), other)
    assert unchanged["report"].changed == 0
    gone = put(store, rule("a", "2025-01-01"), other)
    assert gone["a"]["replaced_on"] == ""
    assert set(gone) == {"report", "a", "d"}


def test_a_passage_is_searched_with_its_heading_summary_and_tags(store: SqlCompanyStore) -> None:
    row = put(store, RULE)["REG-HR-001"]
    assert passage_text(row, row["passages"][0]).split("\n") == [
        "연차휴가 사용 규정 제5조 (연차휴가 부여)",
        "1년간 80% 이상 출근한 직원에게 15일을 부여한다.",
        "연차 부여 기준",
        "연차 휴가",
    ]


def test_a_point_says_what_tells_whether_it_is_in_force(store: SqlCompanyStore) -> None:
    row = put(store, RULE, rule("b", "2027-01-01"))["REG-HR-001"]
    (point,) = regulation_points("tiny", row)
    assert (point["data_type"], point["doc_id"], point["product"]) == ("regulation", "REG-HR-001", "인사")
    assert (point["effective_date"], point["replaced_on"], point["status"]) == ("2025-01-01", "2027-01-01", "")
    assert (point["numbering"], point["path"]) == ("제5조", ["제5조 (연차휴가 부여)"])
    assert (point["url"], point["tags"], point["text"]) == (
        RULE.source_url,
        ["연차", "휴가"],
        passages(RULE)[0]["text"],
    )
