"""Signs of life of a long command (RFC 9585)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from accessd.imap import in_progress
from accessd.imap.in_progress import telling_progress
from mailcore.mailbox.progress import Progress


class Session:
    """What is asked of a session: its tag, and a connection that notes what is written and by which time."""

    def __init__(self) -> None:
        self.tag, self.connection = b'A"1', self
        self.written: list[bytes] = []
        self.news = asyncio.Event()

    def write(self, line: bytes) -> None:
        self.written.append(line)
        self.news.set()

    async def next_line(self) -> bytes:
        await self.news.wait()
        self.news.clear()
        return self.written[-1]


def run(work: Callable[[Any, Progress], Awaitable[None]]) -> list[bytes]:
    async def command() -> list[bytes]:
        session: Any = Session()
        with telling_progress(session) as progress:
            await work(session, progress)
        await asyncio.sleep(0)
        return list(session.written)

    return asyncio.run(command())


def test_nothing_is_said_before_ten_seconds() -> None:
    async def quick(session: Any, progress: Progress) -> None:
        progress.expect(5)

    assert in_progress.EVERY_S == 10.0
    assert run(quick) == []


def test_then_how_far_it_is_again_and_again_and_no_more_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_progress, "EVERY_S", 0.0)

    async def long(session: Any, progress: Progress) -> None:
        await session.next_line()
        progress.expect(1000)
        progress.add(454)
        await session.next_line()
        progress.add(700)
        await session.next_line()

    assert run(long) == [
        b'* OK [INPROGRESS ("A\\"1" NIL NIL)] Still at it\r\n',
        b'* OK [INPROGRESS ("A\\"1" 454 1000)] Still at it\r\n',
        b'* OK [INPROGRESS ("A\\"1" 1000 1000)] Still at it\r\n',
    ]
