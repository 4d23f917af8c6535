"""MaildirStore: an exchange (mailcore.store.exchange). What waits for the COMMIT is in tmp/ under its key, new messages
and those that are to go alike, so that the rows tell afterwards which of them belong into the folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from mailcore.errors import MessageGone
from mailcore.message.flags import Flags
from mailcore.message.wire import wire_size
from mailcore.store import files
from mailcore.store.base import Content, Placed, StoreKey
from mailcore.store.exchange import Exchange, Incoming
from mailcore.store.maildir import deliver, filename
from mailcore.store.maildir.scan import Locator, ensure_folder


def exchange(
    folder: str, hostname: str, new: Sequence[Incoming], old: Sequence[tuple[str, StoreKey, Flags]], *, durable: bool
) -> Exchange:
    """Stage `new` messages for a folder; take `old` ones (folder, key, flags) out of theirs. Raises OSError."""
    waiting = _Waiting(folder, hostname, durable=durable)
    try:
        ensure_folder(folder)
        for message in new:
            waiting.stage(message)
        for each in old:
            waiting.take_away(*each)
        waiting.sync()
    except BaseException:
        waiting.undo()
        raise
    return Exchange(waiting.placed, waiting.complete, waiting.undo)


class _Waiting:
    def __init__(self, folder: str, hostname: str, *, durable: bool) -> None:
        self._folder = folder
        self._hostname = hostname
        self._durable = durable
        self.placed: list[Placed] = []
        self._new: list[tuple[str, Flags]] = []
        self._old: list[tuple[str, str]] = []

    def stage(self, message: Incoming) -> None:
        size = _wire_size(message.content)
        key = deliver.new_key(self._hostname, message.content, size)
        _write(message.content, _in_tmp(self._folder, key))
        if message.internal_date is not None:
            os.utime(_in_tmp(self._folder, key), (time.time(), message.internal_date.timestamp()))
        self._new.append((key, message.flags))
        self.placed.append(Placed(key, size))

    def take_away(self, folder: str, key: StoreKey, flags: Flags) -> None:
        """Its content may be durable in a journal only, which knows nothing of the new name."""
        locator = Locator(folder)
        for path in locator.candidates(key, flags):
            if os.path.exists(path):
                break
        else:
            try:
                path = locator.find(key)
            except MessageGone:
                return
        files.sync_contents([path])
        os.rename(path, _in_tmp(folder, key))
        self._old.append((path, _in_tmp(folder, key)))

    def sync(self) -> None:
        if self._durable:
            files.sync_contents([_in_tmp(self._folder, key) for key, _ in self._new])
            files.sync_directories({os.path.dirname(aside) for _, aside in self._old} | {f"{self._folder}/tmp"})

    def complete(self) -> None:
        with files.disk_errors():
            settle(self._folder, self._new, durable=self._durable, are_new=True)
            for _, aside in self._old:
                files.remove_quietly(aside)

    def undo(self) -> None:
        for key, _ in self._new:
            files.remove_quietly(_in_tmp(self._folder, key))
        for path, aside in self._old:
            with suppress(FileNotFoundError):
                os.rename(aside, path)


def settle(
    folder: str, messages: Sequence[tuple[StoreKey, Flags]], *, durable: bool = True, are_new: bool = False
) -> list[StoreKey]:
    """Give messages that wait in tmp/ their names; without flags they go to new/ if nobody has looked yet. Returns the
    keys of those that waited.
    """
    locator, settled = Locator(folder), []
    if wanted := frozenset().union(*(flags.keywords for _, flags in messages)):
        locator.name_keywords(wanted)
    for key, flags in messages:
        name = filename.join(key, locator.letters(flags))
        path = f"{folder}/new/{key}" if are_new and not flags else f"{folder}/cur/{name}"
        with suppress(FileNotFoundError):
            os.rename(_in_tmp(folder, key), path)
            settled.append(key)
    if settled and durable:
        files.sync_directories([f"{folder}/new", f"{folder}/cur"])
    return settled


def _in_tmp(folder: str, key: StoreKey) -> str:
    return f"{folder}/tmp/{key}"


def _write(content: Content, path: str) -> None:
    if isinstance(content, Path):
        files.link_or_copy(str(content), path)
        return
    fd = files.create_exclusively(path)
    try:
        files.write_all(fd, content)
    finally:
        os.close(fd)


def _wire_size(content: Content) -> int:
    return deliver.wire_size_of_file(str(content)) if isinstance(content, Path) else wire_size(content)
