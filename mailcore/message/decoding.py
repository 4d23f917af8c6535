"""Sections of a message behind their Content-Transfer-Encoding (RFC 3516; RFC 9051 section 6.4.5.2, BINARY).

Block by block, so that memory stays small however large the part is, and with the same result for every source of
octets. A part that has others in it is given with these decoded, as Dovecot does: their headers say "binary" then.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable, Iterator

from mailcore.message.section import find_part
from mailcore.message.structure import Octets, Part

BLOCK_BYTES = 256 * 1024
_PLAIN = frozenset({"7bit", "8bit", "binary"})
_ENCODED = frozenset({"base64", "quoted-printable"})
_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_ENCODING = re.compile(
    rb"^(content-transfer-encoding[ \t]*:)[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*", re.IGNORECASE | re.MULTILINE
)


class UnknownEncoding(ValueError):
    """Nobody knows what the octets behind this Content-Transfer-Encoding are: NO [UNKNOWN-CTE]."""


def decoded(data: Octets, root: Part, path: tuple[int, ...]) -> Iterator[bytes] | None:
    """The section with this part number, all of the message for (); None when there is none. Iterating raises
    UnknownEncoding.
    """
    if not path:
        return _with_header(data, root)
    part = find_part(root, path)
    return None if part is None else _body(data, part)


def with_encoding(header: bytes, encoding: bytes) -> bytes:
    """A header whose Content-Transfer-Encoding is another."""
    return _ENCODING.sub(rb"\1 " + encoding, header)


def blocks(data: Octets, start: int, end: int, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """A range of octets in pieces."""
    for at in range(start, end, size):
        yield data[at : min(at + size, end)]


def decode_blocks(pieces: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Octets behind an encoding. Raises UnknownEncoding; damaged ones give what can be read of them."""
    match encoding:
        case "base64":
            return _base64(pieces)
        case "quoted-printable":
            return _quoted_printable(pieces)
        case _ if encoding in _PLAIN:
            return iter(pieces)
    raise UnknownEncoding(encoding)


def _with_header(data: Octets, part: Part) -> Iterator[bytes]:
    header = data[part.header_start : part.body_start]
    yield with_encoding(header, b"binary") if part.encoding in _ENCODED and not part.children else header
    yield from _body(data, part)


def _body(data: Octets, part: Part) -> Iterator[bytes]:
    if not part.children:
        # What says that it is a multipart and has no part is shown as it is.
        encoding = "7bit" if part.is_multipart else part.encoding
        yield from decode_blocks(blocks(data, part.body_start, part.body_end), encoding)
        return
    position = part.body_start
    for child in part.children:
        yield from blocks(data, position, child.header_start)
        yield from _with_header(data, child)
        position = child.body_end
    yield from blocks(data, position, part.body_end)


def _base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Up to the padding, over foreign characters."""
    rest = b""
    for piece in pieces:
        piece, padding, _ = piece.partition(b"=")
        rest += piece.translate(None, delete=_NOT_BASE64)
        whole = len(rest) - len(rest) % 4
        yield binascii.a2b_base64(rest[:whole])
        rest = rest[whole:]
        if padding:
            break
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _quoted_printable(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        cut = rest.rfind(b"\n") + 1 or _without_escape(rest)
        yield _decode_lines(rest[:cut])
        rest = rest[cut:]
    yield _decode_lines(rest)


def _decode_lines(text: bytes) -> bytes:
    """White space at the end of a line came on the way (RFC 2045 section 6.7, rule 3)."""
    return binascii.a2b_qp(b"\r\n".join([line.rstrip(b" \t") for line in text.split(b"\r\n")]))


def _without_escape(line: bytes) -> int:
    """Where to cut a line that goes on: not within an escape."""
    escape = line.rfind(b"=", max(0, len(line) - 2))
    return len(line) if escape < 0 else escape
