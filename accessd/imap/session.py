"""One IMAP session: reads commands, runs one at a time, tells what has changed, completes.

Which command may run in which state, and whether EXPUNGE may be told in its course, is in the table of
accessd.imap.commands; what it does is in its handler. An error of the mail domain becomes `NO [CODE]`, a database
that does not answer `NO [UNAVAILABLE]`; only a lost connection and a selected mailbox that was deleted end a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache

import psycopg
from psycopg import Connection as DatabaseConnection

from accessd.connection import Connection
from accessd.context import Context
from accessd.imap import response
from accessd.imap.capabilities import capabilities
from accessd.imap.command import Fetch
from accessd.imap.commands import COMMANDS, PARSERS, Row
from accessd.imap.enabled import CONDSTORE, QRESYNC, REV2, UTF8
from accessd.imap.engine import (
    ANY_SIZE_BYTES,
    BEFORE_LOGIN,
    LITERAL_MINUS_BYTES,
    CommandReceived,
    ContinuationNeeded,
    Engine,
    Event,
    Limits,
    LineTooLong,
    LiteralStarted,
    LiteralTooLong,
    Rejected,
)
from accessd.imap.errors import INTERNAL, UNAVAILABLE, completion_for
from accessd.imap.extras import Extras
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.notify import Notifier
from accessd.imap.response import Completion
from accessd.imap.search_context import updates
from accessd.imap.selected import View
from accessd.imap.states import State, may_follow
from accessd.imap.unasked import fetch_arrived, tell_unasked
from accessd.listener import IDLE_LIMIT_S
from mailcore.config.snapshot import plaintext_allowed
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import MailboxNotFound, MailError
from mailcore.identity import AccountRef
from mailcore.index.records import Changes, MailboxRecord
from mailcore.log import get_logger
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.structure import Part
from mailcore.sasl.mechanisms import offered
from mailcore.sharing import places
from mailcore.sharing.rights import READ
from mailcore.store.storage import Storage

AUTHENTICATED_IDLE_LIMIT_S = 31 * 60.0
"""RFC 3501 section 5.4: at least 30 minutes."""
LINE_BYTES = 128 * 1024
LITERAL_BYTES = 256 * 1024
MOST_BAD_COMMANDS = 20
MOST_IN_A_ROW = 32
LOOK_AT_MOST_EVERY_S = 0.1
"""Commands that do not ask for news look for them no more often than this."""

log = get_logger(__name__)


Upgrade = Callable[[], Awaitable[None]]
"""What a command changes of the connection once it has been answered."""


class Disconnect(Exception):
    """The session ends now; the text is said with BYE."""


class ImapSession:
    """The state of one connection, and the loop that serves it."""

    __slots__ = (
        "_bad_commands",
        "_changed",
        "_in_a_row",
        "_last_look",
        "account",
        "connection",
        "context",
        "enabled",
        "engine",
        "extras",
        "idling",
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
        self.tag = b""
        self._changed = False
        self._last_look = 0.0
        self._bad_commands = 0
        self._in_a_row = 0

    # For handlers.

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
    def notifier(self) -> Notifier | None:
        """What the client has asked to be told of, if it has used NOTIFY."""
        return self.extras.notifier if self.extras is not None else None

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
    def mechanisms(self) -> tuple[str, ...]:
        """Those of SASL that may be used now; none to who has logged in."""
        return offered(
            secure=self.account is None and self.plaintext_allowed,
            end_point=self.connection.end_point,
            oauth=bool(self.context.config.current().oauth_issuers),
        )

    @property
    def append_limit(self) -> int:
        """The largest message this session takes, in octets (RFC 7889)."""
        if self.account is not None:
            return self.engine.limits.message_bytes
        return self.context.config.current().message_size_limit

    def capabilities(self) -> bytes:
        """The capability data of this moment."""
        return capabilities(
            logged_in=self.account is not None,
            starttls=self.connection.may_start_tls,
            mechanisms=self.mechanisms,
            literal_minus=self._literal_minus,
            more=self._offers,
        )

    @property
    def _offers(self) -> list[str]:
        """Capabilities of the configuration and of this connection."""
        compress = self.account is not None and not self.connection.is_compressed
        return [f"APPENDLIMIT={self.append_limit}", *(["COMPRESS=DEFLATE"] if compress else [])]

    @property
    def _literal_minus(self) -> bool:
        """The setting; what a client has logged in under stays."""
        if self.account is not None:
            return self.engine.limits.unasked_bytes == LITERAL_MINUS_BYTES
        return self.context.config.current().literal_minus

    def enter(self, state: State) -> None:
        """Change the state."""
        assert state is self.state or may_follow(self.state, state)
        self.state = state

    def log_in(self, account: AccountRecord) -> None:
        """Become an account. Raises TooManyConnections."""
        self.context.limits.log_in(self.connection, account)
        self.enter(State.AUTHENTICATED)
        self.account = account
        self.connection.idle_limit_s = AUTHENTICATED_IDLE_LIMIT_S
        config = self.context.config.current()
        unasked = LITERAL_MINUS_BYTES if config.literal_minus else ANY_SIZE_BYTES
        self.engine.limits = _limits(config.message_size_limit, unasked)

    def log_out(self) -> None:
        """Nobody is logged in, nothing selected, enabled, saved or followed (RFC 8437 section 3). TLS and compression
        stay.
        """
        self.deselect()
        self.unfollow()
        self.enter(State.NOT_AUTHENTICATED)
        self.context.limits.log_out(self.connection)
        self.account = self.extras = self.last_structure = None
        self.enabled = self.engine.modes = 0
        self.engine.limits = BEFORE_LOGIN
        self.connection.idle_limit_s = IDLE_LIMIT_S["imap"]
        self.connection.client_id = ""

    def select(self, view: View) -> None:
        """A mailbox is selected."""
        self.enter(State.SELECTED)
        self.view = view
        # A hint may have come between the look of SELECT and this registration: who waits for hints looks once more.
        self._changed = True
        self._last_look = self._now()
        self.context.hub.watch(view.record.id, self)
        if self.notifier is not None:
            self.notifier.told_uid = view.uidnext - 1

    def deselect(self) -> None:
        """No mailbox is selected any more."""
        if self.view is not None:
            self.context.hub.unwatch(self.view.record.id, self)
            self.view = None
            self.enter(State.AUTHENTICATED)

    def follow(self, notifier: Notifier) -> None:
        """From now on the client is told what this one follows, and nothing else."""
        self.unfollow()
        self.extra().notifier = notifier
        notifier.told_uid = self.view.uidnext - 1 if self.view is not None else 0

    def unfollow(self) -> None:
        """As if NOTIFY had never been used."""
        if self.extras is not None and self.extras.notifier is not None:
            self.extras.notifier.stop()
            self.extras.notifier = None

    def announce(self, mailbox_ids: Iterable[int]) -> None:
        """This session has changed these mailboxes; others want to know."""
        self.context.hub.announce(mailbox_ids, origin=self)

    def announce_accounts(self, *owners: AccountRef) -> None:
        """This session has changed the mailboxes of these accounts: names, subscriptions, rights or annotations."""
        self.context.hub.announce_accounts(owner.id for owner in owners)

    def notify(self) -> None:
        """The selected mailbox may have changed (called by the hub)."""
        self._changed = True
        if self.idling or self.notifier is not None:
            self.connection.poke()

    def look_now(self) -> None:
        """The command in progress has changed the selected mailbox: tell the client what, whatever else is due."""
        self._changed = True
        self._last_look = 0.0

    @property
    def changed(self) -> bool:
        """Has somebody said that the selected mailbox has changed?"""
        return self._changed

    def may_look_in(self) -> float:
        """Seconds until the selected mailbox may be looked at again, if nobody asks for it."""
        return self._last_look + LOOK_AT_MOST_EVERY_S - self._now()

    async def next_event(self) -> Event:
        """What the client sends next. Raises ConnectionResetError at the end of the connection."""
        while True:
            event = self.engine.next_event()
            if event is not None:
                return event
            await self._receive()

    async def next_command(self) -> Event:
        """The same between commands: meanwhile the client is told what it has asked for with NOTIFY."""
        while True:
            event = self.engine.next_event()
            if event is not None:
                return event
            if self.notifier is None:
                await self._receive()
            elif not await tell_unasked(self, expunge=not self.notifier.interest.is_delayed):
                await self.receive_or_wake()

    async def receive_or_wake(self) -> None:
        """Until the client sends something, or somebody pokes."""
        self._in_a_row = 0
        await self.connection.wait()
        data = self.connection.take()
        if data:
            self.engine.receive_data(data)
        elif self.connection.at_eof:
            raise ConnectionResetError("end of connection")

    async def read_line(self) -> bytes:
        """One line that is not a command."""
        while True:
            line = self.engine.next_line()
            if line is not None:
                return line
            await self._receive()

    async def _receive(self) -> None:
        self._in_a_row = 0
        data = await self.connection.read_some()
        if not data:
            raise ConnectionResetError("end of connection")
        self.engine.receive_data(data)

    async def news(self, *, expunge: bool, files: bool = False) -> list[bytes]:
        """Look at the selected mailbox (and, with `files`, at its folder), and say what the client must be told."""
        view = self.selected
        self._changed = False
        self._last_look = self._now()
        try:
            changes, adopted = await self.context.offload(
                _look, self.storage, view.owner, view.record, view.modseq, files=files
            )
        except MailboxNotFound:
            raise Disconnect("The selected mailbox was deleted") from None
        if changes.record is not None and changes.record.uidvalidity != view.record.uidvalidity:
            raise Disconnect("The selected mailbox was rebuilt")
        if adopted:
            # Who looks at the folder now finds nothing new there.
            self.announce([view.record.id])
        told = await self._new_rights()
        known_name = view.record.name
        view.take(changes)
        if view.record.name != known_name:
            self.context.files.renamed(view.record)
        return told + self._flush(view, expunge=expunge) + await updates(self)

    def _flush(self, view: View, *, expunge: bool) -> list[bytes]:
        flags = self.notifier is None or self.notifier.interest.wants_flags
        return view.flush(expunge=expunge, with_modseq=self.condstore, vanished=self.qresync, flags=flags)

    async def fetch_unasked(self, command: Fetch) -> None:
        """FETCH for a client that wants this of new messages (RFC 5465 section 5.2)."""
        await self._run_handler(COMMANDS["UID FETCH"], command)

    async def _new_rights(self) -> list[bytes]:
        """In a mailbox of somebody else: what one may do there now (RFC 4314)."""
        view = self.selected
        if view.owner.id == self.reader.id:
            return []
        rights = await self.context.offload(places.rights_now, self.reader, view.owner, view.record.id)
        if READ not in rights:
            raise Disconnect("The selected mailbox is no longer yours to read")
        return view.take_rights(rights)

    # The loop.

    async def run(self) -> None:
        """Serve the client to the end."""
        try:
            self.connection.write(response.ok("Mailkeep ready", self.capabilities()))
            while self.state is not State.LOGOUT:
                await self._answer(await self.next_command())
                await self._let_others_run()
        except Disconnect as reason:
            self.connection.write(response.bye(str(reason)))
        except LineTooLong as error:
            what = "Literal" if isinstance(error, LiteralTooLong) else "Line"
            self.connection.write(response.bye(f"{what} too long"))
        except ConnectionError:
            if self.connection.farewell:
                self.connection.write(response.bye(self.connection.farewell))
        finally:
            self.unfollow()
            if self.view is not None:
                self.context.hub.unwatch(self.view.record.id, self)

    async def _let_others_run(self) -> None:
        """A client may have sent thousands of commands that need no waiting: the other sessions come in between."""
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            self._in_a_row = 0
            await self.connection.drain()
            await asyncio.sleep(0)

    async def _answer(self, event: Event) -> None:
        match event:
            case CommandReceived(tag, name, command):
                row = COMMANDS[name]
                if self.state not in row.states:
                    self._reject(Rejected(tag, f"{name} is not possible now"))
                    return
                self._bad_commands = 0
                await self._execute(tag, name, row, command)
            case LiteralStarted(tag, name):
                row = COMMANDS[name]
                if self.state not in row.states:
                    self.engine.refuse_literal()
                    self._reject(Rejected(tag, f"{name} is not possible now"))
                    return
                self._bad_commands = 0
                await self._execute(tag, name, row, event)
            case ContinuationNeeded():
                self.connection.write(response.continuation())
            case Rejected():
                self._reject(event)
            case _:
                raise AssertionError(f"unexpected {event}")

    def _reject(self, rejected: Rejected) -> None:
        self.connection.write(response.status_line(rejected.tag or b"*", rejected.status, rejected.text, rejected.code))
        self._bad_commands += 1
        if self._bad_commands > MOST_BAD_COMMANDS:
            raise Disconnect("Too many invalid commands")

    async def _execute(self, tag: bytes, name: str, row: Row, command: object) -> None:
        self.tag = tag
        try:
            if self._changed and self.view is not None:
                for line in await self._new_rights():
                    self.connection.write(line)
            completion = await self._run_handler(row, command)
            if self.notifier is not None and completion.status == "OK":
                self.notifier.note_own(command)
            if self.view is not None:
                await self._tell_news(row)
        except MailError as error:
            completion = completion_for(error)
            log.info("command_failed", command=name, account=self._name, error=str(error) or type(error).__name__)
        except BadSyntax as error:
            completion = Completion(error.status, error.code, str(error))
        except psycopg.Error as error:
            completion = UNAVAILABLE
            log.warning("database_unavailable", command=name, error=str(error).strip())
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            completion = UNAVAILABLE
            log.error("store_failed", command=name, account=self._name, error=str(error))
        except (Disconnect, LineTooLong):
            raise
        except Exception:
            completion = INTERNAL
            log.exception("command_crashed", command=name, account=self._name)
        completion = self._with_modseq(completion)
        self.connection.write(completion.to_bytes(tag, name))
        await self.connection.drain()
        if self.upgrade is not None:
            upgrade, self.upgrade = self.upgrade, None
            await upgrade()

    def _with_modseq(self, completion: Completion) -> Completion:
        code = self.view.end_of_command() if self.view is not None else b""
        if not code or not self.condstore:
            return completion
        if not completion.code:
            return replace(completion, code=code)
        self.connection.write(response.ok("Highest", code))
        return completion

    async def _run_handler(self, row: Row, command: object) -> Completion:
        completion = Completion()
        connection = self.connection
        # Closed at once when the connection is lost: handlers hold files and registrations.
        async with aclosing(row.handler(self, command)) as parts:
            async for part in parts:
                if isinstance(part, Completion):
                    completion = part
                    continue
                if isinstance(part, list):
                    connection.write_each(part)
                else:
                    connection.write(part)
                await connection.drain()
        return completion

    async def _tell_news(self, row: Row) -> None:
        """Pending updates before the tagged response."""
        asks = row.looks_at_files
        due = self._changed and self._now() - self._last_look > LOOK_AT_MOST_EVERY_S
        if self.notifier is not None and not self.notifier.interest.wants_messages:
            # Then only of what this command has done itself.
            asks, due = False, self._changed and not self._last_look
        if asks or due or (self.condstore and self.selected.has_run_ahead):
            told = await self.news(expunge=row.expunge_allowed, files=asks)
        else:
            told = self._flush(self.selected, expunge=row.expunge_allowed) + await updates(self)
        if told:
            self.connection.write(b"".join(told))
        if self.notifier is not None:
            await fetch_arrived(self)

    async def start_tls(self) -> None:
        """After the tagged response of STARTTLS."""
        self.engine.discard_input()
        await self.connection.start_tls()

    async def start_compression(self) -> None:
        """After the tagged response of COMPRESS."""
        self.connection.start_compression(self.engine.take_input())

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def _name(self) -> str:
        return self.account.address if self.account is not None else ""


def _look(
    conn: DatabaseConnection,
    storage: Storage,
    account: AccountRef,
    record: MailboxRecord,
    modseq: int,
    *,
    files: bool,
) -> tuple[Changes, bool]:
    """A unit of work: what has happened to a mailbox, and whether other programs' doing was found in its folder."""
    adopted = files and mailboxes.refresh(conn, storage, account, record)
    return mailboxes.changes_since(conn, record.id, modseq), adopted


@lru_cache(maxsize=4)
def _limits(message_bytes: int, unasked_bytes: int) -> Limits:
    """One object for all sessions."""
    return Limits(LINE_BYTES, LITERAL_BYTES, message_bytes, unasked_bytes)
