"""The names of the clients of one process: looked up once per address, in the background, and kept for a while.

`known` costs a look into a dictionary. `find` asks DNS and has an answer within WAIT_S, "unknown" if need be; an
answer that comes later still serves the next connection. How many names are kept and how many questions are under way
is bounded: whoever connects from many addresses must not cost more than others. Nothing here raises.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailcore.clock import Clock
from mailcore.log import get_logger
from smtpd.client_name import SHORTEST_S, UNKNOWN, name_without_dns

WAIT_S = 1.5
MOST_NAMES = 20_000
MOST_QUESTIONS = 200

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A name, and for how long it may be used."""

    name: str
    kept_s: float


class ClientNames:
    """`ask` is the DNS: smtpd.reverse_dns.ReverseDns."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Found]],
        clock: Clock,
        *,
        asks_for_private: bool = False,
        wait_s: float = WAIT_S,
        most_names: int = MOST_NAMES,
        most_questions: int = MOST_QUESTIONS,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._asks_for_private = asks_for_private
        self._wait_s = wait_s
        self._most_names = most_names
        self._most_questions = most_questions
        # Name and until when it may be used; the one that was needed last is last.
        self._names: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._questions: dict[str, asyncio.Task[str]] = {}
        self._waiting: set[asyncio.Task[str]] = set()

    def known(self, address: str) -> str | None:
        """The name, if it needs no question."""
        kept = self._names.get(address)
        if kept is None:
            return name_without_dns(address, asks_for_private=self._asks_for_private)
        name, until = kept
        if until <= self._clock.monotonic():
            del self._names[address]
            return None
        self._names.move_to_end(address)
        return name

    def find(self, address: str) -> asyncio.Task[str]:
        """Look the name up. The task belongs to the caller, who may cancel it; it never fails."""
        question = self._questions.get(address)
        if question is None and len(self._questions) < self._most_questions:
            question = self._questions[address] = asyncio.create_task(self._look_up(address))
        waiting = asyncio.create_task(self._wait_for(question))
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)
        return waiting

    async def _wait_for(self, question: asyncio.Task[str] | None) -> str:
        if question is None:
            return UNKNOWN
        # Not cancelled when the time is over: the answer is for all clients of this address.
        await asyncio.wait({question}, timeout=self._wait_s)
        return question.result() if question.done() and not question.cancelled() else UNKNOWN

    async def _look_up(self, address: str) -> str:
        try:
            found = await self._ask(address)
        except Exception:
            log.exception("client_name_not_found", client=address)
            found = Found(UNKNOWN, SHORTEST_S)
        finally:
            del self._questions[address]
        self._names[address] = (found.name, self._clock.monotonic() + found.kept_s)
        self._names.move_to_end(address)
        if len(self._names) > self._most_names:
            self._names.popitem(last=False)
        return found.name

    async def close(self) -> None:
        """Ask no more; who still waits gets "unknown"."""
        for question in self._questions.values():
            question.cancel()
        await asyncio.gather(*self._questions.values(), *self._waiting, return_exceptions=True)
