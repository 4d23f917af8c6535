"""What a login leaves behind: collected in the process, and written once in a while in one statement.

A login must not wait for it, and losing some seconds of it in a crash is no harm. Nothing runs while nobody logs in.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable
from datetime import datetime
from typing import Any, Generic, TypeVar

import psycopg
from psycopg_pool import PoolTimeout

from mailcore.clock import Clock, SystemClock
from mailcore.config.snapshot import plain_address
from mailcore.db.pool import Connection
from mailcore.log import get_logger
from mailcore.offload import Offload

WRITE_AFTER_S = 3.0

log = get_logger(__name__)

Key = TypeVar("Key", bound=Hashable)


class WrittenLater(ABC, Generic[Key]):
    """When and from where something was last done. Used on the event loop; one per process."""

    def __init__(self, offload: Offload, clock: Clock | None = None) -> None:
        self._offload = offload
        self._clock = clock or SystemClock()
        self._noted: dict[Key, tuple[datetime, str]] = {}
        self._writer: asyncio.Task[None] | None = None

    async def flush(self) -> bool:
        """Write what was noted, now. When that cannot be, it is logged and lost, and the answer False."""
        noted, self._noted = self._noted, {}
        known = {key: (at, address) for key, (at, text) in noted.items() if (address := _address(text))}
        if not known:
            return True
        try:
            await self._offload(self._write, known)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("last_use_not_noted", of=type(self).__name__, error=str(error).strip())
            return False
        return True

    @staticmethod
    @abstractmethod
    def _write(conn: Connection, noted: dict[Any, tuple[datetime, str]]) -> None:
        """One statement."""

    def _put(self, key: Key, client_ip: str) -> None:
        """It was done now, from there. Costs a look at the clock."""
        self._noted[key] = (self._clock.now(), client_ip)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_later())

    async def _write_later(self) -> None:
        await asyncio.sleep(WRITE_AFTER_S)
        self._writer = None
        await self.flush()


def _address(text: str) -> str:
    try:
        return str(plain_address(text))
    except ValueError:
        return ""
