"""From tickets to FAQs on the sample companies: what is proposed, what the workbook gets, what is remembered and forgotten.

Belongs here: ``assets/faq_proposals`` on homes with their real tables. Does not belong here: the rules
(``tests/domain/test_faq_proposals``), or the write of all tabs (``test_workbook_tabs``).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from assets.faq_proposals import faq_proposals, proposal_changes, proposals_written
from domain import ticket_stages
from domain.company import Company, company_id
from domain.conversation import Operation, Turn, operation_id, turn_id
from domain.faq import Faq
from domain.faq_proposals import Proposal, tab_cells
from domain.faq_stages import faq_collection, faq_embeddings
from domain.replace import Content, replace
from domain.workbook_layout import FAQ, LAYOUT, OPERATIONS, PROPOSALS
from resources.company_run import CompanyRun, company_run
from resources.helpdesk.collect import Collection, Walk
from resources.workbook.base import Append, Overwrite
from resources.workbook.stored import REVISION, chunks
from tests.conftest import point_at
from tests.homes import Home, copied

SAMPLES = Path(__file__).parents[2] / "sandbox" / "companies"
CASES = {"hanbit": "05_tax_accounting.jsonl", "acme": "02_thermostats.jsonl"}
"""Some thirty of each company's tickets: three or four on one problem, and their neighbours."""
VPN = (
    "재택근무할 때 VPN 접속이 안 돼요",
    "재택근무 VPN 접속이 안 됩니다",
    "VPN 접속이 안 되는데 재택근무 어떻게 하나요",
)
Rows = list[list[str]]


def export(company: str, path: Path) -> Path:
    """A company's tickets as an export, with their authors' names and a private note each."""
    lines: list[str] = []
    for number, line in enumerate(
        (SAMPLES / company / CASES[company]).read_text(encoding="utf-8").splitlines(), start=1
    ):
        one = json.loads(line)
        told = [
            {"author": said["author"], "body": said["text"]}
            for said in one["messages"]
            if said["author"] in ("customer", "agent")
        ]
        told.append({"author": "agent", "body": "SECRETNOTE 내부 메모", "private": True})
        ticket = {"ticket_id": str(number), "subject": one["subject"], "description": one["body"], "status": "closed",
                  "product": one["product"], "requester": one["requester"], "conversations": told,
                  "updated_at": f"2026-02-{number % 27 + 1:02}T00:00:00Z"}  # fmt: skip
        lines.append(json.dumps(ticket, ensure_ascii=False))
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both companies with their tickets' tables; only to be copied."""
    folder = tmp_path_factory.mktemp("proposals")
    with pytest.MonkeyPatch.context() as patches:
        home = point_at(folder / "home", patches)
        for company in CASES:
            path = str(export(company, folder / f"{company}.jsonl"))
            settings = {"embedding_model": "use-multi"}
            home.companies.add(Company(company_id(company), "export", path, settings), "")
            run(home, collect, company)
        yield home.path


def collect(held: CompanyRun) -> None:
    """The stages of a sync that the tickets need."""
    Collection(held.helpdesk, held.store, held.run_id, held.now, lambda report: None).run(Walk())
    model = held.embedder
    for stage in (
        ticket_stages.merged_tickets(held.helpdesk.neutral, held.helpdesk.version),
        ticket_stages.ticket_summaries(held.company, held.writer("ticket")),
        ticket_stages.ticket_embeddings(model.model_id, model.summary_chars, model.make),
        ticket_stages.ticket_terms(held.company),
    ):
        held.derive(stage)


