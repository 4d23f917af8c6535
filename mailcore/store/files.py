"""File operations that a mail store needs and the standard library leaves to its callers."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from mailcore.errors import StoreFull, StoreUnavailable

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_SYNC_FILE_RANGE_WRITE = 2
_FALLOC_FL_KEEP_SIZE = 1
_MANY = 32
_SMALL = 32 * 1024
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turn what the file system says into StoreFull or StoreUnavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFull(str(error)) from error
        raise StoreUnavailable(str(error)) from error


def start_writeback(fd: int) -> None:
    """Ask the kernel to begin writing a file now. A hint: it makes a later fdatasync of many files cheaper,
    because their blocks are then allocated together and one journal commit serves all.
    """
    _libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), _SYNC_FILE_RANGE_WRITE)


def reserve(fd: int, size: int) -> None:
    """See that a file can grow to `size` bytes, without changing it. No error where a file system cannot promise it.
    Raises OSError when there is no space.
    """
    if size > os.fstat(fd).st_size and _libc.fallocate(
        fd, _FALLOC_FL_KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)
    ):
        number = ctypes.get_errno()
        if number in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(number, os.strerror(number))


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    with opened_directory(path) as fd:
        os.fsync(fd)


@contextmanager
def opened_directory(path: str) -> Iterator[int]:
    """A directory, for names in it: the way to it is looked up once, which is a fifth of what a rename costs."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def sync_file_system(fd: int) -> None:
    """Make everything durable that was written to the file system of `fd` until now. Raises OSError."""
    if _libc.syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def sync_directories(paths: Iterable[str]) -> None:
    """sync_directory for each."""
    for path in paths:
        sync_directory(path)


def read(path: str, at_most: int | None = None) -> bytes:
    """A file, or its first `at_most` bytes, without the buffers of file objects: they cost more than small files. Nor
    is a small one asked for its size: what ends early has ended.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = os.read(fd, _SMALL if at_most is None else at_most)
        if at_most is None and len(data) == _SMALL:
            left = os.fstat(fd).st_size - _SMALL
            while left > 0 and (more := os.read(fd, left)):
                data += more
                left -= len(more)
        return data
    finally:
        os.close(fd)


def make_directory(path: str) -> None:
    """Make a directory and those above it, and make its name durable. No error if it is there."""
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    make_directory(above)
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileExistsError:
        return
    sync_directory(above)


def write_all(fd: int, data: bytes) -> None:
    """os.write may write less than it is given."""
    written = os.write(fd, data)
    view = memoryview(data)
    while written < len(data):
        written += os.write(fd, view[written:])


def sync_contents(paths: Sequence[str]) -> None:
    """Make files durable that may be so already; when they are many, their file system as a whole. Those that are gone
    are passed over.
    """
    are_many = len(paths) > _MANY
    for path in paths:
        with suppress(FileNotFoundError):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                if are_many:
                    sync_file_system(fd)
                    return
                os.fdatasync(fd)
            finally:
                os.close(fd)


def write_all_at(fd: int, data: bytes, offset: int) -> None:
    """os.pwrite may write less than it is given."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def link_or_copy(source: str, target: str) -> bool:
    """A second name for a file; where that is not possible (another file system, too many links) a durable
    copy. The target appears complete or not at all. True if it is a link.
    """
    try:
        os.link(source, target)
        return True
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP):
            raise
    temporary = os.path.join(os.path.dirname(os.path.dirname(target)), "tmp", os.path.basename(target))
    try:
        copy_durably(source, temporary)
        os.link(temporary, target)
    finally:
        remove_quietly(temporary)
    return False


def copy_durably(source: str, target: str) -> None:
    """A new file with the same content and times, fdatasynced."""
    with open(source, "rb") as reader, open(create_exclusively(target), "wb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        shutil.copystat(source, target)
        os.fdatasync(writer.fileno())


def create_exclusively(path: str) -> int:
    """A descriptor of a new file only we may read."""
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)


def remove_older(folder: str, before: float, *, by_inode: bool = False) -> int:
    """Remove what programs that died left in a folder for unfinished files, if nobody has written to it since that
    time or, `by_inode`, done anything to it: renames and dates that were set count then too. Folders go with all that
    is in them. What cannot be removed stays. Returns how many.
    """
    removed = 0
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                if (found.st_ctime if by_inode else found.st_mtime) >= before:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)
                removed += 1
    return removed


def remove_quietly(path: str) -> None:
    """Remove a file that may be gone already."""
    with suppress(FileNotFoundError):
        os.unlink(path)
