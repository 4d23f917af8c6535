"""Rules after the end of data."""

from __future__ import annotations

from mailcore.policy import replies
from mailcore.policy.context import DataContext
from mailcore.policy.decision import Decision, refuse


def refuse_big_message(context: DataContext) -> Decision | None:
    """message_size_limit, for those who did not announce the size or not truly."""
    limit = context.config.message_size_limit
    if not limit or context.size <= limit:
        return None
    return refuse(replies.MESSAGE_TOO_BIG, f"{context.size} bytes, limit {limit}")


def refuse_loop(context: DataContext) -> Decision | None:
    """A message that passed too many hosts goes in a circle (RFC 5321 section 6.3)."""
    limit = context.config.hopcount_limit
    if not limit or context.hops <= limit:
        return None
    return refuse(replies.TOO_MANY_HOPS, f"{context.hops} Received fields, limit {limit}")
