"""The Directory: who exists here. Routing and policy know only this protocol; a test passes a MemoryDirectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mailcore.directory.credentials import Credentials
from mailcore.identity import AccountRef


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """An account as the programs see it. `password` is Django's format; what is used may be some seconds old.

    `app_password_id` is set in what a login returns, when it was by an app password.
    """

    ref: AccountRef
    password: str = "!"
    display_name: str = ""
    enabled: bool = True
    allow_imap: bool = True
    allow_pop3: bool = True
    allow_smtp: bool = True
    used_bytes: int = 0
    used_messages: int = 0
    app_password_id: int | None = None

    @property
    def address(self) -> str:
        return self.ref.address

    def allows(self, protocol: str) -> bool:
        """Whether this account may log in over "imap", "pop3" or "smtp"."""
        allowed = {"imap": self.allow_imap, "pop3": self.allow_pop3, "smtp": self.allow_smtp}
        return self.enabled and allowed[protocol]


@dataclass(frozen=True, slots=True)
class AliasRecord:
    """An alias and its targets: addresses or ":include:/path". Mail to a disabled one is refused."""

    address: str
    targets: tuple[str, ...]
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """All that is known of one key: an account, an alias, both (then the alias counts first), or neither."""

    account: AccountRecord | None = None
    alias: AliasRecord | None = None


class Directory(Protocol):
    """Look-ups by Address.key; for a catch-all by "@domain". Raises DirectoryUnavailable when it cannot find out."""

    def entry(self, key: str) -> Entry:
        """The account and alias of this key."""

    def account(self, key: str) -> AccountRecord | None:
        """The account of this key."""

    def alias(self, key: str) -> AliasRecord | None:
        """The alias of this key."""

    def cached(self, key: str) -> Entry | None:
        """What entry() would say, if that is known without I/O; None means: ask on a pool thread."""

    def aliases_to(self, target: str) -> frozenset[str]:
        """Keys of enabled aliases that name this address as a target: what its owner may also send as."""


class LoginDirectory(Directory, Protocol):
    """What the authenticator asks besides."""

    def credentials(self, account_id: int) -> Credentials:
        """What one may log in to this account with; nothing if it is gone."""

    def cached_credentials(self, account_id: int) -> Credentials | None:
        """What credentials() would say, if that is known without I/O."""

    def login_secret(self) -> bytes:
        """A secret of this installation, the same in all its processes."""
