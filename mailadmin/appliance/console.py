"""Where the appliance speaks: lines on standard output, prefixed with who said them, and a copy in a file.

No colours: the output is read in journals, pagers and bug reports as often as on a terminal. Chatter of the servers
that nobody needs on the screen goes to the file only.
"""

import os
import sys
import time
from pathlib import Path
from typing import TextIO

WIDTH = 9
ROTATE_AT_BYTES = 10 << 20
# What the servers say whenever they start and stop, and the panel while others are still starting.
CHATTER = (
    "LOG:  ",
    "HINT:  Future log output",
    "Memory overcommit must be enabled",
    "ready to exit",
    "signal-handler",
    "Service Unavailable: /healthz",
    "No hostname was supplied",
    "the database system is starting up",
)


class Console:
    """Writes whole lines; a reader that went away does not end the appliance."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = _open_log(file) if file else None
        self._screen_is_there = True

    def say(self, text: str = "") -> None:
        """A line of the appliance's own."""
        self._print(text)
        self._keep("appliance", text)

    def relay(self, name: str, line: str) -> None:
        """A line that a child wrote."""
        self._keep(name, line)
        if not any(words in line for words in CHATTER):
            self._print(f"{name:<{WIDTH}} | {line}")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _print(self, text: str) -> None:
        if not self._screen_is_there:
            return
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except (OSError, ValueError):
            self._screen_is_there = False

    def _keep(self, name: str, line: str) -> None:
        if self._file is None or not line.strip():
            return
        try:
            self._file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {name:<{WIDTH}} | {line}\n")
        except OSError:
            # A full disk must not stop the mail system; the screen still shows what happens.
            return


def _open_log(path: Path) -> TextIO:
    if path.exists() and path.stat().st_size > ROTATE_AT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "w", buffering=1, errors="replace")
