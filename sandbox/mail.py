"""Plain words become mail: HTML and text bodies, signatures, and the previous mail quoted the way programs do it.

Belongs here: what Gmail, Outlook, a plain-text mailer, Naver and Freshdesk's own editor make of a message.
Does not belong here: which message is written in which program (``corpus``).
"""

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

#: ``editor`` is Freshdesk's own reply box, ``original`` the '-----Original Message-----' block.
Program = Literal["gmail", "outlook", "plain", "original", "editor"]
#: What customers write with.
HTML_MAILERS: tuple[Program, ...] = ("gmail", "outlook", "original")
MAILERS: tuple[Program, ...] = (*HTML_MAILERS, "plain")

_FONT = (
    "font-family:-apple-system, BlinkMacSystemFont, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif; font-size:14px"
)
_URL = re.compile(r"https?://[^\s<>()\"']+[^\s<>()\"'.,;:!?]")
#: Where the people of a language are.
ZONES = {"ko": timezone(timedelta(hours=9)), "en": UTC}
_DAYS_KO = "월화수목금토일"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as it was sent: by whom, when ("2026-01-31T09:00:00Z"), in both forms."""

    name: str
    address: str
    sent_at: str
    html: str
    text: str


def compose(
    program: Program,
    language: str,
    name: str,
    address: str,
    sent_at: str,
    words: str,
    *,
    signature: str = "",
    image: str = "",
    answers: Mail | None = None,
    to: str = "",
    subject: str = "",
) -> tuple[Mail, Mail]:
    """Write a message: returns it as it stands alone, and with the mail it ``answers`` quoted below.

    ``image`` is the address of a picture shown in the text (programs that send HTML only).
    """
    body = paragraphs(program, words)
    if image and program != "plain":
        body += f'<div><img src="{image}" class="inline-image" style="cursor:pointer" data-id="inline"><br></div>'
    signed_html, signed_text = _signature(program, signature)
    own = Mail(name, address, sent_at, body + signed_html, words + signed_text)
    whole_html, whole_text = own.html, own.text
    if answers is not None:
        quote_html, quote_text = _quote(program, language, answers, to, subject)
        whole_html, whole_text = own.html + quote_html, f"{own.text}\n\n{quote_text}"
    return own, Mail(name, address, sent_at, _wrap(program, whole_html), _text_form(program, whole_text))


def paragraphs(program: Program, words: str) -> str:
    """The words as HTML, the way each program marks lines."""
    lines = [_line(line) for line in words.split("\n")]
    if program == "outlook":
        return "".join(f'<p class="MsoNormal">{line or "<o:p>&nbsp;</o:p>"}</p>' for line in lines)
    if program == "gmail":
        return "".join(f"<div>{line or '<br>'}</div>" for line in lines)
    return "<br>".join(lines)


def collapse(text: str) -> str:
    """Text as Freshdesk makes it from HTML it wrote itself: every line break becomes one space."""
    return text.replace("\n", " ").strip()


def _line(line: str) -> str:
    """A line as HTML, its addresses as links."""
    html_parts, end = [], 0
    for found in _URL.finditer(line):
        url = html.escape(found[0])
        html_parts += [
            html.escape(line[end : found.start()], quote=False),
            f'<a href="{url}" rel="noreferrer">{url}</a>',
        ]
        end = found.end()
    return "".join([*html_parts, html.escape(line[end:], quote=False)])


def _wrap(program: Program, body: str) -> str:
    if program == "editor":
        return f'<div style="{_FONT}"><div dir="ltr">{body}</div></div>'
    if program == "gmail":
        return f'<div dir="ltr">{body}</div>'
    if program == "outlook":
        return f'<div class="WordSection1">{body}</div>'
    return f"<div>{body}</div>"


def _text_form(program: Program, text: str) -> str:
    return collapse(text) if program == "editor" else text


def _signature(program: Program, signature: str) -> tuple[str, str]:
    if not signature:
        return "", ""
    if program == "outlook":
        return f'<div id="Signature">{paragraphs("outlook", signature)}</div>', f"\n\n{signature}"
    lines = paragraphs("plain", signature)
    if program == "gmail":
        return f'<div><br></div>-- <br><div dir="ltr" class="gmail_signature">{lines}</div>', f"\n\n-- \n{signature}"
    if program == "editor":
        return f"<br><br>{lines}", f"\n\n{signature}"
    return f"<br><br>-- <br>{lines}", f"\n\n-- \n{signature}"


def _quote(program: Program, language: str, mail: Mail, to: str, subject: str) -> tuple[str, str]:
    when = datetime.fromisoformat(mail.sent_at).astimezone(ZONES[language])
    if program == "outlook":
        return _outlook_quote(language, mail, when, to, subject)
    if program == "original":
        return _original_quote(mail, when, to, subject)
    said = _said_ko(mail, when) if language == "ko" else _said_en(mail, when)
    text = "\n".join([said, "", *(f"> {line}".rstrip() for line in mail.text.split("\n"))])
    if program == "gmail":
        attribution = _line(said).replace(_line(mail.address), f'<a href="mailto:{mail.address}">{mail.address}</a>')
        style = "margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex"
        quoted = f'<blockquote class="gmail_quote" style="{style}">{mail.html}</blockquote>'
        attribution = f'<div dir="ltr" class="gmail_attr">{attribution}<br></div>'
        return f'<br><div class="gmail_quote">{attribution}{quoted}</div>', text
    if program == "editor":
        quoted = f'<blockquote class="freshdesk_quote">{_line(said)}<br>{mail.html}</blockquote>'
        return f'<br><div class="freshdesk_quote">{quoted}</div>', text
    return "<br><br>" + paragraphs("plain", text), text


def _said_en(mail: Mail, when: datetime) -> str:
    hour = when.hour % 12 or 12
    clock = f"{hour}:{when:%M} {'AM' if when.hour < 12 else 'PM'}"
    return f"On {when:%a}, {when:%b} {when.day}, {when.year} at {clock} {mail.name} <{mail.address}> wrote:"


def _said_ko(mail: Mail, when: datetime) -> str:
    day = f"{when.year}년 {when.month}월 {when.day}일 ({_DAYS_KO[when.weekday()]})"
    clock = f"{'오전' if when.hour < 12 else '오후'} {when.hour % 12 or 12}:{when:%M}"
    return f"{day} {clock}, {mail.name} <{mail.address}>님이 작성:"


def _outlook_quote(language: str, mail: Mail, when: datetime, to: str, subject: str) -> tuple[str, str]:
    if language == "ko":
        clock = f"{'오전' if when.hour < 12 else '오후'} {when.hour % 12 or 12}:{when:%M}"
        sent = f"{when.year}년 {when.month}월 {when.day}일 {_DAYS_KO[when.weekday()]}요일 {clock}"
        names = ("보낸 사람", "보낸 날짜", "받는 사람", "제목")
    else:
        sent = f"{when:%A}, {when:%B} {when.day}, {when.year} {when.hour % 12 or 12}:{when:%M} {when:%p}"
        names = ("From", "Sent", "To", "Subject")
    header = list(zip(names, (f"{mail.name} <{mail.address}>", sent, to, f"RE: {subject}"), strict=True))
    lines = "<br>".join(f"<b>{name}:</b> {_line(value)}" for name, value in header)
    rule = "border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"
    return (
        f'<div><div style="{rule}"><p class="MsoNormal">{lines}</p></div></div>{mail.html}',
        "\n".join([*(f"{name}: {value}" for name, value in header), "", mail.text]),
    )


def _original_quote(mail: Mail, when: datetime, to: str, subject: str) -> tuple[str, str]:
    header = [
        "-----Original Message-----",
        f'From: "{mail.name}" <{mail.address}>',
        f"To: {to}",
        f"Sent: {when:%Y-%m-%d %H:%M:%S}",
        f"Subject: Re: {subject}",
        "",
    ]
    return "<br><br>" + paragraphs("plain", "\n".join(header)) + mail.html, "\n".join([*header, mail.text])
