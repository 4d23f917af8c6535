"""The Directory over SQL, with a cache that every configuration change empties.

An account's usage changes with every delivery, so entries of accounts with a quota live for two seconds only; the
others until the next generation of the configuration.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from mailcore.clock import Clock, SystemClock
from mailcore.directory import statements
from mailcore.directory.credential_rows import credentials_of
from mailcore.directory.credentials import Credentials
from mailcore.directory.lookups import AccountRecord, AliasRecord, Entry
from mailcore.errors import DirectoryUnavailable
from mailcore.identity import AccountRef

MAX_ENTRIES = 20_000
USAGE_TTL_S = 2.0
LONG_TTL_S = 300.0  # a safety net only: config generations empty the cache


class PostgresDirectory:
    """Look-ups through a pool; safe to use from several threads."""

    def __init__(self, pool: ConnectionPool[psycopg.Connection[Any]], clock: Clock | None = None) -> None:
        self._pool = pool
        self._clock = clock or SystemClock()
        self._cache: OrderedDict[str, tuple[float, Entry]] = OrderedDict()
        self._credentials: OrderedDict[int, Credentials] = OrderedDict()
        self._login_secret = b""
        self._lock = threading.Lock()
        self._epoch = 0

    def forget(self) -> None:
        """Drop everything: the configuration has changed."""
        with self._lock:
            self._epoch += 1
            self._cache.clear()
            self._credentials.clear()

    def cached(self, key: str) -> Entry | None:
        with self._lock:
            found = self._cache.get(key)
            if found is None or found[0] < self._clock.monotonic():
                return None
            self._cache.move_to_end(key)
            return found[1]

    def entry(self, key: str) -> Entry:
        known = self.cached(key)
        if known is not None:
            return known
        epoch = self._epoch
        entry = self._load(key)
        self._remember(key, entry, epoch)
        return entry

    def account(self, key: str) -> AccountRecord | None:
        return self.entry(key).account

    def alias(self, key: str) -> AliasRecord | None:
        return self.entry(key).alias

    def aliases_to(self, target: str) -> frozenset[str]:
        return frozenset(row["address"] for row in self._rows(statements.ALIASES_TO, {"target": target}))

    def cached_credentials(self, account_id: int) -> Credentials | None:
        return self._credentials.get(account_id)

    def credentials(self, account_id: int) -> Credentials:
        known = self.cached_credentials(account_id)
        if known is not None:
            return known
        epoch = self._epoch
        found = credentials_of(self._rows(statements.CREDENTIALS, {"account_id": account_id}))
        with self._lock:
            if epoch == self._epoch:
                self._credentials[account_id] = found
                if len(self._credentials) > MAX_ENTRIES:
                    self._credentials.popitem(last=False)
        return found

    def login_secret(self) -> bytes:
        if not self._login_secret:
            self._login_secret = bytes(self._rows(statements.LOGIN_SECRET, {})[0]["secret"])
        return self._login_secret

    def _load(self, key: str) -> Entry:
        rows = self._rows(statements.ENTRY, {"key": key})
        return entry_of(rows[0]) if rows else Entry()

    def _rows(self, statement: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            with self._pool.connection() as conn, conn.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(statement, parameters).fetchall()
        except (psycopg.Error, PoolTimeout) as error:
            raise DirectoryUnavailable(str(error).strip()) from error

    def _remember(self, key: str, entry: Entry, epoch: int) -> None:
        account = entry.account
        has_quota = account is not None and bool(account.ref.quota_bytes or account.ref.quota_messages)
        until = self._clock.monotonic() + (USAGE_TTL_S if has_quota else LONG_TTL_S)
        with self._lock:
            if epoch != self._epoch:
                return  # read before the change that emptied the cache
            self._cache[key] = (until, entry)
            if len(self._cache) > MAX_ENTRIES:
                self._cache.popitem(last=False)


def entry_of(row: dict[str, Any]) -> Entry:
    """A row of statements.ENTRY as an Entry."""
    alias = None
    if row["alias_address"] is not None:
        alias = AliasRecord(row["alias_address"], tuple(row["targets"]), row["alias_enabled"])
    if row["id"] is None:
        return Entry(None, alias)
    ref = AccountRef(row["id"], row["address"], row["store"], row["quota_bytes"], row["quota_messages"])
    names = (
        "password",
        "display_name",
        "enabled",
        "allow_imap",
        "allow_pop3",
        "allow_smtp",
        "used_bytes",
        "used_messages",
    )
    return Entry(AccountRecord(ref, **{name: row[name] for name in names}), alias)
