"""Long threads are cut: never longer than allowed, nothing left out without saying so, the telling parts kept."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.summary_prompt import lines
from domain.thread_cut import cut

Json = dict[str, Any]


def words(text: str) -> int:
    """A tokenizer that is easy to reckon with: a word and a mark are one each."""
    return sum(
        1
        for at, char in enumerate(text)
        if not char.isspace() and (not char.isalnum() or not text[at - 1 : at].isalnum())
    )


def message(author: str, text: str) -> Json:
    return {"id": "", "author": author, "private": False, "created_at": "", "text": text}


def thread(*said: tuple[str, str], subject: str = "Cannot log in", language: str = "en") -> Json:
    return {"subject": subject, "language": language, "messages": [message(*one) for one in said]}


def size(kind: Any, document: Json) -> int:
    return words("\n".join(lines(kind, document)))


def texts(document: Json) -> list[str]:
    return [one["text"] for one in document["messages"]]


LONG = thread(
    ("customer", "My account is locked since the change of passwords."),
    ("system", "We have received your request."),
    *[("customer", f"Is there any news about it, number {at}, please say something to me soon.") for at in range(40)],
    ("agent", "I have reset the lock on the server and removed the old tablet."),
    *[
        ("agent", f"Good morning, colleague {at} is looking into that matter at the moment, bear with us.")
        for at in range(40)
    ],
    ("agent", "The lock is gone for good."),
    ("customer", "It works now."),
)


def test_what_fits_comes_back_as_it_is() -> None:
    assert cut("ticket", LONG, 100_000, words) is LONG


def test_problem_acts_last_answer_and_last_word_stay() -> None:
    before = json.dumps(LONG)
    shorter = cut("ticket", LONG, 250, words)
    kept = texts(shorter)
    assert size("ticket", shorter) <= 250
    assert shorter["subject"] == LONG["subject"]
    for text in (texts(LONG)[0], "I have reset the lock on the server and removed the old tablet.", *texts(LONG)[-2:]):
        assert text in kept
    assert json.dumps(LONG) == before


def left_out(document: Json) -> int:
    notes = (text for text in texts(document) if text.startswith("[…") and " message" in text)
    return sum(int(note.split()[1].replace(",", "")) for note in notes)


@pytest.mark.parametrize("most", [150, 250, 400, 800])
def test_every_message_that_is_left_out_is_counted_where_it_stood(most: int) -> None:
    shorter = cut("ticket", LONG, most, words)
    original = texts(LONG)
    at = 0
    for text in texts(shorter):
        if text.startswith("[…") and " message" in text:
            at += int(text.split()[1])
        else:
            assert text == original[at]
            at += 1
    assert at == len(original)
    assert left_out(shorter) > 0


def test_korean_notes() -> None:
    long = thread(
        ("customer", "로그인이 안 됩니다"), *[("agent", f"확인 중입니다 {at}") for at in range(200)], language="ko"
    )
    notes = [text for text in texts(cut("ticket", long, 200, words)) if "생략" in text]
    assert notes and all(note.startswith("[… 메시지 ") and "단어 생략 …]" in note for note in notes)


def test_a_message_that_is_too_long_loses_its_middle() -> None:
    log = "It begins here. " + "log line " * 5000 + "And ends here."
    shorter = cut("ticket", thread(("customer", log), ("agent", "Fixed it."), ("customer", "Thanks!")), 300, words)
    assert texts(shorter)[0].startswith("It begins here.") and texts(shorter)[0].endswith("And ends here.")
    assert "characters left out …]" in texts(shorter)[0]
    assert texts(shorter)[1:] == ["Fixed it.", "Thanks!"]


def test_an_article_loses_the_middle_of_its_text() -> None:
    article = {
        "title": "Reset",
        "path": ["Help", "Routers"],
        "language": "en",
        "text": "First. " + "word " * 3000 + "Last.",
    }
    shorter = cut("kb", article, 200, words)
    assert size("kb", shorter) <= 200
    assert (shorter["title"], shorter["path"]) == ("Reset", ["Help", "Routers"])
    assert shorter["text"].startswith("First.") and shorter["text"].endswith("Last.")


def test_too_little_room_is_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        cut("ticket", LONG, 20, words)
    with pytest.raises(ValueError, match="too few"):
        cut("kb", {"title": "a", "path": [], "language": "en", "text": "word " * 100}, 5, words)


ANY_TEXT = st.text(max_size=400) | st.text('ab \n"\\가', max_size=2000)
THREADS = st.builds(
    lambda subject, said, language: thread(*said, subject=subject, language=language),
    ANY_TEXT,
    st.lists(st.tuples(st.sampled_from(["customer", "agent", "system"]), ANY_TEXT), max_size=30),
    st.sampled_from(["ko", "en", "other"]),
)


@pytest.mark.parametrize("count", [words, len, lambda text: len(text.encode("utf-8", "replace")) // 3 + 1])
@given(document=THREADS, most=st.integers(1, 2000))
def test_never_longer_than_allowed(count: Any, document: Json, most: int) -> None:
    try:
        shorter = cut("ticket", document, most, count)
    except ValueError:
        assert most < 400
        return
    assert shorter == document or count("\n".join(lines("ticket", shorter))) <= most
    assert cut("ticket", document, most, count) == shorter
    kept = [text for text in texts(shorter) if text in texts(document)]
    assert kept or not document["messages"] or any("…" in text for text in texts(shorter))


@given(
    document=st.fixed_dictionaries(
        {"title": ANY_TEXT, "path": st.lists(ANY_TEXT, max_size=3), "language": st.just("ko"), "text": ANY_TEXT}
    ),
    most=st.integers(1, 1000),
)
def test_no_article_is_longer_than_allowed(document: Json, most: int) -> None:
    try:
        shorter = cut("kb", document, most, len)
    except ValueError:
        assert most < 400
    else:
        assert shorter == document or len("\n".join(lines("kb", shorter))) <= most


def test_time_grows_with_the_length_only() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text) // 4 + 1

    long = thread(*[("agent" if at % 2 else "customer", f"I have changed setting {at}. " * 5) for at in range(20_000)])
    started = time.process_time()
    cut("ticket", long, 6000, count)
    assert time.process_time() - started < 5
    assert counted < 2 * sum(map(len, lines("ticket", long)))
