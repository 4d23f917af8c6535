"""IDLE (RFC 2177): news as it happens, until DONE."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import psycopg

from accessd.imap import response
from accessd.imap.command import Idle
from accessd.imap.news import news
from accessd.imap.reading import receive_or_wake
from accessd.imap.response import Completion, Response
from accessd.imap.unasked import tell_unasked

if TYPE_CHECKING:
    from accessd.imap.selected import View
    from accessd.imap.session import ImapSession

RETRY_S = 1.0


async def idle(session: ImapSession, command: Idle) -> AsyncGenerator[Response, None]:
    """An idling session is one waiting coroutine: no thread, no database connection, no timer of its own."""
    yield response.continuation(b"idling")
    view = session.view
    _watch(session, view)
    # No context manager: it would stay as long as the client idles, for thousands of them.
    try:
        while (line := session.engine.next_line()) is None:
            if session.notifier is not None:
                # Exactly what NOTIFY has asked for (RFC 5465 section 4).
                if await tell_unasked(session, expunge=True):
                    continue
            elif session.view is not None and session.changed:
                yield b"".join(await _news(session))
                continue
            await receive_or_wake(session)
    finally:
        _unwatch(session, view)
    if line.upper() != b"DONE":
        yield Completion("BAD", text="Expected DONE")


async def _news(session: ImapSession) -> list[bytes]:
    """While the database is away there are none, and the client need not notice: it is asked again a little later."""
    try:
        return await news(session, expunge=True)
    except psycopg.Error:
        asyncio.get_running_loop().call_later(RETRY_S, session.notify)
        return []


def _watch(session: ImapSession, view: View | None) -> None:
    """From now on a notification wakes the session, and other programs that drop files are noticed."""
    session.idling = True
    if view is not None:
        session.context.files.watch(view.record, view.owner)


def _unwatch(session: ImapSession, view: View | None) -> None:
    session.idling = False
    if view is not None:
        session.context.files.unwatch(view.record)
