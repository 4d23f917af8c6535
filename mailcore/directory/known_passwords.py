"""Passwords that were right a while ago: under a key of this process, never in the clear.

What is remembered goes with the hash that is stored: a changed password never matches.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

from mailcore.clock import Clock
from mailcore.directory.lookups import AccountRecord

REMEMBER_S = 3600.0
"""As long as Dovecot keeps one (auth_cache_ttl), if it is told to."""
MAX_REMEMBERED = 50_000


class KnownPasswords:
    """At most MAX_REMEMBERED, each for REMEMBER_S."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()

    def has(self, account: AccountRecord, password: str) -> bool:
        """Was this the account's password lately, and is it still?"""
        return self._known.get(self.digest(account, password), 0.0) > self._clock.monotonic()

    def note(self, account: AccountRecord, password: str) -> None:
        """It was right just now."""
        self._known[self.digest(account, password)] = self._clock.monotonic() + REMEMBER_S
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)

    def digest(self, account: AccountRecord, password: str) -> bytes:
        """What stands for this password of this account, as long as the hash that is stored is the same."""
        text = f"{account.ref.id}\0{account.password}\0{password}"
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)
