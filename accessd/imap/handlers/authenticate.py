"""LOGIN and AUTHENTICATE PLAIN (RFC 3501 section 6.2, RFC 4616, SASL-IR of RFC 4959)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Authenticate, Login
from accessd.imap.grammar.command_args import decode_base64
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.response import Completion, Response
from mailcore.errors import AuthenticationFailed, MailError
from mailcore.mailbox.account import ensure_account
from mailcore.maillog.event import AuthFailed, AuthOk

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

PRIVACY_REQUIRED = Completion("NO", b"PRIVACYREQUIRED", "Use STARTTLS first")


async def login(session: ImapSession, command: Login) -> AsyncGenerator[Response, None]:
    """LOGIN."""
    if not session.plaintext_allowed:
        yield PRIVACY_REQUIRED
        return
    yield await _become(session, command.user, command.password, "LOGIN")


async def authenticate(session: ImapSession, command: Authenticate) -> AsyncGenerator[Response, None]:
    """AUTHENTICATE PLAIN."""
    if command.mechanism != "PLAIN":
        yield Completion("NO", b"CANNOT", "Mechanism not supported")
        return
    if not session.plaintext_allowed:
        yield PRIVACY_REQUIRED
        return
    message = command.initial
    if message is None:
        yield response.continuation(b"")
        line = await session.read_line()
        if line == b"*":
            yield Completion("BAD", text="AUTHENTICATE cancelled")
            return
        message = decode_base64(line)
    user, password = _plain(message)
    yield await _become(session, user, password, "PLAIN")


def _plain(message: bytes) -> tuple[str, str]:
    """authzid NUL authcid NUL passwd; nobody may act for another."""
    parts = message.split(b"\0")
    if len(parts) != 3:
        raise BadSyntax("Not a PLAIN message")
    try:
        authzid, user, password = (part.decode("utf-8") for part in parts)
    except UnicodeDecodeError:
        raise BadSyntax("Not UTF-8") from None
    if authzid and authzid.lower() != user.lower():
        raise AuthenticationFailed("authorization identity differs")
    return user, password


async def _become(session: ImapSession, user: str, password: str, mechanism: str) -> Completion:
    context, client = session.context, session.connection.peer
    try:
        account = await context.authenticator.check(user, password, protocol="imap", client_ip=client)
    except MailError as error:
        context.recorder.record(
            AuthFailed(
                client_address=client, login=user, protocol="imap", reason=type(error).__name__, mechanism=mechanism
            )
        )
        raise
    if not context.recent_logins.has(account.ref.id):
        await context.offload(ensure_account, session.storage, account.ref)
        context.recent_logins.note(account.ref.id)
    session.log_in(account)
    context.recorder.record(
        AuthOk(client_address=client, account=account.address, protocol="imap", mechanism=mechanism)
    )
    return Completion(code=session.capabilities(), text="Logged in")
