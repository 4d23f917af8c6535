"""The same dialogues with a private Dovecot and with accessd: every difference in meaning, by section of the RFCs."""
