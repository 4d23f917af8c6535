"""What a client is told of the difference between two pictures of its mailboxes (RFC 5465 section 5). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from accessd.imap.grammar.mailbox_name import SEPARATOR
from accessd.imap.grammar.notify import FLAG_CHANGE, MAILBOX_METADATA, MAILBOX_NAME, SUBSCRIPTION_CHANGE
from accessd.imap.notify_interest import Interest
from accessd.imap.notify_picture import Picture
from mailcore.index.records import MailboxRecord
from mailcore.metadata.entries import SPECIAL_USE
from mailcore.metadata.following import SERVER
from mailcore.sharing import names
from mailcore.sharing.rights import READ


def first_status(events: frozenset[str]) -> tuple[str, ...]:
    """What STATUS tells at NOTIFY SET STATUS (RFC 5465 section 3.1)."""
    items = ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
    return (*items, "HIGHESTMODSEQ") if FLAG_CHANGE in events else tuple(items)


def status_items(
    before: MailboxRecord, now: MailboxRecord, events: frozenset[str], *, condstore: bool
) -> tuple[str, ...]:
    """What STATUS tells of a mailbox that has changed; nothing if the client wants none of it (sections 5.1 to 5.3)."""
    items: list[str] = []
    if (before.messages, before.uidnext) != (now.messages, now.uidnext):
        items += ["MESSAGES", "UIDNEXT"]
    if FLAG_CHANGE in events and before.unseen != now.unseen:
        items += ["UNSEEN"]
    if condstore and (items or (FLAG_CHANGE in events and before.highestmodseq != now.highestmodseq)):
        items += ["HIGHESTMODSEQ"]
    if items or (FLAG_CHANGE in events and before.uidvalidity != now.uidvalidity):
        items += ["UIDVALIDITY"]
    return tuple(items)


class NameEvent(NamedTuple):
    """A LIST response to be sent: the name is gone, or is there, once called `old_name`."""

    name: str
    old_name: str | None = None


def name_events(interest: Interest, before: Picture, now: Picture) -> list[NameEvent]:
    """Names that were made, deleted, renamed or subscribed to (RFC 5465 sections 5.4 and 5.5), each once, in order."""
    known = before.by_name() | now.by_name()
    subscribed = before.subscribed | now.subscribed

    def wants(kind: str, name: str) -> bool:
        is_own = known[name].is_own if name in known else not names.is_reserved(name)
        return kind in interest.events(name, subscribed, is_own=is_own)

    found: dict[str, NameEvent] = {}
    for event in _mailbox_names(before, now):
        if wants(MAILBOX_NAME, event.name) or (event.old_name is not None and wants(MAILBOX_NAME, event.old_name)):
            found[event.name] = event
    for name in before.subscribed ^ now.subscribed:
        if name not in found and wants(SUBSCRIPTION_CHANGE, name):
            found[name] = NameEvent(name)
    return [found[name] for name in sorted(found)]


def _mailbox_names(before: Picture, now: Picture) -> Iterable[NameEvent]:
    renamed = {
        seen.record.name: now.mailboxes[mailbox_id].record.name
        for mailbox_id, seen in before.mailboxes.items()
        if mailbox_id in now.mailboxes and now.mailboxes[mailbox_id].record.name != seen.record.name
    }
    for old, new in renamed.items():
        if not _came_along(old, new, renamed):
            yield NameEvent(new, old)
    made = [seen.record.name for key, seen in now.mailboxes.items() if key not in before.mailboxes]
    gone = [seen.record.name for key, seen in before.mailboxes.items() if key not in now.mailboxes]
    for name in (*made, *gone):
        yield NameEvent(name)
    # Whether the one above has children is another matter now.
    taken = {*made, *gone, *renamed.values()}
    for parent in {name.rpartition(SEPARATOR)[0] for name in (*made, *gone)} - taken:
        if parent:
            yield NameEvent(parent)


def _came_along(old: str, new: str, renamed: Mapping[str, str]) -> bool:
    """Was it renamed because one above it was?"""
    while SEPARATOR in old and SEPARATOR in new:
        old, _, old_level = old.rpartition(SEPARATOR)
        new, _, new_level = new.rpartition(SEPARATOR)
        if old_level != new_level:
            return False
        if renamed.get(old) == new:
            return True
    return False


def note_events(interest: Interest, before: Picture, now: Picture) -> list[tuple[str, list[str]]]:
    """Mailboxes ("" for the server) and names of their annotations that were set, changed or removed (RFC 5465 sections
    5.6 and 5.7). A mailbox that has just come into view is none of them.
    """
    changed: dict[int, set[str]] = {}
    for note in before.notes ^ now.notes:
        changed.setdefault(note.mailbox_id, set()).add(str(note.entry))
    found = []
    for mailbox_id, seen in now.mailboxes.items():
        known = before.mailboxes.get(mailbox_id)
        if known is not None and known.record.special_use != seen.record.special_use:
            changed.setdefault(mailbox_id, set()).add(str(SPECIAL_USE))
        if known is None or mailbox_id not in changed or READ not in seen.rights:
            continue
        if MAILBOX_METADATA in interest.events(seen.record.name, now.subscribed, is_own=seen.is_own):
            found.append((seen.record.name, sorted(changed[mailbox_id])))
    if SERVER in changed and interest.follows_server:
        found.append(("", sorted(changed[SERVER])))
    return sorted(found)
