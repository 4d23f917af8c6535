"""The content journal: many new files become durable in one write and one flush.

A file that is to survive a power cut costs a flush of its own and one for its directory. Instead, the contents of a
whole batch are first written to a journal, one after the other, and flushed once; the files themselves are written
without waiting. What the journal holds is made good again after a power cut (mailcore.delivery.recovery); when a
segment is full or some seconds old, the file systems its files lie in are flushed as a whole and it is used anew.

A process has a folder of its own with two segments, which it uses in turn and writes over: writing over blocks that
exist is the cheapest flush there is; while a segment still grows, it does so in larger steps than by a batch. The
folder is locked for as long as the process lives.

A record is a head (RECORD: magic, checksum, epoch, lengths), a line "mailbox id, uid, path" for each name the content
has, and the content. A segment ends at the first record that is torn or of another epoch.
"""

from __future__ import annotations

import os
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from mailcore.errors import StoreUnavailable
from mailcore.ids import new_queue_id
from mailcore.log import get_logger
from mailcore.store import files
from mailcore.store.folder_lock import FolderLock

SEGMENT_BYTES = 32 << 20
# A file is made longer by so much at a time, in zeros that the next records are written over.
GROW_BYTES = 256 << 10
KEEP_S = 10.0
WAIT_S = 30.0
RETRY_S = 1.0
# What is larger is flushed where it lies: its own flush is then a small part of its cost.
LARGEST_CONTENT = 128 << 10
NAMES = ("a", "b")
UNNAMED = "new."  # of a folder that is not locked yet
RECORD = struct.Struct("<4sIQII")
MAGIC = b"MKJ\x01"
_BUFFERS = 1000  # of one writev; IOV_MAX is 1024
_HEAD_AND_NAMES = 512  # of most records

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """One name of a content: its path below the home, and the row that says that it belongs there: a message of a
    mailbox, or, with mailbox_id 0, the queued message of that name.
    """

    path: str
    mailbox_id: int = 0
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A content and the places it gets."""

    content: bytes
    places: tuple[Place, ...]


@dataclass(slots=True)
class Segment:
    """One file of the journal. `writers` are batches whose files may not all be written yet."""

    fd: int
    epoch: int = 0
    used: int = 0
    size: int = 0
    writers: int = 0
    is_free: bool = True
    devices: dict[int, int] = field(default_factory=dict)


class Writing:
    """One batch on its way into the journal. `flush` returns when its contents are durable."""

    def __init__(self, segment: Segment, flush: Callable[[], None]) -> None:
        self._segment = segment
        self._flush = flush

    def wait(self) -> None:
        """Returns when the contents are durable. Raises OSError."""
        self._flush()

    def touches(self, fd: int) -> None:
        """A file of this batch lies in the file system of `fd`."""
        device = os.fstat(fd).st_dev
        if device not in self._segment.devices:
            self._segment.devices[device] = os.dup(fd)


class Journal:
    """The journal of this process below `root`; `home` is what the paths of places are relative to."""

    def __init__(self, root: Path, home: Path, *, segment_bytes: int = SEGMENT_BYTES, keep_s: float = KEEP_S) -> None:
        self.home = str(home)
        self.folder = root / new_queue_id()
        self._segment_bytes, self._keep_s = segment_bytes, keep_s
        # Under its name only when it is locked: whoever recovers takes a folder without a lock for one of the dead.
        unnamed = root / f"{UNNAMED}{self.folder.name}"
        files.make_directory(str(unnamed))
        self._lock = FolderLock.create(unnamed)
        self._segments = [Segment(os.open(unnamed / name, _FLAGS, files.FILE_MODE)) for name in NAMES]
        files.sync_directory(str(unnamed))
        unnamed.rename(self.folder)
        files.sync_directory(str(root))
        self._epoch = int.from_bytes(os.urandom(6), "big")
        self._active = self._segments[0]
        self._active.epoch = self._epoch
        self._changed = threading.Condition()
        self._is_closing = False
        self._flusher = ThreadPoolExecutor(2, thread_name_prefix="journal")
        self._keeper = threading.Thread(target=self._keep_up, name="journal-keeper", daemon=True)
        self._keeper.start()

    def relative(self, path: str) -> str:
        """A path as a Place has it: below the home, wherever that is next time."""
        return os.path.relpath(path, self.home) if not path.startswith(self.home) else path[len(self.home) + 1 :]

    @contextmanager
    def keeping(self, entries: Sequence[Entry]) -> Iterator[Writing]:
        """Write contents while the body runs: it calls `wait` before it gives the first file its name, and when it
        ends, all files are written. Raises StoreUnavailable if there is no room in the journal, OSError.
        """
        with self._room_in(entries) as segment:
            writing = Writing(segment, self._flusher.submit(self._write, segment, entries).result)
            try:
                yield writing
            finally:
                with suppress(OSError):
                    writing.wait()

    @contextmanager
    def keeping_one(self, entry: Entry) -> Iterator[Writing]:
        """The same for one content, written at once and flushed by `wait` itself: to hand it to another thread would
        cost more than what this one has to do meanwhile.
        """
        with self._room_in([entry]) as segment:
            self._append(segment, [entry])
            yield Writing(segment, lambda: os.fdatasync(segment.fd))

    def close(self) -> None:
        """Flush everything and remove the folder."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._keeper.join()
        self._flusher.shutdown()
        for segment in self._segments:
            os.close(segment.fd)
        if all(segment.is_free for segment in self._segments):
            remove_folder(self.folder)
        self._lock.release()

    @contextmanager
    def _room_in(self, entries: Sequence[Entry]) -> Iterator[Segment]:
        segment = self._reserve(sum(RECORD.size + len(each.content) + 400 * len(each.places) for each in entries))
        try:
            yield segment
        finally:
            with self._changed:
                segment.writers -= 1
                # Nobody waits for the writers of the segment in use: to wake who looks after the journal would cost
                # each message a switch of threads.
                if segment is not self._active:
                    self._changed.notify_all()

    def _reserve(self, size: int) -> Segment:
        with self._changed:
            if not self._changed.wait_for(lambda: self._room_for(size), WAIT_S):
                raise StoreUnavailable("the journal is full: the file system does not keep up")
            segment = self._active
            segment.writers += 1
            segment.is_free = False
            return segment

    def _room_for(self, size: int) -> bool:
        return self._active.used + size <= self._segment_bytes or not self._active.used or self._switch()

    def _switch(self) -> bool:
        """Go on in the other segment, if it is free."""
        other = self._segments[self._active is self._segments[0]]
        if not other.is_free:
            return False
        self._epoch += 1
        other.epoch, other.used = self._epoch, 0
        self._active = other
        self._changed.notify_all()
        return True

    def _write(self, segment: Segment, entries: Sequence[Entry]) -> None:
        self._append(segment, entries)
        os.fdatasync(segment.fd)

    def _append(self, segment: Segment, entries: Sequence[Entry]) -> None:
        with self._changed:
            # Under the lock: a later batch must not be durable with a hole before it.
            buffers = [part for entry in entries for part in _record(segment.epoch, entry)]
            segment.used += _write_at(segment.fd, buffers, segment.used)
            if segment.used > segment.size:
                segment.size = segment.used + _write_zeros(segment.fd, segment.used)

    def _keep_up(self) -> None:
        """Make segments free again: the one that is full, and after some time the one that is not."""
        while not self._is_closing or self._full() is not None or self._active.used:
            full = self._next_full()
            if full is not None and not self._checkpoint(full) and self._is_closing:
                return

    def _next_full(self) -> Segment | None:
        with self._changed:
            self._changed.wait_for(lambda: self._is_closing or self._full() is not None, self._keep_s)
            if self._full() is None and self._active.used:
                self._switch()
            full = self._full()
            if full is not None:
                self._changed.wait_for(lambda: not full.writers)
            return full

    def _full(self) -> Segment | None:
        other = self._segments[self._active is self._segments[0]]
        return None if other.is_free else other

    def _checkpoint(self, segment: Segment) -> bool:
        try:
            for fd in segment.devices.values():
                files.sync_file_system(fd)
            os.pwrite(segment.fd, bytes(RECORD.size), 0)
        except OSError as error:
            log.error("journal_not_flushed", folder=str(self.folder), error=str(error))
            time.sleep(RETRY_S)
            return False
        for fd in segment.devices.values():
            os.close(fd)
        with self._changed:
            segment.devices.clear()
            segment.is_free = True
            self._changed.notify_all()
        return True


