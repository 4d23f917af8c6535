"""Do PostgreSQL and Valkey answer? Without the retries and the patience that their clients have for good reasons."""

from __future__ import annotations

import asyncio
import os
import socket

import redis
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

# "Do you speak TLS?": the one question that a server answers in one byte before anybody logs in
# (PostgreSQL, Frontend/Backend Protocol, SSLRequest).
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


def postgres_trouble(host: str, port: int, within_s: float) -> str:
    """Why no server answers there, "" when one does, or when only its driver knows how to get there.

    libpq waits for two seconds at least, and for ever for the first answer to a session that is open.
    """
    if not host or "/" in host or "," in host:
        return ""
    try:
        with socket.create_connection((host, port), timeout=within_s) as connection:
            connection.sendall(SSL_REQUEST)
            return "" if connection.recv(1) else "closes the connection"
    except OSError as error:
        return os.strerror(error.errno).lower() if error.errno else str(error)


async def valkey_trouble(url: str, within_s: float) -> str:
    """Why it does not answer PING, "" when it does. Never raises."""
    client = Redis.from_url(url, retry=Retry(NoBackoff(), 0))
    try:
        async with asyncio.timeout(within_s):
            await client.ping()
    except (redis.RedisError, OSError) as error:
        return type(error).__name__
    finally:
        await client.aclose()
    return ""
