"""The index tables: mailboxes and messages."""
