"""Which mailboxes a client wants to hear of, and what it is told of them (RFC 5465 sections 5 and 6). Pure.

Several groups may fit a mailbox: it gets the events of all of them. What is told is the difference between two pictures
of the mailboxes a client may see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accessd.imap.grammar.mailbox_name import SEPARATOR
from accessd.imap.grammar.notify import (
    FLAG_CHANGE,
    MAILBOX_METADATA,
    MAILBOX_NAME,
    MESSAGE_NEW,
    SERVER_METADATA,
    SUBSCRIPTION_CHANGE,
    EventGroup,
    Which,
)
from accessd.imap.mailbox_tree import parents_of
from mailcore.index.records import MailboxRecord
from mailcore.metadata.entries import SPECIAL_USE
from mailcore.metadata.following import SERVER, Note
from mailcore.sharing import names
from mailcore.sharing.rights import LOOKUP, READ

SELECTED = (Which.SELECTED, Which.SELECTED_DELAYED)
_NOTHING = frozenset[str]()


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


class Interest:
    """What one NOTIFY SET asks for."""

    def __init__(self, groups: Sequence[EventGroup]) -> None:
        self._others = [group for group in groups if group.which not in SELECTED]
        self.selected = next((group for group in groups if group.which in SELECTED), None)
        self._of_own: frozenset[str] = _NOTHING
        self._of_subscribed: frozenset[str] = _NOTHING
        self._by_name: dict[str, frozenset[str]] = {}
        self._by_top: dict[str, frozenset[str]] = {}
        for group in self._others:
            self._note(group)

    @property
    def is_delayed(self) -> bool:
        """Must removals in the selected mailbox wait for a command?"""
        return self.selected is not None and self.selected.which is Which.SELECTED_DELAYED

    @property
    def named(self) -> int:
        """How many names it has to remember."""
        return len(self._by_name) + len(self._by_top)

    @property
    def follows_anything(self) -> bool:
        """Is anything asked for beside the selected mailbox?"""
        return any(group.events for group in self._others)

    @property
    def follows_notes(self) -> bool:
        """And are annotations?"""
        return any(group.events & {MAILBOX_METADATA, SERVER_METADATA} for group in self._others)

    @property
    def follows_server(self) -> bool:
        """Those of the server?"""
        return any(SERVER_METADATA in group.events for group in self._others)

    @property
    def wants_messages(self) -> bool:
        """Is the selected mailbox of interest at all (section 3.1)?"""
        return self.selected is not None and MESSAGE_NEW in self.selected.events

    @property
    def wants_flags(self) -> bool:
        """And changes of flags in it?"""
        return self.selected is not None and FLAG_CHANGE in self.selected.events

    def events(self, name: str, subscribed: frozenset[str], *, is_own: bool) -> frozenset[str]:
        """What is to be told of a mailbox that is not selected. Costs the same however many names were given."""
        found = set(self._by_name.get(name, ()))
        if is_own:
            found |= self._of_own
        if name in subscribed:
            found |= self._of_subscribed
        if self._by_top:
            for level in _levels(name):
                found |= self._by_top.get(level, _NOTHING)
        return frozenset(found)

    def _note(self, group: EventGroup) -> None:
        match group.which:
            case Which.PERSONAL | Which.INBOXES:
                # Delivery may put mail into any of them (RFC 5465 section 6.3).
                self._of_own |= group.events
            case Which.SUBSCRIBED:
                self._of_subscribed |= group.events
            case _:
                named = self._by_name if group.which is Which.MAILBOXES else self._by_top
                for name in group.names:
                    named[name] = named.get(name, _NOTHING) | group.events


def _levels(name: str) -> Iterator[str]:
    """A name and those above it."""
    while name:
        yield name
        name = name.rpartition(SEPARATOR)[0]


def messages_followed(interest: Interest, picture: Picture) -> dict[int, frozenset[str]]:
    """Events of messages by mailbox, of those the reader may read."""
    found = {}
    for mailbox_id, seen in picture.mailboxes.items():
        events = interest.events(seen.record.name, picture.subscribed, is_own=seen.is_own)
        if MESSAGE_NEW in events and LOOKUP in seen.rights and READ in seen.rights:
            found[mailbox_id] = events
    return found


def unreadable(interest: Interest, picture: Picture) -> list[str]:
    """Names of mailboxes whose messages are asked about and that the reader may see, but not read."""
    return sorted(
        seen.record.name
        for seen in picture.mailboxes.values()
        if READ not in seen.rights
        and MESSAGE_NEW in interest.events(seen.record.name, picture.subscribed, is_own=seen.is_own)
    )


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
