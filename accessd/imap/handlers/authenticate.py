"""LOGIN and AUTHENTICATE (RFC 3501 section 6.2, SASL-IR of RFC 4959); the mechanisms are those of mailcore.sasl."""

from __future__ import annotations

import binascii
from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.capabilities import capabilities_of, mechanisms_of
from accessd.imap.command import Authenticate, Login
from accessd.imap.grammar.command_args import decode_base64
from accessd.imap.reading import read_line
from accessd.imap.response import Completion, Response
from accessd.imap.transitions import log_in
from mailcore.directory import sasl_login
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import MailError, reason_of
from mailcore.mailbox.account import ensure_account
from mailcore.maillog.event import AuthFailed, AuthOk
from mailcore.sasl.conversation import SaslCancelled, SaslSyntaxError
from mailcore.sasl.mechanisms import MECHANISMS

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

PRIVACY_REQUIRED = Completion("NO", b"PRIVACYREQUIRED", "Use STARTTLS first")


async def login(session: ImapSession, command: Login) -> AsyncGenerator[Response, None]:
    """LOGIN."""
    if not session.plaintext_allowed:
        yield PRIVACY_REQUIRED
        return
    check = session.context.authenticator.check
    try:
        account = await check(command.user, command.password, protocol="imap", client_ip=session.connection.peer)
    except MailError as error:
        _failed(session, error, command.user, "LOGIN")
        raise
    yield await _become(session, account, "LOGIN")


async def authenticate(session: ImapSession, command: Authenticate) -> AsyncGenerator[Response, None]:
    """AUTHENTICATE by a mechanism that CAPABILITY names."""
    if command.mechanism not in mechanisms_of(session):
        unknown = command.mechanism not in MECHANISMS or session.plaintext_allowed
        yield Completion("NO", b"CANNOT", "Mechanism not supported") if unknown else PRIVACY_REQUIRED
        return
    connection = session.connection
    exchange = partial(_exchange, session)
    attempt = sasl_login.Attempt(command.mechanism, "imap", connection.peer, exchange, connection.end_point)
    try:
        account = await sasl_login.log_in(session.context.authenticator, attempt, command.initial)
    except SaslCancelled:
        yield Completion("BAD", text="AUTHENTICATE cancelled")
    except SaslSyntaxError as error:
        yield Completion("BAD", text=f"Not a {command.mechanism} response: {error}")
    except MailError as error:
        _failed(session, error, attempt.login, command.mechanism)
        raise
    else:
        yield await _become(session, account, command.mechanism)


async def _exchange(session: ImapSession, challenge: bytes) -> bytes:
    session.connection.write(response.continuation(binascii.b2a_base64(challenge, newline=False)))
    await session.connection.drain()
    line = await read_line(session)
    if line == b"*":
        raise SaslCancelled("by the client")
    return decode_base64(line)


def _failed(session: ImapSession, error: MailError, login: str, mechanism: str) -> None:
    session.context.recorder.record(
        AuthFailed(
            client_address=session.connection.peer,
            login=login,
            protocol="imap",
            reason=reason_of(error),
            mechanism=mechanism,
        )
    )


async def _become(session: ImapSession, account: AccountRecord, mechanism: str) -> Completion:
    context = session.context
    if not context.recent_logins.has(account.ref.id):
        await context.offload(ensure_account, session.storage, account.ref)
        context.recent_logins.note(account.ref.id)
    log_in(session, account)
    context.recorder.record(
        AuthOk(client_address=session.connection.peer, account=account.address, protocol="imap", mechanism=mechanism)
    )
    return Completion(code=capabilities_of(session), text="Logged in")
