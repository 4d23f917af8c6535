"""The commands of the AUTHORIZATION state: STLS (RFC 2595), UTF8 (RFC 6856), USER and PASS, AUTH (RFC 5034).

APOP is not offered: it needs passwords kept in the clear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accessd.pop3 import response
from accessd.pop3.authentication import authenticate, mechanisms
from accessd.pop3.command import Command
from accessd.pop3.login import log_in
from mailcore.sasl.mechanisms import MECHANISMS

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

_NEEDS_TLS = response.negative("Passwords are only taken after STLS", "AUTH")


async def stls(session: Pop3Session, _command: Command) -> None:
    """STLS (RFC 2595 section 4): what was said before the handshake is forgotten. Not after UTF8 (RFC 6856)."""
    if session.utf8:
        session.connection.write(response.negative("STLS comes before UTF8"))
        return
    if not session.connection.may_start_tls:
        session.connection.write(response.negative("TLS is not available"))
        return
    session.connection.write(response.positive("Begin TLS now"))
    session.engine.discard()
    session.user = ""
    await session.connection.start_tls()


async def utf8(session: Pop3Session, _command: Command) -> None:
    """UTF8 (RFC 6856 section 2.1): from now on all text is UTF-8, and what is not is refused."""
    session.utf8 = True
    session.connection.write(response.positive("UTF-8 it is"))


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
    await log_in(session, name, command.text, mechanism="USER")


async def auth(session: Pop3Session, command: Command) -> None:
    """AUTH with a mechanism and perhaps its initial response; alone it lists the mechanisms (RFC 5034)."""
    session.user = ""
    offers = mechanisms(session)
    if not command.arguments:
        session.connection.write(response.positive("Mechanisms follow") + response.listing(offers) + response.END)
        return
    name, *initial = command.arguments
    if name.upper() in offers:
        await authenticate(session, name.upper(), initial[0] if initial else None)
    elif name.upper() in MECHANISMS and not session.may_send_password:
        session.connection.write(_NEEDS_TLS)
    else:
        session.connection.write(response.negative("That mechanism is not offered"))
