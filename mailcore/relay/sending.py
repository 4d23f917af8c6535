"""The messages of a lease to one next hop, over one connection; and more of the same while there is more.

What becomes due for the same destinations meanwhile joins the lease: the busier a destination is, the more messages
share a connection, a COMMIT and a task. It ends when nothing more comes, when others wait for this worker, or when the
configuration has changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import psycopg

from mailcore.config.snapshot import NextHop
from mailcore.db.pool import is_unavailable
from mailcore.log import get_logger
from mailcore.queue import lease_contents, leases
from mailcore.queue.leases import LeaseLost
from mailcore.queue.records import LeasedMessage
from mailcore.queue.spool import SpoolReader
from mailcore.relay import jobs
from mailcore.relay.attempt import HopSender
from mailcore.relay.jobs import Job, deferred
from mailcore.relay.outgoing import OutgoingMail
from mailcore.relay.recording import NotRecorded, Recording
from mailcore.relay.settle import Settlement
from mailcore.relay.worker import Worker
from mailcore.reply import Reply

# How often, and how far apart, a worker looks for more before it hangs up.
LAST_LOOKS = 3
LAST_LOOK_S = 0.015
# Each is looked for by itself.
MOST_DESTINATIONS = 20
# A changed configuration is noticed within this time.
SAME_SNAPSHOT_S = 1.0
CONTENT_MISSING = Reply(451, "4.3.0", "the content of the message is missing from the spool")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Fence:
    """The lease, and what has to be asked before anything is done under it."""

    lease: UUID
    may_go_on: Callable[[], bool]
    is_held: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class _Opened:
    """A job whose content is at hand."""

    job: Job
    content: SpoolReader
    mail: OutgoingMail


class Sending:
    """`run` sends until nothing is left. Raises LeaseLost and NotRecorded; the last outcomes are not recorded yet."""

    def __init__(self, worker: Worker, sender: HopSender, recording: Recording, fence: Fence, hop: NextHop) -> None:
        self._worker = worker
        self._sender = sender
        self._recording = recording
        self._fence = fence
        self._hop = hop
        self._left: deque[Job] = deque()
        self._upcoming: _Opened | None = None
        self._destinations: set[str] = set()
        self._checked_at = time.monotonic()

    def run(self, found: Sequence[Job]) -> None:
        """These jobs, and those that join them."""
        self._left.extend(found)
        domains = {leased.recipient.address.domain_key for job in found for leased in job.recipients}
        self._destinations = set(sorted(domains)[:MOST_DESTINATIONS])
        try:
            while self._upcoming is not None or self._left or self._more_comes():
                if not self._fence.may_go_on():
                    return
                self._recording.note(self._attempt())
        finally:
            if self._upcoming is not None:
                self._upcoming.content.close()

    def _attempt(self) -> Settlement:
        opened, self._upcoming = self._upcoming, None
        job = opened.job if opened is not None else self._left.popleft()
        try:
            opened = opened or self._open(job)
            with opened.content as content:
                attempt = self._sender.send(
                    opened.mail, partial(self._content, content), self._recording.flush_if_due, self._following
                )
            by_recipient = {outcome.recipient: outcome for outcome in attempt.outcomes}
            outcomes = [by_recipient[leased.recipient] for leased in job.recipients]
            self._recording.accepted(job, outcomes, reports_itself=attempt.reports_itself)
            return self._recording.settle(job, outcomes, reports_itself=attempt.reports_itself)
        except FileNotFoundError:
            log.error("spool_file_missing", queue_id=job.message.queue_id)
            return self._recording.settle(job, deferred(job, CONTENT_MISSING))
        except (NotRecorded, LeaseLost):
            raise
        except Exception as error:
            log.exception("attempt_failed", queue_id=job.message.queue_id, error=str(error))
            return self._recording.mistaken(job)

    def _open(self, job: Job) -> _Opened:
        content = self._worker.spool.open(job.message.queue_id, job.message.content_offset)
        try:
            return _Opened(job, content, jobs.outgoing(job, content))
        except BaseException:
            content.close()
            raise

    def _content(self, reader: SpoolReader) -> Iterator[bytes]:
        """The last moment before the message leaves: the server has agreed to take it, is it still ours to send?"""
        if not self._fence.is_held():
            raise LeaseLost(self._fence.lease)
        return reader.disk_chunks()

    def _following(self) -> OutgoingMail | None:
        """The mail whose envelope goes out behind this content."""
        if not self._left:
            self._top_up()
        if not self._left or not self._fence.may_go_on():
            return None
        try:
            opened = self._open(self._left[0])
        except Exception:
            return None  # comes again in its own attempt, where it is dealt with
        self._left.popleft()
        self._upcoming = opened
        return opened.mail

    # More of the same

    def _more_comes(self) -> bool:
        """Whether something becomes due before it is worth the while to hang up."""
        for look in range(LAST_LOOKS):
            self._recording.flush()
            if not self._sender.is_connected or self._top_up():
                break
            if look + 1 < LAST_LOOKS:
                time.sleep(LAST_LOOK_S)
        return bool(self._left)

    def _top_up(self) -> bool:
        """Take what else is due for these destinations into the lease."""
        if not self._destinations or not self._fence.may_go_on() or self._worker.hints.others_wait():
            return False
        try:
            messages = self._due()
        except psycopg.Error as error:
            if not is_unavailable(error):
                raise
            return False
        for hop, found in jobs.by_hop(messages, self._recording.snapshot):
            if hop is not None and hop.key == self._hop.key:
                self._left.extend(found)
            else:
                self._leave_to_others(found)
        return bool(self._left)

    def _due(self) -> Sequence[LeasedMessage]:
        worker = self._worker
        conn = worker.database.connection()
        if time.monotonic() - self._checked_at > SAME_SNAPSHOT_S:
            if worker.snapshot(conn) is not self._recording.snapshot:
                self._destinations.clear()
                return []
            self._checked_at = time.monotonic()
        return lease_contents.top_up(conn, self._fence.lease, sorted(self._destinations), worker.clock.now())

    def _leave_to_others(self, found: Sequence[Job]) -> None:
        """Not everything for this domain goes this way: a rule for an address or a sender leads elsewhere."""
        recipients = [leased for job in found for leased in job.recipients]
        self._destinations -= {leased.recipient.address.domain_key for leased in recipients}
        ids = [leased.id for leased in recipients]
        leases.give_back_some(self._worker.database.connection(), self._fence.lease, ids)
