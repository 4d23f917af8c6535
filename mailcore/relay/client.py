"""The SMTP client's side of the dialogue (RFC 5321), sans-IO: greeting, EHLO, STARTTLS, AUTH, QUIT.

A dialogue is a generator of steps: it yields what is to be done (Send, Receive, StartTls, SendContent) and is sent the
reply where there is one. mailcore.relay.connection performs the steps on a socket; a test performs them on a script.
What lies between, one transaction for each message, is in mailcore.relay.transaction.

Promises: nothing that arrived before the TLS handshake is believed after it (the caller drops it, the capabilities are
asked for anew); no password leaves without TLS unless TLS was switched off by name.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field

from mailcore.relay.capabilities import Capabilities, parse_ehlo
from mailcore.relay.errors import SessionRefused
from mailcore.relay.outgoing import OutgoingMail
from mailcore.relay.replies import failure, temporary
from mailcore.relay.steps import COMMAND_S, GREETING_S, Answer, Dialogue, Send, StartTls, receive
from mailcore.relay.transaction import Transaction
from mailcore.reply import Reply


@dataclass(frozen=True, slots=True)
class Credentials:
    """Name and password for AUTH."""

    username: str
    password: str = field(repr=False)


class Client:
    """One session: `open` it, any number of transactions, `quit`."""

    def __init__(self, hello_name: str, tls_level: str, credentials: Credentials | None = None) -> None:
        self.capabilities = Capabilities()
        self.usable = False
        self.tls_active = False
        self._hello_name = hello_name
        self._tls_level = tls_level
        self._credentials = credentials
        self._needs_reset = False

    def open(self) -> Dialogue:
        """Greeting, EHLO, STARTTLS and AUTH as far as wanted. Raises SessionRefused."""
        self.tls_active = self._tls_level == "implicit"
        greeting = yield from receive(GREETING_S, "the connection")
        if greeting.code != 220:
            raise SessionRefused(failure(greeting))
        yield from self._hello()
        if not self.tls_active:
            yield from self._secure()
        if self._credentials is not None:
            yield from self._authenticate(self._credentials)
        self.usable = True

    def transaction(self, mail: OutgoingMail) -> Transaction:
        """A transaction to be run with `steps`."""
        return Transaction(self, mail)

    def quit(self) -> Dialogue:
        """The polite end. Nobody waits for the answer: it could not change anything."""
        self.usable = False
        yield Send(b"QUIT\r\n")

    def _hello(self) -> Dialogue:
        name = self._hello_name.encode("ascii", errors="replace")
        yield Send(b"EHLO " + name + b"\r\n")
        reply = yield from receive(COMMAND_S, "EHLO")
        if reply.code == 250:
            self.capabilities = parse_ehlo(reply)
            return
        self.capabilities = Capabilities()
        if not reply.is_permanent:
            raise SessionRefused(failure(reply))
        yield Send(b"HELO " + name + b"\r\n")
        reply = yield from receive(COMMAND_S, "HELO")
        if reply.code != 250:
            raise SessionRefused(failure(reply))

    def _secure(self) -> Dialogue:
        required = self._tls_level in ("encrypt", "verify")
        if self._tls_level == "none" or not (self.capabilities.starttls or required):
            return
        if not self.capabilities.starttls:
            raise SessionRefused(Reply(451, "4.7.4", "TLS is required, but was not offered by the server"))
        yield Send(b"STARTTLS\r\n")
        reply = yield from receive(COMMAND_S, "STARTTLS")
        if reply.code == 220:
            yield StartTls()
            self.tls_active = True
            yield from self._hello()
        elif required or reply.code == 421:
            raise SessionRefused(temporary(reply))

    def _authenticate(self, credentials: Credentials) -> Dialogue:
        if not self.tls_active and self._tls_level != "none":
            raise SessionRefused(Reply(451, "4.7.11", "the password is not sent without TLS"))
        if "PLAIN" in self.capabilities.auth:
            reply = yield from self._auth_plain(credentials)
        elif "LOGIN" in self.capabilities.auth:
            reply = yield from self._auth_login(credentials)
        else:
            raise SessionRefused(
                Reply(451, "4.7.4", "authentication is required, but PLAIN and LOGIN were not offered")
            )
        if reply.code != 235:
            # A wrong password is our mistake and not the message's: it waits until somebody has corrected it.
            raise SessionRefused(temporary(reply))

    def _auth_plain(self, credentials: Credentials) -> Answer:
        secret = f"\0{credentials.username}\0{credentials.password}".encode()
        yield Send(b"AUTH PLAIN " + base64.b64encode(secret) + b"\r\n")
        return (yield from receive(COMMAND_S, "AUTH PLAIN"))

    def _auth_login(self, credentials: Credentials) -> Answer:
        yield Send(b"AUTH LOGIN\r\n")
        reply = yield from receive(COMMAND_S, "AUTH LOGIN")
        for secret in (credentials.username, credentials.password):
            if reply.code != 334:
                return reply
            yield Send(base64.b64encode(secret.encode()) + b"\r\n")
            reply = yield from receive(COMMAND_S, "AUTH LOGIN")
        return reply

    def take_reset(self) -> bytes:
        """RSET, if the last transaction was left unfinished."""
        return b"RSET\r\n" if self._needs_reset else b""

    def finished(self, *, cleanly: bool) -> None:
        """A transaction ended; cleanly: the server has forgotten it by itself."""
        self._needs_reset = not cleanly

    def note(self, reply: Reply) -> None:
        """421 at any time: the server is closing the connection (RFC 5321 section 3.8)."""
        if reply.code == 421:
            self.usable = False
