"""NOTIFY (RFC 5465)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.grammar.notify import (
    FLAG_CHANGE,
    MAILBOX_METADATA,
    MAILBOX_NAME,
    MESSAGE_EXPUNGE,
    MESSAGE_NEW,
    SERVER_METADATA,
    SUBSCRIPTION_CHANGE,
    Notify,
)
from accessd.imap.news import news
from accessd.imap.notify import Notifier, TooMuchToFollow
from accessd.imap.notify_interest import Interest
from accessd.imap.response import Completion, Response
from accessd.imap.unasked import follow, unfollow

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

SUPPORTED = (
    MESSAGE_NEW,
    MESSAGE_EXPUNGE,
    FLAG_CHANGE,
    MAILBOX_NAME,
    SUBSCRIPTION_CHANGE,
    MAILBOX_METADATA,
    SERVER_METADATA,
)


async def notify(session: ImapSession, command: Notify) -> AsyncGenerator[Response, None]:
    """Replaces what was asked for before, if it can be done; SET tells at once what is new in the selected mailbox."""
    groups = command.groups or ()
    if any(not group.events <= set(SUPPORTED) for group in groups):
        yield Completion("NO", f"BADEVENT ({' '.join(SUPPORTED)})".encode("ascii"), "Unknown event")
        return
    notifier = Notifier(session, Interest(groups))
    try:
        await notifier.start()
    except TooMuchToFollow:
        yield Completion("NO", b"NOTIFICATIONOVERFLOW", "Too many mailboxes")
        return
    unfollow(session)
    told: list[bytes] = []
    try:
        if command.groups is not None and session.view is not None:
            told = await news(session, expunge=True)
    finally:
        follow(session, notifier)
    yield b"".join(told)
    yield b"".join(notifier.first_lines(status=command.status))
    yield Completion()
