"""How many rows a night may delete without a person's word.

Belongs here: ``weigh``. Does not belong here: what is written (``tests/assets``, ``tests/resources``).
"""

import pytest

from domain.errors import CasebookError
from domain.replace import weigh


@pytest.mark.parametrize(("gone", "live"), [(50, 60), (100, 2000)])
def test_fifty_or_five_percent_go_without_asking(gone: int, live: int) -> None:
    weigh(gone, live, 0)
    with pytest.raises(CasebookError):
        weigh(gone + 1, live, 0)
    weigh(gone + 1, live, gone + 1)


@pytest.mark.parametrize(("gone", "live"), [(4, 4), (5, 10), (20, 41), (50, 1000), (100, 2000)])
def test_of_what_people_type_so_many_go_only_up_to_half(gone: int, live: int) -> None:
    weigh(gone, live, 0, is_typed=True)
    with pytest.raises(CasebookError, match=f"'casebook sync acme --only workbook --accept-deletions {gone + 1}'"):
        weigh(gone + 1, live, 0, is_typed=True, command="casebook sync acme --only workbook")
    weigh(gone + 1, live, gone + 1, is_typed=True)
