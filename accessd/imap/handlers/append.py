"""APPEND (RFC 3501 section 6.3.11), with APPENDUID (RFC 4315 section 3)."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.command import Append
from accessd.imap.engine import AppendFinished, AppendStarted, LiteralChunk, Rejected
from accessd.imap.errors import TRY_CREATE
from accessd.imap.response import Completion, Response
from mailcore.errors import MailboxNotFound
from mailcore.identity import AccountRef
from mailcore.index.records import AppendedUid
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox import quota
from mailcore.mailbox.account import get_mailbox
from mailcore.message.wire import ToDisk
from mailcore.sharing import places
from mailcore.sharing.rights import INSERT
from mailcore.store.base import Content
from mailcore.store.files import disk_errors
from mailcore.store.journal import Journal
from mailcore.store.layout import UPLOADS
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

IN_MEMORY_BYTES = 1024 * 1024
"""Larger messages go to a file as they arrive."""


async def append(session: ImapSession, event: AppendStarted) -> AsyncGenerator[Response, None]:
    """The mailbox and the quota are checked before the client sends the message, if it waits for that or if the
    message is large, and in any case when it is stored.
    """
    command, context = event.command, session.context
    if event.synchronising or command.size > IN_MEMORY_BYTES:
        try:
            await context.offload(_check, session.reader, command)
        except MailboxNotFound:
            session.engine.refuse_literal()
            yield TRY_CREATE
            return
        except Exception:
            session.engine.refuse_literal()
            raise
    if event.synchronising:
        yield response.continuation()
    session.engine.accept_literal()
    message = Incoming(session.storage.root, command.size)
    try:
        rejected = await _receive(session, message)
        if rejected is not None:
            yield Completion(rejected.status, rejected.code, rejected.text)
            return
        appended = await context.offload(_append, session.storage, session.reader, command, message, context.journal)
    except MailboxNotFound:
        yield TRY_CREATE
        return
    finally:
        message.discard()
    session.announce([appended.mailbox_id])
    if session.view is not None and session.view.record.id == appended.mailbox_id:
        session.look_now()
    yield Completion(code=b"APPENDUID " + response.uid_sets(appended.uidvalidity, [appended.uid]))


def _check(conn: Connection, reader: AccountRef, command: Append) -> None:
    place = places.resolve(conn, reader, command.mailbox).require(INSERT)
    get_mailbox(conn, place.owner, place.name)
    quota.check(conn, place.owner, command.size)


async def _receive(session: ImapSession, message: Incoming) -> Rejected | None:
    """Read the message to its end; what follows it may still make the command invalid."""
    while True:
        event = await session.next_event()
        match event:
            case LiteralChunk(data):
                if message.in_memory:
                    message.add(data)
                else:
                    await session.context.offload.plain(message.add, data)
            case AppendFinished():
                return None
            case Rejected():
                return event
            case _:
                raise AssertionError(f"unexpected {event}")


def _append(
    conn: Connection,
    storage: Storage,
    reader: AccountRef,
    command: Append,
    message: Incoming,
    journal: Journal | None,
) -> AppendedUid:
    content, flags, at = message.content(), command.flags, command.internal_date
    place = places.resolve(conn, reader, command.mailbox).require(INSERT)
    return mailboxes.append(conn, storage, place.owner, place.name, content, flags, at, journal)


class Incoming:
    """A message on its way in, in disk form: small ones in memory, large ones in a file below the mail root. One that
    cannot be written is still received to its end, so that the client hears why, and the session goes on.
    """

    def __init__(self, root: Path, size: int) -> None:
        self.in_memory = size <= IN_MEMORY_BYTES
        self._convert = ToDisk()
        self._parts: list[bytes] = []
        self._root = root
        self._path: Path | None = None
        self._file: int | None = None
        self._failure: OSError | None = None

    def add(self, data: bytes) -> None:
        """The next piece. NUL has no place in IMAP; the octet others put for it is 0x80."""
        if b"\0" in data:
            data = data.replace(b"\0", b"\x80")
        self._put(self._convert.feed(data))

    def _put(self, data: bytes) -> None:
        if self.in_memory:
            self._parts.append(data)
        elif self._failure is None:
            try:
                self._write(data)
            except OSError as error:
                self._failure = error
                self.discard()

    def _write(self, data: bytes) -> None:
        if self._file is None:
            folder = self._root / UPLOADS
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file, path = tempfile.mkstemp(dir=folder)
            self._path = Path(path)
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def content(self) -> Content:
        """The whole message. Raises StoreFull or StoreUnavailable if it could not be written."""
        self._put(self._convert.close())
        if self._failure is not None:
            with disk_errors():
                raise self._failure
        if self.in_memory:
            return b"".join(self._parts)
        assert self._file is not None and self._path is not None
        os.close(self._file)
        self._file = None
        return self._path

    def discard(self) -> None:
        """Nothing of it is needed any more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
