"""LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9), LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819),
LIST-MYRIGHTS (RFC 8440), and mailboxes of others that the reader may see.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.acl_response import my_rights_line
from accessd.imap.command import List, Lsub
from accessd.imap.mailbox_tree import Listed, list_names, lsub_names
from accessd.imap.response import Response
from accessd.imap.status_response import status_response
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord, MailboxStatus
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import list_mailboxes, subscriptions
from mailcore.sharing import places
from mailcore.sharing.names import reaches_others
from mailcore.sharing.rights import ALL, READ

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


@dataclass(frozen=True, slots=True)
class _Found:
    records: list[MailboxRecord]
    subscribed: set[str]
    rights: Mapping[int, str]
    """In mailboxes of others."""


async def list_(session: ImapSession, command: List) -> AsyncGenerator[Response, None]:
    """LIST; an empty pattern asks for the hierarchy separator."""
    if command.patterns == ("",) and not command.extended:
        yield response.untagged(rb'LIST (\Noselect) "/" ""')
        return
    others = reaches_others(command.reference, command.patterns)
    found = await session.context.offload(_names, session.reader, others=others)
    listed = list_names(command, found.records, found.subscribed)
    shown = [item.record.id for item in listed if item.record is not None] if command.status_items else []
    ids = [mailbox_id for mailbox_id in shown if READ in found.rights.get(mailbox_id, ALL)]
    statuses = await session.context.offload(_statuses, ids, command) if ids else {}
    lines = []
    for item in listed:
        lines.append(_line(b"LIST", item, utf8=session.utf8))
        if "MYRIGHTS" in command.returns and item.record is not None:
            lines.append(my_rights_line(item.name, found.rights.get(item.record.id, ALL), utf8=session.utf8))
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


def _names(conn: Connection, reader: AccountRef, *, others: bool) -> _Found:
    own = list_mailboxes(conn, reader)
    taken = {record.name for record in own}
    shared = [each for each in places.shared_with(conn, reader) if each.record.name not in taken] if others else []
    rights = {each.record.id: each.rights for each in shared}
    return _Found([*own, *(each.record for each in shared)], subscriptions(conn, reader), rights)


def _statuses(conn: Connection, mailbox_ids: list[int], command: List) -> dict[int, MailboxStatus]:
    deleted = "DELETED" in command.status_items
    return {mailbox_id: mailboxes.status(conn, mailbox_id, count_deleted=deleted) for mailbox_id in mailbox_ids}
