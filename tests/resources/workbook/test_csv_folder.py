"""A workbook that is a folder of CSV files: encodings, separators, names, and writes that are cut off."""

import codecs
import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InputError, SourceRefused, SourceUnavailable
from domain.workbook_layout import CONTACTS, CONVERSATIONS, FAQ, LAYOUTS, TITLE
from resources.workbook import csv_folder
from resources.workbook.base import Append, Overwrite, Plan
from resources.workbook.csv_folder import CsvFolder
from tests.processes import Child
from tests.resources.workbook.places import rows_of

KOREAN = "faqId,question\r\nFAQ-1,연차는 며칠인가요?\r\n"


def folder_with(path: Path, name: str, content: bytes) -> CsvFolder:
    path.mkdir(exist_ok=True)
    (path / name).write_bytes(content)
    return CsvFolder(path)


@pytest.mark.parametrize(
    "content",
    [
        KOREAN.encode(),
        codecs.BOM_UTF8 + KOREAN.encode(),
        KOREAN.encode("cp949"),
        KOREAN.encode("utf-16"),
        KOREAN.encode("utf-16-le"),
        KOREAN.encode("utf-16-be"),
    ],
    ids=["utf-8", "mark", "cp949", "utf-16", "utf-16-le", "utf-16-be"],
)
def test_the_encoding_is_found(tmp_path: Path, content: bytes) -> None:
    assert rows_of(folder_with(tmp_path, "FAQ.csv", content), FAQ) == [["FAQ-1", "연차는 며칠인가요?"]]


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="CSV UTF-8"):
        folder_with(tmp_path, "FAQ.csv", b"\xff\x81\x00\xff\x00\x00" * 3 + b"\xff").read()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_separator_is_found_and_kept(tmp_path: Path, separator: str) -> None:
    text = (
        separator.join(["faqId", "keywords", "answer"]) + "\n" + separator.join(["FAQ-1", '"연차,휴가;x"', '"줄\n둘"'])
    )
    folder = folder_with(tmp_path, "FAQ.csv", text.encode())
    assert rows_of(folder, FAQ) == [["FAQ-1", "연차,휴가;x", "줄\n둘"]]
    folder.write([Append(FAQ, [["FAQ-2", "a,b;c\td", "="]])])
    assert rows_of(CsvFolder(tmp_path), FAQ)[1] == ["FAQ-2", "a,b;c\td", "="]
    assert (tmp_path / "FAQ.csv").read_text("utf-8-sig").startswith(f"faqId{separator}keywords")


def test_the_line_of_excel_that_names_the_separator_is_no_row(tmp_path: Path) -> None:
    assert rows_of(folder_with(tmp_path, "FAQ.csv", b"sep=;\r\nfaqId;a,b,c\r\nFAQ-1;x"), FAQ) == [["FAQ-1", "x"]]


@pytest.mark.parametrize("name", [unicodedata.normalize("NFD", "담당자") + ".csv", "담당자.CSV"])
def test_a_korean_name_is_known_as_macos_spells_it(tmp_path: Path, name: str) -> None:
    folder = folder_with(tmp_path, name, b"category\nx")
    assert list(folder.read().tabs) == [CONTACTS]
    folder.write([Append(CONTACTS, [["y"]])])
    assert rows_of(folder, CONTACTS) == [["x"], ["y"]]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_names_of_tabs_are_known_in_any_case_and_others_are_tabs_too(tmp_path: Path) -> None:
    for name in ("faq.csv", "our notes.csv", "._FAQ.csv", "~$FAQ.csv", "readme.txt"):
        folder_with(tmp_path, name, b"a\nb")
    assert sorted(CsvFolder(tmp_path).read().tabs) == [FAQ, "our notes"]


def test_two_files_of_one_tab_are_refused_by_name(tmp_path: Path) -> None:
    for name in ("FAQ.csv", "faq.CSV"):
        folder_with(tmp_path, name, b"a\nb")
    with pytest.raises(SourceRefused, match=r"faq.CSV"):
        CsvFolder(tmp_path).read()


def test_too_many_cells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.workbook.cells.MOST_CELLS", 10)
    with pytest.raises(SourceRefused, match="tab 'FAQ' is its largest"):
        folder_with(tmp_path, "FAQ.csv", b"a,b\n" * 6).read()


def test_a_folder_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="casebook workbook new"):
        CsvFolder(tmp_path / "none").read()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"):
        CsvFolder(tmp_path / "file").create(Plan(TITLE, LAYOUTS))


def test_a_tab_cannot_leave_the_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be a tab"):
        folder_with(tmp_path / "in", "FAQ.csv", b"a").write([Append("../out", [["x"]])])
    assert list(tmp_path.iterdir()) == [tmp_path / "in"]


def test_a_disk_that_takes_nothing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_with(tmp_path, "FAQ.csv", b"a\nb")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_folder, "write_synced", full)
    with pytest.raises(SourceUnavailable, match="No space left"):
        folder.write([Append(FAQ, [["c"]])])
    assert rows_of(folder, FAQ) == [["b"]]


def killed_at(say: Callable[[Any], None], folder: Path, step: int) -> None:
    """Write to two tabs and die at the disk's ``step``-th change, as by kill -9."""
    steps = 0

    def dies(work: Callable[..., Any]) -> Callable[..., Any]:
        def once(*given: Any, **named: Any) -> Any:
            nonlocal steps
            steps += 1
            if steps > step:
                os.kill(os.getpid(), 9)
            return work(*given, **named)

        return once

    csv_folder.write_synced = dies(csv_folder.write_synced)
    Path.replace = dies(Path.replace)  # type: ignore[method-assign]
    Path.unlink = dies(Path.unlink)  # type: ignore[method-assign]
    CsvFolder(folder).write([Overwrite(CONVERSATIONS, [["new"]]), Overwrite(FAQ, [["new"]])])
    say(steps)


def test_a_write_that_is_killed_anywhere_is_done_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    outcomes: list[str] = []
    for step in range(20):
        folder = tmp_path / str(step)
        for name in (CONVERSATIONS, FAQ):
            folder_with(folder, f"{name}.csv", b"a\nold")
        with Child(killed_at, folder, step) as child:
            try:
                done = child.hear()
            except AssertionError:
                done = None
        found = {rows_of(CsvFolder(folder), name)[0][0] for name in (CONVERSATIONS, FAQ)}
        assert len(found) == 1, f"step {step}: {found}"
        outcomes.append(*found)
        CsvFolder(folder).write([Append(FAQ, [["next"]])])
        assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]
        if done is not None:
            break
    assert outcomes == sorted(outcomes, reverse=True) and set(outcomes) == {"old", "new"}
    assert len(outcomes) == 8  # three files, the journal, two places, the journal's end


def test_people_edit_after_a_crash_and_nothing_comes_over_it(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "FAQ.csv", b"a\ntyped after")
    (tmp_path / ".casebook-write.json").write_text(json.dumps(["FAQ.csv"]))
    assert rows_of(folder, FAQ) == [["typed after"]]
    assert not (tmp_path / ".casebook-write.json").exists()
