"""The workbook's tabs and columns, spelled exactly as the specification has them (spec sheets.ko.md), and our own two.

Belongs here: names, columns and their kinds, who writes a tab, the rows that a new workbook begins with. Does not belong
here: reading a cell (``workbook_rows``), the rules of writing well (``workbook_check``), or any file format
(``resources/workbook``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

TITLE: Final = "BizSupportBot_Data"
"""What a new workbook is called."""

FAQ: Final = "FAQ"
FAQ_INDEX: Final = "FAQ_키워드인덱스"
CONTACTS: Final = "담당자"
CONVERSATIONS: Final = "대화이력"
OPERATIONS: Final = "운영로그"
DAILY: Final = "대시보드_일간"
MONTHLY: Final = "대시보드_월간"
PROPOSALS: Final = "FAQ_제안"
ARCHIVE: Final = "대화이력_보관"

CATEGORIES: Final = ("인사", "총무", "회계")
"""The three categories of the specification; a company may have others, which a check then names."""
REGULATIONS: Final[Mapping[str, str]] = {category: f"규정_{category}" for category in CATEGORIES}
"""The tab of each category's regulations."""

Kind = Literal["text", "long", "list", "date", "datetime", "boolean", "number", "url", "email", "choice"]
Writer = Literal["staff", "both", "bot"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``required``: a row without it is a bad row. ``choices`` are what a drop-down offers; others may be typed.
    ``meaning`` is what the header's note says, in Korean and English."""

    name: str
    kind: Kind
    meaning: tuple[str, str]
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """One tab. ``writer``: "staff" is edited by people, "bot" is protected for Casebook, "both" (the keyword index, the
    proposals) is written by Casebook and edited by people. ``examples`` are the rows of a new workbook, in the columns'
    order."""

    name: str
    columns: tuple[Column, ...]
    writer: Writer
    examples: tuple[tuple[str, ...], ...] = ()

    @property
    def header(self) -> list[str]:
        return [column.name for column in self.columns]


def _text(name: str, ko: str, en: str, *, required: bool = False) -> Column:
    return Column(name, "text", (ko, en), required)


_CATEGORY = Column("category", "choice", ("대분류 (인사/총무/회계)", "main category"), True, CATEGORIES)
_SUB_CATEGORY = _text("subCategory", "소분류", "sub-category")
_UPDATED = Column("lastUpdated", "date", ("최종 수정일", "last edited"))

_REGULATION = (
    _text("regulationId", "고유 ID", "unique id", required=True),
    _text("title", "규정 제목", "title of the regulation", required=True),
    _text("section", "조항 번호", "number of the article"),
    Column("content", "long", ("규정 내용 (본문)", "what it says: one article a row, 500 characters at most"), True),
    Column("summary", "long", ("요약 (1-2줄)", "summary, one or two lines")),
    Column("effectiveDate", "date", ("시행일", "in force from")),
    Column("sourceUrl", "url", ("원문 링크 (Confluence 등)", "link to the original")),
    Column("tags", "list", ("검색 태그 (쉼표 구분)", "tags for the search, with commas between them")),
    _UPDATED,
)
_TURN = (
    _text("sessionId", "세션 ID", "session", required=True),
    _text("userId", "네이버웍스 사용자 ID", "user", required=True),
    Column("timestamp", "datetime", ("메시지 시각", "when"), True),
    Column("role", "choice", ("발화자 (user / bot)", "who speaks"), True, ("user", "bot")),
    Column("message", "long", ("메시지 내용", "what was said"), True),
    Column("category", "choice", ("분류된 카테고리", "category"), False, CATEGORIES),
    Column("tier", "choice", ("응답 Tier (1/2/3)", "tier of the answer"), False, ("1", "2", "3")),
    Column("isEscalated", "boolean", ("에스컬레이션 여부", "whether a person was named")),
)


def _figures(first: Column) -> tuple[Column, ...]:
    def number(name: str, ko: str, en: str) -> Column:
        return Column(name, "number", (ko, en))

    return (
        first,
        number("questions", "질문 수", "questions"),
        number("tier1", "Tier 1 응답", "answered by tier 1"),
        number("tier2", "Tier 2 응답", "answered by tier 2"),
        number("tier3", "Tier 3 응답", "answered by tier 3"),
        number("tier1Share", "Tier 1 비율", "share of tier 1"),
        number("tier2Share", "Tier 2 비율", "share of tier 2"),
        number("tier3Share", "Tier 3 비율", "share of tier 3"),
        *(number(category, f"{category} 질문 수", f"questions on {category}") for category in CATEGORIES),
        number("other", "기타 질문 수", "other questions"),
        number("unanswered", "미응답 수", "questions without an answer"),
        number("escalated", "에스컬레이션 수", "escalations"),
        number("latencyP50", "응답 시간 중앙값 (ms)", "median time to an answer, ms"),
        number("latencyP95", "응답 시간 95% (ms)", "95th percentile of it, ms"),
        number("thumbsUp", "좋아요", "thumbs up"),
        number("thumbsDown", "싫어요", "thumbs down"),
        _text("topKeywords", "상위 키워드", "the words asked for most"),
    )


LAYOUTS: Final[tuple[Layout, ...]] = (
    Layout(
        FAQ,
        (
            _text("faqId", "고유 ID", "unique id", required=True),
            _CATEGORY,
            _SUB_CATEGORY,
            Column(
                "keywords", "list", ("매칭 키워드 (쉼표 구분)", "3 to 6 words people use, with commas between them")
            ),
            Column("question", "long", ("대표 질문", "the question"), True),
            Column("answer", "long", ("검증된 답변", "the verified answer: path, date, amount"), True),
            _text("source", "근거 규정", "the regulation behind it"),
            Column("isActive", "boolean", ("활성 여부", "whether it is used")),
            _UPDATED,
        ),
        "staff",
        (
            (
                "FAQ-HR-001",
                "인사",
                "연차휴가",
                "연차,남은연차,잔여연차,휴가일수",
                "연차 남은 일수를 어떻게 확인하나요?",
                "네이버웍스 > 근태관리 > 잔여휴가에서 확인 가능합니다.",
                "연차휴가 규정 제3조",
                "TRUE",
                "2026-02-19",
            ),
        ),
    ),
    Layout(
        FAQ_INDEX,
        (
            _text("keyword", "정규화 키워드", "the keyword, normalised", required=True),
            Column("faqIds", "list", ("매칭 FAQ ID 목록(`,` 구분)", "ids of FAQs, with commas between them"), True),
            Column("weight", "number", ("키워드 중요도(1~5)", "how much it tells, 1 to 5")),
            Column("synonyms", "list", ("동의어/표현 변형(`,` 구분)", "other words for it")),
            _UPDATED,
        ),
        "both",
        (("연차", "FAQ-HR-001", "4", "휴가,연차휴가,연차사용", "2026-02-19"),),
    ),
    *(
        Layout(
            tab,
            _REGULATION,
            "staff",
            (
                (
                    "REG-HR-001",
                    "연차휴가 사용 규정",
                    "제5조",
                    "제5조 (연차휴가 부여) 연차휴가는 입사일 기준으로 1년간 80% 이상 출근한 직원에게 15일을 부여한다.",
                    "연차 부여 기준 및 사용 방법",
                    "2025-01-01",
                    "",
                    "연차,휴가,부여,사용",
                    "2026-02-01",
                ),
            )
            if category == "인사"
            else (),
        )
        for category, tab in REGULATIONS.items()
    ),
    Layout(
        CONTACTS,
        (
            _CATEGORY,
            _SUB_CATEGORY,
            _text("team", "담당팀", "team", required=True),
            _text("name", "담당자명", "name", required=True),
            _text("contact", "연락처 (내선/메신저)", "extension or messenger", required=True),
            Column("email", "email", ("이메일", "e-mail")),
            _text("note", "비고", "remark"),
        ),
        "staff",
        (("인사", "연차휴가", "인사팀", "홍길동", "내선 1234", "hong@company.example", "오전에 연락 선호"),),
    ),
    Layout(CONVERSATIONS, _TURN, "bot"),
    Layout(
        OPERATIONS,
        (
            Column("timestamp", "datetime", ("응답 시각", "when"), True),
            _text("sessionId", "세션 ID", "session", required=True),
            _text("userId", "사용자 ID", "user", required=True),
            Column("category", "choice", ("분류된 카테고리", "category"), False, CATEGORIES),
            Column("tier", "choice", ("응답 Tier (1/2/3)", "tier of the answer"), True, ("1", "2", "3")),
            _text("sourceId", "근거 문서 ID", "what the answer was taken from"),
            Column("score", "number", ("점수 (0~1)", "score, 0 to 1")),
            Column("latencyMs", "number", ("응답 시간 (ms)", "milliseconds to the answer")),
            Column("isEscalated", "boolean", ("에스컬레이션 여부", "whether a person was named")),
            _text("feedback", "피드백 (up/down)", "thumbs up or down"),
        ),
        "bot",
    ),
    Layout(DAILY, _figures(Column("date", "date", ("날짜", "day"), True)), "bot"),
    Layout(MONTHLY, _figures(_text("month", "월", "month", required=True)), "bot"),
    Layout(
        PROPOSALS,
        (
            _text("proposalId", "제안 ID", "id of the proposal", required=True),
            Column(
                "isAccepted", "boolean", ("승인 (TRUE로 바꾸면 다음 동기화에 FAQ가 됩니다)", "TRUE makes it an FAQ")
            ),
            _CATEGORY,
            _SUB_CATEGORY,
            Column("keywords", "list", ("매칭 키워드 (쉼표 구분)", "keywords")),
            Column("question", "long", ("제안 질문", "proposed question"), True),
            Column("answer", "long", ("제안 답변 (승인 전 확인하세요)", "proposed answer, to be verified")),
            Column("evidence", "list", ("근거 (티켓/질문)", "tickets and questions behind it")),
            Column("count", "number", ("건수", "how often it was asked")),
            Column("kind", "choice", ("종류", "kind"), False, ("new", "stale")),
            _UPDATED,
        ),
        "both",
    ),
    Layout(ARCHIVE, (*_TURN, Column("archivedAt", "date", ("보관일", "when it was moved here"))), "bot"),
)
"""All tabs in the order of a new workbook: the ten of the specification, then ``FAQ_제안`` and ``대화이력_보관``."""

LAYOUT: Final[Mapping[str, Layout]] = {layout.name: layout for layout in LAYOUTS}
READ_WHOLE: Final = (FAQ, FAQ_INDEX, *REGULATIONS.values(), CONTACTS, PROPOSALS)
"""The tabs that people write in: an emptied or lost one keeps what was there."""
