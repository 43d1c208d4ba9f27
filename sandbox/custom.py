"""What an account has made its own: statuses beyond Freshdesk's, and ticket fields, with their values in its tickets.

Belongs here: their names, numbers, labels and choices in both languages, and which ticket has which.
Does not belong here: the fields that every account has (``shape``). A world has none of this unless it is asked for.
"""

import re
from typing import Any

from sandbox.corpus import draw
from sandbox.shape import Json

#: number → the agents' name, the customers' name, in the helpdesk's language. 12 means that it is done.
STATUSES: dict[str, dict[int, tuple[str, str]]] = {
    "ko": {
        8: ("개발팀 확인 중", "처리 중"),
        9: ("현장 방문 예정", "방문 예정"),
        12: ("업데이트로 해결됨", "해결됨"),
    },
    "en": {
        8: ("With Engineering", "Being Processed"),
        9: ("Waiting for Delivery", "Parts on their way"),
        12: ("Solved by Update", "Solved"),
    },
}
#: The category that Zendesk gives each.
CATEGORIES = {8: "hold", 9: "pending", 12: "solved"}

#: name → label, type, choices.
_Field = tuple[str, str, Any]
FIELDS: dict[str, dict[str, _Field]] = {
    "ko": {
        "cf_contract": ("계약 유형", "custom_dropdown", ["스탠다드", "프로", "엔터프라이즈"]),
        "cf_error_code": ("오류 코드", "custom_text", None),
        "cf_affected": ("영향 인원", "custom_number", None),
        "cf_reproduced": ("재현됨", "custom_checkbox", None),
        "cf_due_day": ("고객 희망일", "custom_date", None),
        "cf_area": (
            "기능 영역",
            "nested_field",
            {"업무": {"전자결재": ["결재선", "양식"], "근태": ["출퇴근", "연차"]}, "기반": {"로그인": ["OTP", "SSO"]}},
        ),
    },
    "en": {
        "cf_contract": ("Contract", "custom_dropdown", ["Basic", "Business", "Enterprise"]),
        "cf_error_code": ("Error code", "custom_text", None),
        "cf_affected": ("Devices affected", "custom_number", None),
        "cf_reproduced": ("Reproduced", "custom_checkbox", None),
        "cf_due_day": ("Wanted by", "custom_date", None),
        "cf_area": (
            "Area",
            "nested_field",
            {"Devices": {"Thermostat": ["Wi-Fi", "Sensor"], "Camera": ["Night", "Clips"]}, "Cloud": {"API": ["Keys"]}},
        ),
    },
}
#: The second and third level of ``cf_area``: fields of their own in a ticket.
LEVELS = {"ko": ("기능", "세부 기능"), "en": ("Function", "Detail")}

_CODE = re.compile(r"\b[A-Z]{1,4}-\d{2,5}\b")


def apply(record: Json, language: str) -> None:
    """Give a ticket its values, the same every time; nothing else in it changes."""
    key = str(record["id"])
    if record["status"] in (2, 3, 6, 7) and draw(key, "custom status", 3) == 0:
        record["status"] = 8 + draw(key, "which status", 2)
    elif record["status"] == 4 and draw(key, "custom status", 6) == 0:
        record["status"] = 12
    code = _CODE.search(f"{record['subject']} {record['description_text']}")
    path = _area(key, FIELDS[language]["cf_area"][2])
    filled = draw(key, "filled", 4)
    record["custom_fields"] = {
        "cf_contract": FIELDS[language]["cf_contract"][2][draw(key, "contract", 3)] if filled else None,
        "cf_error_code": code[0] if code else None,
        "cf_affected": 1 + draw(key, "affected", 60) if filled > 1 else None,
        "cf_reproduced": draw(key, "reproduced", 2) == 1,
        "cf_due_day": record["created_at"][:10] if filled == 1 else None,
        "cf_area": path[0],
        "cf_area_2": path[1],
        "cf_area_3": path[2],
    }


def _area(key: str, tree: Any) -> tuple[str | None, ...]:
    """A path through the nested choices, from none to three levels deep."""
    path: list[str | None] = []
    for level in range(draw(key, "depth", 4)):
        names = [*tree]
        path.append(names[draw(key, f"level {level}", len(names))])
        tree = tree[path[-1]] if isinstance(tree, dict) else None
    return (*path, *([None] * (3 - len(path))))


def ticket_fields(language: str, created_at: str) -> list[Json]:
    """The fields' own records, in Freshdesk's shape, behind those that every account has."""
    first, position = 153_000_400_001, 11
    return [
        {
            "id": first + number,
            "name": name,
            "label": label,
            "description": None,
            "position": position + number,
            "required_for_closure": False,
            "required_for_agents": False,
            "type": kind,
            "default": False,
            "customers_can_edit": False,
            "label_for_customers": label,
            "required_for_customers": False,
            "displayed_to_customers": False,
            "created_at": created_at,
            "updated_at": created_at,
        }
        | ({} if choices is None else {"choices": choices})
        | ({"nested_ticket_fields": _nested(language, first + number, created_at)} if kind == "nested_field" else {})
        for number, (name, (label, kind, choices)) in enumerate(FIELDS[language].items())
    ]


def _nested(language: str, parent: int, created_at: str) -> list[Json]:
    return [
        {
            "id": parent + 100 + level,
            "name": f"cf_area_{level}",
            "label": label,
            "label_in_portal": label,
            "description": None,
            "level": level,
            "ticket_field_id": parent,
            "created_at": created_at,
            "updated_at": created_at,
        }
        for level, label in enumerate(LEVELS[language], start=2)
    ]


def labels(language: str) -> dict[str, str]:
    """The labels of all names that a ticket's ``custom_fields`` can have."""
    named = {name: label for name, (label, _, _) in FIELDS[language].items()}
    return named | {f"cf_area_{level}": label for level, label in enumerate(LEVELS[language], start=2)}
