"""Bytes with a declared (or missing, or wrong) charset -> text that can be stored and shown.

Never raises. The result has no NUL and no surrogate, so PostgreSQL and UTF-8 take it. Labels are read the way
browsers read them: a label names the superset that senders really use (ISO-8859-1 is windows-1252, and so
on).
"""

import codecs
from functools import lru_cache

# What the label says -> what the bytes are. Names as after _normalise(); the supersets follow the WHATWG
# Encoding Standard, section 4.2.
_SUPERSETS = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
    "l1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "iso-8859-6-i": "iso-8859-6",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "gb-2312-80": "gb18030",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "ks-c-5601-1987": "cp949",
    "ks-c-5601": "cp949",
    "euc-kr": "cp949",
    "big5": "big5hkscs",
    "big5-hkscs": "big5hkscs",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "utf8": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
}

# Labels that promise nothing about bytes above 127.
_GUESS = frozenset(
    {"", "us-ascii", "ascii", "ansi-x3.4-1968", "unknown-8bit", "x-unknown", "unknown", "default", "binary"}
)

# Python codecs that are no charsets of mail: some take quadratic time, some warn, some always fail.
_REFUSED = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem"})


def decode(data: bytes, label: str = "") -> str:
    """`data` as text. Without a usable label: UTF-8 when it is valid UTF-8, else windows-1252."""
    codec = _codec(label[:64])
    if codec is None:
        return clean(_guess(data))
    try:
        return clean(data.decode(codec, "replace"))
    except (UnicodeError, LookupError):
        return clean(_guess(data))


def clean(text: str) -> str:
    """`text` without NUL, and with U+FFFD for what UTF-8 cannot express."""
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _guess(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


@lru_cache(maxsize=256)
def _codec(label: str) -> str | None:
    """The Python codec for a charset label, None when the bytes have to speak for themselves."""
    name = label.strip(" \t\"'").lower().replace("_", "-")
    if name in _GUESS or name in _REFUSED:
        return None
    name = _SUPERSETS.get(name, name)
    try:
        codecs.lookup(name)
        b"".decode(name)
    except (LookupError, ValueError, UnicodeError):
        return None
    return name
