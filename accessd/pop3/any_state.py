"""The commands of every state: CAPA (RFC 2449 section 5), LANG (RFC 6856 section 3), QUIT (RFC 1939 sections 4 and 6).

CAPA never promises more than holds now: STLS only before TLS and login, passwords only where they are taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accessd.pop3 import maildrop as maildrops
from accessd.pop3 import response
from accessd.pop3.authentication import mechanisms
from accessd.pop3.command import Command
from accessd.pop3.state import State

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

# The language of our texts; i-default is what everybody is meant to understand (RFC 2277 section 4.5): the same.
LANGUAGE = "en"
_LANGUAGES = ("en", "i-default")
_ALWAYS = ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER", "UTF8 USER", "LANG")


async def capa(session: Pop3Session, _command: Command) -> None:
    """CAPA."""
    lines = list(_ALWAYS)
    if delay := session.context.config.current().login_delay:
        lines.append(f"LOGIN-DELAY {delay}")
    if session.state is State.AUTHORIZATION and session.connection.may_start_tls and not session.utf8:
        lines.append("STLS")
    if session.may_send_password:
        lines += ["USER", f"SASL {' '.join(mechanisms(session))}"]
    lines.append("IMPLEMENTATION Mailkeep")
    session.connection.write(response.positive("Capabilities follow") + response.listing(lines) + response.END)


async def lang(session: Pop3Session, command: Command) -> None:
    """LANG: without an argument all languages, else choose one; "*" is the server's own."""
    if not command.arguments:
        listing = response.listing(f"{tag} English" for tag in _LANGUAGES)
        session.connection.write(response.positive("Language listing follows") + listing + response.END)
    elif tag := _language(command.arguments[0].lower()):
        session.connection.write(response.positive(f"{tag} Language changed to English"))
    else:
        session.connection.write(response.negative("That language is not spoken here"))


def _language(wanted: str) -> str:
    """The tag that a language range means, "" for none: "en-GB" is looked up as "en" (RFC 4647 section 3.4)."""
    if wanted == "*":
        return LANGUAGE
    while wanted and wanted not in _LANGUAGES:
        wanted = wanted.rpartition("-")[0]
    return wanted


async def quit_(session: Pop3Session, _command: Command) -> None:
    """QUIT: the UPDATE state, if there was a TRANSACTION."""
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
