"""mailcore.message.compose: what we write is read back the same by the standard library and by ourselves."""

import email
import email.policy
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.address_list import parse_addresses
from mailcore.message.charset import clean
from mailcore.message.compose import ClientSettings, Notice, compose, encode_text, mailbox, welcome
from mailcore.message.display import show
from mailcore.message.encoded_word import decode_header

NOON = datetime(2025, 11, 20, 12, 0, tzinfo=UTC)
TEXTS = st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=200)


def read(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def test_a_notice_has_every_field_and_says_that_a_machine_wrote_it():
    notice = Notice("postmaster@example.org", "Mailkeep", "bob@example.org", "Bob", "Quota", "Nearly full.")

    data = compose(notice, message_id="<1@example.org>", now=NOON)

    assert data == (
        b"From: Mailkeep <postmaster@example.org>\nTo: Bob <bob@example.org>\nSubject: Quota\n"
        b"Date: Thu, 20 Nov 2025 12:00:00 +0000\nMessage-ID: <1@example.org>\nMIME-Version: 1.0\n"
        b"Auto-Submitted: auto-generated\nContent-Type: text/plain; charset=utf-8\n"
        b"Content-Transfer-Encoding: 7bit\n\nNearly full.\n"
    )


def test_any_script_arrives_in_seven_bits():
    notice = Notice("p@example.org", "Jörg, der Wächter", "b@example.org", "Боб", "Grüße " * 30, "Grüße\nund Küsse")

    data = compose(notice, message_id="<1@example.org>", now=NOON)

    assert data.isascii() and max(map(len, data.split(b"\n"))) <= 998
    message = read(data)
    assert message["from"].addresses[0].display_name == "Jörg, der Wächter"
    assert message["to"].addresses[0].display_name == "Боб"
    assert message["subject"] == ("Grüße " * 30).strip()
    assert message.get_content() == "Grüße\nund Küsse\n"


@given(TEXTS)
def test_every_subject_comes_back(subject):
    assert decode_header(encode_text(subject).replace("\n", "").encode()) == clean(subject).strip()


@given(TEXTS)
def test_every_name_comes_back(name):
    (found,) = parse_addresses(mailbox(name, "a@example.org").replace("\n", "").encode())

    assert (found.local, found.domain) == (b"a", b"example.org")
    assert decode_header(found.name or b"") == " ".join(clean(name).split())


def test_nothing_becomes_a_field_of_its_own():
    notice = Notice("a@x\nBcc: e@x", "A\nBcc: e@x", "b@x>", 'B"\r\n', "S\nBcc: e@x", "text")

    message = read(compose(notice, message_id="<1@x>\nBcc: e@x", now=NOON))

    assert message["bcc"] is None
    assert len(message.keys()) == 9


def test_the_welcome_message_tells_how_to_get_in():
    settings = ClientSettings("mail.example.org", 2993, 2995, 2587, "https://mail.example.org/mail/")

    data = welcome("bob@example.org", "Bob Müller", "postmaster@example.org", settings, message_id="<1@x>", now=NOON)

    shown = show(data, lambda number: number)
    assert shown.subject == "Welcome to bob@example.org"
    assert shown.to == ("Bob Müller <bob@example.org>",)
    for fact in (
        "Hello Bob Müller",
        "2993",
        "2995",
        "2587",
        "https://mail.example.org/mail/",
        "postmaster@example.org",
    ):
        assert fact in shown.text
