"""What the commands do: from parsed commands to replies, with every error turned into one.

One per listener, shared by its connections; what a connection has is in its Client and its Transaction.
"""

from __future__ import annotations

import asyncio
from functools import partial

from mailcore.config.snapshot import Snapshot, plaintext_allowed
from mailcore.directory.sasl_login import Attempt, log_in
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled, MailError
from mailcore.log import get_logger
from mailcore.maillog import event as ev
from mailcore.policy import rules
from mailcore.policy.context import ConnectContext
from mailcore.policy.decision import Decision, decide
from mailcore.reply import Reply
from mailcore.sasl.conversation import SaslCancelled, SaslSyntaxError
from mailcore.sasl.mechanisms import offered
from mailcore.smtp.command import MailCommand, RcptCommand
from smtpd import happenings, replies
from smtpd.client import Client
from smtpd.lookup import Lookup
from smtpd.services import Services
from smtpd.transaction import Transaction

log = get_logger(__name__)


class Handler:
    """The server's side of a session, without a socket."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._lookup = Lookup(services.directory, services.lists, services.plain)

    @property
    def snapshot(self) -> Snapshot:
        """The configuration in force."""
        return self.services.config.current()

    def connected(self, client: Client) -> Reply:
        """The greeting, or why there is none."""
        snapshot = self.snapshot
        self._name(client)
        client.is_quiet = client.may_be_probe
        client.unrecorded.append(happenings.connected(client))
        self._write(client)
        count = self.services.counts.opened(client.address)
        decision = decide(rules.CONNECT, ConnectContext(snapshot, client.context(snapshot), count))
        if decision is None:
            return Reply(220, "", f"{snapshot.myhostname} ESMTP Mailkeep")
        return self.refused(client, "CONNECT", decision)

    def disconnected(self, client: Client) -> None:
        """The connection is over. Who looks every second whether this port answers shall not fill the log."""
        self.services.counts.closed(client.address)
        if not client.is_quiet:
            self._record(client, happenings.disconnected(client))

    def refused(self, client: Client, stage: str, decision: Decision) -> Reply:
        """Record a refusal that no transaction knows of."""
        self._record(client, happenings.refused(client, stage, decision))
        return decision.reply

    def _name(self, client: Client) -> None:
        """Known at once, or on its way: the greeting does not wait for it."""
        name = self.services.names.known(client.address)
        if name is not None:
            client.name = name
            return
        client.naming = self.services.names.find(client.address)
        client.naming.add_done_callback(partial(self._named, client))

    def _named(self, client: Client, naming: asyncio.Task[str]) -> None:
        client.naming = None
        if not naming.cancelled():
            client.name = naming.result()
        self._write(client)

    def said_hello(self, client: Client) -> None:
        """It means to talk; a balancer's check (HAProxy: smtpchk) says as much and leaves."""
        if client.is_quiet and not client.is_balancer:
            self._no_longer_quiet(client)

    def _record(self, client: Client, event: ev.Event) -> None:
        client.unrecorded.append(event)
        self._no_longer_quiet(client)

    def _no_longer_quiet(self, client: Client) -> None:
        client.is_quiet = False
        self._write(client)

    def _write(self, client: Client) -> None:
        """In order, and with the client's name: what happens before it is known is written when it is."""
        if client.naming is not None or client.is_quiet:
            return
        for event in client.unrecorded:
            self.services.recorder.record(happenings.named(event, client.name))
        client.unrecorded.clear()

    def capabilities(self, client: Client, *, offers_tls: bool) -> Reply:
        """The answer to EHLO."""
        snapshot = self.snapshot
        size = f"SIZE {snapshot.message_size_limit}" if snapshot.message_size_limit else "SIZE"
        lines = [snapshot.myhostname, "PIPELINING", size]
        if offers_tls and client.tls is None:
            lines.append("STARTTLS")
        if client.account is None and self.may_authenticate(client):
            lines.append(f"AUTH {' '.join(self.mechanisms(client))}")
        lines += ["ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"]
        return Reply(250, "", "\n".join(lines))

    def may_authenticate(self, client: Client) -> bool:
        """Whether a password may be sent over this connection."""
        return plaintext_allowed(self.snapshot, client.address, tls=client.tls is not None)

    def mechanisms(self, client: Client) -> tuple[str, ...]:
        """Those of SASL that this client may use. Not -PLUS: mutt would choose it, cannot do it, and then gives up."""
        return offered(secure=self.may_authenticate(client), oauth=bool(self.snapshot.oauth_issuers))

    async def mail(self, client: Client, command: MailCommand) -> tuple[Reply, Transaction | None]:
        """A new transaction, if the reply is positive. From here on the client's name is needed."""
        if client.naming is not None:
            await asyncio.wait({client.naming})
        if client.is_quiet:
            self._no_longer_quiet(client)
        transaction = Transaction(self.services, self._lookup, client)
        try:
            reply = await transaction.mail(command)
        except Exception as error:
            reply = self._failed(transaction, "MAIL", error)
        return reply, transaction if reply.is_positive else None

    async def rcpt(self, transaction: Transaction, command: RcptCommand) -> Reply:
        """One more recipient, or not."""
        try:
            return await transaction.rcpt(command)
        except Exception as error:
            return self._failed(transaction, "RCPT", error, recipient=str(command.address))

    async def finish(self, transaction: Transaction, size: int) -> Reply:
        """The message is complete."""
        try:
            return await transaction.finish(size)
        except Exception as error:
            return self._failed(transaction, "DATA", error)

    def _failed(self, transaction: Transaction, stage: str, error: Exception, *, recipient: str = "") -> Reply:
        """We cannot find out or cannot keep it: the client shall come again."""
        reply = replies.of_error(error)
        log.warning("deferred", stage=stage, error=type(error).__name__, detail=str(error).partition("\n")[0])
        return transaction.refuse_on_error(stage, reply, error, recipient=recipient)

    async def authenticate(self, client: Client, attempt: Attempt, initial: bytes | None) -> Reply:
        """Is it who it says? Sets the client's account if so. Raises SaslSyntaxError, and what the exchange raises."""
        generation = self.snapshot.generation
        try:
            client.account = await log_in(self.services.authenticator, attempt, initial)
        except SaslCancelled:
            return replies.AUTH_ABORTED
        except SaslSyntaxError:
            raise
        except MailError as error:
            self._record(client, happenings.login_failed(client, attempt.login, attempt.mechanism, error))
            if isinstance(error, AuthenticationFailed | AuthenticationThrottled):
                return replies.of_error(error)
            log.warning("authentication_unavailable", error=type(error).__name__, detail=str(error).partition("\n")[0])
            return replies.AUTH_UNAVAILABLE
        client.generation = generation
        self._record(client, happenings.logged_in(client, attempt.mechanism))
        return replies.AUTHENTICATED

    def must_ask_again(self, client: Client) -> bool:
        """Whether the configuration has changed since the client's login was last found to be right."""
        return client.account is not None and client.generation != self.snapshot.generation

    async def ended(self, client: Client, stage: str) -> Reply | None:
        """What becomes of a command whose client may not be its account any more; None: it may."""
        assert client.account is not None
        generation = self.snapshot.generation
        try:
            objection = await self.services.authenticator.objection(
                client.account, protocol="smtp", client_ip=client.address
            )
        except MailError as error:
            log.warning("authentication_unavailable", error=type(error).__name__, detail=str(error).partition("\n")[0])
            return replies.of_error(error)
        if objection:
            return self.refused(client, stage, Decision(replies.LOGIN_ENDED, objection, "refuse_ended_login"))
        client.generation = generation
        return None
