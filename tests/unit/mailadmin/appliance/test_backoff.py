"""Pauses between the lives of a child."""

from mailadmin.appliance.backoff import LONGEST_S, STABLE_AFTER_S, BackOff


def test_pauses_double_up_to_a_limit():
    backoff = BackOff()

    pauses = [backoff.after_run_of(0.1) for _ in range(10)]

    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == LONGEST_S == max(pauses)


def test_a_run_that_lasted_begins_anew():
    backoff = BackOff()
    for _ in range(5):
        backoff.after_run_of(0.1)

    assert backoff.after_run_of(STABLE_AFTER_S) == 0.2
    assert backoff.after_run_of(0.1) == 0.4
