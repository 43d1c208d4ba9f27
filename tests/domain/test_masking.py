"""What leaves to an outside service holds no personal data, what comes back has it again, and all else is untouched."""

import re
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.company import OUTSIDE_SERVICES, Company, company_id, read_setting
from domain.errors import InputError
from domain.masking import Json, mask, mask_for, redact, redact_for, unmask
from domain.personal_data import find
from tests.domain.masking_samples import LANGUAGES, TYPES, samples

MAIL, PHONE = "kim@example.com", "010-1234-5678"


# -- recall and precision --------------------------------------------------------------------------------------------


def score(language: str, parts: tuple[int, ...]) -> dict[str, tuple[float, float, int, int]]:
    """Recall, precision, samples and wrong finds by type. Found is only what begins and ends where the datum does."""
    there, right, wrong = Counter[str](), Counter[str](), Counter[str]()
    for sample in (sample for part in parts for sample in samples(language, part)):
        there[sample.type] += 1
        found = [(datum.kind, sample.text[datum.start : datum.end]) for datum in find(sample.text)]
        right[sample.type] += (sample.type, sample.datum) in found
        wrong.update(kind for kind, text in found if (kind, text) != (sample.type, sample.datum))
    return {
        kind: (right[kind] / there[kind], right[kind] / (right[kind] + wrong[kind] or 1), there[kind], wrong[kind])
        for kind in TYPES
    }


