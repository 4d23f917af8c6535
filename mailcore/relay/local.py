"""Queued mail for mailboxes of this host: what could not be served when it came, and reports to our own senders.

An attempt that was cut off between the file and COMMIT leaves a message that is adopted as new mail. So an attempt
after such a one looks for it first: a report comes once, whatever is killed meanwhile.

An address that names an account goes there, whatever aliases say: expansion was done before it was queued. Only an
address that names none is resolved again; if it leads elsewhere by now, the queue gets those recipients instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from mailcore.address import Address
from mailcore.config.snapshot import Snapshot
from mailcore.directory.lookups import Directory
from mailcore.envelope import Recipient
from mailcore.errors import DirectoryUnavailable, MailError, OverQuota
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.log import get_logger
from mailcore.mailbox import account as mailboxes
from mailcore.mailbox import mailbox
from mailcore.message.flags import NO_FLAGS
from mailcore.outcome import Deferred, Delivered, Failed, Outcome
from mailcore.reply import Reply
from mailcore.routing.lists import Lists
from mailcore.routing.resolve import DISABLED_USER, UNKNOWN_USER, Wishes, resolve
from mailcore.routing.rewrite import localise
from mailcore.store.base import StoredMessage
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]

DELIVERED = Reply(250, "2.0.0", "delivered to the mailbox")
FORWARDED = Reply(250, "2.0.0", "passed on to the addresses this alias stands for")
FULL = Reply(452, "4.2.2", "the mailbox is full")
NOT_NOW = Reply(451, "4.3.0", "the mailbox cannot be reached now")

log = get_logger(__name__)


@dataclass(slots=True)
class LocalResult:
    """`mailbox_ids` have news; `forwarded` are further recipients of the message."""

    outcomes: list[Outcome] = field(default_factory=list)
    mailbox_ids: list[int] = field(default_factory=list)
    forwarded: list[Recipient] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LocalDelivery:
    """Delivers one message to recipients here. Runs inside the caller's database transaction."""

    storage: Storage
    directory: Directory
    lists: Lists | None = None
    append: Callable[..., Any] = mailbox.append

    def deliver(
        self, conn: Connection, content: Path, recipients: Sequence[Recipient], snapshot: Snapshot, *, again: bool
    ) -> LocalResult:
        """One outcome per recipient, in their order. Raises psycopg.Error when the database fails.

        `again`: an earlier attempt was cut off, so the message may be where it should be already.
        """
        result, put = LocalResult(), partial(self._put_again if again else self._put, conn, content)
        for recipient in recipients:
            result.outcomes.append(self._one(conn, put, recipient, snapshot, result))
        return result

    def _one(
        self,
        conn: Connection,
        put: Callable[[AccountRef], int],
        recipient: Recipient,
        snapshot: Snapshot,
        result: LocalResult,
    ) -> Outcome:
        try:
            accounts, forwarded, refusal = self._targets(recipient, snapshot)
            if refusal is not None:
                return Failed(recipient, "local", refusal)
            # One savepoint for all of an alias: tried again as a whole, nobody gets it twice.
            with conn.transaction():
                touched = [put(account) for account in accounts]
        except OverQuota:
            return Deferred(recipient, "local", FULL)
        except (MailError, OSError) as error:
            log.warning("not_delivered", recipient=str(recipient.address), error=str(error))
            return Deferred(recipient, "local", NOT_NOW)
        result.mailbox_ids += touched
        result.forwarded += forwarded
        return Delivered(recipient, "local", DELIVERED if accounts else FORWARDED)

    def _targets(
        self, recipient: Recipient, snapshot: Snapshot
    ) -> tuple[list[AccountRef], list[Recipient], Reply | None]:
        address = localise(recipient.address, snapshot)
        account = self.directory.account(address.key) or self.directory.account(_base(address, snapshot).key)
        if account is not None:
            return ([account.ref], [], None) if account.enabled else ([], [], DISABLED_USER)
        wishes = Wishes(recipient.notify, recipient.orcpt)
        routes = resolve(address, None, snapshot, self.directory, wishes=wishes, lists=self.lists)
        if routes.refused is not None:
            return [], [], routes.refused.reply
        # Dead members of an alias come back as themselves and are found out below: unknown is final here.
        remote = [route.recipient for route in routes.remote if route.recipient.address.key != address.key]
        if not routes.local and not remote:
            return [], [], UNKNOWN_USER
        return [route.account for route in routes.local], remote, None

    def _put(self, conn: Connection, content: Path, account: AccountRef) -> int:
        mailboxes.ensure_account(conn, self.storage, account)
        self.append(conn, self.storage, account, "INBOX", content, NO_FLAGS, None)
        return mailboxes.get_mailbox(conn, account, "INBOX").id

    def _put_again(self, conn: Connection, content: Path, account: AccountRef) -> int:
        mailboxes.ensure_account(conn, self.storage, account)
        inbox = mailboxes.get_mailbox(conn, account, "INBOX")
        mailbox.refresh(conn, self.storage, account, inbox)
        if self._is_there(conn, content, account, inbox):
            log.info("delivered_before", queue_id=content.name, account=account.address)
            return inbox.id
        return self._put(conn, content, account)

    def _is_there(self, conn: Connection, content: Path, account: AccountRef, inbox: MailboxRecord) -> bool:
        """Octet for octet: the trace field with the queue id makes every message its own."""
        with closing(StoredMessage(content.open("rb"))) as wanted:
            alike = [row.uid for row in mailbox.rows(conn, inbox.id) if row.size == wanted.wire_size]
            digest = _digest(wanted)
            for uid in reversed(alike):
                with closing(mailbox.open_message(conn, self.storage, account, inbox, uid)) as found:
                    if _digest(found) == digest:
                        return True
        return False


def report_recipients(
    sender: Address, snapshot: Snapshot, directory: Directory, lists: Lists | None
) -> list[Recipient]:
    """Who gets a report to `sender`: itself, or what it stands for here. When nobody knows now, itself."""
    try:
        routes = resolve(sender, None, snapshot, directory, lists=lists)
    except DirectoryUnavailable:
        return [Recipient(sender, sender)]
    found = [route.recipient for route in routes.local] + [route.recipient for route in routes.remote]
    return found or [Recipient(sender, sender)]


def _digest(message: StoredMessage) -> bytes:
    digest = hashlib.sha256()
    for chunk in message.chunks():
        digest.update(chunk)
    return digest.digest()


def _base(address: Address, snapshot: Snapshot) -> Address:
    return address.split_detail(snapshot.recipient_delimiter)[0]
