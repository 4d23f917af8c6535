"""A queue with everything around it, on real PostgreSQL and files: for tests of claiming, attempts and recording."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from mailadmin.directory.models import Account, Domain
from mailadmin.mailqueue.worker import CurrentSnapshot, OneConnection, _PoolOfOne
from mailadmin.transport.models import RelayHost, ServerSettings
from mailcore.address import Address
from mailcore.clock import Clock, SystemClock
from mailcore.config.loader import load_snapshot
from mailcore.directory.postgres import PostgresDirectory
from mailcore.envelope import Envelope, Recipient
from mailcore.ids import new_queue_id
from mailcore.maillog.event import Event
from mailcore.message.wire import wire_size
from mailcore.queue import claiming, operations
from mailcore.queue.records import ClaimedLease, QueuedMessage
from mailcore.queue.spool import Spool
from mailcore.relay.connection import tls_contexts
from mailcore.relay.hops import HopKeys
from mailcore.relay.local import LocalDelivery
from mailcore.relay.mx import Resolver
from mailcore.relay.run import run_lease
from mailcore.relay.worker import Worker
from mailcore.reply import Reply
from mailcore.secretbox import seal, unseal
from mailcore.store.storage import Storage

SECRET = "secret of the test"
RETURN_PATH = "Return-Path: <{}>\n"
BODY = b"Message-ID: <1@here.test>\nSubject: A question\n\nHello.\n"


class RecordedEvents:
    """Keeps what happened."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def record(self, event: Event) -> None:
        self.all.append(event)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.all]


class RecordedHints:
    """Keeps who would have been told."""

    def __init__(self) -> None:
        self.mailboxes: list[int] = []
        self.refusals: dict[str, Reply | None] = {}
        self.wakeups = 0
        self.are_others_waiting = False

    def mailboxes_changed(self, mailbox_ids: Sequence[int]) -> None:
        self.mailboxes += mailbox_ids

    def queue_changed(self) -> None:
        self.wakeups += 1

    def others_wait(self) -> bool:
        return self.are_others_waiting

    def hop_answered(self, hop_key: str, refusal: Reply | None) -> None:
        self.refusals[hop_key] = refusal


class QueueWorld:
    """Domain here.test with account alice, a spool, and a worker that can be asked to do what is due."""

    def __init__(self, database_url: str, home: Path) -> None:
        self.url = database_url
        self.home = home
        self.spool = Spool(home / "spool")
        self.conn = psycopg.connect(database_url, autocommit=True)
        self.events = RecordedEvents()
        self.hints = RecordedHints()
        self._databases: list[OneConnection] = []
        names = {"myhostname": "mail.here.test", "mydomain": "here.test", "myorigin": "here.test"}
        ServerSettings.objects.update_or_create(id=1, defaults=names)
        domain = Domain.objects.create(name="here.test", kind="local")
        self.alice = Account.objects.create(address="alice@here.test", domain=domain, password="!")

    def close(self) -> None:
        for database in self._databases:
            database.close()
        self.conn.close()

    def settings(self, **values: Any) -> None:
        ServerSettings.objects.filter(id=1).update(**values)

    def relayhost(self, port: int, host: str = "127.0.0.1", **fields: Any) -> RelayHost:
        """Everything for other domains goes there."""
        if password := fields.pop("password", ""):
            fields["sealed_password"] = seal(SECRET, password)
        relayhost = RelayHost.objects.create(host=host, port=port, **{"tls": "none", **fields})
        self.settings(relayhost=relayhost)
        return relayhost

    def enqueue(
        self,
        *recipients: str | Recipient,
        sender: str = "alice@here.test",
        content: bytes = BODY,
        age_s: float = 0,
        lifetime_s: float = 432_000,
        clock: Clock | None = None,
        **envelope: Any,
    ) -> str:
        """A message whose Return-Path stays here, as smtpd leaves it. Returns its queue id."""
        queue_id, received_at = new_queue_id(), (clock or SystemClock()).now() - timedelta(seconds=age_s)
        all_recipients = tuple(to_recipient(each) if isinstance(each, str) else each for each in recipients)
        return_path = RETURN_PATH.format(sender).encode()
        self.spool.sync([self.spool.adopt(return_path + content, queue_id)])
        message = QueuedMessage(
            queue_id=queue_id,
            envelope=Envelope(Address.parse(sender) if sender else None, all_recipients, **envelope),
            size=wire_size(return_path + content),
            content_offset=len(return_path),
            received_at=received_at,
            expires_at=received_at + timedelta(seconds=lifetime_s),
            message_id="<1@here.test>",
            client="",
            account="",
            recipients=all_recipients,
        )
        operations.insert_batch(self.conn, [message])
        return queue_id

    def worker(self, *, clock: Clock | None = None, dns: str = "127.0.0.1:1", **fields: Any) -> Worker:
        database = OneConnection(self.url, "test worker")
        self._databases.append(database)
        directory = PostgresDirectory(_PoolOfOne(database))  # type: ignore[arg-type]
        values: dict[str, Any] = {
            "database": database,
            "spool": self.spool,
            "local": LocalDelivery(Storage(self.home / "mail"), directory),
            "resolver": Resolver(dns, lookup_s=1.0),
            "tls_contexts": tls_contexts(),
            "snapshot": CurrentSnapshot(directory),
            "unseal": lambda token: unseal(SECRET, token),
            "events": self.events,
            "hints": self.hints,
            "clock": clock or SystemClock(),
            "time_scale": 1 / 300,
        }
        return Worker(**{**values, **fields})

    def claim(self, clock: Clock | None = None, room: int = 100) -> list[ClaimedLease]:
        keys = HopKeys(load_snapshot(self.conn))
        return list(claiming.claim_due(self.conn, (clock or SystemClock()).now(), keys, lambda _: room).leases)

    def run_due(self, worker: Worker | None = None, *, clock: Clock | None = None) -> int:
        """Claim and work off once; returns how many messages were tried."""
        worker = worker or self.worker(clock=clock)
        tried = sum(run_lease(worker, lease.lease) for lease in self.claim(clock or worker.clock))
        worker.database.close()  # type: ignore[attr-defined]
        return tried

    def run_until_empty(self, rounds: int = 5) -> None:
        for _ in range(rounds):
            if not self.run_due():
                return

    def rows(self, table: str = "queue_recipient") -> list[dict[str, Any]]:
        with self.conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()

    def row(self) -> dict[str, Any]:
        (only,) = self.rows()
        return only

    def spool_files(self) -> list[str]:
        return sorted(path.name for path in (self.home / "spool" / "queue").glob("*/*"))

    def inbox(self, account: str = "alice") -> list[EmailMessage]:
        """What lies in that account's INBOX, oldest first."""
        folder = self.home / "mail" / "here.test" / account / "Maildir"
        files = sorted([*folder.glob("new/*"), *folder.glob("cur/*")], key=lambda path: path.name)
        return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in files]


def to_recipient(text: str, **wishes: Any) -> Recipient:
    """A recipient as the client wrote it."""
    address = Address.parse(text)
    return Recipient(address, address, **wishes)
