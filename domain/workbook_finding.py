"""What is found in a workbook and told to its editors: one rule, its words in Korean and English, and what to do.

Belongs here: the words of every rule, and the record of a finding with its place. Does not belong here: looking for them
(``workbook_header``, ``workbook_rows``, ``workbook_check``, ``workbook_writing``), or showing them (the command line).

Words are templates; what they are filled with is never a template itself, so no cell can change what is said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["error", "warning"]
_SHOWN = 80
"""Characters of a cell that are repeated."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule says. An error keeps a row, a column or a tab from being read; a warning does not."""

    severity: Severity
    ko: str
    en: str
    remedy_ko: str
    remedy_en: str


def _error(ko: str, en: str, remedy_ko: str, remedy_en: str) -> Rule:
    return Rule("error", ko, en, remedy_ko, remedy_en)


def _warning(ko: str, en: str, remedy_ko: str, remedy_en: str) -> Rule:
    return Rule("warning", ko, en, remedy_ko, remedy_en)


READING: Final[Mapping[str, Rule]] = {
    "missing-tab": _error(
        "'{tab}' 탭이 없습니다.{near_ko}",
        "there is no tab {tab}.{near_en}",
        "탭 이름을 '{tab}'(으)로 바꾸거나 'casebook workbook new'로 빠진 탭을 만드세요.",
        "Name the tab {tab}, or make what is missing with 'casebook workbook new'.",
    ),
    "missing-bot-tab": _warning(
        "'{tab}' 탭이 없습니다.{near_ko}",
        "there is no tab {tab}.{near_en}",
        "그대로 두면 봇이 처음 쓸 때 만듭니다.",
        "Leave it: it is made when something is first written to it.",
    ),
    "missing-column": _error(
        "'{name}' 열이 없습니다.{near_ko}",
        "there is no column {name}.{near_en}",
        "1행에 '{name}' 제목을 정확히 적으세요. 그때까지 이 탭은 읽지 않고 이전 내용을 그대로 씁니다.",
        "Write {name} in row 1. Until then the tab is not read, and what was read before stays.",
    ),
    "missing-optional-column": _warning(
        "'{name}' 열이 없습니다.{near_ko}",
        "there is no column {name}.{near_en}",
        "필요하면 1행에 '{name}' 제목을 추가하세요.",
        "Add {name} to row 1 if you need it.",
    ),
    "empty-tab": _warning(
        "내용이 없습니다.",
        "there is nothing below the header.",
        "내용을 입력하세요. 이전에 읽은 내용은 지우지 않습니다.",
        "Fill it in. What was read before is not deleted.",
    ),
    "header-elsewhere": _warning(
        "제목 줄이 1행이 아니라 {found}행에 있습니다.",
        "the header is in row {found}, not in row 1.",
        "제목 줄 위의 행을 지우세요.",
        "Remove the rows above it.",
    ),
    "duplicate-column": _warning(
        "'{name}' 열이 두 번 있습니다. 앞의 열만 읽습니다.",
        "the column {name} is there twice; the first is read.",
        "쓰지 않는 열의 제목을 지우거나 바꾸세요.",
        "Remove or rename the other one.",
    ),
    "missing-cell": _error(
        "{name} 값이 비어 있습니다.",
        "{name} is empty.",
        "{name} 값을 입력하세요. 그때까지 이 행은 읽지 않습니다.",
        "Fill in {name}. Until then the row is not read.",
    ),
    "duplicate-id": _error(
        "{name} {id}은(는) {first}행에도 있습니다. 먼저 나온 행만 사용합니다.",
        "{name} {id} is also in row {first}; the first one is used.",
        "이 행에 다른 {name} 값을 쓰거나 한 행을 지우세요.",
        "Give this row another {name}, or remove one of them.",
    ),
    "id-in-two-tabs": _error(
        "{id}은(는) '{other}' 탭에도 있습니다.",
        "{id} is also in the tab {other}.",
        "규정 탭 전체에서 겹치지 않는 ID를 쓰세요.",
        "Use an id that no other regulation tab has.",
    ),
    "formula-error": _warning(
        "{name} 수식이 오류({value})입니다.",
        "the formula of {name} is broken ({value}).",
        "수식을 고치거나 값으로 바꾸세요.",
        "Mend the formula, or write the value.",
    ),
    "unreadable-date": _warning(
        "{name}의 날짜를 읽을 수 없습니다.",
        "{name} is no date that can be read.",
        "2026-02-19처럼 적으세요.",
        "Write it like 2026-02-19.",
    ),
    "ambiguous-date": _warning(
        "{name}의 날짜가 모호하여 {read}(으)로 읽었습니다.",
        "{name} could be two dates; it was read as {read}.",
        "{read}처럼 연도를 먼저 적으세요.",
        "Write the year first, like {read}.",
    ),
    "unreadable-boolean": _warning(
        "{name} 값을 예/아니오로 읽을 수 없어 FALSE로 봅니다.",
        "{name} is neither yes nor no; it is taken as FALSE.",
        "TRUE 또는 FALSE로 적으세요.",
        "Write TRUE or FALSE.",
    ),
    "empty-active": _warning(
        "isActive가 비어 있어 사용 중(TRUE)으로 봅니다.",
        "isActive is empty and taken as TRUE.",
        "TRUE 또는 FALSE로 적으세요.",
        "Write TRUE or FALSE.",
    ),
    "unreadable-number": _warning(
        "{name} 값을 숫자로 읽을 수 없어 비어 있는 것으로 봅니다.",
        "{name} is no number and taken as empty.",
        "숫자만 적으세요.",
        "Write digits only.",
    ),
    "number-out-of-range": _warning(
        "{name} 값은 {low}에서 {high} 사이여야 하여 {read}(으)로 봅니다.",
        "{name} goes from {low} to {high}; it is taken as {read}.",
        "{low}에서 {high} 사이의 숫자를 적으세요.",
        "Write a number from {low} to {high}.",
    ),
    "unknown-choice": _error(
        "{name} 값은 {choices} 중 하나여야 합니다.",
        "{name} must be one of {choices}.",
        "{choices} 중에서 고르세요. 그때까지 이 행은 읽지 않습니다.",
        "Choose one of them. Until then the row is not read.",
    ),
    "html-in-answer": _warning(
        "{name}에 HTML이 있습니다. 글자 그대로 보이며 서식으로 바뀌지 않습니다.",
        "{name} has HTML; it is shown as it stands, never as a format.",
        "HTML 태그를 지우고 일반 글로 적으세요.",
        "Take the tags out and write plain text.",
    ),
}
"""What keeps a tab, a row or a cell from being read as it was meant."""

