"""Everything that can go wrong with mail, neutral of any protocol.

    MailError
    ├── AddressSyntaxError
    ├── StoreError
    │   ├── MailboxNotFound, MailboxExists, MailboxNameInvalid, MailboxBelowItself, HasChildren, CannotDeleteInbox
    │   ├── OverQuota, MessageGone, NotPermitted, IdentifierInvalid, OwnerNeedsNoEntry, AclTooLong
    │   ├── TooManyMailboxes, TooManySubscriptions, MetadataTooBig, MetadataTooMany
    │   └── MailboxInUse*, StoreUnavailable*, StoreFull*
    ├── DirectoryUnavailable*
    ├── QueueUnavailable*
    ├── ExpansionError
    ├── AuthenticationFailed
    ├── AuthenticationThrottled*
    └── LoginTooSoon*, TooManyConnections*

A star marks temporary ones: trying again later may help. The text is for the log; what a client may read is chosen by
one table per program (smtpd.replies, accessd.imap.errors, accessd.pop3.errors).
"""

from __future__ import annotations

from typing import ClassVar


class MailError(Exception):
    """Base of all errors of the mail domain."""

    temporary: ClassVar[bool] = False


class AddressSyntaxError(MailError):
    """The text is no address, path or domain of RFC 5321."""


class StoreError(MailError):
    """A mailbox or message could not be used as asked."""


class MailboxNotFound(StoreError):
    """There is no mailbox of that name."""


class MailboxExists(StoreError):
    """There is a mailbox of that name already."""


class MailboxNameInvalid(StoreError):
    """The name cannot be a mailbox name here."""


class MailboxBelowItself(StoreError):
    """A mailbox cannot be moved below itself."""


class HasChildren(StoreError):
    """The mailbox has inferior names and cannot go."""


class CannotDeleteInbox(StoreError):
    """INBOX always exists (RFC 3501 section 6.3.4)."""


class MessageGone(StoreError):
    """The message was expunged in the meantime."""


class NotPermitted(StoreError):
    """The mailbox is somebody else's, who has not given this right (RFC 4314)."""


class IdentifierInvalid(StoreError):
    """Nobody here can be meant by this in a list of rights."""


class OwnerNeedsNoEntry(IdentifierInvalid):
    """It is the owner, who has all rights always."""


class AclTooLong(StoreError):
    """The list of rights has as many entries as it may have."""


class TooManyMailboxes(StoreError):
    """The account has as many mailboxes as it may have."""


class TooManySubscriptions(StoreError):
    """The account has subscribed to as many names as it may."""


class MetadataTooBig(StoreError):
    """The value of an annotation is longer than allowed (RFC 5464 section 4.3)."""


class MetadataTooMany(StoreError):
    """There are as many annotations as there may be (RFC 5464 section 4.3)."""


class OverQuota(StoreError):
    """The account would be over its limit."""

    def __init__(self, account: str, limit: int, unit: str = "bytes") -> None:
        super().__init__(f"{account} is over its limit of {limit} {unit}")
        self.account = account
        self.limit = limit
        self.unit = unit

    def __reduce__(self) -> tuple[type[OverQuota], tuple[str, int, str]]:
        return type(self), (self.account, self.limit, self.unit)


class MailboxInUse(StoreError):
    """Somebody else holds the lock."""

    temporary = True


class StoreUnavailable(StoreError):
    """The disk or the index cannot be reached now."""

    temporary = True


class CommitInDoubt(StoreUnavailable):
    """Nobody knows whether it was kept. Whoever sent it may send it again (RFC 1047); who tries for him makes two."""


class StoreFull(StoreUnavailable):
    """No space is left on the mail volume."""


class DirectoryUnavailable(MailError):
    """It cannot be found out now who exists."""

    temporary = True


class QueueUnavailable(MailError):
    """The queue cannot take or give mail now."""

    temporary = True


class ExpansionError(MailError):
    """An alias leads to itself, too deep or to too many addresses."""


class AuthenticationFailed(MailError):
    """Unknown name, wrong password, or not allowed here. `reason` is for the trace; the client is not told it."""

    def __init__(self, text: str = "", reason: str = "wrong name or password") -> None:
        super().__init__(text)
        self.reason = reason


class AuthenticationThrottled(MailError):
    """Too many failures; wait."""

    temporary = True


class LoginTooSoon(MailError):
    """The account's last POP3 session began less than LOGIN-DELAY ago (RFC 2449 section 6.5)."""

    temporary = True


class TooManyConnections(MailError):
    """The account has as many connections as it may have."""

    temporary = True


def reason_of(error: Exception) -> str:
    """Why a login failed, for the trace."""
    return error.reason if isinstance(error, AuthenticationFailed) else type(error).__name__
