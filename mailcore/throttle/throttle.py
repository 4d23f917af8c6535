"""The one throttle of SMTP, IMAP, POP3, webmail, panel and API: through Valkey, or by memory while it is away.

Blocking, one pipelined round trip for each call, from any thread. Asked only where a password has to be hashed anyway:
a login that is remembered never comes here. Valkey holds no truth: losing it forgives a minute of failures.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import redis

from mailcore.clock import Clock, SystemClock
from mailcore.throttle.failures import (
    LATELY_S,
    MOST_KEPT,
    WINDOW_S,
    MemoryFailures,
    Standing,
    name_key,
    network_of,
)

AWAY_S = 5.0
"""How long Valkey is left alone after it did not answer."""


class Throttle:
    """`limit` is asked each time: it is a setting. Without a `client` only the process's memory counts."""

    def __init__(self, client: redis.Redis | None, limit: Callable[[], int], clock: Clock | None = None) -> None:
        self._client = client
        self._limit = limit
        self._clock = clock or SystemClock()
        self._memory = MemoryFailures()
        self._away_until = 0.0

    def must_wait(self, client: str, login: str) -> bool:
        """Whether `client` has failed too often to be heard, and was not right about `login` lately."""
        network, name, now = network_of(client), name_key(login), self._now()
        found = self._shared(lambda pipe: _ask(pipe, network, name, now))
        standing = self._memory.standing(network, name, now)
        if found is not None:
            names = tuple(each.decode().partition(":")[0] for each in found[0])
            # What this process saw while Valkey was away counts, too.
            names = max(names, standing.names, key=len)
            standing = Standing(names, bool(found[1]) or standing.known, names.count(name))
        must_wait = standing.must_wait(self._limit())
        if must_wait:
            self._memory.refused(network, name, now)
        return must_wait

    def refused_lately(self, client: str, login: str) -> bool:
        """Without I/O: has this process told `client` to wait, about this name, in the last minute? Who is right is
        then not to be known at once either: it would be the answer to all those guesses.
        """
        if not self._memory.has_refused:
            return False
        return self._memory.was_refused(network_of(client), name_key(login), self._now())

    def failed(self, client: str, login: str) -> None:
        """Wrong: remember it."""
        network, name, now = network_of(client), name_key(login), self._now()
        self._memory.failed(network, name, now)
        self._shared(lambda pipe: _note_failure(pipe, network, name, now))

    def succeeded(self, client: str, login: str) -> None:
        """Right: this name is welcome from this network for two weeks, whatever others do there."""
        network, name, now = network_of(client), name_key(login), self._now()
        self._memory.succeeded(network, name, now)
        self._shared(lambda pipe: pipe.set(_known_key(network, name), b"1", ex=LATELY_S))

    def _shared(self, commands: Callable[[Any], None]) -> list[Any] | None:
        """Run them in one round trip; None while Valkey is away."""
        if self._client is None or self._clock.monotonic() < self._away_until:
            return None
        try:
            pipe = self._client.pipeline(transaction=False)
            commands(pipe)
            return pipe.execute()
        except (redis.RedisError, OSError):
            self._away_until = self._clock.monotonic() + AWAY_S
            return None

    def _now(self) -> float:
        return self._clock.now().timestamp()


def _ask(pipe: Any, network: str, name: str, now: float) -> None:
    pipe.zrangebyscore(_failures_key(network), now - WINDOW_S, "+inf")
    pipe.exists(_known_key(network, name))


def _note_failure(pipe: Any, network: str, name: str, now: float) -> None:
    key = _failures_key(network)
    pipe.zadd(key, {f"{name}:{uuid.uuid4().hex}": now})
    pipe.zremrangebyrank(key, 0, -MOST_KEPT - 1)
    pipe.expire(key, int(WINDOW_S) + 1)


def _failures_key(network: str) -> str:
    return f"auth:failed:{network}"


def _known_key(network: str, name: str) -> str:
    return f"auth:right:{network}:{name}"
