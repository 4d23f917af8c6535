"""LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9), LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.acl_response import my_rights_line
from accessd.imap.command import List, Lsub
from accessd.imap.enabled import CONDSTORE, REV2
from accessd.imap.mailbox_tree import Listed, list_names, lsub_names
from accessd.imap.response import Response, mailbox_list
from accessd.imap.status_response import COUNT_DELETED, status_response
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord, MailboxStatus
from mailcore.mailbox.account import list_mailboxes, subscriptions
from mailcore.mailbox.statuses import statuses_of
from mailcore.sharing import places
from mailcore.sharing.names import reaches_others
from mailcore.sharing.rights import ALL, READ

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


FEW_PATTERNS = 4
"""More are gone through on a thread: each costs time for each mailbox."""


@dataclass(frozen=True, slots=True)
class _Found:
    records: list[MailboxRecord]
    subscribed: set[str]
    statuses: Mapping[int, MailboxStatus]
    rights: Mapping[int, str]
    """In mailboxes of others."""


async def list_(session: ImapSession, command: List) -> AsyncGenerator[Response, None]:
    """LIST; an empty pattern asks for the hierarchy separator."""
    if command.patterns == ("",) and not command.extended:
        yield mailbox_list("", ["\\Noselect"], utf8=False)
        return
    if "HIGHESTMODSEQ" in command.status_items:
        session.enable(CONDSTORE)
    others = reaches_others(command.reference, command.patterns)
    found = await session.context.offload(_find, session.reader, command.status_items, others=others)
    listed = await _listed(session, command, found)
    lines = []
    for item in listed:
        rights = found.rights.get(item.record.id, ALL) if item.record is not None else ALL
        attributes = item.attributes if READ in rights else ("\\Noselect", *item.attributes)
        lines.append(mailbox_list(item.name, attributes, utf8=session.utf8, criteria=item.criteria))
        if item.record is None or not item.is_chosen:
            continue
        if "MYRIGHTS" in command.returns:
            lines.append(my_rights_line(item.name, rights, utf8=session.utf8))
        if item.record.id in found.statuses:
            status = found.statuses[item.record.id]
            lines.append(
                status_response(
                    item.name, command.status_items, status, utf8=session.utf8, append_limit=session.append_limit
                )
            )
    yield b"".join(lines)


async def _listed(session: ImapSession, command: List, found: _Found) -> list[Listed]:
    rev2 = bool(session.enabled & REV2)
    if len(command.patterns) <= FEW_PATTERNS:
        return list_names(command, found.records, found.subscribed, rev2=rev2)
    return await session.context.offload.plain(list_names, command, found.records, found.subscribed, rev2=rev2)


async def lsub(session: ImapSession, command: Lsub) -> AsyncGenerator[Response, None]:
    """LSUB."""
    subscribed = await session.context.offload(subscriptions, session.reader)
    names = lsub_names(command, subscribed)
    yield b"".join(mailbox_list(each.name, each.attributes, utf8=session.utf8, response=b"LSUB") for each in names)


def _find(conn: Connection, reader: AccountRef, items: Sequence[str], *, others: bool) -> _Found:
    own = list_mailboxes(conn, reader)
    taken = {record.name for record in own}
    shared = [each for each in places.shared_with(conn, reader) if each.record.name not in taken] if others else []
    readable = [*own, *(each.record for each in shared if READ in each.rights)]
    deleted = not COUNT_DELETED.isdisjoint(items)
    statuses = statuses_of(conn, readable, recent="RECENT" in items, deleted=deleted) if items else {}
    rights = {each.record.id: each.rights for each in shared}
    return _Found([*own, *(each.record for each in shared)], subscriptions(conn, reader), statuses, rights)