WRITING: Final[Mapping[str, Rule]] = {
    "few-faqs": _warning(
        "'{category}' 분류의 활성 FAQ가 {count}건입니다. 분류마다 최소 10-20건이 필요합니다.",
        "{category} has {count} active FAQs; each category begins with 10 to 20 at least.",
        "'{category}' FAQ를 {more}건 이상 추가하세요. FAQ_제안 탭에 후보가 나오면 검토해 승인하세요.",
        "Add {more} or more FAQs on {category}; look whether the tab FAQ_제안 proposes some.",
    ),
    "keyword-count": _warning(
        "키워드가 {count}개입니다. FAQ 한 건에 3-6개가 알맞습니다.",
        "there are {count} keywords; an FAQ should have 3 to 6.",
        "구어체를 포함해 사용자가 실제로 쓰는 단어를 쉼표로 구분해 3-6개 적으세요.",
        "Write 3 to 6 words that people really use, with commas between them.",
    ),
    "vague-answer": _warning(
        "답변에 경로, 기한, 금액 등 구체적인 내용이 없습니다.",
        "the answer names no path, date or amount.",
        "어디에서(메뉴 경로), 언제까지, 얼마인지를 적으세요.",
        "Say where (the menu's path), until when, or how much.",
    ),
    "duplicate-question": _warning(
        "{first}행의 질문과 같습니다.",
        "the question is the same as in row {first}.",
        "두 FAQ를 하나로 합치거나 질문을 구분되게 고치세요.",
        "Make one of the two, or word them apart.",
    ),
    "inactive-faqs": _warning(
        "비활성 FAQ가 {count}건 있어 답변에 쓰이지 않습니다: {ids}",
        "{count} FAQs are inactive and never answer: {ids}",
        "다시 쓰려면 isActive를 TRUE로 바꾸고, 필요 없으면 지우세요.",
        "Set isActive to TRUE to use them again, or remove them.",
    ),
    "crowded-keyword": _warning(
        "키워드 '{keyword}'에 FAQ가 {count}건 연결되어 있습니다. 20건 이상이면 세분화해야 합니다.",
        "the keyword {keyword} leads to {count} FAQs; from 20 on it must be split.",
        "'{keyword}' 대신 더 구체적인 키워드(예: '{keyword} 신청', '{keyword} 기준')로 나누세요.",
        "Split it into narrower keywords.",
    ),
    "several-articles": _warning(
        "한 행에 조항이 여러 개 있습니다: {articles}",
        "the row has several articles: {articles}",
        "한 행에 한 조항만 남기고 행을 나누세요.",
        "Give each article a row of its own.",
    ),
    "long-content": _warning(
        "content가 {count}자입니다. 조항 하나가 500자를 넘으면 항목별로 행을 나눕니다.",
        "content has {count} characters; an article of more than 500 is split by its items.",
        "항(①, 1., 가.) 단위로 행을 나누세요. 그때까지 봇이 나누어 찾습니다.",
        "Give each item (①, 1., 가.) a row; until then it is cut for the search.",
    ),
    "no-figures": _warning(
        "content에 금액, 기간, 기한 등 수치가 하나도 없습니다.",
        "content has no figure at all: no amount, period or deadline.",
        "핵심 수치(금액, 기간, 기한)를 반드시 적으세요.",
        "Write the figures that matter: amounts, periods, deadlines.",
    ),
    "long-summary": _warning(
        "요약이 두 줄을 넘습니다({lines}줄).",
        "the summary has more than two lines ({lines}).",
        "1-2줄(한 줄 {width}자)로 줄이세요.",
        "Cut it to one or two lines of {width} characters.",
    ),
    "missing-source-url": _warning(
        "원문 링크(sourceUrl)가 없습니다.",
        "there is no sourceUrl.",
        "Confluence, Google Docs 또는 Google Drive의 원문 링크를 적으세요.",
        "Write the link to the original in Confluence, Google Docs or Google Drive.",
    ),
    "bad-source-url": _warning(
        "sourceUrl이 링크가 아닙니다.",
        "sourceUrl is no link.",
        "https://로 시작하는 주소를 적으세요.",
        "Write an address that begins with https://.",
    ),
    "missing-effective-date": _warning(
        "시행일(effectiveDate)이 없습니다. 이미 시행 중인 것으로 봅니다.",
        "there is no effectiveDate; the rule is taken as in force.",
        "시행일을 2026-02-19처럼 적으세요.",
        "Write it like 2026-02-19.",
    ),
    "unknown-category": _warning(
        "category '{category}'은(는) 인사, 총무, 회계가 아닙니다(모두 {count}행).{near_ko}",
        "the category {category} is none of 인사, 총무, 회계 ({count} rows).{near_en}",
        "인사, 총무, 회계 중 하나로 적으세요. 따로 정한 분류라면 그대로 두세요.",
        "Write one of 인사, 총무, 회계; leave it if the category is one of your own.",
    ),
    "no-contact": _warning(
        "'{category}/{sub}'의 담당자가 없습니다. FAQ에는 있는 소분류입니다.",
        "nobody is named for {category}/{sub}, which has FAQs.",
        "담당자 탭에 '{category}', '{sub}' 행을 추가하세요.",
        "Add a row for {category}, {sub} to the tab 담당자.",
    ),
    "several-contacts": _warning(
        "'{category}/{sub}'의 담당자가 {first}행에도 있습니다. 소분류마다 한 명만 안내합니다.",
        "{category}/{sub} has somebody in row {first} already; each sub-category has one person.",
        "소분류를 나누거나 한 명만 남기세요.",
        "Split the sub-category, or leave one of them.",
    ),
    "bad-email": _warning(
        "email이 메일 주소가 아닙니다.",
        "email is no address.",
        "name@company.com처럼 적으세요.",
        "Write it like name@company.com.",
    ),
    "example-row": _warning(
        "새 워크북의 예시 행이 그대로 있습니다.",
        "this is still the example of a new workbook.",
        "실제 내용으로 바꾸거나 지우세요.",
        "Replace it with your own, or remove it.",
    ),
    "unknown-faq": _warning(
        "FAQ 탭에 없는 FAQ ID입니다: {ids}",
        "the tab FAQ has no {ids}.",
        "faqIds를 고치세요.",
        "Correct faqIds.",
    ),
    "accepted-without-answer": _warning(
        "승인했지만 답변이 비어 있어 FAQ가 되지 않습니다.",
        "it is accepted, but has no answer, so it does not become an FAQ.",
        "답변을 확인해 적으세요.",
        "Write the verified answer.",
    ),
    "faq-volume": _warning(
        "FAQ가 {count}건입니다. 권장 범위는 100-500건입니다.",
        "there are {count} FAQs; 100 to 500 are expected.",
        "100건까지는 FAQ_제안을 승인하며 늘리고, 500건을 넘으면 벡터 검색을 함께 씁니다(설정 faq_vector_rows).",
        "Below 100, accept proposals of FAQ_제안; above 500, vectors are asked too (setting faq_vector_rows).",
    ),
    "regulation-volume": _warning(
        "규정이 모두 {count}행입니다. 1,000행 이상이면 Confluence 연동을 권장합니다.",
        "there are {count} rows of regulations; from 1,000 on they belong in Confluence.",
        "'casebook company set ID regulations_from=confluence'로 전환하세요.",
        "Change with 'casebook company set ID regulations_from=confluence'.",
    ),
    "conversation-volume": _warning(
        "대화이력이 {count}행입니다. 10,000행 이상이면 보관해야 합니다.",
        "there are {count} rows of conversations; from 10,000 on they are archived.",
        "다음 동기화가 7일 지난 행을 대화이력_보관으로 옮깁니다.",
        "The next sync moves those older than 7 days to 대화이력_보관.",
    ),
}
"""The rules of writing well, and how much a workbook is made for (spec sheets.ko.md: the guides of sheets 1 to 5, the
volumes)."""

