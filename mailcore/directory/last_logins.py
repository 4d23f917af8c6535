"""When and from where each account last logged in, over each protocol: to the minute.

A login within a minute of one that is known is not noted: a client that comes each second costs one write a minute.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from mailcore.clock import Clock
from mailcore.db.pool import Connection
from mailcore.directory import statements
from mailcore.directory.written_later import WrittenLater
from mailcore.offload import Offload

AGAIN_AFTER_S = 60.0

Login = tuple[int, str]
"""The id of an account, and "imap", "pop3", "smtp" or "web"."""


class LastLogins(WrittenLater[Login]):
    """By account and protocol."""

    def __init__(self, offload: Offload, clock: Clock | None = None) -> None:
        super().__init__(offload, clock)
        self._again_at: dict[Login, float] = {}

    def note(self, account_id: int, protocol: str, client_ip: str) -> None:
        """It logged in now, from there."""
        login, now = (account_id, protocol), self._clock.monotonic()
        if self._again_at.get(login, 0.0) <= now:
            self._again_at[login] = now + AGAIN_AFTER_S
            self._put(login, client_ip)

    async def flush(self) -> bool:
        """As of WrittenLater. What is older than a minute need not be remembered, nor what could not be written."""
        written, now = await super().flush(), self._clock.monotonic()
        self._again_at = {login: at for login, at in self._again_at.items() if at > now} if written else {}
        return written

    @staticmethod
    def _write(conn: Connection, noted: dict[Login, tuple[datetime, str]]) -> None:
        note_logins(conn, [(*login, *where) for login, where in noted.items()])


def note_logins(conn: psycopg.Connection[Any], logins: list[tuple[int, str, datetime, str]]) -> None:
    """Account, protocol, time and client address of each; "" when there is none. Raises psycopg.Error."""
    ids, protocols, ats, addresses = (list(column) for column in zip(*logins, strict=True))
    values = {"ids": ids, "protocols": protocols, "ats": ats, "addresses": addresses}
    conn.execute(statements.NOTE_LOGINS, values)
