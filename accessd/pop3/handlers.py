"""The POP3 commands. State and number of arguments were checked by the table at the end; each handler
answers.

RFC 1939 (all but APOP), RFC 2449 (CAPA, PIPELINING, RESP-CODES), RFC 2595 (STLS), RFC 5034 (AUTH), RFC 3206.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from accessd.pop3 import maildrop as maildrops
from accessd.pop3 import response
from accessd.pop3.command import Command, parse_number
from accessd.pop3.errors import response_to
from accessd.pop3.state import State
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled, MessageGone
from mailcore.index.records import FlagRow
from mailcore.maillog.event import AuthFailed, AuthOk

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

MAX_FAILED_LOGINS = 5
# Lines of a listing written before we look whether the client keeps up.
LISTING_BLOCK = 2_000
# Messages up to this size are read whole, and ahead; larger ones are streamed.
WHOLE_BYTES = 128 * 1024
AHEAD_BYTES = 256 * 1024
AHEAD_MESSAGES = 50

_NEEDS_TLS = response.negative("Passwords are only taken after STLS", "AUTH")
_NO_MESSAGE = response.negative("No such message")
_BAD_NUMBER = response.negative("That is no number")


# Any state.


async def capa(session: Pop3Session, _command: Command) -> None:
    """CAPA (RFC 2449 section 5)."""
    lines = ["TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER"]
    if session.state is State.AUTHORIZATION and session.connection.may_start_tls:
        lines.append("STLS")
    if session.may_send_password:
        lines += ["USER", "SASL PLAIN"]
    lines.append("IMPLEMENTATION Mailkeep")
    session.connection.write(response.positive("Capabilities follow") + response.listing(lines) + response.END)


async def quit_(session: Pop3Session, _command: Command) -> None:
    """QUIT: the UPDATE state, if there was a TRANSACTION (section 6)."""
    session.end()
    if session.account is None:
        session.connection.write(response.positive("Bye"))
        return
    drop = session.maildrop
    changed = await session.context.offload(maildrops.finish, session.context.storage, drop)
    await session.give_back()
    if changed:
        session.context.hub.announce([drop.mailbox.id])
    session.connection.write(response.positive("Bye"))


# AUTHORIZATION.


async def stls(session: Pop3Session, _command: Command) -> None:
    """STLS (RFC 2595 section 4): what was said before the handshake is forgotten."""
    if not session.connection.may_start_tls:
        session.connection.write(response.negative("TLS is not available"))
        return
    session.connection.write(response.positive("Begin TLS now"))
    session.engine.discard()
    session.user = ""
    await session.connection.start_tls()


async def user(session: Pop3Session, command: Command) -> None:
    """USER: every name is welcome, so that nobody learns which exist."""
    if not session.may_send_password:
        session.connection.write(_NEEDS_TLS)
        return
    session.user = command.text.strip()
    session.connection.write(response.positive("Now the password"))


async def pass_(session: Pop3Session, command: Command) -> None:
    """PASS: the rest of the line, spaces and all (section 7)."""
    if not session.user:
        session.connection.write(response.negative("USER comes first"))
        return
    name, session.user = session.user, ""
    await _log_in(session, name, command.text, mechanism="USER")


async def auth(session: Pop3Session, command: Command) -> None:
    """AUTH PLAIN with or without an initial response; AUTH alone lists the mechanisms (RFC 5034, RFC
    4616)."""
    if not command.arguments:
        names = ["PLAIN"] if session.may_send_password else []
        session.connection.write(response.positive("Mechanisms follow") + response.listing(names) + response.END)
    elif command.arguments[0].upper() != "PLAIN":
        session.connection.write(response.negative("That mechanism is not offered", "AUTH"))
    elif not session.may_send_password:
        session.connection.write(_NEEDS_TLS)
    else:
        await _auth_plain(session, command.arguments[1:])


async def _auth_plain(session: Pop3Session, initial: tuple[str, ...]) -> None:
    if initial:
        encoded: bytes | None = b"" if initial[0] == "=" else initial[0].encode()
    else:
        session.connection.write(response.challenge())
        encoded = await session.next_line()
    if encoded is None:
        session.end()
        return
    name, password = _plain_credentials(encoded) or ("", "")
    if not name:
        cancelled = encoded.strip() == b"*"
        text = "Cancelled" if cancelled else "That is no PLAIN response"
        session.connection.write(response.negative(text))
        return
    await _log_in(session, name, password, mechanism="PLAIN")


def _plain_credentials(encoded: bytes) -> tuple[str, str] | None:
    """(authentication identity, password) of RFC 4616 section 2; nobody may act for somebody else."""
    try:
        identity, name, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").split("\0")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if identity in ("", name) else None


async def _log_in(session: Pop3Session, name: str, password: str, *, mechanism: str) -> None:
    """Check the password, then take the lock: without both there is no TRANSACTION."""
    context, peer = session.context, session.connection.peer
    try:
        account = await context.authenticator.check(name, password, protocol="pop3", client_ip=peer)
    except (AuthenticationFailed, AuthenticationThrottled) as error:
        context.recorder.record(
            AuthFailed(
                session_id=session.id, client_address=peer, login=name[:255], protocol="pop3", mechanism=mechanism
            )
        )
        session.connection.write(response_to(error))
        session.failed_logins += 1
        if session.failed_logins >= MAX_FAILED_LOGINS:
            session.end()
        return
    drop = await context.offload(maildrops.open_maildrop, context.storage, account.ref)
    session.enter_transaction(account, drop)
    context.recorder.record(
        AuthOk(
            session_id=session.id,
            client_address=peer,
            account=account.address,
            protocol="pop3",
            mechanism=mechanism,
        )
    )
    count, size = drop.count_and_size
    session.connection.write(response.positive(f"{count} messages, {size} octets"))


# TRANSACTION.


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
        if found := _addressed(session, command.arguments[0]):
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
    if found := _addressed(session, command.arguments[0]):
        session.maildrop.deleted.add(found[0])
        session.ahead.pop(found[0], None)
        session.connection.write(response.positive("Marked for deletion"))


async def top(session: Pop3Session, command: Command) -> None:
    """TOP: the header and some lines of the body."""
    lines = parse_number(command.arguments[1])
    if lines is None:
        session.connection.write(_BAD_NUMBER)
        return
    if found := _addressed(session, command.arguments[0]):
        context = session.context
        text = await context.offload(maildrops.read_top, context.storage, session.maildrop, found[1].uid, lines)
        session.connection.write(response.positive() + text)
        await session.connection.drain()


async def retr(session: Pop3Session, command: Command) -> None:
    """RETR: whole if small, else streamed a block at a time, so that memory does not depend on the size."""
    found = _addressed(session, command.arguments[0])
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


def _addressed(session: Pop3Session, argument: str) -> tuple[int, FlagRow] | None:
    """The message a command names; if there is none, the client is told so."""
    number = parse_number(argument)
    row = session.maildrop.message(number) if number is not None else None
    if number is None or row is None:
        session.connection.write(_BAD_NUMBER if number is None else _NO_MESSAGE)
        return None
    return number, row


Handler = Callable[["Pop3Session", Command], Coroutine[Any, Any, None]]

_ANYWHERE = (State.AUTHORIZATION, State.TRANSACTION)
_BEFORE = (State.AUTHORIZATION,)
_AFTER = (State.TRANSACTION,)


@dataclass(frozen=True, slots=True)
class Row:
    """A command: who handles it, in which states, with how many arguments (None: its text is its own
    matter)."""

    handler: Handler
    states: tuple[State, ...]
    arguments: tuple[int, ...] | None = (0,)


COMMANDS: dict[str, Row] = {
    "CAPA": Row(capa, _ANYWHERE),
    "QUIT": Row(quit_, _ANYWHERE),
    "STLS": Row(stls, _BEFORE),
    "USER": Row(user, _BEFORE, (1,)),
    "PASS": Row(pass_, _BEFORE, None),
    "AUTH": Row(auth, _BEFORE, (0, 1, 2)),
    "STAT": Row(stat, _AFTER),
    "LIST": Row(list_, _AFTER, (0, 1)),
    "UIDL": Row(uidl, _AFTER, (0, 1)),
    "RETR": Row(retr, _AFTER, (1,)),
    "TOP": Row(top, _AFTER, (2,)),
    "DELE": Row(dele, _AFTER, (1,)),
    "RSET": Row(rset, _AFTER),
    "NOOP": Row(noop, _AFTER),
}
