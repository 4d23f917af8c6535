"""The maildrop of one POP3 session: INBOX as it was at login, and what the session wants deleted.

`Maildrop` is state without I/O; the functions below are the units of blocking work a session hands to the
pool. Message numbers are fixed for the session (RFC 1939 section 5); what arrives later is for the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from psycopg import Connection

from accessd.pop3.lock import MaildropLock
from accessd.pop3.response import Stuffer, positive, stuffed
from mailcore.identity import AccountRef
from mailcore.index.index import message_rows
from mailcore.index.records import SEEN, FlagChange, FlagMode, FlagRow, Flags, MailboxRecord
from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.reading import read_messages
from mailcore.store.base import StoredMessage
from mailcore.store.layout import INBOX, account_folder
from mailcore.store.storage import Storage


@dataclass(slots=True)
class Maildrop:
    """rows[n - 1] is message n; `deleted` and `retrieved` hold message numbers."""

    account: AccountRef
    mailbox: MailboxRecord
    rows: list[FlagRow]
    lock: MaildropLock
    deleted: set[int] = field(default_factory=set)
    retrieved: set[int] = field(default_factory=set)

    def message(self, number: int) -> FlagRow | None:
        """The row of a message that exists and is not marked as deleted."""
        if 1 <= number <= len(self.rows) and number not in self.deleted:
            return self.rows[number - 1]
        return None

    def remaining(self) -> Iterator[tuple[int, FlagRow]]:
        """All messages not marked as deleted, with their numbers."""
        for number, row in enumerate(self.rows, 1):
            if number not in self.deleted:
                yield number, row

    @property
    def count_and_size(self) -> tuple[int, int]:
        """What STAT tells: messages and octets, without those marked as deleted."""
        gone = sum(self.rows[number - 1].size for number in self.deleted)
        return len(self.rows) - len(self.deleted), sum(row.size for row in self.rows) - gone

    def unique_id(self, row: FlagRow) -> str:
        """UIDL: stays the same as long as the message is there (RFC 1939 section 7)."""
        return f"{self.mailbox.uidvalidity}-{row.uid}"


def open_maildrop(conn: Connection, storage: Storage, account: AccountRef, *, login_delay_s: float = 0) -> Maildrop:
    """Lock and list. Raises MailboxInUse, LoginTooSoon, StoreUnavailable. \\Recent stays for IMAP."""
    accounts.ensure_account(conn, storage, account)
    lock = MaildropLock.acquire(account_folder(storage.root, account.address), login_delay_s=login_delay_s)
    try:
        opened = mailboxes.open_mailbox(conn, storage, account, INBOX, read_only=True)
        return Maildrop(account, opened.record, mailboxes.rows(conn, opened.record.id), lock)
    except BaseException:
        lock.release()
        raise


def read_ready(conn: Connection, storage: Storage, maildrop: Maildrop, uids: Sequence[int]) -> dict[int, bytes]:
    """Several small messages with one query, as whole responses. Those that are gone are left out."""
    rows = message_rows(conn, maildrop.mailbox.id, uids)
    read = read_messages(storage.store(maildrop.account), INBOX, rows)
    return {row.uid: positive(f"{row.size} octets") + stuffed(data) for row, data in read}


def open_message(conn: Connection, storage: Storage, maildrop: Maildrop, uid: int) -> StoredMessage:
    """One message, open. Raises MessageGone, StoreUnavailable."""
    return mailboxes.open_message(conn, storage, maildrop.account, maildrop.mailbox, uid)


def read_top(conn: Connection, storage: Storage, maildrop: Maildrop, uid: int, lines: int) -> bytes:
    """TOP: the header, the empty line and the first `lines` lines of the body, ready to be sent."""
    stuffer = Stuffer()
    taken: list[bytes] = []
    top = _Top(lines)
    with open_message(conn, storage, maildrop, uid) as message:
        for chunk in message.chunks():
            taken.append(stuffer.feed(top.feed(chunk)))
            if top.done:
                break
    taken.append(stuffer.finish())
    return b"".join(taken)


class _Top:
    """Takes the beginning of a message off a stream of chunks in wire form."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        # The end of what was seen: an empty line may be cut by the chunks. A message starts at the start of a
        # line.
        self._tail = b"\r\n"
        self._in_header = True
        self.done = False

    def feed(self, chunk: bytes) -> bytes:
        """The part of this chunk that belongs to the top."""
        if not self._in_header:
            return self._body(chunk)
        window = self._tail + chunk
        found = window.find(b"\r\n\r\n")
        if found < 0:
            self._tail = window[-3:]
            return chunk
        self._in_header = False
        body_start = found + 4 - len(self._tail)
        return chunk[:body_start] + self._body(chunk[body_start:])

    def _body(self, chunk: bytes) -> bytes:
        breaks = chunk.count(b"\n")
        if breaks < self._lines:
            self._lines -= breaks
            return chunk
        self.done = True
        end = 0
        for _ in range(self._lines):
            end = chunk.find(b"\n", end) + 1
        return chunk[:end]


def finish(conn: Connection, storage: Storage, maildrop: Maildrop) -> bool:
    """The UPDATE state: remove what was marked, mark as seen what was read. True if anything changed."""
    deleted = [maildrop.rows[number - 1].uid for number in sorted(maildrop.deleted)]
    read = [
        row.uid
        for number in sorted(maildrop.retrieved - maildrop.deleted)
        if not (row := maildrop.rows[number - 1]).flags & SEEN
    ]
    if deleted:
        mailboxes.expunge(conn, storage, maildrop.account, maildrop.mailbox, deleted, only_deleted=False)
    if read:
        change = FlagChange(FlagMode.ADD, Flags(SEEN, frozenset()))
        mailboxes.set_flags(conn, storage, maildrop.account, maildrop.mailbox, read, change)
    return bool(deleted or read)
