"""CANCELUPDATE (RFC 5267 section 4.3.5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.grammar.cancel import CancelUpdate
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.response import Completion, Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def cancel_update(session: ImapSession, command: CancelUpdate) -> AsyncGenerator[Response, None]:
    """All of them or, if one of the tags means nothing, none."""
    contexts = session.selected.contexts
    if contexts is None or not all(tag in contexts for tag in command.tags):
        raise BadSyntax("There are no updates by this tag")
    for tag in dict.fromkeys(command.tags):
        contexts.drop(tag)
    yield Completion()
