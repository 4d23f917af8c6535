"""One lease, worked off: load, try, record, message by message.

Promises. Without a valid lease nothing happens, so a task that comes twice or late does no harm. What became of a
message is recorded before the content of the next one leaves, and if the database is away it is recorded as soon as it
is back, before anything else: the only message that can ever be sent twice is the one whose acceptance could not be
written down because this process died. No content leaves under a lease that has ended.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import psycopg

from mailcore.config.snapshot import NextHop, Snapshot
from mailcore.db.pool import is_unavailable
from mailcore.errors import MailError
from mailcore.log import get_logger
from mailcore.maillog.event import QueueAction, Removed
from mailcore.outcome import Deferred, Outcome
from mailcore.queue import leases, operations
from mailcore.queue.leases import LeaseLost
from mailcore.queue.records import LeasedMessage, LeasedRecipient, Results
from mailcore.queue.schedule import Schedule
from mailcore.queue.spool import SpoolReader
from mailcore.queue.states import MOST_UNFINISHED
from mailcore.relay.attempt import HopSender
from mailcore.relay.client import Credentials, OutgoingMail
from mailcore.relay.connection import Settings
from mailcore.relay.hops import hop_of
from mailcore.relay.mx import resolve_targets
from mailcore.relay.reports import Enqueued, Reports
from mailcore.relay.settle import Circumstances, Settlement, settle, without_reports
from mailcore.relay.worker import Connection, Worker
from mailcore.reply import Reply
from mailcore.secretbox import UnsealError

RENEW_EVERY_S = leases.LEASE_S / 3
# A slow host must not keep a worker for itself: what is left after this time is given back and waits its turn.
LONGEST_RUN_S = 30.0
RETRY_RECORD_S = 0.5
TAKE_UP_PAUSES_S = (0.1, 0.2, 0.4)
CONTENT_MISSING = Reply(451, "4.3.0", "the content of the message is missing from the spool")
OUR_MISTAKE = Reply(451, "4.3.0", "an error in this mail server; see its log")
PARKED_BY = "the queue"
HEADER_BYTES = 65536
MAX_RECIPIENTS = 100  # every server takes so many in one transaction (RFC 5321 section 4.5.3.1.8)

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


@dataclass(frozen=True, slots=True)
class _Job:
    """Recipients of one message with the same next hop, by the same rule."""

    message: LeasedMessage
    recipients: tuple[LeasedRecipient, ...]
    rule: str


class _LeaseRun:
    def __init__(self, worker: Worker, lease: UUID) -> None:
        self._worker = worker
        self._lease = lease
        self._snapshot = Snapshot()
        self._pending: list[Settlement] = []
        self._began_at = time.monotonic()
        self._renewed_at = -math.inf
        self._tried = 0

    def run(self, conn: Connection) -> int:
        if not self._begin(conn):
            return 0
        messages = leases.load(conn, self._lease, self._worker.clock.now())
        self._snapshot = self._worker.snapshot(conn)
        for hop, jobs in _by_hop(messages, self._snapshot):
            if hop is None:
                self._run_local(jobs)
            else:
                self._run_hop(hop, jobs)
        self._flush()
        if self._must_end():
            leases.give_back(self._worker.database.connection(), self._lease, begun=True)
        self._worker.hints.queue_changed()
        return self._tried

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
        if begun.was_begun_before:
            log.warning("lease_divided", lease=self._lease)
            worker.hints.queue_changed()
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

    def _run_hop(self, hop: NextHop, jobs: Sequence[_Job]) -> None:
        try:
            sender = self._sender(hop)
        except UnsealError:
            reply = Reply(451, "4.7.0", f"the password for {hop.notation} cannot be read; enter it again")
            self._defer_all(jobs, reply)
            return
        try:
            for job in jobs:
                if not self._may_go_on():
                    return
                self._note(job, self._send(sender, job))
            self._flush()
        except LeaseLost:
            log.warning("lease_lost", lease=self._lease)
            return
        finally:
            sender.close()
        self._worker.hints.hop_answered(hop.key, sender.unreachable)

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

    def _send(self, sender: HopSender, job: _Job) -> Settlement:
        try:
            with self._worker.spool.open(job.message.queue_id, job.message.content_offset) as content:
                mail = _outgoing(job, content)
                attempt = sender.send(mail, partial(self._content, content), self._flush)
            by_recipient = {outcome.recipient: outcome for outcome in attempt.outcomes}
            outcomes = [by_recipient[leased.recipient] for leased in job.recipients]
            return self._settle(job, outcomes, reports_itself=attempt.reports_itself)
        except FileNotFoundError:
            log.error("spool_file_missing", queue_id=job.message.queue_id)
            return self._settle(job, _deferred(job, CONTENT_MISSING))
        except (_NotRecorded, LeaseLost):
            raise
        except Exception as error:
            log.exception("attempt_failed", queue_id=job.message.queue_id, error=str(error))
            return self._mistaken(job)

    def _content(self, reader: SpoolReader) -> Iterator[bytes]:
        """The last moment before the message leaves: the server has agreed to take it, is it still ours to send?"""
        if not self._is_held():
            raise LeaseLost(self._lease)
        return reader.disk_chunks()

    def _defer_all(self, jobs: Sequence[_Job], reply: Reply) -> None:
        for job in jobs:
            self._note(job, self._settle(job, _deferred(job, reply)))

    # This host

    def _run_local(self, jobs: Sequence[_Job]) -> None:
        for job in jobs:
            if not self._may_go_on():
                return
            self._flush()
            try:
                self._deliver_here(job)
            except LeaseLost:
                log.warning("lease_lost", lease=self._lease)
                return
            except Exception as error:
                if is_unavailable(error):
                    raise
                log.exception("local_delivery_failed", queue_id=job.message.queue_id)
                self._note(job, self._mistaken(job))

    def _deliver_here(self, job: _Job) -> None:
        """Mailbox, queue rows and reports change in one database transaction."""
        worker, message = self._worker, job.message
        conn = worker.database.connection()
        path = worker.spool.path(message.queue_id)
        if not path.exists():
            log.error("spool_file_missing", queue_id=message.queue_id)
            self._note(job, self._settle(job, _deferred(job, CONTENT_MISSING)))
            return
        recipients = [leased.recipient for leased in job.recipients]
        with conn.transaction():
            result = worker.local.deliver(conn, path, recipients, self._snapshot)
            settlement = self._settle(job, result.outcomes)
            if result.forwarded:
                operations.add_recipients(conn, message.id, result.forwarded, clock=worker.clock)
            settlements, reports, finished = self._write(conn, [settlement])
        self._tried += 1
        self._after_commit(settlements, reports, finished)
        if result.mailbox_ids:
            worker.hints.mailboxes_changed(result.mailbox_ids)

    # Writing down

    def _mistaken(self, job: _Job) -> Settlement:
        """An error of ours, not of the message's route: tried again, but not for ever."""
        return self._settle(job, _deferred(job, OUR_MISTAKE), is_our_mistake=True)

    def _settle(
        self, job: _Job, outcomes: Sequence[Outcome], *, reports_itself: bool = False, is_our_mistake: bool = False
    ) -> Settlement:
        given = self._circumstances(job.rule, reports_itself=reports_itself, is_our_mistake=is_our_mistake)
        return settle(job.message, job.recipients, outcomes, given)

    def _circumstances(self, rule: str, *, reports_itself: bool = False, is_our_mistake: bool = False) -> Circumstances:
        snapshot = self._snapshot
        schedule = Schedule(snapshot.minimal_backoff_time, snapshot.maximal_backoff_time, snapshot.delay_warning_time)
        return Circumstances(schedule, self._worker.clock.now(), rule, reports_itself, is_our_mistake)

    def _note(self, job: _Job, settlement: Settlement) -> None:
        self._pending.append(settlement)
        self._tried += 1

    def _flush(self) -> None:
        """Record what has been noted. While the database is away: wait for it, as long as patience lasts."""
        if not self._pending:
            return
        settlements, self._pending = self._pending, []
        limit = time.monotonic() + self._worker.record_patience_s
        while True:
            try:
                self._record(settlements)
                return
            except psycopg.Error as error:
                if not is_unavailable(error) or time.monotonic() > limit:
                    log.error("outcome_not_recorded", queue_ids=[s.message.queue_id for s in settlements])
                    raise _NotRecorded(str(error)) from error
                self._worker.progress()
                time.sleep(RETRY_RECORD_S)

    def _record(self, settlements: Sequence[Settlement]) -> None:
        conn = self._worker.database.connection()
        try:
            settlements, reports, finished = self._write(conn, settlements)
        except LeaseLost:
            log.warning("lease_lost", lease=self._lease)
            delivered = Results(
                message_ids=[s.message.id for s in settlements], delivered=[n for s in settlements for n in s.delivered]
            )
            finished = leases.record(conn, self._lease, delivered, self._worker.clock.now())
            reports = []
        self._after_commit(settlements, reports, finished)

    def _write(
        self, conn: Connection, settlements: Sequence[Settlement]
    ) -> tuple[Sequence[Settlement], list[Enqueued], list[str]]:
        """Rows and reports, in one database transaction (or savepoint). Report files are durable before it."""
        worker = self._worker
        settlements, reports = self._write_reports(settlements)
        results = Results(
            message_ids=[s.message.id for s in settlements],
            delivered=[n for s in settlements for n in s.delivered],
            failed=[n for s in settlements for n in s.failed],
            deferred=[d for s in settlements for d in s.deferred],
            reports=[report for _, report, _ in reports],
            warned=[s.message.id for s in settlements if s.warned],
            all_delivered=all(s.all_delivered for s in settlements),
        )
        try:
            return settlements, reports, leases.record(conn, self._lease, results, worker.clock.now())
        except LeaseLost:
            # Nobody promised these. (After another error they may have been: COMMIT can fail behind the fact.)
            for _, report, _ in reports:
                worker.spool.discard(report.queue_id)
            raise

    def _write_reports(self, settlements: Sequence[Settlement]) -> tuple[list[Settlement], list[Enqueued]]:
        """A message whose report cannot be made must not keep what became of the others from being recorded."""
        worker = self._worker
        writer = Reports(worker.spool, self._snapshot, worker.local.directory, worker.local.lists, worker.clock)
        settled: list[Settlement] = []
        reports: list[Enqueued] = []
        for settlement in settlements:
            try:
                written = writer.write(settlement)
            except psycopg.Error:
                raise
            except Exception as error:
                log.exception("report_failed", queue_id=settlement.message.queue_id)
                is_ours = not isinstance(error, OSError | MailError)
                given = self._circumstances("", is_our_mistake=is_ours)
                settled.append(without_reports(settlement, given, OUR_MISTAKE))
            else:
                settled.append(settlement)
                reports += [(settlement, report, action) for report, action in written]
        return settled, reports

    def _after_commit(
        self,
        settlements: Sequence[Settlement],
        reports: Sequence[Enqueued],
        finished: Sequence[str],
    ) -> None:
        worker = self._worker
        for queue_id in finished:
            worker.spool.discard(queue_id)
        for settlement in settlements:
            for event in settlement.events:
                worker.events.record(event)
        for event in Reports.events(reports, worker.clock.now()):
            worker.events.record(event)
        for queue_id in finished:
            worker.events.record(Removed(at=worker.clock.now(), queue_id=queue_id))
        if reports:
            worker.hints.queue_changed()


