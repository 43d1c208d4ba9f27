"""The charts of a new workbook's dashboards.

Belongs here: which charts there are. Does not belong here: drawing them (``xlsx_layout``, ``google``), or the figures.
"""

from typing import Final

from domain.workbook_layout import DAILY, MONTHLY
from resources.workbook.base import Chart

_SHARES = ("tier1Share", "tier2Share", "tier3Share")
_TIMES = ("latencyP50", "latencyP95")

CHARTS: Final = (
    Chart(DAILY, "일별 질문 수", ("questions",), "column"),
    Chart(DAILY, "일별 Tier 비율", _SHARES),
    Chart(DAILY, "일별 응답 시간 (ms)", _TIMES),
    Chart(MONTHLY, "월별 질문 수", ("questions",), "column"),
    Chart(MONTHLY, "월별 Tier 비율", _SHARES, "column"),  # a line through the first month is no line
    Chart(MONTHLY, "월별 응답 시간 (ms)", _TIMES, "column"),
)
"""Questions, tiers and latency, of each day and of each month."""
