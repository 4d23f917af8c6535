"""How full an account is, and whether something more fits (RFC 9208: STORAGE and MESSAGE)."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import Connection

from mailcore.errors import OverQuota
from mailcore.identity import AccountRef
from mailcore.index import statements


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used, in wire bytes and messages; a limit of 0 is none."""

    bytes: int
    messages: int
    limit_bytes: int


def usage(conn: Connection, account: AccountRef) -> Usage:
    """What `account` occupies now."""
    row = conn.execute(statements.ACCOUNT_USAGE, {"account_id": account.id}).fetchone()
    return Usage(row[0], row[1], account.quota_bytes) if row else Usage(0, 0, account.quota_bytes)


def check(conn: Connection, account: AccountRef, extra_bytes: int) -> None:
    """Raise OverQuota if `extra_bytes` more would exceed the limit."""
    if account.quota_bytes and usage(conn, account).bytes + extra_bytes > account.quota_bytes:
        raise OverQuota(account.address, account.quota_bytes)
