"""Address lists in files: the ":include:" targets of aliases.

Only files below one folder are read, so that whoever may edit an alias cannot read other files of this host through
the trace or a bounce. One address per line or comma; "#" begins a comment.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from mailcore.errors import DirectoryUnavailable

MAX_BYTES = 1 << 20
PREFIX = ":include:"


class Lists(Protocol):
    """Reads the members of a list; raises DirectoryUnavailable when it cannot."""

    def members(self, path: str) -> list[str]:
        """The addresses on the list, as they are written."""


class FileLists:
    """Lists below `root`; a relative path begins there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def members(self, path: str) -> list[str]:
        """The addresses in the file. Raises DirectoryUnavailable."""
        try:
            root = self._root.resolve()
            file = (root / path).resolve()
            if not file.is_relative_to(root) or not file.is_file():
                raise DirectoryUnavailable(f"{path} is not a file below {root}")
            with file.open("rb") as lines:
                text = lines.read(MAX_BYTES + 1)
        except OSError as error:
            raise DirectoryUnavailable(f"list {path}: {error.strerror}") from error
        if len(text) > MAX_BYTES:
            raise DirectoryUnavailable(f"list {path} is larger than {MAX_BYTES} bytes")
        return parse_list(text.decode("utf-8", "replace"))


def parse_list(text: str) -> list[str]:
    """The addresses of a list file."""
    lines = (line.partition("#")[0] for line in text.splitlines())
    return [word for line in lines for part in line.split(",") if (word := part.strip())]
