"""A small file system of its own, which a test fills and empties again. Needs root, as CI has it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_STEPS = (1 << 20, 4096, 64)


class SmallVolume:
    """A tmpfs of `size_bytes` mounted at `folder`."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        result = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0755", "tmpfs", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode:
            pytest.fail(f"this test mounts small file systems and may not (root, CAP_SYS_ADMIN): {result.stderr}")

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take all space but this."""
        self.empty()
        with open(self.folder / "filler", "wb", buffering=0) as filler:
            wanted = self.free_bytes - leave_bytes
            for step in _STEPS:
                try:
                    while wanted >= step or not leave_bytes:
                        wanted -= filler.write(bytes(step))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self) -> None:
        """Give back what `fill` took."""
        (self.folder / "filler").unlink(missing_ok=True)

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=False, capture_output=True)


@contextmanager
def small_volume(folder: Path, size_bytes: int) -> Iterator[SmallVolume]:
    """Unmounted at the end."""
    volume = SmallVolume(folder, size_bytes)
    try:
        yield volume
    finally:
        volume.close()


def files_below(folder: Path) -> dict[str, int]:
    """Path and size of every file, links followed at the start only."""
    root = os.path.realpath(folder)
    return {
        os.path.relpath(os.path.join(above, name), root): os.path.getsize(os.path.join(above, name))
        for above, _, names in os.walk(root)
        for name in names
    }
