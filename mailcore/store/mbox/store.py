"""MboxStore: the messages of one account in mbox files, one per mailbox.

Works beside other programs that take the usual locks (mutt -f): every look at a file happens under a lock, and what
was known of it counts only while inode, size and time are the same. Appended messages are fsynced before the lock is
given back; an append that fails is cut off again. Changes in the middle go through mbox.rewrite.
"""

from __future__ import annotations

import itertools
import os
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from mailcore.errors import MailboxExists, MailboxNotFound, MessageGone
from mailcore.ids import new_queue_id
from mailcore.message.flags import NO_FLAGS, Flags
from mailcore.message.wire import ToWire, to_wire
from mailcore.store import files, layout, long_names
from mailcore.store.base import (
    BLOCK,
    Content,
    Found,
    Kept,
    Placed,
    Scan,
    StoredAt,
    StoredMessage,
    StoreKey,
    nothing_meanwhile,
)
from mailcore.store.exchange import Exchange, Incoming, Outgoing
from mailcore.store.mbox import format, tail
from mailcore.store.mbox.lock import DEFAULT_TIMEOUT_S, locked_for_reading, locked_for_writing
from mailcore.store.mbox.parse import Entry, extract, parse, text_of, whole_lines
from mailcore.store.mbox.rewrite import recover, redo_file, rewrite

State = tuple[int, ...]
_MAX_HEADER = 1 << 20


