"""COMPRESS (RFC 4978)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.command import Compress
from accessd.imap.response import Completion, Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def compress(session: ImapSession, command: Compress) -> AsyncGenerator[Response, None]:
    """The session compresses from the end of the tagged response on, and so does the client from its next command."""
    if session.connection.is_compressed:
        yield Completion("NO", b"COMPRESSIONACTIVE", "Compression is active already")
        return
    session.upgrade = _start_compression
    yield Completion(text="Compression begins now")


async def _start_compression(session: ImapSession) -> None:
    session.connection.start_compression(session.engine.take_input())
