"""Looking FAQs up: which path answers at which size, what is found, and that the hot set follows the tables.

Belongs here: ``query/faq`` and ``query/faq_hot`` on real stores. Does not belong here: how rows of the index are made
(``tests/domain/test_keyword_index``), or how good scores are in figures (``bench/faq.py``).
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from assets.faq import faq_collection, faq_embeddings
from domain.company import Company, company_id
from domain.errors import SourceUnavailable
from domain.faq import Faq
from domain.keyword_index import KeywordRow, build
from domain.replace import Content
from domain.replace import replace as put
from query.faq import FaqFound, FaqLookup
from resources.companies import Companies
from resources.company_run import company_run
from resources.settings import Settings

ACME, NOW, TODAY = company_id("acme"), "2026-02-19T00:00:00Z", "2026-02-19"

LEAVE = Faq(
    "FAQ-HR-001", "인사", "연차휴가", ("연차", "남은연차", "잔여연차"), "연차 남은 일수를 어떻게 확인하나요?",
    "네이버웍스 > 근태관리 > 잔여휴가에서 확인 가능합니다.", "연차휴가 규정 제3조", True, TODAY,
)  # fmt: skip
CARD = Faq(
    "FAQ-GA-001", "총무", "법인카드", ("법인카드", "카드 분실"), "법인카드를 잃어버리면 어떻게 하나요?",
    "카드사 1588-0000에 바로 정지를 요청하고 총무팀에 알려 주세요.", "", True, TODAY,
)  # fmt: skip
REMOTE = Faq(
    "FAQ-HR-002", "인사", "근무", ("재택근무",), "재택근무는 어떻게 신청하나요?",
    "그룹웨어 > 근무신청에서 전날까지 신청합니다.", "", True, TODAY,
)  # fmt: skip
OURS = [LEAVE, CARD, REMOTE]
FIRST = ("red", "green", "blue", "amber", "ivory", "coral", "olive", "pearl", "slate", "umber")
SECOND = ("printer", "scanner", "badge", "locker", "parking", "visitor", "courier", "plant", "coffee", "mailroom")
THIRD = ("floor", "lobby", "annex", "depot", "tower", "studio")


def made_up(count: int) -> list[Faq]:
    """English, so that no test waits for morphemes; ours come first."""
    others = (
        Faq(f"X-{n:04}", "IT", "", (word,), f"Who repairs the {colour} {thing} in {place} {n}?", f"Desk {n}.", "", True, "")
        for n, (colour, thing, place) in enumerate(
            (colour, thing, place) for place in THIRD for colour in FIRST for thing in SECOND
        )
        for word in [f"{colour} {thing} {place}"]
    )  # fmt: skip
    return [*OURS, *others][:count]


class Desk:
    """A company whose tables are filled directly."""

    def __init__(self, folder: Path) -> None:
        self.companies = Companies(Settings(home=folder / "home"))
        company = Company(ACME, "export", "/nowhere", settings={"embedding_model": "use-multi"}, created_at=NOW)
        self.companies.add(company, "")
        self.lookup = FaqLookup(self.companies, company, seconds=0)

    def fill(self, faqs: Iterable[Faq], index: Mapping[str, KeywordRow] | None = None) -> None:
        faqs = list(faqs)
        rows = build(faqs, {}, today=TODAY) if index is None else index
        with self.companies.lock(ACME, "a test") as opened, opened() as store:
            for table, content in (
                ("faq", {one.faq_id: asdict(one) for one in faqs}),
                ("faq_keyword_index", {name: asdict(row) for name, row in rows.items()}),
            ):
                put(store, table, Content(content), made_by="test", run_id="test", now=NOW)

    def embed(self) -> None:
        with company_run(self.companies.settings, ACME, "a run", "a test") as run:
            for asset in (faq_embeddings, faq_collection):
                asset(company_run=run)

    def set(self, **settings: Any) -> None:
        self.companies.set(self.companies.get(ACME), **settings)

    def best(self, text: str, category: str = "") -> FaqFound:
        return self.lookup.find(text, category)[0]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """500 FAQs, the first of them with vectors; only to be read."""
    desk = Desk(tmp_path_factory.mktemp("large"))
    desk.fill(made_up(12))
    desk.embed()
    desk.fill(made_up(500))
    return desk


# -- which path ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "path"), [(149, "scan"), (150, "keyword_index"), (499, "keyword_index")])
def test_from_150_faqs_on_the_index_is_looked_up_first(desk: Desk, count: int, path: str) -> None:
    desk.fill(made_up(count))
    found = desk.best("연차 며칠 남았는지 확인하고 싶어요")
    assert (found.faq, found.path, found.why["path"]) == (LEAVE, path, path)
    assert "연차" in found.keywords and found.score >= 0.5


def test_from_500_faqs_on_their_meaning_is_asked_too(large: Desk) -> None:
    look = large.lookup.look("How many days of annual leave do I have left?")
    assert look.path == "keyword_index+vectors" and not look.notes
    found = large.best("연차 며칠 남았는지 확인하고 싶어요")
    assert (found.faq, found.why["path"]) == (LEAVE, "keyword_index+vectors")
    assert found.meaning is not None and found.keywords


def test_499_active_faqs_are_not_500(desk: Desk) -> None:
    desk.fill([replace(one, is_active=at > 0) for at, one in enumerate(made_up(500))])
    assert desk.lookup.look("법인카드를 잃어버렸어요").path == "keyword_index"


def test_both_thresholds_are_settings(large: Desk, desk: Desk) -> None:
    desk.fill(OURS)
    assert desk.lookup.look("재택근무 신청").path == "scan"
    desk.set(faq_index_rows=0)
    assert desk.lookup.look("재택근무 신청").path == "keyword_index"


def test_without_vectors_the_index_answers_and_says_why(desk: Desk) -> None:
    desk.fill(made_up(500))
    look = desk.lookup.look("법인카드를 잃어버렸어요")
    assert (look.path, look.found[0].faq) == ("keyword_index", CARD)
    assert "by words alone" in look.notes[0]


def test_an_outage_of_the_vectors_is_no_outage_of_tier_1(large: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise SourceUnavailable("the index server does not answer.")

    monkeypatch.setattr(large.lookup._searcher, "search", refuse)
    look = large.lookup.look("법인카드를 잃어버렸어요")
    assert (look.path, look.found[0].faq) == ("keyword_index", CARD)
    assert "does not answer" in look.notes[0]


def test_a_question_without_any_keyword_is_not_lost_on_the_index(desk: Desk) -> None:
    desk.fill(made_up(150), {"법인카드": KeywordRow("법인카드", (CARD.faq_id,), 3)})
    look = desk.lookup.look("재택근무는 어떻게 신청하나요?")
    assert (look.path, look.found[0].faq) == ("scan", REMOTE)


def test_without_an_index_all_are_looked_at(desk: Desk) -> None:
    desk.fill(made_up(150), {})
    assert desk.best("법인카드 분실").path == "scan"


# -- what is found ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [3, 150])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("연차 남은 일수를 어떻게 확인하나요?", LEAVE),
        ("연 차 남은일수 확인", LEAVE),
        ("남은연차확인", LEAVE),
        ("법인 카드 분실했어요", CARD),
        ("제택근무 신청은 어떻게 하나요", REMOTE),
        ("재택근무신청", REMOTE),
    ],
)
def test_synonyms_typing_errors_and_spacing_are_tolerated(desk: Desk, count: int, text: str, expected: Faq) -> None:
    desk.fill(made_up(count))
    assert desk.best(text).faq == expected
    assert desk.best(text).score >= 0.5


@pytest.mark.parametrize("count", [3, 150])
def test_a_synonym_of_the_index_finds_what_no_faq_says(desk: Desk, count: int) -> None:
    faqs = made_up(count)
    index = build(faqs, {}, today=TODAY)
    desk.fill(faqs, index)
    before = [one.score for one in desk.lookup.find("플라스틱머니를 잃어버렸어요") if one.faq == CARD]
    index["법인카드"] = replace(index["법인카드"], synonyms=("플라스틱머니",))
    desk.fill(faqs, index)
    found = desk.best("플라스틱머니를 잃어버렸어요")
    assert found.faq == CARD and found.keywords == ("법인카드",)
    assert found.score > max(before, default=0.0) and found.score >= 0.5


@pytest.mark.parametrize(
    "text", ["오늘 점심 뭐 먹을까?", "비트코인 시세 알려줘", "what is the weather in Paris", "안녕", "ㅋㅋㅋㅋ", "?!"]
)
def test_a_question_that_none_answers_stays_below_the_threshold(desk: Desk, large: Desk, text: str) -> None:
    desk.fill(OURS)
    assert all(one.score < 0.5 for one in desk.lookup.find(text))
    assert all(one.words < 0.5 for one in large.lookup.find(text))


def test_the_category_bounds_what_is_found(desk: Desk) -> None:
    desk.fill(OURS)
    assert {one.faq.category for one in desk.lookup.find("어떻게 신청하나요", "총무")} <= {"총무"}
    assert desk.best("재택근무는 어떻게 신청하나요", "인사").faq == REMOTE
    assert desk.lookup.find("재택근무", "없는 분류") == []


def test_hits_are_in_the_order_of_their_scores(desk: Desk) -> None:
    desk.fill(made_up(150))
    scores = [one.score for one in desk.lookup.find("Who repairs the red printer in the lobby?")]
    assert len(scores) == 10 and scores == sorted(scores, reverse=True)
    assert all(0 <= one <= 1 for one in scores)


def test_no_faqs_and_no_text_find_nothing(desk: Desk) -> None:
    assert desk.lookup.find("연차") == []
    desk.fill(OURS)
    assert desk.lookup.find("  ") == []
    assert desk.lookup.find("\x00\ud800연차 남은 일수")[0].faq == LEAVE


# -- the hot set -----------------------------------------------------------------------------------------------------


def test_the_hot_set_follows_the_tables(desk: Desk) -> None:
    desk.fill(OURS)
    assert desk.best("연차 남은 일수").faq.answer == LEAVE.answer
    changed = replace(LEAVE, answer="인사팀에 물어보세요.")
    desk.fill([changed, CARD])
    assert desk.best("연차 남은 일수").faq == changed
    assert REMOTE not in [one.faq for one in desk.lookup.find("재택근무는 어떻게 신청하나요?")]
    desk.fill([replace(changed, is_active=False), CARD])
    assert all(one.faq == CARD for one in desk.lookup.find("연차 남은 일수"))


def test_an_unchanged_set_is_not_read_again(desk: Desk) -> None:
    desk.fill(OURS)
    desk.lookup.find("연차")
    hot, _ = desk.lookup._hot.current()
    assert desk.lookup._hot.current()[0] is hot
    desk.fill([LEAVE])
    assert desk.lookup._hot.current()[0] is not hot


def test_a_service_looks_at_the_tables_once_a_second(desk: Desk) -> None:
    lookup = FaqLookup(desk.companies, desk.companies.get(ACME), seconds=3600)
    desk.fill(OURS)
    assert lookup.find("연차 남은 일수")[0].faq == LEAVE
    desk.fill([CARD])
    assert lookup.find("연차 남은 일수")[0].faq == LEAVE


def test_a_store_that_was_put_back_is_read_whole(desk: Desk) -> None:
    desk.fill(OURS)
    desk.lookup.find("연차")
    desk.companies.remove(desk.companies.get(ACME))
    desk.companies.add(Company(ACME, "export", "/nowhere", created_at=NOW), "")
    desk.fill([CARD])
    assert [one.faq for one in desk.lookup.find("연차 카드 재택근무")] == [CARD]


def test_threads_share_a_lookup_while_the_tables_move(desk: Desk) -> None:
    desk.fill(made_up(160))
    wrong: list[Any] = []

    def ask() -> None:
        for _ in range(15):
            found = desk.lookup.find("법인카드를 잃어버렸어요")
            if not found or found[0].faq != CARD:
                wrong.append(found)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for count in (150, 155, 149):
        desk.fill(made_up(count))
    for thread in threads:
        thread.join()
    assert wrong == []


def test_another_company_s_faqs_are_never_found(desk: Desk) -> None:
    other = Company(company_id("other"), "export", "/nowhere", created_at=NOW)
    desk.companies.add(other, "")
    desk.fill(OURS)
    assert FaqLookup(desk.companies, other).find("연차 남은 일수") == []