RULES: Final[Mapping[str, Rule]] = {**READING, **WRITING}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. ``row`` and ``column`` count from 1 as the sheet does; 0 is the whole tab, or the whole row.
    ``what_*`` is what is wrong, without its place; ``ko`` and ``en`` say the place, too."""

    rule: str
    severity: Severity
    tab: str
    row: int
    column: int
    what_ko: str
    what_en: str
    remedy_ko: str
    remedy_en: str

    @property
    def is_bad(self) -> bool:
        return self.severity == "error"

    @property
    def cell(self) -> str:
        """The place as a sheet calls it: "F14"; "14" for a row, "F" for a column, "" for the tab."""
        return f"{letters(self.column)}{self.row or ''}"

    @property
    def ko(self) -> str:
        return f"{self.tab} {self.row}행: {self.what_ko}" if self.row else f"{self.tab}: {self.what_ko}"

    @property
    def en(self) -> str:
        return f"{self.tab} row {self.row}: {self.what_en}" if self.row else f"{self.tab}: {self.what_en}"


def finding(
    rule: str, tab: str, row: int = 0, column: int = 0, *, severity: Severity | None = None, **values: str | int
) -> Finding:
    """A finding by a rule of ``RULES``, its words filled with ``values``; ``near`` is a name that could be meant."""
    said = RULES[rule]
    near = values.get("near", "")
    filled = {
        "tab": tab,
        "near_ko": f" '{near}'이(가) 그것인가요?" if near else "",
        "near_en": f" Is it {near!r}?" if near else "",
        **{name: value[:_SHOWN] if isinstance(value, str) else value for name, value in values.items()},
    }
    words = (text.format_map(filled) for text in (said.ko, said.en, said.remedy_ko, said.remedy_en))
    return Finding(rule, severity or said.severity, tab, row, column, *words)


def letters(column: int) -> str:
    """A column's name in a sheet: 1 is A, 27 is AA, 0 is ""."""
    name = ""
    while column > 0:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
