"""Appending to an mbox file so that a power cut leaves all of it or nothing.

Blocks of an append reach the disk in any order; without more, half a message or zeros could stand at the end of the
file afterwards, and the next program would take them for the end of the message before. So `<file>.append` says first,
durably, how long the file is and what is about to come. Whoever takes the lock after a crash looks whether all of it
came; if not, the file is cut where it ended. If something else stands there, another program was quicker, and
nothing is touched.

The record is overwritten by the next append and needs no flush of its own to be given up: what it tells stays true,
because the beginning it remembers contains our fields for flags, which every later change of the message alters.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailcore.store import files

# One sector, which disks write whole: size before, length and digest of what comes, its beginning.
_HEAD = 456
_RECORD = struct.Struct(f"<QQ16sH{_HEAD}s")
_CHECK = 8
_BLOCK = 1 << 20


def tail_file(path: Path) -> Path:
    """The file that tells of the last append; empty when that is known to be complete."""
    return path.with_name(path.name + ".append")


@dataclass(frozen=True, slots=True)
class Tail:
    """What is to stand behind the first `size` bytes of the file."""

    size: int
    length: int
    digest: bytes
    head: bytes


def announce(path: Path, size: int, pieces: Iterable[bytes]) -> None:
    """Say durably that `pieces` will be appended to a file of `size` bytes; the caller holds the lock for writing."""
    digest, length, head = hashlib.blake2b(digest_size=16), 0, b""
    for piece in pieces:
        digest.update(piece)
        length += len(piece)
        head = (head + piece[:_HEAD])[:_HEAD]
    record = _RECORD.pack(size, length, digest.digest(), len(head), head)
    is_new = not tail_file(path).exists()
    fd = os.open(tail_file(path), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
    try:
        os.pwrite(fd, record + _check(record), 0)
        os.fdatasync(fd)
    finally:
        os.close(fd)
    if is_new:
        files.sync_directory(str(path.parent))


def is_announced(path: Path) -> bool:
    """Whether an append may be unfinished."""
    try:
        return os.stat(tail_file(path)).st_size > 0
    except FileNotFoundError:
        return False


def settle(fd: int, path: Path) -> None:
    """After a crash: keep a complete append, cut an incomplete one; the caller holds the lock for writing."""
    if not is_announced(path):
        return
    tail = _read(path)
    if tail is not None and _is_incomplete(fd, tail):
        os.ftruncate(fd, tail.size)
        os.fsync(fd)
    done(path)


def done(path: Path) -> None:
    """The append is complete, or was taken back."""
    with suppress(FileNotFoundError):
        os.truncate(tail_file(path), 0)


def remove(path: Path) -> None:
    """The file has gone, or has another name."""
    files.remove_quietly(str(tail_file(path)))


def _check(record: bytes) -> bytes:
    return hashlib.blake2b(record, digest_size=_CHECK).digest()


def _read(path: Path) -> Tail | None:
    """None: the announcement itself was not complete, so nothing had been written yet."""
    text = files.read(str(tail_file(path)), _RECORD.size + _CHECK)
    record, check = text[: _RECORD.size], text[_RECORD.size :]
    if len(record) < _RECORD.size or check != _check(record):
        return None
    size, length, digest, head_length, head = _RECORD.unpack(record)
    return Tail(size, length, digest, head[:head_length])


def _is_incomplete(fd: int, tail: Tail) -> bool:
    """Whether what stands there can only be a part of what was announced: its beginning, with holes of zeros."""
    size = os.fstat(fd).st_size
    if not tail.size < size <= tail.size + tail.length:
        return False
    there = os.pread(fd, len(tail.head), tail.size)
    if any(now not in (0, meant) for now, meant in zip(there, tail.head, strict=False)):
        return False
    return size < tail.size + tail.length or _digest(fd, tail.size) != tail.digest


def _digest(fd: int, start: int) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    while block := os.pread(fd, _BLOCK, start):
        digest.update(block)
        start += len(block)
    return digest.digest()
