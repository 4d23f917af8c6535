"""The mailboxes that a client may see, as they are at one moment; NOTIFY (RFC 5465) tells the difference of two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import Connection

from accessd.imap.mailbox_tree import parents_of
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.account import list_mailboxes, subscriptions
from mailcore.metadata.following import Note, notes_of
from mailcore.sharing import places
from mailcore.sharing.rights import ALL


class Seen(NamedTuple):
    """A mailbox as a reader sees it: the name of its record is the reader's for it."""

    record: MailboxRecord
    rights: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The mailboxes a reader may LIST, by id, and the names it has subscribed to."""

    mailboxes: Mapping[int, Seen]
    subscribed: frozenset[str]
    notes: frozenset[Note] = frozenset()
    """Annotations, if they are followed."""

    def by_name(self) -> dict[str, Seen]:
        return {seen.record.name: seen for seen in self.mailboxes.values()}


def take_picture(conn: Connection, reader: AccountRef, *, with_notes: bool) -> Picture:
    """A unit of work: every mailbox the reader may LIST, and its subscriptions."""
    own = {record.id: Seen(record, ALL, is_own=True) for record in list_mailboxes(conn, reader)}
    taken = {seen.record.name for seen in own.values()}
    shared = {
        each.record.id: Seen(each.record, each.rights, is_own=False)
        for each in places.shared_with(conn, reader)
        if each.record.name not in taken
    }
    seen = own | shared
    notes = notes_of(conn, reader, list(seen)) if with_notes else frozenset()
    return Picture(seen, frozenset(subscriptions(conn, reader)), notes)


def attributes(picture: Picture) -> Callable[[str], tuple[str, ...]]:
    """Those of LIST, accurately (RFC 5465 section 5.5), for each name that is asked about."""
    by_name = picture.by_name()
    parents = parents_of(by_name)

    def of(name: str) -> tuple[str, ...]:
        found: list[str] = [] if name in by_name else ["\\NonExistent"]
        found.append("\\HasChildren" if name in parents else "\\HasNoChildren")
        if name in by_name and by_name[name].record.special_use:
            found.append(by_name[name].record.special_use)
        if name in picture.subscribed:
            found.append("\\Subscribed")
        return tuple(found)

    return of
