"""The keyword index of the FAQs, rule by rule of spec sheets.ko.md, §"시트 1-보조": its rows, people's edits, the rule of 20.

Belongs here: ``domain/keyword_index``, ``keyword_edits``, ``keyword_match``. Does not belong here: the asset
(``tests/assets/test_faq``), or looking up (``tests/query/test_faq``).
"""

from dataclasses import asdict, replace

import orjson
import pytest

from domain.faq import Faq
from domain.keyword_edits import MOST_IN_A_CELL, KeywordRow, Shown, is_witness
from domain.keyword_index import SPLIT_AT, build, cells, normal, split_proposals
from domain.keyword_match import Keywords, match_key

TODAY, LATER = "2026-02-19", "2026-03-01"
Index = dict[str, KeywordRow]


def faq(number: int, keywords: str, question: str = "?", sub: str = "", *, active: bool = True) -> Faq:
    words = tuple(filter(None, keywords.split(",")))
    return Faq(f"FAQ-{number:03}", "인사", sub, words, question, "네이버웍스에서 봅니다.", "", active, TODAY)


LEAVE = faq(1, "연차,남은연차,잔여연차,휴가일수", "연차 남은 일수를 어떻게 확인하나요?", "연차휴가")
HALF = faq(2, "반차,연차", "반차를 쓰고 싶어요", "연차휴가")
CARD = faq(3, "법인 카드,카드한도", "법인카드 한도를 올리려면?", "법인카드")


def again(faqs: list[Faq], known: Index, told: Index, *, shown: bool = True, today: str = LATER) -> Index:
    """The next sync; ``told`` is the tab."""
    return build(faqs, known, today=today, told=told, shown=known if shown else ())


def tab(index: Index, **changes: KeywordRow | None) -> Index:
    """The tab as we wrote it, with what a person changed: None for a row that they deleted."""
    rows = {name: row for name, row in index.items() if row.is_visible} | changes
    return {
        name: KeywordRow(name, row.faq_ids, row.weight, row.synonyms, row.last_updated) for name, row in rows.items() if row
    }  # fmt: skip


# -- rows ------------------------------------------------------------------------------------------------------------


def test_one_row_is_one_normalised_keyword() -> None:
    index = build([LEAVE, CARD, faq(4, "법인카드는, 법인 카드 ,VPN,ｖｐｎ")], {}, today=TODAY)
    assert index["법인카드"].faq_ids == ("FAQ-003", "FAQ-004")
    assert index["vpn"].faq_ids == ("FAQ-004",)
    assert all(name == row.keyword == normal(name) for name, row in index.items())


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("법인 카드", "법인카드"),
        ("ＶＰＮ", "vpn"),
        ("연차는", "연차"),
        ("출장으로", "출장"),
        ("휴가", "휴가"),
        ("육아휴가", "육아휴가"),
        ("인사평가", "인사평가"),
        ("우리마을", "우리마을"),
        ("Annual  Leave", "annual leave"),
        ('"4대보험"', "4대보험"),
        ("E-4012", "e-4012"),
        ("?!", ""),
        ("가" * 65, ""),
    ],
)
def test_a_keyword_s_normal_form(said: str, expected: str) -> None:
    assert normal(said) == expected
    assert normal(expected) == expected, "normal forms are their own"


def test_keywords_come_from_the_faqs_own_column_then_from_the_nouns_of_its_question() -> None:
    index = build([LEAVE], {}, today=TODAY)
    assert {"연차", "남은연차", "잔여연차", "휴가일수"} <= index.keys()
    assert {"일수", "연차휴가", "휴가"} <= index.keys(), (
        "nouns of the question and of the sub-category, compounds and parts"
    )
    assert "확인하나요" not in index
    english = build([faq(1, "", "How do I claim travel expenses?")], {}, today=TODAY)
    assert english.keys() == {"claim", "travel", "expenses"}


def test_spellings_of_one_keyword_are_one_row() -> None:
    index = build([faq(1, "Expense"), faq(2, "", "Where do expenses go?")], {}, today=TODAY)
    assert index["expense"].faq_ids == ("FAQ-001", "FAQ-002")
    assert "expenses" not in index


