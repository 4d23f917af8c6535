"""The registry of the sessions of this process: what mailcore.db.sessions is told of them, and who shall end.

Costs an idle session nothing: a session is looked at in full only after its client has said something, and is told
idle once, IDLE_AFTER_S later. What is needed is read from the connection; only its number and a fingerprint of what was
told last are kept.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from accessd.connection import Connection
from accessd.limits import MOST_GONE, ConnectionLimits
from mailcore.config.snapshot import plain_address
from mailcore.db.sessions import HASH_END, SessionRow, begin, tell
from mailcore.log import get_logger
from mailcore.offload import Offload

IDLE_AFTER_S = 60.0

log = get_logger(__name__)


class SessionRegistry:
    """Used on the event loop."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._numbers = itertools.count(1)
        self._server_start = ""
        # Before the first word: rows of a process that had our number before us.
        self._begins = True

    async def tell(self, offload: Offload) -> None:
        """Write what has changed and end what shall end. Raises psycopg.Error; then the same is written next time."""
        if self._begins or len(self._limits.gone) > MOST_GONE:
            await offload(begin)
            self._begins = False
            self._limits.gone.clear()
            self._tell_all_again()
        gone = tuple(self._limits.gone)
        changed = []
        for connection in self._limits.connections:
            row = self._look(connection)
            if row is not None:
                changed.append((connection, row, connection.last_active))
        answer = await offload(tell, [row for _, row, _ in changed], gone)
        del self._limits.gone[: len(gone)]
        for connection, row, active_at in changed:
            self._note(connection, row, active_at)
        if answer.server_start != self._server_start:
            self._begin_anew(answer.server_start)
        self._end(answer.ends)

    def _look(self, connection: Connection) -> SessionRow | None:
        """What is to be told of a connection, None if nothing."""
        if connection.told_at is connection.last_active or not connection.account_id:
            return None
        idle_s = asyncio.get_running_loop().time() - connection.last_active
        began = max(round(time.time() - idle_s), connection.since)
        idle_since = datetime.fromtimestamp(began, UTC) if idle_s >= IDLE_AFTER_S else None
        row = SessionRow(
            connection.number or next(self._numbers),
            connection.protocol,
            connection.account_id,
            _address(connection.peer),
            connection.client_id,
            connection.tls,
            datetime.fromtimestamp(connection.since, UTC),
            connection.session.mailbox_name if connection.session is not None else "",
            idle_since,
            connection.app_password_id,
            _hash_end(connection),
        )
        connection.number = row.number
        return None if hash(row) == connection.told else row

    def _note(self, connection: Connection, row: SessionRow, active_at: float) -> None:
        if connection not in self._limits.connections or connection.account_id != row.account_id:
            # Gone while it was written: its row goes next time.
            self._limits.gone.append(row.number)
            return
        connection.told = hash(row)
        if row.idle_since is not None:
            # The client may have said something since: then it is another object.
            connection.told_at = active_at

    def _begin_anew(self, server_start: str) -> None:
        """The table may be empty: everything is told again next time."""
        if self._server_start:
            log.info("sessions_told_anew")
            self._tell_all_again()
        self._server_start = server_start

    def _tell_all_again(self) -> None:
        for connection in self._limits.connections:
            connection.told, connection.told_at = 0, 0.0

    def _end(self, ends: dict[int, str]) -> None:
        for connection in _numbered(self._limits.connections, ends) if ends else ():
            log.info("session_ended", client=connection.peer, reason=ends[connection.number])
            connection.expire(ends[connection.number])


def _address(peer: str) -> str:
    """As networks are compared with it; most clients already have that form."""
    return str(plain_address(peer)) if peer.startswith("::ffff:") else peer.partition("%")[0]


def _hash_end(connection: Connection) -> str:
    account = connection.session.account if connection.session is not None else None
    return account.password[-HASH_END:] if account is not None and not connection.app_password_id else ""


def _numbered(connections: Iterable[Connection], numbers: dict[int, str]) -> list[Connection]:
    return [connection for connection in connections if connection.number in numbers]
