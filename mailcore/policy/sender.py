"""Rules at MAIL: who sends, and may this client send as that?"""

from __future__ import annotations

from mailcore.policy import replies
from mailcore.policy.context import MailContext
from mailcore.policy.decision import Decision, refuse
from mailcore.routing.rewrite import account_key


def require_authentication(context: MailContext) -> Decision | None:
    """The submission ports serve people who say who they are (RFC 6409 section 4.3)."""
    if not context.client.submits or context.client.account is not None:
        return None
    if not context.client.tls and context.config.plaintext_auth == "never":
        return refuse(replies.TLS_REQUIRED, "submission before TLS")
    return refuse(replies.AUTH_REQUIRED, "submission without authentication")


def limit_message_rate(context: MailContext) -> Decision | None:
    """One client sends at most so many messages in a minute; networks of ours as many as they like."""
    limit = context.config.client_message_rate_limit
    if context.client.is_trusted or not limit or context.recent_messages < limit:
        return None
    return refuse(replies.TOO_MANY_MESSAGES, f"{context.recent_messages} messages in a minute, limit {limit}")


def refuse_announced_size(context: MailContext) -> Decision | None:
    """What SIZE= announces to be too big need not be sent at all (RFC 1870 section 6.1)."""
    limit = context.config.message_size_limit
    if not limit or context.size <= limit:
        return None
    return refuse(replies.MESSAGE_TOO_BIG, f"{context.size} bytes announced, limit {limit}")


def refuse_unqualified_sender(context: MailContext) -> Decision | None:
    """Only people and machines of ours may leave out the domain; they get myorigin."""
    if context.is_qualified or context.client.may_relay:
        return None
    return refuse(replies.SENDER_NOT_QUALIFIED, "sender without a domain from a client that is not ours")


def refuse_foreign_sender(context: MailContext) -> Decision | None:
    """An authenticated user sends as the own address, or one whose mail arrives there; the null sender is free."""
    account = context.client.account
    if account is None or context.sender is None:
        return None
    if account_key(context.sender, context.config) == account.address:
        return None
    routes = context.sender_routes
    if routes is not None and any(route.account.id == account.id for route in routes.local):
        return None
    return refuse(replies.SENDER_NOT_OWNED, f"{account.address} may not send as {context.sender}")


def refuse_unknown_local_sender(context: MailContext) -> Decision | None:
    """A stranger cannot send as a user of ours who does not exist; replies to such mail could not arrive."""
    if context.client.may_relay or context.sender_routes is None:
        return None
    refused = context.sender_routes.refused
    if refused is None or not refused.reply.is_permanent:
        return None
    return refuse(replies.SENDER_UNKNOWN, refused.reason)
