"""The rules one by one and in their order: each refusal with its code and its name."""

from dataclasses import replace

import pytest

from mailcore.address import Address
from mailcore.config.snapshot import DomainRecord, Snapshot
from mailcore.envelope import Recipient
from mailcore.identity import AccountRef
from mailcore.policy import rules
from mailcore.policy.context import ClientContext, ConnectContext, DataContext, MailContext, RcptContext
from mailcore.policy.decision import decide
from mailcore.routing.resolve import UNKNOWN_USER
from mailcore.routing.route import Local, Refused, Relay, Routes

SNAPSHOT = Snapshot(
    mydomain="example.org",
    myorigin="example.org",
    message_size_limit=1000,
    smtpd_recipient_limit=3,
    client_connection_limit=2,
    client_message_rate_limit=5,
    domains={"example.org": DomainRecord("example.org", "local")},
)
ALICE = AccountRef(1, "alice@example.org")
STRANGER = ClientContext("198.51.100.9")
TRUSTED = ClientContext("192.0.2.1", is_trusted=True)
LOGGED_IN = ClientContext("198.51.100.9", account=ALICE, submits=True, tls=True)
SENDER = Address.parse("x@sender.example")


def verdict(decision):
    return (decision.rule, decision.reply.code, decision.reply.enhanced) if decision else None


def to(address, **changes):
    recipient = Recipient(Address.parse(address), Address.parse(address))
    return Routes(recipient, changes.pop("destination", "local"), **changes)


def local_to(address, **changes):
    route = Local(Recipient(Address.parse(address), Address.parse(address)), **changes)
    return to(address, local=(route,))


def elsewhere(address="b@elsewhere.example"):
    recipient = Recipient(Address.parse(address), Address.parse(address))
    return Routes(recipient, "elsewhere", remote=(Relay(recipient),))


@pytest.mark.parametrize(("client", "count", "refused"), [(STRANGER, 2, 0), (STRANGER, 3, 1), (TRUSTED, 99, 0)])
def test_connections(client, count, refused):
    found = verdict(decide(rules.CONNECT, ConnectContext(SNAPSHOT, client, count)))

    assert found == (("limit_connections", 421, "4.7.0") if refused else None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"sender": None}, None),
        ({"recent_messages": 5}, ("limit_message_rate", 450, "4.7.1")),
        ({"recent_messages": 5, "client": TRUSTED}, None),
        ({"size": 1001}, ("refuse_announced_size", 552, "5.3.4")),
        ({"is_qualified": False}, ("refuse_unqualified_sender", 504, "5.5.2")),
        ({"is_qualified": False, "client": TRUSTED}, None),
        ({"client": replace(STRANGER, submits=True)}, ("require_authentication", 530, "5.7.0")),
        ({"client": replace(TRUSTED, submits=True, tls=True)}, ("require_authentication", 530, "5.7.0")),
        ({"client": LOGGED_IN}, ("refuse_foreign_sender", 553, "5.7.1")),
        ({"client": LOGGED_IN, "sender": None}, None),
        ({"client": LOGGED_IN, "sender": Address.parse("Alice+tag@example.org")}, None),
    ],
)
def test_senders(changes, expected):
    context = MailContext(SNAPSHOT, STRANGER, SENDER)

    assert verdict(decide(rules.MAIL, replace(context, **changes))) == expected


def test_submission_says_what_is_missing():
    client = replace(STRANGER, submits=True)

    assert "STARTTLS" in decide(rules.MAIL, MailContext(SNAPSHOT, client, SENDER)).reply.text
    in_tls = decide(rules.MAIL, MailContext(SNAPSHOT, replace(client, tls=True), SENDER))
    assert in_tls.reply.text == "Authentication required"


def test_an_alias_that_leads_to_the_user_may_be_used_as_sender():
    sales = Address.parse("sales@example.org")
    own = Routes(Recipient(sales, sales), "local", local=(Local(Recipient(sales, sales), ALICE),))
    context = MailContext(SNAPSHOT, LOGGED_IN, sales, sender_routes=own)

    assert decide(rules.MAIL, context) is None
    of_bob = replace(own, local=(Local(Recipient(sales, sales), AccountRef(2, "bob@example.org")),))
    assert verdict(decide(rules.MAIL, replace(context, sender_routes=of_bob)))[0] == "refuse_foreign_sender"


