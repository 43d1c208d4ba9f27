"""A workbook that is a folder: each tab a file ``TAB.csv``.

Belongs here: which files are tabs, and replacing several of them as one. Does not belong here: what is in a file
(``csv_text``).

A write is all or nothing: new files are written beside the old ones, then a journal names them, then each takes its place,
then the journal goes. Killed before the journal is there, nothing was written; killed after it, the next one who opens the
folder ends the work.
"""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from domain.errors import InputError, SourceRefused, SourceUnavailable
from domain.workbook_layout import LAYOUT
from resources.workbook.base import MOST_CELLS, Change, Note, Plan, Snapshot, Tab
from resources.workbook.cells import apply, check_cells, layout_of, make_tab, ordered
from resources.workbook.csv_text import CsvFile, parse, render
from resources.workbook.files import sync_folder, write_synced

_JOURNAL = ".casebook-write.json"
_NEW = ".casebook-new"
_NOTES = "notes.tsv"
"""Where notes go, which CSV has no place for: tab, row, column, text. Not a tab."""
_BY_LOWER = {name.casefold(): name for name in LAYOUT}
_MOST_BYTES = 1 << 30


class CsvFolder:
    """``Workbook`` (see ``base``) in a folder."""

    requests = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def place(self) -> str:
        return str(self._folder)

    def revision(self) -> str:
        """The hash of all tabs' names and contents."""
        digest = hashlib.sha256()
        for name, path in self._tabs().items():
            content = _bytes(path)
            digest.update(f"{len(name.encode())} {name} {len(content)} ".encode())
            digest.update(content)
        return digest.hexdigest()

    def read(self) -> Snapshot:
        revision = self.revision()
        tabs: dict[str, Tab] = {}
        counts: dict[str, int] = {}
        for name, path in self._tabs().items():
            rows = _parsed(path).rows
            counts[name] = sum(map(len, rows))
            check_cells(self.place, sum(counts.values()), counts)
            tabs[name] = make_tab(name, rows)
        return Snapshot(self._folder.name, tabs, revision)

    def write(self, changes: Sequence[Change]) -> None:
        if not changes:
            return
        paths = self._tabs()
        files: dict[str, CsvFile] = {}
        for change in ordered(changes):
            if change.tab not in files:
                files[change.tab] = self._file(paths, change.tab)
            apply(files[change.tab].rows, change)
        written = {change.tab for change in changes if not isinstance(change, Note)} | (files.keys() - paths.keys())
        contents = {
            paths.get(name) or self._path(name): render(file.rows, file.separator)
            for name, file in files.items()
            if name in written
        }
        if notes := [change for change in changes if isinstance(change, Note)]:
            contents[self._folder / _NOTES] = self._notes(notes)
        self._replace(contents)

    def create(self, plan: Plan) -> str:
        """A file for each tab that is not there yet. CSV has no drop-downs, notes or charts."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise InputError(
                f"{self.place} is a file.", "A folder of CSV files was asked for.", "Name another place."
            ) from None
        except OSError as error:
            raise InputError(f"{self.place} cannot be made.", f"{error.strerror}.", "Name another place.") from None
        there = self._tabs()
        self._replace(
            {
                self._path(layout.name): render([layout.header, *layout.examples], ",")
                for layout in plan.layouts
                if layout.name not in there
            }
        )
        return self.place

    def close(self) -> None:
        pass

    def _file(self, paths: dict[str, Path], name: str) -> CsvFile:
        """What is to be changed: the file as it is, with the header of its layout where it has nothing."""
        file = _parsed(paths[name], kept=True) if name in paths else CsvFile([])
        rows = file.rows
        while rows and not any(rows[-1]):
            rows.pop()
        if not rows and (header := layout_of(name).header):
            rows.append(header)
        return file

    def _path(self, name: str) -> Path:
        if not name or name.startswith(".") or any(letter in name for letter in '/\\\0<>:"|?*'):
            raise InputError(f"{name!r} cannot be a tab.", "No file can have that name.")
        return self._folder / f"{name}.csv"

    def _tabs(self) -> dict[str, Path]:
        """The tabs' names and files, by name. Ends a write that was cut off."""
        self._heal()
        try:
            paths = sorted(path for path in self._folder.iterdir() if _is_tab(path))
        except (FileNotFoundError, NotADirectoryError):
            raise SourceRefused(
                f"There is no folder {self.place}.",
                "The workbook should be a folder of CSV files.",
                "'casebook workbook new' makes one; 'casebook company set ID workbook=PATH' names another.",
            ) from None
        except OSError as error:
            raise _unreadable(self._folder, error) from None
        tabs: dict[str, Path] = {}
        for path in paths:
            name = _name(path)
            if name in tabs:
                raise SourceRefused(
                    f"Two files are the tab {name}.",
                    f"{tabs[name].name} and {path.name}, in {self.place}.",
                    "Keep one of them.",
                )
            tabs[name] = path
        return tabs

    def _notes(self, notes: Sequence[Note]) -> bytes:
        path = self._folder / _NOTES
        rows = _parsed(path).rows[1:] if path.exists() else []
        kept = {(row[0], row[1], row[2]): row[3] for row in rows if len(row) > 3}
        for note in notes:
            key = (note.tab, str(note.row), str(note.column))
            kept.pop(key, None)
            if note.text:
                kept[key] = note.text
        return render([["tab", "row", "column", "text"], *([*key, text] for key, text in kept.items())], "\t")

    def _replace(self, contents: dict[Path, bytes]) -> None:
        """All of these files or none."""
        if not contents:
            return
        try:
            for left in self._folder.glob(f".*{_NEW}"):
                left.unlink(missing_ok=True)  # of a write that never was
            for path, content in contents.items():
                write_synced(_new(path), content, like=path)
            journal = json.dumps([path.name for path in contents]).encode()
            write_synced(self._folder / f"{_JOURNAL}{_NEW}", journal)
            (self._folder / f"{_JOURNAL}{_NEW}").replace(self._folder / _JOURNAL)
            sync_folder(self._folder)
        except OSError as error:
            raise _unwritable(self._folder, error) from None
        self._heal()

    def _heal(self) -> None:
        """Give the files that the journal names their places. Two may do it at once."""
        journal = self._folder / _JOURNAL
        try:
            names = json.loads(journal.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError):
            raise SourceRefused(
                f"{journal} cannot be read.",
                "It says which files of a write that was cut off are still to come.",
                f"Look at the files *{_NEW} beside it, and delete it.",
            ) from None
        try:
            for name in names:
                path = self._folder / Path(name).name
                with suppress(FileNotFoundError):
                    _new(path).replace(path)
            sync_folder(self._folder)
            journal.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self._folder, error) from None


