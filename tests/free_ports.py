"""Ports for the servers of tests: none is handed out twice in a row, and none to two test processes at once.

Port 0 would let the kernel choose, but it may choose the same port for the next who asks, or for a client's
connection, before the first server has bound it. So the ports come from below the kernel's own range, in blocks. A
process holds its block by the name of an abstract Unix socket, which ends with the process however that ends.
"""

import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FIRST, BLOCK = 10_000, 400
KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_held: list[socket.socket] = []


def choose_free_port() -> int:
    """A port that nobody listens on now, and that no other test is told for the next few hundred calls."""
    return next(_ports())


@cache
def _ports() -> Iterator[int]:
    return _in_turn(_claim_block())


def _in_turn(block: range) -> Iterator[int]:
    if not any(map(_is_free, block)):
        raise RuntimeError(f"no port of {block} is free")
    while True:
        yield from filter(_is_free, block)


def _claim_block() -> range:
    for first in range(FIRST, _end() - BLOCK + 1, BLOCK):
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0mailkeep-test-ports-{first}")
        except OSError:
            claim.close()
            continue
        _held.append(claim)
        return range(first, first + BLOCK)
    raise RuntimeError("every block of ports is held by another test process")


def _end() -> int:
    """Where the kernel begins to choose ports for connections."""
    return max(int(KERNEL_RANGE.read_text().split()[0]), FIRST + BLOCK)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
