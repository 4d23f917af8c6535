"""What a session with NOTIFY (RFC 5465) is told between commands, and in IDLE."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import psycopg

from accessd.imap import response
from accessd.imap.command import Fetch
from accessd.imap.grammar.sequence_set import SequenceSet
from accessd.imap.news import news
from accessd.imap.notify import Notifier, TooMuchToFollow
from accessd.imap.notify_interest import Interest

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

RETRY_S = 1.0


def follow(session: ImapSession, notifier: Notifier) -> None:
    """From now on the client is told what this one follows, and nothing else."""
    unfollow(session)
    session.extra().notifier = notifier
    notifier.told_uid = session.view.uidnext - 1 if session.view is not None else 0


def unfollow(session: ImapSession) -> None:
    """As if NOTIFY had never been used."""
    if session.extras is not None and session.extras.notifier is not None:
        session.extras.notifier.stop()
        session.extras.notifier = None


async def tell_unasked(session: ImapSession, *, expunge: bool) -> bool:
    """Say what is due now, of the selected mailbox and of others. False if there was nothing to look at."""
    notifier = session.notifier
    assert notifier is not None
    looked = await _tell_of_selected(session, notifier, expunge=expunge)
    if notifier.is_due():
        looked = True
        try:
            session.connection.write(b"".join(await notifier.tell()))
        except TooMuchToFollow:
            overflow(session)
    await session.connection.drain()
    return looked


def overflow(session: ImapSession) -> None:
    """There is more than can be followed: as if NOTIFY NONE had been asked for (RFC 5465 section 5.8)."""
    follow(session, Notifier(session, Interest(())))
    session.connection.write(response.ok("Too many mailboxes", b"NOTIFICATIONOVERFLOW"))


async def _tell_of_selected(session: ImapSession, notifier: Notifier, *, expunge: bool) -> bool:
    if session.view is None or not session.changed or not notifier.interest.wants_messages:
        return False
    if (wait_s := session.may_look_in()) > 0:
        asyncio.get_running_loop().call_later(wait_s, session.connection.poke)
        return False
    try:
        session.connection.write(b"".join(await news(session, expunge=expunge)))
        await fetch_arrived(session)
    except psycopg.Error:
        asyncio.get_running_loop().call_later(RETRY_S, session.notify)
    return True


async def fetch_arrived(session: ImapSession) -> None:
    """What the client wants of each new message, after EXISTS (RFC 5465 section 5.2)."""
    notifier, view = session.notifier, session.view
    if notifier is None or view is None or notifier.told_uid >= view.uidnext - 1:
        return
    arrived = SequenceSet(((notifier.told_uid + 1, view.uidnext - 1),))
    group = notifier.interest.selected
    if group is not None and group.items:
        await session.fetch_unasked(Fetch(arrived, group.items, by_uid=True))
    notifier.told_uid = view.uidnext - 1
