"""SASL mechanisms (RFC 4422) as conversations without I/O, the same for SMTP, IMAP and POP3."""
