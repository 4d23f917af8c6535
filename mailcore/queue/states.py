"""The states of a queued recipient and what may happen in each. Pure: the statements do what this table allows.

    waiting --claim--> leased --defer, end of lease--> waiting
    waiting, leased --hold--> held --release--> waiting
    leased --park--> held
    leased --deliver, fail--> gone;  any --delete--> gone

"gone" is no row: what became of the recipient is in the trace.

An attempt that was begun and brought no outcome (the worker died, or an error of our own ended it) is counted. After
the first, a message is leased by itself, so that it cannot take others along; after MOST_UNFINISHED of them it is
parked: held, with the reason where the last reply is shown, until somebody releases it. An outcome, a lease given back
in good order and a release set the count back.
"""

from __future__ import annotations

from enum import StrEnum

# The first may have been somebody else's fault: another message of the same lease, or a machine that lost its power.
MOST_UNFINISHED = 5


class State(StrEnum):
    """Where a recipient stands."""

    WAITING = "waiting"
    LEASED = "leased"
    HELD = "held"
    GONE = "gone"


class Happening(StrEnum):
    """What may happen to one."""

    CLAIM = "claim"
    DELIVER = "deliver"
    FAIL = "fail"
    DEFER = "defer"
    LEASE_ENDS = "lease_ends"
    HOLD = "hold"
    PARK = "park"
    RELEASE = "release"
    RETRY = "retry"
    DELETE = "delete"


TRANSITIONS: dict[tuple[State, Happening], State] = {
    (State.WAITING, Happening.CLAIM): State.LEASED,
    (State.WAITING, Happening.HOLD): State.HELD,
    (State.WAITING, Happening.RETRY): State.WAITING,
    (State.WAITING, Happening.DELETE): State.GONE,
    (State.LEASED, Happening.DELIVER): State.GONE,
    (State.LEASED, Happening.FAIL): State.GONE,
    (State.LEASED, Happening.DEFER): State.WAITING,
    (State.LEASED, Happening.LEASE_ENDS): State.WAITING,
    (State.LEASED, Happening.HOLD): State.HELD,
    (State.LEASED, Happening.PARK): State.HELD,
    (State.LEASED, Happening.DELETE): State.GONE,
    (State.HELD, Happening.RELEASE): State.WAITING,
    (State.HELD, Happening.DELETE): State.GONE,
    # The attempt had begun before somebody held or reclaimed the recipient: what arrived has arrived.
    (State.HELD, Happening.DELIVER): State.GONE,
    (State.WAITING, Happening.DELIVER): State.GONE,
}


def after(state: State, happening: Happening) -> State:
    """The state that follows; what the table does not allow changes nothing."""
    return TRANSITIONS.get((state, happening), state)
