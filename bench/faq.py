"""Looking FAQs up: how fast, how much memory, and how long the index takes to build, by the number of FAQs.

    python bench/faq.py [--faqs 100 1000 10000] [--questions 300] [--seed 7]

FAQs are made up (Korean, a subject, a case and an action each, four keywords) and stored; questions are their own with other
endings, other spaces, or a letter wrong. For each size, in one run:

* build: rows of the keyword index from nothing, and again for one changed FAQ;
* load: the hot set from the tables, and its memory;
* lookup: p50 and p99 of ``FaqLookup.find`` on the path of that size without vectors, and how many find their FAQ;
* peers, on the same questions: a linear scan that counts shared pairs of syllables, and SQLite's FTS5 (trigrams, BM25).
  Ratios against both say more than milliseconds of one machine. All times are those of the processor.

Belongs here: this measurement. Does not belong here: how good scores are (``bench/search_sets.py``).
"""

import argparse
import random
import sqlite3
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from domain.company import Company, company_id
from domain.faq import Faq
from domain.keyword_index import build
from domain.replace import Content
from domain.replace import replace as put
from domain.tokens import surface
from query.faq import FaqLookup
from resources.companies import Companies
from resources.settings import Settings

BENCH, NOW, TODAY = company_id("bench"), "2026-01-01T00:00:00Z", "2026-01-01"
_SUBJECTS = """
    연차 반차 병가 출산휴가 육아휴직 경조휴가 재택근무 시차출근 초과근무 출장 여비 법인카드 구매 계약 자산
    비품 차량 주차 회의실 명함 사원증 출입 보안 노트북 모니터 전화 메일 계정 서버 급여 상여 퇴직금 연말정산
    건강검진 보험 대출 복지포인트 동호회 교육 자격증 채용 추천 인사평가 승진 발령 전배 퇴사 증명서 세금계산서
    지출결의 예산 정산 환불 영수증
"""
SUBJECTS = _SUBJECTS.split()
_CASES = """
    본사 지사 공장 연구소 해외법인 계약직 인턴 임원 신입 경력 파견 협력사 야간 주말 공휴일 긴급 분기 연말 월초
    부서 팀 개인 공용 외부 내부 온라인 현장 단기 장기 추가
"""
CASES = _CASES.split()
_ACTIONS = """
    신청 취소 변경 조회 승인 반려 연장 이월 등록 해지 발급 재발급 반납 양도 한도 기한 대상 금액 서류 절차 일정
    담당 문의 오류 제한 예외 기준 확인 제출 보관
"""
ACTIONS = _ACTIONS.split()
ENDINGS = ("은 어떻게 하나요?", "을 하려면 어디로 가야 하나요?", "에 필요한 것이 무엇인가요?", " 방법을 알려 주세요.")


def made_up(count: int, dice: random.Random) -> list[Faq]:
    faqs: list[Faq] = []
    for n in range(count):
        subject, case, action = dice.choice(SUBJECTS), dice.choice(CASES), dice.choice(ACTIONS)
        rare = "".join(
            dice.choices("가나다라마바사아자차카타파하", k=3)
        )  # a product, a form, a place: what tells two apart
        keywords = (subject, f"{case}{subject}", f"{subject}{action}", rare)
        question = f"{case} {subject} {rare} {action}{dice.choice(ENDINGS)}"
        answer = (
            f"그룹웨어 > {subject} > {action} 메뉴에서 {n % 28 + 1}일까지 처리합니다. {case}은 총무팀에 먼저 알립니다."
        )
        faqs.append(Faq(f"FAQ-{n:06}", "총무", subject, keywords, question, answer, "", True, TODAY))
    return faqs


def questions(faqs: Sequence[Faq], count: int, dice: random.Random) -> list[tuple[str, str]]:
    """Texts with the FAQ that each means: another ending, no spaces, or a syllable's vowel wrong in the subject."""
    asked: list[tuple[str, str]] = []
    for n in range(count):
        faq = dice.choice(faqs)
        said = faq.question.rsplit(" ", 2)[0]
        if n % 3 == 1:
            said = said.replace(" ", "")
        elif n % 3 == 2:
            said = said.replace("여", "어").replace("재", "제").replace("계", "게")
        asked.append((f"{said} 좀 알려줘", faq.faq_id))
    return asked


