"""STORE and UID STORE (RFC 3501 section 6.4.6), with UNCHANGEDSINCE (RFC 7162 section 3.1.3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from itertools import chain
from typing import TYPE_CHECKING

from accessd.imap.command import Store
from accessd.imap.enabled import CONDSTORE
from accessd.imap.grammar.sequence_set import format_numbers
from accessd.imap.response import Completion, Response
from mailcore.errors import NotPermitted
from mailcore.index.records import FlagChange, FlagResult
from mailcore.mailbox import mailbox as mailboxes
from mailcore.sharing.flags import permitted

if TYPE_CHECKING:
    from accessd.imap.selected import View
    from accessd.imap.session import ImapSession

GONE = "Some messages no longer exist"


async def store(session: ImapSession, command: Store) -> AsyncGenerator[Response, None]:
    """Answers with the new flags, or with .SILENT and CONDSTORE only with the new modseq."""
    view = session.selected
    if view.read_only:
        yield Completion("NO", text="Mailbox is read-only")
        return
    change = permitted(FlagChange(command.mode, command.flags), view.rights)
    if change is None:
        raise NotPermitted(f"{view.owner.address}/{view.record.name}: flags")
    if command.unchanged_since is not None:
        session.enable(CONDSTORE)
    uids = list(view.select(command.sequence_set, by_uid=command.by_uid))
    if not uids:
        yield Completion()
        return
    result = await session.context.offload(
        mailboxes.set_flags,
        session.storage,
        view.owner,
        view.record,
        uids,
        change,
        command.unchanged_since,
    )
    session.announce([view.record.id])
    told = _responses(session, command, result)
    if told:
        yield b"".join(told)
    view.take_own(result.modseq, chain(() if command.silent else result.rows, result.modified))
    yield _completion(session, command, result, asked=len(uids))


def _responses(session: ImapSession, command: Store, result: FlagResult) -> list[bytes]:
    view = session.selected
    told = view.learn_keywords(keyword for row in (*result.rows, *result.modified) for keyword in row.keywords)
    if not command.silent:
        told += [
            view.flags_response(row, with_uid=command.by_uid or session.condstore, with_modseq=session.condstore)
            for row in result.rows
            if view.has(row.uid)
        ]
    elif session.condstore:
        view.note_told(max((row.modseq for row in result.rows), default=0))
        told += [
            b"* %d FETCH (UID %d MODSEQ (%d))\r\n" % (view.sequence_number(row.uid), row.uid, row.modseq)
            for row in result.rows
            if view.has(row.uid)
        ]
    # Why their change was refused the client need not ask (RFC 7162 section 3.1.3, example 10).
    told += [view.flags_response(row, with_uid=True, with_modseq=True) for row in result.modified if view.has(row.uid)]
    return told


def _completion(session: ImapSession, command: Store, result: FlagResult, *, asked: int) -> Completion:
    """RFC 2180 section 4.2: NO if nothing could be done, or if a part was spared as well."""
    gone = asked - len(result.rows) - len(result.modified)
    if gone:
        session.look_now()
    if result.modified:
        code = b"MODIFIED " + _numbers(session.selected, command, result)
        return Completion("NO", code, GONE) if gone else Completion(code=code, text="Conditional STORE failed")
    if gone:
        nothing_done = not result.rows and not command.silent
        return Completion("NO" if nothing_done else "OK", b"EXPUNGEISSUED", GONE)
    return Completion()


def _numbers(view: View, command: Store, result: FlagResult) -> bytes:
    uids = [row.uid for row in result.modified]
    return format_numbers(uids if command.by_uid else [view.sequence_number(uid) for uid in uids])
