"""What this server says, and the one table that turns errors into replies.

An error that is not known to be the sender's fault is temporary: whoever cannot be served now comes again.
"""

from __future__ import annotations

import errno

from mailcore.errors import AuthenticationFailed, AuthenticationThrottled, MailboxInUse, MailError, OverQuota, StoreFull
from mailcore.reply import Reply
from mailcore.smtp.command import CommandError

OK = Reply(250, "2.0.0", "Ok")
SENDER_OK = Reply(250, "2.1.0", "Ok")
RECIPIENT_OK = Reply(250, "2.1.5", "Ok")
START_DATA = Reply(354, "", "End data with <CR><LF>.<CR><LF>")
BYE = Reply(221, "2.0.0", "Bye")
READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
AUTHENTICATED = Reply(235, "2.7.0", "Authentication successful")
CANNOT_VRFY = Reply(252, "2.0.0", "Cannot VRFY user, but will accept message and attempt delivery")

SHUTTING_DOWN = Reply(421, "4.3.2", "Service shutting down")
IDLE_TOO_LONG = Reply(421, "4.4.2", "Error: timeout exceeded")
LOGIN_ENDED = Reply(421, "4.7.0", "Error: this login is not valid any more")
SENT_TOO_MUCH = Reply(421, "4.3.4", "Error: too much sent after it was refused")
TOO_MANY_ERRORS = Reply(421, "4.7.0", "Error: too many errors")
AUTH_THROTTLED = Reply(454, "4.7.0", "Too many failed attempts, try again later")
AUTH_UNAVAILABLE = Reply(454, "4.7.0", "Temporary authentication failure")
TLS_UNAVAILABLE = Reply(454, "4.7.0", "TLS not available")
TRY_AGAIN = Reply(451, "4.3.0", "Temporary failure, try again later")
NO_SPACE = Reply(452, "4.3.1", "Insufficient system storage")
MAILBOX_BUSY = Reply(450, "4.2.0", "Mailbox is busy, try again later")
MAILBOX_FULL = Reply(452, "4.2.2", "Mailbox full")

SYNTAX = Reply(500, "5.5.2", "Error: bad syntax")
UNKNOWN_COMMAND = Reply(502, "5.5.2", "Error: command not recognized")
LINE_TOO_LONG = Reply(500, "5.5.2", "Error: line too long")
BARE_NEWLINE = Reply(521, "5.5.2", "Error: bare <LF> received, lines end with <CR><LF>")
NOT_SYNCHRONISED = Reply(554, "5.5.0", "Error: SMTP protocol synchronization")
NOT_SMTP = Reply(521, "5.7.0", "Error: this is an SMTP server")
SAY_HELLO = Reply(503, "5.5.1", "Error: send HELO/EHLO first")
NESTED_MAIL = Reply(503, "5.5.1", "Error: nested MAIL command")
NEED_MAIL = Reply(503, "5.5.1", "Error: need MAIL command")
NEED_RCPT = Reply(503, "5.5.1", "Error: need RCPT command")
NO_VALID_RECIPIENTS = Reply(554, "5.5.1", "Error: no valid recipients")
IN_BDAT = Reply(503, "5.5.1", "Error: only BDAT or RSET now")
TLS_ACTIVE = Reply(503, "5.5.1", "Error: TLS already active")
IN_TRANSACTION = Reply(503, "5.5.1", "Error: not during a mail transaction")
ALREADY_AUTHENTICATED = Reply(503, "5.5.1", "Error: already authenticated")
AUTH_NOT_OFFERED = Reply(503, "5.5.1", "Error: authentication not enabled")
AUTH_NEEDS_TLS = Reply(538, "5.7.11", "Encryption required for requested authentication mechanism")
AUTH_MECHANISM = Reply(504, "5.5.4", "Unrecognized authentication mechanism")
AUTH_ABORTED = Reply(501, "5.7.0", "Authentication aborted")
AUTH_SYNTAX = Reply(501, "5.5.2", "Error: malformed authentication response")
AUTH_INVALID = Reply(535, "5.7.8", "Error: authentication failed")
NO_ETRN = Reply(502, "5.5.1", "Error: ETRN not implemented")
NO_EXPN = Reply(502, "5.5.1", "Error: EXPN not implemented")
BDAT_SYNTAX = Reply(501, "5.5.4", "Syntax: BDAT count [LAST]")


def queued(queue_id: str) -> Reply:
    """The promise: the message is ours and durable."""
    return Reply(250, "2.0.0", f"Ok: queued as {queue_id}")


def usage(command: str) -> Reply:
    """The command as it should have been."""
    return Reply(501, "5.5.4", f"Syntax: {command}")


def of_command_error(error: CommandError) -> Reply:
    """A MAIL or RCPT that cannot be obeyed."""
    return Reply(error.code, error.enhanced, f"Error: {error}")


_BY_TYPE: tuple[tuple[type[Exception], Reply], ...] = (
    (StoreFull, NO_SPACE),
    (OverQuota, MAILBOX_FULL),
    (MailboxInUse, MAILBOX_BUSY),
    (AuthenticationThrottled, AUTH_THROTTLED),
    (AuthenticationFailed, AUTH_INVALID),
    (MailError, TRY_AGAIN),
)


def of_error(error: BaseException) -> Reply:
    """The reply to whatever kept us from doing what was asked; never a permanent one but for a wrong password."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NO_SPACE
    for kind, reply in _BY_TYPE:
        if isinstance(error, kind):
            return reply
    return TRY_AGAIN
