"""HAProxy's PROXY protocol, versions 1 and 2: what a TCP balancer says of the client before the client's first octet.

Sans-IO: `HeaderReader` takes octets and says how many of them were the header's; whoever reads decides from whom a
header is believed (mailcore.proxied). Promises: exactly what the specification allows is taken, everything else
raises InvalidHeader as early as it can be told, and no header makes it keep more than 64 KiB.
Specification: doc/proxy-protocol.txt of HAProxy, sections 2.1 (version 1) and 2.2 (version 2).
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mailcore.crc32c import crc32c

V1_BEGINNING = b"PROXY "
V1_LIMIT = 107  # with CRLF; section 2.1
V2_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V2_FIXED = struct.Struct("!12sBBH")

_LOCAL, _PROXY = 0, 1
_FAMILIES = (0, 1, 2, 3)  # unspecified, IPv4, IPv6, Unix
_TRANSPORTS = (0, 1, 2)  # unspecified, stream, datagram
_STREAM = 1
_ADDRESSES = {1: struct.Struct("!4s4sHH"), 2: struct.Struct("!16s16sHH")}
_CRC32C, _SSL = 0x03, 0x20
_SSL_VERSION, _SSL_CIPHER = 0x21, 0x23
_CLIENT_USED_SSL = 0x01

_V1_ADDRESS = {b"TCP4": ipaddress.IPv4Address, b"TCP6": ipaddress.IPv6Address}
_V1_ADDRESS_TEXT = re.compile(rb"[0-9A-Fa-f:.]{2,39}")
_V1_PORT = re.compile(rb"0|[1-9][0-9]{0,4}")
# These words reach header fields and logs.
_TLS_WORD = re.compile(rb"[A-Za-z0-9_.-]{1,64}")


class InvalidHeader(Exception):
    """What came is no PROXY header; the connection is to be ended."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a TCP port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS between client and balancer, which the balancer has taken off."""

    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """Who connected to whom. Without `source` the real addresses of the connection count.

    That is so for the balancer's own connections, such as health checks, and for clients that have no address.
    """

    source: Endpoint | None = None
    destination: Endpoint | None = None
    tls: ClientTls | None = None


