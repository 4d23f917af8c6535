"""What the client of an IMAP session sends next: a command, more of one, a line. Waiting, it costs one coroutine.

All of them raise ConnectionResetError at the end of the connection, and LineTooLong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accessd.imap.events import Event
from accessd.imap.unasked import tell_unasked

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def next_command(session: ImapSession) -> Event:
    """Between commands: meanwhile the client is told what it has asked for with NOTIFY."""
    while True:
        event = session.engine.next_event()
        if event is not None:
            return event
        if session.notifier is None:
            await _receive(session)
        elif not await tell_unasked(session, expunge=not session.notifier.interest.is_delayed):
            await receive_or_wake(session)


async def next_event(session: ImapSession) -> Event:
    """In the course of a command: more of it."""
    while True:
        event = session.engine.next_event()
        if event is not None:
            return event
        await _receive(session)


async def read_line(session: ImapSession) -> bytes:
    """One line that is not a command."""
    while True:
        line = session.engine.next_line()
        if line is not None:
            return line
        await _receive(session)


async def receive_or_wake(session: ImapSession) -> None:
    """Until the client sends something, or somebody pokes."""
    session.in_a_row = 0
    await session.connection.wait()
    data = session.connection.take()
    if data:
        session.engine.receive_data(data)
    elif session.connection.at_eof:
        raise ConnectionResetError("end of connection")


async def _receive(session: ImapSession) -> None:
    session.in_a_row = 0
    data = await session.connection.read_some()
    if not data:
        raise ConnectionResetError("end of connection")
    session.engine.receive_data(data)
