"""Files that are mostly holes: the vector index reserves 32 MB for what takes 20 KB.

Belongs here: which parts of a file hold anything. Does not belong here: copying them with a checksum
(``vector_index/edge_files``), or proving that something is nowhere, which trusts no file system (``erase``).
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 1 << 16
"""Bytes of a block."""


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """The parts (start, end) of an open file that hold data, in order; all else is zeros that nobody wrote. All of it where
    the file system cannot tell (lseek(2), SEEK_DATA). Moves the file's position."""
    size, start = os.fstat(descriptor).st_size, 0
    while start < size:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno != errno.ENXIO:  # else: nothing but a hole up to the end, or it was cut off meanwhile
                yield start, size
            return
        yield start, end
        start = end


def blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """The blocks of a file that hold anything but zeros, each with its offset, a multiple of ``BLOCK``. Holes are skipped
    without being read."""
    with path.open("rb", buffering=0) as file:
        done = 0
        for start, end in list(extents(file.fileno())):
            for offset in range(max(start // BLOCK * BLOCK, done), end, BLOCK):
                file.seek(offset)
                block = file.read(BLOCK)
                if block != bytes(len(block)):
                    yield offset, block
                done = offset + BLOCK
