"""date and date-time (RFC 3501 section 9)."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.date import format_date_time, read_date, read_date_time
from accessd.imap.grammar.tokens import BadSyntax, Scanner


@pytest.mark.parametrize("text", [b"1-Feb-1994", b"01-feb-1994", b'"1-Feb-1994"'])
def test_dates(text: bytes) -> None:
    assert read_date(Scanner(text)) == date(1994, 2, 1)


@pytest.mark.parametrize(
    "text", [b"32-Jan-2024", b"1-Foo-2024", b"1-Jan-24", b'"1-Jan-2024', b"1-Jan-0000", b"1-Jan-2024x"]
)
def test_no_dates(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_date(Scanner(text))


def test_date_time_of_the_rfc() -> None:
    value = read_date_time(Scanner(b'"17-Jul-1996 02:44:25 -0700"'))

    assert value == datetime(1996, 7, 17, 9, 44, 25, tzinfo=UTC)
    assert format_date_time(value) == b'"17-Jul-1996 02:44:25 -0700"'


@pytest.mark.parametrize(
    "text",
    [
        b'"31-Feb-2024 00:00:00 +0000"',
        b'"1-Jan-2024 00:00:00 +0000"',
        b'" 1-Jan-2024 24:00:00 +0000"',
        b'" 1-Jan-2024 00:00:00 +2500"',
    ],
)
def test_no_date_times(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_date_time(Scanner(text))


@given(st.datetimes(datetime(1902, 1, 1), datetime(9000, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_date_times_read_back(moment: datetime, minutes: int) -> None:
    value = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))

    assert read_date_time(Scanner(format_date_time(value))) == value
