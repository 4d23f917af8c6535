"""COPY and MOVE into a mailbox of another owner, or one where the reader may not set all flags (RFC 4314 section 4).

As within an account: both mailboxes are locked in the order of their ids, files come before COMMIT, a crash leaves a
message twice at worst. Between two Maildirs of one volume a copy is a second name of the file, else it is written
anew. A move is a copy first: the files of the source go when everything else is done, the last thing before COMMIT.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from mailcore.errors import MessageGone
from mailcore.identity import AccountRef
from mailcore.index.index import expunge_rows, insert_copies, message_rows, write_ledgers
from mailcore.index.records import CopiedUids, MailboxRecord, MessageRow
from mailcore.mailbox import quota
from mailcore.mailbox.account import get_mailbox
from mailcore.mailbox.mailbox import lock_two, undone
from mailcore.message.flags import NO_FLAGS, Flags
from mailcore.sharing.flags import settable
from mailcore.sharing.places import Place
from mailcore.sharing.rights import WRITE, settable_bits
from mailcore.store import files
from mailcore.store.base import Content, Placed, StoredMessage
from mailcore.store.layout import UPLOADS
from mailcore.store.maildir.store import MaildirStore
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
_IN_MEMORY_BYTES = 1 << 20


def hand_over(
    conn: Connection,
    storage: Storage,
    owner: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    place: Place,
    *,
    move: bool = False,
) -> CopiedUids:
    """Copy or move messages of `owner` to `place`; the copies have the flags one may set there. All or nothing; what
    has no file is left out. Raises MailboxNotFound, OverQuota for the owner of the target.
    """
    target_id = get_mailbox(conn, place.owner, place.name).id
    with undone(conn) as undo, conn.transaction():
        source, target = lock_two(conn, mailbox.id, target_id)
        found = message_rows(conn, mailbox.id, uids)
        if not move or place.owner.id != owner.id:
            quota.check(conn, place.owner, sum(row.size for row in found), len(found))
        placing = _Placing(storage, owner, source.record.name, place, target.record.name)
        undo.append(placing.undo)
        placed = placing.place(found)
        pairs = [(row, there) for row, there in zip(found, placed, strict=True) if there is not None]
        copies = [(row, there.key, there.size) for row, there in pairs]
        new = insert_copies(
            conn,
            source.record.id,
            target,
            copies,
            kept_bits=settable_bits(place.rights),
            keeps_keywords=WRITE in place.rights,
        )
        if move:
            expunge_rows(conn, source, [row for row, _ in pairs])
        write_ledgers(conn, [source, target] if move and source is not target else [target])
        if move:
            # From here on what fails leaves the message twice: taking the copies back could lose it.
            undo.clear()
            placing.remove([row for row, _ in pairs])
    return CopiedUids(target.record.uidvalidity, [row.uid for row, _ in pairs], new)


class _Placing:
    """The files of one transfer."""

    def __init__(self, storage: Storage, owner: AccountRef, source: str, place: Place, target: str) -> None:
        # Asked under the locks: neither account is being converted.
        self._source, self._target = storage.store(owner), storage.store(place.owner)
        self._from, self._to = source, target
        self._uploads = storage.root / UPLOADS
        self._rights = place.rights
        self._done: list[Placed] = []

    def place(self, rows: Sequence[MessageRow]) -> list[Placed | None]:
        """Each message in the target, durably; None for one that is gone."""
        shown = [settable(row.as_flags(), self._rights) for row in rows]
        if isinstance(self._source, MaildirStore) and isinstance(self._target, MaildirStore):
            messages = [(row.store_key, row.as_flags(), row.internal_date) for row in rows]
            placed = self._target.copy_from(self._source, self._from, messages, self._to, shown)
            self._done += [each for each in placed if each is not None]
            return placed
        return [self._write(row, flags) for row, flags in zip(rows, shown, strict=True)]

    def _write(self, row: MessageRow, flags: Flags) -> Placed | None:
        try:
            with (
                self._source.open(self._from, row.store_key, row.as_flags()) as message,
                _content(message, self._uploads) as content,
            ):
                placed = self._target.append(self._to, content, flags, row.internal_date)
        except MessageGone:
            return None
        self._done.append(placed)
        return placed

    def remove(self, rows: Sequence[MessageRow]) -> None:
        """The source loses its messages, also after a power cut: they would come back beside the copies."""
        gone = [(row.store_key, row.as_flags()) for row in rows]
        if isinstance(self._source, MaildirStore):
            self._source.remove_durably(self._from, gone)
        else:
            self._source.remove(self._from, gone)

    def undo(self) -> None:
        """The rows could not be written."""
        self._target.remove(self._to, [(each.key, NO_FLAGS) for each in self._done])


@contextmanager
def _content(message: StoredMessage, folder: Path) -> Iterator[Content]:
    """A message in disk form: a small one in memory, a large one in a file of its own."""
    if message.disk_size <= _IN_MEMORY_BYTES:
        yield b"".join(message.disk_chunks())
        return
    with files.disk_errors():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        try:
            with open(descriptor, "wb") as copy:
                for block in message.disk_chunks():
                    copy.write(block)
            yield Path(name)
        finally:
            os.unlink(name)
