"""Accounts whose mailboxes were seen to be there a moment ago: clients open several connections at once, and what other
programs do to folders may wait some seconds to be noticed.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

REMEMBER_S = 10.0
MOST_ACCOUNTS = 10_000


class RecentLogins:
    """Of one process, in bounded memory. Used on the event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seen: OrderedDict[int, float] = OrderedDict()

    def has(self, account_id: int) -> bool:
        """Was the account seen to have its mailboxes in the last seconds?"""
        return self._now() - self._seen.get(account_id, -REMEMBER_S) < REMEMBER_S

    def note(self, account_id: int) -> None:
        """It has them now."""
        self._seen[account_id] = self._now()
        self._seen.move_to_end(account_id)
        if len(self._seen) > MOST_ACCOUNTS:
            self._seen.popitem(last=False)