class HeaderReader:
    """Collects one header, however it is split. What follows it in the same block is not touched."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.header: ProxyHeader | None = None

    def receive_data(self, data: bytes) -> int:
        """Returns how many octets of `data` belong to the header; `header` is set when it is complete."""
        before = len(self._buffer)
        self._buffer += data
        length = header_length(self._buffer)
        if length is None or length > len(self._buffer):
            return len(data)
        self.header = parse_header(bytes(self._buffer[:length]))
        self._buffer.clear()
        return length - before


def header_length(data: bytes | bytearray) -> int | None:
    """The length of the header that `data` begins with, None if that cannot be told yet. Raises InvalidHeader."""
    if data[: len(V1_BEGINNING)] == V1_BEGINNING[: len(data)]:
        return _v1_length(data)
    if data[: len(V2_SIGNATURE)] == V2_SIGNATURE[: len(data)]:
        return _v2_length(data)
    raise InvalidHeader("no PROXY header")


def _v1_length(data: bytes | bytearray) -> int | None:
    end = data.find(b"\r\n", 0, V1_LIMIT)
    if end >= 0:
        return end + 2
    if len(data) >= V1_LIMIT:
        raise InvalidHeader(f"no CRLF in the first {V1_LIMIT} octets")
    return None


def _v2_length(data: bytes | bytearray) -> int | None:
    if len(data) < V2_FIXED.size:
        return None
    _, version_and_command, _, length = V2_FIXED.unpack_from(data)
    # Before anything is waited for: another version may count its octets in another way.
    if version_and_command >> 4 != 2:
        raise InvalidHeader(f"version {version_and_command >> 4} is unknown")
    return V2_FIXED.size + int(length)


def parse_header(header: bytes) -> ProxyHeader:
    """A complete header, and nothing else. Raises InvalidHeader."""
    return _parse_v1(header) if header.startswith(V1_BEGINNING) else _parse_v2(header)


def _parse_v1(line: bytes) -> ProxyHeader:
    family, _, rest = line[len(V1_BEGINNING) : -2].partition(b" ")
    if family == b"UNKNOWN":
        return ProxyHeader()
    words = rest.split(b" ")
    if family not in _V1_ADDRESS or len(words) != 4:
        raise InvalidHeader("not PROXY, protocol, two addresses and two ports")
    source, destination, source_port, destination_port = words
    return ProxyHeader(_v1_endpoint(family, source, source_port), _v1_endpoint(family, destination, destination_port))


def _v1_endpoint(family: bytes, address: bytes, port: bytes) -> Endpoint:
    try:
        if not _V1_ADDRESS_TEXT.fullmatch(address) or not _V1_PORT.fullmatch(port) or int(port) > 65535:
            raise ValueError
        return Endpoint(str(_V1_ADDRESS[family](address.decode("ascii"))), int(port))
    except ValueError:
        raise InvalidHeader("not an address and a port of the protocol it names") from None


def _parse_v2(header: bytes) -> ProxyHeader:
    _, version_and_command, family_and_transport, _ = V2_FIXED.unpack_from(header)
    command = version_and_command & 0x0F
    if command == _LOCAL:
        return ProxyHeader()  # everything else in it is to be ignored
    family, transport = divmod(family_and_transport, 16)
    if command != _PROXY or family not in _FAMILIES or transport not in _TRANSPORTS:
        raise InvalidHeader("unknown command, address family or transport")
    form = _ADDRESSES.get(family)
    if form is None or transport != _STREAM:
        return ProxyHeader()  # a valid combination that is no TCP: as if it were unspecified
    if len(header) < V2_FIXED.size + form.size:
        raise InvalidHeader("no room for the addresses")
    source, destination, source_port, destination_port = form.unpack_from(header, V2_FIXED.size)
    return ProxyHeader(
        Endpoint(str(ipaddress.ip_address(source)), source_port),
        Endpoint(str(ipaddress.ip_address(destination)), destination_port),
        _tls_of(header, V2_FIXED.size + form.size),
    )


def _tls_of(header: bytes, start: int) -> ClientTls | None:
    """What the TLVs behind the addresses say; those of no use here are skipped (sections 2.2.1 to 2.2.8)."""
    tls = None
    for kind, begin, end in _tlvs(header, start, len(header)):
        if kind == _CRC32C:
            _check_sum(header, begin, end)
        elif kind == _SSL:
            tls = _parse_ssl(header, begin, end)
    return tls


def _tlvs(header: bytes, position: int, limit: int) -> Iterator[tuple[int, int, int]]:
    """Type, and where the value begins and ends."""
    while position < limit:
        begin = position + 3
        end = begin + int.from_bytes(header[position + 1 : begin], "big")
        if begin > limit or end > limit:
            raise InvalidHeader("a TLV is cut off")
        yield header[position], begin, end
        position = end


def _check_sum(header: bytes, begin: int, end: int) -> None:
    blank = header[:begin] + bytes(end - begin) + header[end:]
    if header[begin:end] != crc32c(blank).to_bytes(4, "big"):
        raise InvalidHeader("the checksum is wrong")


def _parse_ssl(header: bytes, begin: int, end: int) -> ClientTls | None:
    """One octet of flags, four of the client certificate's verification, then TLVs (section 2.2.6)."""
    if end - begin < 5:
        raise InvalidHeader("the SSL TLV is cut off")
    words = {kind: header[first:last] for kind, first, last in _tlvs(header, begin + 5, end)}
    if not header[begin] & _CLIENT_USED_SSL:
        return None
    return ClientTls(_tls_word(words.get(_SSL_VERSION)), _tls_word(words.get(_SSL_CIPHER)))


def _tls_word(word: bytes | None) -> str:
    if word is None:
        return "unknown"
    if not _TLS_WORD.fullmatch(word):
        raise InvalidHeader("the SSL TLV names no version or cipher")
    return word.decode("ascii")
