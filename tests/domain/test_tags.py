"""A ticket's tags out of its own words."""

from domain.tags import tags_of


def test_names_codes_and_pairs() -> None:
    tags = tags_of(
        "Purchase order rejected with PAY-402",
        ["The purchase order was rejected on Monday, see https://a.example/x", "Please send the invoice again."],
    )
    assert tags[:2] == ("purchase order", "pay-402")
    assert not {"monday", "please", "send", "again", "https"} & set(tags)


def test_korean_nouns_as_they_are_written() -> None:
    tags = tags_of("자동결재선에 팀장님이 안 나옵니다 (E-4012)", ["OTP 자동결재선 문의드립니다.", "확인해 주세요."])
    assert tags[0] == "자동결재선"
    assert {"e-4012", "otp"} <= set(tags)
    assert not {"문의", "확인"} & set(tags)


def test_no_words_no_tags() -> None:
    assert tags_of("", ["", "it is not"]) == ()
