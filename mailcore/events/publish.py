"""Tell others to look: after COMMIT, best effort, never raises. Redis holds no truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import redis
import redis.asyncio

MAILBOX_CHANNEL = "mailbox"
ACCOUNT_CHANNEL = "account"
QUEUE_CHANNEL = "queue"
TIMEOUT_S = 0.5


def connect(url: str) -> redis.Redis:
    """A client for publishing from threads; connects on first use."""
    return redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def connect_async(url: str) -> redis.asyncio.Redis:
    """A client for publishing from an event loop; connects on first use."""
    return redis.asyncio.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)


def mailbox_changed(client: redis.Redis, mailbox_ids: Iterable[int]) -> None:
    """These mailboxes have new messages, flags or expunges."""
    _publish(client, MAILBOX_CHANNEL, ",".join(map(str, mailbox_ids)))


def account_changed(client: redis.Redis, account_ids: Iterable[int]) -> None:
    """These accounts have other mailboxes, names, subscriptions, rights or annotations than before."""
    _publish(client, ACCOUNT_CHANNEL, ",".join(map(str, account_ids)))


def queue_wakeup(client: redis.Redis) -> None:
    """There is something due in the queue."""
    _publish(client, QUEUE_CHANNEL, "")


async def mailbox_changed_async(client: redis.asyncio.Redis, mailbox_ids: Iterable[int]) -> None:
    """As mailbox_changed, from an event loop."""
    await _publish_async(client, MAILBOX_CHANNEL, ",".join(map(str, mailbox_ids)))


async def account_changed_async(client: redis.asyncio.Redis, account_ids: Iterable[int]) -> None:
    """As account_changed, from an event loop."""
    await _publish_async(client, ACCOUNT_CHANNEL, ",".join(map(str, account_ids)))


async def queue_wakeup_async(client: redis.asyncio.Redis) -> None:
    """As queue_wakeup, from an event loop."""
    await _publish_async(client, QUEUE_CHANNEL, "")


def _publish(client: redis.Redis, channel: str, payload: str) -> None:
    try:
        client.publish(channel, payload)
    except (redis.RedisError, OSError):
        return  # the readers' own scan finds it a little later


async def _publish_async(client: Any, channel: str, payload: str) -> None:
    try:
        await client.publish(channel, payload)
    except (redis.RedisError, OSError):
        return  # the readers' own scan finds it a little later
