"""The replies of the policy rules, in one place and with the enhanced codes of RFC 3463."""

from __future__ import annotations

from mailcore.reply import Reply

TOO_MANY_CONNECTIONS = Reply(421, "4.7.0", "Error: too many connections from your address")
TOO_MANY_MESSAGES = Reply(450, "4.7.1", "Error: too much mail from your address")
TLS_REQUIRED = Reply(530, "5.7.0", "Must issue a STARTTLS command first")
AUTH_REQUIRED = Reply(530, "5.7.0", "Authentication required")
SENDER_NOT_QUALIFIED = Reply(504, "5.5.2", "Sender address rejected: need fully-qualified address")
SENDER_NOT_OWNED = Reply(553, "5.7.1", "Sender address rejected: not owned by the authenticated user")
SENDER_UNKNOWN = Reply(550, "5.1.0", "Sender address rejected: user unknown")
MESSAGE_TOO_BIG = Reply(552, "5.3.4", "Message size exceeds fixed limit")
RECIPIENT_NOT_QUALIFIED = Reply(504, "5.5.2", "Recipient address rejected: need fully-qualified address")
TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Error: too many recipients")
RELAY_DENIED = Reply(554, "5.7.1", "Relay access denied")
MAILBOX_FULL = Reply(452, "4.2.2", "Mailbox full")
MESSAGE_OVER_QUOTA = Reply(552, "5.2.2", "Message is larger than the mailbox may ever hold")
TOO_MANY_HOPS = Reply(554, "5.4.6", "Too many hops")
