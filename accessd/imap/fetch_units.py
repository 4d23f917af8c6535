"""The blocking halves of FETCH: units of work over a connection that return octets ready to send."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from psycopg import Connection

from accessd.imap.fetch_fields import CACHED, FieldWriter, Row
from accessd.imap.fetch_rare import rare_fields
from accessd.imap.fetch_sections import (
    HEAD_BYTES,
    LARGE_BYTES,
    only_headers,
    only_whole,
    read_head,
    without_nul,
    write_sections,
)
from accessd.imap.flag_tables import FlagTables, can_answer
from accessd.imap.grammar.fetch_att import RARE, BodyItem, FetchItem, Field
from accessd.imap.selected import View
from mailcore.errors import MessageGone
from mailcore.identity import AccountRef
from mailcore.index import statements
from mailcore.index.index import message_rows
from mailcore.index.records import FlagChange, FlagMode, FlagResult, FlagRow, MailboxRecord, MessageRow
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.flags import SEEN, Flags
from mailcore.message.headers import header_end
from mailcore.sharing.rights import KEEP_SEEN
from mailcore.store.base import MessageStore, StoredMessage
from mailcore.store.storage import Storage

READ_AT_ONCE_BYTES = 1024 * 1024
"""A client that reads slowly has one block on its way and the next one ready: several times this per connection."""
NOTHING_SEEN = FlagResult([], [])


@dataclass(frozen=True, slots=True)
class Plan:
    """What one FETCH asks for."""

    view: View
    fields: tuple[Field, ...]
    sections: tuple[BodyItem, ...]
    writer: FieldWriter
    sets_seen: bool
    changed_since: int | None
    needs_cache: bool
    """Are ENVELOPE or structure wanted?"""
    heads: bool
    """Is the beginning of each message enough?"""
    whole: bool
    """Is each message wanted as it is?"""
    only_flags: bool
    """Are UID and FLAGS enough?"""
    rare: tuple[Field, ...] = ()
    """Fields of columns that are read only when they are asked for."""
    undecodable: list[BodyItem] = field(default_factory=list)
    """What could not be decoded so far (RFC 3516)."""
    condstore: bool = False
    """Must flags that change by this command come with UID and MODSEQ (RFC 7162 section 3.2.4)?"""


def make_plan(
    view: View, items: Sequence[FetchItem], *, by_uid: bool, changed_since: int | None, condstore: bool
) -> Plan:
    """What is asked for, with what goes without saying: UID FETCH tells UIDs, CHANGEDSINCE tells modseqs."""
    rare = tuple(item for item in items if item in RARE and isinstance(item, Field))
    fields = [item for item in items if isinstance(item, Field) and item not in rare]
    sections = tuple(item for item in items if isinstance(item, BodyItem))
    if by_uid and Field.UID not in fields:
        fields.insert(0, Field.UID)
    if changed_since is not None and Field.MODSEQ not in fields:
        fields.append(Field.MODSEQ)
    return Plan(
        view,
        tuple(fields),
        sections,
        FieldWriter(fields, first_recent_uid=view.first_recent_uid),
        sets_seen=any(not item.peek for item in sections),
        changed_since=changed_since,
        needs_cache=not CACHED.isdisjoint(fields),
        heads=only_headers(sections),
        whole=only_whole(sections),
        only_flags=not sections and not rare and changed_since is None and can_answer(tuple(fields)),
        rare=rare,
        condstore=condstore,
    )


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a unit has done: responses, how many of the UIDs it was given are dealt with, how many were gone."""

    parts: list[bytes]
    """What is to be sent, uncopied."""
    done: int
    gone: int = 0
    seen: FlagResult = NOTHING_SEEN
    """Messages that have been given \\Seen."""
    large: Located | None = None
    """The next message, when it is one to be sent from its file."""
    modseq: int = 0
    """The highest MODSEQ told."""


class Located(NamedTuple):
    """A message, what is written of its row, and where it is."""

    uid: int
    store_key: str
    flags: Flags
    number: int
    fields: bytes