@pytest.fixture
def home(once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    copied(once, tmp_path / "home")
    return point_at(tmp_path / "home", monkeypatch)


def run(home: Home, work: Callable[[CompanyRun], Any], company: str = "hanbit") -> Any:
    with company_run(home.settings, company, "a run", "a test") as held:
        return work(held)


def propose(held: CompanyRun) -> list[Proposal]:
    """Materialise the asset; what the table holds."""
    faq_proposals(company_run=held)
    table = held.store.get("faq_proposals", sorted(held.store.ids("faq_proposals")))
    return [Proposal.from_payload(row.payload) for row in table.values()]


def read(held: CompanyRun, revision: str, **tabs: Rows) -> None:
    """The workbook as it was read: tabs, and its revision."""
    replace(held.store, "workbook", Content(chunks(tabs)), made_by="1", run_id="read", now=held.now)
    with held.store.begin("read", held.now) as write:
        write.save_state(REVISION, {"place": "here", "revision": revision})


def as_read(proposals: Sequence[Proposal], **cells: str) -> Rows:
    header = LAYOUT[PROPOSALS].header
    rows = [{name: str(cell) for name, cell in row.items()} | cells for row in tab_cells(proposals)]
    return [header, *([row[name] for name in header] for row in rows)]


def ask(held: CompanyRun, questions: Sequence[str], tier: str, score: float = 0.1) -> list[str]:
    """Questions in the conversation log, answered by this tier; their ids."""
    turns: dict[str, Any] = {}
    lines: dict[str, Any] = {}
    for number, question in enumerate(questions):
        at = f"2026-02-20 10:{number:02}:0"
        for role, second, message in (("user", "0", question), ("bot", "1", "답")):
            turn = Turn(f"u{number}_x", f"u{number}", f"{at}{second}", role, message, "인사", tier, tier == "3")  # type: ignore[arg-type]
            turns[turn_id(turn)] = asdict(turn)
        line = Operation(f"{at}1", f"u{number}_x", f"u{number}", "인사", tier, "", score, 10, tier == "3")
        lines[operation_id(line)] = asdict(line)
    for table, rows in (("conversation_log", turns), ("operations_log", lines)):
        replace(held.store, table, Content(rows), made_by="1", run_id="ask", now=held.now)
    return [f"question {doc_id}" for doc_id, turn in turns.items() if turn["role"] == "user"]


@pytest.mark.parametrize("company", CASES)
def test_solved_tickets_on_one_problem_become_a_proposal(home: Home, company: str) -> None:
    found = run(home, propose, company)
    assert found and all(one.count >= 3 and one.question and one.answer for one in found)
    stored = str([asdict(one) for one in found])
    assert "SECRETNOTE" not in stored and "내부 메모" not in stored, "nothing from private notes"
    assert "@" not in stored.replace("scan@", "")
    lines = (SAMPLES / company / CASES[company]).read_text(encoding="utf-8").splitlines()
    names = {json.loads(line)["requester"]["name"] for line in lines}
    assert not [name for name in names if name in stored]


def test_an_unchanged_night_looks_at_nothing(home: Home) -> None:
    def twice(held: CompanyRun) -> Any:
        propose(held)
        top = held.store.top("faq_proposals")
        again: Any = faq_proposals(company_run=held)
        assert held.store.top("faq_proposals") == top
        return again

    assert run(home, twice).metadata["skipped"] > 0


def test_questions_that_nobody_answered_are_proposed_without_an_answer(home: Home) -> None:
    def asked(held: CompanyRun) -> None:
        evidence = set(ask(held, VPN, "3"))
        (one,) = [one for one in propose(held) if evidence & set(one.evidence)]
        assert set(one.evidence) == evidence and one.question in VPN and one.answer == ""
        kept = held.store.state("faq_proposals embedded")
        assert len(kept) == len(VPN), "their vectors are kept: nothing is paid twice"

    run(home, asked)


@pytest.mark.parametrize(
    ("tier", "score", "is_open"), [("3", 0.1, True), ("2", 0.3, True), ("2", 0.8, False), ("1", 0.9, False)]
)
def test_a_question_counts_as_unanswered_by_tier_three_or_a_poor_tier_two(
    home: Home, tier: str, score: float, is_open: bool
) -> None:
    def asked(held: CompanyRun) -> bool:
        evidence = set(ask(held, VPN, tier, score))
        return any(evidence & set(one.evidence) for one in propose(held))

    assert run(home, asked) == is_open


def test_an_active_faq_covers_the_question(home: Home) -> None:
    def covered(held: CompanyRun) -> None:
        (first, *_) = propose(held)
        one = Faq(
            "FAQ-HR-001",
            "회계",
            first.sub_category,
            first.keywords,
            first.question,
            first.answer,
            "",
            True,
            "2026-03-01",
        )
        replace(held.store, "faq", Content({one.faq_id: asdict(one)}), made_by="1", run_id="faq", now=held.now)
        model = held.embedder
        held.derive(faq_embeddings(model.model_id, model.summary_chars, model.make))
        held.derive(faq_collection(held.company, model.model_id))
        assert first.proposal_id not in {one.proposal_id for one in propose(held)}

    run(home, covered)


def test_accepting_in_the_tab_appends_one_faq_and_then_leaves_the_tab(home: Home) -> None:
    faqs = [LAYOUT[FAQ].header, ["FAQ-HR-004", "인사", "", "", "다른 질문", "다른 답", "", "TRUE", "2026-01-01"]]

    def nights(held: CompanyRun) -> None:
        store = held.store
        read(held, "1", FAQ=faqs)
        first = propose(held)
        assert [type(change) for change in proposal_changes(store)] == [Overwrite]
        proposals_written(held)
        read(held, "2", FAQ=faqs, FAQ_제안=as_read(first, isAccepted="TRUE", category="인사"))
        propose(held)
        append, *_ = proposal_changes(store)
        assert isinstance(append, Append) and append.tab == FAQ and len(append.rows) == len(first)
        assert append.rows[0][0] == "FAQ-HR-005"
        assert proposal_changes(store)[0] == append, "it was killed before the write: the same again"
        proposals_written(held)
        assert not any(isinstance(change, Append) for change in proposal_changes(store)), "written, and not read since"
        there = [*faqs, *([str(cell) for cell in row] for row in append.rows)]
        read(held, "3", FAQ=there, FAQ_제안=as_read(first, isAccepted="TRUE", category="인사"))
        assert {one.status for one in propose(held)} == {"done"}
        assert proposal_changes(store) == [Overwrite(PROPOSALS, [])]

    run(home, nights)


def test_nothing_is_written_under_a_header_that_has_other_words(home: Home) -> None:
    """It is read all the same; what is arranged under it by the columns' names would be empty rows."""

    def nights(held: CompanyRun) -> None:
        read(held, "1", FAQ=[LAYOUT[FAQ].header])
        first = propose(held)
        proposals_written(held)
        labels = [column.meaning[0] for column in LAYOUT[FAQ].columns]
        upper = [[name.upper() for name in LAYOUT[PROPOSALS].header], *as_read(first, isAccepted="TRUE")[1:]]
        read(held, "2", FAQ=[labels, ["FAQ-HR-004", "인사", "", "", "질문", "답", "", "TRUE", ""]], FAQ_제안=upper)
        propose(held)
        assert proposal_changes(held.store) == []
        proposals_written(held)
        read(held, "3", FAQ=[LAYOUT[FAQ].header], FAQ_제안=upper)
        assert "rejected" not in {one.status for one in propose(held)}

    run(home, nights)


def test_a_row_deleted_from_the_tab_stays_away(home: Home) -> None:
    def nights(held: CompanyRun) -> None:
        first = propose(held)
        proposals_written(held)
        read(held, "2", FAQ=[LAYOUT[FAQ].header], FAQ_제안=[LAYOUT[PROPOSALS].header])
        assert {one.status for one in propose(held)} == {"rejected"}
        read(held, "3", FAQ=[LAYOUT[FAQ].header, ["x"] * 9], FAQ_제안=[LAYOUT[PROPOSALS].header])
        assert {one.status for one in propose(held)} == {"rejected"} and len(first) == held.store.count("faq_proposals")

    run(home, nights)


def test_a_row_deleted_before_it_was_ever_read_stays_away(home: Home) -> None:
    """The tab is as it was on the night of the drafts: only what was written into it tells the two apart."""

    def nights(held: CompanyRun) -> None:
        empty = {FAQ: [LAYOUT[FAQ].header], PROPOSALS: [LAYOUT[PROPOSALS].header]}
        read(held, "1", **empty)
        assert {one.status for one in propose(held)} == {"open"}
        proposals_written(held)
        read(held, "2", **empty)
        assert {one.status for one in propose(held)} == {"rejected"}

    run(home, nights)


def test_a_night_after_we_wrote_drafts_nothing_anew(home: Home) -> None:
    def nights(held: CompanyRun) -> None:
        store, faqs = held.store, [LAYOUT[FAQ].header]
        read(held, "1", FAQ=faqs)
        first = propose(held)
        proposals_written(held)
        read(held, "2", FAQ=faqs, FAQ_제안=as_read(first))
        propose(held)
        drafted = store.state("faq_proposals sources")
        proposals_written(held)
        read(held, "3", FAQ=faqs, FAQ_제안=as_read(first), 운영로그=[LAYOUT[OPERATIONS].header])
        propose(held)
        assert store.state("faq_proposals sources") == drafted, "only another tab, and the revision, have moved"
        read(held, "4", FAQ=faqs, FAQ_제안=as_read(first, question="다른 질문"))
        assert {one.question for one in propose(held)} == {"다른 질문"}

    run(home, nights)


def test_nothing_of_a_ticket_that_is_gone_stays(home: Home) -> None:
    def forgotten(held: CompanyRun) -> None:
        (one, *_) = propose(held)
        gone = one.quoted[0].removeprefix("ticket ")
        with held.store.begin("forget", held.now) as write:
            for table in ("merged_tickets", "ticket_summaries", "ticket_embeddings", "ticket_terms"):
                write.delete(table, [gone])
        left = propose(held)
        assert not [other for other in left if f"ticket {gone}" in (*other.evidence, *other.quoted)]

    run(home, forgotten)


def test_without_a_workbook_proposals_are_stored_and_nothing_is_decided(home: Home) -> None:
    def stored(held: CompanyRun) -> None:
        assert held.workbook is None
        assert {one.status for one in propose(held)} == {"open"}

    run(home, stored)
