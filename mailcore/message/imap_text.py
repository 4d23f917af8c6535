"""Strings of IMAP responses: NIL, quoted or literal, whichever the bytes allow (RFC 3501 section 4.3, 9)."""

import re

_QUOTABLE_AS_IT_IS = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-!#-\[\]-\x7f]*")
_NEEDS_ESCAPE = re.compile(rb'(["\\])')


def string(value: bytes) -> bytes:
    """A quoted string; a literal when there is 8-bit text or a line break in it. NUL is left out: IMAP has no
    NUL."""
    if _QUOTABLE_AS_IT_IS.fullmatch(value):
        return b'"' + value + b'"'
    if b"\0" in value:
        value = value.replace(b"\0", b"")
    if value.isascii() and b"\r" not in value and b"\n" not in value:
        return b'"' + _NEEDS_ESCAPE.sub(rb"\\\1", value) + b'"'
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """`string`, or NIL for None."""
    return b"NIL" if value is None else string(value)
