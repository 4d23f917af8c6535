"""Content-Transfer-Encoding: the octets behind base64, quoted-printable and uuencode (RFC 2045 section 6).

Never raises: damaged input gives what can be read of it. Unknown encodings are returned as they are.
"""

import binascii
import re

_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_UU_BEGIN = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} [^\n]*\n", re.MULTILINE)


def decode_transfer(data: bytes, encoding: str) -> bytes:
    """The octets of a body whose Content-Transfer-Encoding is `encoding`."""
    match encoding.strip().lower():
        case "base64":
            return decode_base64(data)
        case "quoted-printable":
            return binascii.a2b_qp(data)
        case "x-uuencode" | "uuencode" | "x-uue" | "uue":
            return _decode_uu(data)
        case _:
            return data


def decode_base64(data: bytes) -> bytes:
    """Tolerant of foreign characters, missing padding and a truncated end (RFC 2045 section 6.8)."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        alphabet = data.partition(b"=")[0].translate(None, delete=_NOT_BASE64)
        usable = len(alphabet) - (len(alphabet) % 4 == 1)
        return binascii.a2b_base64(alphabet[:usable] + b"=" * (-usable % 4))


def _decode_uu(data: bytes) -> bytes:
    begin = _UU_BEGIN.search(data)
    if begin is None:
        return data
    octets = bytearray()
    for line in data[begin.end() :].splitlines():
        if line.rstrip() == b"end":
            break
        octets += _decode_uu_line(line)
    return bytes(octets)


def _decode_uu_line(line: bytes) -> bytes:
    if not line:
        return b""
    # Encoders that count wrongly leave garbage behind the octets the first character announces.
    needed = (((line[0] - 32) & 63) * 4 + 5) // 3
    try:
        return binascii.a2b_uu(line[: needed + 1])
    except binascii.Error:
        return b""
