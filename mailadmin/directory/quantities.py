"""Sizes and times as people and Postfix write them.

Sizes: "512 MB", "2 GiB", "50M", plain bytes, "unlimited" (0). As in `du` and Postfix's documentation the letters mean
powers of 1024. Times: Postfix's notation, postconf(5): a number and s, m, h, d or w; several may follow each other
("1d12h"). Parsing and formatting are inverse: what is shown can be typed.
"""

import re
from decimal import Decimal

SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
TIME_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
UNLIMITED = "unlimited"
# The largest value of a PostgreSQL bigint; beyond it the database would refuse the row.
MAX_BYTES = (1 << 63) - 1
MAX_SECONDS = (1 << 31) - 1

_SIZE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([kmgt]?)(?:i?b|bytes?)?", re.IGNORECASE)
_TIME_PART = re.compile(r"(\d+)\s*([smhdw])", re.IGNORECASE)


def parse_bytes(text: str) -> int:
    """Number of bytes meant by `text`; ValueError when it is not a size."""
    stripped = text.strip()
    if stripped.lower() in {UNLIMITED, "none"}:
        return 0
    match = _SIZE.fullmatch(stripped)
    if match is None:
        raise ValueError(f"{text!r} is not a size")
    number, unit = match.groups()
    # Decimal: a float would lose bytes beyond 8 PB.
    size = round(Decimal(number.replace(",", ".")) * SIZE_UNITS[unit.lower()])
    if size > MAX_BYTES:
        raise ValueError(f"{text!r} is too large")
    return size


def format_bytes(size: int, *, zero: str = "0 B") -> str:
    """The size with the largest unit that keeps it readable: 1536 -> "1.5 KB"."""
    if size == 0:
        return zero
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return _trim(value, unit)
        value /= 1024
    return _trim(value, "TB")


def exact_bytes(size: int) -> str:
    """Like format_bytes, but never rounded: for a form field whose text is parsed again."""
    if size == 0:
        return UNLIMITED
    for letter, unit in (("t", "TB"), ("g", "GB"), ("m", "MB"), ("k", "KB")):
        if size % SIZE_UNITS[letter] == 0:
            return f"{size // SIZE_UNITS[letter]} {unit}"
    return str(size)


def parse_seconds(text: str) -> int:
    """Seconds meant by `text` in Postfix's notation; a bare number is seconds. ValueError when it is not a time."""
    stripped = re.sub(r"\s+", "", text)
    if stripped.isascii() and stripped.isdigit():
        seconds = int(stripped)
    elif stripped and not _TIME_PART.sub("", stripped):
        seconds = sum(int(number) * TIME_UNITS[unit.lower()] for number, unit in _TIME_PART.findall(stripped))
    else:
        raise ValueError(f"{text!r} is not a time")
    if seconds > MAX_SECONDS:
        raise ValueError(f"{text!r} is too long")
    return seconds


def format_seconds(seconds: int) -> str:
    """Postfix's notation, exact: 432000 -> "5d", 5400 -> "1h30m"."""
    if seconds <= 0:
        return "0s"
    parts = []
    for unit in ("w", "d", "h", "m", "s"):
        # Five days read better than five sevenths of a week: weeks only when they are whole.
        if unit == "w" and seconds % TIME_UNITS["w"]:
            continue
        count, seconds = divmod(seconds, TIME_UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def _trim(value: float, unit: str) -> str:
    rounded = f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return f"{rounded.removesuffix('.0')} {unit}"
