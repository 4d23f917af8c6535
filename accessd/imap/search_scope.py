"""Which mailboxes a search of several means, and the search of one of them (RFC 7377 section 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from psycopg import Connection

from accessd.imap.grammar.multisearch import Source
from accessd.imap.grammar.search_return import Returns
from accessd.imap.search_units import Found, Question, find
from mailcore.identity import AccountRef
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import list_mailboxes, spellings, subscriptions
from mailcore.mailbox.progress import Progress
from mailcore.mailbox.search_keys import SearchKey
from mailcore.sharing import names, places
from mailcore.sharing.rights import READ
from mailcore.store.layout import INBOX, SEPARATOR
from mailcore.store.storage import Storage


def mailboxes_of(conn: Connection, reader: AccountRef, sources: Sequence[Source]) -> dict[int, str]:
    """The mailboxes that `sources` name, in the order of LIST: ids, and what the reader calls them; of others those
    that the reader may read. What does not exist is passed over; SELECTED is the session's business.
    """
    own = {record.id: record.name for record in list_mailboxes(conn, reader)}
    taken = set(own.values())
    every = own | {
        each.record.id: each.record.name
        for each in places.shared_with(conn, reader)
        if READ in each.rights and each.record.name not in taken
    }
    subscribed = subscriptions(conn, reader) if any(source.kind == "SUBSCRIBED" for source in sources) else set()
    wanted = set[str]()
    for source in sources:
        wanted.update(_names(source, own.values(), every.values(), subscribed))
    return {mailbox_id: name for mailbox_id, name in every.items() if name in wanted}


def _names(source: Source, own: Iterable[str], every: Iterable[str], subscribed: set[str]) -> Iterator[str]:
    match source.kind:
        case "INBOXES":
            yield INBOX
        case "PERSONAL":
            yield from own
        case "SUBSCRIBED":
            yield from subscribed
        case "MAILBOXES":
            yield from _spelled(source.names)
        case "SUBTREE" | "SUBTREE-ONE":
            tops = set(_spelled(source.names))
            yield from tops
            for name in every:
                above = names.above(name) if source.kind == "SUBTREE" else [name.rpartition(SEPARATOR)[0]]
                if not tops.isdisjoint(above):
                    yield name


def _spelled(written: Iterable[str]) -> Iterator[str]:
    for name in written:
        yield from spellings(name)


def find_in(
    conn: Connection,
    storage: Storage,
    reader: AccountRef,
    name: str,
    key: SearchKey,
    returns: Returns,
    progress: Progress | None = None,
    *,
    with_modseq: bool,
) -> tuple[int, Found]:
    """In one mailbox: its UIDVALIDITY, and what was found. Raises MailboxNotFound and NotPermitted."""
    place = places.resolve(conn, reader, name).require(READ)
    opened = mailboxes.open_mailbox(conn, storage, place.owner, place.name, read_only=True)
    question = Question(storage, place.owner, opened.record, key, opened.uids, opened.first_recent_uid, (), with_modseq)
    return opened.record.uidvalidity, find(conn, question, returns)
