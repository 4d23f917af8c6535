"""RETR and TOP (RFC 1939 sections 5 and 7): messages out, at the speed of the disk, in bounded memory.

Clients take messages in order: small ones are read ahead with one query, up to AHEAD_BYTES of a session. Large ones are
streamed a block at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accessd.pop3 import maildrop as maildrops
from accessd.pop3 import response
from accessd.pop3.command import Command, parse_number
from accessd.pop3.transaction import BAD_NUMBER, addressed
from mailcore.errors import MessageGone
from mailcore.index.records import FlagRow

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

# Messages up to this size are read whole, and ahead; larger ones are streamed.
WHOLE_BYTES = 128 * 1024
AHEAD_BYTES = 256 * 1024
AHEAD_MESSAGES = 50


async def top(session: Pop3Session, command: Command) -> None:
    """TOP: the header and some lines of the body."""
    lines = parse_number(command.arguments[1])
    if lines is None:
        session.connection.write(BAD_NUMBER)
        return
    if found := addressed(session, command.arguments[0]):
        context = session.context
        text = await context.offload(maildrops.read_top, context.storage, session.maildrop, found[1].uid, lines)
        session.connection.write(response.positive() + text)
        await session.connection.drain()


async def retr(session: Pop3Session, command: Command) -> None:
    """RETR: whole if small, else streamed a block at a time, so that memory does not depend on the size."""
    found = addressed(session, command.arguments[0])
    if found is None:
        return
    number, row = found
    if row.size <= WHOLE_BYTES:
        await _send_whole(session, number, row)
    else:
        await _stream(session, row)
    session.maildrop.retrieved.add(number)
    session.last_retrieved = number
    await session.connection.drain()


async def _send_whole(session: Pop3Session, number: int, row: FlagRow) -> None:
    text = session.ahead.pop(number, None)
    if text is None:
        wanted = _wanted_with(session, number)
        session.ahead.clear()
        context = session.context
        uids = [session.maildrop.rows[each - 1].uid for each in wanted]
        ready = await context.offload(maildrops.read_ready, context.storage, session.maildrop, uids)
        session.ahead.update((each, ready[uid]) for each, uid in zip(wanted, uids, strict=True) if uid in ready)
        text = session.ahead.pop(number, None)
    if text is None:
        raise MessageGone(f"uid {row.uid}")
    session.connection.write(text)


def _wanted_with(session: Pop3Session, number: int) -> list[int]:
    """`number`, and when the client takes messages in order, those it will ask for next."""
    wanted = [number]
    if number != session.last_retrieved + 1:
        return wanted
    left = AHEAD_BYTES - session.maildrop.rows[number - 1].size
    for following in range(number + 1, min(number + AHEAD_MESSAGES, len(session.maildrop.rows) + 1)):
        row = session.maildrop.message(following)
        if row is None:
            continue
        left -= row.size
        if left < 0 or row.size > WHOLE_BYTES:
            break
        wanted.append(following)
    return wanted


async def _stream(session: Pop3Session, row: FlagRow) -> None:
    context, connection = session.context, session.connection
    message = await context.offload(maildrops.open_message, context.storage, session.maildrop, row.uid)
    try:
        connection.write(response.positive(f"{row.size} octets"))
        chunks, stuffer = message.chunks(), response.Stuffer()
        while (chunk := await context.offload.plain(next, chunks, None)) is not None:
            connection.write(stuffer.feed(chunk))
            await connection.drain()
        connection.write(stuffer.finish())
    except OSError as error:
        # There is no way to say -ERR any more: only a broken connection tells the client that this is not
        # all.
        raise ConnectionAbortedError(f"uid {row.uid} could not be read to its end") from error
    finally:
        message.close()
