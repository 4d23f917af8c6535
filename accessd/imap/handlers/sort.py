"""SORT and UID SORT (RFC 5256 section 2.2, SORT=DISPLAY of RFC 5957, ESORT of RFC 5267 section 3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import search_context, search_results
from accessd.imap.grammar.sorting import Sort
from accessd.imap.in_progress import telling_progress
from accessd.imap.response import Completion, Response
from accessd.imap.search_units import Question, find_sorted

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def sort(session: ImapSession, command: Sort) -> AsyncGenerator[Response, None]:
    """One line of results: SORT, or ESEARCH where RETURN was asked for."""
    view, returns = session.selected, command.returns
    if returns is not None and returns.updates:
        search_context.check(session)
    if returns is not None and returns.saves:
        view.save(())
    with telling_progress(session) as progress:
        question = Question.ask(session, command.key, progress)
        uids, scores, modseq = await session.context.offload(find_sorted, question, command.criteria, returns)
    numbers = uids if command.by_uid else [view.sequence_number(uid) for uid in uids]
    if returns is None:
        yield search_results.plain(b"SORT", numbers, modseq)
    elif not returns.is_silent:
        yield search_results.extended(numbers, scores, modseq, session.tag, returns, by_uid=command.by_uid)
    if returns is not None and returns.saves:
        view.save(sorted(returns.of(uids)))
    if returns is not None and returns.updates:
        for line in search_context.follow(session, command.key, command.criteria, uids, by_uid=command.by_uid):
            yield line
    yield Completion()
