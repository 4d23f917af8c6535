"""NOTIFY and its arguments (RFC 5465 section 8).

Names of events nobody knows are for the handler, which answers with BADEVENT; combinations that the RFC calls an error
are refused here.
"""

from dataclasses import dataclass
from enum import Enum

from accessd.imap.command import Command
from accessd.imap.grammar.fetch_att import FetchItem, read_fetch_att
from accessd.imap.grammar.mailbox_name import read_mailbox
from accessd.imap.grammar.tokens import BadSyntax, Scanner

MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE = "MessageNew", "MessageExpunge", "FlagChange"
ANNOTATION_CHANGE = "AnnotationChange"
MAILBOX_NAME, SUBSCRIPTION_CHANGE = "MailboxName", "SubscriptionChange"
MAILBOX_METADATA, SERVER_METADATA = "MailboxMetadataChange", "ServerMetadataChange"
MESSAGE_EVENTS = (MESSAGE_NEW, MESSAGE_EXPUNGE, FLAG_CHANGE, ANNOTATION_CHANGE)
_SPELLING = {
    name.upper(): name
    for name in (*MESSAGE_EVENTS, MAILBOX_NAME, SUBSCRIPTION_CHANGE, MAILBOX_METADATA, SERVER_METADATA)
}


class Which(Enum):
    """filter-mailboxes (RFC 5465 section 6)."""

    SELECTED = "SELECTED"
    SELECTED_DELAYED = "SELECTED-DELAYED"
    INBOXES = "INBOXES"
    PERSONAL = "PERSONAL"
    SUBSCRIBED = "SUBSCRIBED"
    SUBTREE = "SUBTREE"
    MAILBOXES = "MAILBOXES"


_OF_SELECTED = (Which.SELECTED, Which.SELECTED_DELAYED)
_NAMED = (Which.SUBTREE, Which.MAILBOXES)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """What the client wants to hear of some mailboxes; none for NONE. `items` are fetched of new messages."""

    which: Which
    names: tuple[str, ...] = ()
    events: frozenset[str] = frozenset()
    items: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """NOTIFY SET, or NOTIFY NONE when `groups` is None."""

    groups: tuple[EventGroup, ...] | None = None
    status: bool = False


def notify(scanner: Scanner) -> Command:
    """NOTIFY NONE, or NOTIFY SET [STATUS] (which events) ..."""
    scanner.space()
    if (form := scanner.keyword()) == "NONE":
        return Notify()
    if form != "SET":
        raise BadSyntax("Expected SET or NONE")
    scanner.space()
    status = not scanner.next_is(b"(")
    if status:
        if scanner.keyword() != "STATUS":
            raise BadSyntax("Expected STATUS")
        scanner.space()
    groups = [_read_group(scanner)]
    while scanner.take(b" "):
        groups.append(_read_group(scanner))
    if sum(group.which in _OF_SELECTED for group in groups) > 1:
        raise BadSyntax("Only one of SELECTED and SELECTED-DELAYED")
    return Notify(tuple(groups), status)


def _read_group(scanner: Scanner) -> EventGroup:
    scanner.expect(b"(", "a group of events")
    try:
        which = Which(scanner.keyword())
    except ValueError:
        raise BadSyntax("Unknown kind of mailboxes") from None
    scanner.space()
    names: tuple[str, ...] = ()
    if which in _NAMED:
        names = _read_names(scanner)
        scanner.space()
    events, items = _read_events(scanner)
    scanner.expect(b")")
    _check(which, events, has_items=bool(items))
    return EventGroup(which, names, events, items)


def _read_names(scanner: Scanner) -> tuple[str, ...]:
    """one-or-more-mailbox."""
    if scanner.next_is(b"("):
        return tuple(scanner.parenthesised(read_mailbox))
    return (read_mailbox(scanner),)


def _read_events(scanner: Scanner) -> tuple[frozenset[str], tuple[FetchItem, ...]]:
    if not scanner.next_is(b"("):
        if scanner.keyword() != "NONE":
            raise BadSyntax("Expected events or NONE")
        return frozenset(), ()
    events: list[str] = []
    items: list[FetchItem] = []
    scanner.expect(b"(")
    while True:
        word = scanner.keyword()
        events.append(_SPELLING.get(word, word))
        if events[-1] == MESSAGE_NEW and scanner.next_is(b" ("):
            scanner.space()
            items += scanner.parenthesised(read_fetch_att)
        if scanner.take(b")"):
            return frozenset(events), tuple(items)
        scanner.space()


def _check(which: Which, events: frozenset[str], *, has_items: bool) -> None:
    """RFC 5465 sections 5 and 6.1."""
    has_new, has_expunge = MESSAGE_NEW in events, MESSAGE_EXPUNGE in events
    if has_new != has_expunge:
        raise BadSyntax("MessageNew and MessageExpunge belong together")
    if events & {FLAG_CHANGE, ANNOTATION_CHANGE} and not has_new:
        raise BadSyntax("FlagChange needs MessageNew and MessageExpunge")
    if which in _OF_SELECTED and events & set(_SPELLING.values()) - set(MESSAGE_EVENTS):
        raise BadSyntax("Only events of messages for the selected mailbox")
    if has_items and which not in _OF_SELECTED:
        raise BadSyntax("Only messages of the selected mailbox are fetched")
