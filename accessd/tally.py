"""How many connections each client address and each account has, over all processes of this node.

Every process counts into a table of its own in shared memory, which its siblings map and read: a question costs some
reads of memory, nothing is locked, and what a process counted goes with it when it dies (its file is locked as long as
it lives). The table has two rows of BUCKETS counters; a key has one counter in each, and the smaller one of both is
never too small and hardly ever too large (a count-min sketch), in memory that does not grow with the connections.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import secrets
import tempfile
from pathlib import Path

from mailcore.log import get_logger

BUCKETS = 32_768
ROWS = 2
TABLE_BYTES = ROWS * BUCKETS * 4
_SHARED_MEMORY = Path("/dev/shm")

log = get_logger(__name__)


def meeting_place(mail_home: Path) -> Path:
    """The folder of the processes of one installation and user on this machine, ours alone.

    Where there can be none a new one: then each process counts for itself, which is better than no process.
    """
    try:
        return _shared_folder(mail_home)
    except OSError as error:
        log.error("connections_counted_by_process", error=str(error))
        return Path(tempfile.mkdtemp(prefix="mailkeep-"))


def _shared_folder(mail_home: Path) -> Path:
    name = hashlib.blake2b(os.fsencode(mail_home), digest_size=8).hexdigest()
    parent = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else Path(tempfile.gettempdir())
    folder = parent / f"mailkeep-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise PermissionError(f"{folder} is not ours alone")
    return folder


class Tally:
    """The counts of this process, and the sums of all. `add`, `remove` and `count` belong to the event loop."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._descriptor, self._own = _create(folder, self._name)
        self._others: dict[str, memoryview] = {}
        self.look_for_others()

    def add(self, key: str) -> int:
        """One more. Returns how many there are now, with this one."""
        for place in _places(key):
            self._own[place] += 1
        return self.count(key)

    def remove(self, key: str) -> None:
        """One less."""
        for place in _places(key):
            self._own[place] -= 1

    def count(self, key: str) -> int:
        """How many there are in all processes."""
        tables = (self._own, *self._others.values())
        return min(sum(table[place] for table in tables) for place in _places(key))

    def look_for_others(self) -> None:
        """Notice processes that have come or gone; call it every few seconds, on any thread. Never raises OSError."""
        others = {}
        try:
            names = os.listdir(self._folder)
        except OSError:
            return
        for name in names:
            if name == self._name or name.startswith("."):
                continue
            table = self._others.get(name)
            if _is_alive(self._folder / name):
                others[name] = table if table is not None else _open(self._folder / name)
        self._others = {name: table for name, table in others.items() if table is not None}

    def close(self) -> None:
        """This process counts no more; the last one takes the folder along."""
        (self._folder / self._name).unlink(missing_ok=True)
        os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self._folder.rmdir()


def _places(key: str) -> tuple[int, int]:
    digest = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    return digest % BUCKETS, BUCKETS + (digest >> 32) % BUCKETS


def _create(folder: Path, name: str) -> tuple[int, memoryview]:
    """Locked before it has its name: nobody takes it for the file of a dead process."""
    # Another process may just have ended as the last one.
    folder.mkdir(mode=0o700, exist_ok=True)
    hidden = folder / f".{name}"
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    # All of it now: memory that is found missing later kills the process.
    os.posix_fallocate(descriptor, 0, TABLE_BYTES)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.rename(hidden, folder / name)
    return descriptor, memoryview(mmap.mmap(descriptor, TABLE_BYTES)).cast("I")


def _is_alive(path: Path) -> bool:
    """Is the file locked? That of a dead process is removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _open(path: Path) -> memoryview | None:
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), TABLE_BYTES, access=mmap.ACCESS_READ)).cast("I")
    except (OSError, ValueError):
        return None
