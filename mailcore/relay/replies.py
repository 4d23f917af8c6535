"""What a reply means that is no success."""

from __future__ import annotations

from mailcore.reply import Reply


def temporary(reply: Reply) -> Reply:
    """The same words as a reply that asks to come back later."""
    if reply.is_temporary:
        return reply
    enhanced = "4" + reply.enhanced[1:] if reply.enhanced else "4.0.0"
    return Reply(451, enhanced, f"{reply.code} {reply.text}" if reply.text else str(reply.code))


def failure(reply: Reply) -> Reply:
    """A reply that is no success: 4xx and 5xx as they are, anything else makes no sense here and is temporary."""
    return reply if reply.is_temporary or reply.is_permanent else temporary(reply)
