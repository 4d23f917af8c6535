"""Enough IMAP to time a command: bytes out, bytes until the tagged line."""

from __future__ import annotations

import asyncio
import collections
import random
import re
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.bench.loads.running import user


class ImapClient(asyncio.Protocol):
    """One connection. The tag is random per process, so that looking for it in the stream of bytes is safe without
    parsing literals, and cheap.
    """

    prefix = f"z{random.SystemRandom().randrange(36**6):x}q"

    def __init__(self) -> None:
        self.chunks: list[bytes] = []  # of the answer being received
        self.tail = b"\r\n"  # last bytes seen: a tagged line may be split
        self.marks: collections.deque[tuple[bytes, asyncio.Future[bytes]]] = collections.deque()  # in order
        self.count = 0
        self.on_data: Callable[[bytes], None] | None = None
        self.closed: ConnectionError | None = None
        self.greeting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.plus: asyncio.Future[bool] | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = ConnectionError(f"closed by server ({exc})")
        for future in [m[1] for m in self.marks] + [self.greeting, self.plus]:
            if future and not future.done():
                future.set_exception(self.closed)
                future.exception()

    def data_received(self, data: bytes) -> None:
        if not self.greeting.done():
            self.chunks.append(data)
            if data.endswith(b"\r\n"):
                self.greeting.set_result(b"".join(self.chunks))
                self.chunks = []
        elif self.on_data:
            self.on_data(data)
        elif self.plus and not self.plus.done() and (data[:1] == b"+" or b"\r\n+" in data):
            self.plus.set_result(True)
            self.chunks, self.tail = [], b"\r\n"
        else:
            self._answers(data)

    def _answers(self, data: bytes) -> None:
        while data:
            # Only what is new is searched, so that the cost stays linear.
            window = self.tail + data
            at = window.find(b"\r\n" + self.marks[0][0]) if self.marks else -1
            end = window.find(b"\r\n", at + 2) if at >= 0 else -1
            if end < 0:
                # The tagged line is not complete, or has not begun.
                self.tail = window[at:] if at >= 0 else window[-40:]
                self.chunks.append(data)
                return
            cut = end + 2 - len(window) + len(data)  # of data
            self.chunks.append(data[:cut])
            data = data[cut:]
            answer, self.chunks, self.tail = b"".join(self.chunks), [], b"\r\n"
            self._finish(answer, window[at + 2 : end])

    def _finish(self, answer: bytes, last: bytes) -> None:
        tag, future = self.marks.popleft()
        if future.done():
            return
        if last[len(tag) : len(tag) + 2] == b"OK":
            future.set_result(answer)
        else:
            future.set_exception(RuntimeError(last.decode("latin1")))

    def submit(self, command: bytes) -> asyncio.Future[bytes]:
        """Send a command; a future for everything up to its tagged line."""
        if self.closed:
            raise self.closed
        self.count += 1
        tag = f"{self.prefix}{self.count} ".encode()
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.marks.append((tag, future))
        self.transport.write(tag + command + b"\r\n")
        return future

    async def timed(self, command: bytes) -> tuple[bytes, float]:
        """Answer and seconds."""
        start = time.perf_counter()
        answer = await self.submit(command)
        return answer, time.perf_counter() - start

    async def append(self, mailbox: str, message: bytes, sync: bool) -> bytes:
        """APPEND one message, with a synchronising literal or LITERAL+."""
        name = mailbox.encode()
        if not sync:
            return await self.submit(b'APPEND "%s" {%d+}\r\n%s' % (name, len(message), message))
        self.plus = asyncio.get_running_loop().create_future()
        done = self.submit(b'APPEND "%s" {%d}' % (name, len(message)))
        await asyncio.wait([self.plus, done], return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            self.transport.write(message + b"\r\n")
        return await done


async def imap_open(args: Namespace, number: int, login: bool = True) -> ImapClient:
    """A connection of a user."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(ImapClient, args.host, args.imap_port)
    await client.greeting
    if login:
        await client.submit(f'LOGIN "{user(args, number)}" "{args.password}"'.encode())
    return client


async def imap_close(client: ImapClient) -> None:
    """LOGOUT, whatever the server says to it."""
    with suppress(ConnectionError, RuntimeError):
        await client.submit(b"LOGOUT")
    client.transport.close()


async def mailbox_count(client: ImapClient, mailbox: str = "INBOX") -> int:
    """Messages in it."""
    answer = await client.submit(f'STATUS "{mailbox}" (MESSAGES)'.encode())
    return int(re.search(rb"MESSAGES (\d+)", answer).group(1))


async def start_idle(client: ImapClient, mailbox: str) -> None:
    """From now on the server tells what happens in it."""
    await client.submit(f'SELECT "{mailbox}"'.encode())
    client.plus = asyncio.get_running_loop().create_future()
    client.submit(b"IDLE").add_done_callback(lambda f: f.cancelled() or f.exception())
    await client.plus
