"""AUTH of POP3 by every mechanism of mailcore.sasl (RFC 5034): the octets of the exchange are here, the rest is shared.

A response is one line of base64, "*" gives up, and "=" as the initial response is an empty one. -PLUS is not offered:
mutt chooses it, cannot do it, and takes the answer to its "*" for that to its next command.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from accessd.pop3 import response
from accessd.pop3.login import refuse, welcome
from mailcore.directory import sasl_login
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled
from mailcore.sasl.conversation import SaslCancelled, SaslSyntaxError
from mailcore.sasl.mechanisms import offered

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session


def mechanisms(session: Pop3Session) -> tuple[str, ...]:
    """Those offered on this connection now."""
    return offered(secure=session.may_send_password, oauth=bool(session.context.config.current().oauth_issuers))


async def authenticate(session: Pop3Session, mechanism: str, initial: str | None) -> None:
    """Lead the exchange of an offered mechanism, named in capitals, and answer. Raises what `welcome` raises."""

    async def exchange(challenge: bytes) -> bytes:
        session.connection.write(response.challenge(base64.b64encode(challenge).decode()))
        line = await session.next_line()
        if line is None:
            session.end()
            raise SaslCancelled("the client is gone")
        return decode(line)

    connection = session.connection
    attempt = sasl_login.Attempt(mechanism, "pop3", connection.peer, exchange)
    try:
        first = None if initial is None else decode(b"" if initial == "=" else initial.encode())
        account = await sasl_login.log_in(session.context.authenticator, attempt, first)
    except SaslCancelled:
        connection.write(response.negative("Cancelled"))
        return
    except SaslSyntaxError:
        connection.write(response.negative(f"That is no {mechanism} response"))
        return
    except (AuthenticationFailed, AuthenticationThrottled) as error:
        refuse(session, error, attempt.login, mechanism=mechanism)
        return
    await welcome(session, account, mechanism=mechanism)


def decode(line: bytes) -> bytes:
    """A response without its base64. Raises SaslCancelled, SaslSyntaxError."""
    if line.strip() == b"*":
        raise SaslCancelled("by the client")
    try:
        return base64.b64decode(line.strip(), validate=True)
    except binascii.Error as error:
        raise SaslSyntaxError("not base64") from error
