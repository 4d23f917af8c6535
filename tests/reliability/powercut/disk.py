"""A disk while it is being recorded: what calls did to names and content below one folder, and what they made durable.

A call that may change something and is not known here is an error, so that nothing escapes the test unnoticed.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.powercut.trace import Call, literal

# Calls on files that change nothing the rules speak of. (A time or a mode that is lost does no harm.)
_HARMLESS = """
access faccessat faccessat2 stat fstat lstat newfstatat statx readlink readlinkat getcwd getdents64 chdir fchdir
pread64 preadv poll ppoll select pselect6 epoll_wait epoll_pwait epoll_ctl epoll_create1 eventfd2 fcntl ioctl flock
fadvise64 sync_file_range utimensat utime chmod fchmod fchmodat chown fchown fchownat lchown close_range pipe pipe2
statfs fstatfs execve getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr inotify_init1 inotify_add_watch
memfd_create mmap
"""
_NETWORK = """
socket connect bind listen accept accept4 getsockname getpeername socketpair setsockopt getsockopt sendto recvfrom
sendmsg recvmsg sendmmsg recvmmsg shutdown
"""
# One buffer of a pwritev.
_BASE = re.compile(r'iov_base=("(?:[^"\\]|\\.)*")')
HARMLESS = frozenset(_HARMLESS.split())
NETWORK = frozenset(_NETWORK.split())


class UnknownCall(Exception):
    """Something was done to the files that the rules say nothing about."""


@dataclass(eq=False, slots=True)
class Inode:
    """A file or a directory; `content` or `names` are as they were, durable, when the recording began."""

    number: int
    is_directory: bool
    content: bytes = b""
    names: dict[str, Inode] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Naming:
    """Names that are given or taken in one step: (directory, name, what it names from now on)."""

    start: int
    end: int
    changes: tuple[tuple[Inode, str, Inode | None], ...]

    @property
    def inodes(self) -> set[Inode]:
        return {directory for directory, _, _ in self.changes}


@dataclass(frozen=True, slots=True)
class Writing:
    """Data written to a file; None: it is cut or extended to `offset`."""

    start: int
    end: int
    inode: Inode
    offset: int
    data: bytes | None

    @property
    def inodes(self) -> set[Inode]:
        return {self.inode}


Change = Naming | Writing


@dataclass(frozen=True, slots=True)
class Sync:
    """fsync or fdatasync that succeeded; `inode` None: of everything; `only`: a write that was one by itself."""

    start: int
    end: int
    inode: Inode | None
    only: Change | None = None

    def covers(self, change: Change) -> bool:
        """Whether that change is durable when this is over."""
        if self.only is not None:
            return self.only is change
        return self.start >= change.end and (self.inode is None or self.inode in change.inodes)


@dataclass(slots=True)
class _Descriptor:
    inode: Inode
    offset: int = 0
    appends: bool = False
    waits: bool = False


class Disk:
    """Below `root` as it is now, durable; `take` then learns what was done to it."""

    def __init__(self, root: Path) -> None:
        self.path = str(root)
        self.changes: list[Change] = []
        self.syncs: list[Sync] = []
        self._known: dict[int, Inode] = {}
        self._counter = 0
        self.root = self._read(root)
        # The tree as programs see it, beside the durable one.
        self._names = {inode: dict(inode.names) for inode in self._known.values()}
        self._sizes = {inode: len(inode.content) for inode in self._known.values()}
        self._descriptors: dict[int, _Descriptor] = {}

    def _read(self, path: Path) -> Inode:
        status = path.lstat()
        if status.st_ino in self._known:
            return self._known[status.st_ino]
        inode = self._known[status.st_ino] = self._new(is_directory=stat.S_ISDIR(status.st_mode))
        if inode.is_directory:
            inode.names = {entry.name: self._read(entry) for entry in sorted(path.iterdir())}
        else:
            inode.content = path.read_bytes()
        return inode

    def _new(self, *, is_directory: bool) -> Inode:
        self._counter += 1
        return Inode(self._counter, is_directory)

    # Recording

    def take(self, calls: Iterable[Call]) -> None:
        """Learn what these calls did."""
        # A number is free from the beginning of its close on: another thread may get it before that close returns.
        for call in sorted(calls, key=lambda call: call.start if call.name == "close" else call.end):
            if call.name in NETWORK or call.result < 0:
                continue
            if known := KNOWN.get(call.name):
                known(self, call)
            elif call.name not in HARMLESS and self._concerns_us(call):
                raise UnknownCall(f"{call.name}({', '.join(a[:100] for a in call.arguments)})")
            elif call.name == "mmap" and self._concerns_us(call) and "MAP_SHARED" in call.arguments[3]:
                raise UnknownCall("a file is written through memory")

    def _concerns_us(self, call: Call) -> bool:
        if call.name.startswith("io_uring"):
            return True
        of_ours = any(self.path.encode() in argument.encode() for argument in call.arguments)
        numbers = [int(a) for a in call.arguments if a.isdigit()]
        return of_ours or any(number in self._descriptors for number in numbers)

    def _place(self, at: str, path: bytes) -> tuple[Inode, str] | None:
        """The directory and the name in it that a path means; None: not below the root."""
        text = os.fsdecode(path)
        if text.startswith("/"):
            if not text.startswith(self.path + "/"):
                return None
            inode, parts = self.root, text[len(self.path) + 1 :].split("/")
        else:
            descriptor = self._descriptors.get(int(at)) if at.isdigit() else None
            if descriptor is None:
                return None
            inode, parts = descriptor.inode, text.split("/")
        parts = [part for part in parts if part not in ("", ".")]
        if ".." in parts or not parts:
            return None
        for part in parts[:-1]:
            inode = self._names[inode][part]
        return inode, parts[-1]

    def _inode_at(self, at: str, path: bytes) -> Inode | None:
        if os.fsdecode(path).rstrip("/") == self.path:
            return self.root
        place = self._place(at, path)
        return self._names[place[0]].get(place[1]) if place else None

    def _change_names(self, call: Call, *changes: tuple[Inode, str, Inode | None]) -> None:
        for directory, name, inode in changes:
            if inode is None:
                self._names[directory].pop(name, None)
            else:
                self._names[directory][name] = inode
        self.changes.append(Naming(call.start, call.end, changes))

    def _create(self, call: Call, place: tuple[Inode, str], *, is_directory: bool) -> Inode:
        inode = self._new(is_directory=is_directory)
        self._names[inode], self._sizes[inode] = {}, 0
        self._change_names(call, (*place, inode))
        return inode

    def openat(self, call: Call) -> None:
        self._opened(call, call.arguments[0], call.text(1), call.arguments[2])

    def open(self, call: Call) -> None:
        self._opened(call, "AT_FDCWD", call.text(0), call.arguments[1])

    def _opened(self, call: Call, at: str, path: bytes, flags: str) -> None:
        self._descriptors.pop(call.result, None)
        inode = self._inode_at(at, path)
        place = self._place(at, path)
        if inode is None and place is None:
            return
        if "O_TMPFILE" in flags:
            raise UnknownCall("O_TMPFILE")
        if inode is None:
            assert place is not None
            inode = self._create(call, place, is_directory=False)
        elif "O_TRUNC" in flags and self._sizes[inode]:
            self._write_at(call, inode, 0, None)
        self._descriptors[call.result] = _Descriptor(
            inode, appends="O_APPEND" in flags, waits="O_DSYNC" in flags or "O_SYNC" in flags
        )

    def close(self, call: Call) -> None:
        self._descriptors.pop(call.number(0), None)

    def dup(self, call: Call) -> None:
        if call.number(0) in self._descriptors:
            raise UnknownCall("a descriptor of a mail file is doubled")

    def _of(self, call: Call, number: int = 0) -> _Descriptor | None:
        argument = call.arguments[number]
        return self._descriptors.get(int(argument)) if argument.isdigit() else None

    def read(self, call: Call) -> None:
        if descriptor := self._of(call):
            descriptor.offset += call.result

    def lseek(self, call: Call) -> None:
        if descriptor := self._of(call):
            descriptor.offset = call.result

    def write(self, call: Call) -> None:
        if descriptor := self._of(call):
            offset = self._sizes[descriptor.inode] if descriptor.appends else descriptor.offset
            self._write_at(call, descriptor.inode, offset, call.text(1)[: call.result], waits=descriptor.waits)
            descriptor.offset = offset + call.result

    def pwrite64(self, call: Call) -> None:
        if descriptor := self._of(call):
            self._write_at(call, descriptor.inode, call.number(3), call.text(1)[: call.result], waits=descriptor.waits)

    def pwritev(self, call: Call) -> None:
        if descriptor := self._of(call):
            data = b"".join(literal(base) for base in _BASE.findall(call.arguments[1]))
            waits = descriptor.waits or any("SYNC" in flag for flag in call.arguments[4:])
            self._write_at(call, descriptor.inode, call.number(3), data[: call.result], waits=waits)

    def ftruncate(self, call: Call) -> None:
        if descriptor := self._of(call):
            self._write_at(call, descriptor.inode, call.number(1), None)

    def truncate(self, call: Call) -> None:
        if inode := self._inode_at("AT_FDCWD", call.text(0)):
            self._write_at(call, inode, call.number(1), None)

    def fallocate(self, call: Call) -> None:
        if (descriptor := self._of(call)) and "FALLOC_FL_KEEP_SIZE" not in call.arguments[1]:
            size = call.number(2) + call.number(3)
            if size > self._sizes[descriptor.inode]:
                self._write_at(call, descriptor.inode, size, None)

    def _write_at(self, call: Call, inode: Inode, offset: int, data: bytes | None, *, waits: bool = False) -> None:
        self._sizes[inode] = offset if data is None else max(self._sizes[inode], offset + len(data))
        self.changes.append(writing := Writing(call.start, call.end, inode, offset, data))
        if waits:
            self.syncs.append(Sync(call.start, call.end, inode, writing))

    def fsync(self, call: Call) -> None:
        if descriptor := self._of(call):
            self.syncs.append(Sync(call.start, call.end, descriptor.inode))

    def sync(self, call: Call) -> None:
        self.syncs.append(Sync(call.start, call.end, None))

    def mkdir(self, call: Call) -> None:
        self._make_directory(call, "AT_FDCWD", call.text(0))

    def mkdirat(self, call: Call) -> None:
        self._make_directory(call, call.arguments[0], call.text(1))

    def _make_directory(self, call: Call, at: str, path: bytes) -> None:
        if place := self._place(at, path):
            self._create(call, place, is_directory=True)

    def unlink(self, call: Call) -> None:
        self._remove(call, "AT_FDCWD", call.text(0))

    def unlinkat(self, call: Call) -> None:
        self._remove(call, call.arguments[0], call.text(1))

    def _remove(self, call: Call, at: str, path: bytes) -> None:
        if place := self._place(at, path):
            self._change_names(call, (*place, None))

    def rename(self, call: Call) -> None:
        self._move(call, "AT_FDCWD", call.text(0), "AT_FDCWD", call.text(1))

    def renameat(self, call: Call) -> None:
        self._move(call, call.arguments[0], call.text(1), call.arguments[2], call.text(3))

    def renameat2(self, call: Call) -> None:
        if "RENAME_EXCHANGE" in call.arguments[4]:
            raise UnknownCall("RENAME_EXCHANGE")
        self.renameat(call)

    def _move(self, call: Call, at: str, old: bytes, new_at: str, new: bytes) -> None:
        source, target = self._place(at, old), self._place(new_at, new)
        if source is None and target is None:
            return
        if source is None or target is None:
            raise UnknownCall("a rename into or out of the mail volume")
        if source != target:
            self._change_names(call, (*source, None), (*target, self._names[source[0]][source[1]]))

    def link(self, call: Call) -> None:
        self._give_name(call, "AT_FDCWD", call.text(0), "AT_FDCWD", call.text(1))

    def linkat(self, call: Call) -> None:
        self._give_name(call, call.arguments[0], call.text(1), call.arguments[2], call.text(3))

    def _give_name(self, call: Call, at: str, old: bytes, new_at: str, new: bytes) -> None:
        inode, target = self._inode_at(at, old), self._place(new_at, new)
        if inode is None and target is None:
            return
        if inode is None or target is None:
            raise UnknownCall("a link into or out of the mail volume")
        self._change_names(call, (*target, inode))


KNOWN: dict[str, Callable[[Disk, Call], None]] = {
    "openat": Disk.openat,
    "open": Disk.open,
    "close": Disk.close,
    "dup": Disk.dup,
    "dup2": Disk.dup,
    "dup3": Disk.dup,
    "read": Disk.read,
    "readv": Disk.read,
    "lseek": Disk.lseek,
    "write": Disk.write,
    "pwrite64": Disk.pwrite64,
    "pwritev": Disk.pwritev,
    "pwritev2": Disk.pwritev,
    "ftruncate": Disk.ftruncate,
    "truncate": Disk.truncate,
    "fallocate": Disk.fallocate,
    "fsync": Disk.fsync,
    "fdatasync": Disk.fsync,
    "sync": Disk.sync,
    "syncfs": Disk.sync,
    "mkdir": Disk.mkdir,
    "mkdirat": Disk.mkdirat,
    "unlink": Disk.unlink,
    "unlinkat": Disk.unlinkat,
    "rmdir": Disk.unlink,
    "rename": Disk.rename,
    "renameat": Disk.renameat,
    "renameat2": Disk.renameat2,
    "link": Disk.link,
    "linkat": Disk.linkat,
}
