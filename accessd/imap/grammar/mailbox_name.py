"""Mailbox names on the wire: modified UTF-7 (RFC 3501 section 5.1.3), or UTF-8 for who has enabled it (RFC 6855
section 3, RFC 9051 section 5.1); INBOX in any case.

Inside the system a mailbox name is plain text with "/" between the levels. Names that are not valid
modified UTF-7 are refused, except plain UTF-8, which some clients send unencoded and which cannot be
confused with it. Once UTF-8 is enabled, "&" is a character like any other.
"""

import binascii
import re
import unicodedata

from accessd.imap.grammar.tokens import BadSyntax, Scanner

SEPARATOR = "/"
INBOX = "INBOX"
NO_NAME = "\0"
"""As a pattern: no mailbox has NUL in its name."""

_SHIFTED = re.compile(rb"&([A-Za-z0-9+,]*)-")
_UNPRINTABLE_RUN = re.compile(r"[^\x20-\x7e]+|&")


def decode(name: bytes) -> str:
    """The text of a mailbox name in modified UTF-7."""
    if b"&" not in name:
        return _plain(name)
    parts: list[str] = []
    position = 0
    for shifted in _SHIFTED.finditer(name):
        parts.append(_plain(name[position : shifted.start()]))
        parts.append(_unshift(shifted.group(1)))
        position = shifted.end()
    parts.append(_plain(name[position:]))
    text = "".join(parts)
    if name.isascii() and encode(text) != name:
        # Base64 for what needs none, or two shifts where one would do: there is one spelling of each name only.
        raise BadSyntax("Mailbox name is not valid modified UTF-7")
    return text


def _plain(part: bytes) -> str:
    if b"&" in part:
        raise BadSyntax("Mailbox name is not valid modified UTF-7")
    try:
        return part.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Mailbox name is neither modified UTF-7 nor UTF-8") from None


def _unshift(encoded: bytes) -> str:
    if not encoded:
        return "&"
    padded = encoded.replace(b",", b"/") + b"=" * (-len(encoded) % 4)
    try:
        return binascii.a2b_base64(padded, strict_mode=True).decode("utf-16-be")
    except (ValueError, UnicodeDecodeError):
        raise BadSyntax("Mailbox name is not valid modified UTF-7") from None


def encode(name: str) -> bytes:
    """`name` in modified UTF-7."""
    if name.isascii() and name.isprintable() and "&" not in name:
        return name.encode("ascii")
    return _UNPRINTABLE_RUN.sub(_shift, name).encode("ascii")


def _shift(run: re.Match[str]) -> str:
    if run.group() == "&":
        return "&-"
    encoded = binascii.b2a_base64(run.group().encode("utf-16-be", "surrogatepass"), newline=False)
    return "&" + encoded.rstrip(b"=").replace(b"/", b",").decode("ascii") + "-"


def canonical(name: str) -> str:
    """INBOX in its one spelling, also as the first level of a longer name."""
    first, separator, rest = name.partition(SEPARATOR)
    return INBOX + separator + rest if first.upper() == INBOX else name


class Respelt(str):
    """A name in its one spelling that the client has written otherwise. IMAP4rev2 tells it so, with OLDNAME (RFC 9051
    section 6.3.9.7).
    """

    __slots__ = ("written",)
    written: str


def read_mailbox(scanner: Scanner) -> str:
    """mailbox = "INBOX" / astring."""
    if not scanner.rev2:
        return from_wire(scanner, scanner.astring())
    written = _utf8(scanner.astring())
    name = canonical(unicodedata.normalize("NFC", written))
    if name == written:
        return name
    respelt = Respelt(name)
    respelt.written = written
    return respelt


def from_wire(scanner: Scanner, name: bytes) -> str:
    """A name as this client writes it."""
    return canonical(_utf8(name) if scanner.utf8 else decode(name))


def pattern_from_wire(scanner: Scanner, pattern: bytes) -> str:
    """A pattern, or a part of one. One that could not be of any name matches none, which is no error (RFC 5258
    section 3).
    """
    try:
        return from_wire(scanner, pattern)
    except BadSyntax:
        return NO_NAME


def _utf8(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Mailbox name is not UTF-8") from None
