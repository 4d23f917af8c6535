"""FETCH items that come from index rows, written with one format operation per message. Pure.

The ENVELOPE and BODYSTRUCTURE of a row are ready response text; so a row becomes its response without being looked
into, which is what makes `FETCH 1:* (... ENVELOPE ...)` of a large mailbox cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from accessd.imap.grammar.date import MONTHS
from accessd.imap.grammar.fetch_att import Field
from accessd.imap.grammar.flags import BITS_TEXT, format_flags
from accessd.imap.short_body import without_extensions
from mailcore.index.records import CachedRow, FlagRow

Row = FlagRow | CachedRow
Getter = Callable[[Row], object]

CACHED = frozenset({Field.ENVELOPE, Field.BODYSTRUCTURE, Field.BODY})
"""Fields for which the row must be a CachedRow."""


class FieldWriter:
    """Writes the fields of a row, without the parentheses around them."""

    __slots__ = ("_first_recent_uid", "_format", "_getters")

    def __init__(self, fields: Sequence[Field], *, first_recent_uid: int) -> None:
        self._first_recent_uid = first_recent_uid
        self._format = b" ".join(_FORMATS[field] for field in fields)
        self._getters = [self._flags if field is Field.FLAGS else _GETTERS[field] for field in fields]

    def __call__(self, row: Row) -> bytes:
        return self._format % tuple([get(row) for get in self._getters])

    def responses(self, numbered: Sequence[tuple[int, Row]]) -> bytes:
        """`* n FETCH (...)` for each message."""
        line = b"* %d FETCH (" + self._format + b")\r\n"
        getters = self._getters
        return b"".join([line % (number, *[get(row) for get in getters]) for number, row in numbered])

    def _flags(self, row: Row) -> bytes:
        if row.keywords or row.uid >= self._first_recent_uid:
            return format_flags(row.flags, row.keywords, recent=row.uid >= self._first_recent_uid)
        return BITS_TEXT[row.flags & 31]


_FORMATS: dict[Field, bytes] = {
    Field.UID: b"UID %d",
    Field.FLAGS: b"FLAGS (%b)",
    Field.INTERNALDATE: b"INTERNALDATE %b",
    Field.SIZE: b"RFC822.SIZE %d",
    Field.ENVELOPE: b"ENVELOPE %b",
    Field.BODYSTRUCTURE: b"BODYSTRUCTURE %b",
    Field.BODY: b"BODY %b",
    Field.MODSEQ: b"MODSEQ (%d)",
}


def _body(row: Row) -> bytes:
    assert isinstance(row, CachedRow)
    return without_extensions(row.body_structure)


def _internal_date(row: Row) -> bytes:
    return internal_date(row.internal_date)


def internal_date(value: datetime) -> bytes:
    """INTERNALDATE, in UTC."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return b'"%2d-%b-%04d %02d:%02d:%02d +0000"' % (
        value.day,
        _MONTHS[value.month],
        value.year,
        value.hour,
        value.minute,
        value.second,
    )


_MONTHS = (b"", *(name.encode("ascii") for name in MONTHS))

_GETTERS: dict[Field, Getter] = {
    Field.UID: lambda row: row[0],
    Field.MODSEQ: lambda row: row[1],
    Field.SIZE: lambda row: row[4],
    Field.INTERNALDATE: _internal_date,
    Field.ENVELOPE: lambda row: row[6],  # type: ignore[misc]
    Field.BODYSTRUCTURE: lambda row: row[7],  # type: ignore[misc]
    Field.BODY: _body,
}
