"""Collections of the embedded engine as files: which there are, which is live, what each holds, and whether it is whole.

Belongs here: folders, names, checksums and copies. Does not belong here: the engine's calls (``edge_shard``), or what is
published when (``edge_writer``).

    index/acme_ticket.json                      alias: the physical collection in use
    index/acme_ticket__1f0c9a2e/live            number of the generation in use
    index/acme_ticket__1f0c9a2e/gen-7/…         the shard, with position.json

The engine takes a shard with missing or cut files for a smaller one, or panics. So a position also holds a checksum of
each file, and a generation that is not as it was published is filled anew from the table.
"""

import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from zlib import crc32

from resources.sparse_files import blocks

_POSITION = "position.json"


@dataclass(frozen=True, slots=True)
class Position:
    """What a generation holds: the table of which store, up to which ``seq``, of which making; ``gone`` is how far it
    was told of deletions while another collection was live. ``count`` documents and ``points``, the canary in neither;
    ``loose`` points came or went since the engine last put its files in order. ``files`` are the checksums of its shard."""

    store_id: str
    made_by: str
    size: int
    seq: int
    gone: int
    count: int
    points: int
    loose: int
    files: dict[str, int]

    @property
    def told(self) -> int:
        """Every deletion in the table up to this seq is known here."""
        return max(self.seq, self.gone)


@dataclass(frozen=True, slots=True)
class Named:
    """The generation that readers should see. ``stamp`` tells it from one of the same number in an index that was erased
    and filled again."""

    collection: str
    made_by: str
    generation: int
    stamp: int


@dataclass(frozen=True, slots=True)
class Home:
    """The folder of one physical collection."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def draft(self) -> Path:
        """Where this process prepares the next generation."""
        return self.path / f"tmp-{os.getpid()}"

    def live(self) -> int | None:
        try:
            return int((self.path / "live").read_text())
        except (OSError, ValueError):
            return None

    def generation(self, number: int) -> Path:
        return self.path / f"gen-{number}"

    def position(self) -> Position | None:
        """Where the live generation stands; None when there is none, or it does not say in this version's words."""
        live = self.live()
        if live is None:
            return None
        try:
            return Position(**json.loads((self.generation(live) / _POSITION).read_text()))
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def is_whole(self, position: Position) -> bool:
        """Whether every file of the live generation is as it was published."""
        live = self.live()
        try:
            return live is not None and position.files == checksums(self.generation(live), list(position.files))
        except OSError:
            return False

    def to_draft(self, position: Position) -> bool:
        """Copy the live generation to the draft; False when it is not as it was published."""
        live = self.live()
        if live is None:
            return False
        try:
            # By name: a reader that opens the generation replaces files in it, with a draft beside them for a moment.
            return all(
                _copy(self.generation(live) / name, self.draft / name) == checksum
                for name, checksum in position.files.items()
            )
        except FileNotFoundError:
            return False

    def keep_position(self, position: Position) -> None:
        """Write down another position of the live generation; nothing but the position may differ."""
        live = self.live()
        if live is not None:
            _replace_text(self.generation(live) / _POSITION, json.dumps(asdict(position)))

    def publish_draft(self, position: Position) -> int:
        """Make the draft the live generation, and return its number."""
        _replace_text(self.draft / _POSITION, json.dumps(asdict(position)))
        live = self.live()
        numbers = [int(gen.name[4:]) for gen in self.path.glob("gen-*") if gen.name[4:].isdecimal()]
        generation = max(numbers, default=0) + 1
        self.draft.rename(self.generation(generation))
        _replace_text(self.path / "live", str(generation))
        for old in self.path.glob("gen-*"):
            if old.name not in (f"gen-{generation}", f"gen-{live}"):  # the one before stays for its readers
                shutil.rmtree(old, ignore_errors=True)
        return generation

    def drop_drafts(self) -> None:
        for draft in self.path.glob("tmp-*"):
            if draft.is_dir():
                shutil.rmtree(draft)
            else:
                draft.unlink()

    def stamp(self) -> int:
        """When the live generation was published, in nanoseconds; 0 when there is none."""
        try:
            return (self.path / "live").stat().st_mtime_ns
        except OSError:
            return 0

    def bytes(self) -> int:
        """What its files take of the disk; holes take nothing."""
        found = 0
        for folder, _, names in os.walk(self.path):
            for name in names:
                with suppress(OSError):  # a writer is at work
                    found += Path(folder, name).stat().st_blocks * 512
        return found


