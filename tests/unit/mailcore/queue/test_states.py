"""What may happen to a queued recipient."""

from __future__ import annotations

import pytest

from mailcore.queue.states import TRANSITIONS, Happening, State, after


def test_the_usual_life():
    state = State.WAITING
    for happening in (Happening.CLAIM, Happening.DEFER, Happening.CLAIM, Happening.DELIVER):
        state = after(state, happening)

    assert state is State.GONE


@pytest.mark.parametrize("happening", list(Happening))
def test_what_is_gone_stays_gone(happening):
    assert after(State.GONE, happening) is State.GONE


@pytest.mark.parametrize("happening", [Happening.CLAIM, Happening.RETRY, Happening.FAIL, Happening.DEFER])
def test_held_mail_is_not_tried_and_does_not_bounce(happening):
    assert after(State.HELD, happening) is State.HELD


def test_a_failure_counts_only_under_a_lease_a_delivery_always():
    may_fail = {state for state, happening in TRANSITIONS if happening is Happening.FAIL}
    may_be_delivered = {state for state, happening in TRANSITIONS if happening is Happening.DELIVER}

    assert may_fail == {State.LEASED}
    assert may_be_delivered == {State.WAITING, State.LEASED, State.HELD}
