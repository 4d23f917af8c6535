"""One session per maildrop (RFC 1939 section 4: an exclusive-access lock), and when the last one began.

An flock() on a file in the account's folder: it costs no database connection, holds between processes and between
sessions of one process, and the kernel takes it back when the process dies. The file stays. Its content names the
session that took the lock last, and the time of its last change is that session's beginning (LOGIN-DELAY).

A session whose client is silent lends the lock: who comes next has it, and the silent one sees by the content, when its
client speaks again, that the maildrop is no longer what it listed. So a client that is gone holds no maildrop, on
whichever process or node its session may be.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from mailcore import ids
from mailcore.errors import LoginTooSoon, MailboxInUse, StoreUnavailable

LOCK_NAME = "pop3.lock"
# More than any name of a session.
_MOST_BYTES = 128


class MaildropLock:
    """Held from `acquire` to `release`, but for the time it is lent."""

    __slots__ = ("_descriptor", "_folder", "_holder")

    def __init__(self, folder: Path, descriptor: int) -> None:
        self._folder = folder
        self._descriptor: int | None = descriptor
        # Empty when the file cannot be written: then the lock is never lent.
        self._holder = b""

    @classmethod
    def acquire(cls, folder: Path, *, login_delay_s: float = 0) -> MaildropLock:
        """Lock the maildrop in `folder`. Raises MailboxInUse, LoginTooSoon, StoreUnavailable."""
        lock = cls(folder, _open_locked(folder))
        try:
            lock._refuse_if_too_soon(login_delay_s)
        except BaseException:
            lock.release()
            raise
        lock._sign()
        return lock

    @property
    def is_lent(self) -> bool:
        """May somebody else have it? Then `take_back` comes before anything else."""
        return self._descriptor is None

    def lend(self) -> None:
        """Let the next session in, until `take_back`."""
        if self._holder:
            self.release()

    def take_back(self) -> None:
        """Hold it again. Raises MailboxInUse when another session has or has had it, StoreUnavailable."""
        self._descriptor = descriptor = _open_locked(self._folder)
        if os.pread(descriptor, _MOST_BYTES, 0) != self._holder:
            self.release()
            raise MailboxInUse(f"the maildrop {self._folder} was open in another session meanwhile")

    def release(self) -> None:
        """Let the next session in. Safe to repeat."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def _refuse_if_too_soon(self, login_delay_s: float) -> None:
        assert self._descriptor is not None
        status = os.fstat(self._descriptor)
        # An empty file is one that we have just made.
        if login_delay_s and status.st_size and 0 <= time.time() - status.st_mtime < login_delay_s:
            raise LoginTooSoon(f"the last session of {self._folder} began less than {login_delay_s} s ago")

    def _sign(self) -> None:
        assert self._descriptor is not None
        holder = ids.new_session_id().encode()
        try:
            os.pwrite(self._descriptor, holder, 0)
            os.ftruncate(self._descriptor, len(holder))
        except OSError:
            # A full disk keeps nobody from deleting mail.
            return
        self._holder = holder


def _open_locked(folder: Path) -> int:
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
    return descriptor
