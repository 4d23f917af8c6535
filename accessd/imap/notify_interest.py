"""Which mailboxes a client wants to hear of, and what of them (RFC 5465 sections 3.1, 5 and 6). Pure.

Several groups may fit a mailbox: it gets the events of all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accessd.imap.grammar.mailbox_name import SEPARATOR
from accessd.imap.grammar.notify import (
    FLAG_CHANGE,
    MAILBOX_METADATA,
    MESSAGE_NEW,
    SERVER_METADATA,
    EventGroup,
    Which,
)
from accessd.imap.notify_picture import Picture
from mailcore.sharing.rights import LOOKUP, READ

SELECTED = (Which.SELECTED, Which.SELECTED_DELAYED)
_NOTHING = frozenset[str]()


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
