"""Where a text holds personal data and secrets: e-mail, telephone, card, resident registration number, IBAN, keys.

Belongs here: recognising them, in Korean and English text alike, and telling them from order numbers and their kin.
Does not belong here: what stands in their place, or whether anything leaves at all (``domain/masking``).

Everything is linear in the text's length: numbers are looked at from each run of digits once, within a bounded reach;
mail addresses from each ``@``; labels (``api_key = …``) from each of their words.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata
from stdnum import iban, luhn
from stdnum.exceptions import ValidationError
from stdnum.kr import rrn

Kind = Literal["EMAIL", "PHONE", "CARD", "RRN", "IBAN", "SECRET"]
KINDS: tuple[Kind, ...] = ("EMAIL", "PHONE", "CARD", "RRN", "IBAN", "SECRET")


@dataclass(frozen=True, slots=True)
class Found:
    """``text[start:end]`` is a datum; ``same`` is equal for two spellings of one datum."""

    start: int
    end: int
    kind: Kind
    same: str


# -- the text as its reader sees it ----------------------------------------------------------------------------------

_HIDDEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_DASHES = (
    "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\u3161\u30fc"  # the last two: ㅡ and ー, typed as dashes
)
_SPACES = "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t"
_PLAIN = {
    **{0xFF01 + i: chr(0x21 + i) for i in range(94)},
    **dict.fromkeys(map(ord, _DASHES), "-"),
    **dict.fromkeys(map(ord, _SPACES), " "),
}
_UNUSUAL = re.compile(f"[{_DASHES}{_SPACES}\uff01-\uff5e]")
_UNSEEN = re.compile(f"[{_HIDDEN}]")

#: Most texts have none of these, and then hold no datum but a private key or an ``(at)``.
_HINT = re.compile("[0-9@\uff10-\uff19\uff20]")


def plain(text: str) -> str:
    """Full-width characters, dashes and spaces of all kinds as their ASCII ones, hidden characters left out."""
    if not text.isascii():
        text = _UNSEEN.sub("", text)
    return text.translate(_PLAIN) if _UNUSUAL.search(text) else text


def find(text: str, label: str = "") -> list[Found]:
    """All personal data in ``text``, in order, none overlapping. ``label`` is what stands before the text, such as the
    name of its field: ``4155550132`` is a telephone number under ``phone`` and an order under ``order``."""
    if not _HINT.search(text) and "-----BEGIN " not in text and not _AT.search(text):
        return []
    head = f"{label}: " if label else ""
    seen = plain(head + text)
    found = _without_overlaps(seen)
    if head:
        shift = len(plain(head))
        found = [Found(f.start - shift, f.end - shift, f.kind, f.same) for f in found if f.start >= shift]
    if found and not text.isascii() and _UNSEEN.search(text):
        at = [i for i, char in enumerate(text) if char not in _HIDDEN]
        found = [Found(at[f.start], at[f.end - 1] + 1, f.kind, f.same) for f in found]
    return found


def _without_overlaps(text: str) -> list[Found]:
    """What is surest first: secrets, then mail addresses, then numbers."""
    taken: list[Found] = []
    for recognised in (_secrets(text), _emails(text)):
        taken = _merged(taken, sorted(recognised, key=lambda f: (f.start, -f.end)))
    return _merged(taken, _numbers(text, taken))


def _merged(first: list[Found], second: list[Found]) -> list[Found]:
    """Both in order; of ``second`` only what touches nothing before it."""
    merged: list[Found] = []
    at = 0
    for found in second:
        while at < len(first) and first[at].end <= found.start:
            merged.append(first[at])
            at += 1
        free = at == len(first) or found.end <= first[at].start
        if free and (not merged or merged[-1].end <= found.start):
            merged.append(found)
    return merged + first[at:]


# -- mail addresses --------------------------------------------------------------------------------------------------

_AT = re.compile(r"@|%40|[\[(] ?(?:at|AT|골뱅이) ?[\])] ?")
_DOT = r"(?:\.| ?[\[(] ?(?:dot|DOT|점) ?[\])] ?)"
# A label is all ASCII or all Hangul: in `naver.com입니다` the name ends with the letters. No end but one that is sure.
_DOMAIN = re.compile(
    rf"(?:(?:[A-Za-z0-9][A-Za-z0-9-]{{0,62}}|[가-힣]{{1,30}}){_DOT})+(?:xn--[A-Za-z0-9-]{{2,59}}|[A-Za-z]{{2,24}}|한국)"
    r"(?![A-Za-z]|-[A-Za-z0-9])"
)
_LOCAL = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+-'" + "".join(map(chr, range(0xC0, 0x250)))
_FILES = frozenset(("png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js"))  # icon@2x.png
_HANGUL_END = re.compile(r"[가-힣]{1,10}\Z")


def _emails(text: str) -> Iterator[Found]:
    """RFC 5322's plain form, international names included (RFC 6531), also as ``a (at) b (dot) c`` and ``a%40b.c``."""
    for sign in _AT.finditer(text):
        domain = _DOMAIN.match(text, sign.end())
        if domain is None or domain[0].rpartition(".")[2].lower() in _FILES:
            continue
        before = text[max(0, sign.start() - 65) : sign.start()].rstrip(" " if sign[0] != "@" else "")
        local = before[len(before.rstrip(_LOCAL)) :].lstrip("'.%+-")
        if not local and (hangul := _HANGUL_END.search(before)):
            local = hangul[0]
        if local and len(local) <= 64:
            start = text.rindex(local, 0, sign.start())
            yield Found(start, domain.end(), "EMAIL", f"{local}@{domain[0]}".lower())


