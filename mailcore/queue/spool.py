"""Spool files: the content of queued messages, one file per message, in disk form (LF line ends).

A file lies in queue/XX/ under its queue id. XX is taken from the time in the id, so the messages of one batch share
a directory and one fsync of it serves them all. A file is written under its final name: without a row it means
nothing and is swept after a day. The first `content_offset` bytes (Return-Path) belong to local delivery, which may
hard-link the file; what is relayed begins behind them.

Promise: after `sync` returned, the files and their names survive a crash.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from mailcore.message.wire import to_wire
from mailcore.store import files

SWEEP_AGE_S = 86400
_SWEEP_BATCH = 500


class SpoolReader:
    """One message for reading, from `offset` of its file. Sizes and offsets are of the wire form."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._wire_size: int | None = None

    @property
    def wire_size(self) -> int:
        """Bytes on the wire; counted once, block by block."""
        if self._wire_size is None:
            self._wire_size = sum(len(block) + block.count(b"\n") for block in self.disk_chunks())
        return self._wire_size

    def disk_chunks(self, block: int = 65536) -> Iterator[bytes]:
        """The content as it lies on the disk."""
        at = self._offset
        while data := os.pread(self._descriptor, block, at):
            yield data
            at += len(data)
            if len(data) < block:
                return  # a spool file never grows

    def chunks(self, block: int = 65536) -> Iterator[bytes]:
        """The content in wire form."""
        return (to_wire(data) for data in self.disk_chunks(block))

    def read(self) -> bytes:
        """The whole content in wire form."""
        return b"".join(self.chunks())

    def read_range(self, start: int, length: int) -> bytes:
        """A part of the wire form; memory is bounded by `length` and one block."""
        parts: list[bytes] = []
        for data in self.chunks():
            if start >= len(data):
                start -= len(data)
                continue
            parts.append(data[start : start + length])
            length -= len(parts[-1])
            start = 0
            if not length:
                break
        return b"".join(parts)

    def close(self) -> None:
        """May be called twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Spool:
    """The spool folder of the appliance: $MAIL_HOME/spool."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._queue = root / "queue"
        self._folder = str(self._queue)

    def path(self, queue_id: str) -> Path:
        """Where the content of that message lies or will lie."""
        return Path(self._name(queue_id))

    def adopt(self, content: bytes | Path, queue_id: str) -> Path:
        """Write `content`, or link the file it is in, as the content of `queue_id`. Durable after `sync`."""
        target = self.path(queue_id)
        try:
            self._place(content, target)
        except FileNotFoundError:
            self._make_folder(target.parent)
            self._place(content, target)
        return target

    def sync(self, paths: Iterable[Path]) -> None:
        """Make files and their names durable: each file once, each folder once."""
        paths = list(paths)
        for path in paths:
            _flush(path, os.fdatasync)
        for folder in {path.parent for path in paths}:
            _flush(folder, os.fsync)

    def open(self, queue_id: str, offset: int = 0) -> SpoolReader:
        """The content for reading. Raises FileNotFoundError."""
        return SpoolReader(os.open(self._name(queue_id), os.O_RDONLY | os.O_CLOEXEC), offset)

    def discard(self, queue_id: str) -> None:
        """Remove the content; a missing file is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._name(queue_id))

    def sweep(self, known: Callable[[Sequence[str]], set[str]], *, older_than_s: float = SWEEP_AGE_S) -> int:
        """Remove files older than that which no row knows, and what was never received to its end. `known` is asked
        for some hundred queue ids at a time.
        """
        limit = time.time() - older_than_s
        removed = files.remove_older(str(self.root / "incoming"), limit)
        batch: list[str] = []
        for path in self._files():
            if _is_older(path, limit):
                batch.append(path.name)
            if len(batch) == _SWEEP_BATCH:
                removed += self._discard_unknown(batch, known)
                batch = []
        return removed + self._discard_unknown(batch, known)

    def _name(self, queue_id: str) -> str:
        if not (queue_id.isascii() and queue_id.isalnum() and len(queue_id) >= 8):
            raise ValueError(f"not a queue id: {queue_id!r}")
        return f"{self._folder}/{queue_id[5:7]}/{queue_id}"

    def _discard_unknown(self, queue_ids: list[str], known: Callable[[Sequence[str]], set[str]]) -> int:
        unknown = set(queue_ids) - known(queue_ids) if queue_ids else set()
        for queue_id in unknown:
            self.discard(queue_id)
        return len(unknown)

    def _files(self) -> Iterator[Path]:
        for folder in sorted(self._queue.glob("*")):
            for path in folder.iterdir():
                if path.name.isalnum() and self.path(path.name) == path:
                    yield path

    def _place(self, content: bytes | Path, target: Path) -> None:
        if isinstance(content, bytes):
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            with _all_or_nothing(target), open(handle, "wb") as file:
                file.write(content)
            return
        if not target.parent.exists():
            raise FileNotFoundError(target.parent)
        try:
            os.link(content, target)
        except OSError as error:
            # Another file system, or one without hard links.
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
                raise
            with _all_or_nothing(target), content.open("rb") as source, target.open("xb") as copy:
                shutil.copyfileobj(source, copy)

    def _make_folder(self, folder: Path) -> None:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        _flush(folder.parent, os.fsync)


@contextmanager
def _all_or_nothing(target: Path) -> Iterator[None]:
    """A file that could not be written keeps no space on a disk that has none."""
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _flush(path: Path, how: Callable[[int], None]) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        how(handle)
    finally:
        os.close(handle)


def _is_older(path: Path, limit: float) -> bool:
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:
        return False
