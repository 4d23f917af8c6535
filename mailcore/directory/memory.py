"""A Directory over dicts, for tests."""

from __future__ import annotations

from collections.abc import Iterable

from mailcore.directory.credentials import Credentials
from mailcore.directory.lookups import AccountRecord, AliasRecord, Entry


class MemoryDirectory:
    """Holds what it is given."""

    def __init__(self, accounts: Iterable[AccountRecord] = (), aliases: Iterable[AliasRecord] = ()) -> None:
        self.accounts = {account.address: account for account in accounts}
        self.aliases = {alias.address: alias for alias in aliases}
        self.credentials_of: dict[int, Credentials] = {}

    def entry(self, key: str) -> Entry:
        return Entry(self.accounts.get(key), self.aliases.get(key))

    def account(self, key: str) -> AccountRecord | None:
        return self.accounts.get(key)

    def alias(self, key: str) -> AliasRecord | None:
        return self.aliases.get(key)

    def cached(self, key: str) -> Entry | None:
        return self.entry(key)

    def aliases_to(self, target: str) -> frozenset[str]:
        return frozenset(a.address for a in self.aliases.values() if a.enabled and target in a.targets)

    def credentials(self, account_id: int) -> Credentials:
        return self.credentials_of.get(account_id, Credentials())

    def cached_credentials(self, account_id: int) -> Credentials | None:
        return self.credentials(account_id)

    def login_secret(self) -> bytes:
        return b"a secret for tests"