# -- keys and secrets ------------------------------------------------------------------------------------------------

#: What providers' keys begin with, and their whole form. The first part is looked for before the second is tried.
_KEYS = tuple(
    (start, re.compile(rf"(?<![A-Za-z0-9_-]){form}", re.ASCII))
    for start, form in (
        ("sk-", r"sk-(?=[A-Za-z_-]{0,80}\d)[A-Za-z0-9_-]{20,}"),  # OpenAI, Anthropic, OpenRouter
        ("k_", r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"),  # Stripe
        ("whsec_", r"whsec_[A-Za-z0-9+/=]{16,}"),
        ("AKIA", r"AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),  # AWS
        ("ASIA", r"ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
        ("gh", r"gh[pousr]_[A-Za-z0-9]{20,}"),
        ("github_pat_", r"github_pat_\w{20,}"),
        ("glpat-", r"glpat-[\w-]{20,}"),
        ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),  # Slack
        ("xapp-", r"xapp-[A-Za-z0-9-]{10,}"),
        ("AIza", r"AIza[\w-]{30,}"),  # Google
        ("ya29.", r"ya29\.[\w-]{20,}"),
        ("npm_", r"npm_[A-Za-z0-9]{30,}"),
        ("hf_", r"hf_[A-Za-z0-9]{18,}"),
        ("pypi-", r"pypi-[\w-]{16,}"),
        ("shpat_", r"shpat_[A-Fa-f0-9]{32}"),
        ("SG.", r"SG\.[\w-]{16,}\.[\w-]{16,}"),  # SendGrid
        ("eyJ", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]+)?"),  # JWT, RFC 7519
    )
)
_IN_URL = re.compile(r"://[^\s/:@]{0,100}:([^\s/@]{1,200})@")
_BLOCK = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_BLOCK_END = re.compile(r"-----END [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_BASE64_LINES = re.compile(r"(?:\s{0,3}[A-Za-z0-9+/=]{16,76}(?![A-Za-z0-9+/=]))*")

#: Words that a secret follows, and what must stand before the word for it to mean one.
_LABELS: dict[str, re.Pattern[str] | None] = {
    "key": re.compile(r"(?:api|secret|access|private|auth|encryption|account|service|subscription)[ _-]?\Z"),
    "키": re.compile(r"(?:api|비밀|시크릿|인증|액세스|접근|보안|연동|secret) ?\Z"),
    "token": None,
    "토큰": None,
    "secret": None,
    "시크릿": None,
    "pw": re.compile(r"(?<![a-z0-9])\Z"),
    "암호": None,
    "password": None,
    "passwd": None,
    "pwd": None,
    "비밀번호": None,
    "비번": None,
    "패스워드": None,
}
_SAYS = re.compile(r"(?:[\"']?\s{0,3}(?:[:=]|=>)\s{0,3}|는 |은 | is )[\"'`]?([A-Za-z0-9_\-.~+/!@#$%^&*]{8,}={0,2})")
_SCHEMES = re.compile(r"(?:bearer|authorization: ?basic) {1,3}([A-Za-z0-9._~+/=-]{12,})", re.ASCII)
_NO_SECRET = re.compile(r"\d{4}-\d\d|https?:|process\.env|os\.environ|[*x.]+\Z")


def _secrets(text: str) -> Iterator[Found]:
    """Keys by their providers' prefixes, secrets by the label before them, passwords in addresses, private key blocks."""
    for start, form in _KEYS:
        if start in text:
            for key in form.finditer(text):
                yield Found(key.start(), key.end(), "SECRET", key[0])
    if "://" in text:
        for password in _IN_URL.finditer(text):
            yield Found(*password.span(1), "SECRET", password[1])
    if "-----BEGIN " in text:
        yield from _key_blocks(text)
    yield from _labelled(text)


def _key_blocks(text: str) -> Iterator[Found]:
    """From BEGIN to END; where the END was lost, as far as lines of base64 go."""
    at, ends = 0, True
    while block := _BLOCK.search(text, at):
        end = _BLOCK_END.search(text, block.end()) if ends else None
        ends = end is not None
        lines = _BASE64_LINES.match(text, block.end())
        at = end.end() if end else lines.end() if lines else block.end()
        yield Found(block.start(), at, "SECRET", text[block.start() : at])


def _labelled(text: str) -> Iterator[Found]:
    lower = text.replace("\u0130", "I").lower()  # İ is the one letter whose small form is longer
    for word, before in _LABELS.items():
        at = lower.find(word)
        while at >= 0:
            end = at + len(word)
            said = _SAYS.match(lower, end)
            if said and (before is None or before.search(lower, max(0, at - 16), at)):
                value = text[said.start(1) : said.end(1)].rstrip(".!,")
                if _looks_secret(value):
                    yield Found(said.start(1), said.start(1) + len(value), "SECRET", value)
            at = lower.find(word, end)
    if "bearer" in lower or "basic" in lower:
        for said in _SCHEMES.finditer(lower):
            value = text[said.start(1) : said.end(1)].rstrip(".")
            if len(value) >= 16 and (_looks_secret(value) or "=" in value):
                yield Found(said.start(1), said.start(1) + len(value), "SECRET", value)


def _looks_secret(value: str) -> bool:
    """Letters and digits mixed: an error code or a word that explains a field is no secret."""
    mixed = any(map(str.isdigit, value)) and any(map(str.isalpha, value))
    return len(value) >= 8 and mixed and not _NO_SECRET.match(value.lower())


# -- numbers ---------------------------------------------------------------------------------------------------------

_RUN = re.compile(r"[0-9]+")
#: At least eight digits, with up to three separators between two of them.
_NUMBER = re.compile(r"[0-9](?:[ ().\-/_*·]{0,3}[0-9]){7}")


def _numbers(text: str, taken: list[Found]) -> list[Found]:
    """Cards, resident numbers, IBANs and telephone numbers, left to right, outside of what is taken."""
    found: list[Found] = []
    at = free_from = 0
    for run in _RUN.finditer(text):
        start, end = run.span()
        while at < len(taken) and taken[at].end <= start:
            at += 1
        if start < free_from or end - start > 19 + 11 or (at < len(taken) and taken[at].start < end):
            continue
        after_datum = bool(at and taken[at - 1].end == start) or bool(found and free_from == start)
        datum = _number_at(text, start, end, after_datum)
        if datum:
            found.append(datum)
            free_from = datum.end
    return found


def _number_at(text: str, start: int, end: int, after_datum: bool) -> Found | None:
    """What begins with the digits ``text[start:end]``. How many they are tells what they may begin. Right after another
    datum they continue nothing: columns that lost the space between them."""
    digits = end - start
    if digits >= 2 and _COUNTRY.fullmatch(text, max(0, start - 2), start) and (account := _iban(text, start - 2)):
        return account
    if digits < 3 and not _BEGINS_PHONE.match(text, start - 1 if start else 0):
        return None
    if not _NUMBER.match(text, start) or (not after_datum and _continues_something(text, start)):
        return None
    card = _card(text, start) if digits in (4, 8, 12) or digits >= 14 else None
    return card or (_resident(text, start) if digits in (6, 13) else None) or _phone(text, start, digits)


_COUNTRY = re.compile(r"[A-Za-z]{2}")
_BEGINS_PHONE = re.compile(r"\+|.?(?:0\d|82|1(?!\d))", re.DOTALL)
_APART = ("", " ", "\n", "'", '"', "=", ">")
_BEFORE = re.compile(r"(?:[A-Za-z0-9_]|[A-Za-z0-9]-|\d[.:]|[A-Za-z]/|[A-Za-z0-9]-\(?\+?|\d\+|#)\Z", re.ASCII)
_TEL = re.compile(r"(?<![a-z0-9])(?:tel|phone|mobile|cell|fax|hp|h\.p|ph|[tmpf])[-./]\Z", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{3}(?![\d-])")
_AFTER = re.compile(r"[A-Za-wyz0-9_%]|x[A-Za-z]|-[A-Za-z0-9]|[.:]\d|,\d{3}(?![\d-])|/[A-Za-z]", re.ASCII)


def _continues_something(text: str, start: int) -> bool:
    """Whether the digits before which ``start`` lies are the rest of a code, a decimal, a time or a path."""
    if text[start - 1 : start] in _APART:
        return False
    if text[start - 1] == ",":
        return text[start - 2 : start - 1].isdigit() and bool(_THOUSANDS.match(text, start))
    before = text[max(0, start - 8) : start]
    return bool(_BEFORE.search(before)) and not _TEL.search(before)


def _ends(text: str, end: int) -> bool:
    """Whether nothing goes on after ``end`` that belongs to what was before it."""
    return not _AFTER.match(text, end)


# -- what a number is called -----------------------------------------------------------------------------------------

_OTHER_NAMES = (
    r"주문|예약|접수|상품|제품|품번|시리얼|일련|모델|송장|운송장|등기|택배|버전|바코드|쿠폰|계좌|사업자|회원|고객번호|문의번호"
    r"|티켓|견적|거래|승인|인보이스|대한통운|한진|"
    r"(?<![a-z])(?:orders?|invoice|track(?:ing)?|trace|booking|reservation|reference|ref|case|ticket|serial|s/n|sn"
    r"|model|sku|isbn|version|part|lot|batch|imei|po|quote|transaction|txn|confirmation|parcel|shipment"
    r"|waybill|awb|account|fedex|ups|dhl|usps|id|epoch|timestamp)(?![a-z])"
)
_PHONE_NAMES = (
    r"전화|연락|휴대|핸드폰|폰|문자|팩스|대표번호|대표 번호|고객센터|콜센터|통화|인증|내 번호|제 번호|본인 번호|수신|h\.?p|"
    r"(?<![a-z])(?:tel|telno|telephone|phone|(?:my|his|her|our|this) number|call|calling|mobile"
    r"|cell|text(?= (?:me|us|at|to|my|him|her)\b| \Z)|sms|fax|dial|whatsapp|contact|reach|ring|line)(?![a-z])"
    r"|(?<![a-z.])[mtp][.:]"
)
_NAMES = re.compile(f"(?P<phone>{_PHONE_NAMES})|(?P<other>{_OTHER_NAMES})")
_FILLED = re.compile(
    r"(?:\s|[:#.()=*\"'-]|번호|코드|는|은|이|가|로|를|건|no|number|num|code|id|is|was|are|says|the|and|at|my|on|to)*",
)
_PHONE_NEAR = re.compile(_PHONE_NAMES)
_OTHER_AFTER = re.compile(r"\)? ?(?:번)? ?(?:주문|운송장|송장)")
_RESIDENT_NAMES = re.compile(r"주민|외국인|등록증|본인|실명|rrn|resident|alien|foreigner|(?<![a-z])arc(?![a-z])")


def _named(text: str, start: int) -> Literal["phone", "other", ""]:
    """What the last telling word before ``start`` calls the number: ``other`` (an order, a parcel, …) counts only
    right before it, ``phone`` also some words away."""
    before = text[max(0, start - 40) : start].lower()
    last = None
    for name in _NAMES.finditer(before):
        last = name
    if last is None:
        return ""
    if last["phone"]:
        return "phone"
    return "other" if _FILLED.fullmatch(before, last.end()) else ""


def _is_other(text: str, start: int, end: int) -> bool:
    return _named(text, start) == "other" or bool(_OTHER_AFTER.match(text, end))


# -- cards, resident numbers, accounts -------------------------------------------------------------------------------

_SEP = r"(?: ?[-.] ?| {1,2})"
_CARD = re.compile(
    rf"\d{{4}}{_SEP}?\d{{4}}{_SEP}?\d{{4}}{_SEP}?\d{{4}}(?P<behind>{_SEP}\d{{3}})?(?!\d| \d{{4}}(?!\d)|-\d)"
    rf"|\d{{4}}{_SEP}\d{{6}}{_SEP}\d{{4,5}}(?!\d|-\d)|\d{{14,19}}(?!\d)"
)
#: First digits and lengths of the card networks (ISO/IEC 7812), and 94/95, cards that work within Korea only.
_NETWORKS = re.compile(
    r"4\d{15}(?:\d{3})?|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|095|[689]\d)\d{11}|35(?:2[89]|[3-8]\d)\d{12}|6(?:011|4[4-9]\d|5\d\d)\d{12}|62\d{14,17}|9[45]\d{14}"
)


def _card(text: str, start: int) -> Found | None:
    """14 to 19 digits of a known network with a right check digit (Luhn). Grouped like a card it is one, whatever it is
    called."""
    match = _CARD.match(text, start)
    if match is None:
        return None
    grouped = not match[0].isdigit()
    for spelled in (match[0], match[0].removesuffix(match["behind"] or "")):  # it may be a CVC
        digits = re.sub(r"\D", "", spelled)
        end = start + len(spelled)
        valid = _NETWORKS.fullmatch(digits) and luhn.is_valid(digits) and _ends(text, end)
        if valid and (grouped or not _is_other(text, start, end)):
            return Found(start, end, "CARD", digits)
    return None


_RESIDENT = re.compile(r"(\d{6})( ?- ?| |[./]?)([1-8]\d{6})(?!\d)")
#: Years after 2000 up to here count as years of birth: no clock in the domain. 8801234567893 is a barcode.
_LAST_YEAR = 2039
#: Numbers given since October 2020 have no check digit (행정안전부, 주민등록법 시행규칙 개정).
_NO_CHECK_DIGIT = date(2020, 10, 1)


def _resident(text: str, start: int) -> Found | None:
    """A Korean resident or foreigner registration number: a day of birth and a digit of century and sex that fit.
    Written without a separator it must also have the right check digit, or be called by its name: a time in
    milliseconds or a barcode has 13 digits too."""
    match = _RESIDENT.match(text, start)
    if match is None or not _ends(text, match.end()):
        return None
    digits = match[1] + match[3]
    try:
        born = rrn.get_birth_date(digits)
    except ValidationError:
        return None
    named = bool(_RESIDENT_NAMES.search(text[max(0, start - 40) : start].lower()))
    sure = (
        named
        or match[2].strip(" ") == "-"
        or match[2] == " "
        or (born < _NO_CHECK_DIGIT and rrn.calc_check_digit(digits[:12]) == digits[12])
    )
    if born.year > _LAST_YEAR or not sure or (not named and _is_other(text, start, match.end())):
        return None
    return Found(start, match.end(), "RRN", digits)


_ACCOUNT = re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]){11,30}", re.ASCII)
#: Lengths of IBANs by country, from SWIFT's IBAN registry.
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in (
            "15:NO",
            "16:BE",
            "18:DK FI FO GL NL SD",
            "19:MK SI",
            "20:AT BA EE KZ LT LU MN XK",
            "21:CH HR LI LV",
            "22:BG BH CR DE GB GE IE ME RS VA",
            "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG",
            "25:LY PT ST",
            "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM",
            "28:AL AZ BY CY DO GT HN HU LB NI PL SV",
            "29:BR EG PS QA UA",
            "30:JO KW MU YE",
            "31:MT SC",
            "32:LC",
            "33:RU",
        )
    )
    for country in countries.split()
}


