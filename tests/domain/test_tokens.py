"""Search terms: what must find what, and what must never cost much."""

import subprocess
import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.tokens import MAX_CHARS, MAX_TERM, TITLE_WEIGHT, is_syllables, korean_nouns, spaced, terms, words


def shared(one: str, other: str) -> set[str]:
    return set(terms(one)) & set(terms(other))


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("printing fails", "The printer failed to print"),
        ("E-4012", "오류E-4012가 발생"),
        ("error 4012", "E-4012"),
        ("0x80070005", "Windows says (0X80070005)."),
        ("CVE-2019-20444", "patched cve-2019-20444, in netty"),
        ("null pointer", "java.lang.NullPointerException"),
        ("http server", "HTTPServer"),
        ("PC", "PC방에서 접속"),
        ("읽은", "메일을 읽어요"),
        ("비밀번호", "비밀번호를 재설정했습니다"),
        ("출장비 정산", "출장비정산신청하는법"),
        ("로그인", unicodedata.normalize("NFD", "로그인이 안 됩니다")),
        ("ABC 123", "ＡＢＣ　１２３"),
        ("café", "Café opening"),
    ],
)
def test_finds(question: str, document: str) -> None:
    assert shared(question, document)


@pytest.mark.parametrize("code", ["e-4012", "0x80070005", "4.1.45.final", "cve-2019-20444", "10.0.0.1"])
def test_code_is_kept_whole(code: str) -> None:
    assert terms(f"see {code.upper()}, then")[code] == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I do this for you?", "what would they have done with it"),
        ("이것은 어떻게 하면 되나요?", "저것도 어떻게 할 수 있나요"),
        ("ERR_ONE", "err2"),
    ],
)
def test_small_words_say_nothing(one: str, other: str) -> None:
    assert not {term for term in shared(one, other) if not is_syllables(term)}


def test_korean_families_do_not_mix() -> None:
    found = terms("설정")
    assert found == {"설정": 1, "#설정": 1}
    assert is_syllables("#설정")
    assert not is_syllables("설정")


def test_words_are_counted_without_syllables() -> None:
    assert words(terms("printer printer jam")) == 2
    assert words(terms("비밀번호 설정")) == 2
    assert words(terms("")) == 0


def test_first_line_counts_more_when_others_follow() -> None:
    assert terms("printer")["printer"] == 1
    assert terms("printer\n\nscanner printer") == {"printer": TITLE_WEIGHT + 1, "scanner": 1}
    assert terms("\n\nprinter\n") == terms("printer")


def test_nothing_to_say() -> None:
    assert not terms("")
    assert not terms(" \n\t…!? 🙂 \x00")


def test_long_runs_are_no_words() -> None:
    assert not terms("x" * (MAX_TERM + 1))
    assert terms("x" * MAX_TERM)
    assert not terms("qujd9x" * 200)


def test_what_is_past_the_cap_is_not_read() -> None:
    assert "beyond" not in terms("word " * (MAX_CHARS // 5) + "beyond")


@pytest.mark.parametrize(
    "piece",
    ["a", "a-", "aA", "A", "1.", "word ", "\n", "é", "가", "ㅋ", "가나다라 ", "비밀번호를 잊어버렸어요. ", "\ufdfa"],
)
def test_a_megabyte_is_bounded(piece: str) -> None:
    start = time.process_time()
    terms(piece * (1_000_000 // len(piece)))
    assert time.process_time() - start < 15  # 0.1-2 s; a pattern that looks back over its run takes minutes


def test_latin_text_does_not_load_kiwi() -> None:
    code = (
        "import sys; from domain.tokens import terms; terms('Printing fails ' * 99); print('kiwipiepy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.strip() == b"False"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_has_whole_terms(text: str) -> None:
    for term, count in terms(text).items():
        assert term == term.lower()
        assert count > 0
        assert not any(map(str.isspace, term))


def test_nouns_as_written() -> None:
    assert korean_nouns("자동결재선 설정이 안 돼요. SSO인증 Reset") == ["자동결재선", "설정", "SSO인증"]


def test_a_question_without_spaces_gets_them_back() -> None:
    assert spaced("출장비정산신청하는법을알려주세요") == "출장비 정산 신청하는 법을 알려 주세요"
    for said in ("출장비 정산 신청하는 법을 알려 주세요", "how do I reset it?", "", "가" * 400):
        assert spaced(said) == said
