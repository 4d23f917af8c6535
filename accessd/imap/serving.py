"""The loop of an IMAP session: reads commands, runs one at a time, to the end of the connection.

Which command may run in which state is in the table of accessd.imap.commands. What is no command, or not possible now,
is answered here; a client that sends too much of it is sent away, and one that sends commands without end lets the
other sessions run in between.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.capabilities import capabilities_of
from accessd.imap.commands import COMMANDS
from accessd.imap.errors import Disconnect
from accessd.imap.events import (
    CommandReceived,
    ContinuationNeeded,
    Event,
    LineTooLong,
    LiteralStarted,
    LiteralTooLong,
    Rejected,
)
from accessd.imap.execution import execute
from accessd.imap.reading import next_command
from accessd.imap.states import State
from accessd.imap.unasked import unfollow

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

MOST_BAD_COMMANDS = 20
MOST_IN_A_ROW = 32


async def serve(session: ImapSession) -> None:
    """Serve the client to the end."""
    try:
        session.connection.write(response.ok("Mailkeep ready", capabilities_of(session)))
        while session.state is not State.LOGOUT:
            await _answer(session, await next_command(session))
            await _let_others_run(session)
    except Disconnect as reason:
        session.connection.write(response.bye(str(reason)))
    except LineTooLong as error:
        what = "Literal" if isinstance(error, LiteralTooLong) else "Line"
        session.connection.write(response.bye(f"{what} too long"))
    except ConnectionError:
        if session.connection.farewell:
            session.connection.write(response.bye(session.connection.farewell))
    finally:
        unfollow(session)
        if session.view is not None:
            session.context.hub.unwatch(session.view.record.id, session)


async def _answer(session: ImapSession, event: Event) -> None:
    match event:
        case CommandReceived(tag, name, command):
            if _is_possible(session, tag, name):
                await execute(session, tag, name, COMMANDS[name], command)
        case LiteralStarted(tag, name):
            if _is_possible(session, tag, name):
                await execute(session, tag, name, COMMANDS[name], event)
            else:
                session.engine.refuse_literal()
        case ContinuationNeeded():
            session.connection.write(response.continuation())
        case Rejected():
            _reject(session, event)
        case _:
            raise AssertionError(f"unexpected {event}")


def _is_possible(session: ImapSession, tag: bytes, name: str) -> bool:
    """In this state? If not, it is rejected."""
    if session.state not in COMMANDS[name].states:
        _reject(session, Rejected(tag, f"{name} is not possible now"))
        return False
    session.bad_commands = 0
    return True


def _reject(session: ImapSession, rejected: Rejected) -> None:
    line = response.status_line(rejected.tag or b"*", rejected.status, rejected.text, rejected.code)
    session.connection.write(line)
    session.bad_commands += 1
    if session.bad_commands > MOST_BAD_COMMANDS:
        raise Disconnect("Too many invalid commands")


async def _let_others_run(session: ImapSession) -> None:
    """A client may have sent thousands of commands that need no waiting: the other sessions come in between."""
    session.in_a_row += 1
    if session.in_a_row >= MOST_IN_A_ROW:
        session.in_a_row = 0
        await session.connection.drain()
        await asyncio.sleep(0)
