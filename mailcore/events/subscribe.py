"""Hear that there is something to look at; reconnects for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import redis
import redis.asyncio

from mailcore.events.publish import MAILBOX_CHANNEL, QUEUE_CHANNEL

RECONNECT_S = 0.5
PING_S = 15


async def subscribe(url: str, channel: str) -> AsyncIterator[str | None]:
    """Payloads of a channel. None means: connected (again), something may have been missed."""
    while True:
        client = redis.asyncio.Redis.from_url(url, socket_connect_timeout=2, health_check_interval=PING_S)
        try:
            async with client.pubsub() as pubsub:
                await pubsub.subscribe(channel)
                yield None
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        yield message["data"].decode()
        except (redis.RedisError, OSError):
            await asyncio.sleep(RECONNECT_S)
        finally:
            await client.aclose()


async def mailbox_changes(url: str) -> AsyncIterator[list[int] | None]:
    """Ids of changed mailboxes, or None = look everywhere."""
    async for payload in subscribe(url, MAILBOX_CHANNEL):
        yield None if payload is None else [int(part) for part in payload.split(",") if part.isdigit()]


async def queue_wakeups(url: str) -> AsyncIterator[None]:
    """Something may be due."""
    async for _ in subscribe(url, QUEUE_CHANNEL):
        yield None
