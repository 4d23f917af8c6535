"""The IMAP and POP3 program."""