class _NotRecorded(Exception):
    """The database stayed away for too long, or would not take what happened."""


def _by_hop(messages: Sequence[LeasedMessage], snapshot: Snapshot) -> Iterator[tuple[NextHop | None, list[_Job]]]:
    """Jobs grouped by next hop: one group as a rule, more when the configuration changed since the claim."""
    groups: dict[str, tuple[NextHop | None, list[_Job]]] = {}
    for message in messages:
        split: dict[tuple[str, str], tuple[NextHop | None, list[LeasedRecipient]]] = {}
        for leased in message.recipients:
            hop = hop_of(leased.recipient.address, message.sender, snapshot)
            key, rule = (hop.key, hop.rule) if hop else ("", "local")
            split.setdefault((key, rule), (hop, []))[1].append(leased)
        for (key, rule), (hop, recipients) in split.items():
            for start in range(0, len(recipients), MAX_RECIPIENTS):
                part = tuple(recipients[start : start + MAX_RECIPIENTS])
                groups.setdefault(key, (hop, []))[1].append(_Job(message, part, rule))
    yield from groups.values()


def _outgoing(job: _Job, content: SpoolReader) -> OutgoingMail:
    envelope, message = job.message.envelope, job.message
    # The queue knows the size of the whole file; Return-Path (with its line end) stays here.
    skipped = message.content_offset + 1 if message.content_offset else 0
    return OutgoingMail(
        sender=envelope.sender,
        recipients=list(dict.fromkeys(leased.recipient for leased in job.recipients)),
        size=max(message.size - skipped, 0),
        body_8bit=envelope.body_8bit,
        needs_smtputf8=envelope.smtputf8 and not _header_is_ascii(content),
        ret=envelope.ret,
        envid=envelope.envid,
    )


def _header_is_ascii(content: SpoolReader) -> bool:
    first = next(content.disk_chunks(HEADER_BYTES), b"")
    return first.partition(b"\n\n")[0].isascii()


def _deferred(job: _Job, reply: Reply) -> list[Outcome]:
    return [Deferred(leased.recipient, "none", reply) for leased in job.recipients]
