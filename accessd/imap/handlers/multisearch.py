"""ESEARCH: SEARCH in several mailboxes (RFC 7377)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response, search_results
from accessd.imap.enabled import CONDSTORE
from accessd.imap.grammar.multisearch import MultiSearch
from accessd.imap.grammar.search_key import uses_modseq
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.in_progress import telling_progress
from accessd.imap.response import Completion, Response
from accessd.imap.search_scope import find_in, mailboxes_of
from accessd.imap.search_units import Found, Question, find
from mailcore.errors import MailboxNotFound, NotPermitted
from mailcore.mailbox.progress import Progress
from mailcore.sharing.names import name_for

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def multi_search(session: ImapSession, command: MultiSearch) -> AsyncGenerator[Response, None]:
    """A response for each mailbox in which something is found; the selected one first, as this session sees it."""
    selects = any(source.kind == "SELECTED" for source in command.sources)
    if selects and session.view is None:
        raise BadSyntax("No mailbox is selected")
    others = await session.context.offload(mailboxes_of, session.reader, command.sources)
    with telling_progress(session) as progress:
        if selects:
            others.pop(session.selected.record.id, None)
            yield await _in_selected(session, command, progress)
        for name in others.values():
            yield await _in_other(session, command, name, progress)
    yield Completion()


async def _in_selected(session: ImapSession, command: MultiSearch, progress: Progress) -> bytes:
    view, returns = session.selected, command.returns
    question = Question.ask(session, command.key, progress)
    if returns.saves:
        view.save(())
    found = await session.context.offload(find, question, returns)
    if returns.saves:
        view.save(returns.of(found.uids))
    name = name_for(session.reader.address, view.owner.address, view.record.name)
    return _format(session, command, name, view.record.uidvalidity, found)


async def _in_other(session: ImapSession, command: MultiSearch, name: str, progress: Progress) -> bytes:
    with_modseq = uses_modseq(command.key)
    if with_modseq:
        session.enable(CONDSTORE)
    try:
        uidvalidity, found = await session.context.offload(
            find_in,
            session.storage,
            session.reader,
            name,
            command.key,
            command.returns,
            progress,
            with_modseq=with_modseq,
        )
    except (MailboxNotFound, NotPermitted):
        # Since the list was made.
        return b""
    return _format(session, command, name, uidvalidity, found)


def _format(session: ImapSession, command: MultiSearch, name: str, uidvalidity: int, found: Found) -> bytes:
    if not found.uids or command.returns.is_silent:
        return b""
    origin = b" MAILBOX %b UIDVALIDITY %d" % (response.mailbox(name, utf8=session.utf8), uidvalidity)
    return search_results.extended(
        found.uids, found.scores, found.modseq, session.tag, command.returns, by_uid=True, origin=origin
    )
