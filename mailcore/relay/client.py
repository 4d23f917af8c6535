"""The SMTP client's side of the dialogue (RFC 5321), sans-IO.

A dialogue is a generator of steps: it yields what is to be done (Send, Receive, StartTls, SendContent) and is sent the
reply where there is one. mailcore.relay.connection performs the steps on a socket; a test performs them on a script.

Promises: nothing that arrived before the TLS handshake is believed after it (the caller drops it, the capabilities are
asked for anew); no password leaves without TLS unless TLS was switched off by name; the end of data is sent only when
a recipient was accepted, or when the server insists on data although none was (RFC 2920 section 3.1).

Where PIPELINING is offered, the envelope of the next message goes out behind the end of data of the one before (RFC
2920 section 3.1 allows content as the first "command" of a group): one round trip for each message.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mailcore.address import Address
from mailcore.envelope import Recipient
from mailcore.relay.capabilities import Capabilities, parse_ehlo
from mailcore.relay.errors import SessionRefused
from mailcore.relay.steps import (
    COMMAND_S,
    DATA_S,
    END_OF_DATA_S,
    GREETING_S,
    Answer,
    Dialogue,
    Receive,
    Send,
    SendContent,
    Sent,
    StartTls,
)
from mailcore.reply import Reply
from mailcore.smtp.xtext import encode_xtext


@dataclass(frozen=True, slots=True)
class Credentials:
    """Name and password for AUTH."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutgoingMail:
    """What one transaction is to carry. `size` is of the wire form; `needs_smtputf8` also looks at the header."""

    sender: Address | None
    recipients: Sequence[Recipient]
    size: int = 0
    body_8bit: bool = False
    needs_smtputf8: bool = False
    ret: str = ""
    envid: str = ""


def _nobody() -> None:
    return None


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
        greeting = yield from _receive(GREETING_S, "the connection")
        if greeting.code != 220:
            raise SessionRefused(_refusal(greeting))
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
        reply = yield from _receive(COMMAND_S, "EHLO")
        if reply.code == 250:
            self.capabilities = parse_ehlo(reply)
            return
        self.capabilities = Capabilities()
        if not reply.is_permanent:
            raise SessionRefused(_refusal(reply))
        yield Send(b"HELO " + name + b"\r\n")
        reply = yield from _receive(COMMAND_S, "HELO")
        if reply.code != 250:
            raise SessionRefused(_refusal(reply))

    def _secure(self) -> Dialogue:
        required = self._tls_level in ("encrypt", "verify")
        if self._tls_level == "none" or not (self.capabilities.starttls or required):
            return
        if not self.capabilities.starttls:
            raise SessionRefused(Reply(451, "4.7.4", "TLS is required, but was not offered by the server"))
        yield Send(b"STARTTLS\r\n")
        reply = yield from _receive(COMMAND_S, "STARTTLS")
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
        return (yield from _receive(COMMAND_S, "AUTH PLAIN"))

    def _auth_login(self, credentials: Credentials) -> Answer:
        yield Send(b"AUTH LOGIN\r\n")
        reply = yield from _receive(COMMAND_S, "AUTH LOGIN")
        for secret in (credentials.username, credentials.password):
            if reply.code != 334:
                return reply
            yield Send(base64.b64encode(secret.encode()) + b"\r\n")
            reply = yield from _receive(COMMAND_S, "AUTH LOGIN")
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