def test_weights_are_1_to_5_by_rarity_and_use() -> None:
    faqs = [faq(n, f"연차,고유{'가나다라마바사아자차카타파하'[n]}") for n in range(14)]
    index = build(faqs, {}, today=TODAY)
    assert index["연차"].weight == 1 and index["고유가"].weight == 4
    used = build(faqs, {}, today=TODAY, use={"FAQ-000": 50, "FAQ-001": 1})
    assert used["고유가"].weight == 5 > used["고유하"].weight
    assert {row.weight for row in used.values()} <= {1, 2, 3, 4, 5}


def test_synonyms_are_suggested_from_keywords_of_the_same_faqs() -> None:
    index = build([LEAVE, CARD], {}, today=TODAY)
    assert {"남은연차", "잔여연차", "휴가일수"} <= set(index["연차"].synonyms)
    assert "법인 카드" in index["법인카드"].synonyms, "as it was typed"
    assert "카드한도" not in index["연차"].synonyms
    common = [faq(n, f"회사생활,낱말{'가나다라마바사아자차카타파하'[n]}") for n in range(10)]
    assert build(common, {}, today=TODAY)["회사생활"].synonyms == (), "they share one FAQ of ten"


def test_last_updated_moves_only_when_the_row_does() -> None:
    index = build([LEAVE, CARD], {}, today=TODAY)
    later = build([LEAVE, CARD, HALF], index, today=LATER)
    assert later["연차"].last_updated == LATER
    assert later["카드한도"] == index["카드한도"] and later["카드한도"].last_updated == TODAY


def test_a_weight_does_not_flutter_with_every_question() -> None:
    index = build([LEAVE, CARD], {}, today=TODAY, use={"FAQ-001": 10, "FAQ-003": 9})
    assert build([LEAVE, CARD], index, today=LATER, use={"FAQ-001": 10, "FAQ-003": 11}) == index


def test_inactive_faqs_leave_the_index() -> None:
    index = build([LEAVE, HALF], {}, today=TODAY)
    assert index["연차"].faq_ids == ("FAQ-001", "FAQ-002")
    off = again([LEAVE, replace(HALF, is_active=False)], index, tab(index))
    assert off["연차"].faq_ids == ("FAQ-001",)
    assert not off["반차"].is_visible, "kept while the tab shows it, so that it is not taken for a person's"
    assert "반차" not in again([LEAVE], off, tab(off))


def test_a_new_faq_s_keywords_are_in_the_index_with_the_next_build() -> None:
    index = build([LEAVE], {}, today=TODAY)
    index = again([LEAVE, CARD], index, tab(index))
    assert all(CARD.faq_id in index[normal(keyword)].faq_ids for keyword in CARD.keywords)


def test_rows_survive_the_table() -> None:
    index = build([LEAVE, CARD], {}, today=TODAY)
    edited = again([LEAVE, CARD], index, tab(index, 연차=replace(index["연차"], weight=2)))
    for row in (*index.values(), *edited.values()):
        assert KeywordRow.from_payload(orjson.loads(orjson.dumps(asdict(row)))) == row


def test_a_row_as_the_tab_shows_it() -> None:
    row = KeywordRow("연차", ("FAQ-HR-001", "FAQ-HR-013"), 4, ("휴가", "연차휴가", "연차사용"), "2026-02-19")
    assert cells(row) == ["연차", "FAQ-HR-001,FAQ-HR-013", 4, "휴가,연차휴가,연차사용", "2026-02-19"]


# -- people's own edits ----------------------------------------------------------------------------------------------


@pytest.fixture
def index() -> Index:
    return build([LEAVE, HALF, CARD], {}, today=TODAY)


def test_an_unchanged_tab_changes_nothing(index: Index) -> None:
    assert again([LEAVE, HALF, CARD], index, tab(index)) == index


def test_a_weight_that_a_person_set_wins_until_they_change_it(index: Index) -> None:
    faqs = [LEAVE, HALF, CARD]
    index = again(faqs, index, tab(index, 연차=replace(index["연차"], weight=1)))
    assert index["연차"].weight == 1 and index["연차"].last_updated == LATER
    index = build([*faqs, faq(9, "연차")], index, today=LATER, told=tab(index), shown=index, use={"FAQ-001": 99})
    assert index["연차"].weight == 1, "whatever rarity and use say"
    index = again(faqs, index, tab(index, 연차=replace(index["연차"], weight=0)))
    assert index["연차"].weight > 1, "an emptied cell: ours again"


