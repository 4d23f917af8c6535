"""What a Maildir folder contains now, and where a message is whose flags others may have changed."""

from __future__ import annotations

import os
import time
from functools import lru_cache

from mailcore.errors import MessageGone
from mailcore.message.flags import NO_FLAGS, Flags
from mailcore.store import files
from mailcore.store.base import Scan
from mailcore.store.maildir import filename, keywords
from mailcore.store.maildir.deliver import create_folder

# Two changes within one tick of the kernel's clock leave the same time on a directory.
_CLOCK_TICK_NS = 50_000_000
_ABANDONED_S = 36 * 3600


def state_of(folder: str) -> tuple[int, ...]:
    """When new/ and cur/ changed last; () if that was so lately that one more change would not show."""
    times = tuple(os.stat(os.path.join(folder, name)).st_mtime_ns for name in ("new", "cur"))
    return times if max(times) + _CLOCK_TICK_NS < time.time_ns() else ()


def scan(folder: str, *, take_new: bool) -> Scan:
    """All messages with their flags; with `take_new` those in new/ move to cur/, as the Maildir description
    asks of a reader.
    """
    if take_new:
        move_new(folder)
    state, names = state_of(folder), keywords.read(folder)
    flags_of = lru_cache(maxsize=1024)(lambda letters: filename.flags_of(letters, names))
    messages: dict[str, Flags] = dict.fromkeys(list_new(folder), NO_FLAGS)
    in_cur = [name for name in os.listdir(os.path.join(folder, "cur")) if not name.startswith(".")]
    for name in in_cur:
        key, letters = filename.split(name)
        messages[key] = flags_of(letters)
    return Scan(messages, frozenset(filter(None, [*names, filename.FORWARDED])), (*state, len(in_cur)) if state else ())


def list_new(folder: str) -> list[str]:
    """The keys in new/."""
    return [filename.split(name)[0] for name in os.listdir(os.path.join(folder, "new")) if name[0] != "."]


def move_new(folder: str) -> None:
    """From new/ to cur/; another program may be doing the same."""
    for name in os.listdir(os.path.join(folder, "new")):
        if name.startswith("."):
            continue
        try:
            target = name if ":" in name else filename.join(name, "")
            os.rename(os.path.join(folder, "new", name), os.path.join(folder, "cur", target))
        except FileNotFoundError:
            continue


def remove_abandoned(folder: str) -> None:
    """Remove what programs that died left in tmp/ (the Maildir description says after 36 hours): files, and mailboxes
    that were being deleted. By when they came there: a message that waits for a COMMIT has the date of the message.
    """
    files.remove_older(os.path.join(folder, "tmp"), time.time() - _ABANDONED_S, by_inode=True)


class Locator:
    """Finds the files of messages in one folder. The name that the index expects is tried first; only when
    another program renamed a file is the folder listed, once for all messages.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._keywords: list[str] | None = None
        self._listed: dict[str, str] | None = None
        # A command addresses thousands of messages with a handful of different flags.
        self._suffixes: dict[Flags, str] = {}

    @property
    def keywords(self) -> list[str]:
        """The folder's keywords by their letter."""
        if self._keywords is None:
            self._keywords = keywords.read(self._folder)
        return self._keywords

    def name_keywords(self, wanted: frozenset[str]) -> None:
        """See that `wanted` have letters, as far as there are any."""
        self._keywords = keywords.add(self._folder, self.keywords, wanted)
        self._suffixes.clear()

    def letters(self, flags: Flags, other: str = "") -> str:
        """The flag letters for `flags`."""
        return filename.letters_of(flags, self.keywords if flags.keywords else (), other)

    def suffix(self, flags: Flags) -> str:
        """What follows the key of a message with these flags in its name in cur/."""
        suffix = self._suffixes.get(flags)
        if suffix is None:
            suffix = self._suffixes[flags] = filename.join("", self.letters(flags))
        return suffix

    def in_cur(self, key: str, flags: Flags) -> str:
        """The path of a message with these flags."""
        return f"{self._folder}/cur/{key}{self.suffix(flags)}"

    def candidates(self, key: str, flags: Flags) -> list[str]:
        """Where the message is if nobody else touched it."""
        in_cur = self.in_cur(key, flags)
        return [in_cur] if flags else [in_cur, f"{self._folder}/new/{key}"]

    def find(self, key: str) -> str:
        """Look everywhere, last for an exchange that is not complete. Raises MessageGone."""
        if self._listed is None:
            self._listed = self._list()
        path = self._listed.get(key) or os.path.join(self._folder, "tmp", key)
        if key not in self._listed and not os.path.exists(path):
            raise MessageGone(key)
        return path

    def _list(self) -> dict[str, str]:
        found: dict[str, str] = {}
        # cur/ last: a file that is just moving from new/ to cur/ is then seen once at least.
        for name in ("new", "cur"):
            subfolder = os.path.join(self._folder, name)
            for entry in os.listdir(subfolder):
                found[filename.split(entry)[0]] = os.path.join(subfolder, entry)
        return found


def ensure_folder(folder: str) -> None:
    """create_folder, cheap when it is there."""
    if not os.path.isdir(os.path.join(folder, "cur")):
        create_folder(folder)
