"""Rules at RCPT: may mail for this recipient come in through this client?"""

from __future__ import annotations

from mailcore.policy import replies
from mailcore.policy.context import RcptContext
from mailcore.policy.decision import Decision, refuse
from mailcore.routing.route import ELSEWHERE, Local


def limit_recipients(context: RcptContext) -> Decision | None:
    """At most so many recipients at a time; the client sends the rest in another transaction (RFC 5321 4.5.3.1.10)."""
    limit = context.config.smtpd_recipient_limit
    if not limit or context.accepted < limit:
        return None
    return refuse(replies.TOO_MANY_RECIPIENTS, f"{context.accepted} recipients, limit {limit}")


def refuse_unqualified_recipient(context: RcptContext) -> Decision | None:
    """Only our own may leave out the domain; but everybody may write to <postmaster> (RFC 5321 section 4.5.1)."""
    if context.is_qualified or context.client.may_relay:
        return None
    if context.routes.address.address.local.lower() == "postmaster":
        return None
    return refuse(replies.RECIPIENT_NOT_QUALIFIED, "recipient without a domain from a client that is not ours")


def refuse_open_relay(context: RcptContext) -> Decision | None:
    """Only known networks and authenticated users may send to other hosts through us."""
    if context.routes.destination != ELSEWHERE or context.client.may_relay:
        return None
    domain = context.routes.address.address.domain_key
    return refuse(
        replies.RELAY_DENIED, f"{domain} is no domain of ours and {context.client.address} is not in mynetworks"
    )


def refuse_undeliverable(context: RcptContext) -> Decision | None:
    """Routing found nobody: unknown user, disabled mailbox or domain, alias loop. The trace names which."""
    refused = context.routes.refused
    if refused is None:
        return None
    return Decision(refused.reply, refused.reason, refused.rule)


def refuse_over_quota(context: RcptContext) -> Decision | None:
    """A full mailbox gets no more now; a message larger than the whole quota never fits.

    With several recipients behind an alias the mail is taken: what one mailbox cannot hold now waits in the queue.
    """
    if context.routes.remote or len(context.routes.local) != 1:
        return None
    route = context.routes.local[0]
    return _over_quota(route, context.size) or _too_many_messages(route)


def _over_quota(route: Local, size: int) -> Decision | None:
    limit = route.account.quota_bytes
    if not limit:
        return None
    if size > limit:
        return refuse(replies.MESSAGE_OVER_QUOTA, f"{size} bytes announced, quota of {route.account.address} {limit}")
    if route.used_bytes >= limit or route.used_bytes + size > limit:
        return refuse(replies.MAILBOX_FULL, f"{route.account.address} uses {route.used_bytes} of {limit} bytes")
    return None


def _too_many_messages(route: Local) -> Decision | None:
    limit = route.account.quota_messages
    if limit and route.used_messages >= limit:
        reason = f"{route.account.address} has {route.used_messages} messages, quota {limit}"
        return refuse(replies.MAILBOX_FULL, reason)
    return None
