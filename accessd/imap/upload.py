"""Receiving the messages of a command that carries them: APPEND, REPLACE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.catenate import TooBig, take_from
from accessd.imap.events import ContinuationNeeded, Event, LiteralChunk, LiteralStarted, Rejected, UploadFinished
from accessd.imap.grammar import args_append
from accessd.imap.grammar.url import BadUrl, parse_url, quote_url
from accessd.imap.incoming import IN_MEMORY_BYTES, Incoming
from accessd.imap.reading import next_event
from accessd.imap.response import Completion
from mailcore.identity import AccountRef
from mailcore.mailbox import quota
from mailcore.mailbox.account import get_mailbox
from mailcore.sharing import places
from mailcore.sharing.flags import settable
from mailcore.sharing.rights import INSERT
from mailcore.store import exchange

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


TOO_BIG = Completion("NO", b"TOOBIG", "Message too big")
CANCELLED = Completion("NO", text="An empty message cancels the command")
TOO_MUCH = Completion("NO", b"LIMIT", "Too much from URLs in one command")


class Refused(Exception):
    """The command has ended otherwise than by its end."""

    def __init__(self, completion: Completion) -> None:
        super().__init__(completion.text)
        self.completion = completion


class Upload:
    """The messages of one command. `discard` what is left of them when it is done."""

    def __init__(self, session: ImapSession, begun: LiteralStarted | args_append.Upload) -> None:
        self._session = session
        self._first = begun
        self.command = begun.command if isinstance(begun, LiteralStarted) else begun
        self._incoming: list[Incoming] = []
        self._parts = 0
        """How many parts of the last one have come."""
        self._in_memory = 0
        self._from_urls = 0

    def refuse(self) -> None:
        """Before anything was received: the command has been found impossible."""
        if isinstance(self._first, LiteralStarted):
            self._session.engine.refuse_literal()

    async def receive(self) -> None:
        """Read the command to its end. Raises Refused, or the error that a check has found."""
        if isinstance(self._first, LiteralStarted):
            event: Event = self._first
            while not isinstance(event, UploadFinished):
                await self._take(event)
                event = await next_event(self._session)
        await self._take_urls()

    async def _take(self, event: Event) -> None:
        match event:
            case LiteralChunk(data):
                message = self._incoming[-1]
                if message.in_memory:
                    message.add(data)
                else:
                    await self._session.context.offload.plain(message.add, data)
            case LiteralStarted():
                await self._start(event)
            case ContinuationNeeded():
                self._session.connection.write(response.continuation())
            case Rejected():
                raise Refused(Completion(event.status, event.code, event.text))
            case _:
                raise AssertionError(f"unexpected {event}")

    async def _start(self, event: LiteralStarted) -> None:
        """Its size tells whether the message is worth a look before it comes."""
        session = self._session
        total = sum(each.size for each in event.command.messages)
        try:
            _require_octets(event.command.messages[-1], event.literal)
            if event.synchronising or total > IN_MEMORY_BYTES:
                await session.context.offload(_check, session.reader, event.command, total)
            await self._take_urls()
            self._require_room(event.command.messages[-1], event.literal)
        except Exception:
            session.engine.refuse_literal()
            raise
        self._take_text(event.command.messages[-1], event.literal)
        if event.synchronising:
            session.connection.write(response.continuation())
        session.engine.accept_literal()

    def _require_room(self, draft: args_append.Draft, literal: args_append.Text) -> None:
        """The engine knows the sizes of texts, not what came from URLs."""
        if draft.catenated and self._incoming[-1].size + literal.size > self._session.append_limit:
            raise Refused(TOO_BIG)

    def _take_text(self, draft: args_append.Draft, literal: args_append.Text) -> None:
        if not draft.catenated:
            in_memory = self._in_memory + literal.size <= IN_MEMORY_BYTES
            if in_memory:
                self._in_memory += literal.size
            self._begin(Incoming(self._session.storage.root, in_memory=in_memory, raw=literal.binary))
        self._incoming[-1].binary |= literal.binary
        self._parts += 1

    def _begin(self, message: Incoming) -> None:
        if self._incoming:
            self._incoming[-1].complete()
        self._incoming.append(message)
        self._parts = 0

    async def _take_urls(self) -> None:
        """All that stand before what comes next; each message of CATENATE begins here."""
        messages = self.command.messages
        for number in range(max(0, len(self._incoming) - 1), len(messages)):
            draft = messages[number]
            if not draft.catenated:
                continue
            if number == len(self._incoming):
                # How much comes together nobody knows, nor with which line ends.
                self._begin(Incoming(self._session.storage.root, in_memory=False, raw=True))
            while self._parts < len(draft.parts) and isinstance(part := draft.parts[self._parts], args_append.Url):
                await self._take_url(part.url)
                self._parts += 1

    async def _take_url(self, url: bytes) -> None:
        """What URLs bring is no more than one message may be, in all messages together: a line of them costs its sender
        nothing, and would fill the disk.
        """
        session = self._session
        into, before = self._incoming[-1], self._incoming[-1].size
        most = min(session.append_limit, before + session.append_limit - self._from_urls)
        try:
            await session.context.offload(
                take_from, session.storage, session.reader, session.view, parse_url(url), into, most
            )
        except BadUrl as error:
            raise Refused(Completion("NO", b"BADURL " + quote_url(url), f"URL: {error}")) from None
        except TooBig:
            raise Refused(TOO_BIG if most == session.append_limit else TOO_MUCH) from None
        self._from_urls += into.size - before

    def messages(self, rights: str) -> list[exchange.Incoming]:
        """All of them, with the flags that somebody with these rights may set. Raises StoreFull, StoreUnavailable."""
        pairs = zip(self._incoming, self.command.messages, strict=True)
        return [
            exchange.Incoming(each.content(), settable(draft.flags, rights), draft.internal_date)
            for each, draft in pairs
        ]

    def discard(self) -> None:
        """Nothing of them is needed any more."""
        for each in self._incoming:
            each.discard()


def _require_octets(draft: args_append.Draft, literal: args_append.Text) -> None:
    """RFC 3502 section 6.3.11."""
    if not draft.catenated and not literal.size:
        raise Refused(CANCELLED)


def _check(conn: Connection, reader: AccountRef, command: args_append.Upload, size: int) -> None:
    place = places.resolve(conn, reader, command.mailbox).require(INSERT)
    get_mailbox(conn, place.owner, place.name)
    if not isinstance(command, args_append.Replace):
        # There it is the difference that counts.
        quota.check(conn, place.owner, size, len(command.messages))
