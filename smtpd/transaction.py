"""One mail transaction (RFC 5321 section 3.3): MAIL, RCPT and the message. Knows nothing of aiosmtpd or sockets.

Takes the configuration once, at MAIL, and keeps it to the end. Asks mailcore.routing where a recipient goes and
mailcore.policy whether it may; every refusal is recorded with its rule. `finish` returns a positive reply only when
the message is durable. Errors of the directory, the database and the disk come out as exceptions: smtpd.replies has
the temporary reply for each.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial

from mailcore.address import Address
from mailcore.config.snapshot import Snapshot
from mailcore.delivery.batch import Arrival, LocalRecipient
from mailcore.directory.lookups import Directory
from mailcore.envelope import Envelope, Recipient
from mailcore.ids import new_queue_id
from mailcore.message.trace import Hop, protocol_name
from mailcore.outcome import Deferred
from mailcore.policy import rules
from mailcore.policy.context import ClientContext, DataContext, MailContext, RcptContext
from mailcore.policy.decision import Decision, decide
from mailcore.reply import Reply
from mailcore.routing.lists import Lists
from mailcore.routing.resolve import Wishes, resolve
from mailcore.routing.rewrite import SENDER, account_key, qualify, rewrite
from mailcore.routing.route import LOCAL, Relay, Routes
from mailcore.smtp.command import MailCommand, RcptCommand
from mailcore.store.base import Content
from smtpd import happenings, replies
from smtpd.client import Client
from smtpd.completion import Completed, complete
from smtpd.incoming import Incoming
from smtpd.lookup import Lookup
from smtpd.services import Services


class Transaction:
    """From MAIL to the reply after the message. Made anew for each."""

    def __init__(self, services: Services, lookup: Lookup, client: Client) -> None:
        self._services = services
        self._lookup = lookup
        self._client = client
        self._snapshot: Snapshot = services.config.current()
        self._context: ClientContext = client.context(self._snapshot)
        self._command = MailCommand(None)
        self._sender: Address | None = None
        self._routes: list[Routes] = []
        self._refused_recipients = 0
        self._queue_id = ""
        self._received_at: datetime = services.clock.now()
        self.is_open = False
        self.incoming: Incoming | None = None

    @property
    def smtputf8(self) -> bool:
        """Whether MAIL asked for SMTPUTF8."""
        return self._command.smtputf8

    @property
    def size_limit(self) -> int:
        """Bytes a message may have; 0 is unlimited."""
        return self._snapshot.message_size_limit

    async def mail(self, command: MailCommand) -> Reply:
        """MAIL FROM."""
        sender = qualify(command.sender, self._snapshot) if command.sender is not None else None
        context = MailContext(
            config=self._snapshot,
            client=self._context,
            sender=sender,
            is_qualified=command.sender is None or bool(command.sender.domain),
            size=command.size,
            recent_messages=self._services.counts.messages(self._client.address),
            sender_routes=await self._routes_of_sender(sender),
        )
        decision = decide(rules.MAIL, context)
        if decision is not None:
            return self._refuse("MAIL", decision, sender=str(sender or ""))
        self._services.counts.count_message(self._client.address)
        self._command = command
        self._sender = rewrite(sender, SENDER, self._snapshot) if sender is not None else None
        self.is_open = True
        return replies.SENDER_OK

    async def _routes_of_sender(self, sender: Address | None) -> Routes | None:
        """Looked up only where a rule will ask: a stranger using a domain of ours, a user not using the own address."""
        if sender is None or sender.domain_key not in self._snapshot.domains:
            return None
        account = self._client.account
        if self._context.may_relay and account is None:
            return None
        if account is not None and account_key(sender, self._snapshot) == account.address:
            return None
        return await self._resolve(sender, Wishes())

    async def rcpt(self, command: RcptCommand) -> Reply:
        """RCPT TO."""
        routes = await self._resolve(command.address, Wishes(command.notify, command.orcpt))
        context = RcptContext(
            config=self._snapshot,
            client=self._context,
            routes=routes,
            is_qualified=bool(command.address.domain),
            accepted=len(self._routes),
            size=self._command.size,
        )
        decision = decide(rules.RCPT, context)
        if decision is not None:
            self._refused_recipients += 1
            return self._refuse("RCPT", decision, recipient=str(routes.address.original))
        self._routes.append(routes)
        return replies.RECIPIENT_OK

    def accept_undeliverable(self, address: Address) -> None:
        """A recipient of mail that was taken before anybody could ask: the queue reports to the sender."""
        recipient = Recipient(qualify(address, self._snapshot), address)
        self._routes.append(Routes(recipient, LOCAL, remote=(Relay(recipient),)))

    async def _resolve(self, address: Address, wishes: Wishes) -> Routes:
        return await self._lookup.ask(partial(self._question, address, wishes))

    def _question(self, address: Address, wishes: Wishes, directory: Directory, lists: Lists) -> Routes:
        return resolve(address, self._sender, self._snapshot, directory, wishes=wishes, lists=lists)

    def cannot_send_data(self) -> Reply | None:
        """Why DATA or BDAT cannot come now; None: it can."""
        if not self.is_open:
            return replies.NEED_MAIL
        if not self._routes:
            return replies.NO_VALID_RECIPIENTS if self._refused_recipients else replies.NEED_RCPT
        return None

    def begin_content(self) -> Incoming:
        """The message is about to come."""
        self._queue_id = new_queue_id()
        self._received_at = self._services.clock.now()
        path = self._services.incoming / self._queue_id
        self.incoming = Incoming(path, self._services.plain, self._complete)
        return self.incoming

    def _complete(self, head: bytes) -> Completed:
        client = self._client
        single = self._routes[0].address.original if len(self._routes) == 1 else None
        hop = Hop(
            helo=client.helo or "unknown",
            client_name=client.name,
            client_address=client.address,
            by=self._snapshot.myhostname,
            protocol=protocol_name(
                extended=client.extended,
                tls=client.tls is not None,
                authenticated=client.account is not None,
                utf8=self._command.smtputf8,
            ),
            queue_id=self._queue_id,
            at=self._received_at,
            recipient=str(single) if single else "",
            tls=client.tls,
            authenticated=client.account_address,
        )
        daemon = f"MAILER-DAEMON@{self._snapshot.myorigin}"
        default_from = str(self._sender or daemon)
        return complete(head, hop, self._sender, originates=self._context.may_relay, default_from=default_from)

    async def finish(self, size: int) -> Reply:
        """The message is complete, `size` bytes in wire form. Positive only when it is durable."""
        incoming = self.incoming
        assert incoming is not None
        try:
            if self.size_limit and size > self.size_limit:
                return self._refuse_data(size, hops=0) or replies.TRY_AGAIN
            content = await incoming.finish()
            assert incoming.completed is not None
            refused = self._refuse_data(size, incoming.completed.hops)
            if refused is not None:
                return refused
            arrival = self._arrival(content, incoming.completed, size + incoming.completed.added)
            outcomes = await self._services.submit(arrival)
        finally:
            await incoming.discard()
        now = self._services.clock.now()
        for event in happenings.accepted(self._client, self._context, arrival, self._routes, outcomes, now):
            self._services.recorder.record(event)
        if arrival.remote or any(isinstance(outcome, Deferred) for outcome in outcomes):
            await self._services.wake_queue()
        return replies.queued(self._queue_id)

    def _refuse_data(self, size: int, hops: int) -> Reply | None:
        decision = decide(rules.DATA, DataContext(self._snapshot, self._context, size, hops))
        return self._refuse("DATA", decision) if decision is not None else None

    def _arrival(self, content: Content, completed: Completed, size: int) -> Arrival:
        local: dict[int, LocalRecipient] = {}
        remote: dict[str, Recipient] = {}
        for routes in self._routes:
            for route in routes.local:
                if "SUCCESS" in route.recipient.notify:
                    # The queue delivers it and tells the sender so (RFC 3461 section 5.2.3); nobody else would.
                    remote.setdefault(route.recipient.address.key, route.recipient)
                else:
                    local.setdefault(route.account.id, LocalRecipient(route.recipient, route.account))
            for relay in routes.remote:
                remote.setdefault(relay.recipient.address.key, relay.recipient)
        command = self._command
        envelope = Envelope(
            sender=self._sender,
            recipients=tuple(routes.address for routes in self._routes),
            ret=command.ret,
            envid=command.envid,
            smtputf8=command.smtputf8,
            body_8bit=command.body == "8BITMIME",
        )
        return Arrival(
            queue_id=self._queue_id,
            envelope=envelope,
            content=content,
            content_offset=completed.offset,
            size=size,
            message_id=completed.message_id,
            received_at=self._received_at,
            client=f"{self._client.name}[{self._client.address}]",
            account=self._client.account_address,
            local=tuple(local.values()),
            remote=tuple(remote.values()),
        )

    def _refuse(self, stage: str, decision: Decision, *, sender: str = "", recipient: str = "") -> Reply:
        event = happenings.refused(
            self._client,
            stage,
            decision,
            queue_id=self._queue_id,
            sender=sender or str(self._sender or ""),
            recipient=recipient,
        )
        self._services.recorder.record(event)
        return decision.reply

    def refuse_on_error(self, stage: str, reply: Reply, error: BaseException, *, recipient: str = "") -> Reply:
        """Record that something of ours failed, and what the client heard."""
        reason = f"{type(error).__name__}: {error}".partition("\n")[0][:500]
        return self._refuse(stage, Decision(reply, reason, "defer_unavailable"), recipient=recipient)

    async def discard(self) -> None:
        """RSET, a new EHLO, or the end of the connection: nothing of it is kept."""
        if self.incoming is not None:
            await self.incoming.discard()
