"""What a client can ask for: one frozen value per command (RFC 3501 section 6 and its extensions).

Mailbox names are plain text here, `by_uid` tells UID FETCH from FETCH, and nothing is checked against the
state of a session.
"""

from dataclasses import dataclass, field

from accessd.imap.grammar.fetch_att import FetchItem
from accessd.imap.grammar.resync import KnownState
from accessd.imap.grammar.search_return import PartialRange, Returns
from accessd.imap.grammar.sequence_set import SequenceSet
from mailcore.index.records import FlagMode, Flags
from mailcore.mailbox.search_keys import SearchKey


class Command:
    """What all of them are. Families of commands that came with later RFCs stand with their parsers in
    accessd.imap.grammar.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Capability(Command):
    """CAPABILITY."""


@dataclass(frozen=True, slots=True)
class Noop(Command):
    """NOOP."""


@dataclass(frozen=True, slots=True)
class Logout(Command):
    """LOGOUT."""


@dataclass(frozen=True, slots=True)
class Identify(Command):
    """ID (RFC 2971)."""

    fields: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class StartTls(Command):
    """STARTTLS."""


@dataclass(frozen=True, slots=True)
class Login(Command):
    """LOGIN."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authenticate(Command):
    """AUTHENTICATE, with the initial response of SASL-IR (RFC 4959) if there was one."""

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Compress(Command):
    """COMPRESS DEFLATE (RFC 4978): there is no other algorithm."""


@dataclass(frozen=True, slots=True)
class Unauthenticate(Command):
    """UNAUTHENTICATE (RFC 8437)."""


@dataclass(frozen=True, slots=True)
class Enable(Command):
    """ENABLE (RFC 5161)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Select(Command):
    """SELECT, or EXAMINE when read_only."""

    mailbox: str
    read_only: bool = False
    condstore: bool = False
    known: KnownState | None = None
    """QRESYNC (RFC 7162 section 3.2.5)."""


@dataclass(frozen=True, slots=True)
class Create(Command):
    """CREATE, with USE (RFC 6154)."""

    mailbox: str
    special_use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete(Command):
    """DELETE."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename(Command):
    """RENAME."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe(Command):
    """SUBSCRIBE, or UNSUBSCRIBE when not subscribed."""

    mailbox: str
    subscribed: bool = True


@dataclass(frozen=True, slots=True)
class List(Command):
    """LIST, LIST-EXTENDED (RFC 5258) and LIST-STATUS (RFC 5819)."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status_items: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub(Command):
    """LSUB."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace(Command):
    """NAMESPACE (RFC 2342)."""


@dataclass(frozen=True, slots=True)
class Status(Command):
    """STATUS."""

    mailbox: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Idle(Command):
    """IDLE (RFC 2177)."""


@dataclass(frozen=True, slots=True)
class Check(Command):
    """CHECK."""


@dataclass(frozen=True, slots=True)
class Close(Command):
    """CLOSE, or UNSELECT (RFC 3691) when not expunge."""

    expunge: bool


@dataclass(frozen=True, slots=True)
class Expunge(Command):
    """EXPUNGE, or UID EXPUNGE (RFC 4315) with a set."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Search(Command):
    """SEARCH, with the RETURN options of ESEARCH (RFC 4731); returns is None for the plain form."""

    key: SearchKey
    by_uid: bool = False
    returns: Returns | None = None


@dataclass(frozen=True, slots=True)
class Fetch(Command):
    """FETCH, with the modifiers CHANGEDSINCE and VANISHED (RFC 7162), and PARTIAL (RFC 9394)."""

    sequence_set: SequenceSet
    items: tuple[FetchItem, ...]
    by_uid: bool = False
    changed_since: int | None = None
    vanished: bool = False
    partial: PartialRange | None = None


@dataclass(frozen=True, slots=True)
class Store(Command):
    """STORE, with UNCHANGEDSINCE (RFC 7162)."""

    sequence_set: SequenceSet
    mode: FlagMode
    flags: Flags
    by_uid: bool = False
    silent: bool = False
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy(Command):
    """COPY, or MOVE (RFC 6851)."""

    sequence_set: SequenceSet
    mailbox: str
    by_uid: bool = False
    move: bool = False


@dataclass(frozen=True, slots=True)
class GetQuota(Command):
    """GETQUOTA (RFC 9208)."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot(Command):
    """GETQUOTAROOT."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota(Command):
    """SETQUOTA: understood, never allowed."""

    root: str
