"""What a user calls a mailbox: store and index together."""
