"""Who is this? One door for SMTP AUTH, IMAP and POP3.

A correct password costs one hash and is then remembered for a minute under a key of this process, never in the clear.
Failures are counted per client address; after too many the client has to wait, while the account's owner at another
address does not.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict, deque

from mailcore.clock import Clock, SystemClock
from mailcore.directory.lookups import AccountRecord, Directory, Entry
from mailcore.directory.passwords import DUMMY, check_password
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled
from mailcore.offload import Offload

REMEMBER_S = 60.0
MAX_REMEMBERED = 50_000
MAX_FAILURES = 20  # of one client address within WINDOW_S
WINDOW_S = 60.0
MAX_CLIENTS = 10_000
MAX_PASSWORD_BYTES = 1024


class Authenticator:
    """`check()` is the only way to become an account. One per process."""

    def __init__(self, directory: Directory, offload: Offload, clock: Clock | None = None, *, hashes: int = 2) -> None:
        self._directory = directory
        self._offload = offload
        self._clock = clock or SystemClock()
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._hashes = asyncio.Semaphore(hashes)  # a hash is a core's work: no more at once than there are cores
        self._running: dict[bytes, asyncio.Task[bool]] = {}

    def forget(self) -> None:
        """Drop remembered successes: the configuration has changed."""
        self._known.clear()

    async def check(self, login: str, password: str, *, protocol: str, client_ip: str) -> AccountRecord:
        """The account, if the password is right and the protocol ("imap", "pop3", "smtp") allowed.

        Raises AuthenticationFailed, AuthenticationThrottled, DirectoryUnavailable.
        """
        key = login.strip().lower()
        account = (await self._entry(key)).account
        if account is not None and self._remembered(account, password):
            return self._allowed(account, protocol)
        self._refuse_if_throttled(client_ip)
        if not await self._matches(account, password):
            self._count_failure(client_ip)
            raise AuthenticationFailed(f"{key!r} from {client_ip}")
        assert account is not None
        self._remember(account, password)
        return self._allowed(account, protocol)

    async def _entry(self, key: str) -> Entry:
        known = self._directory.cached(key)
        return known if known is not None else await self._offload.plain(self._directory.entry, key)

    async def _matches(self, account: AccountRecord | None, password: str) -> bool:
        if len(password.encode()) > MAX_PASSWORD_BYTES:
            return False
        if account is None:
            await self._hash(password, DUMMY)  # so that the answer takes as long as for an account that exists
            return False
        # A client that opens several connections at once costs one hash.
        digest = self._digest(account, password)
        task = self._running.get(digest)
        if task is None:
            task = self._running[digest] = asyncio.create_task(self._hash(password, account.password))
            task.add_done_callback(lambda _: self._running.pop(digest, None))
        return await asyncio.shield(task)

    async def _hash(self, password: str, stored: str) -> bool:
        async with self._hashes:
            return await self._offload.plain(check_password, password, stored)

    def _allowed(self, account: AccountRecord, protocol: str) -> AccountRecord:
        if not account.allows(protocol):
            raise AuthenticationFailed(f"{account.address} may not use {protocol}")
        return account

    def _digest(self, account: AccountRecord, password: str) -> bytes:
        # The stored hash is part of it: a changed password never matches a remembered one.
        text = f"{account.ref.id}\0{account.password}\0{password}"
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)

    def _remembered(self, account: AccountRecord, password: str) -> bool:
        return self._known.get(self._digest(account, password), 0.0) > self._clock.monotonic()

    def _remember(self, account: AccountRecord, password: str) -> None:
        self._known[self._digest(account, password)] = self._clock.monotonic() + REMEMBER_S
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)

    def _refuse_if_throttled(self, client_ip: str) -> None:
        failures = self._failures.get(client_ip)
        start = self._clock.monotonic() - WINDOW_S
        while failures and failures[0] < start:
            failures.popleft()
        if failures and len(failures) >= MAX_FAILURES:
            raise AuthenticationThrottled(f"{len(failures)} failures from {client_ip}")

    def _count_failure(self, client_ip: str) -> None:
        failures = self._failures.setdefault(client_ip, deque(maxlen=MAX_FAILURES))
        failures.append(self._clock.monotonic())
        self._failures.move_to_end(client_ip)
        if len(self._failures) > MAX_CLIENTS:
            self._failures.popitem(last=False)
