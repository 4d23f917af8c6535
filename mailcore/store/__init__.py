"""Message bytes on disk: Maildir and mbox behind one interface."""
