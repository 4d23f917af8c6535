"""Sizes and times: what people type, and that what is shown can be typed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailadmin.directory.quantities import (
    MAX_BYTES,
    MAX_SECONDS,
    exact_bytes,
    format_bytes,
    format_seconds,
    parse_bytes,
    parse_seconds,
)
from mailadmin.directory.templatetags.mailkeep import as_title, duration


@pytest.mark.parametrize(
    ("typed", "size"),
    [
        ("0", 0), ("unlimited", 0), ("Unlimited", 0), ("1000", 1000), ("1 KB", 1024), ("512 MB", 512 << 20),
        ("2GiB", 2 << 30), ("50M", 50 << 20), ("1,5 GB", 1536 << 20), ("3 bytes", 3), (" 1 tb ", 1 << 40),
    ],
)  # fmt: skip
def test_size_is_read(typed, size):
    assert parse_bytes(typed) == size


@pytest.mark.parametrize("typed", ["", "much", "-1", "1 PB", "1.2.3 MB", "MB", "1e3", "99999999999 TB", "٣ MB x"])
def test_what_is_no_size_is_refused(typed):
    with pytest.raises(ValueError):
        parse_bytes(typed)


@given(st.integers(0, MAX_BYTES))
def test_a_shown_size_can_be_typed(size):
    assert parse_bytes(exact_bytes(size)) == size


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (1 << 30, "1 GB"), (250 << 20, "250 MB"), (3 << 50, "3072 TB")],
)
def test_size_is_shown_for_people(size, shown):
    assert format_bytes(size) == shown


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("300", 300), ("300s", 300), ("5m", 300), ("4h", 14400), ("5d", 432000), ("1w", 604800), ("1d 12h", 129600)],
)
def test_time_is_read_in_postfix_notation(typed, seconds):
    assert parse_seconds(typed) == seconds


@pytest.mark.parametrize("typed", ["", "soon", "5y", "-5m", "m5", "1.5h", "99999999999"])
def test_what_is_no_time_is_refused(typed):
    with pytest.raises(ValueError):
        parse_seconds(typed)


@given(st.integers(0, MAX_SECONDS))
def test_a_shown_time_can_be_typed(seconds):
    assert parse_seconds(format_seconds(seconds)) == seconds


@pytest.mark.parametrize(("seconds", "shown"), [(432000, "5d"), (604800, "1w"), (4000, "1h6m40s"), (0, "0s")])
def test_time_is_shown_in_postfix_notation(seconds, shown):
    assert format_seconds(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (10855, "3 h"), (93784, "1 d 2 h"), (86460, "1 d")],
)
def test_duration_has_two_neighbouring_units(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("text", "title"), [("accounts", "Accounts"), ("b@x.example", "b@x.example"), ("x.example", "x.example"), ("", "")]
)
def test_heading_does_not_capitalise_addresses(text, title):
    assert as_title(text) == title
