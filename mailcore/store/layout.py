"""Where things are under the mail root: accounts, and mailbox names as folders or files.

    <root>/<domain>/<local part>/Maildir            INBOX
    <root>/<domain>/<local part>/Maildir/.A.B       "A/B" (Maildir++)
    <root>/<domain>/<local part>/mbox/INBOX         INBOX
    <root>/<domain>/<local part>/mbox/A.sbd/B       "A/B"; "A" itself is mbox/A
    .../Maildir/.~0123..., .../mbox/~0123...        a name too long for that, by its hash (mailcore.store.long_names)

Every name becomes path components that cannot be "", "." or "..", cannot contain "/" or NUL and fit NAME_MAX,
so no name leads out of the root. Levels of a mailbox name are written in modified UTF-7 with "." as &AC4-; a
file name of ours therefore never has a dot of its own, and "A.sbd", "A.lock" cannot be somebody's mailbox. Nor can
"~" with a hash: of such a level the "~" is written in modified UTF-7 too.
"""

from __future__ import annotations

import hashlib
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
# All components of an mbox below its root. The limit for a whole path is 4096.
MAX_MBOX_PATH = 2000
# What a column of the database holds, and an entry of its index.
MAX_NAME_CHARACTERS = 1000
MAX_NAME_BYTES = 2000
_LONG = re.compile(r"~[0-9a-f]{40}")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_UNSAFE_IN_PATH = re.compile(r"[/%\x00-\x1f\x7f]|^\.")


def canonical_name(name: str) -> str:
    """`name` as it is kept: INBOX in capitals, Unicode in normal form C (RFC 5198). Raises MailboxNameInvalid."""
    return _valid(normalised(name))


def normalised(name: str) -> str:
    """The one spelling of a name, be it a valid one or not."""
    levels = unicodedata.normalize("NFC", name).split(SEPARATOR)
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    return SEPARATOR.join(levels)


def _valid(name: str) -> str:
    if not all(name.split(SEPARATOR)):
        raise MailboxNameInvalid("a level of the name is empty")
    if any(unicodedata.category(character) in _FORBIDDEN_CATEGORIES for character in name):
        raise MailboxNameInvalid("control characters and halves of surrogates cannot be in a name")
    if len(name) > MAX_NAME_CHARACTERS or len(name.encode()) > MAX_NAME_BYTES:
        raise MailboxNameInvalid("the name is too long")
    return name


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
    folder = "".join("." + _encode_level(level) for level in mailbox.split(SEPARATOR))
    return folder if len(folder) <= MAX_ENCODED else "." + _hashed(mailbox)


def mailbox_of_maildir_folder(folder: str) -> str | None:
    """The mailbox name of a folder ".A.B"; None if we could not have named it so."""
    if not folder.startswith("."):
        return None
    return _decode_levels(folder[1:].split("."))


def mbox_file(mailbox: str) -> Path:
    """The file of a mailbox, relative to the folder mbox/."""
    *above, last = (_encode_level(level) for level in mailbox.split(SEPARATOR))
    components = [*(level + MBOX_CHILDREN for level in above), last]
    if max(map(len, components)) > MAX_ENCODED or sum(map(len, components)) + len(components) > MAX_MBOX_PATH:
        return Path(_hashed(mailbox))
    return Path(*components)


def is_long(component: str) -> bool:
    """Does a folder of Maildir, or a file of mbox/, stand for a long name?"""
    return _LONG.fullmatch(component.removeprefix(".")) is not None


def mailbox_of_long(component: str, name: str) -> str | None:
    """`name`, if it is the mailbox that such a folder or file stands for."""
    try:
        return _valid(name) if component.removeprefix(".") == _hashed(name) else None
    except MailboxNameInvalid:
        return None


def _hashed(mailbox: str) -> str:
    return "~" + hashlib.sha256(mailbox.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def mailbox_of_mbox_file(relative: Path) -> str | None:
    """The mailbox name of a file below mbox/; None if we could not have named it so."""
    *above, last = relative.parts
    if any(not part.endswith(MBOX_CHILDREN) for part in above):
        return None
    return _decode_levels([part.removesuffix(MBOX_CHILDREN) for part in above] + [last])


def _encode_level(level: str) -> str:
    return modified_utf7.encode(level, avoid="./~" if _LONG.fullmatch(level) else "./")


def _decode_levels(encoded: list[str]) -> str | None:
    try:
        levels = [_decode_level(level) for level in encoded]
        name = _valid(SEPARATOR.join(levels))
    except (ValueError, MailboxNameInvalid):
        return None
    # "inbox" beside INBOX or a level with "/" inside would be a second name for something else. Other programs need
    # not write Unicode in normal form: what they made keeps its name.
    is_inbox_in_small = levels[0].upper() == INBOX != levels[0]
    return None if is_inbox_in_small or name.count(SEPARATOR) != len(levels) - 1 else name


def _decode_level(encoded: str) -> str:
    level = modified_utf7.decode(encoded)
    if _encode_level(level) != encoded:
        raise ValueError("not the usual spelling")
    return level


def _path_component(text: str) -> str:
    safe = _UNSAFE_IN_PATH.sub(lambda found: f"%{ord(found[0]):02X}", text)
    if len(safe.encode("utf-8", "surrogatepass")) > 255:
        raise StoreError("the address is too long for a path")
    return safe
