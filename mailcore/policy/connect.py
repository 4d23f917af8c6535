"""Rules at connection."""

from __future__ import annotations

from mailcore.policy import replies
from mailcore.policy.context import ConnectContext
from mailcore.policy.decision import Decision, refuse


def limit_connections(context: ConnectContext) -> Decision | None:
    """One client holds at most so many connections at once; networks of ours may hold as many as they like."""
    limit = context.config.client_connection_limit
    if context.client.is_trusted or not limit or context.connections <= limit:
        return None
    return refuse(replies.TOO_MANY_CONNECTIONS, f"{context.connections} connections, limit {limit}")
