"""What concerns all accounts of a domain: rights given to `anyone` and `authenticated` (docs/adr/0031).

One SETACL reaches every session of the domain that follows names of mailboxes. So a session looks for that at once, but
no more often than every LOOK_EVERY_S, or who gives and takes a right in a loop would keep all others' sessions busy.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from accessd.notifications import AccountWatcher, Hub
from mailcore.identity import AccountRef
from mailcore.sharing.acl import everybody_beside

if TYPE_CHECKING:
    from asyncio import TimerHandle

LOOK_EVERY_S = 5.0


class EverybodyWatch:
    """Registered with the hub for the domain of `reader`; hands what it hears on to `watcher`. `stop` at the end."""

    __slots__ = ("_hub", "_id", "_not_before", "_timer", "_watcher")

    def __init__(self, hub: Hub, reader: AccountRef, watcher: AccountWatcher) -> None:
        self._hub = hub
        self._id = everybody_beside(reader)
        self._watcher = watcher
        self._not_before = 0.0
        self._timer: TimerHandle | None = None
        hub.watch_account(self._id, self)

    def notify_account(self) -> None:
        """Everybody may have been given a right, or lost one."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._not_before, self._look)

    def _look(self) -> None:
        self._timer = None
        self._not_before = asyncio.get_running_loop().time() + LOOK_EVERY_S
        self._watcher.notify_account()

    def stop(self) -> None:
        """Hear nothing any more."""
        self._hub.unwatch_account(self._id, self)
        if self._timer is not None:
            self._timer.cancel()
