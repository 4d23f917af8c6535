"""A message on its way in, in disk form: small ones in memory, large ones in a file below the mail root.

One that cannot be written is still received to its end, so that the client hears why, and the session goes on. What
came as literal8 (RFC 3516) is kept as it came until it is complete: only then is it known which parts have to be
encoded, because IMAP and files of lines have no place for their octets.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from mailcore.message.binary import storable, write_storable
from mailcore.message.wire import ToDisk
from mailcore.store.base import Content
from mailcore.store.files import disk_errors
from mailcore.store.layout import UPLOADS

IN_MEMORY_BYTES = 1024 * 1024
"""Larger messages go to a file as they arrive."""


class Incoming:
    """`raw`: the octets have to stay as they are until the end. `binary` says then that some came as literal8."""

    def __init__(self, root: Path, *, in_memory: bool, raw: bool = False) -> None:
        self.in_memory = in_memory
        self.binary = False
        self.size = 0
        """Octets received."""
        self._raw = raw
        self._convert = ToDisk()
        self._parts: list[bytes] = []
        self._root = root
        self._paths: list[Path] = []
        self._file: int | None = None
        self._is_complete = False
        self._failure: OSError | None = None

    def add(self, data: bytes) -> None:
        """The next piece. NUL has no place in IMAP; the octet others put for it is 0x80."""
        self.size += len(data)
        if self._raw:
            self._put(data)
            return
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
            self._file = self._new_file()
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]

    def _new_file(self) -> int:
        folder = self._root / UPLOADS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, path = tempfile.mkstemp(dir=folder)
        self._paths.append(Path(path))
        return file

    def complete(self) -> None:
        """No more of it comes: a file is not kept open for it while others of its command come. Safe to repeat."""
        if self._is_complete:
            return
        self._is_complete = True
        if not self._raw:
            self._put(self._convert.close())
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def content(self) -> Content:
        """The whole message. Raises StoreFull or StoreUnavailable if it could not be written."""
        self.complete()
        if self._failure is not None:
            with disk_errors():
                raise self._failure
        if self.in_memory:
            content = b"".join(self._parts)
            return storable(content, binary=self.binary) if self._raw else content
        with disk_errors():
            return self._converted() if self._raw else self._written()

    def _written(self) -> Path:
        if not self._paths:
            os.close(self._new_file())
        return self._paths[-1]

    def _converted(self) -> Path:
        raw = self._written()
        with open(self._new_file(), "wb") as target:
            write_storable(raw, target, binary=self.binary)
        return self._paths[-1]

    def discard(self) -> None:
        """Nothing of it is needed any more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        for path in self._paths:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
        self._paths.clear()
