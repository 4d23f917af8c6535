"""What a client is told when something cannot be done: mailcore error -> NO [CODE] text. One table.

Nothing is said about paths or tables, or why somebody's login failed. Codes are of RFC 5530 unless noted.
"""

from __future__ import annotations

from accessd.imap.response import Completion
from mailcore.errors import (
    AclTooLong,
    AddressSyntaxError,
    AuthenticationFailed,
    AuthenticationThrottled,
    CannotDeleteInbox,
    CommitInDoubt,
    DirectoryUnavailable,
    ExpansionError,
    HasChildren,
    IdentifierInvalid,
    LoginTooSoon,
    MailboxBelowItself,
    MailboxExists,
    MailboxInUse,
    MailboxNameInvalid,
    MailboxNotFound,
    MailError,
    MessageGone,
    MetadataTooBig,
    MetadataTooMany,
    NotPermitted,
    OverQuota,
    OwnerNeedsNoEntry,
    QueueUnavailable,
    StoreError,
    StoreFull,
    StoreUnavailable,
    TooManyConnections,
    TooManyMailboxes,
    TooManySubscriptions,
)

UNAVAILABLE = Completion("NO", b"UNAVAILABLE", "Temporarily unavailable, try again later")
INTERNAL = Completion("NO", b"SERVERBUG", "Internal error")

COMPLETIONS: dict[type[MailError], Completion] = {
    MailboxNotFound: Completion("NO", b"NONEXISTENT", "No such mailbox"),
    MailboxExists: Completion("NO", b"ALREADYEXISTS", "Mailbox exists already"),
    MailboxNameInvalid: Completion("NO", b"CANNOT", "Mailbox name not allowed"),
    MailboxBelowItself: Completion("NO", b"CANNOT", "A mailbox cannot be moved below itself"),
    HasChildren: Completion("NO", b"HASCHILDREN", "Mailbox has others below it"),
    CannotDeleteInbox: Completion("NO", b"CANNOT", "INBOX cannot be deleted"),
    NotPermitted: Completion("NO", b"NOPERM", "Permission denied"),
    IdentifierInvalid: Completion("NO", b"CANNOT", "Nobody here can have such an entry"),
    OwnerNeedsNoEntry: Completion("NO", b"CANNOT", "The owner has all rights and needs no entry"),
    AclTooLong: Completion("NO", b"LIMIT", "Too many entries"),
    TooManyMailboxes: Completion("NO", b"LIMIT", "Too many mailboxes"),
    TooManySubscriptions: Completion("NO", b"LIMIT", "Too many subscriptions"),
    # RFC 5464 section 4.3.
    MetadataTooBig: Completion("NO", b"METADATA MAXSIZE 65536", "Value too large"),
    MetadataTooMany: Completion("NO", b"METADATA TOOMANY", "Too many annotations"),
    OverQuota: Completion("NO", b"OVERQUOTA", "Quota exceeded"),
    MessageGone: Completion("NO", b"EXPUNGEISSUED", "Message no longer exists"),
    MailboxInUse: Completion("NO", b"INUSE", "Mailbox is locked, try again later"),
    StoreFull: Completion("NO", b"UNAVAILABLE", "No space left, try again later"),
    StoreUnavailable: UNAVAILABLE,
    CommitInDoubt: UNAVAILABLE,
    StoreError: INTERNAL,
    DirectoryUnavailable: UNAVAILABLE,
    QueueUnavailable: UNAVAILABLE,
    AuthenticationFailed: Completion("NO", b"AUTHENTICATIONFAILED", "Authentication failed"),
    AuthenticationThrottled: Completion("NO", b"UNAVAILABLE", "Too many failures, try again later"),
    TooManyConnections: Completion("NO", b"LIMIT", "Too many connections of this account"),
    # None of these can come of an IMAP command; listed so that the table is complete.
    LoginTooSoon: UNAVAILABLE,
    AddressSyntaxError: INTERNAL,
    ExpansionError: INTERNAL,
    MailError: INTERNAL,
}


class Disconnect(Exception):
    """The session ends now; the text is said with BYE."""


TRY_CREATE = Completion("NO", b"TRYCREATE", "No such mailbox")
"""For the target of APPEND, COPY and MOVE (RFC 3501 section 7.1)."""


def completion_for(error: MailError) -> Completion:
    """The answer to an error of the mail domain: that of its class, else of the nearest above."""
    return next(COMPLETIONS[cls] for cls in type(error).__mro__ if cls in COMPLETIONS)
