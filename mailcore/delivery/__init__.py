"""Acting on routes now: into mailboxes and into the queue."""
