"""Regulations from Confluence, over real HTTP: spaces, page trees, edits, deletions, lost rights, limits, markup."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from domain.company import company_id
from domain.errors import InputError, SourceRefused
from domain.regulation import Regulation
from domain.regulation_documents import effective_date
from domain.replace import Content, replace
from domain.storage_format import sections
from resources.companies import Companies
from resources.confluence import Confluence
from resources.regulation_sources import Collected, collected, sources_state
from resources.settings import Settings
from resources.storage.sql import SqlCompanyStore
from sandbox.serve import Sandbox
from tests.homes import Home, casebook, done

HR = {"인사": "HR"}


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with Sandbox(companies=["hanbit"]) as sandbox:
        yield sandbox


@pytest.fixture
def wiki(served: Sandbox) -> Sandbox:
    served.wiki_admin("hanbit", "reset")
    return served


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with Companies(Settings(home=tmp_path)).storage.store(company_id("hanbit")) as opened:
        yield opened


def opened(wiki: Sandbox, key: str = "") -> Confluence:
    return Confluence(wiki.wiki_url("hanbit"), key or wiki.wiki_key("hanbit"))


def sync(wiki: Sandbox, store: SqlCompanyStore, places: dict[str, str], **options: Any) -> tuple[Collected, int]:
    """What the asset does; and how many requests it took."""
    source = opened(wiki)
    given = collected(source, store, places, **options)
    replace(store, "regulations", Content(given.rows, given.bad), made_by=source.made_by, run_id="r", now="2026-11-22")
    with store.begin("r", "2026-11-22") as write:
        write.save_state(sources_state(), given.documents)
    return given, source.requests


def stored(store: SqlCompanyStore) -> dict[str, dict[str, Any]]:
    return {doc_id: row.payload for doc_id, row in store.get("regulations", sorted(store.ids("regulations"))).items()}


def titles(rows: dict[str, dict[str, Any]]) -> set[str]:
    return {row["title"] for row in rows.values()}


def of(rows: dict[str, dict[str, Any]], section: str) -> dict[str, Any]:
    (found,) = [row for row in rows.values() if row["section"] == section]
    return found


def test_each_section_of_a_page_is_a_regulation(wiki: Sandbox, store: SqlCompanyStore) -> None:
    sync(wiki, store, {**HR, "총무": "GA"})
    rows = stored(store)
    leave = of(rows, "제2조 (대상과 일수)")
    assert (leave["category"], leave["title"], leave["effective_date"]) == ("인사", "재택근무 규정", "2025-03-01")
    assert leave["content"].split("\n")[:2] == [
        "1. 입사 3개월이 지난 직원은 주 2일까지 재택근무를 할 수 있다.",
        "2. 육아기 직원은 주 3일까지 할 수 있다.",
    ]
    assert leave["content"].endswith("참고\n수습 직원은 팀장 승인이 있으면 주 1일 가능하다.")
    assert leave["source_url"] == f"{wiki.wiki_url('hanbit')}/spaces/HR/pages/65602"
    gear = of(rows, "제3조 (장비)")
    assert "모니터 | 300,000원\n의자 | 150,000원" in gear["content"]
    assert "신청은 장비 신청에서 한다." in gear["content"]
    assert of(rows, "제2조 (경조금)")["path"] == ("경조사 지원",) or of(rows, "제2조 (경조금)")["path"] == [
        "경조사 지원"
    ]
    assert "재택근무_신청서.docx" in of(rows, "첨부 파일")["content"]
    assert of(rows, "제4조 (한도)")["category"] == "총무"


def test_an_unchanged_space_costs_its_listing_and_changes_nothing(wiki: Sandbox, store: SqlCompanyStore) -> None:
    sync(wiki, store, HR)
    before, top = stored(store), store.top("regulations")
    _, requests = sync(wiki, store, HR)
    assert requests == 2, "the space's key, and one page of its pages"
    assert (stored(store), store.top("regulations")) == (before, top)


def test_only_pages_that_changed_are_read(wiki: Sandbox, store: SqlCompanyStore) -> None:
    sync(wiki, store, HR)
    before = stored(store)
    wiki.wiki_admin(
        "hanbit", "page", id="65603", storage="<h2>제2조 (경조금)</h2><p>본인 결혼은 700,000원을 지급한다.</p>"
    )
    wiki.wiki_admin("hanbit", "reset_log")
    sync(wiki, store, HR)
    asked = [line for line in wiki.wiki_admin("hanbit", "log")["log"] if "body-format" in line]
    assert len(asked) == 1
    assert "65603" in asked[0]
    assert "65602" not in asked[0]
    rows = stored(store)
    assert "700,000원" in of(rows, "제2조 (경조금)")["content"]
    assert {key: row for key, row in rows.items() if row["title"] == "재택근무 규정"} == {
        key: row for key, row in before.items() if row["title"] == "재택근무 규정"
    }


@pytest.mark.parametrize("status", ["trashed", "archived", "deleted"])
def test_a_page_that_is_gone_leaves(wiki: Sandbox, store: SqlCompanyStore, status: str) -> None:
    sync(wiki, store, HR)
    wiki.wiki_admin("hanbit", "status", id="65603", status=status)
    sync(wiki, store, HR)
    assert titles(stored(store)) == {"인사 규정", "재택근무 규정"}


def test_a_page_that_moved_away_leaves_and_comes_back(wiki: Sandbox, store: SqlCompanyStore) -> None:
    sync(wiki, store, HR)
    wiki.wiki_admin("hanbit", "move", id="65603", space="GA")
    sync(wiki, store, HR)
    assert "경조사 규정" not in titles(stored(store))
    wiki.wiki_admin("hanbit", "move", id="65603", parent="65601", space="HR")
    sync(wiki, store, HR)
    assert "경조사 규정" in titles(stored(store))


def test_a_space_that_may_not_be_read_any_more_deletes_nothing(wiki: Sandbox, store: SqlCompanyStore) -> None:
    places = {**HR, "총무": "GA"}
    sync(wiki, store, places)
    before = stored(store)
    wiki.wiki_admin("hanbit", "options", denied=["HR"])
    given, _ = sync(wiki, store, places)
    assert stored(store) == before
    assert "인사 (HR)" in given.bad
    assert "left as it is" in given.notes[0]
    wiki.wiki_admin("hanbit", "options", denied=[])
    _, requests = sync(wiki, store, places)
    assert requests == 4, "nothing is read again"


def test_a_category_can_be_a_page_with_all_below_it(wiki: Sandbox, store: SqlCompanyStore) -> None:
    wiki.wiki_admin("hanbit", "folder", id="900", parent="65602")
    wiki.wiki_admin("hanbit", "page", id="65610", title="재택 지침", storage="<p>지침이다.</p>", space="HR")
    wiki.wiki_admin("hanbit", "move", id="65610", parent="900", parent_type="folder")
    sync(wiki, store, {"인사": "page:65602"})
    assert titles(stored(store)) == {"재택근무 규정", "재택 지침"}
    wiki.wiki_admin("hanbit", "status", id="65602", status="trashed")
    given, _ = sync(wiki, store, {"인사": "page:65602"})
    assert titles(stored(store)) == {"재택근무 규정", "재택 지침"}, (
        "a tree without its root is a slip, and deletes nothing"
    )
    assert given.bad


def test_a_page_in_two_places_counts_for_the_first(wiki: Sandbox, store: SqlCompanyStore) -> None:
    places = {"재택": "page:65602", "인사": "HR"}
    sync(wiki, store, places)
    assert of(stored(store), "제3조 (장비)")["category"] == "재택"
    top = store.top("regulations")
    sync(wiki, store, places)
    assert store.top("regulations") == top


@pytest.mark.parametrize("header_only", [False, True])
def test_many_pages_are_read_by_cursor(wiki: Sandbox, store: SqlCompanyStore, header_only: bool) -> None:
    for number in range(70):
        wiki.wiki_admin(
            "hanbit", "page", id=str(70000 + number), title=f"규정 {number}", storage="<p>글</p>", space="BIG"
        )
    wiki.wiki_admin("hanbit", "options", page_cap=20, header_only=header_only)
    sync(wiki, store, {"총무": "BIG"})
    assert len(titles(stored(store))) == 70


def test_a_limit_is_waited_for(wiki: Sandbox, store: SqlCompanyStore) -> None:
    wiki.wiki_admin("hanbit", "options", throttle=2, retry_after=0.01)
    sync(wiki, store, HR)
    assert len(titles(stored(store))) == 3


def test_a_wrong_key_is_told_without_it(wiki: Sandbox) -> None:
    with pytest.raises(SourceRefused) as refused:
        opened(wiki, "someone@hanbit.example.com:not-the-token").listing("HR")
    assert "regulations-key" in refused.value.remedy
    assert "not-the-token" not in str(refused.value)
    for key in ("", "token-alone"):
        with pytest.raises(InputError):
            Confluence(wiki.wiki_url("hanbit"), key)
    with pytest.raises(InputError):
        Confluence("", "a:b")
    with pytest.raises(InputError):
        opened(wiki).listing("page:HR")


def test_a_section_keeps_its_id_when_another_one_is_edited(wiki: Sandbox, store: SqlCompanyStore) -> None:
    sync(wiki, store, HR)
    before = {row["section"]: doc_id for doc_id, row in stored(store).items() if row["title"] == "경조사 규정"}
    storage = "<h1>경조사 지원</h1><h2>제0조 (신설)</h2><p>새 조항.</p><h2>제1조 (경조휴가)</h2><p>본인 결혼은 7일.</p>"
    wiki.wiki_admin("hanbit", "page", id="65603", storage=storage)
    sync(wiki, store, HR)
    after = {row["section"]: doc_id for doc_id, row in stored(store).items() if row["title"] == "경조사 규정"}
    assert set(after) == {"제0조 (신설)", "제1조 (경조휴가)"}
    assert after["제1조 (경조휴가)"] == before["제1조 (경조휴가)"]


def test_markup_is_read_as_a_person_sees_it() -> None:
    storage = (
        '<ac:structured-macro ac:name="toc"/><h1>휴가 &amp; 근태</h1><p>가&nbsp;나<br/>다</p>'
        "<ol><li><p>하나</p><ol><li>안의 것</li></ol></li><li>둘</li></ol><ul><li>점</li></ul>"
        '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">sh</ac:parameter>'
        "<ac:plain-text-body><![CDATA[if a < b && c\n  run]]></ac:plain-text-body></ac:structured-macro>"
        '<p><ac:link><ri:attachment ri:filename="양식.hwp"/></ac:link> <a href="https://x.example">링크</a></p>'
        '<p>상태 <ac:structured-macro ac:name="status"><ac:parameter ac:name="title">확정</ac:parameter>'
        "</ac:structured-macro></p>"
        "<h3></h3><h2>아래</h2><p>글<script>alert(1)</script></p>"
    )
    first, second = sections(storage)
    assert (first.path, first.heading) == ((), "휴가 & 근태")
    assert first.text.split("\n") == [
        *("가 나", "다", "1. 하나", "a. 안의 것", "2. 둘", "- 점", "if a < b && c", "run", "양식.hwp 링크", "상태 확정")
    ]
    assert (second.path, second.heading, second.text) == (("휴가 & 근태",), "아래", "글")
    assert sections("") == []
    assert sections("plain words")[0].text == "plain words"
    assert sections("<p>" * 5000 + "deep")[-1].text == "deep"


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("시행일: 2025-03-01", "2025-03-01"),
        ("이 규정은 2025년 1월 1일부터 시행한다.", "2025-01-01"),
        ("시행일자 2024. 5. 6. 개정 시행일 2026. 7. 8.", "2026-07-08"),
        ("Effective from March 5, 2026", "2026-03-05"),
        ("2025-03-01에 회의했다.", ""),
        ("3월 1일부터 시행한다.", ""),
    ],
)
def test_the_day_of_effect_is_read_where_it_is_named(text: str, day: str) -> None:
    assert effective_date(text) == day


def test_rows_have_the_fields_of_a_regulation(wiki: Sandbox, store: SqlCompanyStore) -> None:
    given, _ = sync(wiki, store, HR)
    fields = set(asdict(Regulation("", "", "", "", "", "", "", "", (), "")))
    assert all(set(row) == fields for row in given.rows.values())


def test_the_key_is_proved_before_it_is_stored(wiki: Sandbox, home: Home, tmp_path: Path) -> None:
    (tmp_path / "tickets.csv").write_text("ticket_id,subject,description\n1,a,b\n")
    done("company", "add", "hanbit", "--platform", "export", "--path", str(tmp_path / "tickets.csv"))
    done("company", "set", "hanbit", f"regulation_site={wiki.wiki_url('hanbit')}", 'regulation_places={"인사": "HR"}')
    refused = casebook("company", "regulations-key", "hanbit", "--key-stdin", stdin="a@b.example:wrong")
    assert (refused.code, home.companies.stored_secret(home.company("hanbit"), "confluence")) == (2, "")
    said = done("company", "regulations-key", "hanbit", "--key-stdin", "--json", stdin=wiki.wiki_key("hanbit"))
    assert said.json["pages"] == {"인사": 3}
    assert home.companies.secret(home.company("hanbit"), name="confluence") == wiki.wiki_key("hanbit")
    assert wiki.key("hanbit") not in done("company", "show", "hanbit").out
