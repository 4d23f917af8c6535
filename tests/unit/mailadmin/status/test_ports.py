"""What processes say of their ports, and what a port has to do."""

import pytest

from mailadmin.status.ports import Port, parse_ports


@pytest.mark.parametrize(
    ("listening", "port"),
    [
        ("mx 127.0.0.1:2525", Port("mx", "127.0.0.1", 2525)),
        ("imaps [::1]:993", Port("imaps", "::1", 993)),
        ("mx-proxy 127.0.0.1:10025", Port("mx-proxy", "127.0.0.1", 10025)),
        ("pop3 0.0.0.0:110", Port("pop3", "0.0.0.0", 110)),
        ("imap [::]:143", Port("imap", "::", 143)),
        ("192.0.2.1:25", Port("", "192.0.2.1", 25)),
    ],
)
def test_ports_as_processes_report_them(listening, port):
    assert parse_ports([listening]) == (port,)


def test_what_several_processes_share_is_one_port():
    assert len(parse_ports(["mx 127.0.0.1:25", "mx 127.0.0.1:25", "submission 127.0.0.1:587"])) == 2


@pytest.mark.parametrize("listening", ["", "mx", "mx 127.0.0.1", "mx 127.0.0.1:x", "mx 127.0.0.1:99999999"])
def test_what_cannot_be_read_is_left_out(listening):
    assert parse_ports([listening]) == ()


@pytest.mark.parametrize(
    ("protocol", "greeting"),
    [("mx", b"220"), ("submission", b"220"), ("imap", b"* OK"), ("pop3", b"+OK"), ("imaps", b""), ("", b"")],
)
def test_plain_ports_greet_and_those_with_tls_accept(protocol, greeting):
    assert Port(protocol, "127.0.0.1", 1).greeting == greeting


def test_a_port_in_words():
    assert str(Port("mx", "127.0.0.1", 25)) == "mx 127.0.0.1:25"
    assert str(Port("imap", "::1", 143)) == "imap [::1]:143"