def homes(folder: Path, alias: str) -> list[Home]:
    """The collections of an alias, the newest first."""
    found = [Home(path) for path in folder.glob(f"{alias}__*") if _is_of(alias, path.name)]
    return sorted(found, key=lambda home: (-home.stamp(), home.name))


def read_alias(folder: Path, alias: str) -> tuple[Home, str] | None:
    """The collection that is in use and what made it; None when there is none, or the file says no such thing: a name
    that leads elsewhere would lead to another company."""
    try:
        said = json.loads(_alias_file(folder, alias).read_text())
        collection, made_by = said["collection"], said["made_by"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(collection, str) or not isinstance(made_by, str) or not _is_of(alias, collection):
        return None
    return Home(folder / collection), made_by


def point_alias(folder: Path, alias: str, home: Home, made_by: str) -> bool:
    """Let readers turn to a collection from now on; False when they do already."""
    if read_alias(folder, alias) == (home, made_by):
        return False
    _replace_text(_alias_file(folder, alias), json.dumps({"collection": home.name, "made_by": made_by}))
    return True


def drop_alias(folder: Path, alias: str) -> None:
    _alias_file(folder, alias).unlink(missing_ok=True)


def has_alias(folder: Path, alias: str) -> bool:
    """Whether an alias was ever pointed to a collection, whatever state it is in now."""
    return _alias_file(folder, alias).exists()


def named(folder: Path, alias: str) -> Named | None:
    """What readers should see now; None when nothing is published."""
    used = read_alias(folder, alias)
    if used is None:
        return None
    home, made_by = used
    live, stamp = home.live(), home.stamp()
    return None if live is None else Named(home.name, made_by, live, stamp)


def leftovers(folder: Path, alias: str) -> list[Path]:
    """Folders that no reader needs: collections but the live one, and its generations but the live one."""
    used = read_alias(folder, alias)
    live = used[0] if used else None
    others = [home for home in folder.glob(f"{alias}__*") if live is None or home.name != live.name]
    generation = f"gen-{live.live()}" if live else ""
    return [*others, *(old for old in live.path.glob("*-*") if old.name != generation)] if live else others


def checksums(shard: Path, names: list[str]) -> dict[str, int]:
    """A checksum of each file's size and content, by its name within the shard."""
    return {name: _checksum(shard / name) for name in names}


def names_in(shard: Path) -> list[str]:
    """The files of a shard, by their names within it."""
    return [file.relative_to(shard).as_posix() for file in shard.rglob("*") if file.is_file()]


def _is_of(alias: str, name: str) -> bool:
    return re.fullmatch(rf"{re.escape(alias)}__[0-9a-f]+", name) is not None


def _alias_file(folder: Path, alias: str) -> Path:
    return folder / f"{alias}.json"


def _replace_text(path: Path, text: str) -> None:
    """Write a small file so that a reader, or a crash, meets the old text or the new one. One writer (R11)."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _checksum(path: Path, seen: Callable[[int, bytes], None] = lambda offset, block: None) -> int:
    """Of a file's size and content, each block of which is also ``seen``."""
    checksum = path.stat().st_size
    for offset, block in blocks(path):
        checksum = crc32(block, crc32(offset.to_bytes(8), checksum))
        seen(offset, block)
    return checksum


def _copy(source: Path, target: Path) -> int:
    """Copy a file, and leave its holes holes. Returns its checksum."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as new:
        new.truncate(source.stat().st_size)

        def write(offset: int, block: bytes) -> None:
            new.seek(offset)
            new.write(block)

        return _checksum(source, write)
