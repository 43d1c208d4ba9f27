"""A mail's own words: HTML as lines, quoted replies and signatures cut, answers between quotations kept."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.mail_text import cut_quotes, cut_signature, html_text, message_text
from sandbox.mail import MAILERS, Mail, Program, compose

EARLIER = Mail(
    "정하늘",
    "help@example.com",
    "2026-03-02T05:10:00Z",
    "<div>Earlier words<br>이전 내용</div>",
    "Earlier words\n이전 내용",
)
SENT = datetime(2026, 3, 3, 5, 10, tzinfo=UTC).isoformat()


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        ("<p>One</p><p>two <b>bold</b>\n words</p>", ["One", "two bold words"]),
        ("<div>a<br>b<br><br>c</div>", ["a", "b", "", "c"]),
        ("<ul><li>one<li>two</ul><table><tr><td>a<td>b<tr><td>c</table>", ["one", "two", "a b", "c"]),
        ("<style>p{}</style><script>bad()</script><head><title>t</title></head><p>shown</p>", ["shown"]),
        ('<p style="display: none">preheader</p><p>shown</p>', ["shown"]),
        ("<pre>1\n  2</pre><div style='white-space: pre-wrap'>3\n4</div>", ["1", "2", "3", "4"]),
        ("&lt;b&gt; &amp; &nbsp; 5&#8364;", ["<b> & 5€"]),
        ("first\nsecond &amp; last, 1 < 2", ["first", "second & last, 1 < 2"]),
        ("<p>\u200bZero\ufeff width, \u1112\u1161\u11ab</p>", ["Zero width, 한"]),
        ("<![if !mso]><o:p>Word</o:p><![endif]><p>unclosed <b>tags</div>", ["Word", "unclosed tags"]),
    ],
)
def test_html_becomes_lines(html: str, lines: list[str]) -> None:
    assert html_text(html).split("\n") == lines


def test_a_link_shows_its_address_only_where_it_has_no_text() -> None:
    image = '<img src="data:image/png;base64,AAAA" alt="logo">'
    html = (
        f'<a href="https://a.example/1">here</a> <a href="https://a.example/2">{image}</a> <a href="mailto:x@y.z"></a>'
    )
    assert html_text(html) == "here https://a.example/2"


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("program", [*MAILERS, "editor"])
def test_what_mail_programs_add_is_cut(program: Program, language: str) -> None:
    words = "Restarted it > still E-4012.\n\n로그인은 됩니다. 2026년 3월 2일부터요."
    signature = "" if program == "editor" else "Kim Gyeon\nSales, Acme\nTel: +82 2 123 4567"
    _, mail = compose(
        program,
        language,
        "Kim",
        "kim@example.com",
        SENT,
        words,
        signature=signature,
        answers=EARLIER,
        to="help@example.com",
    )
    assert message_text(mail.html) == words
    if program in ("plain", "original", "gmail"):  # the others' plain forms mark no signature, or have no lines
        assert message_text("", mail.text) == words


INLINE = """
On Mon, Mar 2, 2026 at 2:10 PM Jane Roe
<jane@example.com> wrote:
> Did you restart it?
Yes, twice.
> And the cable?
New one since Friday.
"""


def test_answers_between_quotations_stay() -> None:
    assert message_text("", INLINE) == "Yes, twice.\nNew one since Friday."
    quote = '<blockquote class="gmail_quote">{}</blockquote>'
    html = f"<div>On Mon, Mar 2, 2026 Jane &lt;jane@example.com&gt; wrote:<br></div>{quote.format('Did you?')}<div>Yes.</div>"
    assert message_text(html + quote.format("And?") + "<div>No.</div>") == "Yes.\nNo."


@pytest.mark.parametrize(
    ("mail", "own"),
    [
        ("네.\n\n2026년 3월 2일 (월) 오후 2:10, 홍길동 <hong@example.com>님이 작성:\n\n> 되나요?", "네."),
        ("네.\n2026. 3. 2. 오후 2:10, 홍길동 <hong@example.com> 작성:\n되나요?", "네."),
        (
            "네.\n보낸 사람: 지원팀 <h@example.com>\n보낸 날짜: 2026년 3월 2일\n받는 사람: 홍길동\n제목: RE: 문의\n이전",
            "네.",
        ),
        ("Yes.\n-----Original Message-----\nFrom: Jane\nSubject: it\n\nold", "Yes."),
        (
            "Yes.\n________________________________\nFrom: Jane <j@x.y>\nSent: Monday\nTo: Bob\nSubject: it\n\nold",
            "Yes.",
        ),
        ("On Monday your colleague wrote:\nplease restart", "On Monday your colleague wrote:\nplease restart"),
        ("10.0.0.2\n> On Mon, Mar 2, 2026 Jane <j@x.y> wrote:\n> which address?", "10.0.0.2"),
        ("##- Please type your reply above this line -##\nDone.", "Done."),
    ],
)
def test_quoted_replies_are_cut(mail: str, own: str) -> None:
    assert cut_quotes(mail) == own


def test_a_forwarded_mail_is_what_the_writer_has_to_say() -> None:
    header = "From: Jane <j@x.y>\nDate: Mon\nSubject: it\nTo: Bob\n\n"
    assert (
        cut_quotes(f"FYI\n---------- Forwarded message ---------\n{header}The printer burns.")
        == "FYI\nThe printer burns."
    )
    assert cut_quotes(f"{header}The printer burns.") == "The printer burns."


STEPS = (
    "Step one\n--\nStep two is longer than any line of a signature: take the cover off, wait a minute, and press it."
)


@pytest.mark.parametrize(
    ("mail", "own"),
    [
        ("Done.\n--\nJane Roe\nAcme", "Done."),
        ("Done.\n\nSent from my iPhone", "Done."),
        ("완료했습니다.\n\n나의 iPhone에서 보냄", "완료했습니다."),
        ("완료했습니다.\n홍길동 드림\n한빛전자 총무팀", "완료했습니다."),
        ("Broken.\n\nBest regards,\n\nJohn Smith\nSales Manager\nTel: +1 555 123 4567", "Broken."),
        ("Broken.\nKind regards,\nJohn Smith", "Broken."),
        ("고장입니다.\n감사합니다.\n한빛전자 총무팀\n전화: 02-123-4567", "고장입니다."),
        (
            "주소 변경 부탁드립니다.\n새 주소: 서울시 중구\n전화: 02-123-4567",
            "주소 변경 부탁드립니다.\n새 주소: 서울시 중구\n전화: 02-123-4567",
        ),
        ("Thanks\nstill broken since Monday", "Thanks\nstill broken since Monday"),
        (STEPS, STEPS),
    ],
)
def test_signatures_are_cut_and_nothing_else(mail: str, own: str) -> None:
    assert cut_signature(mail) == own


@pytest.mark.parametrize(
    "mail", ["> all of it\n> is quoted", "--\nJane Roe", "Sent from my iPhone", "보낸 사람: 홍길동"]
)
def test_a_mail_is_never_cut_to_nothing(mail: str) -> None:
    assert message_text("", mail) == mail


def test_plain_text_is_used_where_the_html_shows_nothing() -> None:
    assert message_text('<img src="cid:1">', "see the picture") == "see the picture"
    assert message_text("", "") == ""


@given(st.text(alphabet=st.sampled_from('<>/="&;!-abdivp \n\x00\ud800한글'), max_size=200))
def test_broken_html_never_raises(html: str) -> None:
    whole = html_text(html)
    assert bool(message_text(html)) == bool(whole)


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 40_000 + "</b>" * 40_000,
        "".join(f"<font size={size}>" for size in range(900)) + "<p>y" * 60_000,
        "On 1 x\n" * 50_000,
        "2026. x <a@b.c> \n" * 25_000,
        "From: Sent: To:\n" * 25_000,
        "confidential " * 30_000,
        "1 " * 200_000,
    ],
    ids=["nested", "reopened", "attributions", "addresses", "headers", "notices", "numbers"],
)
def test_time_grows_with_the_size_of_the_body_only(body: str) -> None:
    started = time.process_time()
    message_text(body, body)
    assert time.process_time() - started < 5  # about 0.3 s each; a quadratic rule needs minutes
