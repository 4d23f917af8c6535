"""The content of one message while it comes in: small ones in memory, larger ones in a file below spool/incoming.

Memory per connection stays bounded whatever the size of the message: at most MEMORY_LIMIT bytes are kept, then blocks
of WRITE_BLOCK are written by a pool thread. What arrives beyond the size limit is counted and thrown away.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from mailcore.store.base import Content
from smtpd.completion import Completed

MEMORY_LIMIT = 128 * 1024
WRITE_BLOCK = 256 * 1024

Plain = Callable[..., Awaitable[None]]


class Incoming:
    """Take blocks with `add`, write when it says so with `flush`, and end with `finish` or `discard`.

    `complete` gets the beginning of the message once, as soon as it is known, and returns what to keep instead.
    `failure` is set when the content could not be kept; then the rest is only counted.
    """

    def __init__(self, path: Path, plain: Plain, complete: Callable[[bytes], Completed]) -> None:
        self._path = path
        self._plain = plain
        self._complete = complete
        self._parts: list[bytes] = []
        self._buffered = 0
        self._file: int | None = None
        self._is_closed = False
        self.completed: Completed | None = None
        self.failure: OSError | None = None
        self.is_dropped = False

    def add(self, block: bytes) -> bool:
        """Keep a block; True: call `flush` before the next."""
        if self.is_dropped:
            return False
        self._parts.append(block)
        self._buffered += len(block)
        return self._buffered > (MEMORY_LIMIT if self._file is None else WRITE_BLOCK)

    def drop(self) -> None:
        """Nothing of this message will be needed: it is too big."""
        self.is_dropped = True
        self._parts.clear()
        self._buffered = 0

    async def flush(self) -> None:
        """Write what is in memory to the file."""
        block = self._take()
        if self._file is None:
            block = self._begin(block)
        await self._plain(self._write, block)
        if self.failure is not None:
            self.drop()

    async def finish(self) -> Content:
        """The whole message in disk form, our fields in front. Raises the OSError that kept it from being written."""
        if self._file is None and self.failure is None:
            return self._begin(self._take())
        if self._parts:
            await self._plain(self._write, self._take())
        if self.failure is not None:
            raise self.failure
        await self._plain(self._close)
        return self._path

    async def discard(self) -> None:
        """Forget the message; safe to repeat, and needed also after delivery: the file is only ours."""
        self.drop()
        if self._file is not None:
            await self._plain(self._remove)

    def _begin(self, head: bytes) -> bytes:
        self.completed = self._complete(head)
        return self.completed.start

    def _take(self) -> bytes:
        block = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._buffered = 0
        return block

    def _write(self, block: bytes) -> None:
        try:
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                self._file = os.open(self._path, flags, 0o640)
            view = memoryview(block)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError as error:
            self.failure = error

    def _close(self) -> None:
        if self._file is not None and not self._is_closed:
            os.close(self._file)
            self._is_closed = True

    def _remove(self) -> None:
        self._close()
        self._path.unlink(missing_ok=True)
        self._file = None
