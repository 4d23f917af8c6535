"""Changing an mbox file in the middle without ever being able to lose a message.

Other programs lock the inode, so the file cannot be replaced by a renamed copy: whoever waits for the lock
would then write into a file that nobody reads. Therefore everything from the first change on is first written
to <file>.redo and made durable, and only then over the file itself. After a crash the next one who takes the
lock finishes the work. If the file shows that another program has written to it since, nothing is
overwritten: messages of the redo file that are missing are appended instead. Either way no message that was
not to go is lost.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mailcore.message.flags import Flags
from mailcore.store import files
from mailcore.store.mbox import format
from mailcore.store.mbox.parse import Entry, parse, read_blocks

_PAGE = 4096
_TRAILER = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """From `offset` on the file is to consist of `tail` bytes, the first ones of the redo file; before, it
    had `old_size` bytes, and pages from `offset` on with these digests. `mixed_page` is that of the last new page
    with what follows in the old one: so it looks until the file is cut.
    """

    offset: int
    tail: int
    old_size: int
    old_pages: list[str]
    mixed_page: str = ""


def redo_file(path: Path) -> Path:
    """The file that is there while a change is unfinished."""
    return path.with_name(path.name + ".redo")


def rewrite(
    fd: int, path: Path, entries: Sequence[Entry], *, without: frozenset[str], flags: Mapping[str, Flags]
) -> None:
    """Drop the messages `without` and show `flags`; the caller holds the lock for writing."""
    first = next((n for n, e in enumerate(entries) if e.key in without or e.key in flags), None)
    if first is None:
        return
    offset = entries[first].start
    if all(entry.key in without for entry in entries[first:]):
        os.ftruncate(fd, offset)
        os.fsync(fd)
        return
    # The plan tells what the pages of the file are now; a power cut must not bring back what they were before.
    os.fsync(fd)
    plan = _write_redo(fd, path, offset, _new_tail(fd, entries[first:], without, flags))
    _finish(fd, path, plan)


def recover(fd: int, path: Path) -> None:
    """Finish what a crash interrupted; the caller holds the lock for writing. Cheap when there is nothing."""
    if not redo_file(path).exists():
        return
    plan = _read_plan(redo_file(path))
    if _is_half_way(fd, path, plan):
        _finish(fd, path, plan)
    else:
        _append_missing(fd, path, plan)


def _new_tail(
    fd: int, entries: Iterable[Entry], without: frozenset[str], flags: Mapping[str, Flags]
) -> Iterator[bytes]:
    for entry in entries:
        if entry.key in without:
            continue
        if entry.key not in flags:
            yield from read_blocks(fd, entry.start, entry.end)
            continue
        header = os.pread(fd, entry.body_start - entry.header_start, entry.header_start)
        message_id = format.id_of(header)
        yield os.pread(fd, entry.header_start - entry.start, entry.start)
        yield format.id_field(message_id) if message_id else b""
        yield format.status_block(flags[entry.key]) + format.without_status(header)
        yield from read_blocks(fd, entry.body_start, entry.end)


def _write_redo(fd: int, path: Path, offset: int, tail: Iterable[bytes]) -> Plan:
    """The redo file: the new tail, the plan as JSON, the length of that JSON. Once it has its name it is
    complete, and there is space for what it says. On a full disk nothing of it stays.
    """
    unfinished = path.with_name(path.name + ".redo-new")
    files.remove_quietly(str(unfinished))
    try:
        with open(files.create_exclusively(str(unfinished)), "wb") as redo:
            redo.writelines(tail)
            redo.flush()
            plan = _plan(fd, unfinished, offset)
            text = json.dumps(asdict(plan)).encode()
            redo.write(text + f"{len(text):0{_TRAILER}d}".encode())
            redo.flush()
            os.fsync(redo.fileno())
        # Or whoever takes the lock next would have to finish first, and could not: nobody could even read.
        files.reserve(fd, plan.offset + plan.tail)
    except BaseException:
        files.remove_quietly(str(unfinished))
        raise
    unfinished.rename(redo_file(path))
    files.sync_directory(str(path.parent))
    return plan


def _plan(fd: int, new_tail: Path, offset: int) -> Plan:
    old_size, tail = os.fstat(fd).st_size, os.stat(new_tail).st_size
    last = max(0, tail - ((offset + tail) % _PAGE or _PAGE))
    with open(new_tail, "rb") as new:
        mixed = os.pread(new.fileno(), _PAGE, last)
    end = offset + last + len(mixed)
    mixed += os.pread(fd, -end % _PAGE, end)
    return Plan(offset, tail, old_size, list(map(_digest, _pages(fd, offset, old_size))), _digest(mixed))


def _read_plan(redo: Path) -> Plan:
    with open(redo, "rb") as source:
        end = source.seek(-_TRAILER, os.SEEK_END)
        length = int(source.read())
        source.seek(end - length)
        return Plan(**json.loads(source.read(length)))


def _finish(fd: int, path: Path, plan: Plan) -> None:
    """Write the new tail over the file, in blocks that end where pages end, so that a crash leaves whole pages of
    before or after. Doing it again changes nothing.
    """
    to_page_end = min(-plan.offset % _PAGE, plan.tail)
    with open(redo_file(path), "rb") as redo:
        position = plan.offset
        for start, end in ((0, to_page_end), (to_page_end, plan.tail)):
            for block in read_blocks(redo.fileno(), start, end):
                os.lseek(fd, position, os.SEEK_SET)
                files.write_all(fd, block)
                position += len(block)
    os.ftruncate(fd, position)
    os.fsync(fd)
    _remove_redo(path)


def _remove_redo(path: Path) -> None:
    redo_file(path).unlink()
    files.sync_directory(str(path.parent))


def _is_half_way(fd: int, path: Path, plan: Plan) -> bool:
    """Every page of the file is what it was before or what it is to become: nobody else has written since."""
    size, new_size = os.fstat(fd).st_size, plan.offset + plan.tail
    if not min(plan.old_size, new_size) <= size <= max(plan.old_size, new_size):
        return False
    start = plan.offset
    with open(redo_file(path), "rb") as redo:
        new_pages = _pages(redo.fileno(), 0, plan.tail, phase=plan.offset)
        old_pages = iter(plan.old_pages)
        for now in _pages(fd, plan.offset, size):
            old, new = next(old_pages, ""), next(new_pages, b"")
            # The last page of the longer state may be cut at the end of the shorter one.
            is_cut = start + len(now) == size < plan.old_size
            is_new = new[: len(now)] == now or (new and _digest(now) == plan.mixed_page)
            if not (is_cut or is_new or _is_old(now, old, plan.old_size - start)):
                return False
            start += len(now)
    return True


def _is_old(page: bytes, digest: str, length: int) -> bool:
    """Whether it is the page before the change; behind the old end of the file the disk may have put zeros."""
    length = min(max(length, 0), len(page))
    return (not length or _digest(page[:length]) == digest) and not any(page[length:])


def _append_missing(fd: int, path: Path, plan: Plan) -> None:
    """Add the messages of the redo file that the file no longer has."""
    present = {entry.key for entry in parse(fd)}
    with open(redo_file(path), "rb") as redo:
        for entry in parse(redo.fileno(), plan.tail):
            if entry.key not in present:
                os.lseek(fd, 0, os.SEEK_END)
                for block in read_blocks(redo.fileno(), entry.start, entry.end):
                    files.write_all(fd, block)
    os.fsync(fd)
    _remove_redo(path)


def _pages(fd: int, start: int, end: int, phase: int = 0) -> Iterator[bytes]:
    """The bytes from `start` to `end`, cut where pages of the disk end; `phase` is added to offsets for that."""
    while start < end and (page := os.pread(fd, min(_PAGE - (start + phase) % _PAGE, end - start), start)):
        start += len(page)
        yield page


def _digest(page: bytes) -> str:
    return hashlib.blake2b(page, digest_size=8).hexdigest()
