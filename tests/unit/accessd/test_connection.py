"""A connection that is compressed leaves the event loop to others."""

import asyncio
import zlib
from types import SimpleNamespace
from typing import Any

import pytest

from accessd.connection import Connection
from accessd.deflate import INFLATED_AT_ONCE_BYTES

PIECES = 64


def compressed_connection() -> Connection:
    """One whose client has sent what PIECES times the limit inflates from."""
    connection = Connection(None, None, None, protocol="imap", idle_limit_s=60)  # type: ignore[arg-type]
    connection._transport = SimpleNamespace(write=lambda _: None)  # type: ignore[assignment]
    connection.start_compression(b"")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = deflater.compress(b"A" * PIECES * INFLATED_AT_ONCE_BYTES) + deflater.flush(zlib.Z_SYNC_FLUSH)
    connection.data_received(bomb)
    return connection


async def read(connection: Connection) -> bytes:
    return await connection.read_some()


async def wait_and_take(connection: Connection) -> bytes:
    await connection.wait()
    return connection.take()


@pytest.mark.parametrize("receive", [read, wait_and_take])
def test_others_run_between_the_pieces_of_what_was_compressed(receive: Any) -> None:
    """Some octets stand for so many that reading them in one go would be a pause for everybody."""

    async def play() -> int:
        connection, turns = compressed_connection(), 0

        def turn() -> None:
            nonlocal turns
            turns += 1
            asyncio.get_running_loop().call_soon(turn)

        turn()
        received = 0
        while received < PIECES * INFLATED_AT_ONCE_BYTES:
            received += len(await receive(connection))
        return turns

    assert asyncio.run(play()) >= PIECES - 1
