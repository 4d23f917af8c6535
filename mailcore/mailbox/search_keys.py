"""SEARCH keys as a small tree (RFC 3501 section 6.4.4, RFC 9051 section 6.4.4, RFC 5032, RFC 7162).

Values only. Text is decoded; comparing it is without case and by substring. Keys that are made of others are
written as trees: NEW is And((Recent(), FlagKey(SEEN, is_set=False))), UNANSWERED is FlagKey(ANSWERED,
is_set=False).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum


class Comparison(Enum):
    """How a date or size is compared. SINCE includes the day, BEFORE does not."""

    BEFORE = "before"
    ON = "on"
    SINCE = "since"


class DateField(Enum):
    """Which date: INTERNALDATE, the Date header field (SENTBEFORE, SENTON, SENTSINCE), or SAVEDATE (RFC 8514:
    SAVEDBEFORE, SAVEDON, SAVEDSINCE). Time and zone are ignored.
    """

    INTERNAL = "internal"
    SENT = "sent"
    SAVED = "saved"


@dataclass(frozen=True, slots=True)
class All:
    """Every message."""


@dataclass(frozen=True, slots=True)
class And:
    """All of `keys`; true if there are none."""

    keys: tuple[SearchKey, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """One or both."""

    left: SearchKey
    right: SearchKey


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class FlagKey:
    """A system flag by its bit (SEEN, ANSWERED ... of mailcore.index.records) is set, or is not."""

    bit: int
    is_set: bool = True


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword is set, or is not (UNKEYWORD)."""

    keyword: str
    is_set: bool = True


@dataclass(frozen=True, slots=True)
class Recent:
    """The message is \\Recent in this session, or is not (OLD)."""

    is_set: bool = True


@dataclass(frozen=True, slots=True)
class Header:
    """Some field of this name contains `value`; "" asks only whether there is such a field. FROM, TO, CC, BCC
    and SUBJECT are Header("From", ...) and so on.
    """

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Body:
    """The text of some part contains `value`, after its transfer encoding and charset are undone."""

    value: str


@dataclass(frozen=True, slots=True)
class Text:
    """Header or body contain `value`."""

    value: str


@dataclass(frozen=True, slots=True)
class DateKey:
    """BEFORE, ON, SINCE and their SENT forms."""

    field: DateField
    comparison: Comparison
    day: date


@dataclass(frozen=True, slots=True)
class Age:
    """YOUNGER (RFC 5032): arrived at most `seconds` ago; OLDER: at least."""

    seconds: int
    is_younger: bool


@dataclass(frozen=True, slots=True)
class Size:
    """LARGER (`is_larger`) or SMALLER than `octets`; equal is neither."""

    octets: int
    is_larger: bool


@dataclass(frozen=True, slots=True)
class UidSet:
    """UIDs in one of the inclusive ranges. None is "*", the largest there is; a range may be upside down."""

    ranges: tuple[tuple[int | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class SeqSet:
    """Message sequence numbers in one of the inclusive ranges, written as in UidSet."""

    ranges: tuple[tuple[int | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class EmailId:
    """EMAILID (RFC 8474): the number behind it, None for what is no identifier of ours."""

    number: int | None


@dataclass(frozen=True, slots=True)
class Saved:
    """`$`: what the last search with RETURN (SAVE) found (RFC 5182)."""


@dataclass(frozen=True, slots=True)
class Fuzzy:
    """What `key` asks for, or something like it (RFC 6203); of texts: many of their words, or what they begin with."""

    key: SearchKey


@dataclass(frozen=True, slots=True)
class ModSeq:
    """Changed at or after `modseq` (RFC 7162 section 3.1.5)."""

    modseq: int


SearchKey = (
    All
    | And
    | Or
    | Not
    | FlagKey
    | Keyword
    | Recent
    | Header
    | Body
    | Text
    | DateKey
    | Age
    | Size
    | UidSet
    | SeqSet
    | Saved
    | Fuzzy
    | EmailId
    | ModSeq
)
