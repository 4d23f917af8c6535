"""The commands of the AUTHORIZATION state: STLS (RFC 2595), UTF8 (RFC 6856), USER and PASS, AUTH (RFC 5034).

APOP is not offered: it needs passwords kept in the clear.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from accessd.pop3 import response
from accessd.pop3.command import Command
from accessd.pop3.login import log_in

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
    """AUTH PLAIN with or without an initial response; AUTH alone lists the mechanisms (RFC 5034, RFC 4616)."""
    session.user = ""
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
    await log_in(session, name, password, mechanism="PLAIN")


def _plain_credentials(encoded: bytes) -> tuple[str, str] | None:
    """(authentication identity, password) of RFC 4616 section 2; nobody may act for somebody else."""
    try:
        identity, name, password = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").split("\0")
    except (binascii.Error, ValueError):
        return None
    return (name, password) if identity in ("", name) else None
