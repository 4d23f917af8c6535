"""Group commit: messages that wait while a batch is being committed become the next batch.

Nothing waits on purpose: a single message is committed at once. While the disk and the database work on it, others
gather, so that under load one flush and one database transaction serve many. `submit` returns when its message is
durable, or raises what kept it from that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from mailcore.db.pool import is_unavailable
from mailcore.delivery.batch import Arrival
from mailcore.errors import CommitInDoubt, MailError
from mailcore.outcome import Outcome

Answer = list[Outcome] | MailError
Deliver = Callable[[Sequence[Arrival]], Awaitable[Sequence[Answer]]]
Waiting = tuple[Arrival, asyncio.Future[list[Outcome]]]

MAX_BATCH = 200


class GroupCommit:
    """One per process. At most `parallel` batches are being committed at any moment."""

    def __init__(self, deliver: Deliver, *, parallel: int = 1, max_batch: int = MAX_BATCH) -> None:
        self._deliver = deliver
        self._parallel = parallel
        self._max_batch = max_batch
        self._waiting: list[Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._working = 0

    async def submit(self, arrival: Arrival) -> list[Outcome]:
        """Durable when this returns. Raises a MailError, or what the database or the disk raised."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, future))
        if self._working < self._parallel:
            self._working += 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def drain(self) -> None:
        """Wait until everything that was submitted has its answer."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._max_batch]
                del self._waiting[: self._max_batch]
                await self._commit(batch)
        finally:
            # Here and not when the task is found to be done: in between, a message would wait for nobody.
            self._working -= 1

    async def _commit(self, batch: list[Waiting]) -> None:
        try:
            answers = await self._deliver([arrival for arrival, _ in batch])
        except Exception as error:
            await self._failed(batch, error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue  # the waiting session was cancelled; the message is safe nevertheless
            if isinstance(answer, MailError):
                future.set_exception(answer)
            else:
                future.set_result(answer)

    async def _failed(self, batch: list[Waiting], error: Exception) -> None:
        """Nothing of the batch was kept, or nobody knows. One message must not take the others with it, unless nothing
        works at all, or a second try could be the second copy.
        """
        if len(batch) > 1 and not (is_unavailable(error) or isinstance(error, CommitInDoubt)):
            for waiting in batch:
                await self._commit([waiting])
            return
        for _, future in batch:
            if not future.done():
                future.set_exception(error)
