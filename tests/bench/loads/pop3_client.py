"""Enough POP3 to time a command."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import Any

from tests.bench.loads.running import user


class PopClient(asyncio.Protocol):
    """One connection, one command at a time."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.multi = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.future.done():
            self.future.set_exception(ConnectionError("closed by server"))
            self.future.exception()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.future.done():
            return
        if self.multi and not self.buffer.startswith(b"-ERR"):
            if not self.buffer.endswith(b"\r\n.\r\n"):
                return
        elif not self.buffer.endswith(b"\r\n"):
            return
        answer = bytes(self.buffer)
        self.buffer.clear()
        if answer.startswith(b"+OK"):
            self.future.set_result(answer)
        else:
            self.future.set_exception(RuntimeError(answer.decode("latin1")))

    def line(self, command: bytes, multi: bool = False) -> asyncio.Future[bytes]:
        """Send a command; a future for its answer, of several lines when `multi`."""
        self.future = asyncio.get_running_loop().create_future()
        self.multi = multi
        self.transport.write(command + b"\r\n")
        return self.future


async def pop_open(args: Namespace, number: int) -> PopClient:
    """A connection of a user."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(PopClient, args.host, args.pop3_port)
    await client.future
    await client.line(f"USER {user(args, number)}".encode())
    await client.line(f"PASS {args.password}".encode())
    return client
