"""Near-duplicate hits: copies become one, everything that may be another case stays.

Belongs here: ``domain/near_duplicates``. Does not belong here: what a search does with groups (``tests/query``).
"""

import pytest

from domain.near_duplicates import group

WIFI = (
    "Thermostat keeps dropping off the WiFi\n"
    "The thermostat in our hall loses its connection every night around the same time, and only comes back after the "
    "breaker was switched off and on again."
)
INVOICE_KO = (
    "결제 오류로 청구서를 받을 수 없음\n"
    "지난달 청구서를 내려받으려고 하면 결제 오류 화면이 나오면서 처음 화면으로 돌아가고 다시 시도해도 같습니다."
)

SAME = {
    "exactly": (WIFI, WIFI),
    "forwarded": (WIFI, "Fwd: RE: " + WIFI),
    "labelled": (INVOICE_KO, "[긴급] " + INVOICE_KO),
    "greeted": (WIFI, WIFI.replace("\n", "\nHi team, ") + " Please help asap, thanks!"),
    "greeted in Korean": (INVOICE_KO, INVOICE_KO + " 빠른 확인 부탁드립니다."),
    "shouted": (WIFI, WIFI.replace("keeps", "KEEPS") + "!!!"),
    "mistyped": (WIFI, WIFI.replace("thermostat in", "thermsotat in").replace("connection", "conection")),
    "mistyped in Korean": (
        INVOICE_KO,
        INVOICE_KO.replace("결제 오류 화면", "결재 오류 화면"),
    ),
    "another particle": (INVOICE_KO, INVOICE_KO.replace("지난달 청구서를", "지난달 청구서는")),
    "continued": (WIFI, WIFI + " We have had it for years."),
    "full-width": ("Printer jam in tray 2", "Ｐrinter jam in tray ２"),
}

OTHERS = {
    "another code": ("Boiler shows error E-4711 after restart", "Boiler shows error E-4712 after restart"),
    "a code that one lacks": ("Boiler shows error E-4711 after restart", "Boiler shows error after restart"),
    "another number": ("Invoice 20931 is missing from my account", "Invoice 20932 is missing from my account"),
    "another version": (WIFI + " Firmware 4.1.2 is installed.", WIFI + " Firmware 4.1.3 is installed."),
    "another product": ("My Acme Router is offline since noon", "My Acme Camera is offline since noon"),
    "a longer product name": (
        "We use the Acme Pro for calls in the office",
        "We use the Acme Pro Max for calls in the office",
    ),
    "one word replaced": (WIFI, WIFI.replace("thermostat", "doorbell").replace("Thermostat", "Doorbell")),
    "one Korean word replaced": (INVOICE_KO, INVOICE_KO.replace("청구서", "계약서")),
    "received and sent": ("문자 수신이 갑자기 끊어지는 문제", "문자 발신이 갑자기 끊어지는 문제"),
    "denied": ("The export button is shown in the report view", "The export button is not shown in the report view"),
    "denied in Korean": ("모바일 화면에서 알림이 보입니다", "모바일 화면에서 알림이 안 보입니다"),
    "the opposite": ("How do I install the connector on Windows", "How do I uninstall the connector on Windows"),
    "a paraphrase": ("How can I change my delivery address", "I moved house: where should my new address go"),
    "nothing said": ("", ""),
    "only a greeting": ("Hello, please help!", "Hi, thanks!"),
}


@pytest.mark.parametrize(("first", "second"), SAME.values(), ids=SAME)
def test_a_copy_goes_with_its_leader(first: str, second: str) -> None:
    assert group([first, second]) == [[0, 1]]
    assert group([second, first]) == [[0, 1]]


@pytest.mark.parametrize(("first", "second"), OTHERS.values(), ids=OTHERS)
def test_what_may_be_another_case_stays_by_itself(first: str, second: str) -> None:
    assert group([first, second]) == [[0], [1]]


def test_groups_stand_in_the_order_of_their_leaders() -> None:
    texts = [WIFI, INVOICE_KO, "Fwd: " + WIFI, "Printer jam in tray 2", "[긴급] " + INVOICE_KO, WIFI]
    assert group(texts) == [[0, 2, 5], [1, 4], [3]]


def test_a_key_keeps_texts_apart() -> None:
    assert group([WIFI] * 3, ["hall", "attic", "hall"]) == [[0, 2], [1]]
    with pytest.raises(ValueError):
        group([WIFI] * 3, ["hall"])


def test_two_hundred_hits_are_grouped_at_once() -> None:
    words = WIFI.split()
    texts = [" ".join(words[at % 20 :] + words[: at % 20]) for at in range(200)]
    assert sorted(place for one in group(texts) for place in one) == list(range(200))
