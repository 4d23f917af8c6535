"""CAPABILITY: what this server can do, and how one may log in now (RFC 3501 section 7.2.1).

Each name that stands here has its rows in docs/rfc.md (tests/unit/accessd/imap/test_capabilities.py).
"""

from __future__ import annotations

from collections.abc import Sequence

ALWAYS = (
    "IMAP4rev1",
    "IMAP4rev2",
    "SASL-IR",
    "ID",
    "ENABLE",
    "IDLE",
    "NAMESPACE",
    "CHILDREN",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "CONDSTORE",
    "QRESYNC",
    "NOTIFY",
    "ESEARCH",
    "SEARCH=FUZZY",
    "SEARCHRES",
    "INPROGRESS",
    "MULTISEARCH",
    "PARTIAL",
    "SORT",
    "SORT=DISPLAY",
    "CONTEXT=SEARCH",
    "CONTEXT=SORT",
    "ESORT",
    "I18NLEVEL=1",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "THREAD=REFS",
    "WITHIN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "LIST-MYRIGHTS",
    "ACL",
    "RIGHTS=texk",
    "METADATA",
    "SPECIAL-USE",
    "CREATE-SPECIAL-USE",
    "STATUS=SIZE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
)
AFTER_LOGIN: tuple[str, ...] = (
    "UNAUTHENTICATE",
    "UTF8=ACCEPT",
    "MULTIAPPEND",
    "BINARY",
    "OBJECTID",
    "SAVEDATE",
    "PREVIEW",
    "REPLACE",
    "CATENATE",
    "URL-PARTIAL",
)
"""What makes sense only to somebody who has logged in."""


def capabilities(
    *, logged_in: bool, starttls: bool, mechanisms: Sequence[str], literal_minus: bool = False, more: Sequence[str] = ()
) -> bytes:
    """The capability data without `* `. `mechanisms` are those of SASL that may be used now; without PLAIN there is no
    LOGIN either. `more` depends on the configuration or the connection.
    """
    parts = ["CAPABILITY", *ALWAYS, "LITERAL-" if literal_minus else "LITERAL+", *more]
    if logged_in:
        parts += AFTER_LOGIN
    else:
        if starttls:
            parts.append("STARTTLS")
        parts += [f"AUTH={mechanism}" for mechanism in mechanisms]
        if "PLAIN" not in mechanisms:
            parts.append("LOGINDISABLED")
    return " ".join(parts).encode("ascii")
