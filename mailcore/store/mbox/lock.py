"""Locks on an mbox file: fcntl first, then <file>.lock, as mutt and most delivery agents take them, within a
time limit.

The fcntl lock is one of an open file description (OFD): it excludes other programs' fcntl locks and also the
other threads of this process, and closing some other descriptor of the file does not lose it. While it is
held nobody of ours can touch the dot lock, so a dot lock found then belongs to another program or to a
process that died. Ours say so in a second line: such a one is removed at once, whoever has that process id by now.
One that is older than this boot was left by a power cut.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailcore.errors import MailboxInUse
from mailcore.store import files

DEFAULT_TIMEOUT_S = 10.0
# A dot lock without a readable process id is given up for dead after this time (procmail waits about as
# long).
STALE_AFTER_S = 1024.0
_PAUSE_S = 0.02
_OURS = b"mailkeep"


@contextmanager
def locked_for_reading(path: Path, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[int]:
    """A descriptor of the file that nobody changes meanwhile. Raises FileNotFoundError, MailboxInUse."""
    fd = _open_locked(path, os.O_RDONLY, fcntl.F_RDLCK, time.monotonic() + timeout_s)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def locked_for_writing(path: Path, timeout_s: float = DEFAULT_TIMEOUT_S) -> Iterator[int]:
    """A descriptor of the file, made if missing, that nobody reads or changes meanwhile. Raises MailboxInUse."""
    deadline = time.monotonic() + timeout_s
    fd = _open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.F_WRLCK, deadline)
    try:
        with _dot_lock(path, deadline):
            yield fd
    finally:
        os.close(fd)


def _open_locked(path: Path, mode: int, kind: int, deadline: float) -> int:
    while True:
        fd = os.open(path, mode | os.O_CLOEXEC, files.FILE_MODE)
        try:
            _take_fcntl(fd, kind, path, deadline)
            if _is_still(path, fd):
                return fd
        except BaseException:
            os.close(fd)
            raise
        # The mailbox was renamed or deleted while we waited: this file is no longer the one of that name.
        os.close(fd)


def _is_still(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _take_fcntl(fd: int, kind: int, path: Path, deadline: float) -> None:
    # struct flock on 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid (which must be 0 here).
    whole_file = struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)
    while True:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, whole_file)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            _wait(path, deadline)


@contextmanager
def _dot_lock(path: Path, deadline: float) -> Iterator[None]:
    lock = f"{path}.lock"
    while not _create(lock):
        if _is_stale(lock):
            files.remove_quietly(lock)
        else:
            _wait(path, deadline)
    try:
        yield
    finally:
        files.remove_quietly(lock)


def _create(lock: str) -> bool:
    try:
        fd = files.create_exclusively(lock)
    except FileExistsError:
        return False
    try:
        os.write(fd, b"%d\n%s\n" % (os.getpid(), _OURS))
    except OSError as error:
        # It is the name that locks: on a full disk messages can still be read, flagged and removed.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            os.unlink(lock)
            raise
    finally:
        os.close(fd)
    return True


def _is_stale(lock: str) -> bool:
    try:
        changed_at = os.stat(lock).st_mtime
        text = Path(lock).read_bytes()[:40].split()
    except FileNotFoundError:
        return False
    if text[1:] == [_OURS] or changed_at < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME):
        return True
    if text and text[0].isdigit():
        return not _is_alive(int(text[0]))
    return time.time() - changed_at > STALE_AFTER_S


def _is_alive(pid: int) -> bool:
    # A lock of our own would not be asked about: this is the number of an earlier process.
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _wait(path: Path, deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise MailboxInUse(f"{path} is locked by another program")
    time.sleep(_PAUSE_S)
