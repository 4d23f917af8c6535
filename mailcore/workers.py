"""Threads for an event loop's blocking calls; of those that are idle, the one that worked last is woken.

asyncio's executor hands a call on by two futures and wakes the thread that has slept longest. A few calls at a time are
the work of a few threads here, and a third of the switches between threads: what those have in the processor's caches
stays warm, as do the database connections they use (mailcore.db.pool). A call that is cancelled before it begins is not
made.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class _Call:
    """What is to be called, and who waits for it."""

    __slots__ = ("_answer", "_call", "_loop")

    def __init__(self, call: Callable[[], Any], answer: asyncio.Future[Any]) -> None:
        self._call = call
        self._answer = answer
        self._loop = answer.get_loop()

    def make(self) -> None:
        """On a worker's thread."""
        if self._answer.cancelled():
            return
        try:
            result = self._call()
        except BaseException as error:
            self._tell(_fail, error)
        else:
            self._tell(_answer, result)

    def cancel(self) -> None:
        """It will not be made."""
        self._tell(_cancel, None)

    def _tell(self, how: Callable[[asyncio.Future[Any], Any], None], what: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(how, self._answer, what)


def _answer(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _cancel(future: asyncio.Future[Any], _: None) -> None:
    future.cancel()


class Workers:
    """At most `most` threads, started when they are needed. They do not keep a program from ending; `close` does."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._idle: list[SimpleQueue[_Call | None]] = []
        self._waiting: deque[_Call] = deque()
        self._is_closed = False

    def call(self, fn: Callable[[], T]) -> asyncio.Future[T]:
        """Call `fn` on a thread; its result or error comes out of the future. Raises RuntimeError once closed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        call = _Call(fn, future)
        with self._lock:
            if self._is_closed:
                raise RuntimeError("there are no threads any more")
            if self._idle:
                self._idle.pop().put(call)
            elif len(self._threads) < self._most:
                self._start(call)
            else:
                self._waiting.append(call)
        return future

    def close(self) -> None:
        """Finish what runs, cancel what waits."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
            waiting, self._waiting = self._waiting, deque()
        for inbox in idle:
            inbox.put(None)
        for call in waiting:
            call.cancel()
        for thread in self._threads:
            thread.join()

    def _start(self, call: _Call) -> None:
        inbox: SimpleQueue[_Call | None] = SimpleQueue()
        inbox.put(call)
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, args=(inbox,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, inbox: SimpleQueue[_Call | None]) -> None:
        call = inbox.get()
        while call is not None:
            call.make()
            # Whoever waits for the result may go on; nothing here keeps it.
            call = None
            call = self._next(inbox) or inbox.get()

    def _next(self, inbox: SimpleQueue[_Call | None]) -> _Call | None:
        """What has waited longest; None, and the thread is idle, if there is nothing."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if self._is_closed:
                inbox.put(None)
            else:
                self._idle.append(inbox)
            return None
