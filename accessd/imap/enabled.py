"""What a client can switch on with ENABLE (RFC 5161), or by using it: bits of ImapSession.enabled."""

CONDSTORE = 1
"""RFC 7162 section 3.1: MODSEQ in every FETCH response."""
QRESYNC = 2
"""RFC 7162 section 3.2: VANISHED instead of EXPUNGE."""
UTF8 = 4
"""UTF8=ACCEPT, RFC 6855."""
REV2 = 8
"""IMAP4rev2, RFC 9051."""
