"""Modified UTF-7 (RFC 3501 section 5.1.3), as Maildir++ writes folder names.

`encode` can be told of further characters that may not stand for themselves; `decode` understands those too.
For the rest the encoding is unique: decode_exactly refuses what encode would not have written.
"""

from __future__ import annotations

import base64
import re

_RUN = re.compile("&([^-]*)-")


def encode(text: str, avoid: str = "") -> str:
    """ASCII for `text`: printable characters as they are, "&" as "&-", runs of others and of `avoid` in
    base64.
    """
    parts: list[str] = []
    run = ""
    for character in text:
        if " " <= character <= "~" and character not in avoid:
            parts.append(_base64(run) + ("&-" if character == "&" else character))
            run = ""
        else:
            run += character
    return "".join(parts) + _base64(run)


def decode(encoded: str) -> str:
    """The text. Raises ValueError for what is no modified UTF-7."""
    if not encoded.isascii():
        raise ValueError("not ASCII")
    if "&" in _RUN.sub("", encoded):
        raise ValueError("a shift that does not end")
    return _RUN.sub(lambda run: _from_base64(run[1]) if run[1] else "&", encoded)


def decode_exactly(encoded: str, avoid: str = "") -> str:
    """Like decode, but raises ValueError also for a spelling that encode(text, avoid) does not give."""
    text = decode(encoded)
    if encode(text, avoid) != encoded:
        raise ValueError("not the usual spelling")
    return text


def _base64(run: str) -> str:
    if not run:
        return ""
    packed = base64.b64encode(run.encode("utf-16-be")).decode("ascii")
    return "&" + packed.rstrip("=").replace("/", ",") + "-"


def _from_base64(packed: str) -> str:
    padded = packed.replace(",", "/") + "=" * (-len(packed) % 4)
    return base64.b64decode(padded, validate=True).decode("utf-16-be")
