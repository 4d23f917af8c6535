"""Names of mailboxes of others: `user/<address>/<owner's name>`, and `shared/<name>` for what belongs to a domain.

`shared/` are the mailboxes of the account `shared` of the reader's own domain, if there is one. Pure: which accounts
and mailboxes there are is not known here, so a name may stand for several; a local part may hold "/", a domain not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mailcore.address import MAX_PATH_BYTES
from mailcore.store.layout import MAX_NAME_CHARACTERS, SEPARATOR, normalised

USER, SHARED = "user", "shared"
PREFIXES = (USER + SEPARATOR, SHARED + SEPARATOR)

_WILDCARD = re.compile("[*%]")
# Normal form C makes one character of at most so many.
_MOST_COMPOSED = 4


def domain_of(address: str) -> str:
    """The part behind the @."""
    return address.rpartition("@")[2]


def shared_account(reader: str) -> str:
    """The account whose mailboxes are `shared/` for this reader."""
    return f"{SHARED}@{domain_of(reader)}"


def name_for(reader: str, owner: str, name: str) -> str:
    """What `reader` calls the mailbox that `owner` calls `name`."""
    if owner == reader:
        return name
    if owner == shared_account(reader):
        return f"{SHARED}/{name}"
    return f"{USER}/{owner}/{name}"


def may_be_of_others(name: str) -> bool:
    """Can it be the name of somebody else's mailbox? If not, nothing has to be asked."""
    return name.startswith(PREFIXES)


def is_reserved(name: str) -> bool:
    """Is its first level that of the names of others?"""
    return name.partition(SEPARATOR)[0] in (USER, SHARED)


def reaches_others(reference: str, patterns: Iterable[str]) -> bool:
    """Can LIST with this reference and these patterns show names of others?"""
    return any(
        _may_match(_WILDCARD.split(reference + pattern, maxsplit=1)[0], prefix)
        for pattern in patterns
        for prefix in PREFIXES
    )


def _may_match(beginning: str, prefix: str) -> bool:
    return beginning.startswith(prefix) or prefix.startswith(beginning)


def meanings(reader: str, name: str) -> list[tuple[str, str]]:
    """The addresses and the names there that a reader's name may stand for; none that is too long for either."""
    first, _, rest = name.partition(SEPARATOR)
    found = [(shared_account(reader), rest)] if first == SHARED else _addressed(rest)
    return [
        (address, kept)
        for address, below in found
        if 0 < len(below) <= _MOST_COMPOSED * MAX_NAME_CHARACTERS and len(kept := as_kept(below)) <= MAX_NAME_CHARACTERS
    ]


def _addressed(rest: str) -> Iterator[tuple[str, str]]:
    """Each way to read `address/name`: a domain ends at the first "/" behind its "@"."""
    at = rest.find("@", 1)
    while at > 0:
        end = rest.find(SEPARATOR, at)
        if not 0 < end <= MAX_PATH_BYTES:
            return
        yield _as_stored(rest[:end]), rest[end + 1 :]
        at = rest.find("@", end)


def _as_stored(address: str) -> str:
    return address.replace("\0", "\ufffd").encode("utf-8", "replace").decode().lower()


def as_kept(name: str) -> str:
    """The owner's name in the form it would be kept in: INBOX in capitals, nothing PostgreSQL cannot hold."""
    return normalised(name.replace("\0", "\ufffd").encode("utf-8", "replace").decode())


def above(name: str) -> list[str]:
    """The names of the levels above, nearest first."""
    levels = name.split(SEPARATOR)
    return [SEPARATOR.join(levels[:depth]) for depth in range(len(levels) - 1, 0, -1)]
