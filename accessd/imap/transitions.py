"""How an IMAP session comes from one state to the next (RFC 3501 section 3): login and selection.

Each leaves nothing of the state before behind: limits, registrations with the hub, what was enabled. Which state may
follow which is in accessd.imap.states, whether the one who asks may is decided by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from accessd.imap.command_limits import BEFORE_LOGIN, after_login
from accessd.imap.states import State
from accessd.imap.unasked import unfollow
from accessd.listener import IDLE_LIMIT_S
from mailcore.directory.lookups import AccountRecord

if TYPE_CHECKING:
    from accessd.imap.selected import View
    from accessd.imap.session import ImapSession

AUTHENTICATED_IDLE_LIMIT_S = 31 * 60.0
"""RFC 3501 section 5.4: at least 30 minutes."""


def log_in(session: ImapSession, account: AccountRecord) -> None:
    """Become an account. Raises TooManyConnections."""
    session.context.limits.log_in(session.connection, account)
    session.enter(State.AUTHENTICATED)
    session.account = account
    session.connection.idle_limit_s = AUTHENTICATED_IDLE_LIMIT_S
    config = session.context.config.current()
    session.engine.limits = after_login(config.message_size_limit, literal_minus=config.literal_minus)


def log_out(session: ImapSession) -> None:
    """Nobody is logged in, nothing selected, enabled, saved or followed (RFC 8437 section 3). TLS and compression
    stay.
    """
    deselect(session)
    unfollow(session)
    session.enter(State.NOT_AUTHENTICATED)
    session.context.limits.log_out(session.connection)
    session.account = session.extras = session.last_structure = None
    session.enabled = session.engine.modes = 0
    session.engine.limits = BEFORE_LOGIN
    session.connection.idle_limit_s = IDLE_LIMIT_S["imap"]
    session.connection.client_id = ""


def select(session: ImapSession, view: View) -> None:
    """A mailbox is selected."""
    session.enter(State.SELECTED)
    session.view = view
    session.looked()
    # A hint may have come between the look of SELECT and this registration: who waits for hints looks once more.
    session.changed = True
    session.context.hub.watch(view.record.id, session)
    if session.notifier is not None:
        session.notifier.told_uid = view.uidnext - 1


def deselect(session: ImapSession) -> None:
    """No mailbox is selected any more."""
    if session.view is not None:
        session.context.hub.unwatch(session.view.record.id, session)
        session.view = None
        session.enter(State.AUTHENTICATED)
