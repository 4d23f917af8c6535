"""Accounts with real stores and a real index, for tests that need no running program."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from mailcore.address import Address
from mailcore.delivery.batch import Arrival, LocalRecipient
from mailcore.envelope import Envelope, Recipient
from mailcore.identity import AccountRef
from mailcore.ids import new_queue_id
from mailcore.index.records import Flags, MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import ensure_account, get_mailbox, list_mailboxes
from mailcore.message.wire import wire_size
from mailcore.queue.spool import Spool
from mailcore.store.storage import Storage

DOMAIN = "mail.test"
MESSAGE = b"From: Ann <ann@mail.test>\nTo: bob@mail.test\nSubject: Hello\n\nHello Bob\n"
INSERT_DOMAIN = """
INSERT INTO domain (name, kind, enabled, description, created_at) VALUES (%s, 'local', true, '', now())
ON CONFLICT DO NOTHING
"""
INSERT_ACCOUNT = """
INSERT INTO account (password, is_superuser, address, domain_id, display_name, quota_bytes, enabled, store,
                     allow_imap, allow_pop3, allow_smtp, is_staff, created_at)
VALUES ('!', false, %s, %s, '', %s, true, %s, true, true, true, false, now()) RETURNING id
"""


def a_message(subject: str = "Hello", body: str = "Hello Bob\n") -> bytes:
    """A small message in disk form."""
    return f"From: Ann <ann@{DOMAIN}>\nTo: bob@{DOMAIN}\nSubject: {subject}\n\n{body}".encode()


def connect(url: str) -> psycopg.Connection[Any]:
    """As the programs connect."""
    return psycopg.connect(url, autocommit=True)


def insert_account(
    conn: psycopg.Connection[Any], local: str, *, store: str = "maildir", quota_bytes: int = 0
) -> AccountRef:
    """An account row, as the panel would make it."""
    address = f"{local}@{DOMAIN}"
    conn.execute(INSERT_DOMAIN, (DOMAIN,))
    row = conn.execute(INSERT_ACCOUNT, (address, DOMAIN, quota_bytes, store)).fetchone()
    assert row is not None
    return AccountRef(row[0], address, store, quota_bytes)


@dataclass
class Owner:
    """An account with everything needed to use its mailboxes."""

    conn: psycopg.Connection[Any]
    storage: Storage
    account: AccountRef

    def append(self, content: bytes = MESSAGE, *names: str, mailbox: str = "INBOX", at: datetime | None = None) -> int:
        """Append a message with flags; returns its UID."""
        flags = Flags.parse(names)
        return mailboxes.append(self.conn, self.storage, self.account, mailbox, content, flags, at).uid

    def open(self, name: str = "INBOX", *, read_only: bool = False) -> mailboxes.OpenMailbox:
        """SELECT or EXAMINE."""
        return mailboxes.open_mailbox(self.conn, self.storage, self.account, name, read_only=read_only)

    def record(self, name: str = "INBOX") -> MailboxRecord:
        """The mailbox row."""
        return get_mailbox(self.conn, self.account, name)

    def read(self, uid: int, name: str = "INBOX") -> bytes:
        """A message in wire form."""
        with mailboxes.open_message(self.conn, self.storage, self.account, self.record(name), uid) as message:
            return message.read()

    def flags(self, name: str = "INBOX") -> dict[int, list[str]]:
        """The flags of every message."""
        rows = mailboxes.rows(self.conn, self.record(name).id)
        return {row.uid: Flags(row.flags, frozenset(row.keywords)).names() for row in rows}

    def names(self) -> list[str]:
        """All mailbox names."""
        return [record.name for record in list_mailboxes(self.conn, self.account)]

    def assert_counters(self) -> None:
        """What is counted on the way equals what is there."""
        total_bytes = total_messages = 0
        for record in list_mailboxes(self.conn, self.account):
            rows = mailboxes.rows(self.conn, record.id)
            counted = (len(rows), sum(not row.flags & 1 for row in rows), sum(row.size for row in rows))
            assert (record.messages, record.unseen, record.size) == counted, record.name
            total_messages, total_bytes = total_messages + counted[0], total_bytes + counted[2]
        usage = self.conn.execute(
            "SELECT bytes, messages FROM account_usage WHERE account_id = %s", (self.account.id,)
        ).fetchone()
        assert (usage or (0, 0)) == (total_bytes, total_messages)


@contextmanager
def an_owner(
    url: str, home: Path, *, local: str = "bob", store: str = "maildir", quota_bytes: int = 0
) -> Iterator[Owner]:
    """An account with its mailboxes."""
    with connect(url) as conn:
        storage = Storage(home / "mail", hostname="mx.mail.test", lock_timeout_s=2.0)
        account = insert_account(conn, local, store=store, quota_bytes=quota_bytes)
        ensure_account(conn, storage, account)
        yield Owner(conn, storage, account)


def a_recipient(address: str) -> Recipient:
    """A recipient as routing gives it."""
    parsed = Address.parse(address)
    return Recipient(parsed, parsed)


def an_arrival(
    local: Sequence[AccountRef | LocalRecipient] = (),
    remote: Sequence[str] = (),
    content: bytes | Path = MESSAGE,
) -> Arrival:
    """A message for accounts here and addresses elsewhere."""
    recipients = tuple(
        each if isinstance(each, LocalRecipient) else LocalRecipient(a_recipient(each.address), each) for each in local
    )
    elsewhere = tuple(a_recipient(address) for address in remote)
    envelope = Envelope(Address.parse("ann@elsewhere.test"), tuple(each.recipient for each in recipients) + elsewhere)
    data = content if isinstance(content, bytes) else content.read_bytes()
    return Arrival(
        queue_id=new_queue_id(),
        envelope=envelope,
        content=content,
        content_offset=0,
        size=wire_size(data),
        message_id="<1@elsewhere.test>",
        received_at=datetime.now(UTC),
        client="elsewhere.test[192.0.2.1]",
        account="",
        local=recipients,
        remote=elsewhere,
    )


def a_spool(home: Path) -> Spool:
    """The spool of a test."""
    return Spool(home / "spool")
