"""Back-off, warning and expiry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailcore.queue.schedule import Schedule, is_expired

RECEIVED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
EXPIRES = RECEIVED + timedelta(days=5)
SCHEDULE = Schedule(minimal_backoff_s=300, maximal_backoff_s=4000, delay_warning_s=14_400)


@pytest.mark.parametrize(
    ("age_s", "pause_s"), [(0, 300), (299, 300), (301, 301), (600, 600), (3999, 3999), (5000, 4000), (200_000, 4000)]
)
def test_the_pause_is_as_long_as_the_message_is_old_within_limits(age_s, pause_s):
    now = RECEIVED + timedelta(seconds=age_s)

    assert SCHEDULE.next_attempt(RECEIVED, now, EXPIRES) == now + timedelta(seconds=pause_s)


def test_the_times_of_the_first_day():
    times, now = [], RECEIVED
    while now < RECEIVED + timedelta(hours=4):
        times.append(int((now - RECEIVED).total_seconds()))
        now = SCHEDULE.next_attempt(RECEIVED, now, EXPIRES)

    assert times == [0, 300, 600, 1200, 2400, 4800, 8800, 12800]


def test_the_last_attempt_is_at_the_time_of_expiry():
    now = EXPIRES - timedelta(seconds=100)

    assert SCHEDULE.next_attempt(RECEIVED, now, EXPIRES) == EXPIRES
    assert is_expired(EXPIRES, EXPIRES) and not is_expired(EXPIRES, now)


def test_an_expired_message_is_never_planned_into_the_past():
    now = EXPIRES + timedelta(seconds=1)

    assert SCHEDULE.next_attempt(RECEIVED, now, EXPIRES) > now


def test_a_clock_that_was_set_back_does_not_stop_the_queue():
    now = RECEIVED - timedelta(hours=1)

    assert SCHEDULE.next_attempt(RECEIVED, now, EXPIRES) == now + timedelta(seconds=300)


def test_the_warning_comes_after_its_time_or_never():
    later = RECEIVED + timedelta(seconds=14_400)

    assert SCHEDULE.is_warning_due(RECEIVED, later)
    assert not SCHEDULE.is_warning_due(RECEIVED, later - timedelta(seconds=1))
    assert not Schedule(delay_warning_s=0).is_warning_due(RECEIVED, later)
