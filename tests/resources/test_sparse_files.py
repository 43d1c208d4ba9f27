"""Files with holes: what is written is found, wherever it lies, and nothing else is read."""

import errno
from pathlib import Path

import pytest

from resources.sparse_files import BLOCK, blocks, extents
from tests.homes import content, copied

MB = 1 << 20


def written(path: Path, size: int, parts: dict[int, bytes]) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
        for offset, part in parts.items():
            file.seek(offset)
            file.write(part)
    return path


@pytest.mark.parametrize("offset", [0, 1, BLOCK - 3, BLOCK, 5 * BLOCK - 2, 32 * MB - 6])
def test_what_is_written_is_found(tmp_path: Path, offset: int) -> None:
    path = written(tmp_path / "file", 32 * MB, {offset: b"secret"})
    assert b"secret" in content(path)
    with path.open("rb") as file:
        parts = list(extents(file.fileno()))
    assert any(start <= offset and offset + 6 <= end for start, end in parts)
    assert sum(end - start for start, end in parts) <= 2 * BLOCK, "holes are no data"


@pytest.mark.parametrize("size", [0, 1, 32 * MB])
def test_a_file_without_anything_has_no_blocks(tmp_path: Path, size: int) -> None:
    assert list(blocks(written(tmp_path / "file", size, {}))) == []


def test_what_is_written_to_a_map_and_not_on_the_disk_yet_is_found(tmp_path: Path) -> None:
    import mmap

    path = written(tmp_path / "file", 32 * MB, {})
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        area[7 * MB : 7 * MB + 6] = b"secret"
        assert b"secret" in content(path)


@pytest.mark.parametrize(("code", "found"), [(errno.EINVAL, [(0, MB)]), (errno.ENOTSUP, [(0, MB)]), (errno.ENXIO, [])])
def test_a_file_system_that_cannot_tell_has_no_holes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, found: list[tuple[int, int]]
) -> None:
    path = written(tmp_path / "file", MB, {5: b"secret"})

    def refuse(*_: int) -> int:
        raise OSError(code, "no")

    monkeypatch.setattr("resources.sparse_files.os.lseek", refuse)
    with path.open("rb") as file:
        assert list(extents(file.fileno())) == found


def test_blocks_come_once_and_in_order_where_parts_share_one(tmp_path: Path) -> None:
    parts = {0: b"a", 8192: b"b", 3 * BLOCK - 1: b"cd", 9 * BLOCK: b"e"}
    path = written(tmp_path / "file", 10 * BLOCK, parts)
    assert [offset // BLOCK for offset, _ in blocks(path)] == [0, 2, 3, 9]


def test_a_copy_is_the_same_and_takes_no_more_room(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    path = written(tmp_path / "home" / "file", 32 * MB, {MB: b"one", 31 * MB: b"two"})
    (tmp_path / "home" / "link").symlink_to("file")
    copy = copied(tmp_path / "home", tmp_path / "copy")
    assert (copy / "file").read_bytes() == path.read_bytes()
    assert (copy / "link").is_symlink()
    assert (copy / "file").stat().st_blocks * 512 <= 4 * BLOCK
