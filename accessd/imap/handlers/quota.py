"""GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208, RFC 2087): one root for each account, "" for one's own.

That of somebody else is named `user/<address>`; it is shown to who may read one of his mailboxes.
"""

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
from mailcore.sharing import places
from mailcore.sharing.names import USER
from mailcore.sharing.rights import READ

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

OWN_ROOT = ""


async def get_quota(session: ImapSession, command: GetQuota) -> AsyncGenerator[Response, None]:
    """GETQUOTA."""
    used = await session.context.offload(_usage_of_root, session.reader, command.root)
    if used is None:
        yield Completion("NO", b"NONEXISTENT", "No such quota root")
        return
    yield _quota(command.root, used)


async def get_quota_root(session: ImapSession, command: GetQuotaRoot) -> AsyncGenerator[Response, None]:
    """GETQUOTAROOT."""
    owner, used = await session.context.offload(_usage_for, session.reader, command.mailbox)
    root = _root_of(session.reader, owner)
    name = response.mailbox(command.mailbox, utf8=session.utf8)
    yield response.untagged(b"QUOTAROOT %b %b" % (name, _string(root)))
    yield _quota(root, used)


async def set_quota(session: ImapSession, command: SetQuota) -> AsyncGenerator[Response, None]:
    """Quotas are set in the panel."""
    yield Completion("NO", b"NOPERM", "Quotas are set by the administrator")


def _usage_of_root(conn: Connection, reader: AccountRef, root: str) -> Usage | None:
    if root == OWN_ROOT:
        return usage(conn, reader)
    for shared in places.shared_with(conn, reader):
        if READ in shared.rights and _root_of(reader, shared.owner) == root:
            return usage(conn, shared.owner)
    return None


def _usage_for(conn: Connection, reader: AccountRef, mailbox: str) -> tuple[AccountRef, Usage]:
    place = places.resolve(conn, reader, mailbox).require(READ)
    get_mailbox(conn, place.owner, place.name)
    return place.owner, usage(conn, place.owner)


def _root_of(reader: AccountRef, owner: AccountRef) -> str:
    return OWN_ROOT if owner.id == reader.id else f"{USER}/{owner.address}"


def _quota(root: str, used: Usage) -> bytes:
    """STORAGE counts units of 1,024 octets. A resource without a limit is not listed (RFC 9208 section 5.1)."""
    resources = []
    if used.limit_bytes:
        resources.append(b"STORAGE %d %d" % (-(-used.bytes // 1024), used.limit_bytes // 1024))
    if used.limit_messages:
        resources.append(b"MESSAGE %d %d" % (used.messages, used.limit_messages))
    return response.untagged(b"QUOTA %b (%b)" % (_string(root), b" ".join(resources)))


def _string(root: str) -> bytes:
    return response.string(root.encode("utf-8"))
