"""Who fails too often waits; who was right from there lately does not."""

import pytest
import redis

from mailcore.clock import FakeClock
from mailcore.throttle.failures import KNOWN_TIMES, WINDOW_S, network_of
from mailcore.throttle.throttle import AWAY_S, Throttle

GUESSER, NEIGHBOUR, ELSEWHERE = "198.51.100.9", "198.51.100.77", "192.0.2.1"
LIMIT = 10


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def throttle(clock):
    return Throttle(None, lambda: LIMIT, clock)


def fail(throttle, times, name="alice@example.org", client=GUESSER):
    for _ in range(times):
        throttle.failed(client, name)


def test_failures_of_a_whole_network_count(throttle):
    fail(throttle, LIMIT - 1)
    assert not throttle.must_wait(GUESSER, "alice@example.org")

    throttle.failed(NEIGHBOUR, "alice@example.org")

    assert throttle.must_wait(GUESSER, "alice@example.org")
    assert throttle.must_wait("198.51.100.200", "bob@example.org")
    assert not throttle.must_wait(ELSEWHERE, "alice@example.org")


def test_each_other_name_counts_twice(throttle):
    for number in range(LIMIT // 2):
        throttle.failed(GUESSER, f"name{number}@example.org")
    assert not throttle.must_wait(GUESSER, "alice@example.org")

    throttle.failed(GUESSER, "one@more.example")

    assert throttle.must_wait(GUESSER, "alice@example.org")


def test_after_a_minute_it_is_forgotten(throttle, clock):
    fail(throttle, LIMIT)
    clock.advance(WINDOW_S + 1)

    assert not throttle.must_wait(GUESSER, "alice@example.org")


def test_nobody_guesses_for_ever_where_the_owner_was_right(throttle):
    throttle.succeeded(GUESSER, "alice@example.org")
    fail(throttle, KNOWN_TIMES * LIMIT - 1)
    assert not throttle.must_wait(NEIGHBOUR, "alice@example.org")

    throttle.failed(NEIGHBOUR, "alice@example.org")

    assert throttle.must_wait(NEIGHBOUR, "alice@example.org")
    assert not throttle.must_wait(ELSEWHERE, "alice@example.org")


def test_who_was_right_from_there_lately_is_heard(throttle):
    throttle.succeeded(GUESSER, " Alice@example.org")
    fail(throttle, 5 * LIMIT)

    assert not throttle.must_wait(NEIGHBOUR, "alice@example.org")
    assert throttle.must_wait(NEIGHBOUR, "bob@example.org")


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2ff::1", "2001:db8:1:200::/56"),
        ("fe80::1%eth0", "fe80::/56"),
        ("unknown", "unknown"),
    ],
)
def test_networks(client, network):
    assert network_of(client) == network


def test_two_processes_count_together(redis_url, clock):
    one, other = (Throttle(redis.Redis.from_url(redis_url), lambda: LIMIT, clock) for _ in range(2))
    fail(one, LIMIT)

    assert other.must_wait(GUESSER, "alice@example.org")
    assert not other.must_wait(ELSEWHERE, "alice@example.org")

    one.succeeded(GUESSER, "alice@example.org")

    assert not other.must_wait(NEIGHBOUR, "alice@example.org")


def test_nothing_that_is_kept_there_names_anybody(redis_url, clock):
    client = redis.Redis.from_url(redis_url)
    throttle = Throttle(client, lambda: LIMIT, clock)
    throttle.failed("203.0.113.5", "carol@example.org")
    throttle.succeeded("203.0.113.5", "carol@example.org")

    kept = [key for key in client.scan_iter("auth:*") if b"203.0.113" in key]
    assert len(kept) == 2
    assert not any(b"carol" in key for key in kept)
    assert all(client.ttl(key) > 0 for key in kept)


class Counting(redis.Redis):
    """A Valkey that does not answer."""

    asked = 0

    def pipeline(self, *args, **kwargs):
        type(self).asked += 1
        raise redis.ConnectionError("away")


def test_without_valkey_the_memory_of_the_process_counts(clock):
    throttle = Throttle(Counting(), lambda: LIMIT, clock)
    fail(throttle, LIMIT)

    assert throttle.must_wait(GUESSER, "alice@example.org")
    assert Counting.asked == 1  # and it is not waited for each time

    clock.advance(AWAY_S + 1)
    throttle.must_wait(GUESSER, "alice@example.org")
    assert Counting.asked == 2


def test_memory_is_bounded(throttle):
    for number in range(12_000):
        throttle.failed(f"10.{number // 250}.{number % 250}.1", "x")

    assert len(throttle._memory._failures) == 10_000
