"""Notices what other programs do to mailboxes on which somebody IDLEs: they put files there and tell nobody.

Every LOOK_EVERY_S each such mailbox is compared with its folder, two stat() calls when nothing happened, however many
sessions wait for it. What is found is announced like any other change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import psycopg

from accessd.notifications import Hub
from mailcore.errors import MailError
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.log import get_logger
from mailcore.mailbox.mailbox import refresh
from mailcore.offload import Connection, Offload
from mailcore.store.storage import Storage

LOOK_EVERY_S = 2.0
AT_ONCE = 100

Watched = tuple[MailboxRecord, AccountRef]

log = get_logger(__name__)


class FileWatch:
    """The mailboxes of one process that are IDLEd on."""

    def __init__(self, offload: Offload, storage: Storage, hub: Hub) -> None:
        self._offload = offload
        self._storage = storage
        self._hub = hub
        self._watched: dict[int, Watched] = {}
        self._sessions: dict[int, int] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, record: MailboxRecord, account: AccountRef) -> None:
        """One more session waits for this mailbox."""
        self._watched[record.id] = (record, account)
        self._sessions[record.id] = self._sessions.get(record.id, 0) + 1

    def renamed(self, record: MailboxRecord) -> None:
        """The mailbox has another name, and with it another folder."""
        if record.id in self._watched:
            self._watched[record.id] = (record, self._watched[record.id][1])

    def unwatch(self, record: MailboxRecord) -> None:
        """One less."""
        self._sessions[record.id] -= 1
        if not self._sessions[record.id]:
            del self._sessions[record.id], self._watched[record.id]

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._look_again_and_again())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            watched = list(self._watched.values())
            for start in range(0, len(watched), AT_ONCE):
                await self._look(watched[start : start + AT_ONCE])

    async def _look(self, watched: Sequence[Watched]) -> None:
        try:
            changed = await self._offload(refresh_each, self._storage, watched)
        except psycopg.Error:
            return  # the database is away; the next look finds what this one missed
        if changed:
            self._hub.announce(changed)


def refresh_each(conn: Connection, storage: Storage, watched: Sequence[Watched]) -> list[int]:
    """A unit of work: which of these mailboxes had changed on disk. One that cannot be looked at stops no other."""
    changed = []
    for record, account in watched:
        try:
            if refresh(conn, storage, account, record):
                changed.append(record.id)
        except (MailError, OSError) as error:
            log.warning("mailbox_not_looked_at", mailbox=record.id, error=str(error))
    return changed
