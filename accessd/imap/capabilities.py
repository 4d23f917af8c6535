"""CAPABILITY: what this server can do, and how one may log in now (RFC 3501 section 7.2.1).

Each name that stands here has its rows in docs/rfc.md (tests/unit/accessd/imap/test_capabilities.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from accessd.imap.command_limits import LITERAL_MINUS_BYTES
from mailcore.sasl.mechanisms import offered

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

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


def capabilities_of(session: ImapSession) -> bytes:
    """Those of a session at this moment."""
    compress = session.account is not None and not session.connection.is_compressed
    return capabilities(
        logged_in=session.account is not None,
        starttls=session.connection.may_start_tls,
        mechanisms=mechanisms_of(session),
        literal_minus=_is_literal_minus(session),
        more=[f"APPENDLIMIT={session.append_limit}", *(["COMPRESS=DEFLATE"] if compress else [])],
    )


def mechanisms_of(session: ImapSession) -> tuple[str, ...]:
    """Those of SASL that may be used now; none to who has logged in."""
    return offered(
        secure=session.account is None and session.plaintext_allowed,
        end_point=session.connection.end_point,
        oauth=bool(session.context.config.current().oauth_issuers),
    )


def _is_literal_minus(session: ImapSession) -> bool:
    """The setting; what a client has logged in under stays."""
    if session.account is not None:
        return session.engine.limits.unasked_bytes == LITERAL_MINUS_BYTES
    return session.context.config.current().literal_minus
