"""A lock on a folder that its owner holds for as long as it lives (flock: the kernel gives it back, whatever ends the
process), and that says whether somebody is putting the folder in order.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

NAME = "lock"
RECOVERING = b"recovering"


class FolderLock:
    """Held until `release` or the end of the process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Lock a folder that is new."""
        fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        return cls(fd)

    @classmethod
    def take(cls, folder: Path) -> Self | None:
        """Lock the folder of somebody who is gone; None if its owner lives, or somebody else puts it in order."""
        try:
            fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed the folder with it.
            if os.fstat(fd).st_nlink:
                os.pwrite(fd, RECOVERING, 0)
                return cls(fd)
        except BlockingIOError:
            pass
        os.close(fd)
        return None

    def release(self) -> None:
        """Give it back."""
        os.close(self._fd)


def is_recovering(folder: Path) -> bool:
    """Whether somebody puts it in order just now: who reads what it keeps should wait."""
    try:
        return (folder / NAME).read_bytes() == RECOVERING
    except FileNotFoundError:
        return False
