"""IDLE (RFC 2177): news as it happens, until DONE."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Idle
from accessd.imap.response import Completion, Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def idle(session: ImapSession, command: Idle) -> AsyncGenerator[Response, None]:
    """An idling session is one waiting coroutine: no thread, no database connection, no timer of its own."""
    yield response.continuation(b"idling")
    with _watching(session):
        while (line := session.engine.next_line()) is None:
            if session.view is not None and session.changed:
                told = await session.news(expunge=True)
                if told:
                    yield b"".join(told)
                continue
            await session.connection.wait()
            data = session.connection.take()
            if data:
                session.engine.receive_data(data)
            elif session.connection.at_eof:
                raise ConnectionResetError("end of connection")
    if line.upper() != b"DONE":
        yield Completion("BAD", text="Expected DONE")


@contextmanager
def _watching(session: ImapSession) -> Iterator[None]:
    """Meanwhile a notification wakes the session, and other programs that drop files are noticed."""
    session.idling = True
    view, files = session.view, session.context.files
    if view is not None:
        files.watch(view.record, session.owner)
    try:
        yield
    finally:
        session.idling = False
        if view is not None:
            files.unwatch(view.record)
