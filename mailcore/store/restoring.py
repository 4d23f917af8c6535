"""Files of messages that a power cut has taken are written again where they belong now. Whoever does so has the content
from a journal, and holds the lock of the mailbox.
"""

from __future__ import annotations

import os
from contextlib import suppress

from mailcore.store import files, layout
from mailcore.store.maildir import deliver


def in_mailbox(path: str, mailbox: str | None) -> str:
    """The path of a message in the folder that this mailbox has in the same Maildir; None: it is no message."""
    if mailbox is None:
        return path
    above, name = os.path.split(path)
    folder, subfolder = os.path.split(above)
    maildir = os.path.dirname(folder) if os.path.basename(folder).startswith(".") else folder
    return os.path.join(maildir, layout.maildir_folder(mailbox), subfolder, name)


def ensure(path: str, content: bytes, names: Names) -> bool:
    """See that the file is there with this content, wherever its flags have taken it. True if it was not."""
    found = names.find(path)
    whole = [name for name in found if _has(name, content)]
    # A rename that the disk has lost may have left it under two names; the later one has its flags.
    path = (whole or found or [path])[-1]
    for name in found:
        if name != path:
            files.remove_quietly(name)
    if whole:
        return False
    folder = os.path.dirname(path)
    if os.path.basename(folder) in deliver.SUBFOLDERS:
        deliver.create_folder(os.path.dirname(folder))
        temporary = os.path.join(os.path.dirname(folder), "tmp", os.path.basename(path))
    else:
        files.make_directory(folder)
        temporary = path + ".recovered"
    files.remove_quietly(temporary)
    fd = files.create_exclusively(temporary)
    try:
        files.write_all(fd, content)
        os.fdatasync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, path)
    return True


def _has(path: str, content: bytes) -> bool:
    with suppress(FileNotFoundError):
        return files.read(path) == content
    return False


class Names:
    """Where files are now. A message may have moved from new/ to cur/ when somebody saw it, and got other flags; each
    Maildir folder is listed once, and again when something has moved since.
    """

    def __init__(self) -> None:
        self._listed: dict[str, dict[str, list[str]]] = {}

    def find(self, path: str) -> list[str]:
        """The names that the file has, perhaps none."""
        folder, name = os.path.split(os.path.dirname(path))
        if name not in ("new", "cur"):
            return [path] if os.path.exists(path) else []
        found = self._find(folder, deliver.key_of(path))
        if not all(map(os.path.exists, found)):
            del self._listed[folder]
            found = self._find(folder, deliver.key_of(path))
        return found

    def _find(self, folder: str, key: str) -> list[str]:
        if folder not in self._listed:
            self._listed[folder] = _list(folder)
        return self._listed[folder].get(key, [])


def _list(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    # cur/ last: a file that is just moving there is then seen once at least.
    for name in ("new", "cur"):
        with suppress(FileNotFoundError):
            for entry in os.listdir(f"{folder}/{name}"):
                found.setdefault(deliver.key_of(entry), []).append(f"{folder}/{name}/{entry}")
    return found
