"""What a client can ask for: one frozen value per command (RFC 3501 section 6 and its extensions).

Mailbox names are plain text here, `by_uid` tells UID FETCH from FETCH, and nothing is checked against the
state of a session.
"""

from dataclasses import dataclass, field
from datetime import datetime

from accessd.imap.grammar.fetch_att import FetchItem
from accessd.imap.grammar.sequence_set import SequenceSet
from mailcore.index.records import FlagMode, Flags
from mailcore.mailbox.search_keys import SearchKey
from mailcore.message.flags import NO_FLAGS


@dataclass(frozen=True, slots=True)
class Capability:
    """CAPABILITY."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP."""


@dataclass(frozen=True, slots=True)
class Logout:
    """LOGOUT."""


@dataclass(frozen=True, slots=True)
class Identify:
    """ID (RFC 2971)."""

    fields: dict[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS."""


@dataclass(frozen=True, slots=True)
class Login:
    """LOGIN."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authenticate:
    """AUTHENTICATE, with the initial response of SASL-IR (RFC 4959) if there was one."""

    mechanism: str
    initial: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 5161)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, or EXAMINE when read_only."""

    mailbox: str
    read_only: bool = False
    condstore: bool = False


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE, with USE (RFC 6154)."""

    mailbox: str
    special_use: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE, or UNSUBSCRIBE when not subscribed."""

    mailbox: str
    subscribed: bool = True


@dataclass(frozen=True, slots=True)
class List:
    """LIST, LIST-EXTENDED (RFC 5258) and LIST-STATUS (RFC 5819)."""

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[str] = frozenset()
    returns: frozenset[str] = frozenset()
    status_items: tuple[str, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub:
    """LSUB."""

    reference: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Namespace:
    """NAMESPACE (RFC 2342)."""


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS."""

    mailbox: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """APPEND up to its literal, which the engine streams."""

    mailbox: str
    size: int
    flags: Flags = NO_FLAGS
    internal_date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Idle:
    """IDLE (RFC 2177)."""


@dataclass(frozen=True, slots=True)
class Check:
    """CHECK."""


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE, or UNSELECT (RFC 3691) when not expunge."""

    expunge: bool


@dataclass(frozen=True, slots=True)
class Expunge:
    """EXPUNGE, or UID EXPUNGE (RFC 4315) with a set."""

    uids: SequenceSet | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH, with the RETURN options of ESEARCH (RFC 4731); returns is None for the plain form."""

    key: SearchKey
    by_uid: bool = False
    returns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH, with CHANGEDSINCE (RFC 7162)."""

    sequence_set: SequenceSet
    items: tuple[FetchItem, ...]
    by_uid: bool = False
    changed_since: int | None = None


@dataclass(frozen=True, slots=True)
class Store:
    """STORE, with UNCHANGEDSINCE (RFC 7162)."""

    sequence_set: SequenceSet
    mode: FlagMode
    flags: Flags
    by_uid: bool = False
    silent: bool = False
    unchanged_since: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY, or MOVE (RFC 6851)."""

    sequence_set: SequenceSet
    mailbox: str
    by_uid: bool = False
    move: bool = False


@dataclass(frozen=True, slots=True)
class GetQuota:
    """GETQUOTA (RFC 9208)."""

    root: str


@dataclass(frozen=True, slots=True)
class GetQuotaRoot:
    """GETQUOTAROOT."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetQuota:
    """SETQUOTA: understood, never allowed."""

    root: str


Command = (
    Capability
    | Noop
    | Logout
    | Identify
    | StartTls
    | Login
    | Authenticate
    | Enable
    | Select
    | Create
    | Delete
    | Rename
    | Subscribe
    | List
    | Lsub
    | Namespace
    | Status
    | Append
    | Idle
    | Check
    | Close
    | Expunge
    | Search
    | Fetch
    | Store
    | Copy
    | GetQuota
    | GetQuotaRoot
    | SetQuota
)
