"""When and from where app passwords were last used: collected, and written once in a while in one statement.

A login must not wait for it, and losing some seconds of it in a crash is no harm. Nothing runs while nobody logs in.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import psycopg
from psycopg_pool import PoolTimeout

from mailcore.clock import Clock, SystemClock
from mailcore.config.snapshot import plain_address
from mailcore.db.pool import Connection
from mailcore.directory import statements
from mailcore.log import get_logger
from mailcore.offload import Offload

WRITE_AFTER_S = 3.0

log = get_logger(__name__)


class AppPasswordUses:
    """`note()` on the event loop; one per process."""

    def __init__(self, offload: Offload, clock: Clock | None = None) -> None:
        self._offload = offload
        self._clock = clock or SystemClock()
        self._noted: dict[int, tuple[datetime, str]] = {}
        self._writer: asyncio.Task[None] | None = None

    def note(self, app_password_id: int, client_ip: str) -> None:
        """It was used now, from there."""
        try:
            address = str(plain_address(client_ip))
        except ValueError:
            return
        self._noted[app_password_id] = (self._clock.now(), address)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_later())

    async def flush(self) -> None:
        """Write what was noted, now; logs when that cannot be."""
        noted, self._noted = self._noted, {}
        if not noted:
            return
        try:
            await self._offload(_write, noted)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("app_password_uses_not_noted", error=str(error).strip())

    async def _write_later(self) -> None:
        await asyncio.sleep(WRITE_AFTER_S)
        self._writer = None
        await self.flush()


def _write(conn: Connection, noted: dict[int, tuple[datetime, str]]) -> None:
    ats = [at for at, _ in noted.values()]
    addresses = [address for _, address in noted.values()]
    conn.execute(statements.NOTE_USES, {"ids": list(noted), "ats": ats, "addresses": addresses})
