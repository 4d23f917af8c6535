"""Hear that there is something to look at; reconnects for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

import redis
import redis.asyncio

from mailcore.events.publish import ACCOUNT_CHANNEL, MAILBOX_CHANNEL, QUEUE_CHANNEL

RECONNECT_S = 0.5
PING_S = 15


class Hint(NamedTuple):
    """Look again: at these mailboxes or, if `channel` is ACCOUNT_CHANNEL, accounts."""

    channel: str
    ids: list[int]


async def subscribe(url: str, *channels: str) -> AsyncIterator[tuple[str, str] | None]:
    """Channels and payloads. None means: connected (again), something may have been missed."""
    while True:
        client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=2, health_check_interval=PING_S)
        try:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe(*channels)
                yield None
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        yield message["channel"].decode(), message["data"].decode()
        except (redis.RedisError, OSError):
            await asyncio.sleep(RECONNECT_S)
        finally:
            await client.aclose()


async def store_changes(url: str) -> AsyncIterator[Hint | None]:
    """What has changed of mailboxes and accounts, over one connection; None = look everywhere."""
    async for heard in subscribe(url, MAILBOX_CHANNEL, ACCOUNT_CHANNEL):
        if heard is None:
            yield None
            continue
        channel, payload = heard
        yield Hint(channel, [int(part) for part in payload.split(",") if part.isdigit()])


async def queue_wakeups(url: str) -> AsyncIterator[None]:
    """Something may be due."""
    async for _ in subscribe(url, QUEUE_CHANNEL):
        yield None