def _iban(text: str, start: int) -> Found | None:
    """An account number by its country's length and form and its two check digits (ISO 13616, mod 97)."""
    match = _ACCOUNT.match(text, start)
    length = _IBAN_LENGTHS.get(text[start : start + 2].upper())
    if match is None or length is None or (start and text[start - 1].isascii() and text[start - 1].isalnum()):
        return None
    places = [i for i in range(start, match.end()) if text[i] not in " -"]
    if len(places) < length:
        return None
    end = places[length - 1] + 1
    compact = iban.compact(text[start:end])
    goes_on = text[end : end + 1].isascii() and text[end : end + 1].isalnum()
    return Found(start, end, "IBAN", compact) if not goes_on and iban.is_valid(compact, False) else None


# -- telephone numbers -----------------------------------------------------------------------------------------------

_BETWEEN = r"(?:\ ?[-.)/·_*]\ ?|\ {1,2})?"
_AREA = r"(?:2|3[1-3]|4[1-4]|5[1-5]|6[1-4]|70|80|50[2-8]?)"
#: Numbering plan of the Ministry of Science and ICT (전기통신번호관리세칙): mobile, area and service, common representative.
_KOREAN = re.compile(
    rf"(?P<mobile>\(?01[016-9]{_BETWEEN}\d{{3,4}}{_BETWEEN}\d{{4}}"
    rf"|(?:\+|00\ ?|(?<![\d+]))82{_BETWEEN}(?:\(0\)|0)?{_BETWEEN}(?:1[016-9]|{_AREA}){_BETWEEN}\d{{3,4}}{_BETWEEN}\d{{4}})"
    rf"|(?P<landline>\(0{_AREA}\)\ ?\d{{3,4}}{_BETWEEN}\d{{4}}|0{_AREA}{_BETWEEN}\d{{3,4}}{_BETWEEN}\d{{4}})"
    r"|(?P<representative>1(?:5(?:22|33|44|66|77|88|99)|6(?:00|11|22|33|44|55|60|61|66|68|70|77|88|99)"
    r"|8(?:00|11|22|33|44|55|66|77|88|99))[-.]\d{4}(?!\ ?(?:명|원|만|천|개|시|년|자|세|건|점|[kmc]?g|[kmc]?m|ml|px|[MG]B)))",
)
_AMERICAN = re.compile(
    r"(?:1[-. ]{1,2})?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}(?: ?[-./] ?| {1,2}))[2-9]\d{2}(?: ?[-.] ?| )\d{4}"
)
_ABROAD = re.compile(r"(?:\+|00 ?|011[ -])[1-9](?:[ ().\-/]{0,3}\d){6,14}")
_ELSEWHERE = re.compile(r"\(?0[1-9]\d{0,3}(?:[ ()\-./]{1,2}\d{2,8}){1,5}|07\d{9}")
_KOREA = re.compile(r"\A(?:00)?820?")
_LAST_GROUP = re.compile(r"[ ().\-/]*\d+\Z")
_IN_GROUPS = re.compile(r"\d \Z")
_DATE = re.compile(r"\d{2}([./-])\d{2}\1\d{4}")
#: Only under the name of a telephone: an order has as many digits.
_BARE = re.compile(r"\d{9,12}|[2-9]\d{2}[ -]\d{7}|1[568]\d{2} ?\d{4}")
#: Whose national forms are known where no country stands before the number. All of them begin with a 0 there.
_REGIONS = ("GB", "FR", "DE", "AU", "JP")
_LONGEST_COUNTRY_CODE = 3


