"""ENABLE (RFC 5161)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Enable
from accessd.imap.enabled import CONDSTORE, QRESYNC, UTF8
from accessd.imap.response import Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


MODES = {"CONDSTORE": CONDSTORE, "QRESYNC": QRESYNC, "UTF8=ACCEPT": UTF8}
"""What can be enabled. Other names are passed over, as the RFC asks."""


async def enable(session: ImapSession, command: Enable) -> AsyncGenerator[Response, None]:
    """Says which of the names are on now; one that was on before is named again."""
    names = [name for name in dict.fromkeys(command.names) if name in MODES]
    for name in names:
        session.enable(MODES[name])
    yield response.untagged(" ".join(["ENABLED", *names]).encode("ascii"))
