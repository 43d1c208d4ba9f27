"""How what is forgotten is hashed, and what is left out for it."""

import pytest

from domain.forgotten import Forgotten, address, digest, keys, requester_key, writes
from domain.ticket import Person

AT = "2026-05-01T12:00:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "kim@example.com", " Kim@Example.COM ", "Kim <kim@example.com>", '"Kim, J." <KIM@example.com>',
        "mailto:kim@example.com",
        "ｋｉｍ＠example.com", "kim@example.com.", "김 민준 <kim@example.com>",
    ],
)  # fmt: skip
def test_an_address_has_one_form(text: str) -> None:
    assert address(text) == "kim@example.com"


@pytest.mark.parametrize(("one", "other"), [("a@한국.kr", "A@xn--3e0b707e.kr"), ("STRASSE@x.de", "straße@x.de")])
def test_two_ways_to_write_an_address(one: str, other: str) -> None:
    assert address(one) == address(other) != ""


@pytest.mark.parametrize("text", ["", " ", "kim", "@", "kim@", "@example.com", "010-1234-5678"])
def test_what_is_no_address(text: str) -> None:
    assert address(text) == ""


def test_other_addresses_stay_others() -> None:
    assert len({address(one) for one in ("kim@a.com", "kim+1@a.com", "k.im@a.com", "kim@b.com", "kim@a.co")}) == 5


def test_a_digest_tells_company_kind_and_value_apart_and_not_what_they_are() -> None:
    seen = {
        digest(company, kind, value) for company in ("a", "b") for kind in ("document", "requester") for value in "12"
    }
    assert len(seen) == 8
    # A list that was written must be read by every later version.
    written = "ef1aca583687421526b8ca21c27c2f75812dce1e919185b927cde096d07b7bed"
    assert digest("acme", "requester", "kim@example.com") == written
    assert len(digest("acme", "document", "lone \ud800")) == 64


def test_a_person_is_known_by_address_and_by_the_helpdesks_id() -> None:
    assert keys(Person("77", "Kim", "Kim@Example.com")) == ["kim@example.com", "id 77"]
    assert keys(Person("", "Kim", "")) == []
    assert requester_key("77") in keys(Person("77"))
    assert requester_key("KIM@example.com") in keys(Person(email="kim@example.com"))


def test_tickets_written_up_to_the_moment_are_left_out() -> None:
    listed = Forgotten(
        "acme", {digest("acme", "requester", "kim@example.com"): AT, digest("acme", "document", "7"): AT}
    )
    kim, lee = Person("1", "", "KIM@example.com"), Person("2", "", "lee@example.com")
    assert listed
    assert listed.ticket_of(kim, "2026-05-01T12:00:00Z")
    assert listed.ticket_of(kim, "2026-05-01")
    assert listed.ticket_of(kim, "")
    assert not listed.ticket_of(kim, "2026-05-01T12:00:01Z")
    assert not listed.ticket_of(lee, "2026-04-01T00:00:00Z")
    assert listed.document("7")
    assert not listed.document("8")
    assert not Forgotten("beta", {digest("acme", "document", "7"): AT}).document("7")
    assert not Forgotten("acme", {})


def test_a_vote_goes_by_the_address_or_the_id_of_who_gave_it() -> None:
    listed = Forgotten("acme", {digest("acme", "requester", one): AT for one in ("kim@example.com", "id 9")})
    assert listed.vote_of("Kim <KIM@example.com>", AT)
    assert listed.vote_of("9", AT)
    assert not listed.vote_of("9", "2026-05-01T12:00:01Z")
    assert not listed.vote_of("lee@example.com", AT)
    assert not listed.vote_of("", AT)


def test_an_address_is_found_in_a_text_and_not_in_a_longer_address() -> None:
    for text in ("KIM@Example.com", "메일:kim@example.com으로", '{"a": "x\\nkim@example.com."}', "<kim@example.com>"):
        assert writes("kim@example.com", text)
    for text in (
        "joakim@example.com",
        "s.kim@example.com",
        "kim@example.com.au",
        "kim@example.company",
        "kim@example,com",
    ):
        assert not writes("kim@example.com", text)
    assert not writes("", "kim@example.com")
