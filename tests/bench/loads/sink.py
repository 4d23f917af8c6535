"""sink: an SMTP server that stores nothing and counts."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import MutableSequence
from typing import Any

from tests.bench.loads.options import common_options


def options() -> ArgumentParser:
    """And where it listens."""
    parser = common_options()
    parser.add_argument("--sink-port", type=int, default=3526)
    return parser


class Sink(asyncio.Protocol):
    """One connection to it. counter[0..1]: messages, recipients."""

    EHLO = b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n"

    def __init__(self, counter: MutableSequence[int]) -> None:
        self.counter = counter

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.buffer = b""
        self.in_data = False
        self.recipients = 0
        transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data if self.buffer else data
        out: list[bytes] = []
        while data:
            if self.in_data:
                end = 0 if data.startswith(b".\r\n") else data.find(b"\r\n.\r\n")
                if end < 0:
                    data = data[-4:]
                    break
                data = data[end + (3 if end == 0 and data[:1] == b"." else 5) :]
                out.append(self._count())
                continue
            end = data.find(b"\n")
            if end < 0:
                break
            verb, data = data[:4].upper(), data[end + 1 :]
            out.append(self._answer(verb))
            if verb == b"QUIT":
                self.transport.write(b"".join(out))
                self.transport.close()
                return
        self.buffer = data
        if out:
            self.transport.write(b"".join(out))

    def _answer(self, verb: bytes) -> bytes:
        if verb == b"MAIL":
            self.recipients = 0
        elif verb == b"RCPT":
            self.recipients += 1
        elif verb == b"DATA":
            self.in_data = True
            return b"354 go on\r\n"
        elif verb == b"EHLO":
            return self.EHLO
        elif verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250 ok\r\n"

    def _count(self) -> bytes:
        self.in_data = False
        self.stored()
        self.counter[0] += 1
        self.counter[1] += self.recipients
        return b"250 ok\r\n"

    def stored(self) -> None:
        """For subclasses: one message is complete."""


async def listen(args: Namespace, counter: MutableSequence[int]) -> asyncio.Server:
    """A sink that counts there."""
    return await asyncio.get_running_loop().create_server(
        lambda: Sink(counter), args.host, args.sink_port, reuse_port=True, backlog=1024
    )


async def run(args: Namespace) -> None:
    """Until interrupted; prints when the count stands still again."""
    counter = [0, 0]
    server = await listen(args, counter)
    print(f"sink: listening on {args.host}:{args.sink_port}", file=sys.stderr)
    shown = last = 0
    try:
        while True:
            await asyncio.sleep(1)
            if counter[0] == last and last != shown:
                shown = last
                print(json.dumps({"command": "sink", "messages": counter[0], "recipients": counter[1]}), flush=True)
            last = counter[0]
    finally:
        server.close()
