"""IMAP URLs of messages and their parts (RFC 5092), as CATENATE names them (RFC 4469): relative to this server, or to
the selected mailbox.

    /INBOX;UIDVALIDITY=785799047/;UID=113330/;SECTION=1.5.9/;PARTIAL=0.1024
    ;UID=20/;SECTION=HEADER
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from accessd.imap.grammar.fetch_att import parse_section
from accessd.imap.grammar.mailbox_name import INBOX
from accessd.imap.grammar.tokens import BadSyntax
from mailcore.message.section import Section

_NUMBER = rb"([1-9]\d{0,9})"
_PCHAR = rb"(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9\-._~!$'()*+,&=:@/])"
_URL = re.compile(
    rb"(?:/(" + _PCHAR + rb"+?)(?:;UIDVALIDITY=" + _NUMBER + rb")?/)?;UID=" + _NUMBER
    + rb"(?:/;SECTION=(" + _PCHAR + rb"+?))?(?:/;PARTIAL=(\d{1,18})(?:\.([1-9]\d{0,17}))?)?",
    re.IGNORECASE,
)  # fmt: skip


_NOT_IN_CODE = re.compile(rb"[^\x21-\x5c\x5e-\x7e]")
_MOST_SHOWN = 1000


_WHOLE = Section()


class BadUrl(ValueError):
    """Not the URL of a message of this server: NO [BADURL ...]."""


@dataclass(frozen=True, slots=True)
class MessageUrl:
    """`mailbox` is None for the selected one. `partial` is the first octet and how many, None for all that follow."""

    mailbox: str | None
    uidvalidity: int | None
    uid: int
    section: Section = _WHOLE
    partial: tuple[int, int | None] | None = None


def parse_url(url: bytes) -> MessageUrl:
    """The message or part that `url` names. Raises BadUrl."""
    found = _URL.fullmatch(url)
    if found is None:
        raise BadUrl("not a relative IMAP URL")
    mailbox, uidvalidity, uid, section, start, length = found.groups()
    return MessageUrl(
        None if mailbox is None else _mailbox(mailbox),
        None if uidvalidity is None else int(uidvalidity),
        int(uid),
        _WHOLE if section is None else _section(section),
        None if start is None else (int(start), None if length is None else int(length)),
    )


def _mailbox(encoded: bytes) -> str:
    try:
        name = unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        raise BadUrl("the mailbox name is not UTF-8") from None
    return INBOX if name.upper() == INBOX else name


def _section(encoded: bytes) -> Section:
    try:
        return parse_section(unquote_to_bytes(encoded))
    except BadSyntax as error:
        raise BadUrl(str(error)) from None


def quote_url(url: bytes) -> bytes:
    """`url` as a response code may hold it: what has no place there is encoded."""
    return _NOT_IN_CODE.sub(lambda found: b"%%%02X" % ord(found[0]), url[:_MOST_SHOWN])
