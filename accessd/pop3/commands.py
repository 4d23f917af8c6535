"""The table of POP3 commands: who handles each, in which states, with how many arguments."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from accessd.pop3 import any_state, authorization, retrieving, transaction
from accessd.pop3.command import Command
from accessd.pop3.state import State

if TYPE_CHECKING:
    from accessd.pop3.session import Pop3Session

Handler = Callable[["Pop3Session", Command], Coroutine[Any, Any, None]]

_ANYWHERE = (State.AUTHORIZATION, State.TRANSACTION)
_BEFORE = (State.AUTHORIZATION,)
_AFTER = (State.TRANSACTION,)


@dataclass(frozen=True, slots=True)
class Row:
    """A command: who handles it, in which states, with how many arguments (None: its text is its own matter)."""

    handler: Handler
    states: tuple[State, ...]
    arguments: tuple[int, ...] | None = (0,)


COMMANDS: dict[str, Row] = {
    "CAPA": Row(any_state.capa, _ANYWHERE),
    "LANG": Row(any_state.lang, _ANYWHERE, (0, 1)),
    "QUIT": Row(any_state.quit_, _ANYWHERE),
    "STLS": Row(authorization.stls, _BEFORE),
    "UTF8": Row(authorization.utf8, _BEFORE),
    "USER": Row(authorization.user, _BEFORE, (1,)),
    "PASS": Row(authorization.pass_, _BEFORE, None),
    "AUTH": Row(authorization.auth, _BEFORE, (0, 1, 2)),
    "STAT": Row(transaction.stat, _AFTER),
    "LIST": Row(transaction.list_, _AFTER, (0, 1)),
    "UIDL": Row(transaction.uidl, _AFTER, (0, 1)),
    "RETR": Row(retrieving.retr, _AFTER, (1,)),
    "TOP": Row(retrieving.top, _AFTER, (2,)),
    "DELE": Row(transaction.dele, _AFTER, (1,)),
    "RSET": Row(transaction.rset, _AFTER),
    "NOOP": Row(transaction.noop, _AFTER),
}
