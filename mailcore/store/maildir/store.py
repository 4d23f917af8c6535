"""MaildirStore: the messages of one account in Maildir++ folders.

Works beside other Maildir programs: mutt may rename files to change their flags, move them from new/ to cur/,
add and delete them at any time. Copies are hard links. Whatever adds or moves a message fsyncs the
directories before it returns.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mailcore.errors import MailboxExists, MailboxNotFound, MessageGone
from mailcore.ids import new_maildir_name
from mailcore.message.flags import NO_FLAGS, Flags
from mailcore.message.wire import to_wire, wire_size
from mailcore.store import files, layout, long_names
from mailcore.store.base import (
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
from mailcore.store.journal import LARGEST_CONTENT, Entry, Place
from mailcore.store.maildir import deliver, exchange, filename
from mailcore.store.maildir.scan import Locator, ensure_folder, list_new, remove_abandoned, scan, state_of

# The content of a file that arrived so lately may be durable in a journal only, which knows nothing of other names.
YOUNG_S = 3600.0


class MaildirStore:
    """`folder` is the account's Maildir, `hostname` goes into new file names. With `durable` off `append` does not
    wait for the disk; whoever fills a whole store then flushes it once.
    """

    def __init__(self, folder: Path, hostname: str, *, durable: bool = True) -> None:
        self._root = str(folder)
        self._hostname = hostname
        self._durable = durable

    def folder(self, mailbox: str) -> str:
        """The Maildir folder of a mailbox."""
        name = layout.maildir_folder(mailbox)
        return os.path.join(self._root, name) if name else self._root

    def is_present(self, mailbox: str) -> bool:
        return os.path.isdir(os.path.join(self.folder(mailbox), "cur"))

    def ensure_account(self) -> None:
        """Make INBOX."""
        with files.disk_errors():
            ensure_folder(self._root)

    def list_mailboxes(self) -> list[str]:
        """INBOX and every subfolder that is a Maildir."""
        if not os.path.isdir(os.path.join(self._root, "cur")):
            return []
        with files.disk_errors(), os.scandir(self._root) as entries:
            folders = [entry.name for entry in entries if entry.name.startswith(".") and entry.is_dir()]
        named = {name: self._name_of(name) for name in folders}
        found = [
            mailbox
            for name, mailbox in named.items()
            if mailbox and os.path.isdir(os.path.join(self._root, name, "cur"))
        ]
        return [layout.INBOX, *sorted(found)]

    def create_mailbox(self, mailbox: str) -> None:
        folder = self.folder(mailbox)
        with files.disk_errors():
            ensure_folder(folder)
            if layout.is_long(os.path.basename(folder)):
                long_names.write(os.path.join(folder, long_names.IN_FOLDER), mailbox)
            if folder != self._root:
                # The mark of a Maildir++ subfolder.
                Path(folder, "maildirfolder").touch(mode=files.FILE_MODE)

    def delete_mailbox(self, mailbox: str) -> None:
        """First out of sight in one step, then removed."""
        folder = self.folder(mailbox)
        with files.disk_errors():
            if folder == self._root:
                self._empty_inbox()
                return
            doomed = os.path.join(self._root, "tmp", "deleted." + new_maildir_name(self._hostname))
            try:
                os.rename(folder, doomed)
            except FileNotFoundError:
                return
            files.sync_directory(self._root)
            shutil.rmtree(doomed, ignore_errors=True)

    def rename_mailbox(self, old: str, new: str) -> None:
        source, target = self.folder(old), self.folder(new)
        with files.disk_errors():
            if os.path.isdir(os.path.join(target, "cur")):
                raise MailboxExists(new)
            ensure_folder(source)
            # What a journal keeps it keeps under the old name; under the new one nobody may see a part of it.
            files.sync_contents(_files_of(source))
            was_long, will_be_long = (layout.is_long(os.path.basename(folder)) for folder in (source, target))
            if will_be_long:
                long_names.write(os.path.join(source, long_names.IN_FOLDER), new)
            os.rename(source, target)
            files.sync_directory(self._root)
            if was_long and not will_be_long:
                files.remove_quietly(os.path.join(target, long_names.IN_FOLDER))

    def append(
        self,
        mailbox: str,
        content: Content,
        flags: Flags = NO_FLAGS,
        internal_date: datetime | None = None,
        kept: Kept | None = None,
        meanwhile: Callable[[Placed], None] = nothing_meanwhile,
    ) -> Placed:
        folder = self.folder(mailbox)
        with files.disk_errors():
            if kept is not None and isinstance(content, bytes) and len(content) <= LARGEST_CONTENT:
                return self._append_kept(folder, content, flags, internal_date, kept, meanwhile)
            if internal_date is None:
                staged = deliver.stage(folder, content, self._hostname)
            else:
                # The time belongs to this copy alone, so it cannot be a link to the caller's file.
                staged = deliver.stage_copy(folder, content, self._hostname)
            try:
                if internal_date is not None:
                    os.utime(staged.path, (time.time(), internal_date.timestamp()))
                if self._durable:
                    staged.sync()
                placed = self._place(staged, folder, flags)
            finally:
                staged.discard()
        meanwhile(placed)
        return placed

    def exchange(self, mailbox: str, new: Sequence[Incoming], old: Sequence[Outgoing] = ()) -> Exchange:
        away = [(self.folder(each.mailbox), each.key, each.flags) for each in old]
        with files.disk_errors():
            return exchange.exchange(self.folder(mailbox), self._hostname, new, away, durable=self._durable)

    def settle(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> Collection[StoreKey]:
        with files.disk_errors():
            return exchange.settle(self.folder(mailbox), messages)

    def open(self, mailbox: str, key: StoreKey, flags: Flags = NO_FLAGS) -> StoredMessage:
        folder = self.folder(mailbox)
        with files.disk_errors():
            return StoredMessage(open(self._locate(Locator(folder), key, flags), "rb"))

    def read_each(
        self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]], *, at_most: int | None = None
    ) -> list[bytes | None]:
        locator = Locator(self.folder(mailbox))
        with files.disk_errors():
            return [_read(locator, key, flags, at_most) for key, flags in messages]

    def describe(self, mailbox: str, keys: Collection[StoreKey]) -> list[Found]:
        locator = Locator(self.folder(mailbox))
        found = []
        with files.disk_errors():
            for key in keys:
                try:
                    found.append(_describe(key, locator.find(key)))
                except (FileNotFoundError, MessageGone):
                    continue
        return sorted(found, key=lambda message: (message.internal_date, filename.sort_key(message.key)))

    def set_flags(self, mailbox: str, changes: Sequence[tuple[StoreKey, Flags, Flags]]) -> None:
        folder = self.folder(mailbox)
        locator = Locator(folder)
        with files.disk_errors():
            if wanted := frozenset().union(*(after.keywords for _, _, after in changes)):
                locator.name_keywords(wanted)
            # Where another program removed the folder there is nothing to rename.
            with suppress(FileNotFoundError), files.opened_directory(f"{folder}/cur") as cur:
                for key, before, after in changes:
                    old, new = key + locator.suffix(before), key + locator.suffix(after)
                    try:
                        os.rename(old, new, src_dir_fd=cur, dst_dir_fd=cur)
                    except FileNotFoundError:
                        self._rename_for_flags(locator, folder, key, before, after)

    def remove(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> None:
        locator = Locator(self.folder(mailbox))
        with files.disk_errors():
            for key, flags in messages:
                try:
                    self._remove(locator, key, flags)
                except (FileNotFoundError, MessageGone):
                    continue

    def copy(self, mailbox: str, messages: Sequence[StoredAt], target: str) -> list[Placed | None]:
        return self._transfer(mailbox, messages, target, leave=True)

    def move(self, mailbox: str, messages: Sequence[StoredAt], target: str) -> list[Placed | None]:
        return self._transfer(mailbox, messages, target, leave=False)

    def copy_from(
        self, other: MaildirStore, mailbox: str, messages: Sequence[StoredAt], target: str, shown: Sequence[Flags]
    ) -> list[Placed | None]:
        """Messages of another account's mailbox under second names here, durably, with the flags `shown`; None for one
        that is gone. All or nothing.
        """
        source, names = Locator(other.folder(mailbox)), self._receiving(target, shown)
        placed: list[Placed | None] = []
        with files.disk_errors():
            files.sync_contents(self._young(source, messages))
            try:
                for (key, flags, _), after in zip(messages, shown, strict=True):
                    placed.append(self._transfer_one(source, names, key, flags, after, leave=True))
                files.sync_directories([os.path.join(self.folder(target), "cur")])
            except BaseException:
                self.remove(target, [(each.key, NO_FLAGS) for each in placed if each is not None])
                raise
            return placed

    def remove_durably(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> None:
        """As remove; after a power cut too they are gone."""
        self.remove(mailbox, messages)
        folder = self.folder(mailbox)
        with files.disk_errors(), suppress(FileNotFoundError):
            files.sync_directories([os.path.join(folder, "cur"), os.path.join(folder, "new")])

    def scan(self, mailbox: str, *, take_new: bool = False) -> Scan:
        folder = self.folder(mailbox)
        with files.disk_errors():
            ensure_folder(folder)
            return scan(folder, take_new=take_new)

    def tidy(self, mailbox: str) -> None:
        with files.disk_errors():
            remove_abandoned(self.folder(mailbox))

    def is_unchanged(self, mailbox: str, state: tuple[int, ...]) -> bool:
        try:
            return bool(state) and state_of(self.folder(mailbox)) == state[:2]
        except FileNotFoundError:
            return False

    def only_gained(self, mailbox: str, state: tuple[int, ...], messages: int) -> bool:
        """By what is in new/, as long as nobody has touched cur/."""
        folder = self.folder(mailbox)
        try:
            if not state or os.stat(os.path.join(folder, "cur")).st_mtime_ns != state[1]:
                return False
            return state[2] + len(list_new(folder)) == messages
        except FileNotFoundError:
            return False

    def _name_of(self, folder: str) -> str | None:
        if layout.is_long(folder):
            return long_names.read(os.path.join(self._root, folder, long_names.IN_FOLDER), folder)
        return layout.mailbox_of_maildir_folder(folder)

    def _append_kept(
        self,
        folder: str,
        content: bytes,
        flags: Flags,
        internal_date: datetime | None,
        kept: Kept,
        meanwhile: Callable[[Placed], None],
    ) -> Placed:
        """The content is durable in the journal before the file gets its name."""
        size = wire_size(content)
        key, letters = deliver.new_key(self._hostname, content, size), self._letters(folder, flags)
        path = f"{folder}/new/{key}" if letters is None else f"{folder}/cur/{filename.join(key, letters)}"
        place = Place(kept.journal.relative(path), kept.mailbox_id, kept.uid)
        with kept.journal.keeping_one(Entry(content, (place,))) as writing:
            meanwhile(Placed(key, size))
            staged = deliver.stage(folder, content, self._hostname, size=size)
            try:
                writing.touches(staged.fd)
                if internal_date is not None:
                    os.utime(staged.path, (time.time(), internal_date.timestamp()))
                writing.wait()
                deliver.give_name(staged, path, is_last=True)
            finally:
                staged.discard()
        return Placed(key, size)

    def _letters(self, folder: str, flags: Flags) -> str | None:
        """The flag letters of a new message; None if it has no flags and belongs into new/."""
        if not flags:
            return None
        locator = Locator(folder)
        if flags.keywords:
            ensure_folder(folder)
            locator.name_keywords(flags.keywords)
        return locator.letters(flags)

    def _place(self, staged: deliver.Staged, folder: str, flags: Flags) -> Placed:
        path = deliver.place(staged, folder, self._hostname, letters=self._letters(folder, flags))
        if self._durable:
            files.sync_directory(os.path.dirname(path))
        return Placed(deliver.key_of(path), staged.wire_size)

    def _locate(self, locator: Locator, key: StoreKey, flags: Flags) -> str:
        for path in locator.candidates(key, flags):
            if os.path.exists(path):
                return path
        return locator.find(key)

    def _remove(self, locator: Locator, key: StoreKey, flags: Flags) -> None:
        for path in locator.candidates(key, flags):
            try:
                os.unlink(path)
                return
            except FileNotFoundError:
                continue
        os.unlink(locator.find(key))

    def _rename_for_flags(self, locator: Locator, folder: str, key: StoreKey, before: Flags, after: Flags) -> None:
        target = locator.in_cur(key, after)
        for path in locator.candidates(key, before):
            if path == target and os.path.exists(path):
                return
            with suppress(FileNotFoundError):
                os.rename(path, target)
                return
        # Another program renamed it, or removed it just now; the next scan tells.
        with suppress(FileNotFoundError, MessageGone):
            path = locator.find(key)
            other = filename.other_letters(filename.split(os.path.basename(path))[1], locator.keywords)
            os.rename(path, os.path.join(folder, "cur", filename.join(key, locator.letters(after, other))))

    def _transfer(self, mailbox: str, messages: Sequence[StoredAt], target: str, *, leave: bool) -> list[Placed | None]:
        source, names = Locator(self.folder(mailbox)), self._receiving(target, [flags for _, flags, _ in messages])
        with files.disk_errors():
            # Before they have names there: nobody may see a part of a message in the target, whose row is not yet.
            files.sync_contents(self._young(source, messages))
            placed = [self._transfer_one(source, names, key, flags, flags, leave=leave) for key, flags, _ in messages]
            files.sync_directories([os.path.join(self.folder(target), "cur")])
            return placed

    def _receiving(self, mailbox: str, flags: Sequence[Flags]) -> Locator:
        """A folder that can name the keywords among these flags. Raises MailboxNotFound."""
        folder = self.folder(mailbox)
        with files.disk_errors():
            if not os.path.isdir(os.path.join(folder, "cur")):
                raise MailboxNotFound(mailbox)
            names = Locator(folder)
            if wanted := frozenset().union(*(each.keywords for each in flags)):
                names.name_keywords(wanted)
            return names

    def _young(self, source: Locator, messages: Sequence[StoredAt]) -> list[str]:
        """The files that arrived a short while ago."""
        young, since = [], time.time() - YOUNG_S
        for key, flags, _ in messages:
            with suppress(FileNotFoundError, MessageGone):
                path = self._locate(source, key, flags)
                if os.stat(path).st_ctime > since:
                    young.append(path)
        return young

    def _transfer_one(
        self, source: Locator, names: Locator, key: StoreKey, flags: Flags, after: Flags, *, leave: bool
    ) -> Placed | None:
        try:
            path = self._locate(source, key, flags)
            found = _describe(key, path)
            unique = filename.with_sizes(new_maildir_name(self._hostname), os.stat(path).st_size, found.size)
            target = names.in_cur(unique, after)
            if leave:
                files.link_or_copy(path, target)
            else:
                os.rename(path, target)
        except (FileNotFoundError, MessageGone):
            return None
        return Placed(unique, found.size)

    def _empty_inbox(self) -> None:
        for name in ("new", "cur"):
            for entry in os.listdir(os.path.join(self._root, name)):
                files.remove_quietly(os.path.join(self._root, name, entry))


def _files_of(folder: str) -> list[str]:
    return [f"{folder}/{name}/{entry}" for name in ("new", "cur") for entry in os.listdir(f"{folder}/{name}")]


def _read(locator: Locator, key: StoreKey, flags: Flags, at_most: int | None) -> bytes | None:
    for path in locator.candidates(key, flags):
        try:
            return to_wire(files.read(path, at_most))
        except FileNotFoundError:
            continue
    try:
        return to_wire(files.read(locator.find(key), at_most))
    except (FileNotFoundError, MessageGone):
        return None


def _describe(key: StoreKey, path: str) -> Found:
    status = os.stat(path)
    size = filename.wire_size(key, status.st_size)
    if size is None:
        size = deliver.wire_size_of_file(path)
    return Found(key, size, datetime.fromtimestamp(status.st_mtime, UTC))
