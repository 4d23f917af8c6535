"""Rows whose files are missing: has somebody removed them, or a power cut that no recovery has made good yet?

On a volume of several machines one of them may lose power, and files that only its journal holds are gone while others
serve mail. A session that took such messages for expunged would lose what was acknowledged. Therefore it looks into the
journals first: what one of a dead process holds is written again here and now; what is in one that is still locked may
be on its way or may have been removed by another program, so its row is left alone until the next look. A journal
forgets within seconds. That costs a reading of heads and names, and only when something is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mailcore.index.records import MailboxRecord, MessageRow
from mailcore.log import get_logger
from mailcore.message.flags import NO_FLAGS
from mailcore.store import files
from mailcore.store.base import MessageStore
from mailcore.store.folder_lock import FolderLock
from mailcore.store.journal import NAMES, Place, journals, read_names, read_segment
from mailcore.store.maildir import deliver
from mailcore.store.restoring import Names, ensure, in_mailbox

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Record:
    """Where the content of a missing message may be."""

    segment: Path
    offset: int
    place: Place
    row: MessageRow


def journalled(home: Path, store: MessageStore, mailbox: MailboxRecord, rows: Sequence[MessageRow]) -> frozenset[int]:
    """The UIDs of those `rows` of a locked mailbox that a journal in use holds. What journals of the dead hold is in
    the mailbox again when this returns. Raises StoreUnavailable, StoreFull.
    """
    wanted = {(row.uid, row.store_key): row for row in rows}
    in_use: set[int] = set()
    with files.disk_errors():
        for folder in journals(home).glob("*"):
            found = list(_naming(folder, mailbox.id, wanted))
            if found and not _restore(folder, home, store, mailbox.name, found):
                in_use.update(record.row.uid for record in found)
    return frozenset(in_use)


def _naming(folder: Path, mailbox_id: int, wanted: dict[tuple[int, str], MessageRow]) -> Iterator[_Record]:
    """The records of a journal that name one of the messages: by its key too, which another content with that UID has
    not.
    """
    for name in NAMES:
        for offset, places in read_names(folder / name):
            for place in places:
                if place.mailbox_id == mailbox_id and (row := wanted.get((place.uid, deliver.key_of(place.path)))):
                    yield _Record(folder / name, offset, place, row)


def _restore(folder: Path, home: Path, store: MessageStore, mailbox: str, records: Sequence[_Record]) -> bool:
    """Write messages again; False if the journal is in use or somebody else recovers it just now. The journal stays:
    it holds messages of others.
    """
    lock = FolderLock.take(folder)
    if lock is None:
        return False
    try:
        _write(home, store, mailbox, records)
    finally:
        lock.release()
    return True


def _write(home: Path, store: MessageStore, mailbox: str, records: Sequence[_Record]) -> None:
    names, paths = Names(), []
    for record in records:
        entry = next(read_segment(record.segment, record.offset), None)
        if entry is not None and record.place in entry.places:
            path = in_mailbox(str(home / record.place.path), mailbox)
            ensure(path, entry.content, names)
            paths.append(path)
    # The flags of now, for the comparison believes what the names of files say.
    rows = [record.row for record in records if _is_flagged(record)]
    store.set_flags(mailbox, [(row.store_key, NO_FLAGS, row.as_flags()) for row in rows])
    # Durable here: who recovers the journal, and removes it, may be another machine.
    for folder in {os.path.dirname(os.path.dirname(path)) for path in paths}:
        for name in ("new", "cur"):
            files.sync_directory(os.path.join(folder, name))
    if paths:
        log.warning("recovered", mailbox=mailbox, files=len(paths))


def _is_flagged(record: _Record) -> bool:
    """Whether its flags are or were others than those of new mail."""
    return bool(record.row.as_flags()) or os.path.basename(os.path.dirname(record.place.path)) == "cur"
