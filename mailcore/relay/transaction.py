"""One message to one server: MAIL, RCPT, DATA, the content (RFC 5321 section 3.3), sans-IO.

Promises: every recipient has an answer in the end; the end of data is sent only when a recipient was accepted, or when
the server insists on data although none was (RFC 2920 section 3.1).

Where PIPELINING is offered, the envelope of the next message goes out behind the end of data of the one before (RFC
2920 section 3.1 allows content as the first "command" of a group): one round trip for each message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mailcore.envelope import Recipient
from mailcore.relay.outgoing import OutgoingMail, mail_from, rcpt_to, refusals
from mailcore.relay.replies import failure, temporary
from mailcore.relay.steps import COMMAND_S, DATA_S, END_OF_DATA_S, Answer, Dialogue, Send, SendContent, Sent, receive
from mailcore.reply import Reply

if TYPE_CHECKING:
    from mailcore.relay.client import Client

Following = Callable[[], "Transaction | None"]


def _nobody() -> None:
    return None


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
            rcpts = [rcpt_to(recipient, self._can) for recipient in self._to_send]
            yield Send(b"".join([self._reset, self._mail_from(), *rcpts, b"DATA\r\n"]))

    def broken(self, reply: Reply) -> None:
        """The dialogue broke off: whoever has no final answer gets this one."""
        for recipient in self.mail.recipients:
            self.replies.setdefault(recipient, reply)

    def _refuse_what_cannot_be_sent(self) -> None:
        self.replies.update(refusals(self.mail, self._can))
        self._to_send = [recipient for recipient in self.mail.recipients if recipient not in self.replies]

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
                reply = yield from self._command(rcpt_to(recipient, self._can), "RCPT TO")
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
        reply = yield from receive(timeout_s, after)
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
        return mail_from(self.mail, self._to_send, self._can)
