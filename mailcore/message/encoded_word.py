"""RFC 2047 encoded words: header field bytes -> text for people.

Never raises. Tolerated, because real mail has it: raw 8-bit text, spaces inside Q-encoding, words without
space between them, a multi-byte character split over two words, missing base64 padding, unknown charsets.
"""

import binascii
import re
from itertools import groupby

from mailcore.message.charset import decode
from mailcore.message.transfer import decode_base64

# The charset may carry a language (RFC 2231 section 5). Length limits keep a hostile header cheap.
# An encoded word may decode to line breaks; nobody downstream may take them for the end of a field.
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_WORD = re.compile(rb"=\?([^?\s*=]{1,64})(?:\*[^?\s]{0,32})?\?([bBqQ])\?([^?]*)\?=")


def decode_header(value: bytes) -> str:
    """The text of an unfolded header field body, encoded words decoded."""
    text = decode(value) if b"=?" not in value else "".join(_texts(_pieces(value)))
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def _pieces(value: bytes) -> list[tuple[str, bytes]]:
    """(charset, octets) of each run; charset "" for plain text. Space between two words is dropped (section
    6.2)."""
    pieces: list[tuple[str, bytes]] = []
    end = 0
    for match in _WORD.finditer(value):
        plain = value[end : match.start()]
        if plain.strip(b" \t\r\n") or (plain and not end):
            pieces.append(("", plain))
        charset = match[1].decode("ascii", "replace").lower()
        pieces.append((charset, _octets(match[2], match[3])))
        end = match.end()
    if end < len(value):
        pieces.append(("", value[end:]))
    return pieces


def _octets(encoding: bytes, encoded: bytes) -> bytes:
    if encoding in b"bB":
        return decode_base64(encoded)
    return binascii.a2b_qp(encoded.replace(b"\r\n", b""), header=True)


def _texts(pieces: list[tuple[str, bytes]]) -> list[str]:
    """Neighbours of one charset are decoded together: senders do split characters between words."""
    return [
        decode(b"".join(octets for _, octets in run), charset)
        for charset, run in groupby(pieces, lambda piece: piece[0])
    ]
