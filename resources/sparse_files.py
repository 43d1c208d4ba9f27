"""Files that are mostly holes: the vector index reserves 32 MB for what takes 20 KB.

Belongs here: which parts of a file hold anything. Does not belong here: what is looked for in them (``erase``), or copied
with a checksum (``vector_index/edge_files``).
"""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

BLOCK = 1 << 16
"""Bytes of a block."""


def extents(descriptor: int) -> Iterator[tuple[int, int]]:
    """The parts (start, end) of an open file that hold data, in order; all else is zeros that nobody wrote. A file system
    that cannot tell says that all of it is data (lseek(2), SEEK_DATA). Moves the file's position."""
    size, start = os.fstat(descriptor).st_size, 0
    while start < size:
        try:
            start = os.lseek(descriptor, start, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
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
