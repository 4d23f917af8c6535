"""THREAD and UID THREAD (RFC 5256 section 3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.grammar.sorting import Thread
from accessd.imap.in_progress import telling_progress
from accessd.imap.response import Completion, Response
from accessd.imap.search_units import Question, find_threads
from accessd.imap.thread_response import format_threads

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def thread(session: ImapSession, command: Thread) -> AsyncGenerator[Response, None]:
    """One line, whatever was found."""
    view = session.selected
    with telling_progress(session) as progress:
        question = Question.ask(session, command.key, progress)
        uids, forest = await session.context.offload(find_threads, question, command.algorithm)
    numbers = uids if command.by_uid else [view.sequence_number(uid) for uid in uids]
    threads = format_threads(forest, numbers)
    yield response.untagged(b"THREAD " + threads if threads else b"THREAD")
    yield Completion()