@pytest.mark.parametrize("parts", [(0, 1), (1,)], ids=["all", "kept back"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_recall_and_precision(language: str, parts: tuple[int, ...]) -> None:
    scores = score(language, parts)
    table = "\n".join(
        f"{language} {kind:6} recall {recall:.3f} precision {precision:.3f} of {there}, {wrong} wrong"
        for kind, (recall, precision, there, wrong) in scores.items()
    )
    assert all(there >= (200 if len(parts) == 2 else 60) for *_, there, _ in scores.values()), table
    assert all(recall >= 0.98 and precision >= 0.95 for recall, precision, *_ in scores.values()), "\n" + table


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_look_alikes(language: str) -> None:
    assert sum(not sample.type for part in (0, 1) for sample in samples(language, part)) >= 200


@pytest.mark.parametrize(
    ("text", "datum"),
    [
        ("010-1234-5678로 연락", PHONE),
        ("연락처010-1234-5678", PHONE),
        ("대표번호1668-1280", "1668-1280"),
        ("끝에 010-1234-5678", PHONE),
        ("010-1234-5678\n다음 줄", PHONE),
        ("010\u200b-1234\u200b-5678 숨은 글자", "010\u200b-1234\u200b-5678"),
        ("010‑1234‑5678", "010‑1234‑5678"),
        ("０１０ １２３４ ５６７８", "０１０ １２３４ ５６７８"),
        ("<a href='tel:+821012345678'>", "+821012345678"),
        ("<a href='mailto:kim@example.com'>", MAIL),
        ("?email=kim%40example.com&x=1", "kim%40example.com"),
        ("kim@example.com입니다. 감사합니다", MAIL),
        ("Mail kim@example.com.", MAIL),
        ("kim@example.com1588-99", MAIL),
        ("kim (at) example (dot) com", "kim (at) example (dot) com"),
        ("kim＠example．com", "kim＠example．com"),
        ("(010)1234-5678", "(010)1234-5678"),
        ("010_1234_5678", "010_1234_5678"),
        ("(02-123-4567)", "02-123-4567"),
        ("1,010-1234-5678,3", PHONE),
        ("011 44 20 7946 0958", "011 44 20 7946 0958"),
        ("+1 415 555 0132 3 times", "+1 415 555 0132"),
        ("4111 1111 11111111", "4111 1111 11111111"),
        ("PW: Abcd1234", "Abcd1234"),
        ("카드 4111 1111 1111 1111 123 입니다", "4111 1111 1111 1111"),
        ("계좌 de89 3704 0044 0532 0130 00로", "de89 3704 0044 0532 0130 00"),
        ("DE89 3704 0044 0532 0130 00 please", "DE89 3704 0044 0532 0130 00"),
        ("내 번호 9870347384 정지", "9870347384"),
        ("M.010-9688-0087 T.", "010-9688-0087"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1h\ncut here", None),
    ],
)
def test_where_a_datum_begins_and_ends(text: str, datum: str | None) -> None:
    expected = datum or text.removesuffix("\ncut here")
    assert [text[found.start : found.end] for found in find(text)] == [expected]


def test_data_that_touch_are_told_apart() -> None:
    two = f"{PHONE},010-2222-3333"
    assert [two[found.start : found.end] for found in find(two)] == [PHONE, "010-2222-3333"]
    glued = f"{MAIL}{PHONE}"
    assert [glued[found.start : found.end] for found in find(glued)] == [MAIL, PHONE]


@pytest.mark.parametrize(
    "text",
    [
        "정원 1600-1800명",
        "예산 1500-1600만원",
        "02-2024",
        "01-02-2024 03-04-2024",
        "1,234,567,890",
        "PO 415-555-0123-99",
    ],
)
def test_what_only_looks_like_a_telephone_number_stays(text: str) -> None:
    assert find(text) == []


def test_a_card_number_must_check() -> None:
    assert find("카드 4111 1111 1111 1112") == []


def test_a_resident_number_needs_a_day_of_birth_and_without_a_hyphen_its_check_digit_or_name() -> None:
    assert [found.kind for found in find("850315-1234567")] == ["RRN"]  # since 2020 no check digit is promised
    assert find("851315-1234567") == []
    assert find("850315-9234567") == []
    assert find("1711234567890") == []  # milliseconds
    assert [found.kind for found in find("주민번호 2101053012345")] == ["RRN"]


# -- there and back --------------------------------------------------------------------------------------------------


def test_a_datum_has_one_placeholder_in_a_document() -> None:
    document: Json = {
        "subject": f"Call {PHONE}",
        "thread": [f"{MAIL} or 01012345678", {"from": "KIM@example.com", "to": "lee@example.com"}],
        "id": 4111111111111111,
        "spam": False,
        "none": None,
    }
    masked = mask(document)
    assert masked.value == {
        "subject": "Call [PHONE_1]",
        "thread": ["[EMAIL_1] or [PHONE_1]", {"from": "[EMAIL_1]", "to": "[EMAIL_2]"}],
        "id": 4111111111111111,
        "spam": False,
        "none": None,
    }
    assert masked.originals == {"[PHONE_1]": PHONE, "[EMAIL_1]": MAIL, "[EMAIL_2]": "lee@example.com"}


def test_equal_documents_are_masked_alike_whatever_the_order_of_their_keys() -> None:
    one: Json = {"a": "x@example.com", "b": "y@example.com"}
    other: Json = {"b": "y@example.com", "a": "x@example.com"}
    assert mask(one) == mask(other)
    assert list(mask(other).value) == ["b", "a"]  # type: ignore[arg-type]


def test_the_name_of_the_field_tells_what_a_number_is() -> None:
    document: Json = {"phone": "4155550132", "order_id": "4155550132", "api_key": "Zx81kPq077Lm"}
    assert mask(document).value == {"phone": "[PHONE_1]", "order_id": "4155550132", "api_key": "[SECRET_1]"}
    assert mask({"body_text": "4155550132 shows"}).originals == {}


@pytest.mark.parametrize(
    "said",
    [
        "[EMAIL_1]",
        "[EMAIL_1]로",
        "[email_1]",
        "[ EMAIL_1 ]",
        "[EMAIL 1]",
        "[EMAIL-1]",
        "[Email1]",
        "EMAIL_1",
        "[EMAIL_1",
        "EMAIL_1]",
        "[EMAIL _1]",
        r"\[EMAIL\_1\]",
        r"[EMAIL\_1]",
        "【EMAIL_1】",
        "［EMAIL＿1］",
        "［ＥＭＡＩＬ＿１］",
        "[EMAIL_01]",
        "[이메일_1]",
        "[E-mail_1]",
    ],
)
def test_what_models_do_to_placeholders(said: str) -> None:
    particle = "".join(re.findall("[으로]+$", said))
    assert unmask(f"문의 {said} 끝", {"[EMAIL_1]": MAIL}) == f"문의 {MAIL}{particle} 끝"


@pytest.mark.parametrize(
    ("said", "back"),
    [
        ("<EMAIL_1>", f"<{MAIL}>"),
        ("<[EMAIL_1]>", f"<{MAIL}>"),
        ("([EMAIL_1])", f"({MAIL})"),
        ("[[EMAIL_1]]", f"[{MAIL}]"),
        ("{{EMAIL_1}}", f"{{{{{MAIL}}}}}"),
    ],
)
def test_other_brackets_are_the_sentences(said: str, back: str) -> None:
    assert unmask(said, {"[EMAIL_1]": MAIL}) == back


@pytest.mark.parametrize(
    "said",
    [
        "[EMAIL_2]",
        "[EMAIL_12]",
        "[PHONE_1]",
        "email 1 of 3",
        "EMAIL_1_2x",
        "MYEMAIL_1",
        "email_1@example.org",
        "[NAME_1]",
        "［メモ］",
        "[EMAİL_1]",
    ],
)
def test_an_unknown_placeholder_is_not_obeyed(said: str) -> None:
    assert unmask(said, {"[EMAIL_1]": MAIL}) == said


@pytest.mark.parametrize(
    "source", ["[EMAIL_1]", "email_1", "[E\u200bMAIL_1]", "［ＥＭＡＩＬ＿１］", "[이메일 1]", "EMAIL 1", "[EMAIL_01]"]
)
def test_a_ticket_that_writes_a_placeholder_gets_nobodys_data(source: str) -> None:
    masked = mask(f"Template says {source}. Mine is {MAIL}")
    assert masked.originals == {"[EMAIL_2]": MAIL}
    assert masked.unmask("[EMAIL_1] and [EMAIL_2]") == f"[EMAIL_1] and {MAIL}"


def test_every_sample_comes_back_as_it_was() -> None:
    for sample in (sample for language in LANGUAGES for part in (0, 1) for sample in samples(language, part)):
        masked = mask(sample.text)
        assert masked.unmask(masked.value) == sample.text


PIECES = st.sampled_from(
    [
        MAIL,
        PHONE,
        "[EMAIL_1]",
        "email_2",
        "［PHONE＿1］",
        "[",
        "]",
        "_",
        "1",
        " ",
        "@",
        "-",
        "\u200b",
        "한글로",
        "０１０",
    ]
)


@given(st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join))
def test_any_text_comes_back(text: str) -> None:
    masked = mask(text)
    spellings = Counter(found.same for found in find(text))
    if len(masked.originals) == len({text[found.start : found.end] for found in find(text)}):
        assert masked.unmask(masked.value) == text
    assert len(masked.originals) == len(spellings)


def test_redacted_texts_are_equal_when_only_the_data_differ() -> None:
    one, other = (
        redact({"text": f"{mail} 로 회신, {phone}"}) for mail, phone in ((MAIL, PHONE), ("a@b.io", "02-123-4567"))
    )
    assert one == other == {"text": "[EMAIL] 로 회신, [PHONE]"}
    assert redact(one) == one


# -- the company's choice --------------------------------------------------------------------------------------------


def test_masking_is_on_for_all_outside_services_unless_the_company_says_otherwise() -> None:
    def company(**settings: object) -> Company:
        return Company(company_id("acme"), "export", "x.csv", settings)

    for service in OUTSIDE_SERVICES:
        assert mask_for(company(), service, MAIL).value == "[EMAIL_1]"
        assert redact_for(company(), service, MAIL) == "[EMAIL]"
        off = mask_for(company(masking="off"), service, MAIL)
        assert (off.value, off.originals) == (MAIL, {})
        assert redact_for(company(masking="off"), service, MAIL) == MAIL
    own_llm = company(outside_services=read_setting("outside_services", "rerankers, Embeddings"))
    assert mask_for(own_llm, "llm", MAIL).value == MAIL
    assert redact_for(own_llm, "embeddings", MAIL) == "[EMAIL]"


def test_outside_services_are_named() -> None:
    assert read_setting("outside_services", "rerankers,llm") == ["llm", "rerankers"]
    assert read_setting("outside_services", "none") == []
    for wrong in ("", "gpt", "llm,none"):
        with pytest.raises(InputError, match="outside_services"):
            read_setting("outside_services", wrong)


# -- time ------------------------------------------------------------------------------------------------------------

MEGABYTE = 1_000_000
HOSTILE = [
    *(
        "1",
        "@",
        "-",
        "0",
        "a",
        " ",
        "(",
        "[",
        "+",
        "=",
        "１",
        "1 ",
        "1-",
        "(0",
        "12-",
        "0 1",
        "a@",
        "a.",
        "@a.",
        "+1",
        "00 ",
    ),
    *("DE89 ", "AB12 ", "4444 ", "01 23 ", "1\u200b", "key=", "api_key=a", "bearer ", "sk-", "-eyJ", "eyJaaaaaaaa."),
    *("://a:", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "EMAIL_", "EMAIL", "[EMAIL_", "010-", "한@"),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_texts_take_time_in_proportion_to_their_length(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        started = time.process_time()
        masked = mask(text)
        unmask(text, {"[EMAIL_1]": MAIL, **masked.originals})
        return time.process_time() - started

    # A tenth is enough to tell: a quadratic search would take a minute for it, on a slow machine minutes.
    assert seconds(MEGABYTE // 10) < 10


@pytest.mark.parametrize("piece", ["1", "@", "-"])
def test_a_megabyte_of_one_character(piece: str) -> None:
    started = time.process_time()
    assert mask(piece * MEGABYTE).originals == {}
    assert time.process_time() - started < 4


def test_placeholders_read_as_their_kind() -> None:
    text = f"{MAIL} {PHONE} 4111 1111 1111 1111 850315-1234567 DE89370400440532013000 password=Tr0ub4dor3x"
    value = mask(text).value
    assert isinstance(value, str)
    assert re.findall(r"\[(\w+)_1\]", value) == ["EMAIL", "PHONE", "CARD", "RRN", "IBAN", "SECRET"]


def test_numbers_that_are_not_strings_are_masked_by_the_same_rules() -> None:
    document = {"phone": 1012345678, "card": 4111111111111111, "order_id": 20260115001234, "count": 7, "open": True}
    masked = mask(document)
    assert masked.value == {
        "phone": "[PHONE_1]",
        "card": "[CARD_1]",
        "order_id": 20260115001234,
        "count": 7,
        "open": True,
    }
    assert masked.unmask(masked.value) == {**document, "phone": "1012345678", "card": "4111111111111111"}


@pytest.mark.parametrize(
    "text",
    [
        "Option (email 1)",
        "email_1.png",
        "Set field email_1",
        "form.EMAIL_1=",
        "{{email_1}}",
        "?f=EMAIL_1",
        "(메일 1)",
        "email 1",
    ],
)
def test_what_only_looks_like_a_placeholder_is_the_texts_own(text: str) -> None:
    """Nobody's address may appear where it was not."""
    assert unmask(text, {"[EMAIL_1]": "kim@example.com"}) == text
