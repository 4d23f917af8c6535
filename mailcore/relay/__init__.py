"""Acting on the queue: finding the next host, speaking SMTP to it, recording what became of each recipient."""
