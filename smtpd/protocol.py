"""The SMTP dialogue of one connection, as a subclass of aiosmtpd's SMTP (RFC 5321, RFC 2920, RFC 3030, RFC 4954).

aiosmtpd gives the shape: one method smtp_X for each command, the handler behind them. Its defects in 1.4.6 that the
methods here stand in for, each with a test: size limits of commands shared by all connections, DATA line by line into
memory, a synchronous password check, a second STARTTLS, plain text kept over the handshake, commands sent before
their turn, command lines ending in a bare LF.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailcore.directory.sasl_login import Attempt
from mailcore.log import get_logger
from mailcore.policy.decision import Decision
from mailcore.proxied import Origin
from mailcore.reply import Reply
from mailcore.sasl.conversation import SaslSyntaxError
from mailcore.smtp.command import CommandError, parse_mail, parse_rcpt
from mailcore.smtp.data import ChunkReader
from smtpd import auth, replies
from smtpd.client import Client, client_from, client_of, tls_of
from smtpd.content import ContentStream
from smtpd.handler import Handler
from smtpd.stream import AUTH_LINE_LIMIT, COMMAND_LINE_LIMIT, BareNewline, Gone, LineTooLong
from smtpd.transaction import Transaction

ERROR_LIMIT = 20  # Postfix: smtpd_hard_error_limit
MOST_IN_A_ROW = 64
FORBIDDEN = frozenset({b"CONNECT", b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS"})  # a browser was led astray

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Verb:
    """A command: its method, its syntax for HELP, and whether nothing may follow it in a group (RFC 2920 3.1)."""

    run: Callable[[SMTPProtocol, str], Awaitable[None]]
    syntax: str
    ends_group: bool = False


@dataclass(frozen=True, slots=True)
class Entrance:
    """What all connections of one listener share."""

    handler: Handler
    listener: str
    # The TLS context in force for STARTTLS, None where it is not offered.
    tls_context: Callable[[], ssl.SSLContext | None]
    open_protocols: set[SMTPProtocol]
    timeout_s: float = 300.0


class SMTPProtocol(ContentStream):
    """One connection; with an `origin` it came through a balancer."""

    def __init__(self, entrance: Entrance, loop: asyncio.AbstractEventLoop, origin: Origin | None = None) -> None:
        super().__init__(loop, entrance.timeout_s)
        self._entrance = entrance
        self._origin = origin
        self._handler = entrance.handler
        self._client: Client
        self._transaction: Transaction | None = None
        self._chunks: ChunkReader | None = None
        self._errors = 0
        self._in_a_row = 0
        self._is_closing = False
        self._is_stopping = False

    # The session.

    async def _handle_client(self) -> None:
        """From greeting to goodbye."""
        assert self.transport is not None
        if self._origin is None:
            self._client = client_of(self.transport.get_extra_info("peername"), self._entrance.listener)
        else:
            self._client = client_from(self._origin, self._entrance.listener)
        self._client.tls = tls_of(self.transport.get_extra_info("ssl_object")) or self._client.tls
        self._entrance.open_protocols.add(self)
        try:
            self._greet()
            while not self._is_closing:
                await self._next_command()
                if self._gave_up:
                    self._leave_endless()
                await self._let_others_run()
        except (Gone, ConnectionError, ssl.SSLError, TimeoutError):
            pass
        except Exception:
            log.exception("session_failed", session_id=self._client.session_id)
            self._send(Reply(421, "4.3.0", "Error: internal error"))
        finally:
            self._entrance.open_protocols.discard(self)
            self._close()
            self._handler.disconnected(self._client)
            await self._reset()

    def _greet(self) -> None:
        greeting = self._handler.connected(self._client)
        self._send(greeting)
        if not greeting.is_positive:
            self._is_closing = True
        elif self._buffer:
            self._not_synchronised("CONNECT")

    async def _let_others_run(self) -> None:
        """A client may have sent thousands of commands that need no waiting. The others come in between, and it has to
        take its replies.
        """
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            self._in_a_row = 0
            await self._breathe()

    async def _next_command(self) -> None:
        try:
            line = self._next_line(AUTH_LINE_LIMIT)
        except BareNewline:
            self._bare_newline()
            return
        except LineTooLong:
            self._send(replies.LINE_TOO_LONG)
            return
        if line is None:
            if self._is_stopping:
                self._send(replies.SHUTTING_DOWN)
                self._is_closing = True
                return
            await self._wait_for_data()
            return
        await self._run(line)
        if self._errors > ERROR_LIMIT and not self._is_closing:
            self._send(replies.TOO_MANY_ERRORS)
            self._is_closing = True

    async def _run(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        name = word.upper()
        verb = VERBS.get(name)
        if verb is None:
            self._unknown(name)
            return
        if self._buffer and (verb.ends_group or not self._client.extended) and name not in (b"QUIT", b"STARTTLS"):
            self._not_synchronised(name.decode())
            return
        try:
            argument = rest.decode("utf-8").strip(" ")
        except UnicodeDecodeError:
            self._send(replies.SYNTAX)
            return
        if "\r" in argument or "\0" in argument:
            self._send(replies.SYNTAX)
        elif len(line) > COMMAND_LINE_LIMIT and name != b"AUTH":
            self._send(replies.LINE_TOO_LONG)
        elif self._chunks is not None and name in (b"MAIL", b"RCPT", b"DATA", b"AUTH", b"STARTTLS"):
            self._send(replies.IN_BDAT)
        elif not (self._handler.must_ask_again(self._client) and name != b"QUIT" and await self._has_ended(name)):
            await verb.run(self, argument)

    async def _has_ended(self, name: bytes) -> bool:
        """Is the client not the account any more that it has logged in to? It is told so (RFC 5321 section 3.8)."""
        reply = await self._handler.ended(self._client, name.decode())
        if reply is None or (name == b"BDAT" and reply.code != 421):
            # The octets of a chunk follow whatever we answer; who could not be looked up is with the next command.
            return False
        self._send(reply)
        self._is_closing = reply.code == 421
        return True

    def _unknown(self, name: bytes) -> None:
        if name in FORBIDDEN:
            self._send(replies.NOT_SMTP)
            self._is_closing = True
        else:
            self._send(replies.UNKNOWN_COMMAND)

    def _bare_newline(self) -> None:
        """Hosts do not agree on where such a line ends: the way commands are smuggled past one of them."""
        reply = replies.BARE_NEWLINE
        self._send(self._handler.refused(self._client, "COMMAND", Decision(reply, "bare <LF>", "refuse_bare_newline")))
        self._buffer.clear()
        self._is_closing = True

    def _leave_endless(self) -> None:
        """The reply to what was refused is on its way; the client may not look for it before it has sent all."""
        decision = Decision(replies.SENT_TOO_MUCH, "went on after it was refused", "refuse_endless_content")
        stage = "COMMAND" if self._skipped else "DATA"
        self._send(self._handler.refused(self._client, stage, decision))
        self._buffer.clear()
        self._is_closing = True

    def _not_synchronised(self, stage: str) -> None:
        """The client talks before its turn: what it has sent ahead may be anything, so there is no going on."""
        decision = Decision(replies.NOT_SYNCHRONISED, "sent before its turn", "refuse_unauthorised_pipelining")
        self._send(self._handler.refused(self._client, stage, decision))
        self._buffer.clear()
        self._is_closing = True

    def _send(self, reply: Reply) -> None:
        if reply.code >= 400:
            self._errors += 1
        super()._send(reply)

    async def _reset(self) -> None:
        transaction, self._transaction, self._chunks = self._transaction, None, None
        if transaction is not None:
            await transaction.discard()

    def stop(self) -> None:
        """The server shuts down: say goodbye as soon as the current command is done."""
        self._is_stopping = True
        if self._waiter is not None and self._transaction_is_idle():
            self._wake()

    def _transaction_is_idle(self) -> bool:
        return self._transaction is None or self._transaction.incoming is None

    # Commands. Each sends its reply; the argument has no surrounding blanks.

    async def smtp_HELO(self, argument: str) -> None:
        """HELO"""
        if self._hello(argument, extended=False, syntax="HELO hostname"):
            await self._reset()
            self._send(Reply(250, "", self._handler.snapshot.myhostname))

    async def smtp_EHLO(self, argument: str) -> None:
        """EHLO"""
        if self._hello(argument, extended=True, syntax="EHLO hostname"):
            await self._reset()
            offers_tls = self._entrance.tls_context() is not None
            self._send(self._handler.capabilities(self._client, offers_tls=offers_tls))

    def _hello(self, name: str, *, extended: bool, syntax: str) -> bool:
        if not name or " " in name or not name.isprintable():
            self._send(replies.usage(syntax))
            return False
        self._client.helo = name
        self._client.extended = extended
        self._handler.said_hello(self._client)
        return True

    async def smtp_NOOP(self, argument: str) -> None:
        """NOOP"""
        self._send(replies.OK)

    async def smtp_QUIT(self, argument: str) -> None:
        """QUIT"""
        self._send(replies.usage("QUIT") if argument else replies.BYE)
        self._is_closing = not argument

    async def smtp_RSET(self, argument: str) -> None:
        """RSET"""
        if argument:
            self._send(replies.usage("RSET"))
            return
        await self._reset()
        self._send(replies.OK)

    async def smtp_HELP(self, argument: str) -> None:
        """HELP"""
        verb = VERBS.get(argument.upper().encode())
        if verb is not None:
            self._send(Reply(214, "2.0.0", f"Syntax: {verb.syntax}"))
        else:
            names = " ".join(sorted(name.decode() for name in VERBS))
            self._send(Reply(214, "2.0.0", f"Commands: {names}\nPostmaster: <postmaster>"))

    async def smtp_VRFY(self, argument: str) -> None:
        """VRFY: never tells who exists (RFC 5321 section 7.3)."""
        self._send(replies.CANNOT_VRFY if argument else replies.usage("VRFY address"))

    async def smtp_EXPN(self, argument: str) -> None:
        """EXPN"""
        self._send(replies.NO_EXPN)

    async def smtp_ETRN(self, argument: str) -> None:
        """ETRN"""
        self._send(replies.NO_ETRN)

    async def smtp_STARTTLS(self, argument: str) -> None:
        """STARTTLS (RFC 3207): once, outside a transaction; the session begins anew."""
        context = self._entrance.tls_context()
        if argument:
            self._send(replies.usage("STARTTLS"))
        elif self._client.tls is not None:
            self._send(replies.TLS_ACTIVE)
        elif context is None:
            self._send(replies.TLS_UNAVAILABLE)
        elif self._transaction is not None:
            self._send(replies.IN_TRANSACTION)
        else:
            await self._start_tls(context)
            assert self.transport is not None
            self._client.tls = tls_of(self.transport.get_extra_info("ssl_object"))
            self._client.helo, self._client.extended, self._client.account = "", False, None

    async def smtp_AUTH(self, argument: str) -> None:
        """AUTH (RFC 4954)."""
        refusal = self._cannot_authenticate()
        if refusal is not None:
            self._send(refusal)
            return
        name, _, initial = argument.partition(" ")
        if name.upper() not in self._handler.mechanisms(self._client):
            self._send(replies.AUTH_MECHANISM if name else replies.usage("AUTH mechanism [initial-response]"))
            return
        client = self._client
        attempt = Attempt(name.upper(), "smtp", client.address, self._exchange)
        try:
            self._send(await self._handler.authenticate(client, attempt, auth.decode_initial(initial.strip())))
        except SaslSyntaxError:
            self._send(replies.AUTH_SYNTAX)
        except BareNewline:
            self._bare_newline()
        except LineTooLong:
            self._send(replies.LINE_TOO_LONG)

    def _cannot_authenticate(self) -> Reply | None:
        if not self._client.extended:
            return replies.SAY_HELLO
        if self._client.account is not None:
            return replies.ALREADY_AUTHENTICATED
        if self._transaction is not None:
            return replies.IN_TRANSACTION
        if not self._handler.may_authenticate(self._client):
            return replies.AUTH_NEEDS_TLS
        return None

    async def smtp_MAIL(self, argument: str) -> None:
        """MAIL"""
        if not self._client.helo:
            self._send(replies.SAY_HELLO)
            return
        if self._transaction is not None:
            self._send(replies.NESTED_MAIL)
            return
        try:
            command = parse_mail(argument, extended=self._client.extended)
        except CommandError as error:
            self._send(self._bad("MAIL", error))
            return
        reply, self._transaction = await self._handler.mail(self._client, command)
        self._send(reply)

    async def smtp_RCPT(self, argument: str) -> None:
        """RCPT"""
        transaction = self._transaction
        if transaction is None:
            self._send(replies.NEED_MAIL)
            return
        try:
            command = parse_rcpt(argument, extended=self._client.extended, smtputf8=transaction.smtputf8)
        except CommandError as error:
            self._send(self._bad("RCPT", error))
            return
        self._send(await self._handler.rcpt(transaction, command))

    def _bad(self, stage: str, error: CommandError) -> Reply:
        decision = Decision(replies.of_command_error(error), str(error), "refuse_bad_syntax")
        return self._handler.refused(self._client, stage, decision)

    async def smtp_DATA(self, argument: str) -> None:
        """DATA: read in blocks until CRLF "." CRLF."""
        transaction = self._transaction
        refusal = transaction.cannot_send_data() if transaction is not None else replies.NEED_MAIL
        if argument:
            refusal = replies.usage("DATA")
        if refusal is not None or transaction is None:
            self._send(refusal or replies.NEED_MAIL)
            return
        self._send(replies.START_DATA)
        size = await self._receive_data(transaction.begin_content(), transaction.size_limit)
        await self._finish(transaction, size)

    async def smtp_BDAT(self, argument: str) -> None:
        """BDAT (RFC 3030): so many octets follow, whatever we answer."""
        count, _, last = argument.partition(" ")
        if not (count.isascii() and count.isdigit() and len(count) < 16 and last.upper() in ("", "LAST")):
            # What follows cannot be told from commands.
            self._send(replies.BDAT_SYNTAX)
            self._is_closing = True
            return
        transaction = self._transaction
        refusal = transaction.cannot_send_data() if transaction is not None else replies.NEED_MAIL
        if refusal is not None or transaction is None:
            await self._skip(int(count), self._handler.snapshot.message_size_limit)
            self._send(refusal or replies.NEED_MAIL)
            return
        incoming = transaction.incoming or transaction.begin_content()
        self._chunks = chunks = self._chunks or ChunkReader()
        size = await self._receive_chunk(int(count), chunks, incoming, transaction.size_limit)
        if incoming.is_dropped:
            await self._finish(transaction, size)
        elif last:
            await self._keep(incoming, chunks.finish(), chunks.wire_size, transaction.size_limit)
            await self._finish(transaction, chunks.wire_size)
        else:
            self._send(Reply(250, "2.0.0", f"Ok: {count} bytes"))

    async def _finish(self, transaction: Transaction, size: int) -> None:
        reply = await self._handler.finish(transaction, size)
        self._transaction = self._chunks = None
        if reply.is_positive:
            self._errors = 0
        self._send(reply)


VERBS: dict[bytes, Verb] = {
    b"HELO": Verb(SMTPProtocol.smtp_HELO, "HELO hostname", ends_group=True),
    b"EHLO": Verb(SMTPProtocol.smtp_EHLO, "EHLO hostname", ends_group=True),
    b"MAIL": Verb(SMTPProtocol.smtp_MAIL, "MAIL FROM:<address> [parameters]"),
    b"RCPT": Verb(SMTPProtocol.smtp_RCPT, "RCPT TO:<address> [parameters]"),
    b"DATA": Verb(SMTPProtocol.smtp_DATA, "DATA", ends_group=True),
    b"BDAT": Verb(SMTPProtocol.smtp_BDAT, "BDAT count [LAST]"),
    b"RSET": Verb(SMTPProtocol.smtp_RSET, "RSET"),
    b"NOOP": Verb(SMTPProtocol.smtp_NOOP, "NOOP [text]", ends_group=True),
    b"QUIT": Verb(SMTPProtocol.smtp_QUIT, "QUIT", ends_group=True),
    b"VRFY": Verb(SMTPProtocol.smtp_VRFY, "VRFY address", ends_group=True),
    b"EXPN": Verb(SMTPProtocol.smtp_EXPN, "EXPN list", ends_group=True),
    b"ETRN": Verb(SMTPProtocol.smtp_ETRN, "ETRN domain", ends_group=True),
    b"HELP": Verb(SMTPProtocol.smtp_HELP, "HELP [command]"),
    b"AUTH": Verb(SMTPProtocol.smtp_AUTH, "AUTH mechanism [initial-response]", ends_group=True),
    b"STARTTLS": Verb(SMTPProtocol.smtp_STARTTLS, "STARTTLS", ends_group=True),
}
