"""Which flags somebody may set who has not all rights (RFC 4314 section 4): `s` is for \\Seen, `t` for \\Deleted,
`w` for all others. What one may not set is passed over; clients do not cope well with a STORE that fails.
"""

from __future__ import annotations

from dataclasses import replace

from mailcore.index.records import FlagChange, FlagMode, Flags
from mailcore.sharing.rights import DELETE_MESSAGE, KEEP_SEEN, WRITE, settable_bits

_OF_FLAGS = frozenset({KEEP_SEEN, DELETE_MESSAGE, WRITE})


def settable(flags: Flags, rights: str) -> Flags:
    """Of the flags of a new message or a copy those that its sender may set."""
    if set(rights) >= _OF_FLAGS:
        return flags
    return Flags(flags.bits & settable_bits(rights), flags.keywords if WRITE in rights else frozenset())


def permitted(change: FlagChange, rights: str) -> FlagChange | None:
    """What is left of a STORE; None if the sender may set none of its flags."""
    if set(rights) >= _OF_FLAGS:
        return change
    allowed = settable(change.flags, rights)
    if change.mode is FlagMode.REPLACE:
        if not _OF_FLAGS & set(rights):
            return None
        return replace(change, flags=allowed, kept_bits=31 & ~settable_bits(rights), keeps_keywords=WRITE not in rights)
    if change.flags and not allowed:
        return None
    return replace(change, flags=allowed)
