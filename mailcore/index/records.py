"""Values of the index: what a mailbox and its messages are to the protocols.

Rows of messages are NamedTuples, not dataclasses: a SELECT of 20,000 messages makes 20,000 of them, and
psycopg's tuples become them without a call per row into Python code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN, SYSTEM_FLAGS, Flags

__all__ = [
    "ANSWERED",
    "DELETED",
    "DRAFT",
    "FLAGGED",
    "SEEN",
    "SYSTEM_FLAGS",
    "AppendedUid",
    "CachedRow",
    "Changes",
    "CopiedUids",
    "FlagChange",
    "FlagMode",
    "FlagResult",
    "FlagRow",
    "Flags",
    "MailboxRecord",
    "MailboxStatus",
    "MessageRow",
    "OpenMailbox",
]


class MailboxRecord(NamedTuple):
    """One row of the table mailbox. `name` is UTF-8 with "/" between levels; "INBOX" is canonical."""

    id: int
    account_id: int
    name: str
    uidvalidity: int
    uidnext: int
    highestmodseq: int
    first_recent_uid: int
    special_use: str
    messages: int
    unseen: int
    size: int


class MessageRow(NamedTuple):
    """What is needed to act on a message: its key in the store and everything a change may alter."""

    uid: int
    store_key: str
    flags: int
    keywords: list[str]
    size: int
    internal_date: datetime
    modseq: int

    def as_flags(self) -> Flags:
        """Bits and keywords together."""
        return Flags(self.flags, frozenset(self.keywords))


class FlagRow(NamedTuple):
    """The cheap columns of a message. `flags` holds SEEN | ANSWERED | ..., `size` is of the wire form."""

    uid: int
    modseq: int
    flags: int
    keywords: list[str]
    size: int
    internal_date: datetime


class CachedRow(NamedTuple):
    """A row with the ready IMAP text of ENVELOPE and BODYSTRUCTURE, read by the ten thousand: `keywords` is None where
    there are none, `internal_us` is the internal date in microseconds since 2000-01-01 UTC, as PostgreSQL counts.
    """

    uid: int
    modseq: int
    flags: int
    keywords: list[str] | None
    size: int
    internal_us: int
    envelope: bytes
    body_structure: bytes


@dataclass(frozen=True, slots=True)
class MailboxStatus:
    """The answer to STATUS."""

    messages: int
    recent: int
    unseen: int
    uidnext: int
    uidvalidity: int
    highestmodseq: int
    size: int
    deleted: int
    mailbox_id: int = 0
    deleted_size: int = 0


@dataclass(frozen=True, slots=True)
class OpenMailbox:
    """A mailbox as SELECT found it; messages with uid >= first_recent_uid are \\Recent to this session."""

    record: MailboxRecord
    uids: list[int]
    first_recent_uid: int
    first_unseen_uid: int | None = None
    keywords: tuple[str, ...] = ()
    adopted: bool = False
    """Was something found that other programs did to the store? Others want to know."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened to a mailbox since a modseq. `changed` holds new messages too (uid >= the uidnext known
    before). `present`, all UIDs below uidnext, stands instead of `expunged` when that is so long ago that nobody
    remembers what was removed: ask for what is `gone`.
    """

    highestmodseq: int
    uidnext: int
    changed: list[FlagRow] = field(default_factory=list)
    expunged: list[int] = field(default_factory=list)
    present: list[int] | None = None
    record: MailboxRecord | None = None
    """The mailbox as it is now: with the name it has got meanwhile."""

    def gone(self, known: Iterable[int]) -> list[int]:
        """The UIDs that were removed, those among `known` at least."""
        if self.present is None:
            return self.expunged
        present = set(self.present)
        return [uid for uid in known if uid < self.uidnext and uid not in present]


class FlagMode(Enum):
    """How STORE changes flags."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class FlagChange:
    """One STORE: add, remove or replace these flags. REPLACE leaves alone what its sender has no right to change
    (mailcore.sharing.flags).
    """

    mode: FlagMode
    flags: Flags
    kept_bits: int = 0
    keeps_keywords: bool = False

    def apply(self, bits: int, keywords: Sequence[str]) -> Flags:
        """The flags of a message after this change. Keywords are compared without case."""
        if self.mode is FlagMode.REPLACE:
            wanted = frozenset(keywords) if self.keeps_keywords else _same_case(self.flags.keywords, keywords)
            return Flags(self.flags.bits | bits & self.kept_bits, wanted)
        if self.mode is FlagMode.ADD:
            if not self.flags.keywords:
                return Flags(bits | self.flags.bits, frozenset(keywords))
            return Flags(bits | self.flags.bits, frozenset(keywords) | _same_case(self.flags.keywords, keywords))
        gone = {keyword.lower() for keyword in self.flags.keywords}
        return Flags(bits & ~self.flags.bits, frozenset(k for k in keywords if k.lower() not in gone))


def _same_case(wanted: frozenset[str], present: Sequence[str]) -> frozenset[str]:
    """`wanted`, each in the spelling the message has already, if it has."""
    spelling = {keyword.lower(): keyword for keyword in wanted} | {keyword.lower(): keyword for keyword in present}
    return frozenset(spelling[keyword.lower()] for keyword in wanted)


@dataclass(frozen=True, slots=True)
class FlagResult:
    """`rows`: the messages after the change; `modified`: those UNCHANGEDSINCE spared (RFC 7162 section
    3.1.3), as they are; `modseq`: that of the change, 0 if nothing had to be changed.
    """

    rows: list[FlagRow]
    modified: list[FlagRow]
    modseq: int = 0


@dataclass(frozen=True, slots=True)
class AppendedUid:
    """APPENDUID (RFC 4315), and which mailbox that was."""

    uidvalidity: int
    uid: int
    mailbox_id: int


@dataclass(frozen=True, slots=True)
class CopiedUids:
    """COPYUID (RFC 4315): target[i] is the copy of source[i]."""

    uidvalidity: int
    source: list[int]
    target: list[int]
