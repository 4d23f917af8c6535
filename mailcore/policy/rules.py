"""The policy of this server, in the order in which it is asked. The first rule with an opinion counts."""

from __future__ import annotations

from mailcore.policy import connect, content, recipient, sender
from mailcore.policy.context import ConnectContext, DataContext, MailContext, RcptContext
from mailcore.policy.decision import Rule

CONNECT: tuple[Rule[ConnectContext], ...] = (connect.limit_connections,)

MAIL: tuple[Rule[MailContext], ...] = (
    sender.require_authentication,
    sender.limit_message_rate,
    sender.refuse_announced_size,
    sender.refuse_unqualified_sender,
    sender.refuse_foreign_sender,
    sender.refuse_unknown_local_sender,
)

RCPT: tuple[Rule[RcptContext], ...] = (
    recipient.limit_recipients,
    recipient.refuse_unqualified_recipient,
    recipient.refuse_open_relay,
    recipient.refuse_undeliverable,
    recipient.refuse_over_quota,
)

DATA: tuple[Rule[DataContext], ...] = (
    content.refuse_big_message,
    content.refuse_loop,
)