class ParsedFiles:
    """What was found in files, for as long as they stay the same; the least used are forgotten."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._known: OrderedDict[Path, tuple[State, tuple[Entry, ...]]] = OrderedDict()

    def get(self, path: Path, state: State) -> tuple[Entry, ...] | None:
        """The messages of the file, if it is still in `state`."""
        known = self._known.get(path)
        return known[1] if known and known[0] == state else None

    def put(self, path: Path, state: State, entries: tuple[Entry, ...]) -> None:
        """Remember."""
        self._known.pop(path, None)
        self._known[path] = (state, entries)
        while len(self._known) > self._limit:
            self._known.popitem(last=False)


@dataclass(frozen=True, slots=True)
class _New:
    """A message to append: the pieces of its text in disk form, beginning with the whole header; read twice."""

    pieces: Callable[[], Iterator[bytes]]
    flags: Flags
    internal_date: datetime
    message_id: str = field(default_factory=new_queue_id)


class MboxStore:
    """`folder` is the account's mbox/; `parsed` may be shared by all stores of a process. With `durable` off `append`
    does not wait for the disk; whoever fills a whole store then flushes it once.
    """

    def __init__(
        self,
        folder: Path,
        parsed: ParsedFiles | None = None,
        lock_timeout_s: float = DEFAULT_TIMEOUT_S,
        *,
        durable: bool = True,
    ) -> None:
        self._durable = durable
        self._root = folder
        self._parsed = parsed if parsed is not None else ParsedFiles()
        self._timeout_s = lock_timeout_s

    def file(self, mailbox: str) -> Path:
        """The file of a mailbox."""
        return self._root / layout.mbox_file(mailbox)

    def is_present(self, mailbox: str) -> bool:
        # Some programs remove the file of an empty mailbox.
        return self._root.is_dir()

    def ensure_account(self) -> None:
        self.create_mailbox(layout.INBOX)

    def list_mailboxes(self) -> list[str]:
        """Every file below the folder whose name could be ours."""
        found = []
        for above, _, names in os.walk(self._root):
            relative = Path(above).relative_to(self._root)
            found += [self._name_of(relative / name) for name in names]
        mailboxes = sorted({name for name in found if name} - {layout.INBOX})
        return [layout.INBOX, *mailboxes] if self.file(layout.INBOX).exists() else mailboxes

    def _name_of(self, file: Path) -> str | None:
        if len(file.parts) == 1 and layout.is_long(file.name):
            return long_names.read(str(self._root / file) + long_names.BESIDE_FILE, file.name)
        return layout.mailbox_of_mbox_file(file)

    @staticmethod
    def _forget_name(path: Path) -> None:
        if layout.is_long(path.name):
            files.remove_quietly(str(path) + long_names.BESIDE_FILE)

    def create_mailbox(self, mailbox: str) -> None:
        path = self.file(mailbox)
        if path.exists():
            return
        with files.disk_errors():
            files.make_directory(str(path.parent))
            if layout.is_long(path.name):
                long_names.write(str(path) + long_names.BESIDE_FILE, mailbox)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, files.FILE_MODE))
            files.sync_directory(str(path.parent))

    def delete_mailbox(self, mailbox: str) -> None:
        path = self.file(mailbox)
        with files.disk_errors():
            if not path.exists():
                return
            with self._writing(mailbox) as fd:
                os.ftruncate(fd, 0)
                if mailbox != layout.INBOX:
                    path.unlink()
                    tail.remove(path)
                    self._forget_name(path)
            files.sync_directory(str(path.parent))
            self._remove_empty_folders(path.parent)

    def rename_mailbox(self, old: str, new: str) -> None:
        source, target = self.file(old), self.file(new)
        with files.disk_errors():
            if target.exists():
                raise MailboxExists(new)
            files.make_directory(str(target.parent))
            if layout.is_long(target.name):
                long_names.write(str(target) + long_names.BESIDE_FILE, new)
            with self._writing(old):
                source.rename(target)
                tail.remove(source)
                self._forget_name(source)
            files.sync_directories({str(source.parent), str(target.parent)})
            self._remove_empty_folders(source.parent)

    def append(
        self,
        mailbox: str,
        content: Content,
        flags: Flags = NO_FLAGS,
        internal_date: datetime | None = None,
        kept: Kept | None = None,
        meanwhile: Callable[[Placed], None] = nothing_meanwhile,
    ) -> Placed:
        message = _New(lambda: _pieces(content), flags, internal_date or datetime.now(UTC))
        with files.disk_errors():
            placed = self._append(mailbox, [message])[0]
        meanwhile(placed)
        return placed

    def exchange(self, mailbox: str, new: Sequence[Incoming], old: Sequence[Outgoing] = ()) -> Exchange:
        """New messages are in the file at once, all of them or none; old ones leave theirs in the end."""
        messages = [_New(_rereadable_content(m.content), m.flags, m.internal_date or datetime.now(UTC)) for m in new]
        with files.disk_errors():
            placed = self._append(mailbox, messages) if messages else []
        return Exchange(
            placed,
            complete=lambda: self._remove_outgoing(old),
            undo=lambda: self.remove(mailbox, [(each.key, NO_FLAGS) for each in placed]) if placed else None,
        )

    def settle(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> Collection[StoreKey]:
        """Nothing waits anywhere."""
        return ()

    def _remove_outgoing(self, old: Sequence[Outgoing]) -> None:
        for each in old:
            self.remove(each.mailbox, [(each.key, each.flags)])

    def open(self, mailbox: str, key: StoreKey, flags: Flags = NO_FLAGS) -> StoredMessage:
        with files.disk_errors(), self._reading(mailbox) as (fd, entries):
            return StoredMessage(extract(fd, _entry(entries, key)))

    def read_each(
        self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]], *, at_most: int | None = None
    ) -> list[bytes | None]:
        with files.disk_errors(), self._reading(mailbox) as (fd, entries):
            by_key = {entry.key: entry for entry in entries}
            found = [by_key.get(key) for key, _ in messages]
            return [None if entry is None else _read(fd, entry, at_most) for entry in found]

    def describe(self, mailbox: str, keys: Collection[StoreKey]) -> list[Found]:
        with files.disk_errors(), self._reading(mailbox) as (fd, entries):
            return [
                Found(entry.key, _wire_size(text_of(fd, entry)), entry.internal_date)
                for entry in entries
                if entry.key in keys
            ]

    def set_flags(self, mailbox: str, changes: Sequence[tuple[StoreKey, Flags, Flags]]) -> None:
        wanted = {key: after for key, _, after in changes}
        with files.disk_errors(), self._writing(mailbox) as fd:
            entries = self._entries(fd, mailbox)
            wanted = {e.key: wanted[e.key] for e in entries if e.key in wanted and wanted[e.key] != e.flags}
            if not wanted:
                return
            if self._set_in_place(fd, entries, wanted):
                entries = tuple(replace(e, flags=wanted.get(e.key, e.flags)) for e in entries)
                self._parsed.put(self.file(mailbox), _state(fd), entries)
            else:
                rewrite(fd, self.file(mailbox), entries, without=frozenset(), flags=wanted)

    def remove(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> None:
        with files.disk_errors(), self._writing(mailbox) as fd:
            gone = frozenset(key for key, _ in messages)
            rewrite(fd, self.file(mailbox), self._entries(fd, mailbox), without=gone, flags={})

    def copy(self, mailbox: str, messages: Sequence[StoredAt], target: str) -> list[Placed | None]:
        if not self.file(target).exists():
            raise MailboxNotFound(target)
        placed: list[Placed | None] = []
        with files.disk_errors():
            # Read all before anything is written: source and target may be the same file.
            opened = [self._open_or_none(mailbox, message[0]) for message in messages]
            try:
                new = [
                    _New(_rereadable(source), flags, at)
                    for source, (_, flags, at) in zip(opened, messages, strict=True)
                    if source
                ]
                appended = iter(self._append(target, new))
                placed = [next(appended) if source else None for source in opened]
            finally:
                for source in filter(None, opened):
                    source.close()
        return placed

    def move(self, mailbox: str, messages: Sequence[StoredAt], target: str) -> list[Placed | None]:
        placed = self.copy(mailbox, messages, target)
        self.remove(mailbox, [(key, flags) for key, flags, _ in messages])
        return placed

    def scan(self, mailbox: str, *, take_new: bool = False) -> Scan:
        self.create_mailbox(mailbox)
        with files.disk_errors(), self._reading(mailbox) as (fd, entries):
            return Scan({entry.key: entry.flags for entry in entries}, None, _state(fd))

    def tidy(self, mailbox: str) -> None:
        """Nothing is ever left there."""

    def is_unchanged(self, mailbox: str, state: tuple[int, ...]) -> bool:
        try:
            status = os.stat(self.file(mailbox))
        except FileNotFoundError:
            return False
        return (status.st_ino, status.st_size, status.st_mtime_ns) == state

    def only_gained(self, mailbox: str, state: tuple[int, ...], messages: int) -> bool:
        """Only reading the file tells."""
        return False

    @contextmanager
    def _reading(self, mailbox: str) -> Iterator[tuple[int, tuple[Entry, ...]]]:
        path = self.file(mailbox)
        if redo_file(path).exists() or tail.is_announced(path):
            with self._writing(mailbox):
                pass
        try:
            with locked_for_reading(path, self._timeout_s) as fd:
                yield fd, self._entries(fd, mailbox)
        except FileNotFoundError:
            raise MessageGone(f"{path} is gone") from None

    @contextmanager
    def _writing(self, mailbox: str) -> Iterator[int]:
        path = self.file(mailbox)
        if not path.parent.is_dir():
            files.make_directory(str(path.parent))
        with locked_for_writing(path, self._timeout_s) as fd:
            recover(fd, path)
            tail.settle(fd, path)
            yield fd

    def _entries(self, fd: int, mailbox: str) -> tuple[Entry, ...]:
        path, state = self.file(mailbox), _state(fd)
        entries = self._parsed.get(path, state)
        if entries is None:
            entries = parse(fd)
            self._parsed.put(path, state, entries)
        return entries

    def _append(self, mailbox: str, messages: Sequence[_New]) -> list[Placed]:
        path = self.file(mailbox)
        with self._writing(mailbox) as fd:
            before, between = os.fstat(fd).st_size, _end_of_last(fd)
            try:
                if self._durable:
                    tail.announce(path, before, itertools.chain([between], *map(_Text, messages)))
                placed = _write_at_end(fd, between, messages)
                if self._durable:
                    os.fsync(fd)
            except BaseException:
                os.ftruncate(fd, before)
                raise
            finally:
                if self._durable:
                    tail.done(path)
        if before == 0 and self._durable:
            files.sync_directory(str(path.parent))
        return placed

    def _set_in_place(self, fd: int, entries: Sequence[Entry], wanted: dict[StoreKey, Flags]) -> bool:
        """Write the fields over the old ones, if all fit; the size of the file stays the same."""
        blocks = [
            (entry.status, format.status_block(wanted[entry.key], entry.status[1]))
            for entry in entries
            if entry.key in wanted
        ]
        if any(len(block) != length for (_, length), block in blocks):
            return False
        for (offset, _), block in blocks:
            os.pwrite(fd, block, offset)
        return True

    def _open_or_none(self, mailbox: str, key: StoreKey) -> StoredMessage | None:
        try:
            return self.open(mailbox, key)
        except MessageGone:
            return None

    def _remove_empty_folders(self, folder: Path) -> None:
        while folder != self._root and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent


def _state(fd: int) -> State:
    status = os.fstat(fd)
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _entry(entries: Iterable[Entry], key: StoreKey) -> Entry:
    for entry in entries:
        if entry.key == key:
            return entry
    raise MessageGone(key)


def _read(fd: int, entry: Entry, at_most: int | None) -> bytes:
    """A message in wire form, or its first `at_most` stored bytes."""
    pieces, size = [], 0
    for piece in text_of(fd, entry):
        pieces.append(piece)
        size += len(piece)
        if at_most is not None and size >= at_most:
            break
    return to_wire(b"".join(pieces)[:at_most])


class _Text:
    """A message as it is written, in pieces; `wire_size` is that of its text when it was read to its end."""

    def __init__(self, message: _New) -> None:
        self._message = message
        self.wire_size = 0

    def __iter__(self) -> Iterator[bytes]:
        message, wire = self._message, ToWire()
        pieces = message.pieces()
        header = format.without_status(next(pieces, b"\n"))
        yield (
            format.from_line(header, message.internal_date)
            + format.id_field(message.message_id)
            + format.status_block(message.flags)
            + header
        )
        size, last = len(wire.feed(header)), header[-1:]
        for lines in whole_lines(pieces):
            yield format.quote(lines)
            size += len(wire.feed(lines))
            last = lines[-1:]
        ending = b"" if last == b"\n" else b"\n"
        yield ending + b"\n"
        self.wire_size = size + len(wire.feed(ending)) + len(wire.close())


def _end_of_last(fd: int) -> bytes:
    """The newlines that are missing in front of a From_ line."""
    size = os.fstat(fd).st_size
    last = os.pread(fd, min(2, size), max(0, size - 2))
    return b"\n" * (0 if not last or last == b"\n\n" else 1 if last.endswith(b"\n") else 2)


def _write_at_end(fd: int, between: bytes, messages: Sequence[_New]) -> list[Placed]:
    os.lseek(fd, 0, os.SEEK_END)
    files.write_all(fd, between)
    return [_write_one(fd, message) for message in messages]


def _write_one(fd: int, message: _New) -> Placed:
    text = _Text(message)
    for piece in text:
        files.write_all(fd, piece)
    return Placed(f"id:{message.message_id}", text.wire_size)


def _pieces(content: Content) -> Iterator[bytes]:
    """The header, then the body in blocks."""
    if isinstance(content, bytes):
        end = format.split_header(content)
        yield content[:end]
        yield content[end:]
        return
    with open(content, "rb") as source:
        start = source.read(_MAX_HEADER)
        end = format.split_header(start)
        yield start[:end]
        yield start[end:]
        while block := source.read(BLOCK):
            yield block


def _rereadable_content(content: Content) -> Callable[[], Iterator[bytes]]:
    return lambda: _pieces(content)


def _rereadable(source: StoredMessage) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        blocks = source.disk_chunks(_MAX_HEADER)
        start = next(blocks, b"")
        end = format.split_header(start)
        yield start[:end]
        yield start[end:]
        yield from blocks

    return pieces


def _wire_size(pieces: Iterable[bytes]) -> int:
    wire = ToWire()
    return sum(len(wire.feed(piece)) for piece in pieces) + len(wire.close())