def fetch_rows(conn: Connection, storage: Storage, account: AccountRef, plan: Plan, uids: Sequence[int]) -> Fetched:
    """Responses from index rows only."""
    view = plan.view
    rows: Sequence[Row]
    if plan.needs_cache:
        rows = mailboxes.cached_rows(conn, storage, account, view.record, uids)
    else:
        rows = mailboxes.rows(conn, view.record.id, uids)
    gone = len(uids) - len(rows)
    if plan.changed_since is not None:
        since = plan.changed_since
        rows = [row for row in rows if row.modseq > since]
    if plan.rare:
        responses = _with_rare(plan, rows, _rare(conn, storage, account, plan, rows))
    else:
        responses = plan.writer.responses(_numbers(view, rows), rows)
    return Fetched([responses], len(uids), gone, modseq=_highest(plan, rows))


def _rare(conn: Connection, storage: Storage, account: AccountRef, plan: Plan, rows: Iterable[Row]) -> dict[int, bytes]:
    uids = [row.uid for row in rows]
    return rare_fields(conn, storage, account, plan.view.record, plan.rare, uids) if plan.rare else {}


def _with_rare(plan: Plan, rows: Sequence[Row], rare: Mapping[int, bytes]) -> bytes:
    """What was expunged meanwhile has no such fields, and no response if it is asked for nothing else."""
    fields = [b" ".join(filter(None, (plan.writer(row), rare.get(row.uid)))) for row in rows]
    written = zip(_numbers(plan.view, rows), fields, strict=True)
    return b"".join([b"* %d FETCH (%b)\r\n" % each for each in written if each[1]])


def _highest(plan: Plan, rows: Iterable[Row]) -> int:
    return max((row.modseq for row in rows), default=0) if Field.MODSEQ in plan.fields else 0


def fetch_flags(conn: Connection, tables: FlagTables, plan: Plan, uids: Sequence[int]) -> Fetched:
    """Responses with nothing but UID and FLAGS, for many messages."""
    view = plan.view
    table = tables.table(view.record.id, view.record.uidvalidity)
    with table.lock:
        table.catch_up(conn, view.record.id, view.modseq)
        data, gone = table.responses(uids, view.sequence_number, plan.fields, first_recent_uid=view.first_recent_uid)
    return Fetched([data], len(uids), gone)


def _numbers(view: View, rows: Sequence[Row]) -> Sequence[int]:
    """The sequence numbers of rows; neighbours need no look-up."""
    if not rows:
        return ()
    first, last = view.sequence_number(rows[0].uid), view.sequence_number(rows[-1].uid)
    if last - first + 1 == len(rows):
        return range(first, last + 1)
    return [view.sequence_number(row.uid) for row in rows]


def fetch_sections(conn: Connection, storage: Storage, account: AccountRef, plan: Plan, uids: Sequence[int]) -> Fetched:
    """Responses that need message files: of as many of `uids` as fit into one block of memory, at least one.

    Stops in front of a large message, which is for the caller to send piece by piece.
    """
    view = plan.view
    view.record = _record(conn, view.record)
    messages = {row.uid: row for row in message_rows(conn, view.record.id, uids)}
    seen = NOTHING_SEEN
    chosen = _within_budget(plan, uids, messages)
    if plan.sets_seen and not view.read_only and KEEP_SEEN in view.rights:
        seen = _set_seen(conn, storage, account, view, [messages[uid] for uid in chosen if uid in messages])
        messages |= {row.uid: _with_flags(messages[row.uid], row) for row in seen.rows}
    rows = _rows(conn, storage, account, plan, [messages[uid] for uid in chosen if uid in messages])
    rare = _rare(conn, storage, account, plan, rows.values())
    changed = {row.uid for row in seen.rows}
    wanted: list[Located] = []
    gone, large = 0, None
    for uid in chosen:
        row = rows.get(uid)
        if row is None:
            gone += 1
        elif plan.changed_since is None or row.modseq > plan.changed_since:
            located = _locate(plan, messages[uid], row, told=uid in changed)
            if uid in rare:
                located = located._replace(fields=b" ".join(filter(None, (located.fields, rare[uid]))))
            if row.size >= LARGE_BYTES and not plan.heads:
                # Always the only one: see _within_budget.
                large = located
            else:
                wanted.append(located)
    parts, vanished = _read(storage.store(account), plan, wanted)
    modseq = max(_highest(plan, rows.values()), seen.modseq if plan.condstore else 0)
    return Fetched(parts, len(chosen) - (large is not None), gone + vanished, seen, large, modseq)


def _record(conn: Connection, known: MailboxRecord) -> MailboxRecord:
    """The mailbox as it is now: another session may have renamed it, and with it its folder."""
    row = conn.execute(statements.MAILBOX_BY_ID, {"mailbox_id": known.id}).fetchone()
    return MailboxRecord._make(row) if row is not None else known


