"""What a report looks like, read with the standard library's parser."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest

from mailcore.address import Address
from mailcore.dsn.decide import Action
from mailcore.dsn.report import RETURN_PATH, build_report
from mailcore.dsn.reported import MAX_RETURNED_BYTES, About, Reported, Reporter
from mailcore.envelope import Envelope, Recipient
from mailcore.reply import Reply

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
REPORTER = Reporter("mail.here.test", "here.test")
CONTENT = b"From: alice@here.test\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\nHello\n.\n"
NO_SUCH_USER = Reply(550, "5.1.1", "no such user\nask the postmaster")
RELAY = "mx.there.test[192.0.2.1]:25"


def rcpt(text: str = "bob@there.test", original: str = "", orcpt: str = "") -> Recipient:
    return Recipient(Address.parse(text), Address.parse(original or text), orcpt=orcpt)


def about(content: bytes = CONTENT, sender: str = "alice@here.test", **envelope) -> About:
    return About(
        queue_id="4abcDEF12345",
        envelope=Envelope(Address.parse(sender), (), **envelope),
        message_id="<1@here.test>",
        received_at=NOW - timedelta(hours=1),
        expires_at=NOW + timedelta(days=5),
        content=content,
        is_complete=len(content) <= MAX_RETURNED_BYTES,
    )


def told(action: Action = Action.FAILED, reply: Reply = NO_SUCH_USER, relay: str = RELAY, **recipient) -> Reported:
    return Reported(action, rcpt(**recipient), relay, reply, NOW)


def build(of: About, *reported: Reported) -> EmailMessage:
    content = build_report(REPORTER, of, reported, "<2@here.test>", NOW)
    assert content.startswith(RETURN_PATH) and b"\r" not in content and b"\0" not in content
    assert all(len(line) <= 998 for line in content.splitlines())
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert not message.defects
    return message


def parts(message: EmailMessage) -> list[EmailMessage]:
    return list(message.iter_parts())  # type: ignore[arg-type]


def fields(message: EmailMessage) -> list[EmailMessage]:
    return parts(message)[1].get_payload()  # type: ignore[return-value]


def test_the_header_says_what_it_is_and_belongs_to():
    message = build(about(), told())

    assert message["To"] == "alice@here.test" and message["From"] == "Mail Delivery System <MAILER-DAEMON@here.test>"
    assert message["Subject"] == "Your message could not be delivered"
    assert message["In-Reply-To"] == message["References"] == "<1@here.test>"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"


def test_the_first_part_is_for_people():
    text = parts(build(about(), told(original="team@here.test")))[0].get_content()

    assert "There is no mailbox of that name." in text
    assert "you wrote to team@here.test" in text
    assert f"The server {RELAY} said:" in text
    assert "550 5.1.1 no such user" in text and "550 5.1.1 ask the postmaster" in text
    assert "Subject: Grüße" in text and "postmaster@here.test" in text


@pytest.mark.parametrize("action", [Action.FAILED, Action.DELAYED])
def test_one_address_or_several(action):
    one = parts(build(about(), told(action)))[0].get_content()
    two = parts(build(about(), told(action), told(action, text="carol@there.test")))[0].get_content()

    assert "to the following address" in one and "to the following addresses" not in one
    assert "to the following addresses" in two


def test_the_second_part_is_for_programs():
    of = about(envid="e=1 +", ret="HDRS")

    per_message, per_recipient = fields(build(of, told(orcpt="rfc822;bob+x@there.test")))

    assert per_message["Reporting-MTA"] == "dns; mail.here.test"
    assert per_message["Original-Envelope-Id"] == "e+3D1+20+2B"
    assert per_message["X-Queue-ID"] == "4abcDEF12345"
    assert per_message["Arrival-Date"] == "Sun, 22 Nov 2026 11:00:00 +0000"
    assert dict(per_recipient.items()) == {
        "Original-Recipient": "rfc822; bob+x@there.test",
        "Final-Recipient": "rfc822; bob@there.test",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.there.test",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user 550 5.1.1 ask the postmaster",
        "Last-Attempt-Date": "Sun, 22 Nov 2026 12:00:00 +0000",
    }


def test_our_own_words_are_not_passed_off_as_those_of_a_server():
    reply = Reply(451, "4.4.1", "no connection to mx.there.test")

    message = build(about(), told(reply=reply, relay="none"))

    assert "Remote-MTA" not in fields(message)[1]
    assert fields(message)[1]["Diagnostic-Code"].startswith("X-Mailkeep; 451")
    assert fields(message)[1]["Status"] == "5.4.7", "it waited too long"
    assert "could not be reached" in parts(message)[0].get_content()


@pytest.mark.parametrize(
    ("ret", "action", "kind"),
    [
        ("", Action.FAILED, "message/rfc822"),
        ("FULL", Action.FAILED, "message/rfc822"),
        ("HDRS", Action.FAILED, "text/rfc822-headers"),
        ("FULL", Action.DELAYED, "text/rfc822-headers"),
        ("", Action.RELAYED, "text/rfc822-headers"),
    ],
)
def test_the_message_comes_back_whole_or_as_its_header(ret, action, kind):
    returned = parts(build(about(ret=ret), told(action)))[2]

    assert returned.get_content_type() == kind
    if kind == "message/rfc822":
        assert returned.get_payload(0).as_bytes() == CONTENT
    else:
        assert returned.get_payload(decode=True) == CONTENT.partition(b"\n\n")[0] + b"\n"


def test_a_large_message_comes_back_as_its_header():
    returned = parts(build(about(CONTENT + b"x" * 70 + b"\n" * MAX_RETURNED_BYTES), told()))[2]

    assert returned.get_content_type() == "text/rfc822-headers"


@pytest.mark.parametrize("content", [b"", b"\n", b"\nonly a body", b"no header at all", b"Subject: x"])
def test_messages_without_much_in_them(content):
    assert len(parts(build(about(content), told()))) == 3


def test_a_delay_says_how_long_it_will_be_tried():
    message = build(about(), told(Action.DELAYED, Reply(450, "4.2.0", "greylisted")))

    assert "it will be tried until 27 November 2026, 12:00 UTC" in parts(message)[0].get_content()
    assert fields(message)[1]["Will-Retry-Until"] == "Fri, 27 Nov 2026 12:00:00 +0000"
    assert fields(message)[1]["Status"] == "4.2.0"


def test_success_needs_no_words_of_servers():
    message = build(about(), told(Action.RELAYED, Reply(250, "", "ok")))

    assert fields(message)[1]["Action"] == "relayed" and fields(message)[1]["Status"] == "2.0.0"
    assert "said:" not in parts(message)[0].get_content()


def test_words_from_outside_cannot_add_fields_or_lines():
    reply = Reply(550, "5.7.1", "no\r\nAction: delivered\n\nInjected: yes " + "x" * 3000)

    message = build(about(), told(reply=reply))

    assert fields(message)[1].get_all("Action") == ["failed"]
    assert len(fields(message)) == 2 and "Injected" not in fields(message)[1]


def test_a_message_id_that_is_none_is_not_referred_to():
    of = about()
    odd = About(**{name: getattr(of, name) for name in About.__slots__} | {"message_id": "<a>\nBcc: x@y"})

    message = build(odd, told())

    assert "In-Reply-To" not in message and "Bcc" not in message


def test_international_mail_is_reported_in_utf8():
    of = about("Subject: Grüße\n\nHallo\n".encode(), sender="jörg@here.test", smtputf8=True)

    message = build(of, told(text="josé@there.test"))

    kinds = [part.get_content_type() for part in parts(message)]
    assert kinds[1:] == ["message/global-delivery-status", "message/global"]
    assert (
        "Final-Recipient: utf-8; josé@there.test"
        in build_report(REPORTER, of, [told(text="josé@there.test")], "<2@here.test>", NOW).decode()
    )
    assert "josé@there.test" in parts(message)[0].get_content()
