"""Writing down what became of the messages of a lease: rows, reports, trace, spool files.

Outcomes are gathered for a moment, so that one COMMIT serves several messages. The moment is short (MOST_GATHERED
messages, GATHER_S), and for the case that this process dies what was accepted elsewhere is in a file until then
(mailcore.relay.accepted). While the database is away nothing further is gathered: `flush` waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg

from mailcore.config.snapshot import Snapshot
from mailcore.db.pool import is_unavailable
from mailcore.errors import MailError
from mailcore.log import get_logger
from mailcore.maillog.event import Removed
from mailcore.outcome import Outcome
from mailcore.queue import outcomes
from mailcore.queue.leases import LeaseLost
from mailcore.queue.records import Results
from mailcore.queue.schedule import Schedule
from mailcore.relay.accepted import AcceptedFile
from mailcore.relay.jobs import Job, deferred
from mailcore.relay.reports import Enqueued, Reports
from mailcore.relay.settle import Circumstances, Settlement, settle, without_reports
from mailcore.relay.worker import Connection, Worker
from mailcore.reply import Reply

MOST_GATHERED = 20
GATHER_S = 0.02
RETRY_S = 0.5
OUR_MISTAKE = Reply(451, "4.3.0", "an error in this mail server; see its log")

log = get_logger(__name__)


class NotRecorded(Exception):
    """The database stayed away for too long, or would not take what happened."""


class Recording:
    """The outcomes of one lease, on their way into the database."""

    def __init__(self, worker: Worker, lease: UUID, snapshot: Snapshot) -> None:
        self.noted = 0
        self.snapshot = snapshot
        self._worker = worker
        self._lease = lease
        self._schedule = Schedule(
            snapshot.minimal_backoff_time, snapshot.maximal_backoff_time, snapshot.delay_warning_time
        )
        self._pending: list[Settlement] = []
        self._first_at = 0.0
        self._accepted = AcceptedFile(worker.spool.root, lease)
        self._remover: ThreadPoolExecutor | None = None

    def accepted(self, job: Job, outcomes: Sequence[Outcome], *, reports_itself: bool) -> None:
        """The first thing to do with an answer: a worker that is killed from now on has not forgotten it."""
        self._accepted.add(job, outcomes, reports_itself=reports_itself)

    def settle(self, job: Job, outcomes: Sequence[Outcome], *, reports_itself: bool = False) -> Settlement:
        """What these outcomes come to."""
        given = self._circumstances(job.rule, reports_itself=reports_itself)
        return settle(job.message, job.recipients, outcomes, given)

    def mistaken(self, job: Job) -> Settlement:
        """An error of ours, not of the message's route: tried again, but not for ever."""
        given = self._circumstances(job.rule, is_our_mistake=True)
        return settle(job.message, job.recipients, deferred(job, OUR_MISTAKE), given)

    def note(self, settlement: Settlement) -> None:
        """To be recorded with the next flush."""
        if not self._pending:
            self._first_at = time.monotonic()
        self._pending.append(settlement)
        self.noted += 1

    def flush_if_due(self) -> None:
        """Record what was noted if it is enough, or has waited for long enough."""
        if self._pending and (len(self._pending) >= MOST_GATHERED or time.monotonic() - self._first_at >= GATHER_S):
            self.flush()

    def flush(self) -> None:
        """Record what has been noted. While the database is away: wait for it, as long as patience lasts."""
        self._flush(in_between=False)

    def close(self) -> None:
        """Everything that was to be removed is gone."""
        self._accepted.close()
        if self._remover is not None:
            self._remover.shutdown()
            self._remover = None

    def _flush(self, *, in_between: bool) -> None:
        if not self._pending:
            return
        settlements, self._pending = self._pending, []
        limit = time.monotonic() + self._worker.record_patience_s
        while True:
            try:
                self._record(settlements, in_between=in_between)
                return
            except psycopg.Error as error:
                if not is_unavailable(error) or time.monotonic() > limit:
                    log.error("outcome_not_recorded", queue_ids=[s.message.queue_id for s in settlements])
                    raise NotRecorded(str(error)) from error
                self._worker.progress()
                time.sleep(RETRY_S)

    def write(
        self, conn: Connection, settlements: Sequence[Settlement]
    ) -> tuple[Sequence[Settlement], list[Enqueued], list[str]]:
        """Rows and reports, in one database transaction (or savepoint). Report files are durable before it.

        Returns what was recorded, the reports, and the queue ids that are finished. Raises LeaseLost.
        """
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
            return settlements, reports, outcomes.record(conn, self._lease, results, worker.clock.now())
        except LeaseLost:
            # Nobody promised these. (After another error they may have been: COMMIT can fail behind the fact.)
            for _, report, _ in reports:
                worker.spool.discard(report.queue_id)
            raise

    def after_commit(
        self,
        settlements: Sequence[Settlement],
        reports: Sequence[Enqueued],
        finished: Sequence[str],
        *,
        in_between: bool = False,
    ) -> None:
        """Files that nobody needs any more, the trace, and a hint. `in_between` two messages the files are removed by a
        thread: a directory waits for the journal of its file system, the next host need not."""
        worker, now = self._worker, self._worker.clock.now()
        if in_between:
            self._remover = self._remover or ThreadPoolExecutor(1, thread_name_prefix="remover")
            self._remover.submit(self._remove, finished)
        else:
            self._remove(finished)
        for settlement in settlements:
            for event in settlement.events:
                worker.events.record(event)
        for report in Reports.events(reports, now):
            worker.events.record(report)
        for queue_id in finished:
            worker.events.record(Removed(at=now, queue_id=queue_id))
        if reports:
            worker.hints.queue_changed()

    def _record(self, settlements: Sequence[Settlement], *, in_between: bool) -> None:
        conn = self._worker.database.connection()
        try:
            settlements, reports, finished = self.write(conn, settlements)
        except LeaseLost:
            log.warning("lease_lost", lease=self._lease)
            delivered = Results(
                message_ids=[s.message.id for s in settlements], delivered=[n for s in settlements for n in s.delivered]
            )
            finished = outcomes.record(conn, self._lease, delivered, self._worker.clock.now())
            reports = []
        self._accepted.clear()
        self.after_commit(settlements, reports, finished, in_between=in_between)

    def _remove(self, queue_ids: Sequence[str]) -> None:
        for queue_id in queue_ids:
            try:
                self._worker.spool.discard(queue_id)
            except OSError as error:
                # It is swept one day.
                log.warning("spool_file_not_removed", queue_id=queue_id, error=str(error))

    def _write_reports(self, settlements: Sequence[Settlement]) -> tuple[Sequence[Settlement], list[Enqueued]]:
        """A message whose report cannot be made must not keep what became of the others from being recorded."""
        if not any(settlement.reported for settlement in settlements):
            return settlements, []
        worker = self._worker
        writer = Reports(worker.spool, self.snapshot, worker.local.directory, worker.local.lists, worker.clock)
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

    def _circumstances(self, rule: str, *, reports_itself: bool = False, is_our_mistake: bool = False) -> Circumstances:
        return Circumstances(self._schedule, self._worker.clock.now(), rule, reports_itself, is_our_mistake)
