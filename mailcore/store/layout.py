"""Where things are under the mail root: accounts, and mailbox names as folders or files.

    <root>/<domain>/<local part>/Maildir            INBOX
    <root>/<domain>/<local part>/Maildir/.A.B       "A/B" (Maildir++)
    <root>/<domain>/<local part>/mbox/INBOX         INBOX
    <root>/<domain>/<local part>/mbox/A.sbd/B       "A/B"; "A" itself is mbox/A

Every name becomes path components that cannot be "", "." or "..", cannot contain "/" or NUL and fit NAME_MAX,
so no name leads out of the root. Levels of a mailbox name are written in modified UTF-7 with "." as &AC4-; a
file name of ours therefore never has a dot of its own, and "A.sbd", "A.lock" cannot be somebody's mailbox.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from pathlib import Path

from mailcore.errors import MailboxNameInvalid, StoreError
from mailcore.store import modified_utf7

INBOX = "INBOX"
SEPARATOR = "/"
# Below the root: messages that are still coming in.
UPLOADS = ".incoming"
STORE_FOLDERS = {"maildir": "Maildir", "mbox": "mbox"}
MBOX_CHILDREN = ".sbd"
# 255 is the file system's limit for one name; locks and temporary files append to it.
MAX_ENCODED = 220
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_UNSAFE_IN_PATH = re.compile(r"[/%\x00-\x1f\x7f]|^\.")


def canonical_name(name: str) -> str:
    """`name` as it is kept: INBOX in capitals, Unicode as given. Raises MailboxNameInvalid."""
    levels = name.split(SEPARATOR)
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    if not all(levels):
        raise MailboxNameInvalid("a level of the name is empty")
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in name):
        raise MailboxNameInvalid("control characters and halves of surrogates cannot be in a name")
    canonical = SEPARATOR.join(levels)
    if len(maildir_folder(canonical)) > MAX_ENCODED:
        raise MailboxNameInvalid("the name is too long")
    return canonical


def account_folder(root: Path, address: str) -> Path:
    """The folder of an account. Raises StoreError for what cannot be an address."""
    local, _, domain = address.rpartition("@")
    if not local or not domain:
        raise StoreError(f"no address: {address!r}")
    return root / _path_component(domain) / _path_component(local)


@lru_cache(maxsize=4096)
def store_folder(root: Path, address: str, format: str) -> Path:
    """The folder of an account's mail in that format, "maildir" or "mbox"."""
    return account_folder(root, address) / STORE_FOLDERS[format]


@lru_cache(maxsize=4096)
def maildir_folder(mailbox: str) -> str:
    """The folder name inside Maildir: "" for INBOX, ".A.B" for "A/B"."""
    if mailbox == INBOX:
        return ""
    return "".join("." + _encode_level(level) for level in mailbox.split(SEPARATOR))


def mailbox_of_maildir_folder(folder: str) -> str | None:
    """The mailbox name of a folder ".A.B"; None if we could not have named it so."""
    if not folder.startswith("."):
        return None
    return _decode_levels(folder[1:].split("."))


def mbox_file(mailbox: str) -> Path:
    """The file of a mailbox, relative to the folder mbox/."""
    *above, last = (_encode_level(level) for level in mailbox.split(SEPARATOR))
    return Path(*(level + MBOX_CHILDREN for level in above), last)


def mailbox_of_mbox_file(relative: Path) -> str | None:
    """The mailbox name of a file below mbox/; None if we could not have named it so."""
    *above, last = relative.parts
    if any(not part.endswith(MBOX_CHILDREN) for part in above):
        return None
    return _decode_levels([part.removesuffix(MBOX_CHILDREN) for part in above] + [last])


def _encode_level(level: str) -> str:
    return modified_utf7.encode(level, avoid="./")


def _decode_levels(encoded: list[str]) -> str | None:
    try:
        levels = [modified_utf7.decode_exactly(level, avoid="./") for level in encoded]
        name = SEPARATOR.join(levels)
        # "inbox" beside INBOX or a level with "/" inside would be a second name for something else.
        return name if name.count(SEPARATOR) == len(levels) - 1 and canonical_name(name) == name else None
    except (ValueError, MailboxNameInvalid):
        return None


def _path_component(text: str) -> str:
    safe = _UNSAFE_IN_PATH.sub(lambda found: f"%{ord(found[0]):02X}", text)
    if len(safe.encode("utf-8", "surrogatepass")) > 255:
        raise StoreError("the address is too long for a path")
    return safe
