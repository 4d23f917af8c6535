"""xtext of RFC 3461 section 4: how DSN parameters carry characters that SMTP parameters may not hold."""

from __future__ import annotations

import re

_VALID = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_UNSAFE = re.compile(r"[^!-*,-<>-~]")


def is_xtext(text: str) -> bool:
    """Whether `text` is well-formed: printable ASCII without "=", and "+" only before two upper-case hex digits."""
    return _VALID.fullmatch(text) is not None


def decode_xtext(text: str) -> str:
    """The characters that well-formed `text` stands for; bytes above 127 are UTF-8 where they can be."""
    raw = _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw


def encode_xtext(text: str) -> str:
    """`text` so that it may stand in an SMTP parameter."""
    return _UNSAFE.sub(lambda match: "".join(f"+{octet:02X}" for octet in match[0].encode()), text)
