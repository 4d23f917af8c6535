"""FETCH items that come from index rows, written column by column. Pure.

The ENVELOPE and BODYSTRUCTURE of a row are ready response text, so a row becomes its response without being looked
into; and what is done to a column is done without a call for each of its rows, as far as that goes. Both is what makes
`FETCH 1:* (... ENVELOPE ...)` of a large mailbox cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from accessd.imap.grammar.date import MONTHS
from accessd.imap.grammar.fetch_att import Field
from accessd.imap.grammar.flags import BITS_TEXT, format_flags
from accessd.imap.short_body import without_extensions
from mailcore.index.records import CachedRow, FlagRow

Row = FlagRow | CachedRow
Column = Callable[[Sequence[Row]], Iterable[object]]
"""From rows to what is written of them."""

CACHED = frozenset({Field.ENVELOPE, Field.BODYSTRUCTURE, Field.BODY})
"""Fields for which the row must be a CachedRow."""


class FieldWriter:
    """Writes the fields of rows. Either all of them are CachedRows, or no field needs that."""

    __slots__ = ("_columns", "_first_recent_uid", "_format")

    def __init__(self, fields: Sequence[Field], *, first_recent_uid: int) -> None:
        self._first_recent_uid = first_recent_uid
        self._format = b" ".join(_FORMATS[field] for field in fields)
        columns = _COLUMNS | {Field.FLAGS: self._flags}
        if not CACHED.isdisjoint(fields):
            columns[Field.INTERNALDATE] = _moments
        self._columns = [columns[field] for field in fields]

    def __call__(self, row: Row) -> bytes:
        """The fields of one row, without the parentheses around them."""
        return self._format % tuple([value for column in self._columns for value in column((row,))])

    def responses(self, numbers: Iterable[int], rows: Sequence[Row]) -> bytes:
        """`* n FETCH (...)` for each message; `numbers` are those of the rows."""
        line = b"* %d FETCH (" + self._format + b")\r\n"
        columns = [column(rows) for column in self._columns]
        return b"".join(map(line.__mod__, zip(numbers, *columns, strict=True)))

    def _flags(self, rows: Sequence[Row]) -> list[bytes]:
        first_recent = self._first_recent_uid
        return [
            BITS_TEXT[row[2] & 31] if not row[3] and row[0] < first_recent else self._all_flags(row) for row in rows
        ]

    def _all_flags(self, row: Row) -> bytes:
        return format_flags(row.flags, row.keywords or (), recent=row.uid >= self._first_recent_uid)


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


def internal_date(value: datetime) -> bytes:
    """INTERNALDATE, in UTC."""
    value = value.astimezone(UTC)
    return _DAY % (value.day, _MONTHS[value.month], value.year) + _CLOCK % (value.hour, value.minute, value.second)


def _dates(rows: Sequence[Row]) -> list[bytes]:
    return [internal_date(row[5]) for row in rows]  # type: ignore[arg-type]


def _moments(rows: Sequence[Row]) -> list[bytes]:
    return [internal_moment(row[5]) for row in rows]  # type: ignore[arg-type]


def internal_moment(microseconds: int) -> bytes:
    """INTERNALDATE of the microseconds since 2000-01-01 UTC."""
    days, seconds = divmod(microseconds // 1_000_000, 86400)
    minutes, seconds = divmod(seconds, 60)
    return _day(days) + _TO_THE_MINUTE[minutes] + _SECONDS[seconds]


@lru_cache(maxsize=16384)
def _day(number: int) -> bytes:
    """Days since 2000-01-01."""
    day = date(2000, 1, 1) + timedelta(number)
    return _DAY % (day.day, _MONTHS[day.month], day.year)


_DAY = b'"%2d-%b-%04d '
_CLOCK = b'%02d:%02d:%02d +0000"'
_TO_THE_MINUTE = [b"%02d:%02d:" % divmod(minutes, 60) for minutes in range(1440)]
_SECONDS = [b'%02d +0000"' % second for second in range(60)]
_MONTHS = (b"", *(name.encode("ascii") for name in MONTHS))

_COLUMNS: dict[Field, Column] = {
    Field.UID: lambda rows: [row[0] for row in rows],
    Field.MODSEQ: lambda rows: [row[1] for row in rows],
    Field.SIZE: lambda rows: [row[4] for row in rows],
    Field.INTERNALDATE: _dates,
    Field.ENVELOPE: lambda rows: [row[6] for row in rows],  # type: ignore[misc]
    Field.BODYSTRUCTURE: lambda rows: [row[7] for row in rows],  # type: ignore[misc]
    Field.BODY: lambda rows: [without_extensions(row[7]) for row in rows],  # type: ignore[misc]
}