_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def _record(epoch: int, entry: Entry) -> tuple[bytes, bytes, bytes]:
    names = "".join(f"{place.mailbox_id},{place.uid},{place.path}\n" for place in entry.places).encode()
    checksum = zlib.crc32(entry.content, zlib.crc32(names, epoch & 0xFFFFFFFF))
    return RECORD.pack(MAGIC, checksum, epoch, len(names), len(entry.content)), names, entry.content


def _write_at(fd: int, buffers: Sequence[bytes], offset: int) -> int:
    """Write all of them at `offset`; returns how much that was. What was written of it if it fails is written over."""
    start = offset
    for number in range(0, len(buffers), _BUFFERS):
        some = buffers[number : number + _BUFFERS]
        size = sum(map(len, some))
        written = os.pwritev(fd, some, offset)
        if written < size:
            files.write_all_at(fd, b"".join(some)[written:], offset + written)
        offset += size
    return offset - start


def _write_zeros(fd: int, offset: int) -> int:
    """Make the file longer; returns by how much. Where there is no room it is not: the records are what matters."""
    try:
        return os.pwrite(fd, bytes(GROW_BYTES), offset)
    except OSError:
        return 0


def journals(home: Path) -> Path:
    """The folder of all journals."""
    return home / "spool" / "journal"


