"""Articles, summarised by their own sentences: what they are about, and what to do."""

from typing import Any

import pytest

from domain.article_summary import summarise
from domain.errors import DocumentError
from domain.extractive import METHOD
from domain.mail_text import html_text
from domain.merge import language_of
from domain.summary import FIELD_LIMIT
from domain.summary_answer import accept
from sandbox.corpus import COMPANIES

Json = dict[str, Any]


def article(title: str, text: str, language: str = "en") -> Json:
    return {"title": title, "path": ["Help"], "language": language, "text": text}


ENGLISH = """Reset the TR-9

Symptoms
The router TR-9 blinks red after an update.
This is caused by a configuration that the update could not read.

1. Unplug the router.
2. Hold the reset button of the router for 15 seconds.
3. Plug it in again and wait until the light is green.

By the way, our offices have moved to a new building with a nice view over the harbour and the old town.
Was this article helpful?"""
KOREAN = """공동인증서가 만료되면 세금계산서를 발행할 때 E-6105 오류가 납니다.
- 환경설정 > 인증서 관리를 엽니다.
- 새 인증서를 등록해 주세요.
도움이 되었나요?"""


def test_an_english_article() -> None:
    summary = summarise(article("Reset the TR-9", ENGLISH))
    assert summary.problem == "Reset the TR-9"
    assert summary.cause == "This is caused by a configuration that the update could not read."
    steps = ["The router TR-9 blinks red", "Unplug the router.", "Hold the reset button", "Plug it in again"]
    assert [summary.solution.index(step) for step in steps] == sorted(summary.solution.index(step) for step in steps)
    for noise in ("Symptoms", "harbour", "helpful", "Reset the TR-9"):
        assert noise not in summary.solution
    assert "tr-9" in summary.tags
    assert (summary.result, summary.method, summary.language) == ("", METHOD, "en")


def test_a_korean_article() -> None:
    summary = summarise(article("E-6105 오류 해결", KOREAN, "ko"))
    assert summary.problem == "E-6105 오류 해결"
    assert "환경설정 > 인증서 관리를 엽니다." in summary.solution
    assert "새 인증서를 등록해 주세요." in summary.solution
    assert "도움이" not in summary.solution
    assert {"e-6105", "인증서"} <= set(summary.tags)
    assert summary.language == "ko"


def test_without_a_title_the_first_sentence_is_the_problem() -> None:
    summary = summarise(article(" ", "The printer does not print. Turn it on."))
    assert (summary.problem, summary.solution) == ("The printer does not print.", "Turn it on.")


def test_a_title_alone_is_enough_and_nothing_is_not() -> None:
    assert summarise(article("Opening hours", "")).solution == ""
    with pytest.raises(DocumentError):
        summarise(article("", " \n "))


def test_fields_have_their_limits() -> None:
    summary = summarise(article("word " * 300, "a sentence that goes on and on " * 3000))
    assert max(len(summary.problem), len(summary.solution)) <= FIELD_LIMIT


@pytest.mark.parametrize("path", sorted(COMPANIES.glob("*/solutions/*.html")), ids=lambda path: path.name)
def test_every_sample_article_is_summarised_from_its_own_words(path: Any) -> None:
    text = html_text(path.read_text(encoding="utf-8"))
    document = article(path.stem.replace("-", " "), text, language_of(text))
    summary = summarise(document)
    assert summary.solution
    kept = accept("kb", document, summary.to_payload(), method=METHOD)
    assert (kept.problem, kept.solution, kept.ungrounded) == (summary.problem, summary.solution, ())
