"""The PROXY header, octet by octet as HAProxy's specification has it."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.crc32c import crc32c
from mailcore.proxy_protocol import (
    V2_SIGNATURE,
    ClientTls,
    Endpoint,
    HeaderReader,
    InvalidHeader,
    ProxyHeader,
    header_length,
    parse_header,
)
from tests.fakes.balancer import CRC32C, LOCAL, PROXY, SSL, ssl_tlv, tlv, v1, v2, with_checksum

CLIENT, SERVER = Endpoint("192.0.2.7", 40001), Endpoint("198.51.100.25", 25)
CLIENT_6, SERVER_6 = Endpoint("2001:db8::7", 40001), Endpoint("2001:db8::25", 993)
TCP4, UDP4, TCP6, UNIX = 0x11, 0x12, 0x21, 0x31
LONGEST = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"


def read(data):
    reader = HeaderReader()
    taken = reader.receive_data(data)
    return reader.header, data[taken:]


# Version 1.


@pytest.mark.parametrize(
    ("line", "source", "destination"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.25 40001 25\r\n", CLIENT, SERVER),
        (b"PROXY TCP6 2001:db8::7 2001:DB8::25 40001 993\r\n", CLIENT_6, SERVER_6),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Endpoint("0.0.0.0", 0), Endpoint("255.255.255.255", 65535)),
        (
            f"PROXY TCP6 {LONGEST} {LONGEST} 65535 65535\r\n".encode(),
            Endpoint(LONGEST, 65535),
            Endpoint(LONGEST, 65535),
        ),
    ],
)
def test_version_1_says_who_connected_to_whom(line, source, destination):
    assert read(line + b"EHLO client\r\n") == (ProxyHeader(source, destination), b"EHLO client\r\n")


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN 192.0.2.7 198.51.100.25 1 2\r\n",
        b"PROXY UNKNOWN whatever \xff\x00 stands here\r\n",
        b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n",
    ],
)
def test_of_an_unknown_client_the_real_address_counts(line):
    assert len(line) <= 107
    assert read(line) == (ProxyHeader(), b"")


@pytest.mark.parametrize(
    "line",
    [
        b"PROXY TCP4 192.0.2.7 198.51.100.25 40001\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 40001 25 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 40001 25 \r\n",
        b"PROXY TCP4  192.0.2.7 198.51.100.25 40001 25\r\n",
        b"PROXY TCP4 192.0.2.7\t198.51.100.25 40001 25\r\n",
        b"PROXY TCP4 192.0.2.07 198.51.100.25 40001 25\r\n",
        b"PROXY TCP4 192.0.2 198.51.100.25 40001 25\r\n",
        b"PROXY TCP4 192.0.2.256 198.51.100.25 40001 25\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::25 40001 25\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.25 40001 25\r\n",
        b"PROXY TCP6 2001:db8::7%eth0 2001:db8::25 40001 25\r\n",
        b"PROXY TCP6 2001:db8::00007 2001:db8::25 40001 25\r\n",
        b"PROXY TCP6 2001::db8::7 2001:db8::25 40001 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 040001 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 40001 025\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 40001 00\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 65536 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 123456789 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 -1 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 +1 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 4_0 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 \xb2 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 1\r 25\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.25 1 25\n\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.25 40001 25\r\n",
        b"PROXY tcp4 192.0.2.7 198.51.100.25 40001 25\r\n",
        b"PROXY TCP5 192.0.2.7 198.51.100.25 40001 25\r\n",
        b"PROXY UNKNOWNS\r\n",
        b"PROXY \r\n",
        b"PROXY  TCP4 192.0.2.7 198.51.100.25 40001 25\r\n",
    ],
)
def test_version_1_is_taken_to_the_letter(line):
    with pytest.raises(InvalidHeader):
        read(line)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\r", b"\n\r", b""])
def test_only_crlf_ends_the_line(end):
    header, _ = read(b"PROXY UNKNOWN" + end)

    assert header is None


def test_a_line_of_more_than_107_octets_is_none():
    read(b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n")

    with pytest.raises(InvalidHeader, match="107"):
        read(b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n")
    with pytest.raises(InvalidHeader, match="107"):
        read(b"PROXY UNKNOWN " + b"f" * 93)


# Version 2.


@pytest.mark.parametrize(("source", "destination"), [(CLIENT, SERVER), (CLIENT_6, SERVER_6)])
def test_version_2_says_who_connected_to_whom(source, destination):
    data = v2(source, destination)

    assert read(data + b"\x16\x03\x01") == (ProxyHeader(source, destination), b"\x16\x03\x01")


def test_the_form_of_version_2_is_that_of_the_specification():
    data = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c c0000207 c6336419 9c41 0019")

    assert data == v2(CLIENT, SERVER)
    assert read(data) == (ProxyHeader(CLIENT, SERVER), b"")


@pytest.mark.parametrize("family", [0x00, 0x11, 0x21, 0x31, 0x99, 0xFF])
@pytest.mark.parametrize("block", [b"", b"\x01", b"\x03\x00\x04\xff\xff\xff\xff", bytes(300)])
def test_of_a_local_connection_everything_else_is_ignored(family, block):
    assert read(v2(command=LOCAL, family=family, block=block) + b"x") == (ProxyHeader(), b"x")


@pytest.mark.parametrize("family", [0x00, 0x01, 0x02, 0x10, UDP4, 0x20, 0x22, 0x30, UNIX, 0x32])
def test_what_is_valid_but_no_tcp_counts_as_unspecified(family):
    assert read(v2(command=PROXY, family=family, block=bytes(216)) + b"x") == (ProxyHeader(), b"x")


@pytest.mark.parametrize("family", [0x40, 0x41, 0xF1, 0x13, 0x1F, 0x03])
def test_families_and_transports_that_do_not_exist_are_refused(family):
    with pytest.raises(InvalidHeader):
        read(v2(command=PROXY, family=family, block=bytes(216)))


@pytest.mark.parametrize("command", range(2, 16))
def test_commands_that_do_not_exist_are_refused(command):
    with pytest.raises(InvalidHeader):
        read(v2(command=command, family=TCP4, block=bytes(12)))


@pytest.mark.parametrize("version", [0, 1, 3, 15])
def test_another_version_is_refused_before_its_block_has_come(version):
    with pytest.raises(InvalidHeader, match="version"):
        header_length(V2_SIGNATURE + bytes([version << 4 | PROXY, TCP4]) + b"\xff\xff")


@pytest.mark.parametrize(("family", "size"), [(TCP4, 0), (TCP4, 11), (TCP6, 12), (TCP6, 35)])
def test_addresses_must_have_room(family, size):
    with pytest.raises(InvalidHeader, match="room"):
        read(v2(command=PROXY, family=family, block=bytes(size)))


def test_the_longest_header_is_taken_whole():
    padding = tlv(0x04, bytes(65535 - 12 - 3))

    assert read(v2(CLIENT, SERVER, padding) + b"x") == (ProxyHeader(CLIENT, SERVER), b"x")


# TLVs.


@pytest.mark.parametrize("kind", [0x01, 0x02, 0x04, 0x05, 0x30, 0x77, 0xE0, 0xF7, 0xFF])
@pytest.mark.parametrize("value", [b"", b"mail.example.org", bytes(128)])
def test_tlvs_of_no_use_here_are_skipped(kind, value):
    assert read(v2(CLIENT, SERVER, tlv(kind, value) * 2))[0] == ProxyHeader(CLIENT, SERVER)


@pytest.mark.parametrize(
    "block", [b"\x04", b"\x04\x00", b"\x04\x00\x01", b"\x04\x00\x02x", b"\x04\xff\xff" + bytes(99)]
)
def test_a_tlv_that_is_cut_off_is_refused(block):
    with pytest.raises(InvalidHeader, match="cut off"):
        read(v2(CLIENT, SERVER, block))


def test_tls_that_ended_at_the_balancer_is_known():
    block = ssl_tlv(b"TLSv1.3", b"TLS_AES_256_GCM_SHA384")

    header, _ = read(v2(CLIENT, SERVER, tlv(0x02, b"mail.example.org") + block))

    assert header == ProxyHeader(CLIENT, SERVER, ClientTls("TLSv1.3", "TLS_AES_256_GCM_SHA384"))


def test_an_ssl_tlv_may_also_say_that_there_was_no_tls():
    assert read(v2(CLIENT, SERVER, ssl_tlv(flags=0)))[0] == ProxyHeader(CLIENT, SERVER)


def test_tls_without_names_is_tls():
    assert read(v2(CLIENT, SERVER, tlv(SSL, b"\x01" + bytes(4))))[0].tls == ClientTls("unknown", "unknown")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\x01\0\0\0",
        b"\x01\0\0\0\0\x21\x00",
        b"\x01\0\0\0\0\x21\x00\x09TLSv1.3",
        b"\x01\0\0\0\0" + tlv(0x21, b"TLSv1.3\r\nX-Forged: yes"),
        b"\x01\0\0\0\0" + tlv(0x21, b""),
        b"\x01\0\0\0\0" + tlv(0x23, b"A" * 65),
        b"\x01\0\0\0\0" + tlv(0x23, b"\xc3\xa4"),
    ],
)
def test_an_ssl_tlv_that_is_none_is_refused(value):
    with pytest.raises(InvalidHeader):
        read(v2(CLIENT, SERVER, tlv(SSL, value)))


def test_crc32c_is_the_castagnoli_checksum():
    """The check value of the catalogues, and the vectors of RFC 3720 appendix B.4."""
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E


def test_a_checksum_is_verified():
    good = with_checksum(CLIENT, SERVER, tlv(0x05, b"id"))
    assert read(good)[0] == ProxyHeader(CLIENT, SERVER)

    for place in range(16, len(good)):
        if good[place - 3 : place] == b"\x05\x00\x02" or place in range(16, 28):
            with pytest.raises(InvalidHeader):
                read(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])


@pytest.mark.parametrize("value", [b"", b"\0", bytes(3), bytes(5)])
def test_a_checksum_has_four_octets(value):
    with pytest.raises(InvalidHeader, match="checksum"):
        read(v2(CLIENT, SERVER, tlv(CRC32C, value)))


# However it comes.


@pytest.mark.parametrize("data", [v1(CLIENT, SERVER), v2(CLIENT_6, SERVER_6, ssl_tlv())])
def test_a_header_may_come_in_any_two_pieces(data):
    for cut in range(1, len(data)):
        reader = HeaderReader()

        assert reader.receive_data(data[:cut]) == cut
        assert reader.header is None
        assert reader.receive_data(data[cut:] + b"QUIT\r\n") == len(data) - cut
        assert reader.header == parse_header(data)


@pytest.mark.parametrize("data", [v1(CLIENT, SERVER), v2(CLIENT, SERVER)])
def test_a_header_may_come_octet_by_octet(data):
    reader = HeaderReader()

    for octet in data:
        assert reader.header is None
        assert reader.receive_data(bytes([octet])) == 1

    assert reader.header == ProxyHeader(CLIENT, SERVER)


@pytest.mark.parametrize(
    "data",
    [b"E", b"EHLO client\r\n", b"\x16\x03\x01", b"proxy TCP4", b"PROXYTCP4", b"\r\n\r\n\0\r\nQUIX", b"\n", b"\r\r"],
)
def test_what_is_no_header_is_known_at_the_first_wrong_octet(data):
    with pytest.raises(InvalidHeader):
        read(data)


def test_two_headers_are_one_header_and_what_follows():
    """Chained proxies are not guessed at: the second one is the client's own words."""
    assert read(v1(CLIENT, SERVER) * 2) == (ProxyHeader(CLIENT, SERVER), v1(CLIENT, SERVER))


@given(st.one_of(st.binary(max_size=300), st.binary(max_size=200).map(lambda rest: b"PROXY " + rest + b"\r\n")))
def test_no_text_breaks_it(data):
    with contextlib.suppress(InvalidHeader):
        read(data)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=400))
def test_no_block_breaks_it(version_and_command, family, block):
    data = V2_SIGNATURE + struct.pack("!BBH", version_and_command, family, len(block)) + block
    try:
        header, rest = read(data)
    except InvalidHeader:
        return
    assert header is not None
    assert rest == b""


@given(st.sampled_from([4, 6]), st.data())
def test_both_versions_say_the_same(version, data):
    def endpoint():
        return Endpoint(str(data.draw(st.ip_addresses(v=version))), data.draw(st.integers(0, 65535)))

    source, destination = endpoint(), endpoint()

    assert parse_header(v1(source, destination)) == ProxyHeader(source, destination)
    assert parse_header(v2(source, destination)) == ProxyHeader(source, destination)
