"""Writing a file so that a crash leaves the old one or the new one.

Belongs here: what ``xlsx`` and ``csv_folder`` share of it. Does not belong here: what is written.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path


def write_synced(path: Path, content: bytes, *, like: Path | None = None) -> None:
    """Write a new file to the disk itself, readable to whom ``like`` is. Raises ``OSError``."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like is not None:
        with suppress(FileNotFoundError):
            shutil.copymode(like, path)


def sync_folder(folder: Path) -> None:
    """See to it that renames in a folder survive a loss of power, where the system knows how."""
    with suppress(OSError):  # Windows opens no folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