def _phone(text: str, start: int, digits: int) -> Found | None:
    """A telephone number: Korean and American forms by pattern, those of the world by libphonenumber's plans."""
    before = text[start - 1 : start]
    if before == "+" or text.startswith("00", start):
        begin = start - 1 if before == "+" else start
        return _match(_KOREAN, text, begin) or _abroad(text, begin)
    begin = start - 1 if before == "(" and ")" in text[start : start + 6] else start
    if text[start] in "018" and (korean := _match(_KOREAN, text, begin)):
        return korean
    if text.startswith(("011 ", "011-"), start) and (abroad := _abroad(text, start)):
        return abroad
    if digits in (1, 3) and (american := _match(_AMERICAN, text, begin)):
        return american
    if text[start] == "0" and digits > 1 and (elsewhere := _elsewhere(text, begin)):
        return elsewhere
    return _bare(text, start) if digits >= 3 else None


def _match(pattern: re.Pattern[str], text: str, start: int) -> Found | None:
    match = pattern.match(text, start)
    if match is None or not _ends(text, match.end()):
        return None
    sure = match.lastgroup == "mobile" and not match[0].isdigit()
    return _phone_found(text, *match.span()) if sure or not _is_other(text, *match.span()) else None


def _abroad(text: str, start: int) -> Found | None:
    """With a country code. After a ``+`` a likely length is enough: plans change."""
    match = _ABROAD.match(text, start)
    if match is None:
        return None
    end = _end_of_number(
        text,
        match,
        lambda spelled: _in_plan(
            re.sub(r"\(0\)|\D", "", spelled).removeprefix("011" if spelled.startswith("011") else "00")
        ),
    )
    if not end and match[0][0] == "+" and len(re.sub(r"\D", "", match[0])) >= 9 and _ends(text, match.end()):
        end = match.end()
    return _phone_found(text, start, end) if end else None


