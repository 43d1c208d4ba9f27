"""Where sentences end, in English and Korean, and which one is central."""

import pytest

from domain.sentences import content_words, lexrank, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Version 4.1.2, e.g. here. it's back at 10 a.m. OK?", ["Version 4.1.2, e.g. here.", "it's back at 10 a.m. OK?"]),
        ("See https://a.example/b.c. Dr. Roe, Jane F. Doe did!", ["See https://a.example/b.c.", "Dr. Roe, Jane F. Doe did!"]),
        ("Below 18 V. Turn it off.", ["Below 18 V.", "Turn it off."]),
        ("Hi, ... number and so on", ["Hi, ... number and so on"]),
        ("1. Open it.\n2. Close\n- restart (twice!) now", ["Open it.", "Close", "restart (twice!)", "now"]),
        ("안 됩니다 확인해 주세요 감사합니다", ["안 됩니다", "확인해 주세요", "감사합니다"]),
        ("그런데 안돼요;; 8시~9시 사이에요~ 왜죠?", ["그런데 안돼요;;", "8시~9시 사이에요~", "왜죠?"]),
        ("넘는 것은 3.5% 입니다. '네.' 라고 했습니다.", ["넘는 것은 3.5% 입니다.", "'네.'", "라고 했습니다."]),
        ("...\n--\n!!", []),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


def test_content_words_leave_out_what_says_nothing() -> None:
    assert content_words("The OTP of E-4012 is wrong") == ["otp", "e-4012", "wrong"]
    assert content_words("로그인을 로그인이 꼭") == ["로그", "그인", "인을", "로그", "그인", "인이", "꼭"]


def test_the_sentence_that_shares_most_is_central() -> None:
    told = [
        "The router drops the wifi",
        "The wifi of the router drops at night",
        "Cats are nice",
        "At night the router is slow",
    ]
    ranks = lexrank([content_words(sentence) for sentence in told])
    assert ranks.argmax() == 1
    assert ranks.argmin() == 2
    assert ranks.sum() == pytest.approx(len(told))


@pytest.mark.parametrize("words", [[], [["one"]], [[], [], []]])
def test_too_few_sentences_are_equally_central(words: list[list[str]]) -> None:
    assert list(lexrank(words)) == [1.0] * len(words)
