"""Running one command of an IMAP session: its handler, the news that may be told, the tagged response.

An error of the mail domain becomes `NO [CODE]`, a database or store that does not answer `NO [UNAVAILABLE]`, whatever
else goes wrong `NO [SERVERBUG]`. A lost connection, Disconnect and LineTooLong are not answered: they end the session.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from accessd.imap import response
from accessd.imap.errors import INTERNAL, UNAVAILABLE, Disconnect, completion_for
from accessd.imap.events import LineTooLong
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.news import known_news, new_rights, news
from accessd.imap.response import Completion
from accessd.imap.unasked import fetch_arrived
from mailcore.errors import MailError
from mailcore.log import get_logger

if TYPE_CHECKING:
    from accessd.imap.commands import Handler, Row
    from accessd.imap.session import ImapSession

log = get_logger(__name__)


async def execute(session: ImapSession, tag: bytes, name: str, row: Row, command: object) -> None:
    """Run a command that is possible now, and answer it. A client that idles keeps this coroutine: it is but one."""
    session.tag = tag
    try:
        if session.changed and session.view is not None:
            for line in await new_rights(session):
                session.connection.write(line)
        completion = await run_handler(session, row.handler, command)
        if session.notifier is not None and completion.status == "OK":
            session.notifier.note_own(command)
        if session.view is not None:
            await _tell_news(session, row)
    except (Disconnect, LineTooLong, ConnectionError):
        raise
    except Exception as error:
        completion = _failure(session, name, error)
    completion = _with_modseq(session, completion)
    session.connection.write(completion.to_bytes(tag, name))
    await session.connection.drain()
    if session.upgrade is not None:
        upgrade, session.upgrade = session.upgrade, None
        await upgrade(session)


async def run_handler(session: ImapSession, handler: Handler, command: object) -> Completion:
    """Write what it yields, as fast as the client takes it. Returns how the command has ended."""
    completion = Completion()
    connection = session.connection
    # Closed at once when the connection is lost: handlers hold files and registrations.
    async with aclosing(handler(session, command)) as parts:
        async for part in parts:
            if isinstance(part, Completion):
                completion = part
                continue
            if isinstance(part, list):
                connection.write_each(part)
            else:
                connection.write(part)
            await connection.drain()
    return completion


async def _tell_news(session: ImapSession, row: Row) -> None:
    """Pending updates before the tagged response."""
    asks = row.looks_at_files
    due = session.changed and session.may_look_in() < 0
    notifier = session.notifier
    if notifier is not None and not notifier.interest.wants_messages:
        # Then only of what this command has done itself.
        asks, due = False, session.must_look
    if asks or due or (session.condstore and session.selected.has_run_ahead):
        told = await news(session, expunge=row.expunge_allowed, files=asks)
    else:
        told = await known_news(session, expunge=row.expunge_allowed)
    if told:
        session.connection.write(b"".join(told))
    if session.notifier is not None:
        await fetch_arrived(session)


def _with_modseq(session: ImapSession, completion: Completion) -> Completion:
    code = session.view.end_of_command() if session.view is not None else b""
    if not code or not session.condstore:
        return completion
    if not completion.code:
        return replace(completion, code=code)
    session.connection.write(response.ok("Highest", code))
    return completion


def _failure(session: ImapSession, name: str, error: Exception) -> Completion:
    """What the client is told of an error; what it was is in the log."""
    account = session.account.address if session.account is not None else ""
    match error:
        case MailError():
            log.info("command_failed", command=name, account=account, error=str(error) or type(error).__name__)
            return completion_for(error)
        case BadSyntax():
            return Completion(error.status, error.code, str(error))
        case psycopg.Error():
            log.warning("database_unavailable", command=name, error=str(error).strip())
            return UNAVAILABLE
        case OSError():
            log.error("store_failed", command=name, account=account, error=str(error))
            return UNAVAILABLE
        case _:
            log.exception("command_crashed", command=name, account=account)
            return INTERNAL
