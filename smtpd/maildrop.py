"""Mail that local users left in $MAIL_HOME/maildrop/new while no SMTP process answered (Postfix: pickup).

A file is one line of JSON {"sender", "recipients", "options"}, then the message in disk form. One process at a time
picks up, the one that holds the lock. A file goes away only after its message is durable: a crash in between delivers
twice, never not at all. Recipients nobody knows become queue recipients, so that the sender gets a report. A file that
cannot be understood, or is refused for good, is kept in maildrop/corrupt.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mailcore.address import Address
from mailcore.errors import AddressSyntaxError
from mailcore.log import get_logger
from mailcore.reply import Reply
from mailcore.smtp.command import MailCommand, RcptCommand
from mailcore.smtp.data import ChunkReader
from smtpd.client import PICKUP, Client
from smtpd.handler import Handler
from smtpd.services import Services
from smtpd.transaction import Transaction

SCAN_EVERY_S = 1.0
AT_ONCE = 20
BLOCK = 64 * 1024
ENVELOPE_LIMIT = 1 << 20

log = get_logger(__name__)


class Malformed(Exception):
    """The file is not what bin/sendmail writes."""


@dataclass(frozen=True, slots=True)
class LeftMessage:
    """The envelope of a file in the maildrop."""

    sender: Address | None
    recipients: tuple[Address, ...]
    notify: frozenset[str] = frozenset()
    ret: str = ""
    envid: str = ""


def parse_envelope(line: bytes) -> LeftMessage:
    """The first line of a file. Raises Malformed."""
    try:
        said = json.loads(line)
        sender = str(said.get("sender") or "")
        recipients = tuple(_address(str(text)) for text in said["recipients"])
        wishes = _wishes(dict(said.get("options") or {}))
        left = LeftMessage(_address(sender) if sender else None, recipients, *wishes)
    except (ValueError, KeyError, TypeError, AttributeError, AddressSyntaxError) as error:
        raise Malformed(str(error)) from error
    if not recipients:
        raise Malformed("no recipients")
    return left


def _wishes(options: dict[str, Any]) -> tuple[frozenset[str], str, str]:
    """NOTIFY, RET and ENVID of RFC 3461; what is not one of them is not asked for."""
    notify = frozenset(str(options.get("notify") or "").upper().split(","))
    if notify != {"NEVER"} and not notify <= {"SUCCESS", "FAILURE", "DELAY"}:
        notify = frozenset()
    ret, envid = str(options.get("ret") or "").upper(), str(options.get("envid") or "")
    return notify, ret if ret in ("FULL", "HDRS") else "", envid[:100] if envid.isprintable() else ""


def _address(text: str) -> Address:
    return Address.parse(text) if "@" in text else Address(text, "")


class Pickup:
    """Looks once a second, or when told to."""

    def __init__(self, services: Services, handler: Handler, maildrop: Path) -> None:
        self._services = services
        self._handler = handler
        self._new = maildrop / "new"
        self._corrupt = maildrop / "corrupt"
        self._lock_path = maildrop / "lock"
        self._lock: BinaryIO | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                await self.scan()
            except OSError as error:
                log.warning("maildrop_not_read", error=str(error))
            await asyncio.sleep(SCAN_EVERY_S)

    def close(self) -> None:
        """Let another process pick up."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def scan(self) -> int:
        """Pick up what is there now; returns how many messages were taken."""
        names: list[str] = await self._services.plain(self._list)
        taken = 0
        for start in range(0, len(names), AT_ONCE):
            several = names[start : start + AT_ONCE]
            results = await asyncio.gather(*(self._pick_up(self._new / name) for name in several))
            taken += sum(results)
        return taken

    def _list(self) -> list[str]:
        if self._lock is None:
            self._lock = _lock(self._lock_path)
        if self._lock is None or not self._new.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(self._new) if entry.is_file(follow_symlinks=False))

    async def _pick_up(self, path: Path) -> bool:
        try:
            reply = await self._submit(path)
        except (Malformed, FileNotFoundError) as error:
            log.error("maildrop_file_malformed", file=path.name, error=str(error))
            reply = None
        if reply is not None and reply.is_positive:
            await self._services.plain(path.unlink, True)
            return True
        if reply is None or reply.is_permanent:
            await self._services.plain(self._set_aside, path)
        return False

    def _set_aside(self, path: Path) -> None:
        self._corrupt.mkdir(mode=0o700, exist_ok=True)
        if path.exists():
            path.rename(self._corrupt / path.name)

    async def _submit(self, path: Path) -> Reply:
        """The transaction of one file."""
        file: BinaryIO = await self._services.plain(_open_regular, path)
        try:
            left = parse_envelope(await self._services.plain(file.readline, ENVELOPE_LIMIT))
            client = Client("127.0.0.1", PICKUP, name="localhost", helo="localhost")
            command = MailCommand(
                left.sender, smtputf8=not _is_ascii(left), body="8BITMIME", ret=left.ret, envid=left.envid
            )
            reply, transaction = await self._handler.mail(client, command)
            if transaction is None:
                return reply
            try:
                return await self._recipients_and_content(transaction, left, file)
            finally:
                await transaction.discard()
        finally:
            file.close()

    async def _recipients_and_content(self, transaction: Transaction, left: LeftMessage, file: BinaryIO) -> Reply:
        for address in left.recipients:
            reply = await self._handler.rcpt(transaction, RcptCommand(address, left.notify))
            if reply.is_temporary:
                return reply
            if reply.is_permanent:
                transaction.accept_undeliverable(address)
        incoming, reader = transaction.begin_content(), ChunkReader()
        read: Callable[[int], bytes] = file.read
        while block := await self._services.plain(read, BLOCK):
            if incoming.add(reader.feed(block)):
                await incoming.flush()
        incoming.add(reader.finish())
        return await self._handler.finish(transaction, reader.wire_size)


def _is_ascii(left: LeftMessage) -> bool:
    return all(str(address).isascii() for address in (*left.recipients, left.sender or ""))


def _open_regular(path: Path) -> BinaryIO:
    """Never follows a link: the folder may be writable for many."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _lock(path: Path) -> BinaryIO | None:
    """The lock file, held until this process ends; None if another process has it, or there is no maildrop."""
    if not path.parent.is_dir():
        return None
    file = path.open("wb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