def _within_budget(plan: Plan, uids: Sequence[int], messages: dict[int, MessageRow]) -> Sequence[int]:
    if plan.heads:
        return uids
    total = 0
    for count, uid in enumerate(uids):
        size = messages[uid].size if uid in messages else 0
        if size >= LARGE_BYTES:
            return uids[: max(count, 1)]
        total += size
        if count and total > READ_AT_ONCE_BYTES:
            return uids[:count]
    return uids


def _set_seen(
    conn: Connection, storage: Storage, account: AccountRef, view: View, messages: Sequence[MessageRow]
) -> FlagResult:
    unseen = [row.uid for row in messages if not row.flags & SEEN]
    if not unseen:
        return NOTHING_SEEN
    change = FlagChange(FlagMode.ADD, Flags(SEEN))
    return mailboxes.set_flags(conn, storage, account, view.record, unseen, change)


def _with_flags(message: MessageRow, row: FlagRow) -> MessageRow:
    return message._replace(flags=row.flags, keywords=row.keywords, modseq=row.modseq)


def _rows(
    conn: Connection, storage: Storage, account: AccountRef, plan: Plan, messages: Sequence[MessageRow]
) -> dict[int, Row]:
    if plan.needs_cache:
        uids = [message.uid for message in messages]
        return {row.uid: row for row in mailboxes.cached_rows(conn, storage, account, plan.view.record, uids)}
    return {
        row.uid: FlagRow(row.uid, row.modseq, row.flags, row.keywords, row.size, row.internal_date) for row in messages
    }


def _locate(plan: Plan, message: MessageRow, row: Row, *, told: bool) -> Located:
    """`told`: the message was given \\Seen by this command, and the client must hear it."""
    fields = plan.writer(row)
    if told:
        fields = b" ".join([fields, *_of_change(plan, row)] if fields else _of_change(plan, row))
    return Located(row.uid, message.store_key, message.as_flags(), plan.view.sequence_number(row.uid), fields)


def _of_change(plan: Plan, row: Row) -> list[bytes]:
    """What a client must hear of a message whose flags have changed, beside what it asked for."""
    parts = []
    if plan.condstore and Field.UID not in plan.fields:
        parts.append(b"UID %d" % row.uid)
    if Field.FLAGS not in plan.fields:
        parts.append(b"FLAGS (%b)" % plan.view.flags_text(row))
    if plan.condstore and Field.MODSEQ not in plan.fields:
        parts.append(b"MODSEQ (%d)" % row.modseq)
    return parts


def _read(store: MessageStore, plan: Plan, wanted: Sequence[Located]) -> tuple[list[bytes], int]:
    """The responses with their sections, and how many messages have no file any more."""
    places = [(located.store_key, located.flags) for located in wanted]
    found = store.read_each(plan.view.record.name, places, at_most=HEAD_BYTES if plan.heads else None)
    parts: list[bytes] = []
    gone = 0
    for located, data in zip(wanted, found, strict=True):
        if data is not None and plan.whole:
            head = b"%b%b {%d}\r\n" % (opening(located), plan.sections[0].label, len(data))
            parts += (head, without_nul(data), b")\r\n")
        elif data is not None and (response := _write(store, plan, located, data)) is not None:
            parts.append(response)
        else:
            gone += 1
    return parts, gone


def _write(store: MessageStore, plan: Plan, located: Located, data: bytes) -> bytes | None:
    if plan.heads:
        end = header_end(data)
        if end == len(data) >= HEAD_BYTES:
            try:
                with open_located(store, plan.view, located) as message:
                    data = read_head(message)
            except MessageGone:
                return None
        else:
            data = data[:end]
    sections = write_sections(data, plan.sections, plan.undecodable)
    if not sections:
        return without_sections(located)
    return b"%b%b)\r\n" % (opening(located), sections)


def open_located(store: MessageStore, view: View, located: Located) -> StoredMessage:
    """Open the message for reading. Raises MessageGone."""
    return store.open(view.record.name, located.store_key, located.flags)


def opening(located: Located) -> bytes:
    """The response up to its sections."""
    return b"* %d FETCH (%b" % (located.number, located.fields + b" " if located.fields else b"")


def without_sections(located: Located) -> bytes:
    """The response when nothing of the message could be decoded; something must be in it."""
    return b"* %d FETCH (%b)\r\n" % (located.number, located.fields or b"UID %d" % located.uid)
