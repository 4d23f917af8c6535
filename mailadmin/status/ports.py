"""Do the ports that our processes listen on answer? Asked all at once, within one time limit.

Plain ports have to greet as their protocol says; those that begin with TLS have to accept. A probe comes from the
loopback address and says nothing, so that the programs take it for what it is: it leaves no line in the maillog.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass

GREETINGS = {"mx": b"220", "submission": b"220", "imap": b"* OK", "pop3": b"+OK"}
MOST_SHOWN = 80

_LISTENING = re.compile(r"(?:(?P<protocol>[\w-]+) )?(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>\d{1,5})")
_LOOPBACK = {False: "127.0.0.1", True: "::1"}
# Where to reach who listens on every address. "::" may be both families, on a machine that has no IPv6.
_ANY = {"0.0.0.0": ("127.0.0.1",), "::": ("::1", "127.0.0.1")}


@dataclass(frozen=True, slots=True)
class Port:
    """One port, and the listener it belongs to as the process calls it."""

    protocol: str
    host: str
    number: int

    @property
    def greeting(self) -> bytes:
        """What it begins with; nothing where TLS or something unknown is spoken."""
        return GREETINGS.get(self.protocol, b"")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.protocol} {host}:{self.number}".strip()


def parse_ports(listening: Iterable[str]) -> tuple[Port, ...]:
    """The ports that these processes report, each once."""
    found = (_LISTENING.fullmatch(text) for text in listening)
    ports = (_port(match) for match in found if match is not None and int(match["port"]) < 65536)
    return tuple(dict.fromkeys(ports))


def _port(match: re.Match[str]) -> Port:
    return Port(match["protocol"] or "", match["six"] or match["four"], int(match["port"]))


async def troubles(ports: Iterable[Port], within_s: float) -> dict[Port, str]:
    """For each port why it does not answer, "" when it does. Never raises."""
    asked = tuple(ports)
    return dict(zip(asked, await asyncio.gather(*(_trouble(port, within_s) for port in asked)), strict=True))


async def _trouble(port: Port, within_s: float) -> str:
    trouble = "no connection"
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await _connect(port)
            trouble = "no greeting"
            try:
                return await _listen_to(reader, port.greeting)
            finally:
                writer.transport.abort()
    except TimeoutError:
        return trouble
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else str(error)


async def _connect(port: Port) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    first, *others = _ANY.get(port.host, (port.host,))
    try:
        return await _connect_to(first, port.number)
    except OSError:
        if not others:
            raise
        return await _connect_to(others[0], port.number)


async def _connect_to(host: str, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # Our own addresses can be reached from the loopback address, too: so every port sees this machine.
    return await asyncio.open_connection(host, number, local_addr=(_LOOPBACK[":" in host], 0))


async def _listen_to(reader: asyncio.StreamReader, greeting: bytes) -> str:
    said = b""
    while len(said) < len(greeting):
        more = await reader.read(MOST_SHOWN)
        if not more:
            return "closes the connection"
        said += more
    if said.startswith(greeting):
        return ""
    return f"says {said[:MOST_SHOWN].decode('ascii', 'replace').strip()}"
