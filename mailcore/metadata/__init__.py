"""Annotations of mailboxes and of the server (RFC 5464)."""
