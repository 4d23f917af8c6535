"""One LISTEN connection: reports notifications, and "look again" after every gap in the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg
from psycopg import sql

RECONNECT_S = 0.5


async def listen(dsn: str, channel: str) -> AsyncIterator[str | None]:
    """Payloads of `channel` for ever. None means: connected (again), something may have been missed."""
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, connect_timeout=5) as conn:
                await conn.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                yield None
                async for notification in conn.notifies():
                    yield notification.payload
        except (psycopg.OperationalError, psycopg.InterfaceError, OSError):
            await asyncio.sleep(RECONNECT_S)
