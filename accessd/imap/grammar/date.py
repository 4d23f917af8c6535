"""date and date-time (RFC 3501 section 9): `1-Feb-1994` and `"17-Jul-1996 02:44:25 -0700"`."""

import re
from datetime import UTC, date, datetime, timedelta, timezone

from accessd.imap.grammar.tokens import BadSyntax, Scanner

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBER = {name.upper().encode("ascii"): number for number, name in enumerate(MONTHS, 1)}

_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1(?=[ )]|\Z)')
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')


def read_date(scanner: Scanner) -> date:
    """date = date-text / DQUOTE date-text DQUOTE."""
    _, day, month, year = scanner.match(_DATE, "a date").groups()
    try:
        return date(int(year), _month(month), int(day))
    except ValueError:
        raise BadSyntax("No such date") from None


def read_date_time(scanner: Scanner) -> datetime:
    """date-time, with its zone."""
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = scanner.match(
        _DATE_TIME, "a date and time"
    ).groups()
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    try:
        zone = timezone(-offset if sign == b"-" else offset)
        # A leap second is a valid time, but not one that datetime knows.
        seconds = min(int(second), 59) if int(second) == 60 else int(second)
        value = datetime(int(year), _month(month), int(day), int(hour), int(minute), seconds, tzinfo=zone)
        value.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadSyntax("No such date and time") from None
    return value


def _month(name: bytes) -> int:
    number = _MONTH_NUMBER.get(name.upper())
    if number is None:
        raise BadSyntax("No such month")
    return number


def format_date_time(value: datetime) -> bytes:
    """`value` as date-time with quotes, in its own zone."""
    offset = value.utcoffset() or timedelta()
    minutes = int(offset.total_seconds()) // 60
    sign, minutes = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return (
        f'"{value.day:2d}-{MONTHS[value.month - 1]}-{value.year:04d} '
        f'{value.hour:02d}:{value.minute:02d}:{value.second:02d} {sign}{minutes // 60:02d}{minutes % 60:02d}"'
    ).encode("ascii")
