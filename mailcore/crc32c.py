"""CRC32c, the Castagnoli checksum of RFC 4960 appendix B, which zlib does not know. For short inputs: byte by byte."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78  # reflected


def _entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (_POLYNOMIAL if number & 1 else 0)
    return number


_TABLE = tuple(_entry(number) for number in range(256))


def crc32c(data: bytes) -> int:
    """The checksum of `data`; 0xE3069283 for b"123456789"."""
    value = 0xFFFFFFFF
    for octet in data:
        value = (value >> 8) ^ _TABLE[(value ^ octet) & 0xFF]
    return value ^ 0xFFFFFFFF
