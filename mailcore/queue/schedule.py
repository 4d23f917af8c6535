"""When a deferred recipient is tried again, and when the sender is told of a delay or of the end. Pure.

As Postfix's queue manager does it: the pause is as long as the message is old, but not shorter than the minimal and
not longer than the maximal back-off time. A young message is tried often, an old one seldom (RFC 5321 section
4.5.4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times of the server settings, in seconds. A warning time of 0 means that nobody is warned."""

    minimal_backoff_s: int = 300
    maximal_backoff_s: int = 4000
    delay_warning_s: int = 14_400

    def next_attempt(self, received_at: datetime, now: datetime, expires_at: datetime) -> datetime:
        """When to try again after a deferral now. The last attempt is made at the time of expiry, not after it."""
        age_s = (now - received_at).total_seconds()
        pause_s = max(min(age_s, self.maximal_backoff_s), self.minimal_backoff_s)
        planned = now + timedelta(seconds=pause_s)
        return min(planned, expires_at) if now < expires_at else planned

    def is_warning_due(self, received_at: datetime, now: datetime) -> bool:
        """Whether the message has waited long enough that its sender should know."""
        return self.delay_warning_s > 0 and (now - received_at).total_seconds() >= self.delay_warning_s


def is_expired(expires_at: datetime, now: datetime) -> bool:
    """Whether a deferral now is the last one."""
    return now >= expires_at
