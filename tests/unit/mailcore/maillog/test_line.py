"""The maillog's lines are Postfix's, and no client can forge one."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from mailcore.maillog import event as ev
from mailcore.maillog.line import dsn_of, lines_of, timestamp

AT = datetime(2026, 11, 2, 9, 5, 1, tzinfo=UTC)


def texts(event: ev.Event) -> list[str]:
    return [line.partition("mx postfix/")[2] for line in lines_of(event, "mx", 7)]


def test_the_time_is_syslogs():
    assert timestamp(AT) == "Nov  2 09:05:01"


def test_an_accepted_message_has_the_three_lines_of_postfix():
    event = ev.Accepted(
        at=AT, queue_id="4XYZ", client_address="192.0.2.1", client_name="c.example", sender="a@example.org",
        recipients=("b@example.org", "c@example.org"), size=512, message_id="<m@x>",
    )  # fmt: skip

    assert texts(event) == [
        "smtpd[7]: 4XYZ: client=c.example[192.0.2.1]",
        "cleanup[7]: 4XYZ: message-id=<m@x>",
        "qmgr[7]: 4XYZ: from=<a@example.org>, size=512, nrcpt=2 (queue active)",
    ]


def test_a_refusal_names_client_code_and_addresses():
    event = ev.Refused(
        client_address="198.51.100.4", helo="spam.example", sender="a@x.example", recipient="b@y.example",
        rule="refuse_open_relay", reply="554 5.7.1 Relay access denied",
    )  # fmt: skip

    assert texts(event) == [
        "smtpd[7]: NOQUEUE: reject: RCPT from unknown[198.51.100.4]: 554 5.7.1 <b@y.example>: Relay access denied; "
        "from=<a@x.example> to=<b@y.example> proto=ESMTP helo=<spam.example>"
    ]


def test_a_relayed_message_names_host_words_and_dsn():
    event = ev.Relayed(
        queue_id="4XYZ", recipient="b@y.example", original="list@example.org", relay="mx.y.example[192.0.2.9]:25",
        reply="250 2.0.0 Ok: queued as 12AB", delay_s=1.234,
    )  # fmt: skip

    assert texts(event) == [
        "smtp[7]: 4XYZ: to=<b@y.example>, orig_to=<list@example.org>, relay=mx.y.example[192.0.2.9]:25, delay=1.23, "
        "delays=0/0/0/1.23, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 12AB)"
    ]


def test_a_login_that_could_not_be_checked_is_no_failed_one():
    """fail2ban bans for "authentication failed", except with Postfix's own words for an outage: nobody's fault."""
    wrong = ev.AuthFailed(client_address="192.0.2.7", login="a", protocol="smtp", reason="AuthenticationFailed")
    unknown = ev.AuthFailed(client_address="192.0.2.7", login="a", protocol="smtp", reason="DirectoryUnavailable")

    assert texts(wrong) == [
        "smtpd[7]: warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: AuthenticationFailed, sasl_username=a"
    ]
    assert texts(unknown) == [
        "smtpd[7]: warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: "
        "Connection lost to authentication server, sasl_username=a"
    ]


def test_a_client_cannot_forge_a_line():
    event = ev.Refused(
        client_address="192.0.2.1", helo="x\r\nNov  2 09:05:01 mx postfix/qmgr[1]: A: removed", sender="a\u2028b",
        rule="r", reply="550 5.1.1 no\nsuch",
    )  # fmt: skip

    [line] = lines_of(event, "mx", 7)

    assert "\n" not in line and "\r" not in line and "\u2028" not in line


@pytest.mark.parametrize(
    ("reply", "dsn"),
    [("250 2.1.5 ok", "2.1.5"), ("421 later", "4.0.0"), ("554-5.7.1 no", "5.7.1"), ("", "4.0.0"), ("timeout", "4.0.0")],
)
def test_the_dsn_is_the_enhanced_code_or_the_class(reply, dsn):
    assert dsn_of(reply, "4.0.0") == dsn


def test_fields_of_an_event_are_all_its_fields():
    event = ev.DeferredAttempt(queue_id="Q", recipient="b@y.example")

    assert set(ev.fields_of(event)) == {field.name for field in fields(event)}
