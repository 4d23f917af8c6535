"""ENABLE (RFC 5161)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Enable
from accessd.imap.enabled import CONDSTORE
from accessd.imap.response import Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def enable(session: ImapSession, command: Enable) -> AsyncGenerator[Response, None]:
    """Only CONDSTORE can be enabled; other names are passed over, as the RFC asks."""
    enabled = b""
    if "CONDSTORE" in command.names:
        session.enable(CONDSTORE)
        enabled = b" CONDSTORE"
    yield response.untagged(b"ENABLED" + enabled)
