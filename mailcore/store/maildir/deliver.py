"""Putting messages into Maildir folders so that nobody ever sees half of one.

Three steps that a batch can take together: `stage` writes content to tmp/ without waiting, `Staged.sync`
makes it durable, `place` gives it its name in new/ or cur/. The name is durable after the directory was
fsynced, which is the caller's to do, once per directory and batch. A second mailbox gets a hard link of the
same file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mailcore.ids import new_maildir_name
from mailcore.message.wire import ToWire, wire_size
from mailcore.store import files
from mailcore.store.base import BLOCK, Content
from mailcore.store.maildir import filename

SUBFOLDERS = ("tmp", "new", "cur")


@dataclass(slots=True)
class Staged:
    """Content that is on the disk under a name nobody reads. `is_ours`: the name is to be removed at the
    end.
    """

    path: str
    disk_size: int
    wire_size: int
    is_ours: bool
    fd: int

    def sync(self) -> None:
        """Make the content durable."""
        if self.fd >= 0:
            try:
                os.fdatasync(self.fd)
            finally:
                self.close()

    def close(self) -> None:
        """Give the descriptor back without making anything durable."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def discard(self) -> None:
        """Remove the name in tmp/; names given by `place` stay."""
        self.close()
        if self.is_ours:
            files.remove_quietly(self.path)


def create_folder(folder: str) -> None:
    """Make an empty Maildir folder, durably. No error if it is there."""
    for name in SUBFOLDERS:
        files.make_directory(os.path.join(folder, name))


def new_key(hostname: str, content: Content, size: int) -> str:
    """The name a message will have in new/; `size` is its wire size."""
    disk_size = os.stat(content).st_size if isinstance(content, Path) else len(content)
    return filename.with_sizes(new_maildir_name(hostname), disk_size, size)


def stage(folder: str, content: Content, hostname: str, *, size: int | None = None, make: bool = True) -> Staged:
    """Write `content` to tmp/ of `folder`, which is made if missing (or with `make` off, FileNotFoundError raised). A
    file that can be linked from where it is is not copied. `size` is the wire size, if the caller knows it.
    """
    if isinstance(content, Path):
        return _stage_file(folder, str(content), hostname, size, make=make)
    path = f"{folder}/tmp/{new_maildir_name(hostname)}"
    fd = _create(folder, path) if make else files.create_exclusively(path)
    staged = Staged(path, len(content), wire_size(content) if size is None else size, True, fd)
    try:
        files.write_all(fd, content)
    except BaseException:
        staged.discard()
        raise
    return staged


def stage_copy(folder: str, content: Content, hostname: str, *, size: int | None = None) -> Staged:
    """Like `stage`, but always a file of our own."""
    if isinstance(content, bytes):
        return stage(folder, content, hostname, size=size)
    path = os.path.join(folder, "tmp", new_maildir_name(hostname))
    os.close(_create(folder, path))
    os.unlink(path)
    files.copy_durably(str(content), path)
    wire = wire_size_of_file(path) if size is None else size
    return Staged(path, os.stat(path).st_size, wire, True, -1)


def place(staged: Staged, folder: str, hostname: str, *, letters: str | None = None, is_last: bool = False) -> str:
    """A name for the message in new/ (or in cur/, with these flag letters). Returns its path.

    An atomic link: the message appears complete, and never in the place of another. With `is_last` the name in tmp/
    becomes that name, which saves a step.
    """
    key = filename.with_sizes(new_maildir_name(hostname), staged.disk_size, staged.wire_size)
    if letters is None:
        path = os.path.join(folder, "new", key)
    else:
        path = os.path.join(folder, "cur", filename.join(key, letters))
    try:
        give_name(staged, path, is_last=is_last)
    except FileNotFoundError:
        create_folder(folder)
        give_name(staged, path, is_last=is_last)
    return path


def give_name(staged: Staged, path: str, *, is_last: bool = False) -> None:
    """Link staged content to a path; with `is_last` the name in tmp/ becomes it."""
    if is_last and staged.is_ours:
        os.rename(staged.path, path)
        staged.path, staged.is_ours = path, False
    else:
        files.link_or_copy(staged.path, path)


def key_of(path: str) -> str:
    """The store key of a placed message."""
    return filename.split(os.path.basename(path))[0]


def _stage_file(folder: str, source: str, hostname: str, size: int | None, *, make: bool) -> Staged:
    if not make and not os.path.isdir(os.path.join(folder, "new")):
        raise FileNotFoundError(folder)
    if size is None:
        size = wire_size_of_file(source)
    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    staged = Staged(source, os.fstat(fd).st_size, size, False, fd)
    if not os.path.isdir(os.path.dirname(folder)):
        create_folder(folder)  # the account's first message
    if os.fstat(fd).st_dev == os.stat(os.path.dirname(folder)).st_dev:
        files.start_writeback(fd)
        return staged
    staged.close()
    return stage_copy(folder, Path(source), hostname, size=size)


def _create(folder: str, path: str) -> int:
    try:
        return files.create_exclusively(path)
    except FileNotFoundError:
        create_folder(folder)
        return files.create_exclusively(path)


def wire_size_of_file(path: str) -> int:
    """The wire size of a file in disk form, read in blocks."""
    size, wire = 0, ToWire()
    with open(path, "rb") as source:
        while block := source.read(BLOCK):
            size += len(wire.feed(block))
    return size + len(wire.close())
