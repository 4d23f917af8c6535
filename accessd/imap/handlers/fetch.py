"""FETCH and UID FETCH (RFC 3501 section 6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162 sections 3.1.4
and 3.2.6).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from accessd.imap.command import Fetch
from accessd.imap.enabled import CONDSTORE
from accessd.imap.fetch_sections import needs_structure, write_large
from accessd.imap.fetch_units import (
    Fetched,
    Located,
    Plan,
    fetch_flags,
    fetch_rows,
    fetch_sections,
    make_plan,
    open_located,
    opening,
    without_sections,
)
from accessd.imap.grammar.fetch_att import Field
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.response import Completion, Response
from accessd.imap.vanished import earlier
from mailcore.errors import MessageGone
from mailcore.message.structure import Part, parse_structure
from mailcore.store.base import StoredMessage
from mailcore.store.wire_text import WireText

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

ROWS_AT_ONCE = 1000
"""What is written of so many stays below what glibc asks the system for anew each time (mailcore.memory)."""
FILES_AT_ONCE = 256
UNKNOWN_CTE = Completion("NO", b"UNKNOWN-CTE", "Unknown Content-Transfer-Encoding")
FLAG_TABLE_FROM = 200
"""For fewer messages their rows cost less than keeping a table."""


async def fetch(session: ImapSession, command: Fetch) -> AsyncGenerator[Response, None]:
    """Some hundred messages at a time; while the client takes them, the next are read."""
    if command.vanished and not session.qresync:
        raise BadSyntax("QRESYNC is not enabled")
    if command.changed_since is not None or Field.MODSEQ in command.items:
        session.enable(CONDSTORE)
    plan = make_plan(
        session.selected,
        command.items,
        by_uid=command.by_uid,
        changed_since=command.changed_since,
        condstore=session.condstore,
    )
    uids: Sequence[int] = plan.view.select(command.sequence_set, by_uid=command.by_uid)
    if command.partial is not None:
        # Counted before CHANGEDSINCE leaves any out (RFC 9394 section 3.4).
        uids = command.partial.of(uids)
    if command.vanished:
        yield await earlier(session, command)
    reader = _Reader(session, plan, uids)
    gone = 0
    try:
        while (fetched := await reader.next()) is not None:
            _spread_seen(session, fetched)
            plan.view.note_told(fetched.modseq)
            yield fetched.parts
            gone += fetched.gone
            if fetched.large is not None:
                async with aclosing(_large(session, plan, fetched.large)) as pieces:
                    async for piece in pieces:
                        yield piece
    finally:
        reader.close()
    if gone:
        session.look_now()
        yield Completion(code=b"EXPUNGEISSUED", text="Some messages no longer exist")
    if plan.undecodable:
        yield UNKNOWN_CTE


class _Reader:
    """Units of work over the UIDs of one FETCH, at most one ahead of the client."""

    def __init__(self, session: ImapSession, plan: Plan, uids: Sequence[int]) -> None:
        self._session = session
        self._plan = plan
        self._uids = uids
        self._position = 0
        self._ahead: asyncio.Task[Fetched] | None = None

    async def next(self) -> Fetched | None:
        """What comes next, None at the end."""
        if self._position >= len(self._uids):
            return None
        fetched = await (self._ahead or self._unit())
        self._ahead = None
        self._position += fetched.done + (fetched.large is not None)
        # \Seen is for messages that the client gets, so then nothing is read before its turn.
        if self._position < len(self._uids) and not self._plan.sets_seen:
            self._ahead = asyncio.create_task(self._unit())
        return fetched

    async def _unit(self) -> Fetched:
        session, plan = self._session, self._plan
        left = self._uids[self._position :]
        if plan.only_flags and len(left) >= FLAG_TABLE_FROM:
            return await session.context.offload(fetch_flags, session.context.flags, plan, left)
        unit, at_once = (fetch_sections, FILES_AT_ONCE) if plan.sections else (fetch_rows, ROWS_AT_ONCE)
        return await session.context.offload(unit, session.storage, session.selected.owner, plan, left[:at_once])

    def close(self) -> None:
        """The client is gone, or the command has failed: what was read ahead is not needed."""
        if self._ahead is not None:
            self._ahead.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._ahead.cancel()


def _spread_seen(session: ImapSession, fetched: Fetched) -> None:
    if fetched.seen.rows:
        session.selected.take_own(fetched.seen.modseq, fetched.seen.rows)
        session.announce([session.selected.record.id])


async def _large(session: ImapSession, plan: Plan, located: Located) -> AsyncGenerator[bytes, None]:
    """A message too large for memory, block by block from its file."""
    offload = session.context.offload
    store = session.storage.store(session.selected.owner)
    try:
        message = await offload.plain(open_located, store, plan.view, located)
    except MessageGone:
        session.look_now()
        return
    try:
        structure = await _structure(session, plan, located, message)
        blocks = write_large(message, structure, plan.sections, plan.undecodable)
        block = await offload.plain(partial(next, blocks, None))
        if block is None:
            yield without_sections(located)
            return
        yield opening(located)
        while block is not None:
            yield block
            block = await offload.plain(partial(next, blocks, None))
        yield b")\r\n"
    finally:
        message.close()


async def _structure(session: ImapSession, plan: Plan, located: Located, message: StoredMessage) -> Part | None:
    """Clients read large parts in many small pieces: the structure of the last such message is kept."""
    if not needs_structure(plan.sections):
        return None
    key = (plan.view.record.id, located.uid)
    if session.last_structure is None or session.last_structure[0] != key:
        structure = await session.context.offload.plain(lambda: parse_structure(WireText(message)))
        session.last_structure = (key, structure)
    return session.last_structure[1]
