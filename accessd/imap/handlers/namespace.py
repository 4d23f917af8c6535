"""NAMESPACE (RFC 2342): one's own names, those of other users, and what belongs to the whole domain
(mailcore.sharing.names).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Namespace
from accessd.imap.response import Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def namespace(session: ImapSession, command: Namespace) -> AsyncGenerator[Response, None]:
    """NAMESPACE."""
    yield response.untagged(b'NAMESPACE (("" "/")) (("user/" "/")) (("shared/" "/"))')
