"""What another host has accepted, on disk until it is in the database: what a killed worker had sent is not sent again.

Outcomes are recorded together (mailcore.relay.recording), and not at all while the database is away. A worker that is
killed in between has forgotten what it had been told. So each acceptance is first added to a file of the lease, below
the spool, as Postfix marks the recipients it is done with in its queue file. Nothing is flushed: what was written
survives the process, though not the power; there, and in the moment before it is written, RFC 1047 applies.

A file is emptied when its lines are recorded and removed with the end of the lease. One that a dead worker has left is
read before an attempt that follows one which was cut off, and swept one day. Lines are kept by queue id, which is never
given twice, and not only by row, which a restored database may give again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from mailcore.log import get_logger
from mailcore.outcome import Delivered, Outcome
from mailcore.queue.records import LeasedRecipient
from mailcore.relay.jobs import Job
from mailcore.reply import Reply
from mailcore.store import files

FOLDER = "accepted"
# Longer than mail waits: what is accepted and not recorded is tried again before, or given up.
SWEEP_AGE_S = 30 * 86400

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Who took over one recipient, and in which words. `reports_itself`: it sends the reports that are asked for."""

    relay: str
    reply: Reply
    tls: str
    reports_itself: bool


Known = Mapping[tuple[str, int], Accepted]
"""By queue id and row of the recipient."""


class AcceptedFile:
    """The file of one lease. What goes wrong with it is only logged: it saves a duplicate, and may cost no message."""

    def __init__(self, root: Path, lease: UUID) -> None:
        self._path = root / FOLDER / lease.hex
        self._descriptor = -1
        self._is_empty = True

    def add(self, job: Job, outcomes: Sequence[Outcome], *, reports_itself: bool) -> None:
        """Those of `outcomes`, which are of the job's recipients in their order, that are acceptances."""
        lines = "".join(_lines(job, outcomes, reports_itself))
        if not lines:
            return
        try:
            if self._descriptor < 0:
                self._descriptor = self._open()
            # One write, on a line of its own though the disk was full in the middle of the last one.
            os.write(self._descriptor, f"\n{lines}".encode())
            self._is_empty = False
        except OSError as error:
            log.warning("acceptance_not_noted", queue_id=job.message.queue_id, error=str(error))

    def clear(self) -> None:
        """All of it is recorded."""
        if not self._is_empty:
            os.ftruncate(self._descriptor, 0)
            self._is_empty = True

    def close(self) -> None:
        """What is not recorded stays for whoever tries next."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        os.close(descriptor)
        if self._is_empty:
            self._path.unlink(missing_ok=True)

    def _open(self) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o640)
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o640)


def read(root: Path) -> Known:
    """What is accepted and, as far as these files know, not recorded."""
    known: dict[tuple[str, int], Accepted] = {}
    for path in (root / FOLDER).glob("*"):
        try:
            lines = path.read_bytes().splitlines()
        except FileNotFoundError:
            continue  # recorded meanwhile
        except OSError as error:
            log.warning("acceptances_not_read", path=str(path), error=str(error))
            continue
        for line in lines:
            known.update(_parsed(line))
    return known


def sweep(root: Path, older_than: float) -> int:
    """Remove files last written before that time (seconds since 1970); returns how many."""
    return files.remove_older(str(root / FOLDER), older_than)


def divide(job: Job, known: Known) -> tuple[Job, list[Accepted], Job]:
    """The part of a job that somebody has accepted, how, and the part that is still to be tried."""
    found = [(leased, known.get((job.message.queue_id, leased.id))) for leased in job.recipients]
    accepted = [(leased, how) for leased, how in found if how is not None]
    left = tuple(leased for leased, how in found if how is None)
    done = replace(job, recipients=tuple(leased for leased, _ in accepted))
    return done, [how for _, how in accepted], replace(job, recipients=left)


def outcomes(job: Job, accepted: Sequence[Accepted]) -> list[Outcome]:
    """What an attempt would have brought."""
    return [
        Delivered(leased.recipient, how.relay, how.reply, how.tls)
        for leased, how in zip(job.recipients, accepted, strict=True)
    ]


def _lines(job: Job, outcomes: Sequence[Outcome], reports_itself: bool) -> Iterator[str]:
    for leased, outcome in zip(job.recipients, outcomes, strict=True):
        if isinstance(outcome, Delivered):
            yield _line(job, leased, outcome, reports_itself)


def _line(job: Job, leased: LeasedRecipient, outcome: Delivered, reports_itself: bool) -> str:
    reply = outcome.reply
    words = [reply.code, reply.enhanced, reply.text]
    return json.dumps([job.message.queue_id, leased.id, outcome.relay, words, outcome.tls, reports_itself]) + "\n"


def _parsed(line: bytes) -> dict[tuple[str, int], Accepted]:
    """Nothing, if the line is not whole: whoever wrote it was killed."""
    try:
        queue_id, row, relay, words, tls, reports_itself = json.loads(line)
        return {(queue_id, row): Accepted(relay, Reply(*words), tls, reports_itself)}
    except (ValueError, TypeError):
        return {}
