"""CAPABILITY: what this server can do, and how one may log in now (RFC 3501 section 7.2.1)."""

from __future__ import annotations

ALWAYS = (
    "IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE CONDSTORE ESEARCH WITHIN "
    "LIST-EXTENDED LIST-STATUS SPECIAL-USE CREATE-SPECIAL-USE STATUS=SIZE QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE"
)


def capabilities(*, logged_in: bool, starttls: bool, plaintext: bool) -> bytes:
    """The capability data without `* `."""
    parts = ["CAPABILITY", ALWAYS]
    if not logged_in:
        if starttls:
            parts.append("STARTTLS")
        parts.append("AUTH=PLAIN" if plaintext else "LOGINDISABLED")
    return " ".join(parts).encode("ascii")
