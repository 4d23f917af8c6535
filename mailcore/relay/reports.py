"""Reports for one settlement: built, durable in the spool, ready to be enqueued with the rows they explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailcore.clock import Clock
from mailcore.config.snapshot import Snapshot
from mailcore.directory.lookups import Directory
from mailcore.dsn.decide import Action
from mailcore.dsn.report import RETURN_PATH, build_report
from mailcore.dsn.reported import MAX_HEADER_BYTES, MAX_RETURNED_BYTES, About, Reported, Reporter
from mailcore.envelope import Envelope
from mailcore.ids import new_message_id, new_queue_id
from mailcore.maillog.event import ReportSent
from mailcore.message.wire import wire_size
from mailcore.queue.records import LeasedMessage, QueuedMessage
from mailcore.queue.spool import Spool
from mailcore.relay.local import report_recipients
from mailcore.relay.settle import Settlement
from mailcore.routing.lists import Lists

Enqueued = tuple[Settlement, QueuedMessage, str]


@dataclass(frozen=True, slots=True)
class Reports:
    """Writes reports; every file is durable when `write` returns."""

    spool: Spool
    snapshot: Snapshot
    directory: Directory
    lists: Lists | None
    clock: Clock

    def write(self, settlement: Settlement) -> list[tuple[QueuedMessage, str]]:
        """One report for each action the sender is to hear of."""
        return [self._one(settlement.message, action, told) for action, told in settlement.reported.items()]

    def _one(self, message: LeasedMessage, action: Action, told: Sequence[Reported]) -> tuple[QueuedMessage, str]:
        now, queue_id = self.clock.now(), new_queue_id()
        message_id = new_message_id(self.snapshot.myhostname)
        reporter = Reporter(self.snapshot.myhostname, self.snapshot.myorigin)
        content = build_report(reporter, self._about(message), told, message_id, now)
        self.spool.sync([self.spool.adopt(content, queue_id)])
        assert message.sender is not None
        recipients = tuple(report_recipients(message.sender, self.snapshot, self.directory, self.lists))
        international = not all(recipient.address.local.isascii() for recipient in recipients)
        report = QueuedMessage(
            queue_id=queue_id,
            envelope=Envelope(None, recipients, smtputf8=international, body_8bit=not content.isascii()),
            size=wire_size(content),
            content_offset=len(RETURN_PATH),
            received_at=now,
            expires_at=now + timedelta(seconds=self.snapshot.maximal_queue_lifetime),
            message_id=message_id,
            client="",
            account="",
            recipients=recipients,
        )
        return report, action.value

    def _about(self, message: LeasedMessage) -> About:
        content = self._beginning(message)
        return About(
            queue_id=message.queue_id,
            envelope=message.envelope,
            message_id=message.message_id,
            received_at=message.received_at,
            expires_at=message.expires_at,
            content=content,
            is_complete=len(content) <= MAX_RETURNED_BYTES,
        )

    def _beginning(self, message: LeasedMessage) -> bytes:
        """Enough of the message to see whether it is short, and for its header. Lost content reports nothing."""
        try:
            with self.spool.open(message.queue_id, message.content_offset) as content:
                return next(content.disk_chunks(MAX_HEADER_BYTES), b"")
        except FileNotFoundError:
            return b""

    @staticmethod
    def events(reports: Sequence[Enqueued], now: datetime) -> Iterator[ReportSent]:
        """What the trace says of them."""
        for settlement, report, what in reports:
            yield ReportSent(
                at=now,
                queue_id=settlement.message.queue_id,
                report_queue_id=report.queue_id,
                recipient=settlement.message.envelope.sender_text,
                what=what,
            )
