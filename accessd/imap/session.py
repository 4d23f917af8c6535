"""One IMAP session: what is known of a client while it is connected, and what its commands may ask of it.

Who has logged in, which mailbox is selected, what is enabled, and whether there may be news. How it comes from one
state to the next is in accessd.imap.transitions, what the client sends in accessd.imap.reading, the loop that serves it
in accessd.imap.serving. Thousands of clients are idle with one each: it has a slot for what every session needs, and
`extras` for what only some do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from accessd.connection import Connection
from accessd.context import Context
from accessd.imap import response
from accessd.imap.command import Fetch
from accessd.imap.commands import COMMANDS, PARSERS
from accessd.imap.enabled import CONDSTORE, QRESYNC, REV2, UTF8
from accessd.imap.engine import Engine
from accessd.imap.execution import run_handler
from accessd.imap.extras import Extras
from accessd.imap.notify import Notifier
from accessd.imap.selected import View
from accessd.imap.states import State, may_follow
from mailcore.config.snapshot import plaintext_allowed
from mailcore.directory.lookups import AccountRecord
from mailcore.identity import AccountRef
from mailcore.message.structure import Part
from mailcore.store.storage import Storage

LOOK_AT_MOST_EVERY_S = 0.1
"""Commands that do not ask for news look for them no more often than this."""

Upgrade = Callable[["ImapSession"], Awaitable[None]]
"""What a command changes of the connection once it has been answered."""


class ImapSession:
    """The state of one connection. `await serve(session)` of accessd.imap.serving serves it to the end."""

    __slots__ = (
        "_last_look",
        "account",
        "bad_commands",
        "changed",
        "connection",
        "context",
        "enabled",
        "engine",
        "extras",
        "idling",
        "in_a_row",
        "last_structure",
        "state",
        "tag",
        "upgrade",
        "view",
    )

    def __init__(self, context: Context, connection: Connection) -> None:
        self.context = context
        self.connection = connection
        self.engine = Engine(PARSERS)
        self.state = State.NOT_AUTHENTICATED
        self.account: AccountRecord | None = None
        self.view: View | None = None
        self.enabled = 0
        self.extras: Extras | None = None
        self.idling = False
        self.last_structure: tuple[tuple[int, int], Part] | None = None
        self.upgrade: Upgrade | None = None
        # Of the command in progress.
        self.tag = b""
        # Has somebody said that the selected mailbox has changed?
        self.changed = False
        self._last_look = 0.0
        # Since the last one that was none; without a pause of the client.
        self.bad_commands = 0
        self.in_a_row = 0

    @property
    def reader(self) -> AccountRef:
        """The account that is logged in. Whose a mailbox is, its Place and its View say."""
        assert self.account is not None
        return self.account.ref

    @property
    def selected(self) -> View:
        """The selected mailbox."""
        assert self.view is not None
        return self.view

    @property
    def mailbox_name(self) -> str:
        """For the registry of sessions: the selected mailbox, "" for none."""
        return self.view.record.name if self.view is not None else ""

    @property
    def storage(self) -> Storage:
        """Where the stores are."""
        return self.context.storage

    @property
    def plaintext_allowed(self) -> bool:
        """May a password be sent over this connection?"""
        return plaintext_allowed(self.context.config.current(), self.connection.peer, tls=self.connection.tls)

    @property
    def append_limit(self) -> int:
        """The largest message this session takes, in octets (RFC 7889)."""
        if self.account is not None:
            return self.engine.limits.message_bytes
        return self.context.config.current().message_size_limit

    def enter(self, state: State) -> None:
        """Change the state."""
        assert state is self.state or may_follow(self.state, state)
        self.state = state

    # What is enabled.

    @property
    def condstore(self) -> bool:
        """Does the client want MODSEQ (RFC 7162 section 3.1)?"""
        return bool(self.enabled & CONDSTORE)

    @property
    def qresync(self) -> bool:
        """Does the client want VANISHED for EXPUNGE (RFC 7162 section 3.2)?"""
        return bool(self.enabled & QRESYNC)

    @property
    def utf8(self) -> bool:
        """Are strings and mailbox names UTF-8 on the wire (RFC 6855, RFC 9051)?"""
        return bool(self.enabled & (UTF8 | REV2))

    def enable(self, modes: int) -> None:
        """From now on these too; nothing takes them back but UNAUTHENTICATE."""
        if self.view is not None and not self.condstore and modes & (CONDSTORE | QRESYNC):
            # RFC 7162 section 3.1.
            self.connection.write(response.ok("Highest", b"HIGHESTMODSEQ %d" % self.view.certain_modseq))
        self.enabled |= modes | (CONDSTORE if modes & QRESYNC else 0)
        self.engine.modes = self.enabled

    def extra(self) -> Extras:
        """What only some sessions need, made when the first of it is."""
        if self.extras is None:
            self.extras = Extras()
        return self.extras

    @property
    def notifier(self) -> Notifier | None:
        """What the client has asked to be told of, if it has used NOTIFY."""
        return self.extras.notifier if self.extras is not None else None

    # News: of what this session does, for others; of what others do, for its client.

    def announce(self, mailbox_ids: Iterable[int]) -> None:
        """This session has changed these mailboxes; others want to know."""
        self.context.hub.announce(mailbox_ids, origin=self)

    def announce_accounts(self, *owners: AccountRef) -> None:
        """This session has changed the mailboxes of these accounts: names, subscriptions, rights or annotations."""
        self.context.hub.announce_accounts(owner.id for owner in owners)

    def notify(self) -> None:
        """The selected mailbox may have changed (called by the hub)."""
        self.changed = True
        if self.idling or self.notifier is not None:
            self.connection.poke()

    def look_now(self) -> None:
        """The command in progress has changed the selected mailbox: tell the client what, whatever else is due."""
        self.changed = True
        self._last_look = 0.0

    @property
    def must_look(self) -> bool:
        """Has the command in progress changed the selected mailbox?"""
        return self.changed and not self._last_look

    def looked(self) -> None:
        """What is told next is of this moment."""
        self.changed = False
        self._last_look = asyncio.get_running_loop().time()

    def may_look_in(self) -> float:
        """Seconds until the selected mailbox may be looked at again, if nobody asks for it."""
        return self._last_look + LOOK_AT_MOST_EVERY_S - asyncio.get_running_loop().time()

    async def fetch_unasked(self, command: Fetch) -> None:
        """FETCH for a client that wants this of new messages (RFC 5465 section 5.2): asked for in the course of other
        commands, whose handlers do not know this one.
        """
        await run_handler(self, COMMANDS["UID FETCH"].handler, command)
