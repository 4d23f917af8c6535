"""What a balancer writes in front of a connection: PROXY headers in both versions, well formed or not."""

import socket
import struct
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0, 1
CRC32C, SSL = 0x03, 0x20


class Place(NamedTuple):
    """An address and a port."""

    host: str
    port: int


def v1(source: Place, destination: Place) -> bytes:
    family = "TCP6" if ":" in source.host else "TCP4"
    line = f"PROXY {family} {source.host} {destination.host} {source.port} {destination.port}\r\n"
    return line.encode()


def v2(
    source: Place | None = None,
    destination: Place | None = None,
    tlvs: bytes = b"",
    *,
    command: int = PROXY,
    family: int = 0,
    block: bytes = b"",
) -> bytes:
    if source is not None and destination is not None:
        form = socket.AF_INET6 if ":" in source.host else socket.AF_INET
        family = 0x21 if form == socket.AF_INET6 else 0x11
        block = socket.inet_pton(form, source.host) + socket.inet_pton(form, destination.host)
        block += struct.pack("!HH", source.port, destination.port) + tlvs
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(block)) + block


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def ssl_tlv(version: bytes = b"TLSv1.3", cipher: bytes = b"TLS_AES_128_GCM_SHA256", *, flags: int = 1) -> bytes:
    """As HAProxy's send-proxy-v2-ssl writes it; no client certificate, so nothing was verified."""
    words = tlv(0x21, version) + tlv(0x23, cipher) if flags & 1 else b""
    return tlv(SSL, bytes([flags]) + struct.pack("!I", 1) + words)


def with_checksum(source: Place, destination: Place, tlvs: bytes = b"") -> bytes:
    blank = v2(source, destination, tlv(CRC32C, bytes(4)) + tlvs)
    return blank.replace(tlv(CRC32C, bytes(4)), tlv(CRC32C, struct.pack("!I", _castagnoli(blank))), 1)


def _castagnoli(data: bytes) -> int:
    """Bit by bit, as RFC 4960 appendix B defines it: nothing in common with the table of mailcore.crc32c."""
    remainder = 0xFFFFFFFF
    for octet in data:
        for bit in range(8):
            wrong = (remainder ^ octet >> bit) & 1
            remainder = remainder >> 1 ^ (0x82F63B78 if wrong else 0)
    return remainder ^ 0xFFFFFFFF
