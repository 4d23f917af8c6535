"""Maildir and Maildir++: one file per message."""