class Transaction:
    """One message to some recipients. After `steps`, or after it broke, `replies` holds what is known of each."""

    def __init__(self, client: Client, mail: OutgoingMail) -> None:
        self.mail = mail
        self.replies: dict[Recipient, Reply] = {}
        # Whether the server has answered MAIL with anything but "I am closing".
        self.begun = False
        self._client = client
        self._can = client.capabilities
        self._to_send: list[Recipient] = []
        self._reset = b""
        self._following: Following = _nobody

    def steps(self, following: Following = _nobody) -> Dialogue:
        """MAIL, RCPT, DATA, the content; as few round trips as the server allows.

        `following` is asked for the next transaction when the content is on its way. Whoever names one has to go on
        with it, or to hang up: the server has its envelope then.
        """
        self._following = following
        if self._can.pipelining:
            yield from self._pipelined()
            return
        self._refuse_what_cannot_be_sent()
        if self._to_send:
            yield from self._one_by_one()

    def ask(self) -> Dialogue:
        """Send the whole envelope. Nothing is sent, and nothing will be, when no recipient can be."""
        self._refuse_what_cannot_be_sent()
        if self._to_send:
            self._reset = self._client.take_reset()
            yield Send(b"".join([self._reset, self._mail_from(), *map(self._rcpt_to, self._to_send), b"DATA\r\n"]))

    def broken(self, reply: Reply) -> None:
        """The dialogue broke off: whoever has no final answer gets this one."""
        for recipient in self.mail.recipients:
            self.replies.setdefault(recipient, reply)

    def _refuse_what_cannot_be_sent(self) -> None:
        mail, can = self.mail, self._can
        self._to_send = list(mail.recipients)
        if can.size_limit and mail.size > can.size_limit:
            text = f"the message has {mail.size} bytes, the server takes at most {can.size_limit}"
            self._answer(self._to_send, Reply(552, "5.3.4", text))
        elif not can.smtputf8 and (mail.needs_smtputf8 or not _is_ascii_local(mail.sender)):
            text = "the message has international addresses or header fields (SMTPUTF8), the server does not take them"
            self._answer(self._to_send, Reply(553, "5.6.7", text))
        elif not can.smtputf8:
            foreign = [r for r in self._to_send if not _is_ascii_local(r.address)]
            self._answer(foreign, Reply(553, "5.6.7", "the server does not take international addresses (SMTPUTF8)"))
        self._to_send = [recipient for recipient in self._to_send if recipient not in self.replies]

    def _pipelined(self) -> Dialogue:
        if not self._to_send:
            yield from self.ask()
            yield Sent()
        if not self._to_send:
            return
        self._client.finished(cleanly=False)
        if self._reset:
            yield from self._receive(COMMAND_S, "RSET")
        accepted: list[Recipient] = []
        mail_reply = yield from self._receive(COMMAND_S, "MAIL FROM")
        self.begun = self._client.usable
        for recipient in self._to_send:
            reply = yield from self._receive(COMMAND_S, "RCPT TO")
            if self._accepts(recipient, mail_reply, reply):
                accepted.append(recipient)
        reply = yield from self._receive(DATA_S, "DATA")
        yield from self._after_data(accepted, reply)

    def _one_by_one(self) -> Dialogue:
        if reset := self._client.take_reset():
            yield from self._command(reset, "RSET")
        self._client.finished(cleanly=False)
        mail_reply = yield from self._command(self._mail_from(), "MAIL FROM")
        self.begun = self._client.usable
        accepted: list[Recipient] = []
        for recipient in self._to_send:
            if mail_reply.code // 100 == 2 and self._client.usable:
                reply = yield from self._command(self._rcpt_to(recipient), "RCPT TO")
                if self._accepts(recipient, mail_reply, reply):
                    accepted.append(recipient)
            else:
                # Also after 421 to an earlier recipient: nothing more can be asked.
                self._answer([recipient], failure(mail_reply if mail_reply.code // 100 != 2 else reply))
        if accepted and self._client.usable:
            yield Send(b"DATA\r\n")
            yield Sent()
            reply = yield from self._receive(DATA_S, "DATA")
            yield from self._after_data(accepted, reply)
        elif accepted:
            self._answer(accepted, failure(reply))

    def _after_data(self, accepted: list[Recipient], reply: Reply) -> Dialogue:
        if reply.code != 354:
            self._answer(accepted, failure(reply))
            return
        # Whatever the server answers to the end of data, it has forgotten the envelope then.
        self._client.finished(cleanly=True)
        if not accepted:
            yield Send(b".\r\n")
            yield from self._receive(END_OF_DATA_S, "the end of data")
        else:
            yield SendContent()
            yield from self._look_ahead()
            reply = yield from self._receive(END_OF_DATA_S, "the end of data")
            self._answer(accepted, reply if reply.code // 100 == 2 else failure(reply))

    def _look_ahead(self) -> Dialogue:
        following = self._following() if self._can.pipelining else None
        if following is not None:
            yield from following.ask()
        yield Sent()

    def _command(self, line: bytes, after: str) -> Answer:
        yield Send(line)
        yield Sent()
        return (yield from self._receive(COMMAND_S, after))

    def _receive(self, timeout_s: float, after: str) -> Answer:
        reply = yield from _receive(timeout_s, after)
        self._client.note(reply)
        return reply

    def _accepts(self, recipient: Recipient, mail_reply: Reply, reply: Reply) -> bool:
        if mail_reply.code // 100 != 2:
            self._answer([recipient], failure(mail_reply))
            return False
        if reply.code // 100 != 2:
            # 552 to RCPT is how old servers say "too many recipients" (RFC 5321 section 4.5.3.1.10).
            self._answer([recipient], temporary(reply) if reply.code == 552 else failure(reply))
            return False
        return True

    def _answer(self, recipients: Sequence[Recipient], reply: Reply) -> None:
        self.replies.update(dict.fromkeys(recipients, reply))

    def _mail_from(self) -> bytes:
        mail, can = self.mail, self._can
        words = [f"MAIL FROM:<{self._path(mail.sender)}>"]
        if can.size and mail.size:
            words.append(f"SIZE={mail.size}")
        if can.eight_bit_mime and mail.body_8bit:
            words.append("BODY=8BITMIME")
        if can.smtputf8 and (mail.needs_smtputf8 or not self._is_ascii_mail()):
            words.append("SMTPUTF8")
        if can.dsn and mail.ret:
            words.append(f"RET={mail.ret}")
        if can.dsn and mail.envid:
            words.append(f"ENVID={encode_xtext(mail.envid)}")
        return " ".join(words).encode() + b"\r\n"

    def _rcpt_to(self, recipient: Recipient) -> bytes:
        words = [f"RCPT TO:<{self._path(recipient.address)}>"]
        if self._can.dsn:
            if recipient.notify:
                words.append("NOTIFY=" + ",".join(sorted(recipient.notify)))
            orcpt = recipient.orcpt or (f"rfc822;{recipient.original}" if recipient.notify else "")
            if orcpt.isascii() and orcpt:
                kind, _, address = orcpt.partition(";")
                words.append(f"ORCPT={kind};{encode_xtext(address)}")
        return " ".join(words).encode() + b"\r\n"

    def _path(self, address: Address | None) -> str:
        if address is None:
            return ""
        # Without SMTPUTF8 an international domain travels as A-labels.
        return str(address) if self._can.smtputf8 else f"{address.local}@{address.domain_key}"

    def _is_ascii_mail(self) -> bool:
        addresses = [self.mail.sender, *(recipient.address for recipient in self._to_send)]
        return all(address is None or str(address).isascii() for address in addresses)


Following = Callable[[], Transaction | None]


def temporary(reply: Reply) -> Reply:
    """The same words as a reply that asks to come back later."""
    if reply.is_temporary:
        return reply
    enhanced = "4" + reply.enhanced[1:] if reply.enhanced else "4.0.0"
    return Reply(451, enhanced, f"{reply.code} {reply.text}" if reply.text else str(reply.code))


def failure(reply: Reply) -> Reply:
    """A reply that is no success: 4xx and 5xx as they are, anything else makes no sense here and is temporary."""
    return reply if reply.is_temporary or reply.is_permanent else temporary(reply)


def _refusal(reply: Reply) -> Reply:
    """A greeting or EHLO that is none."""
    return failure(reply)


def _receive(timeout_s: float, after: str) -> Answer:
    reply = yield Receive(timeout_s, after)
    assert reply is not None, "the performer of steps answers every Receive"
    return reply


def _is_ascii_local(address: Address | None) -> bool:
    return address is None or address.local.isascii()
