"""The newest Snapshot in a running program: NOTIFY wakes it, a poll is its safety net.

While the LISTEN connection is down the generation is polled every second, otherwise every five, so a committed change
is in force within a second either way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psycopg

from mailcore.config import statements
from mailcore.config.loader import load_snapshot
from mailcore.config.snapshot import Snapshot
from mailcore.db.listen import listen
from mailcore.log import get_logger
from mailcore.offload import Connection, Offload

CHANNEL = "config"
POLL_S = 5.0
POLL_DISCONNECTED_S = 1.0

log = get_logger(__name__)


class LiveConfig:
    """`current()` is the newest committed configuration this process knows of; a read of it costs nothing."""

    def __init__(self, dsn: str, offload: Offload) -> None:
        self._dsn = dsn
        self._offload = offload
        self._snapshot = Snapshot()
        self._callbacks: list[Callable[[Snapshot], None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._listening = False
        self._reloading = asyncio.Lock()

    def current(self) -> Snapshot:
        """The Snapshot in force. Take it once per transaction."""
        return self._snapshot

    def on_change(self, callback: Callable[[Snapshot], None]) -> None:
        """Call back with every new Snapshot (caches are dropped, limits adjusted)."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Load for the first time (waiting for the database as long as it takes) and keep following."""
        while not await self._try_reload():  # noqa: ASYNC110 - the database tells nobody that it is back
            await asyncio.sleep(0.5)
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._poll())]

    async def stop(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        async for _payload in listen(self._dsn, CHANNEL):
            self._listening = True
            self._listening = await self._try_reload()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S if self._listening else POLL_DISCONNECTED_S)
            try:
                if await self._offload(_generation) != self._snapshot.generation:
                    await self._try_reload()
            except psycopg.Error:
                self._listening = False

    async def _try_reload(self) -> bool:
        async with self._reloading:
            try:
                snapshot = await self._offload(load_snapshot)
            except (psycopg.Error, OSError) as error:
                log.warning("config_not_loaded", error=str(error).strip())
                return False
            self._take(snapshot)
            return True

    def _take(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        for callback in self._callbacks:
            callback(snapshot)


def _generation(conn: Connection) -> int:
    row = conn.execute(statements.GENERATION).fetchone()
    return int(row[0]) if row else 0