def _elsewhere(text: str, start: int) -> Found | None:
    """As it is written at home. Not in the midst of groups, as of a parcel's number."""
    match = _ELSEWHERE.match(text, start)
    if match is None or _DATE.match(text, start) or _IN_GROUPS.search(text, max(0, start - 2), start):
        return None
    end = _end_of_number(text, match, lambda spelled: bool(_home_plans().fullmatch(re.sub(r"\D", "", spelled)[1:])))
    return _phone_found(text, start, end) if end and not _is_other(text, start, end) else None


def _bare(text: str, start: int) -> Found | None:
    match = _BARE.match(text, start)
    if match is None or not _ends(text, match.end()):
        return None
    named = _named(text, start)
    near = not named and _PHONE_NEAR.search(text[match.end() : match.end() + 30].lower())
    return _phone_found(text, *match.span()) if named == "phone" or near else None


def _end_of_number(text: str, match: re.Match[str], is_number: Callable[[str], bool]) -> int:
    """Where the number ends that ``match`` begins with, 0 if none: it may reach into another one, so groups are left
    off until the rest is a number."""
    spelled = match[0]
    while len(spelled) >= 8:
        end = match.start() + len(spelled)
        if _ends(text, end) and is_number(spelled):
            return end
        spelled = _LAST_GROUP.sub("", spelled)
    return 0


