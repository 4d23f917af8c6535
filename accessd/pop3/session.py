"""One POP3 session: AUTHORIZATION, TRANSACTION, UPDATE (RFC 1939 section 3).

Runs one command at a time, in the order sent; what a client pipelines waits in the engine. Messages are deleted in the
UPDATE state only, so a broken connection deletes nothing. The maildrop's lock is given back in every case, and lent
while the client is silent (accessd.pop3.lock): a session whose maildrop was taken meanwhile ends and deletes nothing.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any

from accessd.connection import Connection
from accessd.context import Context
from accessd.pop3 import response
from accessd.pop3.command import Command, NotUtf8, parse_command
from accessd.pop3.commands import COMMANDS
from accessd.pop3.engine import Engine, LineTooLong
from accessd.pop3.errors import EXPECTED, response_to
from accessd.pop3.maildrop import Maildrop
from accessd.pop3.state import State
from mailcore import ids
from mailcore.config.snapshot import plaintext_allowed
from mailcore.db.sessions import keeps_out
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import MailboxInUse
from mailcore.log import get_logger
from mailcore.store.layout import INBOX

GREETING = "Mailkeep POP3 ready"
MAX_BAD_COMMANDS = 20
MOST_IN_A_ROW = 32

_NOT_UTF8 = response.negative("That is not UTF-8")
_TAKEN_OVER = response.negative("Another session has taken over this maildrop", "IN-USE")

log = get_logger(__name__)


class Pop3Session:
    """`await Pop3Session(context).run(connection)` serves one client to the end."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.id = ids.new_session_id()
        self.state = State.AUTHORIZATION
        self.user = ""
        # RFC 6856: the client has asked for UTF-8.
        self.utf8 = False
        self.account: AccountRecord | None = None
        self.engine = Engine()
        # Messages read ahead of a client that takes them in order, ready to be sent, by number.
        self.ahead: OrderedDict[int, bytes] = OrderedDict()
        self.last_retrieved = 0
        self.failed_logins = 0
        self._in_a_row = 0
        self._bad_commands = 0
        self._is_waiting = False
        self._maildrop: Maildrop | None = None
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The client's connection."""
        assert self._connection is not None
        return self._connection

    @property
    def maildrop(self) -> Maildrop:
        """The open maildrop; only in TRANSACTION."""
        assert self._maildrop is not None
        return self._maildrop

    @property
    def mailbox_name(self) -> str:
        """For the registry of sessions: a maildrop is INBOX."""
        return INBOX if self._maildrop is not None else ""

    @property
    def may_send_password(self) -> bool:
        """Whether USER and PLAIN are offered on this connection now."""
        connection = self.connection
        return plaintext_allowed(self.context.config.current(), connection.peer, tls=connection.tls)

    async def run(self, connection: Connection) -> None:
        """Serve until QUIT, the end of the connection, or too much nonsense."""
        self._connection = connection
        try:
            connection.write(response.positive(GREETING))
            await self._serve()
            if connection.farewell and self.state is not State.ENDED:
                # Whatever the client says next has its answer here.
                code = "AUTH" if keeps_out(connection.farewell) else "SYS/TEMP"
                connection.write(response.negative(connection.farewell, code))
        except ConnectionError:
            log.debug("connection_lost", session_id=self.id)
        finally:
            await self.give_back()
            connection.close()

    async def next_line(self) -> bytes | None:
        """One line that is no command (SASL); None at the end of the connection. Raises LineTooLong."""
        return await self._line(is_command=False)

    async def _line(self, *, is_command: bool) -> bytes | None:
        while (line := self.engine.next_line(is_command=is_command)) is None:
            await self.connection.drain()
            data = await self.connection.read_some()
            if not data:
                return None
            self.engine.receive(data)
        return line

    def enter_transaction(self, account: AccountRecord, maildrop: Maildrop) -> None:
        """Login and lock have succeeded."""
        self.account = account
        self._maildrop = maildrop
        self.state = State.TRANSACTION
        self.connection.on_silent = self.lend_maildrop

    def lend_maildrop(self) -> None:
        """The client has been silent for long: a newer login may have the maildrop, unless a command is running."""
        if self._maildrop is not None and self._is_waiting:
            self._maildrop.lock.lend()

    def end(self) -> None:
        """No further command is read."""
        self.state = State.ENDED

    async def give_back(self) -> None:
        """Release the maildrop, for whoever waits."""
        maildrop, self._maildrop = self._maildrop, None
        self.ahead.clear()
        if maildrop is not None:
            maildrop.lock.release()

    async def _serve(self) -> None:
        while self.state is not State.ENDED:
            try:
                self._is_waiting = True
                line = await self._line(is_command=True)
                self._is_waiting = False
                if line is None:
                    return
                if await self._has_maildrop():
                    await self._run(parse_command(line, utf8=self.utf8))
                await self._let_others_run()
            except LineTooLong:
                self._refuse("Line too long")
            except NotUtf8:
                self.connection.write(_NOT_UTF8)
        await self.connection.drain()

    async def _has_maildrop(self) -> bool:
        """Still, or again after it was lent. If not, the session ends: its list of messages is no longer true."""
        if self._maildrop is None or not self._maildrop.lock.is_lent:
            return True
        try:
            await self.context.offload.plain(self._maildrop.lock.take_back)
        except MailboxInUse:
            log.info("maildrop_taken_over", session_id=self.id)
            self.connection.write(_TAKEN_OVER)
            self.end()
            return False
        except EXPECTED as error:
            log.warning("maildrop_not_locked", session_id=self.id, error=str(error))
            self.connection.write(response_to(error))
            return False
        return True

    async def _let_others_run(self) -> None:
        """A client may have sent thousands of commands: it has to take its answers, and others come in between."""
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            self._in_a_row = 0
            await self.connection.drain()
            await asyncio.sleep(0)

    async def _run(self, command: Command) -> None:
        row = COMMANDS.get(command.verb)
        if row is None:
            self._refuse("Unknown command")
        elif self.state not in row.states:
            self._refuse("Not in this state")
        elif row.arguments is not None and len(command.arguments) not in row.arguments:
            self._refuse("Wrong number of arguments")
        else:
            await self._handle(row.handler(self, command))

    async def _handle(self, handler: Coroutine[Any, Any, None]) -> None:
        try:
            await handler
        except ConnectionError:
            raise
        except EXPECTED as error:
            log.info("command_failed", session_id=self.id, error=str(error))
            self.connection.write(response_to(error))

    def _refuse(self, text: str) -> None:
        self._bad_commands += 1
        self.connection.write(response.negative(text))
        if self._bad_commands >= MAX_BAD_COMMANDS:
            self.end()
