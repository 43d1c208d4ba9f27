"""The regulation assets: three tabs of a workbook as a table, passages and a collection that is searched."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assets import regulations, workbook
from assets.tickets import SyncConfig
from domain.errors import CasebookError, InputError
from domain.workbook_layout import LAYOUT, REGULATIONS
from resources.company_run import company_run
from resources.vector_index.base import open_index
from tests.homes import Home, casebook, done

ASSETS = ("workbook", "regulations", "regulation_passages", "regulation_embeddings", "regulation_collection")
SENTENCE = "회사는 입사일 기준으로 1년간 80% 이상 출근한 직원에게 15일의 유급휴가를 준다. "
LONG = f"제6조 (휴가의 사용) ① {SENTENCE * 7}② {SENTENCE * 7}"


def row(doc_id: str, section: str, content: str, since: str = "2025-01-01", title: str = "취업 규정") -> list[str]:
    return [doc_id, title, section, content, "요약", since, "https://wiki.example/x", "연차,휴가", "2026-02-01"]


HR = [row("REG-HR-001", "제5조", "제5조 (연차휴가 부여) 15일을 부여한다."), row("REG-HR-002", "제6조", LONG)]
GA = [row("REG-GA-001", "제1조", "제1조 (회의실) 회의실은 2시간까지 예약한다.")]


def write(book: Path, category: str, rows: Sequence[Sequence[str]] | None) -> None:
    """A tab of regulations; None takes it away."""
    path = book / f"{REGULATIONS[category]}.csv"
    if rows is None:
        path.unlink()
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([LAYOUT[REGULATIONS[category]].header, *rows])


@pytest.fixture
def book(home: Home, tmp_path: Path) -> Path:
    """The workbook of a company without tickets: a folder of CSV files."""
    folder, book = tmp_path / "export", tmp_path / "book"
    folder.mkdir()
    book.mkdir()
    (folder / "tickets.csv").write_text("ticket_id,subject,description\n1,Printer,It jams.\n")
    write(book, "인사", HR)
    write(book, "총무", GA)
    done(
        *("company", "add", "tiny", "--platform", "export", "--path", str(folder), "--workbook", str(book)),
        *("--set", "embedding_model=use-multi"),
    )
    return book


READ = ASSETS[:2]


def sync(home: Home, names: Sequence[str] = ASSETS, **config: Any) -> dict[str, Any]:
    """The assets one after the other, as a sync has them; what each one told."""
    told: dict[str, Any] = {}
    with company_run(home.settings, "tiny", "run", "test") as run:
        for name in names:
            configured = {"config": SyncConfig(**config)} if name in READ else {}
            told[name] = getattr(workbook if name == "workbook" else regulations, name)(**configured, company_run=run)
    return {name: result.metadata for name, result in told.items()}


def test_regulations_become_passages_that_are_found(home: Home, book: Path) -> None:
    result = sync(home)
    rows = home.rows("tiny")
    assert set(rows["regulations"]) == {"REG-HR-001", "REG-HR-002", "REG-GA-001"}
    assert rows["regulations"]["REG-GA-001"][3]["category"] == "총무"
    split = rows["regulation_passages"]["REG-HR-002"][3]["passages"]
    assert [one["numbering"] for one in split] == ["제6조 ①", "제6조 ②"]
    current = open_index(home.settings, home.company("tiny")).reader("regulation").current()
    assert current.count() == 4
    assert "REG-HR-002: 6" in result["regulations"]["notes"], "editors are told of long rows"
    hits = done("search", "tiny", "회의실 예약 시간", "--in", "regulation", "--json").json["hits"]
    assert hits[0]["doc_id"] == "REG-GA-001"
    again = sync(home)
    assert home.rows("tiny") == rows
    assert [again[name]["changed"] for name in ASSETS] == [0] * 5


def test_a_tab_that_is_emptied_missing_or_renamed_deletes_nothing(home: Home, book: Path) -> None:
    sync(home, READ)
    before = home.rows("tiny")["regulations"]
    write(book, "인사", [])
    sync(home, READ)
    assert home.rows("tiny")["regulations"] == before
    write(book, "인사", HR)
    (book / "규정_총무.csv").rename(book / "규정_총무2.csv")
    sync(home, READ)
    assert set(before) <= set(home.rows("tiny")["regulations"])


def test_a_tab_whose_columns_are_lost_keeps_its_regulations(home: Home, book: Path) -> None:
    sync(home, READ)
    before = home.rows("tiny")["regulations"]
    (book / "규정_인사.csv").write_text("something,else\n1,2\n", encoding="utf-8")
    result = sync(home, READ)
    assert home.rows("tiny")["regulations"] == before
    assert "규정_인사 cannot be read" in result["regulations"]["notes"]
    sync(home, READ, accept_deletions=50)
    assert set(home.rows("tiny")["regulations"]) == {"REG-GA-001"}


def test_a_row_that_is_gone_leaves_every_table(home: Home, book: Path) -> None:
    sync(home)
    write(book, "인사", HR[:1])
    sync(home)
    rows = home.rows("tiny")
    for table in ("regulations", "regulation_passages", "regulation_embeddings", "regulation_collection"):
        assert set(rows[table]) == {"REG-HR-001", "REG-GA-001"}, table


def test_a_bad_row_stops_no_other(home: Home, book: Path) -> None:
    write(book, "인사", [*HR, row("REG-HR-003", "제7조", ""), row("REG-GA-001", "제8조", "다른 규정이다.")])
    sync(home, READ)
    assert set(home.rows("tiny")["regulations"]) == {"REG-HR-001", "REG-HR-002", "REG-GA-001"}
    waiting = {entry["doc_id"]: entry["reason"] for entry in done("queue", "tiny", "--json").json["queue"]}
    assert "REG-HR-003" in waiting
    assert any("also in" in reason for reason in waiting.values()), "one id in two tabs"


def test_more_than_fifty_deletions_ask_first(home: Home, book: Path) -> None:
    many = [row(f"REG-HR-{number:03}", f"제{number}조", f"{number}일을 부여한다.") for number in range(1, 80)]
    write(book, "인사", many)
    sync(home, READ)
    write(book, "인사", many[:5])
    with pytest.raises(CasebookError):
        sync(home, READ)
    assert len(home.rows("tiny")["regulations"]) == 80
    sync(home, READ, accept_deletions=74)
    assert len(home.rows("tiny")["regulations"]) == 6


def test_from_1000_rows_on_confluence_is_suggested(home: Home, book: Path) -> None:
    """Spec, Google Sheets 한계: 규정 1,000행 이상 → Confluence."""
    rows = [row(f"REG-HR-{number:04}", f"제{number}조", f"{number}일을 준다.") for number in range(1, 1000)]
    write(book, "인사", rows[:-1])
    assert "Confluence" not in sync(home, READ)["regulations"].get("notes", "")
    write(book, "인사", rows)
    assert "1000 regulations are many for a sheet" in sync(home, READ)["regulations"]["notes"]


def test_a_company_without_regulations_has_no_collection(home: Home, book: Path) -> None:
    for category in ("인사", "총무"):
        write(book, category, None)
    (book / "FAQ.csv").write_text(",".join(LAYOUT["FAQ"].header) + "\n", encoding="utf-8")
    sync(home)
    assert not open_index(home.settings, home.company("tiny")).reader("regulation").is_built()


def test_a_source_that_is_not_set_up_is_told(home: Home, book: Path) -> None:
    done("company", "set", "tiny", "regulations_from=confluence")
    with pytest.raises(InputError):
        sync(home, ["regulations"])
    assert casebook("company", "set", "tiny", "regulations_from=paper").code == 2
