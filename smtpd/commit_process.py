"""smtpd's side of the process that commits (committer.py): started when it is needed, and again when it has died."""

from __future__ import annotations

import asyncio
import errno
import os
import pickle
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pickle import PickleBuffer

from mailcore.delivery.arrival import Arrival
from mailcore.errors import CommitInDoubt, StoreUnavailable
from smtpd.committer import BEFORE_COMMIT, LENGTH, Committed, Question, framed, mark

PROGRAM = ("-m", "smtpd.committer")
END_WITHIN_S = 20.0
BUFFERS = 1000  # of one pwritev; IOV_MAX is 1024


class CommitProcess:
    """Asks one question at a time."""

    def __init__(self, worker: int) -> None:
        self._worker = worker
        self._memory = os.memfd_create("batch")
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """None while there is no such process."""
        return self._process.pid if self._process is not None else None

    async def __call__(self, arrivals: Sequence[Arrival], lifetime_s: float) -> Committed:
        """Commit a batch whose queue rows live for `lifetime_s` seconds; raises what that raises, and when the process
        dies StoreUnavailable, if nothing was kept (GroupCommit tries each message once more by itself), or
        CommitInDoubt.
        """
        mark(self._memory, BEFORE_COMMIT)
        try:
            if self._process is not None and self._reader.at_eof():
                await self._end()  # it died while it had nothing to do: nothing is in doubt
            if self._process is None:
                await self._start()
            answer = await self._ask(arrivals, lifetime_s)
        except (OSError, EOFError) as error:
            await self._end()
            kind = StoreUnavailable if os.pread(self._memory, 1, 0) == BEFORE_COMMIT else CommitInDoubt
            raise kind(f"the process that commits has ended: {error}") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """It ends when it has closed its journal."""
        await self._end()
        os.close(self._memory)

    async def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            numbers = map(str, (theirs.fileno(), self._memory, self._worker))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *PROGRAM, *numbers),
                pass_fds=[theirs.fileno(), self._memory],
                stdin=asyncio.subprocess.DEVNULL,
            )
        self._reader, self._writer = await asyncio.open_connection(sock=ours)
        self._process = process

    async def _ask(self, arrivals: Sequence[Arrival], lifetime_s: float) -> Committed | Exception:
        self._writer.write(self._frame(arrivals, lifetime_s))
        (size,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        answer: Committed | Exception = pickle.loads(await self._reader.readexactly(size))
        return answer

    def _frame(self, arrivals: Sequence[Arrival], lifetime_s: float) -> bytes:
        """The question; its contents are in the shared memory then."""
        contents: list[PickleBuffer] = []
        batch = pickle.dumps(([*map(_outside, arrivals)], lifetime_s), 5, buffer_callback=contents.append)
        raw = [content.raw() for content in contents]
        sizes = tuple(map(len, raw))
        end = len(BEFORE_COMMIT)
        for number in range(0, len(raw), BUFFERS):
            end += os.pwritev(self._memory, raw[number : number + BUFFERS], end)
        if end != len(BEFORE_COMMIT) + sum(sizes):
            raise OSError(errno.ENOMEM, "the shared memory did not take the batch")
        return framed(Question(sizes, batch))

    async def _end(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        self._writer.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_WITHIN_S)


def _outside(arrival: Arrival) -> Arrival:
    """The same, with its content not in the pickle."""
    if not isinstance(arrival.content, bytes):
        return arrival
    return replace(arrival, content=PickleBuffer(arrival.content))  # type: ignore[arg-type]
