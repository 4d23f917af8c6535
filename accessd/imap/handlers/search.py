"""SEARCH and UID SEARCH (RFC 3501 section 6.4.4, ESEARCH of RFC 4731, MODSEQ of RFC 7162 section 3.1.5, SAVE of RFC
5182, PARTIAL of RFC 9394).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import search_context, search_results
from accessd.imap.command import Search
from accessd.imap.enabled import REV2
from accessd.imap.grammar.search_return import Returns
from accessd.imap.in_progress import telling_progress
from accessd.imap.response import Completion, Response
from accessd.imap.search_units import Question, find

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def search(session: ImapSession, command: Search) -> AsyncGenerator[Response, None]:
    """One line of results: SEARCH, or ESEARCH where RETURN was asked for or IMAP4rev2 enabled."""
    view = session.selected
    returns = command.returns
    if returns is None and session.enabled & REV2:
        returns = Returns()
    if returns is not None and returns.updates:
        search_context.check(session)
    if returns is not None and returns.saves:
        # A search that fails leaves nothing saved (RFC 5182 section 2.1).
        view.save(())
    with telling_progress(session) as progress:
        question = Question.ask(session, command.key, progress)
        uids, scores, modseq = await session.context.offload(find, question, returns)
    numbers = uids if command.by_uid else [view.sequence_number(uid) for uid in uids]
    if returns is None:
        yield search_results.plain(b"SEARCH", numbers, modseq)
    elif not returns.is_silent:
        yield search_results.extended(numbers, scores, modseq, session.tag, returns, by_uid=command.by_uid)
    if returns is not None and returns.saves:
        view.save(returns.of(uids))
    if returns is not None and returns.updates:
        for line in search_context.follow(session, command.key, None, uids, by_uid=command.by_uid):
            yield line
    yield Completion()