def read_segment(path: Path, offset: int = 0) -> Iterator[Entry]:
    """The entries of a segment, from the one at `offset` up to the first that is not whole."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(offset)
        first_epoch = None
        while (head := file.read(RECORD.size)) and len(head) == RECORD.size:
            magic, checksum, epoch, names_size, content_size = RECORD.unpack(head)
            if magic != MAGIC or epoch != (first_epoch or epoch):
                return
            first_epoch = epoch
            names, content = file.read(names_size), file.read(content_size)
            if zlib.crc32(content, zlib.crc32(names, epoch & 0xFFFFFFFF)) != checksum:
                return
            yield Entry(content, _places(names))


def read_names(path: Path) -> Iterator[tuple[int, tuple[Place, ...]]]:
    """The places of each content of a segment, and the offset of its record; the contents are not read.

    Its writer may be at work. What was durable before this began is found, unless its files have been flushed since:
    a record never moves, and a segment is used anew only behind its flush. A torn one may be found besides, for only
    `read_segment` can tell.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        yield from _names_in(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _names_in(fd: int, size: int) -> Iterator[tuple[int, tuple[Place, ...]]]:
    offset, first_epoch = 0, None
    while len(start := os.pread(fd, _HEAD_AND_NAMES, offset)) >= RECORD.size:
        magic, _, epoch, names_size, content_size = RECORD.unpack_from(start)
        end = offset + RECORD.size + names_size + content_size
        if magic != MAGIC or epoch != (first_epoch or epoch) or end > size:
            return
        first_epoch = epoch
        names = start[RECORD.size : RECORD.size + names_size]
        if len(names) < names_size:
            names = os.pread(fd, names_size, offset + RECORD.size)
        try:
            yield offset, _places(names)
        except ValueError:  # torn, or written over just now
            return
        offset = end


def _places(names: bytes) -> tuple[Place, ...]:
    return tuple(map(_place, names.decode().split("\n")[:-1]))


def _place(line: str) -> Place:
    mailbox_id, uid, path = line.split(",", 2)
    return Place(path, int(mailbox_id), int(uid))


def remove_folder(folder: Path) -> None:
    """Remove the folder of a journal that holds nothing any more."""
    for name in (*NAMES, "lock"):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()
