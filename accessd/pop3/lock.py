"""One session per maildrop (RFC 1939 section 4: an exclusive-access lock).

An flock() on a file in the account's folder: it costs no database connection, holds between processes and
between sessions of one process, and the kernel takes it back when the process dies. The file stays; only the
lock matters.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from mailcore.errors import MailboxInUse, StoreUnavailable

LOCK_NAME = "pop3.lock"


class MaildropLock:
    """Held from `acquire` to `release`."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> MaildropLock:
        """Lock the maildrop in `folder`. Raises MailboxInUse, StoreUnavailable."""
        try:
            descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"cannot open the lock of {folder}: {error}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                raise MailboxInUse(f"the maildrop {folder} is open in another session") from error
            raise StoreUnavailable(f"cannot lock {folder}: {error}") from error
        return cls(descriptor)

    def release(self) -> None:
        """Let the next session in. Safe to repeat."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
