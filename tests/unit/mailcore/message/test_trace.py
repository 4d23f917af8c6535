"""mailcore.message.trace: Received and Return-Path of our own, and the journey read from those of others."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.address import Address
from mailcore.message.headers import parse_headers
from mailcore.message.trace import Hop, TlsUsed, arrival_time, hop_count, journey, protocol_name, received, return_path
from mailcore.message.wire import to_wire

NOON = datetime(2025, 11, 20, 12, 0, 7, tzinfo=UTC)


def a_hop(**changes):
    values = {
        "helo": "client.example.net",
        "client_name": "client.example.net",
        "client_address": "192.0.2.7",
        "by": "mx.example.org",
        "protocol": "ESMTP",
        "queue_id": "0ABCDEF12345",
        "at": NOON,
    }
    return Hop(**(values | changes))


def the_journey(*fields):
    return journey(parse_headers(to_wire("\n".join(f"Received: {field}" for field in fields).encode() + b"\n\n")))


def test_received_names_both_hosts_the_protocol_the_id_and_the_time():
    assert received(a_hop()) == (
        b"Received: from client.example.net (client.example.net [192.0.2.7])\n"
        b"\tby mx.example.org (Mailkeep) with ESMTP id 0ABCDEF12345; Thu, 20 Nov 2025 12:00:07 +0000\n"
    )


def test_received_says_who_logged_in_how_it_was_encrypted_and_for_whom():
    hop = a_hop(
        helo="[192.0.2.7]",
        client_name="unknown",
        client_address="2001:db8::7",
        protocol="ESMTPSA",
        recipient="bob@example.org",
        tls=TlsUsed("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256),
        authenticated="alice@example.org",
        at=NOON.astimezone(timezone(timedelta(hours=-5))),
    )

    assert received(hop).decode().splitlines() == [
        "Received: from [192.0.2.7] (unknown [IPv6:2001:db8::7])",
        "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))",
        "\t(Authenticated sender: alice@example.org)",
        "\tby mx.example.org (Mailkeep) with ESMTPSA id 0ABCDEF12345",
        "\tfor <bob@example.org>; Thu, 20 Nov 2025 07:00:07 -0500",
    ]


@given(st.text(max_size=300), st.text(max_size=300))
def test_no_client_can_break_out_of_its_place(helo, name):
    field = received(a_hop(helo=helo, client_name=name))

    head, _, tail = field.partition(b"\n\tby mx.example.org")
    assert b"\n" not in head and b"\r" not in field and b"\0" not in field
    assert head.count(b"(") == head.count(b")") == 1
    assert tail.endswith(b"Thu, 20 Nov 2025 12:00:07 +0000\n")
    assert the_stop_by(field) == "mx.example.org"


def the_stop_by(field):
    return journey(parse_headers(to_wire(field + b"\n")))[0].by


def test_a_helo_that_looks_like_clauses_changes_nothing():
    field = received(a_hop(helo="a) by evil.example with ESMTP id 1; Thu", client_name="x\r\nSubject: hi"))

    stop = journey(parse_headers(to_wire(field)))[0]
    assert (stop.by, stop.queue_id, stop.at) == ("mx.example.org", "0ABCDEF12345", NOON)


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({"extended": False, "tls": False, "authenticated": False}, "SMTP"),
        ({"extended": True, "tls": False, "authenticated": False}, "ESMTP"),
        ({"extended": True, "tls": True, "authenticated": False}, "ESMTPS"),
        ({"extended": True, "tls": True, "authenticated": True}, "ESMTPSA"),
        ({"extended": True, "tls": True, "authenticated": True, "utf8": True}, "UTF8SMTPSA"),
    ],
)
def test_protocol_names_are_those_of_rfc_3848(flags, name):
    assert protocol_name(**flags) == name


@pytest.mark.parametrize(
    ("sender", "field"),
    [
        (None, b"Return-Path: <>\n"),
        ("", b"Return-Path: <>\n"),
        (Address("alice", "example.org"), b"Return-Path: <alice@example.org>\n"),
        ("a>\nEvil: 1@example.org", b"Return-Path: <aEvil: 1@example.org>\n"),
    ],
)
def test_return_path_holds_the_envelope_sender(sender, field):
    assert return_path(sender) == field


def test_hops_are_counted_in_either_form_and_any_case():
    header = b"Received: a\n\tb\nX-Received: c\nRECEIVED : d\nreceived:e\n\n"

    assert hop_count(header) == hop_count(to_wire(header)) == 3


def test_a_journey_starts_at_the_first_host_and_tells_each_delay():
    stops = the_journey(
        "from mx.example.org (mx.example.org [198.51.100.2]) by store.example.org (Postfix) with LMTP id C3"
        " for <bob@example.org>; Thu, 20 Nov 2025 12:00:07 +0000",
        "from out.example.net (out.example.net [IPv6:2001:db8::1])\n\t(using TLSv1.3 with cipher"
        " TLS_AES_256_GCM_SHA384 (256/256 bits)\n\t key-exchange X25519)\n\tby mx.example.org (Postfix)"
        " with ESMTPS id B2; Thu, 20 Nov 2025 12:00:04 +0000 (UTC)",
        "from [10.0.0.5] (unknown [203.0.113.9]) by out.example.net with ESMTPSA id A1;"
        " Thu, 20 Nov 2025 13:00:00 +0100",
    )

    assert [stop.by for stop in stops] == ["out.example.net", "mx.example.org", "store.example.org"]
    assert [stop.sender for stop in stops] == ["10.0.0.5", "out.example.net", "mx.example.org"]
    assert [stop.sender_address for stop in stops] == ["203.0.113.9", "2001:db8::1", "198.51.100.2"]
    assert [stop.delay_s for stop in stops] == [None, 4.0, 3.0]
    assert [(stop.tls, stop.cipher) for stop in stops] == [
        ("TLS", ""),
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        ("", ""),
    ]
    assert [stop.queue_id for stop in stops] == ["A1", "B2", "C3"]
    assert stops[2].recipient == "bob@example.org"


@pytest.mark.parametrize(
    ("field", "tls", "cipher"),
    [
        ("from a by b (version=TLS1_2 cipher=ECDHE-RSA-AES128-SHA); x", "TLSv1.2", "ECDHE-RSA-AES128-SHA"),
        ("from a by b with esmtps (TLS1.3) tls TLS_AES_256_GCM_SHA384 (Exim) id 1; x", "TLSv1.3", ""),
        ("from a by b with esmtp (Exim 4.96) id 1; x", "", ""),
    ],
)  # fmt: skip
def test_the_ways_others_write_tls_are_understood(field, tls, cipher):
    stop = the_journey(field)[0]

    assert (stop.tls, stop.cipher) == (tls, cipher)


@pytest.mark.parametrize(
    "field", ["", ";", "(", "by", "from by with", "((((a)", ") by x", "(qmail 1 invoked by uid 5); nonsense"]
)
def test_fields_that_say_little_give_little(field):
    stops = the_journey(field)

    assert len(stops) <= 1
    assert all(stop.at is None for stop in stops)


@given(st.binary(max_size=300))
def test_any_bytes_can_stand_in_a_received_field(value):
    journey(parse_headers(b"Received: " + to_wire(value).replace(b"\r\n", b" ") + b"\r\n\r\n"))


def test_arrival_is_the_time_of_the_topmost_hop():
    headers = parse_headers(b"Received: by b; Thu, 20 Nov 2025 13:00:07 +0100\r\nReceived: by a; x\r\n\r\n")

    assert arrival_time(headers) == NOON
    assert arrival_time(parse_headers(b"Subject: x\r\n\r\n")) is None
