"""From credentials to an open maildrop: the password, then the limits, then the lock; without all no TRANSACTION.

`log_in` is for mechanisms that send a password; any other proves itself and calls `welcome` or `refuse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accessd.pop3 import maildrop as maildrops
from accessd.pop3 import response
from accessd.pop3.errors import response_to
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled, MailError, reason_of
from mailcore.maillog.event import AuthFailed, AuthOk

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

MAX_FAILED_LOGINS = 5


async def log_in(session: Pop3Session, name: str, password: str, *, mechanism: str) -> None:
    """Check a password and answer. Raises DirectoryUnavailable and what `welcome` raises."""
    peer = session.connection.peer
    try:
        account = await session.context.authenticator.check(name, password, protocol="pop3", client_ip=peer)
    except (AuthenticationFailed, AuthenticationThrottled) as error:
        refuse(session, error, name, mechanism=mechanism)
        return
    await welcome(session, account, mechanism=mechanism)


def refuse(session: Pop3Session, error: MailError, name: str, *, mechanism: str) -> None:
    """Record and answer a failure; who has failed MAX_FAILED_LOGINS times is turned away."""
    session.context.recorder.record(
        AuthFailed(
            session_id=session.id,
            client_address=session.connection.peer,
            login=name[:255],
            protocol="pop3",
            reason=reason_of(error),
            mechanism=mechanism,
        )
    )
    session.connection.write(response_to(error))
    session.failed_logins += 1
    if session.failed_logins >= MAX_FAILED_LOGINS:
        session.end()


async def welcome(session: Pop3Session, account: AccountRecord, *, mechanism: str) -> None:
    """The client is `account`: open its maildrop.

    Raises TooManyConnections, MailboxInUse, LoginTooSoon, StoreUnavailable; then the client is nobody still.
    """
    context, connection = session.context, session.connection
    context.limits.log_in(connection, account)
    delay_s = context.config.current().login_delay
    try:
        drop = await context.offload(maildrops.open_maildrop, context.storage, account.ref, login_delay_s=delay_s)
    except BaseException:
        context.limits.log_out(connection)
        raise
    session.enter_transaction(account, drop)
    context.recorder.record(
        AuthOk(
            session_id=session.id,
            client_address=connection.peer,
            account=account.address,
            protocol="pop3",
            mechanism=mechanism,
        )
    )
    count, size = drop.count_and_size
    connection.write(response.positive(f"{count} messages, {size} octets"))
