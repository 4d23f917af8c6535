"""GETMETADATA and SETMETADATA (RFC 5464): annotations of mailboxes, and with the mailbox "" of the server.

Of a mailbox of somebody else they are for who has `l` and one of `r`, `s`, `w`, `i`, `p` (section 3.3). Shared ones of
the server are the administrator's. /private/specialuse is the special use of one's own mailbox (RFC 6154 section 5.4).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.grammar.args_mailboxes import SPECIAL_USES
from accessd.imap.grammar.metadata import GetMetadata, SetMetadata
from accessd.imap.response import Completion, Response
from mailcore.errors import NotPermitted
from mailcore.identity import AccountRef
from mailcore.index.index import lock_mailboxes, write_ledgers
from mailcore.mailbox.account import get_mailbox
from mailcore.metadata import annotation
from mailcore.metadata.annotation import LARGEST_VALUE, Found
from mailcore.metadata.entries import ADMIN, SPECIAL_USE, Entry
from mailcore.sharing import places
from mailcore.sharing.names import domain_of
from mailcore.sharing.places import Place
from mailcore.sharing.rights import LOOKUP

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

SERVER = ""
ONE_OF = "rswip"


async def get_metadata(session: ImapSession, command: GetMetadata) -> AsyncGenerator[Response, None]:
    """What is longer than MAXSIZE is left out, and the longest of it told."""
    found = await session.context.offload(_read, session.reader, command)
    words: list[bytes] = []
    for asked in command.entries:
        below = [each for each in found if each.asked == asked]
        words += [word for each in below if each.value is not None for word in _pair(each.entry, each.value)]
        if not below and not command.depth:
            words += _pair(asked, None)
    if words:
        name = response.mailbox(command.mailbox, utf8=session.utf8) if command.mailbox else b'""'
        yield response.untagged(b"METADATA %b (%b)" % (name, b" ".join(words)))
    left_out = [each.size for each in found if each.value is None]
    if left_out:
        yield Completion(code=b"METADATA LONGENTRIES %d" % max(left_out))


def _pair(entry: Entry, value: bytes | None) -> list[bytes]:
    octets = response.nstring(value)
    # literal8 where there is NUL (RFC 5464 section 5).
    return [response.astring(str(entry).encode("ascii")), b"~" + octets if value and b"\0" in value else octets]


async def set_metadata(session: ImapSession, command: SetMetadata) -> AsyncGenerator[Response, None]:
    """All of it or nothing."""
    use = dict(command.values).get(SPECIAL_USE)
    if command.mailbox != SERVER and use and use.decode("utf-8", "replace").upper() not in SPECIAL_USES:
        yield Completion("NO", b"USEATTR", "No such special use")
        return
    session.announce_accounts(await session.context.offload(_write, session.reader, command))
    yield Completion()


def _read(conn: Connection, reader: AccountRef, command: GetMetadata) -> list[Found]:
    most = LARGEST_VALUE if command.max_size is None else command.max_size
    mailbox_id: int | None = None
    computed: dict[Entry, bytes] = {}
    if command.mailbox == SERVER:
        computed[ADMIN] = f"mailto:postmaster@{domain_of(reader.address)}".encode()
    else:
        place = _place(conn, reader, command.mailbox)
        record = get_mailbox(conn, place.owner, place.name)
        mailbox_id = record.id
        if record.special_use and place.owner.id == reader.id:
            computed[SPECIAL_USE] = record.special_use.encode("ascii")
    found = annotation.read(conn, reader, mailbox_id, command.entries, depth=command.depth, most=most)
    return [*found, *_computed(command, computed, {each.entry for each in found}, most)]


def _computed(command: GetMetadata, computed: dict[Entry, bytes], stored: set[Entry], most: int) -> list[Found]:
    """What is asked for and is not stored as an annotation."""
    return [
        Found(asked, entry, len(value), value if len(value) <= most else None)
        for entry, value in computed.items()
        if entry not in stored
        for asked in [next((each for each in command.entries if each.covers(entry, command.depth)), None)]
        if asked is not None
    ]


def _write(conn: Connection, reader: AccountRef, command: SetMetadata) -> AccountRef:
    """Whose mailbox it was, or the reader for the server."""
    values = dict(command.values)
    if command.mailbox == SERVER:
        if not all(entry.private for entry in values):
            raise NotPermitted("shared annotations of the server are the administrator's")
        annotation.write(conn, reader, None, values)
        return reader
    place = _place(conn, reader, command.mailbox)
    mailbox_id = get_mailbox(conn, place.owner, place.name).id
    says_use = SPECIAL_USE in values
    if says_use and place.owner.id != reader.id:
        raise NotPermitted("the special use of a mailbox is its owner's")
    use = (values.pop(SPECIAL_USE, None) or b"").decode("ascii")
    with conn.transaction():
        # First the lock of the annotations, then that of the row, whatever is changed: else two would wait for each
        # other.
        annotation.write(conn, reader, mailbox_id, values)
        if says_use:
            annotation.set_special_use(conn, mailbox_id, SPECIAL_USES[use.upper()] if use else "")
        # RFC 7162 section 3.2: HIGHESTMODSEQ rises.
        write_ledgers(conn, lock_mailboxes(conn, [mailbox_id]))
    return place.owner


def _place(conn: Connection, reader: AccountRef, name: str) -> Place:
    return places.resolve(conn, reader, name).require(LOOKUP).require_one(ONE_OF)
