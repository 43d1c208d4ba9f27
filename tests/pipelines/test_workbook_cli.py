"""``casebook workbook``: new, use and check, on a file, a folder and a Google sheet served by the sandbox.

Belongs here: what the command does and says. Does not belong here: the rules (``tests/domain/test_workbook_check``), the
kinds of workbook (``tests/resources/workbook``).
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from openpyxl import load_workbook

from domain.workbook_layout import FAQ, LAYOUT, LAYOUTS
from resources.workbook.open import GOOGLE_SECRET
from sandbox.serve import Sandbox
from tests.homes import Home, Said, casebook, done

TABS = [layout.name for layout in LAYOUTS]


@pytest.fixture
def tiny(home: Home) -> Home:
    """A home with the company ``tiny``, which has no workbook."""
    tickets = home.path.parent / "tiny.csv"
    tickets.write_text("ticket_id,subject,description\n1,Wifi drops,My wifi keeps dropping every hour.\n")
    done("company", "add", "tiny", "--platform", "export", "--path", str(tickets))
    return home


@pytest.fixture(scope="module")
def google() -> Iterator[Sandbox]:
    with Sandbox(companies=(), generated={"made": 1}) as sandbox:
        yield sandbox


def refused(*words: str, stdin: str = "") -> str:
    """What a command says that must fail for what was typed, without a traceback."""
    said = casebook("workbook", *words, stdin=stdin)
    assert said.code == 2, said
    assert "Traceback" not in said.err
    return said.err


def checked(*words: str) -> Said:
    return casebook("workbook", "check", "tiny", *words)


def write(folder: Path, tab: str, rows: list[list[str]]) -> None:
    with (folder / f"{tab}.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)


def folder_of(home: Home) -> Path:
    folder = home.path.parent / "book"
    done("workbook", "new", "tiny", str(folder))
    return folder


# --- new and use --------------------------------------------------------------------------------------------------


def test_new_makes_a_file_with_all_tabs_and_names_it(tiny: Home) -> None:
    path = tiny.path.parent / "book.xlsx"
    made = done("workbook", "new", "tiny", str(path), "--json").json
    assert made == {"company": "tiny", "workbook": str(path), "tabs": TABS, "missing": []}
    assert tiny.company("tiny").setting("workbook") == str(path)
    book = load_workbook(path)
    assert book.sheetnames == TABS
    assert [cell.value for cell in book[FAQ][1]] == LAYOUT[FAQ].header


def test_new_adds_what_is_missing_and_changes_nothing_else(tiny: Home) -> None:
    folder = folder_of(tiny)
    (folder / "담당자.csv").unlink()
    before = (folder / "FAQ.csv").read_bytes()
    made = done("workbook", "new", "tiny", str(folder), "--json").json
    assert sorted(made["tabs"]) == sorted(TABS)
    assert (folder / "FAQ.csv").read_bytes() == before


def test_use_names_a_workbook_and_says_what_it_lacks(tiny: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny.path.parent / "book"
    folder.mkdir()
    write(folder, FAQ, [LAYOUT[FAQ].header, list(LAYOUT[FAQ].examples[0])])
    monkeypatch.chdir(tiny.path.parent)
    said = done("workbook", "use", "tiny", "book").out
    assert "It lacks FAQ_키워드인덱스, 규정_인사," in said
    assert tiny.company("tiny").setting("workbook") == str(folder)
    assert [path.name for path in folder.iterdir()] == ["FAQ.csv"]


def test_mistakes_are_told_in_a_line_and_store_nothing(tiny: Home) -> None:
    there = tiny.path.parent
    sheet = "https://docs.google.com/spreadsheets/d/abcdefghijklmnop/edit"
    (there / "damaged.xlsx").write_bytes(b"PK nothing")
    assert "has no workbook" in refused("check", "tiny")
    assert "unknown company" in refused("new", "nobody", str(there / "book.xlsx"))
    assert "There is no file" in refused("use", "tiny", str(there / "nothere.xlsx"))
    assert "damaged" in refused("use", "tiny", str(there / "damaged.xlsx"))
    assert "is something else" in refused("new", "tiny", str(there / "damaged.xlsx"))
    assert "is no workbook" in refused("use", "tiny", str(there / "book.pdf"))
    assert "There is no folder" in refused("new", "tiny", str(there / "tpyo" / "book.xlsx"))
    assert not (there / "tpyo").exists()
    assert "no place was named" in refused("use", "tiny", " ")
    assert "no Google Sheets address" in refused("use", "tiny", "https://example.com/x")
    assert "service account" in refused("use", "tiny", sheet)
    assert "needs no key" in refused("use", "tiny", str(there), "--key-stdin", stdin=_key("x"))
    assert "--language 'fr' is not known" in refused("check", "tiny", "--language", "fr")
    assert tiny.company("tiny").setting("workbook") == ""


def _key(private: str) -> str:
    return json.dumps({"client_email": "bot@example.com", "private_key": private}, indent=1)


def test_a_key_that_is_none_is_not_repeated(tiny: Home) -> None:
    sheet = "https://docs.google.com/spreadsheets/d/abcdefghijklmnop/edit"
    for key in ("s3cret", '{"private_key": "s3cret"}', '["s3cret"]', ""):
        said = refused("new", "tiny", sheet, "--key-stdin", stdin=key)
        assert "no service account's key" in said
        assert "s3cret" not in said
    file = tiny.path.parent / "key.json"
    file.write_bytes(b"\xff\xfe s3cret")
    assert "no service account's key" in refused("new", "tiny", sheet, "--key-file", str(file))
    assert "cannot be read" in refused("new", "tiny", sheet, "--key-file", str(file.with_name("none.json")))
    assert "in several ways" in refused("new", "tiny", sheet, "--key-file", str(file), "--key-stdin")
    assert tiny.companies.secret(tiny.company("tiny"), name=GOOGLE_SECRET) == ""


# --- check --------------------------------------------------------------------------------------------------------


def test_check_ends_with_0_where_there_are_only_warnings(tiny: Home) -> None:
    folder_of(tiny)
    said = checked("--json")
    assert said.code == 0
    assert (said.json["ok"], said.json["errors"]) == (True, 0)
    assert said.json["warnings"] == len(said.json["findings"]) > 0


def test_check_ends_with_1_where_something_cannot_be_read(tiny: Home) -> None:
    folder = folder_of(tiny)
    row = list(LAYOUT[FAQ].examples[0])
    write(folder, FAQ, [LAYOUT[FAQ].header, row, [*row[:5], "", *row[6:]]])
    said = checked("--json")
    assert said.code == 1
    errors = [one for one in said.json["findings"] if one["severity"] == "error"]
    assert [(one["rule"], one["cell"]) for one in errors] == [("duplicate-id", "A3"), ("missing-cell", "F3")]
    assert errors[1]["remedy_ko"] == "answer 값을 입력하세요. 그때까지 이 행은 읽지 않습니다."


def test_check_speaks_the_companys_language_or_the_one_that_is_said(tiny: Home) -> None:
    folder_of(tiny)
    assert "새 워크북의 예시 행이 그대로 있습니다." in checked().out
    assert "this is still the example of a new workbook." in checked("--language", "en").out
    done("company", "set", "tiny", "language=en")
    assert "this is still the example of a new workbook." in checked().out


def test_check_groups_by_tab_and_steers_no_terminal(tiny: Home) -> None:
    folder = folder_of(tiny)
    write(folder, FAQ, [LAYOUT[FAQ].header, ["F-1", "[red]\x1b[31m인사팀", "", "", "질문", "답", "", "TRUE", ""]])
    out = checked().out
    assert "\x1b" not in out
    assert "[red]" in out  # text, not a colour
    assert out.index("FAQ") < out.index("unknown-category") < out.index("담당자")


def test_a_workbook_without_a_tab_is_told_with_the_nearest(tiny: Home) -> None:
    folder = folder_of(tiny)
    (folder / "규정_인사.csv").rename(folder / "규정 인사.csv")
    said = checked("--language", "en")
    assert said.code == 1
    assert "there is no tab 규정_인사. Is it '규정 인사'?" in said.out


def test_regulations_that_come_from_elsewhere_need_no_tab(tiny: Home) -> None:
    folder = folder_of(tiny)
    (folder / "규정_인사.csv").unlink()
    assert checked().code == 1
    done("company", "set", "tiny", "regulations_from=confluence")
    said = checked("--json")
    assert said.code == 0
    assert not [one for one in said.json["findings"] if one["rule"] == "missing-tab"]


def test_notes_are_written_on_the_cells_and_taken_away_when_done_with(tiny: Home) -> None:
    path = tiny.path.parent / "book.xlsx"
    done("workbook", "new", "tiny", str(path))
    book = load_workbook(path)
    book[FAQ]["F2"] = "문의하세요."
    book.save(path)
    assert checked("--notes", "--json").json["notes"]["written"] > 0
    note = load_workbook(path)[FAQ]["F2"].comment
    assert note is not None
    assert note.text.startswith("[Casebook] 답변에 경로, 기한, 금액 등 구체적인 내용이 없습니다.")
    assert checked("--notes", "--json").json["notes"] == {"written": 0, "cleared": 0}
    book = load_workbook(path)
    book[FAQ].insert_rows(2)  # moves cells and their notes down
    book[FAQ]["F3"] = "네이버웍스 > 휴가에서 3일 안에 신청하세요."
    book.save(path)
    assert checked("--notes", "--json").json["notes"]["cleared"] >= 1
    assert load_workbook(path)[FAQ]["F3"].comment is None
    assert load_workbook(path)[FAQ]["A1"].comment is not None  # what a column means stays


def test_notes_of_one_workbook_are_not_looked_for_in_another(tiny: Home) -> None:
    folder_of(tiny)
    first = checked("--notes", "--json").json["notes"]
    other = str(tiny.path.parent / "other.xlsx")
    assert "has a workbook already" in refused("new", "tiny", other)
    assert not Path(other).exists()
    done("workbook", "new", "tiny", other, "--replace")
    assert checked("--notes", "--json").json["notes"] == first


# --- Google -------------------------------------------------------------------------------------------------------


def test_a_google_sheet_is_filled_checked_and_has_notes(
    tiny: Home, google: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEBOOK_GOOGLE_URL", google.google_url)
    sheet, text = google.sheet_url("made"), google.google_key("made")
    file = tiny.path.parent / "key.json"
    file.write_text(json.dumps(json.loads(text), indent=2))  # many lines, as it is downloaded
    made = done("workbook", "new", "tiny", sheet, "--key-file", str(file), "--json").json
    assert made["missing"] == []
    assert tiny.company("tiny").setting("workbook") == made["workbook"]
    stored = tiny.companies.stored_secret(tiny.company("tiny"), GOOGLE_SECRET)
    assert stored
    assert "private" not in stored  # sealed
    assert checked("--json").code == 0
    assert checked("--notes", "--json").json["notes"]["written"] > 0
    told = google.google_admin("made", "sheet")
    assert "[Casebook] " in json.dumps(told, ensure_ascii=False)
    assert done("workbook", "use", "tiny", sheet, "--key-stdin", "--json", stdin=text).json["missing"] == []


def test_a_sheet_that_is_not_shared_says_with_whom(
    tiny: Home, google: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CASEBOOK_GOOGLE_URL", google.google_url)
    text = google.google_key("made")
    google.google_admin("made", "share", role="none")
    try:
        said = refused("use", "tiny", google.sheet_url("made"), "--key-stdin", stdin=text)
    finally:
        google.google_admin("made", "share", role="writer")
    assert json.loads(text)["client_email"] in said
    assert tiny.company("tiny").setting("workbook") == ""
