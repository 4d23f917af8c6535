"""One lease, worked off: load, try, record, message by message.

Promises. Without a valid lease nothing happens, so a task that comes twice or late does no harm. What became of a
message is recorded a moment later (mailcore.relay.recording says how long a moment is), and if the database is away it
is recorded as soon as it is back, before anything else. What a worker that died had sent is known from its files
(mailcore.relay.accepted): sent twice is only what it was killed over before it could write the answer down. No content
leaves under a lease that has ended.

What becomes due for the same destinations meanwhile joins the lease (mailcore.relay.sending).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import psycopg

from mailcore.config.snapshot import NextHop, Snapshot
from mailcore.db.pool import is_unavailable
from mailcore.log import get_logger
from mailcore.maillog.event import QueueAction
from mailcore.queue import lease_contents, leases, operations
from mailcore.queue.leases import LeaseLost
from mailcore.queue.states import MOST_UNFINISHED
from mailcore.relay import accepted, jobs
from mailcore.relay.attempt import HopSender
from mailcore.relay.client import Credentials
from mailcore.relay.connection import Settings
from mailcore.relay.jobs import Job, deferred
from mailcore.relay.mx import resolve_targets
from mailcore.relay.recording import Recording
from mailcore.relay.sending import CONTENT_MISSING, Fence, Sending
from mailcore.relay.worker import Connection, Worker
from mailcore.reply import Reply
from mailcore.secretbox import UnsealError

RENEW_EVERY_S = leases.LEASE_S / 3
# A slow host must not keep a worker for itself: what is left after this time is given back and waits its turn.
LONGEST_RUN_S = 30.0
TAKE_UP_PAUSES_S = (0.1, 0.2, 0.4)
PARKED_BY = "the queue"

log = get_logger(__name__)


def run_lease(worker: Worker, lease: UUID) -> int:
    """Work off a lease; returns how many messages were tried. Raises psycopg.OperationalError if it cannot begin."""
    conn = worker.database.connection()
    if not _take_up(conn, lease):
        return 0
    try:
        return _LeaseRun(worker, lease).run(conn)
    finally:
        with contextlib.suppress(psycopg.Error):
            leases.put_down(conn, lease)


def _take_up(conn: Connection, lease: UUID) -> bool:
    """Patiently: the database may need a moment to notice that the worker who had this lease is dead."""
    for pause_s in TAKE_UP_PAUSES_S:
        if leases.take_up(conn, lease):
            return True
        time.sleep(pause_s)
    return leases.take_up(conn, lease)


class _LeaseRun:
    def __init__(self, worker: Worker, lease: UUID) -> None:
        self._worker = worker
        self._lease = lease
        self._snapshot = Snapshot()
        self._recording = Recording(worker, lease, self._snapshot)
        self._began_at = time.monotonic()
        self._renewed_at = -math.inf
        self._tried_here = 0
        self._is_again = False

    def run(self, conn: Connection) -> int:
        if not self._begin(conn):
            return 0
        # Before the messages: what is recorded and gone from the files meanwhile is not among those any more.
        accepted_before = accepted.read(self._worker.spool.root) if self._is_again else {}
        messages = lease_contents.load(conn, self._lease, self._worker.clock.now())
        self._snapshot = self._worker.snapshot(conn)
        self._recording = Recording(self._worker, self._lease, self._snapshot)
        with contextlib.closing(self._recording):
            for hop, found in jobs.by_hop(messages, self._snapshot):
                if hop is None:
                    self._run_local(found)
                elif left := self._not_accepted(found, accepted_before):
                    self._run_hop(hop, left)
            self._recording.flush()
        if self._must_end():
            leases.give_back(self._worker.database.connection(), self._lease, begun=True)
        self._worker.hints.queue_changed()
        return self._recording.noted + self._tried_here

    # The lease

    def _begin(self, conn: Connection) -> bool:
        """Count the attempt before anything is looked at: what kills this process must be known afterwards."""
        worker = self._worker
        worker.progress()
        begun = leases.begin(conn, self._lease, worker.clock.now())
        self._renewed_at = time.monotonic()
        for queue_id in begun.parked:
            log.error("message_parked", queue_id=queue_id, attempts=MOST_UNFINISHED)
            worker.events.record(QueueAction(at=worker.clock.now(), queue_id=queue_id, action="hold", by=PARKED_BY))
        if begun.is_divided:
            log.warning("lease_divided", lease=self._lease)
            worker.hints.queue_changed()
        self._is_again = begun.is_again
        return begun.is_held

    def _may_go_on(self) -> bool:
        """Whether another message may be begun."""
        return not self._must_end() and self._is_held()

    def _must_end(self) -> bool:
        """Whether what is left is to be given back."""
        return self._worker.stopping() or time.monotonic() - self._began_at > LONGEST_RUN_S

    def _is_held(self) -> bool:
        """Whether the lease was ours a short while ago, or else is now."""
        if time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            return True
        return self._renew()

    def _renew(self) -> bool:
        self._worker.progress()
        try:
            held = leases.renew(self._worker.database.connection(), self._lease, self._worker.clock.now())
        except psycopg.Error as error:
            log.warning("lease_not_renewed", lease=self._lease, error=str(error).strip())
            return False
        if held:
            self._renewed_at = time.monotonic()
        return held

    def _keepalive(self) -> None:
        """While a server thinks. A lease that was lost now ends the run before the next message, not this one."""
        if time.monotonic() - self._renewed_at >= RENEW_EVERY_S:
            self._renew()

    # Other hosts

    def _not_accepted(self, found: Sequence[Job], before: accepted.Known) -> Sequence[Job]:
        """What is still to be tried; what a host has taken from a worker that was killed over it is recorded now."""
        if not before:
            return found
        divided = [accepted.divide(job, before) for job in found]
        for done, how, _ in divided:
            if how:
                log.info("accepted_before", queue_id=done.message.queue_id, relay=how[0].relay)
                reports_itself = all(one.reports_itself for one in how)
                outcomes = accepted.outcomes(done, how)
                self._recording.note(self._recording.settle(done, outcomes, reports_itself=reports_itself))
        self._recording.flush()
        return [left for _, _, left in divided if left.recipients]

    def _run_hop(self, hop: NextHop, found: Sequence[Job]) -> None:
        worker = self._worker
        try:
            sender = self._sender(hop)
        except UnsealError:
            reply = Reply(451, "4.7.0", f"the password for {hop.notation} cannot be read; enter it again")
            for job in found:
                self._recording.note(self._recording.settle(job, deferred(job, reply)))
            return
        try:
            fence = Fence(self._lease, self._may_go_on, self._is_held)
            Sending(worker, sender, self._recording, fence, hop).run(found)
            self._recording.flush()
        except LeaseLost:
            log.warning("lease_lost", lease=self._lease)
            return
        finally:
            sender.close()
        worker.hints.hop_answered(hop.key, sender.unreachable)

    def _sender(self, hop: NextHop) -> HopSender:
        worker = self._worker
        verified, unverified = worker.tls_contexts
        settings = Settings(
            self._snapshot.myhostname, verified, unverified, worker.time_scale, keepalive=self._keepalive
        )
        credentials = Credentials(hop.username, worker.unseal(hop.sealed_password)) if hop.username else None
        own_names = frozenset({self._snapshot.myhostname.lower()})
        return HopSender(
            hop, partial(resolve_targets, hop, worker.resolver, own_names, self._keepalive), settings, credentials
        )

    # This host

    def _run_local(self, found: Sequence[Job]) -> None:
        for job in found:
            if not self._may_go_on():
                return
            self._recording.flush()
            try:
                self._deliver_here(job)
            except LeaseLost:
                log.warning("lease_lost", lease=self._lease)
                return
            except Exception as error:
                if is_unavailable(error):
                    raise
                log.exception("local_delivery_failed", queue_id=job.message.queue_id)
                self._recording.note(self._recording.mistaken(job))

    def _deliver_here(self, job: Job) -> None:
        """Mailbox, queue rows and reports change in one database transaction."""
        worker, message, recording = self._worker, job.message, self._recording
        conn = worker.database.connection()
        path = worker.spool.path(message.queue_id)
        if not path.exists():
            log.error("spool_file_missing", queue_id=message.queue_id)
            recording.note(recording.settle(job, deferred(job, CONTENT_MISSING)))
            return
        recipients = [leased.recipient for leased in job.recipients]
        with conn.transaction():
            again = any(leased.again for leased in job.recipients)
            result = worker.local.deliver(conn, path, recipients, self._snapshot, again=again)
            settlement = recording.settle(job, result.outcomes)
            if result.forwarded:
                operations.add_recipients(conn, message.id, result.forwarded, clock=worker.clock)
            settlements, reports, finished = recording.write(conn, [settlement])
        self._tried_here += 1
        recording.after_commit(settlements, reports, finished)
        if result.mailbox_ids:
            worker.hints.mailboxes_changed(result.mailbox_ids)