def test_faqs_and_synonyms_that_a_person_added_or_took_out_stay_so(index: Index) -> None:
    faqs = [LEAVE, HALF, CARD]
    theirs = replace(index["연차"], faq_ids=("FAQ-001", "FAQ-003"), synonyms=("년차", *index["연차"].synonyms[1:]))
    gone = index["연차"].synonyms[0]
    for _ in range(3):
        index = again(faqs, index, tab(index, 연차=theirs))
        assert index["연차"].faq_ids == ("FAQ-001", "FAQ-003")
        assert "년차" in index["연차"].synonyms and gone not in index["연차"].synonyms
        theirs = index["연차"]
    back = replace(theirs, faq_ids=("FAQ-001", "FAQ-002"))
    assert again(faqs, index, tab(index, 연차=back))["연차"].faq_ids == ("FAQ-001", "FAQ-002")


def test_a_row_of_a_person_s_own_is_kept_with_the_faqs_they_named(index: Index) -> None:
    own = KeywordRow("꿀휴가", ("FAQ-001", "FAQ-777"), 5, ("노는날",))
    index = again([LEAVE, HALF, CARD], index, tab(index, 꿀휴가=own))
    assert index["꿀휴가"].faq_ids == ("FAQ-001",), "no id that is no FAQ"
    assert (index["꿀휴가"].weight, index["꿀휴가"].synonyms) == (5, ("노는날",))
    off = again([replace(LEAVE, is_active=False), HALF, CARD], index, tab(index))
    off = again([replace(LEAVE, is_active=False), HALF, CARD], off, tab(off))
    assert not off["꿀휴가"].is_visible
    assert again([LEAVE, HALF, CARD], off, tab(off))["꿀휴가"].faq_ids == ("FAQ-001",), "back with its FAQ"


def test_a_row_that_a_person_deleted_stays_deleted(index: Index) -> None:
    faqs = [LEAVE, HALF, CARD]
    assert "일수" in index
    for _ in range(3):
        index = again(faqs, index, tab(index, 일수=None))
        assert index["일수"].is_blocked and not index["일수"].is_visible
    back = tab(index, 일수=KeywordRow("일수", ("FAQ-002",)))
    assert again(faqs, index, back)["일수"].faq_ids == ("FAQ-001", "FAQ-002"), "until they write it again"


def test_a_deleted_row_comes_back_where_an_faq_names_its_keyword(index: Index) -> None:
    index = again([LEAVE, HALF, CARD], index, tab(index, 연차=None, 일수=None))
    assert index["연차"].is_visible and not index["연차"].is_blocked
    named = replace(LEAVE, keywords=(*LEAVE.keywords, "일수"))
    assert again([named, HALF, CARD], index, tab(index))["일수"].is_visible


def test_an_emptied_tab_deletes_nothing(index: Index) -> None:
    assert again([LEAVE, HALF, CARD], index, {}) == index
    only = dict(list(tab(index).items())[:1])
    many = build([faq(n, f"낱말{chr(0xAC00 + n)}{chr(0xB098 + n)}") for n in range(60)], {}, today=TODAY)
    kept = again([faq(n, f"낱말{chr(0xAC00 + n)}{chr(0xB098 + n)}") for n in range(60)], many, only)
    assert not any(row.is_blocked for row in kept.values())


def test_a_row_that_cannot_be_read_is_no_deletion(index: Index) -> None:
    told = tab(index, 일수=None)
    assert build([LEAVE, HALF, CARD], index, today=LATER, told=told, unread={"일수"}, shown=index) == index


def test_a_run_that_died_before_it_wrote_the_tab_makes_no_edits() -> None:
    """The rows moved, the tab did not: what it still says is what we wrote before, and no person's."""
    first = build([LEAVE, CARD], {}, today=TODAY)
    old = tab(first)
    second = again([LEAVE, HALF], first, old)  # died here: the tab is as it was
    third = again([LEAVE, HALF], second, old, shown=False)
    assert {name: row.shown for name, row in third.items()} == {name: row.shown for name, row in second.items()}
    assert not any(row.edits.is_own or row.edits.faq_ids_added or row.edits.faq_ids_removed for row in third.values())
    assert not third["카드한도"].is_visible and not third["반차"].is_blocked
    theirs = old | {"연차": replace(old["연차"], weight=5)}
    assert again([LEAVE, HALF], second, theirs, shown=False)["연차"].weight == 5, "but what differs from both is"