def timed(ask: Callable[[str], str], asked: Sequence[tuple[str, str]]) -> tuple[float, float, float]:
    """p50 and p99 in milliseconds, and the share that found its FAQ first."""
    took: list[float] = []
    right = 0
    for text, meant in asked:
        started = time.thread_time()
        found = ask(text)
        took.append((time.thread_time() - started) * 1e3)
        right += found == meant
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)], right / len(asked)


def scan_of(faqs: Sequence[Faq]) -> Callable[[str], str]:
    """A peer: all FAQs one by one, by the pairs of syllables they share with the question."""
    said = [(surface(f"{faq.question} {' '.join(faq.keywords)}"), faq.faq_id) for faq in faqs]

    def ask(text: str) -> str:
        words = surface(text)
        return max((len(words & pairs) / len(pairs), faq_id) for pairs, faq_id in said)[1]

    return ask


def fts_of(faqs: Sequence[Faq]) -> Callable[[str], str]:
    """A peer: SQLite's full-text index in memory, trigrams, BM25."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE faq USING fts5(id UNINDEXED, said, tokenize='trigram')")
    rows = ((faq.faq_id, f"{faq.question} {' '.join(faq.keywords)}") for faq in faqs)
    db.executemany("INSERT INTO faq VALUES (?, ?)", rows)

    def ask(text: str) -> str:
        parts = {text[at : at + 3] for at in range(len(text) - 2)}
        match = " OR ".join('"' + part.replace('"', '""') + '"' for part in sorted(parts))
        found = db.execute("SELECT id FROM faq WHERE faq MATCH ? ORDER BY rank LIMIT 1", (match,)).fetchone()
        return found[0] if found else ""

    return ask


def figures(count: int, asked: int, seed: int, folder: Path) -> Iterator[str]:
    dice = random.Random(seed)
    faqs = made_up(count, dice)
    companies = Companies(Settings(home=folder / str(count)))
    company = Company(BENCH, "export", "/nowhere", settings={"faq_vector_rows": 1_000_000}, created_at=NOW)
    companies.add(company, "")
    build(faqs[:1], {}, today=TODAY)  # loads the morphemes
    started = time.process_time()
    rows = build(faqs, {}, today=TODAY)
    built = time.process_time() - started
    started = time.process_time()
    build([replace(faqs[0], keywords=("새말",)), *faqs[1:]], rows, today=TODAY)
    again = time.process_time() - started
    with companies.lock(BENCH, "bench") as opened, opened() as store:
        for table, content in (
            ("faq", {one.faq_id: asdict(one) for one in faqs}),
            ("faq_keyword_index", {name: asdict(row) for name, row in rows.items()}),
        ):
            put(store, table, Content(content), made_by="bench", run_id="bench", now=NOW)
    yield f"{count:8,} FAQs  {len(rows):8,} rows   build {built:8.2f} s, again {again:8.2f} s"
    lookup = FaqLookup(companies, company)
    started = time.process_time()
    lookup.find("연차")
    loaded = time.process_time() - started
    tracemalloc.start()
    traced = FaqLookup(companies, company)
    traced.find("연차")
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    yield f"{'':15}hot set {loaded:6.1f} s, {kept / 1e6:.0f} MB, {most / 1e6:.0f} MB while it is read"
    texts = questions(faqs, asked, dice)
    lookup.find("제택근므")  # the arrays of typing errors are made with the first
    path = lookup.look(texts[0][0]).path

    def ours(text: str) -> str:
        found = lookup.find(text)
        return found[0].faq.faq_id if found else ""

    told = {f"ours ({path})": timed(ours, texts), "linear scan": timed(scan_of(faqs), texts)}
    told["sqlite fts5"] = timed(fts_of(faqs), texts)
    own = told[f"ours ({path})"][0]
    for name, (p50, p99, right) in told.items():
        yield f"{'':15}{name:24} p50 {p50:8.2f} ms  p99 {p99:8.2f} ms  first {right:.3f}  x{p50 / own:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faqs", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for count in options.faqs:
            for line in figures(count, options.questions, options.seed, Path(name)):
                print(line, flush=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
