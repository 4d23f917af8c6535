"""What IMAP URLs lead to, for CATENATE (RFC 4469): sections of messages that the reader may read, block by block."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg import Connection

from accessd.imap.fetch_sections import section_pieces
from accessd.imap.grammar.url import BadUrl, MessageUrl
from accessd.imap.incoming import Incoming
from accessd.imap.selected import View
from mailcore.errors import MailboxNameInvalid, MailboxNotFound, MessageGone, NotPermitted
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import get_mailbox
from mailcore.sharing import places
from mailcore.sharing.rights import READ
from mailcore.store.base import StoredMessage
from mailcore.store.storage import Storage


class TooBig(ValueError):
    """The message would be larger than the server takes."""


def take_from(
    conn: Connection,
    storage: Storage,
    reader: AccountRef,
    view: View | None,
    url: MessageUrl,
    into: Incoming,
    most: int,
) -> None:
    """Add what `url` names to a message that may have `most` octets. Raises BadUrl, TooBig."""
    try:
        owner, mailbox = _mailbox(conn, reader, view, url)
        if url.uidvalidity not in (None, mailbox.uidvalidity):
            raise BadUrl("the mailbox has another UIDVALIDITY")
        with mailboxes.open_message(conn, storage, owner, mailbox, url.uid) as message:
            for piece in _pieces(message, url):
                if into.size + len(piece) > most:
                    raise TooBig
                into.add(piece)
    except (MailboxNotFound, MailboxNameInvalid, NotPermitted):
        raise BadUrl("no such mailbox") from None
    except MessageGone:
        raise BadUrl("no such message") from None


def _mailbox(
    conn: Connection, reader: AccountRef, view: View | None, url: MessageUrl
) -> tuple[AccountRef, MailboxRecord]:
    if url.mailbox is not None:
        place = places.resolve(conn, reader, url.mailbox).require(READ)
        return place.owner, get_mailbox(conn, place.owner, place.name)
    if view is None:
        raise BadUrl("no mailbox is selected")
    return view.owner, view.record


def _pieces(message: StoredMessage, url: MessageUrl) -> Iterator[bytes]:
    found = section_pieces(message, url.section, url.partial)
    if found is None:
        raise BadUrl("no such section")
    return found
