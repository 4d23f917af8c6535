"""INPROGRESS: signs of life while a command takes long (RFC 9585)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from accessd.imap import response
from mailcore.mailbox.progress import Progress

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

EVERY_S = 10.0
"""RFC 9585 section 4: the first one after 10 s, then as often."""


@contextmanager
def telling_progress(session: ImapSession) -> Iterator[Progress]:
    """While something runs that counts in this; the handler writes nothing meanwhile. Costs a timer."""
    loop, progress, tag = asyncio.get_running_loop(), Progress(), session.tag
    timers: list[asyncio.TimerHandle] = []

    def tell() -> None:
        session.connection.write(_line(tag, progress))
        timers[:] = [loop.call_later(EVERY_S, tell)]

    timers.append(loop.call_later(EVERY_S, tell))
    try:
        yield progress
    finally:
        timers[0].cancel()


def _line(tag: bytes, progress: Progress) -> bytes:
    goal = progress.goal
    state = b"%d %d" % (min(progress.done, goal), goal) if goal else b"NIL NIL"
    return response.ok("Still at it", b"INPROGRESS (%b %b)" % (response.string(tag), state))
