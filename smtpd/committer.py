"""The process that commits, one for each smtpd and started by it (commit_process.py).

    python -m smtpd.committer SOCKET MEMORY WORKER

Reading from a thousand clients and writing batches to the disk and the database are work for two processors, which
threads of one Python process cannot have. One question at a time, as a frame: a length and a pickle, over the socket;
contents do not go that way, they lie in the shared memory, one behind the other. The answer is a frame too. Nobody but
the two processes has these descriptors. The process ends when the socket closes, however its smtpd ended, and not by a
signal: what was received is committed first.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate
from typing import NamedTuple

import psycopg

from mailcore import log as logs
from mailcore.db.pool import open_pool
from mailcore.delivery.arrival import Arrival
from mailcore.delivery.batch import deliver_batch
from mailcore.delivery.recovery import journals, recover
from mailcore.errors import MailError, StoreUnavailable
from mailcore.offload import Connection, with_connection
from mailcore.outcome import Outcome
from mailcore.queue.spool import Spool
from mailcore.store.journal import Journal
from mailcore.store.storage import Storage
from smtpd.settings import Settings

LENGTH = struct.Struct("!I")
# The first octet of the shared memory outlives the process that commits, and says how far it had come.
BEFORE_COMMIT, FROM_COMMIT_ON = b"w", b"c"
KEPT_MEMORY = 4 << 20  # of the memory that batches are passed in

log = logs.get_logger(__name__)

# One answer for each arrival (deliver_batch), and the mailboxes that have got mail.
Committed = tuple[list[list[Outcome] | MailError], set[int]]


class Committer:
    """Commits batches with one database connection and one journal; `memory` is told before each COMMIT."""

    def __init__(self, settings: Settings, memory: int) -> None:
        self._home = settings.home
        self._memory = memory
        self._pool = open_pool(settings.database_url, 1, name=f"smtpd.{settings.worker}.commit")
        self._storage, self._spool = Storage(settings.home / "mail"), Spool(settings.home / "spool")
        self._journal: Journal | None = None

    def commit(self, arrivals: Sequence[Arrival], lifetime_s: float) -> Committed:
        """Raises what the database or the disk raises."""
        return with_connection(self._pool, self._deliver, arrivals, lifetime_s)

    def close(self) -> None:
        """Nothing is left for the recovery."""
        if self._journal is not None:
            self._journal.close()
        self._pool.close()

    def _deliver(self, conn: Connection, arrivals: Sequence[Arrival], lifetime_s: float) -> Committed:
        if self._journal is None:
            recover(conn, self._home)
            self._journal = Journal(journals(self._home), self._home)
        changed: set[int] = set()
        places = (self._storage, self._spool)
        answers = deliver_batch(
            conn,
            *places,
            arrivals,
            lifetime_s,
            self._journal,
            on_committing=lambda: mark(self._memory, FROM_COMMIT_ON),
            on_commit=changed.update,
        )
        return answers, changed


def mark(memory: int, how_far: bytes) -> None:
    """Say how far the batch has come."""
    os.pwrite(memory, how_far, 0)


class Question(NamedTuple):
    """A batch on its way here: `contents` are the sizes of what lies in the shared memory, in the order in which the
    pickle asks for them (PEP 574).
    """

    contents: tuple[int, ...]
    batch: bytes

    def read(self, memory: int) -> tuple[Sequence[Arrival], float]:
        """The arguments of commit. Raises StoreUnavailable if the memory does not hold all contents."""
        starts = accumulate(self.contents, initial=len(BEFORE_COMMIT))
        contents = [os.pread(memory, size, start) for start, size in zip(starts, self.contents, strict=False)]
        if tuple(map(len, contents)) != self.contents:
            raise StoreUnavailable("the shared memory is shorter than the batch")
        arguments: tuple[Sequence[Arrival], float] = pickle.loads(self.batch, buffers=contents)
        return arguments


def answer(committer: Committer, frame: bytes, memory: int) -> bytes:
    """What commit returns or raises, as a frame."""
    question = Question._make(pickle.loads(frame))
    try:
        answered: Committed | Exception = committer.commit(*question.read(memory))
    except Exception as error:
        # smtpd decides what it means to the client; where it came from is only known here.
        if not isinstance(error, MailError | psycopg.Error):
            log.exception("batch_failed", error=str(error))
        answered = error
    if sum(question.contents) > KEPT_MEMORY:
        os.ftruncate(memory, len(BEFORE_COMMIT))
    return framed(answered)


def framed(value: object) -> bytes:
    """A length and a pickle."""
    pickled = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(pickled)) + pickled


def serve(committer: Committer, connection: socket.socket, memory: int) -> None:
    """Until the other side has gone."""
    with connection.makefile("rb") as questions:
        while head := questions.read(LENGTH.size):
            frame = questions.read(*LENGTH.unpack(head))
            connection.sendall(answer(committer, frame, memory))


def main(arguments: Sequence[str]) -> None:
    """The command. SIGTERM and Ctrl-C are for smtpd, which still has batches then."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logs.configure("smtpd")
    descriptor, memory, worker = map(int, arguments)
    committer = Committer(Settings.from_env(worker=worker), memory)
    # smtpd may have been killed in the middle of a batch, which nobody was told about.
    killed = (EOFError, ConnectionError, struct.error, pickle.UnpicklingError)
    with socket.socket(fileno=descriptor) as connection, suppress(*killed):
        serve(committer, connection, memory)
    committer.close()


if __name__ == "__main__":
    main(sys.argv[1:])