def _new(path: Path) -> Path:
    return path.with_name(f".{path.name}{_NEW}")


def _is_tab(path: Path) -> bool:
    """macOS puts ``._NAME`` beside files on other disks, Office ``~$NAME`` beside open ones."""
    return path.suffix.lower() == ".csv" and not path.name.startswith((".", "~$")) and path.is_file()


def _name(path: Path) -> str:
    """The tab's name: composed, as macOS takes Hangul apart; spelled as the layout has it."""
    name = unicodedata.normalize("NFC", path.stem).strip()
    return _BY_LOWER.get(name.casefold(), name)


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceRefused(
                f"{path.name} is too large.", f"A CSV file may have {_MOST_BYTES >> 20} MB ({MOST_CELLS:,} cells)."
            )
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _parsed(path: Path, *, kept: bool = False) -> CsvFile:
    return parse(_bytes(path), path.name, kept=kept)


def _unreadable(path: Path, error: OSError) -> SourceRefused:
    return SourceRefused(f"{path} cannot be read.", f"{error.strerror}.", "See that Casebook may read it.")


def _unwritable(folder: Path, error: OSError) -> SourceUnavailable:
    return SourceUnavailable(
        f"{folder} cannot be written.",
        f"{error.strerror}. Nothing was changed, or the rest follows with the next run.",
        "Close its files in other programs; see that Casebook may write there, and that the disk has room.",
    )
