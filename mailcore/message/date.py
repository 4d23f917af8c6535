"""RFC 5322 dates: read tolerantly, written strictly.

Never raises on what strangers sent: `parse_date` gives None. Two-digit years, named zones, missing seconds,
comments and missing or wrong weekdays are understood (RFC 5322 section 4.3).
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MONTH_NUMBERS = {month.lower().encode(): number for number, month in enumerate(MONTHS, 1)}
_CLOCK_AND_ZONE = rb"(\d{1,2})[:.](\d{2})(?:[:.](\d{2})(?:\.\d+)?)?\s*(?:([+-]\d{4})|([A-Za-z]{1,5}))?"
_DATE = re.compile(rb"(\d{1,2})[\s-]+([A-Za-z]{3})[a-z]*\.?,?[\s-]+(\d{2,4}),?\s+" + _CLOCK_AND_ZONE)
# "Thu Aug 22 12:36:23 2002", as asctime() and mbox From_ lines write it, sometimes with a zone before the
# year.
_ASCTIME = re.compile(
    rb"([A-Za-z]{3})\s+(\d{1,2})\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s+(?:([+-]\d{4}|[A-Za-z]{1,5})\s+)?(\d{4})"
)
_ZONE_HOURS = {
    b"UT": 0, b"UTC": 0, b"GMT": 0, b"Z": 0, b"EST": -5, b"EDT": -4, b"CST": -6, b"CDT": -5,
    b"MST": -7, b"MDT": -6, b"PST": -8, b"PDT": -7, b"WET": 0, b"BST": 1, b"CET": 1, b"MET": 1, b"CEST": 2,
    b"MEST": 2, b"EET": 2, b"EEST": 3, b"MSK": 3, b"IST": 5.5, b"JST": 9, b"KST": 9,
}  # fmt: skip
_LONGEST = 200


def parse_date(value: bytes) -> datetime | None:
    """The moment a date field names, in UTC; None when it names none."""
    value = value[:_LONGEST]
    if match := _DATE.search(value):
        day, month, year, hour, minute, second, offset, zone = match.groups()
        return _moment(year, month, day, (hour, minute, second), offset or zone)
    if match := _ASCTIME.search(value):
        month, day, hour, minute, second, zone, year = match.groups()
        return _moment(year, month, day, (hour, minute, second), zone)
    return None


def _moment(
    year: bytes, month: bytes, day: bytes, clock: tuple[bytes, bytes, bytes | None], zone: bytes | None
) -> datetime | None:
    hour, minute, second = clock
    try:
        local = datetime(
            _full_year(int(year), len(year)),
            _MONTH_NUMBERS[month.lower()],
            int(day),
            int(hour),
            int(minute),
            min(int(second or 0), 59),
            tzinfo=_zone(zone),
        )
        return local.astimezone(UTC)
    except (KeyError, ValueError, OverflowError):
        return None


def _full_year(year: int, digits: int) -> int:
    """RFC 5322 section 4.3: 00-49 is 2000 and later, other short years count from 1900."""
    if digits == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if digits == 3 else year


def _zone(zone: bytes | None) -> timezone:
    """An unknown or missing zone counts as UTC, as section 4.3 says of "-0000"."""
    if zone is None:
        return UTC
    if zone[:1] in (b"+", b"-"):
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        return timezone(-offset if zone[:1] == b"-" else offset)
    return timezone(timedelta(hours=_ZONE_HOURS.get(zone.upper(), 0)))


def format_date(moment: datetime) -> str:
    """A date-time of RFC 5322 section 3.3, in the zone of `moment`: "Thu, 20 Nov 2025 09:08:07 +0000"."""
    return _format_second(moment.replace(microsecond=0), moment.utcoffset())


@lru_cache(maxsize=64)
def _format_second(moment: datetime, _offset: timedelta | None) -> str:
    """Many messages arrive within a second. The offset belongs to the key: equal moments of two zones are equal."""
    return (
        f"{DAYS[moment.weekday()]}, {moment.day} {MONTHS[moment.month - 1]} {moment.year:04d} "
        f"{moment:%H:%M:%S} {moment:%z}"
    )