def test_what_shows_that_the_tab_was_written() -> None:
    row = KeywordRow("연차", ("FAQ-001", "FAQ-002"), 3, before=Shown(("FAQ-001",), 3, ()))
    assert is_witness(row, row)
    assert not is_witness(row, replace(row, faq_ids=("FAQ-001",)))
    assert not is_witness(row, None)
    leaving = replace(row, faq_ids=())
    assert is_witness(leaving, None) and not is_witness(leaving, row)


def test_a_cell_that_cannot_hold_all_ids_takes_none_out() -> None:
    faqs = [faq(n, "공통") for n in range(MOST_IN_A_CELL + 5)]
    index = build(faqs, {}, today=TODAY)
    cut = replace(index["공통"], faq_ids=index["공통"].faq_ids[:MOST_IN_A_CELL])
    assert len(str(cells(index["공통"])[1]).split(",")) == MOST_IN_A_CELL
    assert again(faqs, index, tab(index, 공통=cut, 다른말=KeywordRow("다른말", ("FAQ-001",))))["공통"] == index["공통"]


# -- the rule of 20 --------------------------------------------------------------------------------------------------


def crowded(count: int, sub: bool) -> list[Faq]:
    subs = ("연차휴가", "병가")
    return [faq(n, f"휴가,{'신청' if n % 3 else '취소'}", sub=subs[n % 2] if sub else "") for n in range(count)]


def test_a_keyword_of_20_faqs_is_proposed_to_be_split_and_one_of_19_is_not() -> None:
    few, many = crowded(SPLIT_AT - 1, True), crowded(SPLIT_AT, True)
    assert split_proposals(build(few, {}, today=TODAY), {one.faq_id: one for one in few}) == []
    (proposal,) = split_proposals(build(many, {}, today=TODAY), {one.faq_id: one for one in many})
    assert (proposal.keyword, proposal.faqs) == ("휴가", SPLIT_AT)
    assert [name for name, _ in proposal.parts] == ["병가 휴가", "연차휴가"]
    assert sorted(one for _, ids in proposal.parts for one in ids) == sorted(one.faq_id for one in many)


def test_without_sub_categories_it_is_split_by_the_words_beside_it() -> None:
    many = crowded(SPLIT_AT, False)
    (proposal,) = split_proposals(build(many, {}, today=TODAY), {one.faq_id: one for one in many})
    assert [name for name, _ in proposal.parts] == ["신청 휴가", "취소 휴가"]


def test_a_noun_that_nobody_wrote_down_gives_way_when_it_leads_to_20() -> None:
    def asking(count: int) -> list[Faq]:
        return [faq(n, f"낱말{chr(0xAC00 + n)}", "출장 여비") for n in range(count)]

    assert len(build(asking(SPLIT_AT - 1), {}, today=TODAY)["출장"].faq_ids) == SPLIT_AT - 1
    assert "출장" not in build(asking(SPLIT_AT), {}, today=TODAY)


# -- keywords in what is typed ---------------------------------------------------------------------------------------

NAMES = ["연차", "휴가", "연차휴가", "법인카드", "annual leave", "재택근무", "경조사", "expenses", "차", "E-4012"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("연차 휴가가 며칠 남았죠", {"연차", "휴가", "연차휴가"}),
        ("법인 카드를 잃어버렸어요", {"법인카드"}),
        ("법인카드한도", {"법인카드"}),
        ("수 원연 차", {"차"}),
        ("세차", set()),
        ("ANNUAL-LEAVES, how many?", {"annual leave"}),
        ("제택근무 신청", {"재택근무"}),
        ("my expences", {"expenses"}),
        ("error e-4012", {"E-4012"}),
        ("error e-4013", set()),
        ("", set()),
    ],
)
def test_keywords_are_found_with_other_spaces_behind_particles_and_with_a_letter_wrong(
    text: str, expected: set[str]
) -> None:
    assert {NAMES[one.place] for one in Keywords(NAMES).find(text)} == expected


def test_one_key_for_all_spellings() -> None:
    assert match_key("법인 카드") == match_key("법인카드를") == "법인카드"
    assert match_key("Annual Leaves") == match_key("annual-leave")
