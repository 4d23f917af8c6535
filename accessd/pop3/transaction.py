"""The commands of the TRANSACTION state but those that send messages (RFC 1939 sections 5 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from accessd.pop3 import response
from accessd.pop3.command import Command, parse_number
from mailcore.index.records import FlagRow

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

# Lines of a listing written before we look whether the client keeps up.
LISTING_BLOCK = 2_000

BAD_NUMBER = response.negative("That is no number")
_NO_MESSAGE = response.negative("No such message")


async def stat(session: Pop3Session, _command: Command) -> None:
    """STAT."""
    count, size = session.maildrop.count_and_size
    session.connection.write(response.positive(f"{count} {size}"))


async def noop(session: Pop3Session, _command: Command) -> None:
    """NOOP."""
    session.connection.write(response.positive())


async def rset(session: Pop3Session, _command: Command) -> None:
    """RSET: nothing is marked any more."""
    session.maildrop.deleted.clear()
    session.connection.write(response.positive(f"{len(session.maildrop.rows)} messages"))


async def list_(session: Pop3Session, command: Command) -> None:
    """LIST: sizes of all messages, or of one."""
    await _answer_about(session, command, lambda row: str(row.size))


async def uidl(session: Pop3Session, command: Command) -> None:
    """UIDL: unique ids of all messages, or of one."""
    await _answer_about(session, command, session.maildrop.unique_id)


async def _answer_about(session: Pop3Session, command: Command, tell: Callable[[FlagRow], str]) -> None:
    connection = session.connection
    if command.arguments:
        if found := addressed(session, command.arguments[0]):
            connection.write(response.positive(f"{found[0]} {tell(found[1])}"))
        return
    count, size = session.maildrop.count_and_size
    connection.write(response.positive(f"{count} messages, {size} octets"))
    messages = session.maildrop.remaining()
    while block := list(islice(messages, LISTING_BLOCK)):
        connection.write(response.listing(f"{number} {tell(row)}" for number, row in block))
        await connection.drain()
    connection.write(response.END)


async def dele(session: Pop3Session, command: Command) -> None:
    """DELE: mark; QUIT deletes."""
    if found := addressed(session, command.arguments[0]):
        session.maildrop.deleted.add(found[0])
        session.ahead.pop(found[0], None)
        session.connection.write(response.positive("Marked for deletion"))


def addressed(session: Pop3Session, argument: str) -> tuple[int, FlagRow] | None:
    """The message a command names; if there is none, the client is told so."""
    number = parse_number(argument)
    row = session.maildrop.message(number) if number is not None else None
    if number is None or row is None:
        session.connection.write(BAD_NUMBER if number is None else _NO_MESSAGE)
        return None
    return number, row
