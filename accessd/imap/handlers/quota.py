"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208, RFC 2087): one root, named "", for the whole account."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.command import GetQuota, GetQuotaRoot, SetQuota
from accessd.imap.response import Completion, Response
from mailcore.identity import AccountRef
from mailcore.mailbox.account import get_mailbox
from mailcore.mailbox.quota import Usage, usage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

ROOT = ""
MOST_MESSAGES = 2**32 - 1
"""UIDs have 32 bits: no mailbox holds more."""


async def get_quota(session: ImapSession, command: GetQuota) -> AsyncGenerator[Response, None]:
    """GETQUOTA."""
    if command.root != ROOT:
        yield Completion("NO", b"NONEXISTENT", "No such quota root")
        return
    yield _quota(await session.context.offload(usage, session.reader))


async def get_quota_root(session: ImapSession, command: GetQuotaRoot) -> AsyncGenerator[Response, None]:
    """GETQUOTAROOT."""
    used = await session.context.offload(_usage_for, session.reader, command.mailbox)
    yield response.untagged(b'QUOTAROOT %b ""' % response.mailbox(command.mailbox, utf8=session.utf8))
    yield _quota(used)


async def set_quota(session: ImapSession, command: SetQuota) -> AsyncGenerator[Response, None]:
    """Quotas are set in the panel."""
    yield Completion("NO", b"NOPERM", "Quotas are set by the administrator")


def _usage_for(conn: Connection, account: AccountRef, mailbox: str) -> Usage:
    get_mailbox(conn, account, mailbox)
    return usage(conn, account)


def _quota(used: Usage) -> bytes:
    """STORAGE counts units of 1,024 octets. A resource without a limit is not listed (RFC 9208 section 5.1)."""
    resources = b""
    if used.limit_bytes:
        storage = b"STORAGE %d %d" % (-(-used.bytes // 1024), used.limit_bytes // 1024)
        resources = storage + b" MESSAGE %d %d" % (used.messages, MOST_MESSAGES)
    return response.untagged(b'QUOTA "" (%b)' % resources)
