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
    limit_messages: int = 0


def usage(conn: Connection, account: AccountRef) -> Usage:
    """What `account` occupies now."""
    row = conn.execute(statements.ACCOUNT_USAGE, {"account_id": account.id}).fetchone()
    used_bytes, messages = row or (0, 0)
    return Usage(used_bytes, messages, account.quota_bytes, account.quota_messages)


def check(conn: Connection, account: AccountRef, extra_bytes: int, extra_messages: int = 1) -> None:
    """Raise OverQuota if so much more would exceed a limit. Costs a query only if there is one."""
    if not account.quota_bytes and not account.quota_messages:
        return
    used = usage(conn, account)
    if account.quota_bytes and used.bytes + extra_bytes > account.quota_bytes:
        raise OverQuota(account.address, account.quota_bytes)
    if account.quota_messages and used.messages + extra_messages > account.quota_messages:
        raise OverQuota(account.address, account.quota_messages, unit="messages")
