"""What a POP3 client is told when something goes wrong: one table from error to text and response code.

Codes are those of RFC 2449 section 8.1 and RFC 3206, on every answer they fit: programs decide by them whether to ask
the user for another password or to try again later. Nothing here says more than the RFCs ask for.
"""

from __future__ import annotations

import psycopg
import psycopg_pool

from accessd.pop3.response import negative
from mailcore.errors import (
    AuthenticationFailed,
    AuthenticationThrottled,
    DirectoryUnavailable,
    LoginTooSoon,
    MailboxInUse,
    MailboxNotFound,
    MailError,
    MessageGone,
    StoreUnavailable,
    TooManyConnections,
)

TRY_LATER = negative("Temporary problem, please try again later", "SYS/TEMP")

# The first row whose type fits counts.
ERRORS: tuple[tuple[type[Exception], bytes], ...] = (
    (AuthenticationThrottled, negative("Too many failed logins, please wait", "SYS/TEMP")),
    (AuthenticationFailed, negative("Authentication failed", "AUTH")),
    (LoginTooSoon, negative("Minimum time between mail checks violated", "LOGIN-DELAY")),
    (TooManyConnections, negative("Too many connections of this account", "SYS/TEMP")),
    (MailboxInUse, negative("Another session has this maildrop open", "IN-USE")),
    (MessageGone, negative("This message is no longer there")),
    (MailboxNotFound, negative("There is no maildrop", "SYS/PERM")),
    (DirectoryUnavailable, TRY_LATER),
    (StoreUnavailable, TRY_LATER),
    (psycopg.OperationalError, TRY_LATER),
    (psycopg_pool.PoolTimeout, TRY_LATER),
    (OSError, TRY_LATER),
)

# What a session answers instead of ending; everything else is a bug and ends it.
EXPECTED = (MailError, psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError)


def response_to(error: Exception) -> bytes:
    """The -ERR line for an error. What the table does not know is temporary if it says so of itself."""
    for kind, response in ERRORS:
        if isinstance(error, kind):
            return response
    if isinstance(error, MailError) and not error.temporary:
        return negative("That cannot be done", "SYS/PERM")
    return TRY_LATER
