"""Whose a mailbox is, and what somebody else may do with it (RFC 4314)."""
