"""LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9), LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.command import List, Lsub
from accessd.imap.mailbox_tree import Listed, list_names, lsub_names
from accessd.imap.response import Response
from accessd.imap.status_response import status_response
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord, MailboxStatus
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import list_mailboxes, subscriptions

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class _Found:
    records: list[MailboxRecord]
    subscribed: set[str]


async def list_(session: ImapSession, command: List) -> AsyncGenerator[Response, None]:
    """LIST; an empty pattern asks for the hierarchy separator."""
    if command.patterns == ("",) and not command.extended:
        yield response.untagged(rb'LIST (\Noselect) "/" ""')
        return
    found = await session.context.offload(_names, session.reader)
    listed = list_names(command, found.records, found.subscribed)
    ids = [item.record.id for item in listed if item.record is not None] if command.status_items else []
    statuses = await session.context.offload(_statuses, ids, command) if ids else {}
    lines = []
    for item in listed:
        lines.append(_line(b"LIST", item, utf8=session.utf8))
        if item.record is not None and item.record.id in statuses:
            lines.append(status_response(item.name, command.status_items, statuses[item.record.id], utf8=session.utf8))
    yield b"".join(lines)


async def lsub(session: ImapSession, command: Lsub) -> AsyncGenerator[Response, None]:
    """LSUB."""
    subscribed = await session.context.offload(subscriptions, session.reader)
    yield b"".join(_line(b"LSUB", item, utf8=session.utf8) for item in lsub_names(command, subscribed))


def _line(name: bytes, item: Listed, *, utf8: bool) -> bytes:
    attributes = " ".join(item.attributes).encode("ascii")
    extended = b' ("CHILDINFO" ("SUBSCRIBED"))' if item.child_subscribed else b""
    return response.untagged(b'%b (%b) "/" %b%b' % (name, attributes, response.mailbox(item.name, utf8=utf8), extended))


def _names(conn: Connection, account: AccountRef) -> _Found:
    return _Found(list_mailboxes(conn, account), subscriptions(conn, account))


def _statuses(conn: Connection, mailbox_ids: list[int], command: List) -> dict[int, MailboxStatus]:
    deleted = "DELETED" in command.status_items
    return {mailbox_id: mailboxes.status(conn, mailbox_id, count_deleted=deleted) for mailbox_id in mailbox_ids}
