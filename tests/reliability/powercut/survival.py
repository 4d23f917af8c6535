"""What a power cut may leave of a recorded disk.

The rules (docs/adr/0025): what an fsync covered that ended before the cut is there. Everything else is there or not,
in any combination: a name, a rename (both of its halves or none), and of written data all, none, the beginning, the
end from a page on, or zeros.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.reliability.powercut.disk import Change, Disk, Inode, Naming, Writing

PAGE = 4096


def certain_from(disk: Disk) -> dict[Change, float]:
    """From which moment on a change survives; infinity if nothing was done about it."""
    return {
        change: min((sync.end for sync in disk.syncs if sync.covers(change)), default=float("inf"))
        for change in disk.changes
    }


# How much of a change survives.
NOTHING, ALL, BEGINNING, END, ZEROS = "nothing", "all", "beginning", "end", "zeros"


def choices(change: Change) -> Sequence[str]:
    """What may become of a change that no fsync covers."""
    if isinstance(change, Naming) or change.data is None:
        return (ALL, NOTHING)
    if change.offset // PAGE == (change.offset + len(change.data)) // PAGE:
        return (ALL, NOTHING, BEGINNING, ZEROS)
    return (ALL, NOTHING, BEGINNING, ZEROS, END)


Tree = Mapping[str, tuple[int, bytes] | None]


def tree(disk: Disk, survived: Sequence[tuple[Change, str]]) -> Tree:
    """Paths of the state in which these changes survived: None is a directory, a file has its inode and content."""
    names = _Layered(disk)
    contents: dict[Inode, bytearray] = {}
    for change, how in survived:
        if how == NOTHING:
            continue
        if isinstance(change, Naming):
            names.apply(change)
        else:
            if change.inode not in contents:
                contents[change.inode] = bytearray(change.inode.content)
            _write(contents[change.inode], change, how)
    found: dict[str, tuple[int, bytes] | None] = {}
    _walk(disk.root, "", names, contents, found)
    return found


class _Layered:
    """The names of all directories, copied where they differ from the beginning."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._own: dict[Inode, dict[str, Inode]] = {}

    def apply(self, change: Naming) -> None:
        for directory, name, inode in change.changes:
            names = self._own.setdefault(directory, dict(directory.names))
            if inode is None:
                names.pop(name, None)
            else:
                names[name] = inode

    def of(self, directory: Inode) -> Mapping[str, Inode]:
        return self._own.get(directory, directory.names)


def _write(content: bytearray, change: Writing, how: str) -> None:
    if change.data is None:
        if change.offset < len(content):
            del content[change.offset :]
        else:
            content.extend(bytes(change.offset - len(content)))
        return
    start, data = change.offset, change.data
    if how == BEGINNING:
        cut = len(data) // 2
        # Over old content the disk writes pages; behind its end any length may be there.
        if start < len(content):
            cut = max(0, (start + cut) // PAGE * PAGE - start)
        data = data[:cut]
    elif how == END:
        skip = -start % PAGE or PAGE
        start, data = start + skip, data[skip:]
    elif how == ZEROS:
        # Only what was not there before can be zeros.
        inside = max(0, len(content) - start)
        data = bytes(content[start : start + inside])[: len(data)] + bytes(max(0, len(data) - inside))
    if len(content) < start:
        content.extend(bytes(start - len(content)))
    content[start : start + len(data)] = data


def _walk(
    directory: Inode,
    path: str,
    names: _Layered,
    contents: Mapping[Inode, bytearray],
    found: dict[str, tuple[int, bytes] | None],
) -> None:
    for name, inode in sorted(names.of(directory).items()):
        where = f"{path}/{name}" if path else name
        if inode.is_directory:
            found[where] = None
            _walk(inode, where, names, contents, found)
        else:
            found[where] = (inode.number, bytes(contents.get(inode, inode.content)))


def materialise(state: Tree, root: Path) -> None:
    """Make the files of a state below `root`, which exists and is empty. All are from before this boot."""
    before_boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) - 60
    first: dict[int, Path] = {}
    for name, entry in state.items():
        path = root / name
        if entry is None:
            path.mkdir()
        elif entry[0] in first:
            path.hardlink_to(first[entry[0]])
        else:
            path.write_bytes(entry[1])
            os.utime(path, (before_boot, before_boot))
            first[entry[0]] = path
