"""ENABLE (RFC 5161)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Enable
from accessd.imap.enabled import CONDSTORE, QRESYNC, REV2, UTF8
from accessd.imap.response import Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


MODES = {"CONDSTORE": CONDSTORE, "IMAP4REV2": REV2, "QRESYNC": QRESYNC, "UTF8=ACCEPT": UTF8}
"""What can be enabled. Other names are passed over, as the RFC asks."""


async def enable(session: ImapSession, command: Enable) -> AsyncGenerator[Response, None]:
    """Says which of the names are on now; one that was on before is named again."""
    names = [name for name in dict.fromkeys(command.names) if name in MODES]
    for name in names:
        session.enable(MODES[name])
    if session.enabled & REV2 and session.view is not None:
        session.view.hide_recent()
    # Capabilities are named as they are advertised.
    told = ["IMAP4rev2" if name == "IMAP4REV2" else name for name in names]
    yield response.untagged(" ".join(["ENABLED", *told]).encode("ascii"))
