"""One POP3 session: AUTHORIZATION, TRANSACTION, UPDATE (RFC 1939 section 3).

Runs one command at a time, in the order sent; what a client pipelines waits in the engine. Messages are
deleted in the UPDATE state only, so a broken connection deletes nothing. The maildrop's lock is given back in
every case.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, Protocol

from accessd.context import Context
from accessd.pop3 import response
from accessd.pop3.command import Command, parse_command
from accessd.pop3.engine import Engine, LineTooLong
from accessd.pop3.errors import EXPECTED, response_to
from accessd.pop3.handlers import COMMANDS
from accessd.pop3.maildrop import Maildrop
from accessd.pop3.state import State
from mailcore import ids
from mailcore.config.snapshot import plaintext_allowed
from mailcore.directory.lookups import AccountRecord
from mailcore.log import get_logger

GREETING = "Mailkeep POP3 ready"
MAX_BAD_COMMANDS = 20
MOST_IN_A_ROW = 32

log = get_logger(__name__)


class Connection(Protocol):
    """What a session needs of accessd.connection.Connection."""

    tls: bool
    peer: str

    @property
    def may_start_tls(self) -> bool: ...

    async def read_some(self) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...

    async def start_tls(self) -> None: ...

    def close(self) -> None: ...


class Pop3Session:
    """`await Pop3Session(context).run(connection)` serves one client to the end."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.id = ids.new_session_id()
        self.state = State.AUTHORIZATION
        self.user = ""
        self.account: AccountRecord | None = None
        self.engine = Engine()
        # Messages read ahead of a client that takes them in order, ready to be sent, by number.
        self.ahead: OrderedDict[int, bytes] = OrderedDict()
        self.last_retrieved = 0
        self.failed_logins = 0
        self._in_a_row = 0
        self._bad_commands = 0
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
        except ConnectionError:
            log.debug("connection_lost", session_id=self.id)
        finally:
            await self.give_back()
            connection.close()

    async def next_line(self) -> bytes | None:
        """One line that is no command (SASL); None at the end of the connection. Raises LineTooLong."""
        while (line := self.engine.next_line()) is None:
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
                line = await self.next_line()
                if line is None:
                    return
                await self._run(parse_command(line))
                await self._let_others_run()
            except LineTooLong:
                self._refuse("Line too long")
        await self.connection.drain()

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