def _in_plan(digits: str) -> bool:
    """Whether the digits are a country code and a number of that country."""
    for length in range(1, _LONGEST_COUNTRY_CODE + 1):
        if regions := COUNTRY_CODE_TO_REGION_CODE.get(int(digits[:length] or 0)):
            return bool(_plan(regions).fullmatch(digits[length:]))
    return False


def _home_plans() -> re.Pattern[str]:
    return _plan(_REGIONS)


@cache
def _plan(regions: tuple[str, ...]) -> re.Pattern[str]:
    """All numbers of these regions, without the leading 0. The library's own check takes 200 µs a number, this 2."""
    forms: list[str] = []
    for region in regions:
        plan = PhoneMetadata.metadata_for_region(region)
        if plan is not None:
            kinds = (plan.fixed_line, plan.mobile, plan.toll_free, plan.premium_rate, plan.shared_cost, plan.voip)
            kinds += (plan.personal_number, plan.uan, plan.pager)
            forms += [kind.national_number_pattern for kind in kinds if kind and kind.national_number_pattern]
    return re.compile("|".join(dict.fromkeys(forms)) or r"(?!)")


def _phone_found(text: str, start: int, end: int) -> Found:
    digits = re.sub(r"\(0\)|\D", "", text[start:end])
    abroad = text[start] == "+" or digits.startswith(("00", "82"))
    return Found(start, end, "PHONE", _KOREA.sub("0", digits) if abroad else digits)