def test_a_stranger_cannot_be_somebody_of_ours_who_does_not_exist():
    ghost = Address.parse("ghost@example.org")
    refused = Refused(Recipient(ghost, ghost), "refuse_unknown_user", UNKNOWN_USER, "ghost")
    context = MailContext(SNAPSHOT, STRANGER, ghost, sender_routes=to("ghost@example.org", refused=refused))

    assert verdict(decide(rules.MAIL, context)) == ("refuse_unknown_local_sender", 550, "5.1.0")
    assert decide(rules.MAIL, replace(context, client=TRUSTED)) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"accepted": 3}, ("limit_recipients", 452, "4.5.3")),
        ({"routes": elsewhere()}, ("refuse_open_relay", 554, "5.7.1")),
        ({"routes": elsewhere(), "client": TRUSTED}, None),
        ({"routes": elsewhere(), "client": LOGGED_IN}, None),
        ({"routes": to("x@relay.example", destination="relay")}, None),
        ({"is_qualified": False}, ("refuse_unqualified_recipient", 504, "5.5.2")),
        ({"is_qualified": False, "client": TRUSTED}, None),
        ({"is_qualified": False, "routes": local_to("PostMaster@example.org", account=ALICE)}, None),
    ],
)
def test_recipients(changes, expected):
    context = RcptContext(SNAPSHOT, STRANGER, local_to("alice@example.org", account=ALICE))

    assert verdict(decide(rules.RCPT, replace(context, **changes))) == expected


def test_relay_is_denied_before_anything_is_told_about_users():
    refused = Refused(elsewhere().address, "refuse_unknown_user", UNKNOWN_USER, "x")

    context = RcptContext(SNAPSHOT, STRANGER, replace(elsewhere(), refused=refused))

    assert decide(rules.RCPT, context).rule == "refuse_open_relay"


def test_an_undeliverable_recipient_is_refused_under_the_name_of_its_rule():
    routes = to("ghost@example.org")
    refused = Refused(routes.address, "refuse_unknown_user", UNKNOWN_USER, "ghost@example.org: unknown user")

    decision = decide(rules.RCPT, RcptContext(SNAPSHOT, STRANGER, replace(routes, refused=refused)))

    assert verdict(decision) == ("refuse_unknown_user", 550, "5.1.1")
    assert decision.reason == "ghost@example.org: unknown user"


@pytest.mark.parametrize(
    ("used", "size", "expected"),
    [(0, 0, None), (999, 1, None), (1000, 0, (452, "4.2.2")), (500, 501, (452, "4.2.2")), (0, 1001, (552, "5.2.2"))],
)
def test_quota(used, size, expected):
    account = AccountRef(1, "alice@example.org", quota_bytes=1000)
    routes = local_to("alice@example.org", account=account, used_bytes=used)

    found = verdict(decide(rules.RCPT, RcptContext(SNAPSHOT, STRANGER, routes, size=size)))

    assert found == (("refuse_over_quota", *expected) if expected else None)


@pytest.mark.parametrize(("used", "expected"), [(9, None), (10, ("refuse_over_quota", 452, "4.2.2"))])
def test_quota_of_messages(used, expected):
    account = AccountRef(1, "alice@example.org", quota_messages=10)
    routes = local_to("alice@example.org", account=account, used_messages=used)

    assert verdict(decide(rules.RCPT, RcptContext(SNAPSHOT, STRANGER, routes, size=5))) == expected


def test_data():
    assert decide(rules.DATA, DataContext(SNAPSHOT, STRANGER, 1000, 50)) is None
    assert verdict(decide(rules.DATA, DataContext(SNAPSHOT, STRANGER, 1001, 0))) == ("refuse_big_message", 552, "5.3.4")
    assert verdict(decide(rules.DATA, DataContext(SNAPSHOT, STRANGER, 1, 51))) == ("refuse_loop", 554, "5.4.6")


def test_every_decision_says_why():
    contexts = [
        (rules.MAIL, MailContext(SNAPSHOT, STRANGER, SENDER, size=2000)),
        (rules.RCPT, RcptContext(SNAPSHOT, STRANGER, elsewhere())),
        (rules.DATA, DataContext(SNAPSHOT, STRANGER, 1, 51)),
    ]

    assert all(decide(stage, context).reason for stage, context in contexts)
