"""Mailboxes whose names are too long for a folder or a file: their path is a hash, the name stands in a file beside.

For every other use the path follows from the name; the file is read only to learn what folders nobody knows are called.
It is written before the mailbox has its path, so there is no time at which a mailbox has no name.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mailcore.store import files, layout

# In a Maildir folder; other programs pass over it as over maildirfolder. With mbox it is a suffix.
IN_FOLDER = "mailbox-name"
BESIDE_FILE = ".name"


def write(path: str, mailbox: str) -> None:
    """Make `path` hold the name, durably and in one step."""
    temporary = path + ".new"
    fd = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, files.FILE_MODE)
    try:
        files.write_all(fd, mailbox.encode())
        os.fdatasync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    files.sync_directory(os.path.dirname(path))


def read(path: str, component: str) -> str | None:
    """The name of the mailbox that a folder or file called `component` stands for; None if it is not told, or another
    one's.
    """
    with suppress(OSError, UnicodeDecodeError):
        return layout.mailbox_of_long(component, files.read(path).decode())
    return None
