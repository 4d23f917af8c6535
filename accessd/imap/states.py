"""The states of a session (RFC 3501 section 3) and which may follow which."""

from enum import Enum


class State(Enum):
    """Where a session is."""

    NOT_AUTHENTICATED = "not authenticated"
    AUTHENTICATED = "authenticated"
    SELECTED = "selected"
    LOGOUT = "logout"


IN_ANY_STATE = frozenset({State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED})
IN_NOT_AUTHENTICATED = frozenset({State.NOT_AUTHENTICATED})
IN_AUTHENTICATED = frozenset({State.AUTHENTICATED, State.SELECTED})
IN_SELECTED = frozenset({State.SELECTED})

_FOLLOWS: dict[State, frozenset[State]] = {
    State.NOT_AUTHENTICATED: frozenset({State.AUTHENTICATED, State.LOGOUT}),
    State.AUTHENTICATED: frozenset({State.SELECTED, State.NOT_AUTHENTICATED, State.LOGOUT}),
    State.SELECTED: frozenset({State.AUTHENTICATED, State.SELECTED, State.LOGOUT}),
    State.LOGOUT: frozenset(),
}


def may_follow(now: State, then: State) -> bool:
    """Is the transition one of RFC 3501's diagram, or UNAUTHENTICATE (RFC 8437)?"""
    return then in _FOLLOWS[now]
