"""Highlights and snippets: which stretches of a text answer a question.

Belongs here: ``domain/highlight``. Does not belong here: how they are shown (``tests/pipelines``).
"""

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.highlight import MOST, highlights, snippet


def marked(text: str, query: str) -> list[str]:
    return [text[start:end] for start, end in highlights(text, query)]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("thermostat drops", "Thermostats were DROPPING off", ["Thermostats", "DROPPING"]),
        ("the a of and", "the state of the art and more", []),
        ("dying battery", "The batteries die", ["batteries", "die"]),
        ("null pointer", "a NullPointerException", ["NullPointer"]),
        ("NullPointerException", "null pointer and an exception", ["null", "pointer", "exception"]),
        ("error E-4711", "Errors: E-4711, E-4712, 4711", ["Errors", "E-4711", "4711"]),
        ("4.1.45", "4.1.45 and 4.1.46, 45", ["4.1.45"]),
        ("로그인 오류", "재로그인하면 오류가", ["로그인", "오류"]),
        ("소리가 들립니다", "소리가 안 들려요. 들린 적", ["소리", "들려", "들린"]),
        ("화면을 켜도", "화면을 켰습니다, 커졌다", ["화면", "켰"]),
        ("안 됩니다", "안내 문구", []),
        ("합니다 했습니다", "확인합니다", []),
        ("비번초기화메뉴", "비번 초기화메뉴를", ["초기화메뉴"]),
        ("SSO인증 실패", "sso 인증에 실패", ["sso", "인증", "실패"]),
        ("ｗｉｆｉ", "WiFi", ["WiFi"]),
        ("wifi", "ＷｉＦｉ 연결", ["ＷｉＦｉ"]),
        ("東京", "東京都", ["東京"]),
        ("", "anything", []),
        ("anything", "", []),
    ],
)
def test_what_answers_is_marked(query: str, text: str, expected: list[str]) -> None:
    assert marked(text, query) == expected


def test_places_are_those_of_the_text_as_it_is_stored() -> None:
    text = unicodedata.normalize("NFD", "한글 로그인 오류")
    assert [unicodedata.normalize("NFC", one) for one in marked(text, "로그인 오류")] == ["로그인", "오류"]


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60))
def test_spans_are_in_order_and_within(text: str, query: str) -> None:
    spans = highlights(text, query)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(first[1] < second[0] for first, second in pairwise(spans))
    cut = snippet(text, spans, 20)
    assert all(0 <= start < end <= len(cut.text) for start, end in cut.spans)
    assert len(cut.text) <= 22


def test_a_long_text_is_bounded() -> None:
    assert len(highlights("wifi off " * 5_000, "wifi")) == MOST


def test_a_text_costs_less_than_a_search() -> None:
    text = ("The thermostats were dropping off the WiFi, error E-4711. 로그인이 안 됩니다 비밀번호 초기화 " * 20)[:1000]
    query = "thermostat drops off E-4711 로그인 안 돼요 초기화"
    highlights(text, query)
    fastest = min(_seconds(text, query) for _ in range(20))
    assert fastest < 0.003, "0.7 ms on the machine it was written on"


def _seconds(text: str, query: str) -> float:
    start = time.perf_counter()
    highlights(text, query)
    return time.perf_counter() - start


def test_a_snippet_holds_most_different_words() -> None:
    text = "wifi " * 30 + "filler " * 30 + "the thermostat lost its wifi password today " + "filler " * 30
    cut = snippet(text, highlights(text, "thermostat wifi password"), 60)
    assert [cut.text[a:b] for a, b in cut.spans] == ["thermostat", "wifi", "password"]
    assert cut.text.startswith("…") and cut.text.endswith("…")


def test_a_short_text_is_its_own_snippet() -> None:
    assert snippet("wifi\nis off", [(0, 4)], 40).text == "wifi is off"
    with pytest.raises(ValueError):
        snippet("wifi", [], 5)
